"""`detente accord join`, `register` and `leave`: the real commands at real nodes of a coalition."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detente.adapters.keys import store_key
from detente.base.identity import Party
from detente.cli import main
from detente.testing.coalition import TERMS, Coalition
from detente.testing.loopback import Loopback

LEAVABLE = TERMS + "withdrawal: {{notice: 30 d, from_pause: never}}\n"
SHARED = LEAVABLE.replace(
    "when: {{acceded: {{role: developer, at_least: {developers}}}}}",
    "when: {{acceded: {{share_of: registered_compute, at_least: 80 %}}}}",
)
FIRST, SECOND = Party("dev-0"), Party("dev-1")


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Loopback]:
    coalition = Coalition(seed=7, developers=2, mirrors=3, f=0, terms=SHARED, settle_s=1)
    with Loopback(tmp_path, coalition) as nodes:
        for party in (FIRST, SECOND):
            seed = hashlib.sha256(f"7 {party} root 0".encode()).digest()
            store_key(nodes.home(party) / "keys" / "root.key", seed)
        yield nodes


def command(nodes: Loopback, party: Party, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--home", str(nodes.home(party))])


def bound_at(nodes: Loopback, *parties: str) -> None:
    def holds(said: dict) -> bool:
        return {each["party"] for each in said["bindings"] if each["bound"]} == set(parties)

    asyncio.run(nodes.until(nodes.coalition.mirrors[0], holds))


def test_a_coalition_is_joined_registered_with_and_left_by_command(nodes: Loopback):
    """One waits for the other; shares of compute bring the accord into force; a notice that runs binds on."""
    waits = command(nodes, FIRST, "accord", "join", "--while-bound", "1:dev-1")
    assert waits.exit_code == 0, waits.output
    assert waits.stdout.startswith("dev-0 acceded: ")
    joined = json.loads(command(nodes, SECOND, "accord", "join", "--json").stdout)
    assert (joined["kind"], joined["party"], joined["filed"], joined["counts"]) == ("accession", "dev-1", True, True)
    bound_at(nodes, FIRST, SECOND)
    compute = command(nodes, FIRST, "accord", "register", "main", "--chips", "8", "--peak-flop-s", "1e16")
    assert compute.exit_code == 0, compute.output
    asyncio.run(nodes.until(nodes.coalition.mirrors[0], lambda said: said["phase"]["now"] == "in_force"))
    left = command(nodes, SECOND, "accord", "leave", "--reason", "tried it")
    assert "it counts 30 d after a quorum has witnessed it" in left.stdout
    asyncio.run(
        nodes.until(
            nodes.coalition.mirrors[0],
            lambda said: any(each["party"] == SECOND and each["leaves_at"] for each in said["bindings"]),
        )
    )
    bound_at(nodes, FIRST, SECOND)


def test_who_has_not_joined_cannot_leave_and_who_has_no_root_key_cannot_join(nodes: Loopback):
    """Both are told what is missing, and nothing is filed."""
    mirror = nodes.coalition.mirrors[0]
    told = command(nodes, FIRST, "accord", "leave", "--reason", "none")
    assert (told.exit_code, "dev-0 has not acceded" in told.stderr) == (2, True)
    told = command(nodes, mirror, "accord", "join")
    assert (told.exit_code, "--root" in told.stderr) == (2, True)
    told = command(nodes, FIRST, "accord", "join", "--while-bound", "2:dev-1")
    assert (told.exit_code, "at least as many parties" in told.stderr) == (2, True)
    assert json.loads(command(nodes, FIRST, "node", "status", "--json").stdout)["log"]["size"] == 0


def test_root_keys_that_lie_apart_sign_one_statement(nodes: Loopback, tmp_path: Path):
    """`--out` files nothing; what `--sign` files is the same statement."""
    written = tmp_path / "accession.json"
    kept = json.loads(command(nodes, FIRST, "accord", "join", "--out", str(written), "--json").stdout)
    assert (kept["filed"], written.exists()) == (False, True)
    root = str(nodes.home(FIRST) / "keys" / "root.key")
    wrong = command(nodes, FIRST, "accord", "leave", "--reason", "none", "--sign", str(written), "--root", root)
    assert (wrong.exit_code, "not the withdrawal" in wrong.stderr) == (2, True)
    filed = json.loads(command(nodes, FIRST, "accord", "join", "--sign", str(written), "--root", root, "--json").stdout)
    assert (filed["statement"], filed["filed"], filed["counts"]) == (kept["statement"], True, True)
    bound_at(nodes, FIRST)
