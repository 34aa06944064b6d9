"""What the checker proves, refutes with a trace, and lists."""

import random
from pathlib import Path

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.explore import can_reach, explore
from detente.accord.checking.outages import YEAR_S, Outages, expected_halts
from detente.accord.checking.play import Play
from detente.accord.checking.powers import subject_of
from detente.accord.checking.quorums import own_logs
from detente.accord.terms import parse_terms
from detente.base.instant import parse_date

ACCORDS = Path(__file__).parents[3] / "accords"
TEXT = (ACCORDS / "coordinated-pause.yaml").read_text("utf-8").partition("\nsources:")[0] + "\n"  # edits remove clauses
OUTAGES = Outages(12, 1_800)
DAY = 86_400


def read(text: str):
    return parse_terms(text.encode(), template=True)


def edited(*edits: tuple[str, str]):
    text = TEXT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return read(text)


def claims(terms, verdict: str = "broken", **assumed):
    return [claim for claim in check_terms(terms, Assumptions(OUTAGES, **assumed)) if claim.verdict == verdict]


def found(terms, **assumed) -> set[str]:
    return {claim.id for claim in claims(terms, **assumed)}


@pytest.mark.parametrize("name", ["solo.yaml", "coordinated-pause.yaml", "screened-review.yaml", "miri-2025.yaml"])
def test_shipped_terms_pass(name: str):
    """Nothing is broken, everything is shown, and the play had something to explore."""
    checked = check_terms(read((ACCORDS / name).read_text("utf-8")), Assumptions(OUTAGES))
    assert not [claim for claim in checked if claim.verdict in {"broken", "not shown"}]
    assert [claim for claim in checked if claim.id == "lift-reachable" and "states" in claim.bound]


BROKEN = [
    ("a veto that is not said", [("\n  veto_on_purpose: [auth-1, auth-2]", "")], {"blocks-lift"}),
    ("one vote stops everybody",
     [("    when: {votes: {of: [auditor, authority], at_least: 2}}\n    then: pause",
       "    when: {votes: {of: [auditor, authority], at_least: 1}}\n    then: pause")], {"forces-pause"}),
    ("a call that one party can refuse",
     [("when: {votes: {of: [auditor, authority], at_least: 2}}\n    then: pause",
       "when: {all: [{votes: {of: [auth-1], at_least: 1}}, {votes: {of: [auditor], at_least: 1}}]}\n    then: pause")],
     {"prevents-pause"}),
    ("a finding that nobody can close",
     [("adjudication: {challenge_within: 72 h, rule_within: 5 d, votes: {adjudicator: 2}}\n", ""),
      (TEXT[TEXT.index("consequences:"):TEXT.index("adjudication:")], "")], {"blocks-lift"}),
    ("one who lifts alone", [("votes: {auditor: 1, authority: 2}", "votes: {authority: 1}")], {"lifts-alone"}),
    ("an indicator measured once", [("every: 90 d, unit: d", "unit: d")], {"input-owed"}),
    ("an approval of what is refused", [("run.cumulative_flop, 1e22 FLOP", "run.cumulative_flop, 1e24 FLOP")], {"dead-rule"}),
    ("a limit that no run meets",
     [("when: {more_than: [run.cumulative_flop, 1e24 FLOP]}",
       "when: {all: [{more_than: [run.planned_flop, 1e25 FLOP]}, {at_most: [run.cumulative_flop, 1e24 FLOP]}]}")], {"dead-rule"}),
    ("a trigger twice",
     [("pause:\n  activities", "  - id: again\n    when: {votes: {of: [auditor, authority], at_least: 2}}\n    then: pause\n    scope: all\n\npause:\n  activities")],
     {"dead-rule"}),
    ("more organisations than there are", [("organisations: 1", "organisations: 9")], {"unfulfillable"}),
    ("compute refused by nobody who provides it", [("{cloud: refuse_compute}", "{buyer: refuse_compute}")], {"unfulfillable"}),
    ("a pause over before a ruling", [("longest: 180 d ", "longest: 7 d ")], {"deadline-feasible"}),
    ("a permit shorter than settling", [("settle: 60 s", "settle: 15 min")], {"deadline-feasible"}),
    ("a review after the sunset", [("expires: 2029-06-01", "expires: 2027-01-01")], {"deadline-feasible"}),
]  # fmt: skip


@pytest.mark.parametrize(("edits", "expected"), [each[1:] for each in BROKEN], ids=[each[0] for each in BROKEN])
def test_what_is_broken_is_found_and_nothing_else(edits, expected: set[str]):
    """One fault in the terms, one kind of claim."""
    assert found(edited(*edits)) == expected


def test_a_broken_claim_comes_with_the_events_that_lead_there():
    """A person can follow the trace from a quiet coalition to the fault."""
    (claim,) = [c for c in claims(edited(("votes: {of: [auditor, authority], at_least: 2}}\n    then: pause", "votes: {of: [auditor, authority], at_least: 1}}\n    then: pause"))) if "aud-1" in c.text]  # fmt: skip
    assert claim.text == "aud-1 alone can stop everybody through call"
    assert claim.trace == ("aud-1 votes to pause",)


def test_a_lift_that_waits_for_good_news_is_blocked_by_whoever_owes_it():
    """While the only supplier is silent, what it measured last stays, and nothing lifts."""
    terms = edited(
        ("when: {none_open: finding}", "when: {more_than: [doubling_days, 60 d]}"),
        ("supplied_by: auditor", "supplied_by: aud-2"),
        ("at_most: [doubling_days, 60 d]", "at_most: [doubling_days, 30 d]"),
    )
    assert "without aud-2, a pause that call starts is not lifted" in [claim.text for claim in claims(terms)]


def test_who_measures_another_can_stop_it_alone_and_the_other_cannot():
    """Of each party, but measured by an auditor: the power is the auditor's, not that of the party that it is about."""
    terms = edited(
        ("supplied_by: auditor, every: 90 d", "supplied_by: aud-2, about: party, every: 90 d"),
        (
            "        - votes: {of: [auditor, authority], at_least: 2}\n    then: slowdown\n    scope: all",
            "    then: slowdown\n    scope: party",
        ),
    )
    alone = [claim for claim in claims(terms) if claim.id == "forces-pause"]
    assert [claim.text for claim in alone] == ["aud-2 alone can slow down another party through acceleration"]
    assert alone[0].trace == ("aud-2 measures doubling_days at 59",)


def test_two_of_seven_mirrors_may_be_silent_together():
    """With f = 2 pairs are tried, and one whose members together are needed is named."""
    parties = "".join(f"  m-{n}: {{country: US, roles: [auditor, mirror, adjudicator]}}\n" for n in range(7))
    text = f"""\
accord: seven
version: 1
parties:
  dev: {{country: US, roles: [developer]}}
{parties}mirrors: {{may_fail: 2, witness: 5, issue: 5, settle: 60 s}}
triggers:
  - {{id: call, when: {{votes: {{of: [auditor], at_least: 2}}}}, then: pause, scope: all}}
pause: {{activities: [training], halt_within: 15 min}}
lift: {{votes: {{auditor: LIFTERS}}}}
permits: {{life: {{calm: 1 h, alert: 10 min}}}}
"""
    assert found(read(text.replace("LIFTERS", "5"))) == set()
    broken = claims(read(text.replace("LIFTERS", "6")))
    assert [claim.id for claim in broken] == ["blocks-lift"]
    assert broken[0].trace[-1].startswith("m-0 and m-1 fall silent")


@pytest.mark.parametrize("trigger", ["unattended", "acceleration", "call"])
def test_interchangeable_parties_may_be_told_apart_without_another_answer(trigger: str):
    """The reduction to kinds of parties loses nothing: the same question with every party by itself."""
    terms = read(TEXT.replace("veto_on_purpose: [auth-1, auth-2]", "veto_on_purpose: []"))
    answers = []
    for apart in ((), tuple(p for p in terms.parties if p.startswith(("aud", "auth")))):
        play = Play(terms, terms.trigger(trigger), subject_of(terms), apart=("auth-2", *apart))
        graph = explore(play.first, play.moves, most=200_000)
        assert graph.complete
        for silent in ((), ("auth-2",)):
            moves = lambda state, silent=silent, play=play: play.moves(state, silent=silent)  # noqa: E731
            good = can_reach(graph.reached, moves, lambda state: state.lifted)
            answers.append(any(state.latched and state not in good for state in graph.reached))
    assert answers == [False, True, False, True]


def test_a_control_that_is_slower_than_what_it_limits_is_named():
    """Discovery to halt and the review against the given interval of doubling, at the bound and one beyond."""
    terms = read(TEXT)
    at = parse_date("2026-11-26")
    review_s = terms.review_by - at
    halt_s = 90 * DAY + 60 + 6 * 3_600 + 900
    assert found(terms, doubling_s=max(review_s, halt_s), at=at) == set()
    assert found(terms, doubling_s=review_s - 1, at=at) == {"review-in-time"}
    assert found(terms, doubling_s=halt_s - 1, at=at) == {"review-in-time", "discovery-to-halt"}


def test_what_time_releases_is_listed():
    """The sunset, the lapse, the notice, silence, and votes that run out."""
    texts = [claim.text for claim in claims(read(TEXT), "listed") if claim.id == "released-by-time"]
    for word in (
        "sunset",
        "lapses 180 d",
        "365 d after it withdrew",
        "doubling_days: a value that is overdue",
        "expiry",
    ):
        assert any(word in text for text in texts), word


def test_a_bound_that_is_reached_is_said_and_proves_nothing():
    """A cut-off exploration is incomplete, never a proof."""
    play = Play(read(TEXT), read(TEXT).trigger("call"), "dev-a")
    assert not explore(play.first, play.moves, most=10).complete


@pytest.mark.parametrize(("n", "m"), [(4, 3), (7, 5), (1, 1)])
def test_expected_spurious_halts_agree_with_a_simulation(n: int, m: int):
    """The formula against issuers that fail and come back at random, within its own approximation."""
    outages, life_s, years = Outages(200, 3_600), 1_800, 600
    chance = random.Random(7)
    changes = []
    for _ in range(n):
        at = 0.0
        while at < years * YEAR_S:
            at += chance.expovariate(outages.rate / YEAR_S)
            back = at + chance.expovariate(1 / outages.mean_s)
            changes += [(at, 1), (back, -1)]
            at = back
    down, since, halts = 0, 0.0, 0
    for at, step in sorted(changes):
        was = down > n - m
        down += step
        if not was and down > n - m:
            since = at
        elif was and down <= n - m and at - since > 2 * life_s / 3:
            halts += 1
    expected = expected_halts(outages, n=n, m=m, life_s=life_s, own_link=False)
    assert halts / years == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize(
    ("n", "f", "q", "verdict", "when"),
    [
        (5, 1, 3, "holds", "witnessed by the others, 1 of them silent: 3 ≤ 3"),
        (4, 1, 3, "listed", "not witnessed while 1 other is silent: 3 > 2"),
        (7, 2, 5, "listed", "not witnessed while 2 others are silent: 5 > 4"),
        (3, 0, 3, "listed", "never witnessed: 3 > 2"),
    ],
)
def test_a_mirrors_own_log_is_witnessed_by_the_others_or_it_is_said_when_not(
    n: int, f: int, q: int, verdict: str, when: str
):
    """A mirror's cosignature on its own log does not count, so what is filed there needs q of the other n − 1."""
    claim = own_logs(n, f, q)
    assert claim.verdict == verdict
    assert when in claim.text


def test_what_mirrors_file_in_their_own_log_is_a_claim_of_the_check():
    """Said for every accord with mirrors."""
    assert [claim.verdict for claim in check_terms(read(TEXT), Assumptions(OUTAGES)) if claim.id == "own-log"] == [
        "listed"
    ]
