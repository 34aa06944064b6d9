"""Deadlines held against one another: each comparison one below, equal and one above, and what is not asked is not compared."""

import pytest

from detente.accord.checking.deadlines import check_ageing, check_deadlines
from detente.accord.terms import parse_terms
from detente.base.instant import Instant
from tests.accord_play import BODY, DAY, PARTIES, T0

EMERGENCY = """\
triggers:
  - id: emergency
    when: {{votes: {{of: [auth-1], at_least: 1}}}}
    then: {then}
    scope: all
    lapses: {{after: {after} s, unless: {{auditor: 1, authority: 1}}}}
"""


def terms(*edits, text=BODY):
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return parse_terms((text + PARTIES).encode(), template=True)


def broken(found):
    return [claim.section for claim in check_deadlines(found) if claim.verdict == "broken"]


def emergency(after, *, then="pause", more=()):
    return terms(("triggers:\n", EMERGENCY.format(after=after, then=then)), *more)


def pause_against_halt(length):
    return terms(("longest: 180 d", f"longest: {900 + length} s"), ("every: 90 d, ", ""), ("when: {none_open: finding}", "alone_on_purpose: []"))  # fmt: skip


def emergency_against_halt(length):
    return emergency(900 + length)


def emergency_against_settling(length):
    return emergency(
        60 + length, then="limits", more=(("    then: refuse\n", "    then: refuse\n    while: emergency\n"),)
    )


def emergency_against_longest(length):
    return emergency(180 * DAY - length)


def pause_against_ruling(length):
    """A finding may take three days to be challenged, five to be ruled on, and two to be appealed against."""
    return terms(("longest: 180 d", f"longest: {10 * DAY + length} s"), ("rule_within: 5 d", "rule_within: 5 d, appeal_within: 2 d"))  # fmt: skip


def pause_against_measurement(length):
    """The lift asks for what is due every ninety days."""
    lift = ("when: {none_open: finding}", "when: {more_than: [doubling, 90 d]}")
    return terms(("longest: 180 d", f"longest: {90 * DAY + length} s"), lift)


def permit_against_settling(length):
    return terms(("alert: 10 min", f"alert: {60 + length} s"))


@pytest.mark.parametrize(
    ("made", "section"),
    [
        (pause_against_halt, "pause"),
        (emergency_against_halt, "triggers"),
        (emergency_against_settling, "triggers"),
        (emergency_against_longest, "triggers"),
        (pause_against_ruling, "adjudication"),
        (pause_against_measurement, "lift"),
        (permit_against_settling, "permits"),
    ],
)
def test_what_must_be_longer_is_broken_when_it_is_as_long(made, section):
    """A second shorter and as long: broken, in that section alone; a second longer: nothing is."""
    assert [broken(made(beside)) for beside in (-1, 0, 1)] == [[section], [section], []]


def test_a_deadline_that_is_not_there_breaks_nothing():
    """Without `longest`, and where the lift asks neither for findings nor for what is measured, nothing is compared."""
    assert broken(terms((", longest: 180 d", ""), ("alert: 10 min", "alert: 61 s"))) == []
    short = ("longest: 180 d", "longest: 901 s")
    assert broken(terms(short)) == ["adjudication"]
    assert broken(terms(short, ("  when: {none_open: finding}\n", ""))) == []


def test_self_witnessed_terms_wait_for_nothing_to_settle():
    """A permit may live as shortly as one likes where nobody else has to witness anything."""
    found = terms(
        ("mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 60 s}", "mirrors: self"),
        ("alert: 10 min", "alert: 1 s"),
    )
    assert broken(found) == []


def test_how_soon_a_guard_stops_is_its_longest_permit_and_the_time_to_save():
    """Listed in the two largest units."""
    [claim] = [claim for claim in check_deadlines(terms()) if claim.id == "stops-within"]
    assert claim.text.startswith("a guard that hears nothing stops within 6 h 15 min: a permit of 6 h")


def ages(found, doubling_s, *, at=None):
    return {claim.id: claim.verdict for claim in check_ageing(found, doubling_s=doubling_s, source="given", at=at)}


def test_a_control_that_is_as_slow_as_the_doubling_holds_and_a_second_slower_does_not():
    """Discovery takes the slowest measurement, settling, a permit and the halt; an amendment settling and a permit."""
    halt, amend = 90 * DAY + 60 + 6 * 3_600 + 900, 60 + 6 * 3_600
    assert [ages(terms(), halt + beside)["discovery-to-halt"] for beside in (-1, 0, 1)] == ["broken", "holds", "holds"]
    assert [ages(terms(), amend + beside)["amendment-time"] for beside in (-1, 0, 1)] == ["broken", "holds", "holds"]


def test_a_review_that_nobody_set_is_broken_and_one_without_today_is_not_judged():
    """No date is no review; whether a date is soon enough needs to be told the day."""
    dated = terms(("version: 1\n", "version: 1\nreview_by: 2027-06-01\n"))
    assert ages(terms(), 900 * DAY)["review-in-time"] == "broken"
    assert "review-in-time" not in ages(dated, 900 * DAY)
    assert ages(dated, 900 * DAY, at=Instant(T0))["review-in-time"] == "holds"
