"""What becomes of a finding when adjudicators are late or are appealed against; each deadline at its instant."""

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.terms import parse_terms
from detente.statement.challenge import Challenge
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

QUIET = BODY.replace("every: 7 d, ", "")
RULES = "adjudication: {challenge_within: 72 h, rule_within: 5 d, votes: {adjudicator: 2}"
FALLS = QUIET.replace(RULES, f"{RULES}, unruled: falls")
APPEAL = QUIET.replace(RULES, f"{RULES}, appeal_within: 2 d")
FOUND = T0 + 200
LATEST = FOUND + 8 * DAY
RULED = T0 + 4 * DAY


def found(text, at=FOUND):
    play = Play(founding(text)).begin()
    return play, play.find("aud-2", "dev-b", at)


def rule(play, finding, at, *, outcome="no_breach", who=("auth-1", "auth-2")):
    """The last of the words at ``at``."""
    for offset, party in enumerate(who, start=1 - len(who)):
        play.rule(party, finding, "dev-b", at + offset, outcome=outcome)


def appeal(play, finding, at, *, by="aud-2"):
    play.say(by, "challenge", Challenge(finding, "it is wrong"), at)


def state_of(play, at):
    [finding] = play.at(at).findings
    return finding.state


def test_a_finding_on_which_nobody_rules_stands():
    """By default it is open for good, whatever the time to rule."""
    play, _ = found(QUIET)
    assert [state_of(play, at) for at in (LATEST, LATEST + 900 * DAY)] == ["open", "open"]


def test_where_the_terms_let_it_fall_it_falls_at_its_instant_and_is_listed():
    """Open one second before the time to challenge and the time to rule are over, fallen at that second."""
    play, _ = found(FALLS)
    assert [state_of(play, at) for at in (LATEST - 1, LATEST)] == ["open", "fallen"]
    [release] = play.at(LATEST).released_by_time
    assert (release.what, release.at) == ("finding_fell", LATEST)
    assert not play.at(LATEST).alert


@pytest.mark.parametrize(("last", "state"), [(LATEST - 1, "breach"), (LATEST, "breach"), (LATEST + 1, "fallen")])
def test_a_ruling_is_in_time_up_to_that_second_and_has_no_effect_after_it(last, state):
    """The word that completes the quorum one second before, at, and after the end."""
    play, finding = found(FALLS)
    rule(play, finding, last, outcome="breach")
    assert state_of(play, LATEST + DAY) == state


def test_one_word_of_two_is_no_ruling_in_time():
    """A quorum must have agreed; the second adjudicator alone cannot catch up."""
    play, finding = found(FALLS)
    rule(play, finding, LATEST - DAY, outcome="breach", who=("auth-1",))
    rule(play, finding, LATEST + DAY, outcome="breach", who=("auth-2",))
    assert state_of(play, LATEST + 2 * DAY) == "fallen"


def test_a_finding_that_is_only_heard_does_not_fall():
    """It has no time from which anything runs: it holds while it is heard."""
    play = Play(founding(FALLS)).begin()
    play.find("aud-2", "dev-b", None)
    assert state_of(play, LATEST + 900 * DAY) == "open"


def test_a_lift_goes_on_when_the_finding_that_blocked_it_has_fallen():
    """The trigger is looked at again at that second, without any statement."""
    play, _ = found(FALLS)
    for offset, party in enumerate(("aud-1", "auth-1")):
        play.vote(party, "pause", T0 + 300 + offset)
    for offset, party in enumerate(("aud-1", "auth-1", "auth-2")):
        play.vote(party, "lift", T0 + 400 + offset)
    assert [play.paused(at) for at in (LATEST - 1, LATEST)] == [("call",), ()]
    assert play.at(LATEST + DAY).ended[0].ended_at == LATEST


@pytest.mark.parametrize("outcome", ["no_breach", "cured"])
def test_what_a_ruling_permits_waits_for_an_appeal_and_settling(outcome):
    """Open one second before two days and the settling time are over; then ruled."""
    play, finding = found(APPEAL)
    rule(play, finding, RULED, outcome=outcome)
    effective = RULED + 2 * DAY + 60
    assert [state_of(play, at) for at in (effective - 1, effective)] == ["open", outcome]


def test_a_ruling_of_breach_restricts_at_once():
    """No appeal delays it; an appeal leaves it standing until a second ruling."""
    play, finding = found(APPEAL)
    rule(play, finding, RULED, outcome="breach")
    assert state_of(play, RULED) == "breach"
    assert play.at(RULED).sanctions
    appeal(play, finding, RULED + DAY, by="dev-b")
    assert state_of(play, RULED + 30 * DAY) == "breach"


@pytest.mark.parametrize(("after", "state"), [(2 * DAY - 1, "open"), (2 * DAY, "open"), (2 * DAY + 1, "no_breach")])
def test_an_appeal_in_time_keeps_the_finding_open_until_a_second_ruling(after, state):
    """By its author one second before, at, and after the end of the time to appeal."""
    play, finding = found(APPEAL)
    rule(play, finding, RULED)
    appeal(play, finding, RULED + after)
    assert state_of(play, RULED + 100 * DAY) == state


def test_a_second_ruling_replaces_the_first_and_waits_only_to_settle():
    """On appeal the same outcome counts a minute later; another one overturns."""
    play, finding = found(APPEAL)
    rule(play, finding, RULED)
    appeal(play, finding, RULED + DAY)
    rule(play, finding, RULED + 10 * DAY)
    assert [state_of(play, RULED + 10 * DAY + after) for after in (59, 60)] == ["open", "no_breach"]
    other, finding = found(APPEAL)
    rule(other, finding, RULED, outcome="breach")
    appeal(other, finding, RULED + DAY, by="dev-b")
    rule(other, finding, RULED + 10 * DAY)
    assert [state_of(other, RULED + 10 * DAY + after) for after in (59, 60)] == ["breach", "no_breach"]


def test_nobody_else_appeals_and_nobody_where_the_terms_do_not_say_so():
    """Only the two sides; without `appeal_within` a further challenge after its time changes nothing."""
    play, finding = found(APPEAL)
    rule(play, finding, RULED)
    appeal(play, finding, RULED + DAY, by="cloud")
    assert state_of(play, RULED + 3 * DAY) == "no_breach"
    play, finding = found(QUIET)
    rule(play, finding, RULED)
    appeal(play, finding, RULED + 10)
    assert state_of(play, RULED + DAY) == "no_breach"


def test_an_overturned_breach_stands_while_the_overturning_waits():
    """A later ruling of no breach permits: until its time to appeal is over the breach stands."""
    play, finding = found(APPEAL)
    rule(play, finding, RULED, outcome="breach")
    rule(play, finding, RULED + 20 * DAY)
    effective = RULED + 22 * DAY + 60
    assert [state_of(play, at) for at in (effective - 1, effective)] == ["breach", "no_breach"]


CHANGES = [
    (QUIET, FALLS, "loosens", "changes what becomes of a finding on which nobody rules from stands to falls"),
    (QUIET, APPEAL, "tightens", "raises the time to appeal from 0 s to 2 d"),
]
BACK = {"loosens": "tightens", "tightens": "loosens"}


@pytest.mark.parametrize(("old", "new", "effect", "text"), CHANGES)
def test_a_difference_of_adjudication_is_told_with_its_effect(old, new, effect, text):
    """What lets a finding fall is looser; what lets a ruling of no breach wait is tighter."""
    one, other = (parse_terms((each + PARTIES).encode(), template=True) for each in (old, new))
    assert [(each.effect, each.text) for each in compare_terms(one, other)] == [(effect, text)]
    assert [each.effect for each in compare_terms(other, one)] == [BACK[effect]]


def test_check_lists_that_a_finding_may_fall_and_counts_the_appeal_among_what_a_lift_waits_for():
    """Released by time; a pause that lapses before a finding could be ruled on and appealed is no good."""

    def claims(text):
        return check_terms(parse_terms((text + PARTIES).encode(), template=True), Assumptions(Outages(12, 1_800)))

    assert [c.section for c in claims(FALLS) if c.id == "released-by-time" and "falls" in c.text] == ["adjudication"]
    long = APPEAL.replace("appeal_within: 2 d", "appeal_within: 180 d")
    assert [c.section for c in claims(long) if c.id == "deadline-feasible"] == ["adjudication"]
