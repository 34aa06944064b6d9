"""What changed between two hold points, and whether that asks more of whoever wants to pass."""

from dataclasses import replace

import pytest

from detente.accord.hold_difference import compare_hold_points
from detente.accord.terms import EscalationTerms, parse_terms
from tests.accord_play import founding

DAY = 86_400
[HOLD] = parse_terms(founding()).hold_points
NEED = HOLD.need
ESCALATION = EscalationTerms(("authority",), 2 * DAY, 3 * DAY)
OPPOSITE = {"tightens": "loosens", "loosens": "tightens", "changes": "changes"}


def told(old, new):
    return [(each.text, each.effect) for each in compare_hold_points("review", old, new)]


def asking(**needed):
    return replace(HOLD, need=replace(NEED, **needed))


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        (asking(humans=1), asking(humans=2), "tightens"),
        (asking(organisations=1), asking(organisations=2), "tightens"),
        (asking(author_excluded=False), asking(author_excluded=True), "tightens"),
        (asking(device="software"), asking(device="attested"), "tightens"),
        (asking(same_host="accept"), asking(same_host="refuse"), "tightens"),
        (asking(significant=False), asking(significant=True), "tightens"),
        (asking(screened=False), asking(screened=True), "tightens"),
        (asking(confirmed=False), asking(confirmed=True), "tightens"),
        (asking(by=()), asking(by=("auditor",)), "tightens"),
        (asking(by=("auditor",)), asking(by=("authority",)), "changes"),
        (replace(HOLD, unknown="silent"), replace(HOLD, unknown="holds"), "tightens"),
        (replace(HOLD, approved_for_s=None), replace(HOLD, approved_for_s=7 * DAY), "tightens"),
        (replace(HOLD, approved_for_s=7 * DAY), replace(HOLD, approved_for_s=6 * DAY), "tightens"),
        (replace(HOLD, decide_within_s=None), replace(HOLD, decide_within_s=7 * DAY), "tightens"),
        (replace(HOLD, decide_within_s=7 * DAY), replace(HOLD, decide_within_s=6 * DAY), "tightens"),
        (replace(HOLD, escalation=None), replace(HOLD, escalation=ESCALATION), "tightens"),
        (replace(HOLD, on="version.train"), replace(HOLD, on="version.deploy"), "changes"),
    ],
)
def test_each_way_a_change_tightens_or_loosens(old, new, effect):
    """One difference is one sentence that names the hold point, and the way back does the opposite."""
    [(text, there)] = told(old, new)
    [(_, back)] = told(new, old)
    assert (there, back) == (effect, OPPOSITE[effect])
    assert "review" in text


@pytest.mark.parametrize("change", [{"after_s": DAY}, {"within_s": DAY}])
def test_how_soon_somebody_is_told_changes_no_leave(change):
    """Nor does how soon they have to answer."""
    old = replace(HOLD, escalation=ESCALATION)
    [(text, effect)] = told(old, replace(HOLD, escalation=replace(ESCALATION, **change)))
    assert effect == "changes"
    assert "to 1 d" in text


def test_fewer_to_whom_it_is_escalated_tighten():
    """Of those who must answer one is as good as another; whom may no longer answer is one less."""
    wide = replace(HOLD, escalation=replace(ESCALATION, to=("authority", "auditor")))
    narrow = replace(HOLD, escalation=ESCALATION)
    assert told(wide, narrow) == [
        ("changes to whom review escalates from auditor, authority to authority", "tightens"),
    ]


def test_the_same_hold_point_is_told_by_nothing():
    """However it is spelled: the order of roles is nothing."""
    assert told(HOLD, HOLD) == []
    assert told(asking(by=("auditor", "authority")), asking(by=("authority", "auditor"))) == []
