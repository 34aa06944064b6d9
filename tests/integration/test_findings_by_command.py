"""`detente accord find`, `challenge` and `rule`, `detente renew` and `retract`: the real commands at real nodes of a coalition."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detente.base.digest import sha256_hex
from detente.base.identity import Party
from detente.base.instant import Instant, parse_instant, show_instant
from detente.cli import main
from detente.testing.coalition import TERMS, Coalition
from detente.testing.loopback import Loopback

DUTIES = """\
duties:
  - {{id: inspection, of: developer, found_by: auditor, on_request: {{by: [dev-1, auditor], within: 1 d}}}}
expires: EXPIRES
adjudication: {{challenge_within: 1 d, rule_within: 5 d, votes: {{adjudicator: 2}}}}
renewal: {{for: 365 d, at_most: 1, votes: {{developer: 1, auditor: 1}}}}
"""
SUNSET = Instant(46_296 * 86_400)
"""A day in the year 2096."""
FIRST, SECOND = Party("dev-0"), Party("dev-1")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loopback]:
    text = TERMS + DUTIES.replace("EXPIRES", show_instant(SUNSET)[:10])
    coalition = Coalition(seed=11, developers=2, mirrors=4, f=1, terms=text, settle_s=1)
    with Loopback(tmp_path_factory.mktemp("nodes"), coalition) as nodes:
        asyncio.run(nodes.accede())
        yield nodes


def command(nodes: Loopback, party: Party, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--home", str(nodes.home(party))])


def said(nodes: Loopback, party: Party, *arguments: str) -> dict:
    told = command(nodes, party, *arguments, "--json")
    assert told.exit_code == 0, told.output
    return json.loads(told.stdout)


def until(nodes: Loopback, party: Party, holds) -> None:
    asyncio.run(nodes.until(party, holds))


def with_role(nodes: Loopback, role: str) -> list[Party]:
    return [party for party, roles in nodes.coalition.roles.items() if role in roles]


def state_of(status: dict, finding: str) -> str:
    return next((each["state"] for each in status["findings"] if each["finding"] == finding), "")


def log_sizes(nodes: Loopback, *parties: Party) -> list[int]:
    return [said(nodes, party, "node", "status")["log"]["size"] for party in parties]


def test_a_finding_is_filed_challenged_and_ruled_by_commands(nodes: Loopback, tmp_path: Path):
    """Evidence lies at the node by its digest; every node tells the case; nobody rules on what they found."""
    auditor, *_ = with_role(nodes, "auditor")
    judges = [party for party in with_role(nodes, "adjudicator") if party != auditor]
    report = tmp_path / "report.txt"
    report.write_bytes(b"chips that nobody registered")
    filed = said(nodes, auditor, "accord", "find", SECOND, "--claim", "hides chips", "--evidence", str(report))
    assert (filed["party"], filed["counts"], filed["stands"]) == (auditor, True, "the finding is open")
    finding = filed["statement"]
    assert (nodes.home(auditor) / "blobs").is_dir()
    assert any(path.read_bytes() == report.read_bytes() for path in nodes.home(auditor).rglob(f"*{sha256_hex(report.read_bytes())[2:]}*"))  # fmt: skip
    until(nodes, SECOND, lambda status: state_of(status, finding) == "open")
    told = command(nodes, SECOND, "accord", "challenge", finding[:12], "--grounds", "they are registered")
    assert (told.exit_code, "dev-1 filed a challenge" in told.stdout) == (0, True), told.output
    for judge in judges[:2]:
        until(nodes, judge, lambda status: state_of(status, finding) == "open")
        ruled = said(nodes, judge, "accord", "rule", finding[:8], "--outcome", "breach", "--remedy", "register them")
        assert (ruled["kind"], ruled["party"], ruled["counts"]) == ("ruling", judge, True)
    until(nodes, FIRST, lambda status: state_of(status, finding) == "breach")


def test_what_would_have_no_effect_is_not_filed(nodes: Loopback):
    """A developer finds nothing, nobody finds or rules about themselves, and a finding is named by enough of it."""
    auditor, *_ = with_role(nodes, "auditor")
    before = log_sizes(nodes, FIRST, auditor)
    refused = [
        (FIRST, ("accord", "find", SECOND, "--claim", "hides chips"), "may file a finding; the terms give that to"),
        (auditor, ("accord", "find", auditor, "--claim", "hides chips"), "may file a finding"),
        (auditor, ("accord", "find", "dev-9", "--claim", "hides chips"), "the terms have: dev-0"),
        (auditor, ("accord", "find", SECOND), "got 0 claims"),
        (auditor, ("accord", "find", SECOND, "--claim", "x", "--fulfils", "inspection"), "got 2 claims"),
        (auditor, ("accord", "find", SECOND, "--below", "1e24"), "name it with --run"),
        (auditor, ("accord", "find", SECOND, "--asks", "dinner"), "due on request: inspection"),
        (auditor, ("accord", "find", SECOND, "--claim", "x", "--evidence", "nowhere.txt"), "cannot read nowhere.txt"),
        (auditor, ("accord", "rule", "abc", "--outcome", "breach", "--remedy", "x"), "8 or more"),
        (auditor, ("accord", "rule", "0" * 8, "--outcome", "breach", "--remedy", "x"), "no finding of this status"),
    ]
    for party, arguments, words in refused:
        told = command(nodes, party, *arguments)
        assert (told.exit_code, words in told.stderr) == (2, True), (arguments, told.stderr)
    assert log_sizes(nodes, FIRST, auditor) == before


def test_an_inspection_is_asked_for_and_found_done(nodes: Loopback):
    """By whoever the terms name, a competitor too; whoever was let in says so."""
    auditor, *_ = with_role(nodes, "auditor")
    asked = said(nodes, SECOND, "accord", "find", FIRST, "--asks", "inspection")
    assert (asked["party"], asked["counts"]) == (SECOND, True)
    assert asked["stands"].startswith("inspection of dev-0 is open, due at ")

    def duty(status: dict) -> str:
        return next(each["state"] for each in status["duties"] if each["party"] == FIRST)

    def witnessed_earlier(status: dict) -> bool:
        """Only what is witnessed in a later second answers it; what is only heard is due a day from the instant of asking."""
        due = next(each["due_at"] for each in status["duties"] if each["party"] == FIRST)
        return due is not None and parse_instant(due) - 86_400 < parse_instant(status["at"])

    until(nodes, auditor, witnessed_earlier)
    said(nodes, auditor, "accord", "find", FIRST, "--fulfils", "inspection")
    until(nodes, FIRST, lambda status: duty(status) == "fulfilled")
    told = command(nodes, SECOND, "accord", "find", SECOND, "--asks", "inspection")
    assert (told.exit_code, "may file a finding" in told.stderr) == (2, True)


def test_the_accord_is_renewed_by_votes_and_a_vote_is_taken_back(nodes: Loopback):
    """Without --trigger what can be renewed is meant; each command says what is still missing, and by when."""
    auditor, *_ = with_role(nodes, "auditor")
    first = command(nodes, FIRST, "renew")
    assert first.stdout.startswith("dev-0 voted renew of accord, round 0, scope all"), first.output

    def voted(status: dict) -> list[str]:
        return status["phase"]["renewal"]["voted"]

    until(nodes, auditor, lambda status: voted(status) == [FIRST])
    told = command(nodes, FIRST, "retract", "--trigger", "accord")
    assert told.exit_code == 0, told.output
    until(nodes, auditor, lambda status: voted(status) == [])
    said(nodes, FIRST, "renew")
    until(nodes, auditor, lambda status: voted(status) == [FIRST])
    last = said(nodes, auditor, "renew", "--trigger", "accord")
    assert (last["counts"], "to renew it until" in last["stands"]) == (True, True)
    until(nodes, FIRST, lambda status: status["phase"]["renewal"] is None)
    put_off = parse_instant(said(nodes, FIRST, "status")["phase"]["expires"]) - SUNSET
    assert put_off == 365 * 86_400
    told = command(nodes, FIRST, "renew", "--trigger", "accord")
    assert (told.exit_code, "the accord cannot be renewed now" in told.stderr) == (2, True)


def test_a_vote_to_lift_is_taken_back_and_a_pause_is_renewed(nodes: Loopback):
    """What has latched is meant; nothing has, and there is nothing to take back."""
    callers = with_role(nodes, "auditor") + with_role(nodes, "authority")
    told = command(nodes, callers[0], "retract", "--trigger", "call")
    assert (told.exit_code, "call has not latched: there is nothing to take back" in told.stderr) == (2, True)
    for party in dict.fromkeys(callers):
        said(nodes, party, "pause")
    for party in dict.fromkeys(callers):
        until(nodes, party, lambda status: bool(status["pauses"]))
    renewed = said(nodes, callers[0], "renew", "--trigger", "call")
    assert (renewed["choice"], renewed["stands"]) == ("renew", "latched; it does not lapse")
    lift = said(nodes, callers[0], "lift")
    assert "latched; to lift: " in lift["stands"]
    back = said(nodes, callers[0], "retract", "--trigger", "call")
    assert (back["choice"], back["counts"]) == ("retract", True)
    told = command(nodes, FIRST, "retract", "--trigger", "call")
    assert (told.exit_code, "has a vote to retract call" in told.stderr) == (2, True)
