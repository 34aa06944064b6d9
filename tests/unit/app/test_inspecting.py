"""Which claim, which finding and whose vote is meant, before anything is signed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from detente.accord.adjudication import claimed_bound
from detente.accord.records import claimed_duty, requested_duty
from detente.accord.terms import parse_terms
from detente.app.inspecting import Claim, find_case
from detente.app.pausing import only_trigger, voters_of
from detente.base.errors import Misuse
from detente.statement.finding import Finding
from tests.accord_play import BODY, PARTIES

EMERGENCY = """\
expires: 2030-01-01
renewal: {for: 365 d, at_most: 1, votes: {developer: 1}}
triggers:
  - id: emergency
    when: {votes: {of: [cloud], at_least: 1}}
    then: pause
    scope: all
    lapses: {after: 30 d, unless: {relying_party: 1}}
"""
TERMS = parse_terms((BODY.replace("triggers:\n", EMERGENCY) + PARTIES).encode(), template=True)
FOUND = [
    {"finding": start + "0" * 56, "about": "dev-a", "by": "aud-1"} for start in ("aaaaaaaa", "aaaaaaab", "bbbbbbbb")
]


def test_the_claims_that_an_accord_reads_are_spelled_as_it_reads_them():
    """A duty done, a duty asked for, a bound: what the command spells is what the fold finds."""
    assert claimed_duty(Claim(fulfils="inspection").spelled()) == "inspection"
    asked = Finding("dev-a", Claim(asks="inspection").spelled(), "inconclusive", ())
    assert requested_duty(asked) == "inspection"
    assert claimed_bound(Claim(below_flop=Decimal("1.5e25")).spelled()) == Decimal("1.5e25")


@pytest.mark.parametrize("claim", [Claim(), Claim(text=""), Claim(text="a", asks="b"), Claim(fulfils="a", below_flop=Decimal(1))])  # fmt: skip
def test_a_finding_makes_one_claim(claim: Claim):
    """None, an empty one, or two: the caller must say which."""
    with pytest.raises(Misuse, match="expected one of --claim"):
        claim.spelled()


@pytest.mark.parametrize(("named", "words"), [("aaaaaaa", "8 or more"), ("cccccccc", "no finding"), ("", "8 or more")])
def test_a_finding_is_named_by_enough_of_what_is_there(named: str, words: str):
    """Fewer than eight characters could be anybody's; one that is not there is told what is."""
    with pytest.raises(Misuse, match=words):
        find_case({"findings": FOUND}, named)


def test_a_beginning_that_two_findings_share_names_neither():
    """Nine characters tell them apart; eight that both begin with do not."""
    twins = [dict(FOUND[0]), {**FOUND[0], "finding": "aaaaaaaa1" + "0" * 55}]
    with pytest.raises(Misuse, match="several findings"):
        find_case({"findings": twins}, "aaaaaaaa")
    assert find_case({"findings": twins}, "aaaaaaaa1") is twins[1]


def test_whose_vote_counts_depends_on_the_choice_and_on_what_it_is_about():
    """Callers pause, lifters lift, take back and renew, who confirms renews too, and the accord is renewed by its own quorum."""
    lifters = ("aud-1", "aud-2", "auth-1", "auth-2")
    assert voters_of(TERMS, "pause", "emergency") == ("cloud",)
    assert voters_of(TERMS, "lift", "emergency") == lifters
    assert voters_of(TERMS, "retract", "emergency") == lifters
    assert voters_of(TERMS, "renew", "emergency") == (*lifters, "buyer")
    assert voters_of(TERMS, "renew", "call") == lifters
    assert voters_of(TERMS, "renew", "accord") == voters_of(TERMS, "retract", "accord") == ("dev-a", "dev-b")


def status(*latched: str, renewal: object = None):
    return {"pauses": [{"trigger": each} for each in latched], "phase": {"renewal": renewal}}


def test_what_is_meant_without_a_trigger_is_what_there_is_one_of():
    """A renewal of the accord counts among what can be renewed, and never among what can be lifted."""
    assert only_trigger(TERMS, status("call"), "renew") == "call"
    assert only_trigger(TERMS, status(renewal={"round": 0}), "renew") == "accord"
    assert only_trigger(TERMS, status("call", renewal={"round": 0}), "lift") == "call"
    with pytest.raises(Misuse, match="renew which\\? name one with --trigger: call, accord"):
        only_trigger(TERMS, status("call", renewal={"round": 0}), "renew")
    with pytest.raises(Misuse, match="none is latched, and the accord cannot be renewed"):
        only_trigger(TERMS, status(), "retract")
