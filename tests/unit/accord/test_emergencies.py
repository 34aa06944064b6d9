"""What one party may start at once, and what lapses unless others confirm it. Each deadline at its instant."""

import pytest

from detente.accord.checking.check import Assumptions, check_terms
from detente.accord.checking.outages import Outages
from detente.accord.difference import compare_terms
from detente.accord.explain import explain
from detente.accord.reading import TermsRefused
from detente.accord.status import run_standing
from detente.accord.terms import parse_terms
from detente.statement.vote import Vote
from tests.accord_play import BODY, DAY, PARTIES, T0, Play, founding

QUIET = BODY.replace("every: 7 d, ", "")
LAPSES = "{after: 30 d, unless: {auditor: 1, authority: 1}, again_after: 10 d}"
BEGAN = T0 + 100
ENDS = BEGAN + 30 * DAY


def body(*, then="pause", lapses=LAPSES, more=""):
    emergency = f"""\
triggers:
  - id: emergency
    when: {{votes: {{of: [auth-1, auth-2], at_least: 1}}}}
    then: {then}
    scope: all
    alone_on_purpose: [auth-1, auth-2]
    lapses: {lapses}
"""
    text = QUIET.replace("triggers:\n", emergency)
    return text.replace("limits:\n", f"limits:\n{more}")


LIMIT = "  - {id: bound, while: emergency, when: {more_than: [run.planned_flop, 1e20 FLOP]}, then: refuse}\n"


def started(text=None, **more):
    play = Play(founding(text or body(**more))).begin()
    play.vote("auth-1", "pause", BEGAN, trigger="emergency")
    return play


def confirm(play, *parties, at, number=0):
    for offset, party in enumerate(parties):
        play.vote(party, "renew", at + offset, trigger="emergency", number=number)


def test_one_party_pauses_all_at_once_and_it_lapses_at_its_instant():
    """Paused on receipt; still one second before 30 days are over, and no longer at that second; listed as time's work."""
    play = started()
    assert play.paused(BEGAN) == ("emergency",)
    [pause] = play.at(BEGAN).pauses
    assert (pause.lapses_at, pause.confirm.missing) == (ENDS, "1 more auditor and 1 more authority")
    assert play.paused(ENDS - 1) == ("emergency",)
    assert play.paused(ENDS) == ()
    [release] = play.at(ENDS).released_by_time
    assert (release.what, release.at) == ("pause_lapsed", ENDS)


def test_further_votes_of_those_who_started_it_put_off_nothing():
    """Whoever may start it alone cannot keep it alone, by voting again or by another like them voting."""
    play = started()
    play.vote("auth-1", "pause", BEGAN + 20 * DAY, trigger="emergency")
    play.vote("auth-2", "pause", BEGAN + 29 * DAY, trigger="emergency", log="dev-b")
    assert play.paused(ENDS - 1) == ("emergency",)
    assert play.paused(ENDS) == ()


@pytest.mark.parametrize(("second", "kept"), [(ENDS - 1, True), (ENDS, True), (ENDS + 1, False)])
def test_a_quorum_confirms_it_no_later_than_its_last_instant(second, kept):
    """The vote that completes the quorum counts one second before and at the lapse; one second after it is too late (F09)."""
    play = started()
    confirm(play, "aud-1", at=BEGAN + DAY)
    confirm(play, "auth-2", at=second)
    assert play.paused(ENDS + 2) == (("emergency",) if kept else ())
    notes = [note.rule for note in play.at(ENDS + 2).notes]
    assert notes == ([] if kept else ["F09"])


def test_once_confirmed_it_is_a_pause_like_any_other():
    """It lapses by `longest`, counted from the confirmation, and is lifted as others are."""
    play = started()
    confirm(play, "aud-1", "auth-2", at=BEGAN + DAY)
    confirmed = BEGAN + DAY + 1
    [pause] = play.at(ENDS + DAY).pauses
    assert (pause.confirm.confirmed_at, pause.lapses_at) == (confirmed, confirmed + 180 * DAY)
    assert play.paused(confirmed + 180 * DAY - 1) == ("emergency",)
    assert play.paused(confirmed + 180 * DAY) == ()


def test_a_confirmation_that_is_only_heard_counts_until_the_lapse_and_not_beyond():
    """It restricts on receipt; what no quorum of mirrors had seen by then confirmed nothing."""
    play = started()
    confirm(play, "aud-1", at=BEGAN + DAY)
    play.hear("auth-2", "vote", Vote("renew", "emergency", 0, "all", T0 + 900 * DAY))
    assert play.paused(ENDS) == ("emergency",)
    assert play.at(ENDS).pauses[0].confirm.confirmed_at is not None
    assert play.paused(ENDS + 1) == ()


def test_having_lapsed_it_cannot_be_started_again_at_once():
    """For ten days a vote of the new round starts nothing; if it still stands then, it does, at that second."""
    play = started()
    play.vote("auth-1", "pause", ENDS + DAY, trigger="emergency", number=1)
    again = ENDS + 10 * DAY
    assert play.paused(again - 1) == ()
    assert play.paused(again) == ("emergency",)
    [pause] = play.at(again + 5).pauses
    assert (pause.round, pause.since, pause.lapses_at) == (1, again, again + 30 * DAY)


def test_an_emergency_that_was_lifted_can_be_started_again_at_once():
    """Only a lapse that nobody confirmed keeps the trigger quiet."""
    play = started()
    for offset, party in enumerate(("aud-2", "auth-1", "auth-2")):
        play.vote(party, "lift", BEGAN + DAY + offset, trigger="emergency")
    assert play.paused(BEGAN + 2 * DAY) == ()
    play.vote("auth-2", "pause", BEGAN + 2 * DAY, trigger="emergency", number=1)
    assert play.paused(BEGAN + 2 * DAY) == ("emergency",)


def test_a_confirmation_from_a_late_log_keeps_what_had_seemed_to_lapse():
    """Late evidence tightens: a vote that was witnessed in time and learnt of later still confirms."""
    play = started()
    confirm(play, "aud-1", at=BEGAN + DAY)
    assert play.paused(ENDS + 5) == ()
    play.vote("auth-2", "renew", ENDS - 5, trigger="emergency", log="dev-b")
    assert play.paused(ENDS + 5) == ("emergency",)


def test_a_vote_from_a_late_log_that_shows_an_earlier_beginning_moves_the_lapse_with_it():
    """The exception that the specification names: it began earlier than was known, so it ends earlier."""
    play = started()
    assert play.at(BEGAN + DAY).pauses[0].lapses_at == ENDS
    play.vote("auth-2", "pause", BEGAN - 20, trigger="emergency", log="dev-b")
    [pause] = play.at(BEGAN + DAY).pauses
    assert (pause.since, pause.lapses_at) == (BEGAN - 20, ENDS - 20)


def test_without_unless_nobody_can_confirm():
    """A change that takes no vote and lapses in any case."""
    play = started(lapses="{after: 30 d}")
    confirm(play, "aud-1", "aud-2", "auth-1", "auth-2", at=BEGAN + DAY)
    assert play.at(BEGAN + 2 * DAY).pauses[0].confirm.missing == "nobody can confirm it"
    assert play.paused(ENDS) == ()


def test_an_emergency_limit_binds_while_it_is_latched_and_stops_nothing_else():
    """`then: limits`: the run above the bound is refused until the lapse; training goes on; the status says why."""
    play = started(then="limits", more=LIMIT)
    small, large = play.run("dev-a", T0 + 200, flop="1e20"), play.run("dev-b", T0 + 201, flop="1e21")
    now = play.at(T0 + 300)
    assert (now.pauses, [each.trigger for each in now.measures]) == ((), ["emergency"])
    assert [run_standing(play.state, run, T0 + 300).outcome for run in (small, large)] == ["free", "refused"]
    assert [run_standing(play.state, large, at).outcome for at in (ENDS - 1, ENDS)] == ["refused", "free"]
    assert any("limits in effect" in reason.text for reason in explain(now))
    assert any("unless confirmed: 1 more auditor" in reason.text for reason in explain(now))


def test_limits_are_of_the_triggers_that_the_terms_have():
    """T31, both ways round."""
    for text in (body(more=LIMIT.replace("emergency", "flood")), body(then="limits")):
        with pytest.raises(TermsRefused) as refused:
            parse_terms((text + PARTIES).encode(), template=True)
        assert {each.rule for each in refused.value.all} == {"T31"}


def claims(kind, **more):
    terms = parse_terms((body(**more) + PARTIES).encode(), template=True)
    checked = check_terms(terms, Assumptions(Outages(12, 1_800)))
    return [claim for claim in checked if claim.id == kind and "emergency" in claim.text]


def test_check_says_who_starts_it_alone_on_purpose_and_that_time_ends_it():
    """On purpose, for so long; released by time; no single party confirms."""
    assert {claim.verdict for claim in claims("forces-pause")} == {"on purpose"}
    assert all("for 30 d unless 1 auditor and 1 authority confirm it" in claim.text for claim in claims("forces-pause"))
    texts = [claim.text for claim in claims("released-by-time")]
    assert any("lapses 30 d after it began unless 1 auditor and 1 authority confirm it" in text for text in texts)
    assert [claim.verdict for claim in claims("confirms-alone")] == ["holds"]


@pytest.mark.parametrize(
    ("lapses", "kind"),
    [
        ("{after: 30 d, unless: {authority: 1}}", "confirms-alone"),
        ("{after: 15 min, unless: {authority: 2}}", "deadline-feasible"),
        ("{after: 180 d, unless: {authority: 2}}", "deadline-feasible"),
    ],
)
def test_check_objects_to_an_emergency_that_one_party_keeps_or_that_ends_too_soon_or_never(lapses, kind):
    """Whoever starts must not confirm; jobs must be able to halt; a lapse after every pause lapses is none."""
    assert "broken" in {claim.verdict for claim in claims(kind, lapses=lapses)}


CHANGES = [
    (LAPSES, "{after: 60 d, unless: {auditor: 1, authority: 1}, again_after: 10 d}", ["tightens"]),
    (LAPSES, "{after: 30 d, unless: {auditor: 1, authority: 2}, again_after: 10 d}", ["loosens"]),
    (LAPSES, "{after: 30 d, unless: {auditor: 1, authority: 1}, again_after: 20 d}", ["loosens"]),
    (LAPSES, "{after: 30 d, again_after: 10 d}", ["loosens"]),
    ("{after: 30 d}", "{after: 31 d, unless: {authority: 2}}", ["tightens", "tightens"]),
]


@pytest.mark.parametrize(("old", "new", "effects"), CHANGES)
def test_a_difference_of_lapse_is_told_with_its_effect(old, new, effects):
    """Longer, and easier to confirm, is tighter; every change is told."""
    one, other = (parse_terms((body(lapses=lapses) + PARTIES).encode(), template=True) for lapses in (old, new))
    assert [each.effect for each in compare_terms(one, other)] == effects
    back = {"tightens": "loosens", "loosens": "tightens"}
    assert [each.effect for each in compare_terms(other, one)] == [back[effect] for effect in effects]


def test_a_limit_that_binds_only_in_an_emergency_is_looser():
    """Told with the trigger's name."""
    one, other = (
        parse_terms((body(more=more) + PARTIES).encode(), template=True)
        for more in (LIMIT.replace("while: emergency, ", ""), LIMIT)
    )
    [change] = compare_terms(one, other)
    assert (change.effect, change.text) == (
        "loosens",
        "bound: applies while emergency is latched instead of at all times",
    )
