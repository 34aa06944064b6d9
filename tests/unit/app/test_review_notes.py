"""A node's notes: bounded, and gone after a day where no decision names them."""

import asyncio
import os
from pathlib import Path

import pytest

from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.adapters.erasable import Erasable
from detente.app.admission import Rates
from detente.app.review_notes import ERASE, NAMESPACE, READ, ReviewNotes, asserted_leave, review_message
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.testing.authenticator import Passkey, TerminalKey
from tests import node_coalition as rig
from tests.accord_play import T0, Play, founding

NOTE = b'{"reason":"reads well"}'


def notes_of(folder: Path, *, per_s: float = 1e6, burst: float = 1e6) -> ReviewNotes:
    coalition = rig.found(folder / "coalition")
    state = fold(Evidence(coalition.data))
    return ReviewNotes(
        Erasable(folder / "erasable"),
        node=Party("dev-a"),
        rates=Rates(per_s=per_s, burst=burst),
        state=lambda: state,
        now=lambda: Instant(rig.NOW),
    )


def kept(notes: ReviewNotes, address: str = "a"):
    return asyncio.run(notes.keep(NOTE, kind="application/json; charset=utf-8", address=address))


def test_notes_of_one_address_are_limited(tmp_path: Path):
    """Z06: nothing is kept then, and another address is not kept out."""
    notes = notes_of(tmp_path, per_s=0, burst=2)
    kept(notes)
    kept(notes)
    with pytest.raises(Refused) as refused:
        kept(notes)
    assert (refused.value.rule, refused.value.kind) == ("Z06", "rate")
    assert len(list((tmp_path / "erasable").iterdir())) == 2
    kept(notes, "b")


def test_a_note_that_no_decision_came_to_name_goes_after_a_day(tmp_path: Path):
    """Whoever began to decide and left leaves nothing behind; a note of today stays."""
    notes = notes_of(tmp_path)
    old, young = kept(notes), kept(notes)
    os.utime(tmp_path / "erasable" / old, (1_000_000, 1_000_000))
    assert asyncio.run(notes.forget_unused()) == 1
    assert (notes.find(old), notes.find(young) is None) == (None, False)


NOW = T0 + 500
KINDS = {"passkey": Passkey("p"), "security key": TerminalKey("t")}


def with_device(folder: Path, key) -> ReviewNotes:
    play = Play(founding()).begin()
    play.enrol_device("auth-1", key, T0 + 90)
    return ReviewNotes(
        Erasable(folder),
        node=Party("dev-a"),
        rates=Rates(per_s=1, burst=1),
        state=lambda: play.state,
        now=lambda: Instant(NOW),
    )


def asserted(key, *, domain: str = READ, reviewer: str = "r-1", node: str = "dev-a", namespace: str = NAMESPACE) -> str:
    message = review_message(domain, Party("auth-1"), reviewer, node=Party(node), at=Instant(NOW))
    assertion = key.get(message) if isinstance(key, Passkey) else key.sign(message, namespace)
    return asserted_leave(assertion, Instant(NOW))


@pytest.mark.parametrize("key", KINDS.values(), ids=KINDS)
def test_who_decides_with_an_authenticator_asks_with_it(tmp_path: Path, key):
    """An assertion over the same lines, by the credential that the root keys enrolled for that reviewer."""
    notes = with_device(tmp_path, key)
    notes.check_reviewer(Party("auth-1"), "r-1", asserted(key))
    for rule, signed in (
        ("Z08", asserted(key, domain=ERASE)),
        ("Z08", asserted(key, node="dev-b")),
        ("Z08", asserted(key, reviewer="r-2")),
        ("Z09", asserted(type(key)("stranger"))),
    ):
        with pytest.raises(Refused) as refused:
            notes.check_reviewer(Party("auth-1"), "r-1", signed)
        assert refused.value.rule == rule
    with pytest.raises(Refused) as refused:
        notes.check_reviewer(Party("auth-1"), "r-2", asserted(key, reviewer="r-2"))
    assert refused.value.rule == "Z09"


def test_a_security_keys_approval_opens_no_figures(tmp_path: Path):
    """Another namespace is another purpose."""
    key = TerminalKey("t")
    notes = with_device(tmp_path, key)
    with pytest.raises(Refused) as refused:
        notes.check_reviewer(Party("auth-1"), "r-1", asserted(key, namespace="detente-approval"))
    assert refused.value.rule == "Z08"
