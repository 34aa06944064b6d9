"""What a node refuses for good is set aside, and is said anew by whoever would say it again."""

import asyncio
from decimal import Decimal

import pytest

from detente.adapters.rundir import RunFolder
from detente.app.petition import DECLARATION, Petitioner, Speaker
from detente.base.errors import Refused
from detente.base.instant import Instant
from detente.statement.run import Run
from tests.unit.guard import messages as m

RUN = Run(run="run", activity="training", planned_flop=Decimal(0), parents=(), data=())


class Node:
    """A node that refuses or takes; ``taken`` is what it has."""

    def __init__(self) -> None:
        self.refuses = True
        self.taken: list[bytes] = []

    async def submit(self, envelope: bytes) -> None:
        if self.refuses:
            raise Refused("N00", "expired", got="a statement of tomorrow", expected="one of today")
        self.taken.append(envelope)


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path, "run")
    made.take()
    yield made
    made.release()


def test_a_declaration_that_was_refused_for_good_is_made_anew(folder):
    """Kept as the run's own it would be asked for again and again, and no issuer would ever know it."""
    node = Node()
    speaker = Speaker(
        accord=m.ACCORD, terms_version=1, party=m.DEV, signer=m.GUARD, wall=lambda: Instant(1_800_000_000)
    )
    first, new = Petitioner(speaker, folder, node).declare(RUN)
    assert new
    petitioner = Petitioner(speaker, folder, node)
    assert petitioner.declare(RUN) == (first, False), "what is only not delivered yet is the same"
    asyncio.run(petitioner.deliver())
    assert [refused.kind for _, refused in petitioner.refused] == ["expired"]
    assert folder.read(DECLARATION, 65_536) is None
    assert len(list((folder.path / "outbox").glob("*.refused"))) == 1, "it is set aside, and kept"

    node.refuses = False
    second, new = Petitioner(speaker, folder, node).declare(RUN)
    assert (new, second != first) == (True, True)
    asyncio.run(Petitioner(speaker, folder, node).deliver())
    assert folder.read(DECLARATION, 65_536) == node.taken[0]


def test_what_another_statement_keeps_stays(folder):
    """Only what was refused is forgotten."""
    folder.store("proposal-1.json", b"{}")
    folder.forget(b"{ }")
    assert folder.read("proposal-1.json") == b"{}"
