"""How long approvals count at a hold point, when a proposal lapses, and to whom a change is escalated."""

import pytest

from detente.accord.change import change_of
from detente.accord.checking.hold_times import check_hold_times
from detente.accord.difference import compare_terms
from detente.accord.escalation import escalation_of
from detente.accord.explaining.aloud import hold_asks
from detente.accord.hold_showing import said_on, times_at_holds, times_value
from detente.accord.oversight import oversight
from detente.accord.reading import TermsRefused, read_terms
from detente.accord.status import change_standing
from detente.testing.authenticator import Passkey
from tests.accord_play import BODY, DAY, PARTIES, SETTLE, T0, Play, founding

HUMANS = "    need: {humans: 2, "
ONE = BODY.replace("humans: 2", "humans: 1").replace("same_host: refuse", "same_host: refuse, by: [auditor]")
ESCALATION = "escalation: {to: [authority], after: 2 d, within: 3 d}"
NOW = T0 + 5_000


def timed(*members, body=ONE):
    text = body.replace("every: 7 d, ", "")
    for each in members:
        text = text.replace("    need: {humans", f"    {each}\n    need: {{humans")
    return text


def played(*members, body=ONE):
    """A change that waits at a hold point with these members."""
    play = Play(founding(timed(*members, body=body))).begin()
    return play, play.propose("dev-a", T0 + 100)


def outcome(play, change, at=NOW):
    return change_standing(play.state, change, at).outcome


def lacks(play, change, at=NOW):
    return change_standing(play.state, change, at).reasons[0].text


def escalated(play, change, at=NOW):
    terms = play.state.terms_at(at)
    return escalation_of(play.state, terms, change_of(play.state, change), terms.hold_points[0], at)


def times(play, change, at=NOW):
    terms, in_force = play.state.terms_at(at), T0 + SETTLE
    change = change_of(play.state, change)
    return times_value(times_at_holds(play.state, terms, change, "version.train", at, in_force_since=in_force))


def test_what_passed_is_held_again_when_its_approval_has_expired_and_says_so():
    """The reviewer and the instant are named; another approval lets it pass again, for as long."""
    play, change = played("approved_for: 7 d")
    play.approve("aud-1", change, T0 + 200)
    assert outcome(play, change) == "free"
    assert times(play, change)["approved_until"] == "2027-01-22T08:03:20Z"
    late = T0 + 200 + 7 * DAY
    assert outcome(play, change, late) == "held"
    assert "aud-1/r-1: approval expired at 2027-01-22T08:03:20Z" in lacks(play, change, late)
    play.approve("aud-1", change, late + 100)
    assert outcome(play, change, late + 100 + SETTLE) == "free"
    assert outcome(play, change, late + 100 + 7 * DAY) == "held"


def test_an_approval_that_expired_brings_no_earlier_word_back():
    """Rejected, approved, expired: there is no word left, and none that approves."""
    play, change = played("approved_for: 7 d")
    play.approve("aud-1", change, T0 + 200, decision="reject")
    play.approve("aud-1", change, T0 + 300)
    assert outcome(play, change) == "free"
    assert outcome(play, change, T0 + 300 + 8 * DAY) == "held"


def test_of_two_who_are_needed_the_first_to_expire_ends_it():
    """Nobody's approval is kept alive by somebody else's that comes later."""
    play, change = played("approved_for: 7 d", body=BODY)
    play.approve("aud-1", change, T0 + 200)
    play.approve("aud-2", change, T0 + 6 * DAY)
    assert outcome(play, change, T0 + 6 * DAY + SETTLE) == "free"
    assert outcome(play, change, T0 + 200 + 7 * DAY) == "held"
    assert [each.expired for each in said_on(play.state, change, play.state.founding, T0 + 200 + 7 * DAY)] == [
        True,
        False,
    ]


def test_a_later_copy_of_the_same_approval_lengthens_nothing():
    """The first witnessed instant of any copy counts."""
    play, change = played("approved_for: 7 d")
    play.approve("aud-1", change, T0 + 200)
    data = play.log[-len(play.mirrors) - 1][2]
    play.place(data, T0 + 6 * DAY)
    assert outcome(play, change, T0 + 7 * DAY) == "free"
    assert outcome(play, change, T0 + 200 + 7 * DAY) == "held"


def test_an_approval_expires_with_each_of_the_two_that_confirm_each_other():
    """On a page and in a terminal: the earlier of the two ends it."""
    body = ONE.replace("device: software", "device: passkey, confirmed: yes")
    play, change = played("approved_for: 7 d", body=body)
    page = Passkey("page")
    play.enrol_device("aud-1", page, T0 + 110)
    play.approve("aud-1", change, T0 + 200, device=page)
    play.approve("aud-1", change, T0 + 5 * DAY)
    assert outcome(play, change, T0 + 6 * DAY) == "free"
    assert outcome(play, change, T0 + 200 + 7 * DAY) == "held"


def test_humans_looked_however_long_ago_that_was():
    """Expiry holds a change; the lineage does not forget that it was approved."""
    play, change = played("approved_for: 7 d")
    play.model("dev-a", "base", T0 + 80, by="human")
    play.approve("aud-1", change, T0 + 200)
    play.model("dev-a", "next", T0 + 400, parents=(), proposal=change)
    before = oversight(play.state, T0 + 500)
    assert oversight(play.state, T0 + 30 * DAY)[0].ai_proposed_depth == before[0].ai_proposed_depth


def test_a_proposal_that_nobody_approved_in_time_lapses_and_stays_held():
    """Whatever is said of it afterwards; a new proposal of the same change is decided on anew."""
    play, change = played("decide_within: 14 d")
    lapse = T0 + 100 + 14 * DAY
    assert times(play, change)["approve_by"] == "2027-01-29T08:01:40Z"
    play.approve("aud-1", change, lapse + 1)
    assert outcome(play, change, lapse + DAY) == "held"
    assert "a new proposal: this one was not approved within 14 d and lapsed at 2027-01-29T08:01:40Z" in lacks(
        play, change, lapse + DAY
    )
    assert times(play, change, lapse + DAY)["lapsed_at"] == "2027-01-29T08:01:40Z"
    anew = play.propose("dev-a", lapse + 2 * DAY)
    play.approve("aud-1", anew, lapse + 3 * DAY)
    assert outcome(play, anew, lapse + 3 * DAY + SETTLE) == "free"


@pytest.mark.parametrize("decision", ["reject", "changes", "escalate"])
def test_no_word_but_an_approval_keeps_a_proposal_open(decision):
    """Or else whoever restricts would lengthen the time in which it can be approved."""
    play, change = played("decide_within: 14 d")
    play.approve("aud-1", change, T0 + 200, decision=decision)
    play.approve("aud-1", change, T0 + 15 * DAY)
    assert "lapsed" in lacks(play, change, T0 + 16 * DAY)


def test_what_was_approved_in_time_can_be_approved_again_later():
    """Both times together: it passed, expired after its deadline, and passes again."""
    play, change = played("approved_for: 7 d", "decide_within: 14 d")
    play.approve("aud-1", change, T0 + 10 * DAY)
    assert outcome(play, change, T0 + 16 * DAY) == "free"
    assert "expired" in lacks(play, change, T0 + 17 * DAY)
    play.approve("aud-1", change, T0 + 20 * DAY)
    assert outcome(play, change, T0 + 20 * DAY + SETTLE) == "free"


def test_a_decision_to_escalate_adds_an_approval_of_whom_it_goes_to():
    """Besides what was needed, given afterwards; it lasts whatever the reviewer says then."""
    play, change = played(ESCALATION)
    play.approve("auth-1", change, T0 + 150)
    play.approve("aud-1", change, T0 + 200, decision="escalate")
    play.approve("aud-1", change, T0 + 300)
    assert "an approval of auth-1 or auth-2, to whom it was escalated" in lacks(play, change)
    play.approve("auth-2", change, T0 + 400)
    assert outcome(play, change) == "free"


def test_whom_it_goes_to_is_nobody_more_who_may_approve():
    """Authorities are not among those who approve here: theirs is needed besides, and never instead."""
    play, change = played(ESCALATION)
    play.approve("aud-1", change, T0 + 200, decision="escalate")
    for reviewer in ("r-1", "r-2"):
        play.approve("auth-1", change, T0 + 300, reviewer=reviewer)
    assert "1 more human approval" in lacks(play, change)
    play.approve("aud-2", change, T0 + 400)
    assert outcome(play, change) == "free"


def test_nobody_counts_for_both():
    """Where those whom it goes to may approve anyway, one more of all is needed."""
    play, change = played(ESCALATION, body=ONE.replace("by: [auditor]", "by: [auditor, authority]"))
    play.approve("aud-1", change, T0 + 200, decision="escalate")
    play.approve("auth-1", change, T0 + 300)
    assert outcome(play, change) == "held"
    play.approve("auth-1", change, T0 + 400, reviewer="r-2")
    assert outcome(play, change) == "free"


def test_who_escalated_does_not_answer_it():
    """Though of a party that it went to: what one reviewer doubts, another decides."""
    play, change = played(ESCALATION, body=ONE.replace("by: [auditor]", "by: [auditor, authority]"))
    play.approve("auth-1", change, T0 + 200, decision="escalate")
    play.approve("aud-1", change, T0 + 300)
    play.approve("auth-1", change, T0 + 400)
    assert escalated(play, change).state == "open"
    assert "to whom it was escalated" in lacks(play, change)
    play.approve("auth-1", change, T0 + 500, reviewer="r-2")
    assert escalated(play, change).state == "answered"
    assert outcome(play, change) == "free"


def test_a_decision_to_escalate_counts_on_receipt():
    """Heard and in no log it restricts already; an approval from before does not answer it."""
    play, change = played(ESCALATION)
    play.approve("aud-1", change, T0 + 200)
    play.approve("auth-1", change, T0 + 200)
    play.approve("aud-2", change, None, decision="escalate")
    assert outcome(play, change) == "held"
    assert escalated(play, change).by == ("aud-2/r-1",)


@pytest.mark.parametrize("party", ["dev-a", "auth-1", "buyer"])
def test_only_who_may_decide_escalates(party):
    """Neither the author nor whom the hold point does not accept adds to what is needed."""
    play, change = played(ESCALATION)
    play.approve(party, change, T0 + 200, decision="escalate")
    play.approve("aud-1", change, T0 + 300)
    assert outcome(play, change) == "free"


def test_without_an_escalation_in_the_terms_it_only_does_not_approve():
    """As any other word that is no approval."""
    play, change = played()
    play.approve("aud-2", change, T0 + 200, decision="escalate")
    play.approve("aud-1", change, T0 + 300)
    assert outcome(play, change) == "free"


def test_silence_tells_and_needs_nothing_more():
    """Who was told owes an answer; an approval of whom the hold point accepts is enough, as before."""
    play, change = played(ESCALATION)
    late = T0 + 3 * DAY
    found = escalated(play, change, late)
    assert (found.to, found.why, found.by, found.state) == (("auth-1", "auth-2"), "silence", (), "open")
    assert escalated(play, change, T0 + 6 * DAY).state == "overdue"
    play.approve("auth-1", change, T0 + 6 * DAY, decision="changes")
    assert escalated(play, change, T0 + 6 * DAY).state == "answered"
    play.approve("aud-1", change, T0 + 7 * DAY)
    assert outcome(play, change, T0 + 7 * DAY + SETTLE) == "free"
    assert times(play, change, T0 + 7 * DAY + SETTLE)["escalated"] == []


@pytest.mark.parametrize("decision", ["reject", "changes"])
def test_who_decided_otherwise_was_not_silent(decision):
    """A refusal is an answer: nobody else is told."""
    play, change = played(ESCALATION)
    play.approve("aud-1", change, T0 + 200, decision=decision)
    assert escalated(play, change, T0 + 3 * DAY) is None


def test_too_few_of_those_who_are_needed_is_silence():
    """One of two approved, and nobody refused: it is told."""
    play, change = played(ESCALATION, body=ONE.replace("humans: 1", "humans: 2"))
    play.approve("aud-1", change, T0 + 200)
    assert escalated(play, change, T0 + 3 * DAY).why == "silence"


def test_an_answer_to_a_decision_comes_after_it():
    """What somebody had said before answers silence, and no decision to escalate."""
    play, change = played(ESCALATION)
    play.approve("auth-1", change, T0 + 150, decision="changes")
    play.approve("aud-1", change, T0 + 200, decision="escalate")
    assert escalated(play, change).state == "open"
    play.approve("auth-1", change, T0 + 300, decision="escalate")
    assert escalated(play, change).state == "open"
    play.approve("auth-1", change, T0 + 400, decision="reject")
    assert escalated(play, change).state == "answered"
    assert "to whom it was escalated" in lacks(play, change)


def test_each_member_is_read_and_an_unknown_party_refused():
    """T09 for a party or role that nobody is; T07 for what is missing."""
    hold = read_terms(founding(timed("approved_for: 7 d", "decide_within: 14 d", ESCALATION))).hold_points[0]
    assert (hold.approved_for_s, hold.decide_within_s) == (7 * DAY, 14 * DAY)
    assert (hold.escalation.to, hold.escalation.after_s, hold.escalation.within_s) == (("authority",), 2 * DAY, 3 * DAY)
    for wrong, rule in (
        (ESCALATION.replace("authority", "nobody"), "T09"),
        (ESCALATION.replace(", within: 3 d", ""), "T07"),
    ):
        with pytest.raises(TermsRefused) as refused:
            read_terms(founding(timed(wrong)))
        assert refused.value.rule == rule


def test_a_hold_point_is_read_aloud_with_its_times():
    """Whoever reads the terms hears until when, by when and who then."""
    hold = read_terms(founding(timed("approved_for: 7 d", "decide_within: 14 d", ESCALATION))).hold_points[0]
    told = hold_asks(hold)
    assert "each approval counts for 7 d; what is not approved within 14 d lapses; undecided for 2 d" in told
    assert "escalated to authorities, who answer within 3 d" in told


SHORTER = ESCALATION.replace("after: 2 d", "after: 1 d")


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ((), ("approved_for: 7 d",), "tightens"),
        (("approved_for: 7 d",), ("approved_for: 6 d",), "tightens"),
        ((), ("decide_within: 14 d",), "tightens"),
        (("decide_within: 14 d",), ("decide_within: 7 d",), "tightens"),
        ((), (ESCALATION,), "tightens"),
        ((ESCALATION,), (ESCALATION.replace("[authority]", "[auth-1]"),), "changes"),
        (
            (ESCALATION.replace("[authority]", "[auth-1, auth-2]"),),
            (ESCALATION.replace("[authority]", "[auth-1]"),),
            "tightens",
        ),
        ((ESCALATION,), (SHORTER,), "changes"),
        ((ESCALATION,), (ESCALATION.replace("within: 3 d", "within: 4 d"),), "changes"),
    ],
)
def test_each_difference_is_told_with_its_effect_and_back_with_the_opposite(old, new, effect):
    """Less time and one more who must approve tighten; when somebody is told changes no leave."""
    opposite = {"tightens": "loosens", "changes": "changes"}[effect]
    one, other = (read_terms((timed(*members) + PARTIES).encode(), template=True) for members in (old, new))
    assert [(each.section, each.effect) for each in compare_terms(one, other)] == [("hold_points", effect)]
    assert [(each.section, each.effect) for each in compare_terms(other, one)] == [("hold_points", opposite)]


def claims(*members, body=ONE):
    found = check_hold_times(read_terms(founding(timed(*members, body=body))))
    return [(claim.id, claim.verdict) for claim in found]


def test_times_that_nobody_can_meet_are_not_attainable():
    """An approval that expires before it settles, and a proposal that lapses at once."""
    assert claims("approved_for: 60 s") == [("hold-times", "broken")]
    assert claims("approved_for: 61 s") == [("hold-times", "holds")]
    assert claims("decide_within: 0 s") == [("hold-times", "broken")]
    assert claims("approved_for: 7 d", "decide_within: 14 d") == [("hold-times", "holds")]
    assert claims() == []


def test_an_escalation_to_nobody_but_the_author_is_not_attainable():
    """Nor is one that comes after the proposal has lapsed; where the author is not excluded, somebody is left."""
    only = ESCALATION.replace("[authority]", "[dev-a]")
    assert claims(ESCALATION) == [("escalation-answers", "holds")]
    assert claims(only) == [("escalation-answers", "broken")]
    assert claims(only, body=ONE.replace("author_excluded: yes", "author_excluded: no")) == [
        ("escalation-answers", "holds")
    ]
    assert claims("decide_within: 5 d", ESCALATION)[1] == ("escalation-answers", "broken")
    assert claims("decide_within: 6 d", ESCALATION)[1] == ("escalation-answers", "holds")
