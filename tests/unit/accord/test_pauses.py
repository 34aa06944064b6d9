"""Triggers, latches, lifts, rounds, lapses and withdrawal: the attacks of contracts §3."""

from decimal import Decimal

import pytest

from detente.accord.explain import explain
from detente.accord.standing import ONE
from detente.statement.accession import BoundCondition, HaltedCondition
from tests.accord_play import BODY, DAY, T0, Play, founding

LIFTERS = ("aud-2", "auth-1", "auth-2")


def called(at=T0 + 100, **more):
    play = Play(**more).begin()
    play.vote("aud-1", "pause", at)
    play.vote("auth-1", "pause", at + 10)
    return play


def lift(play, at, *, number=0, trigger="call", scope="all", who=LIFTERS):
    for offset, party in enumerate(who):
        play.vote(party, "lift", at + offset, number=number, trigger=trigger, scope=scope)
    return at + len(who) - 1 + 60


def test_two_votes_of_the_named_roles_pause_everybody_and_one_does_not():
    """The condition is at_least 2 of auditors and authorities; the vote that completes it is the latch."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 100)
    assert play.paused(T0 + 105) == ()
    assert play.at(T0 + 105).alert
    play.vote("auth-1", "pause", T0 + 110)
    [pause] = play.at(T0 + 200).pauses
    assert (pause.trigger, pause.round, pause.scope, pause.since) == ("call", 0, "all", T0 + 110)
    assert pause.parties == ("dev-a", "dev-b")
    assert pause.halt_by == T0 + 110 + 900
    assert len(pause.cited) == 2
    assert all(pause.why[0].places)


def test_a_voice_counts_once_however_often_and_through_however_many_logs():
    """Duplicated votes, copies and heard copies of one party are one voice."""
    play = Play().begin()
    data = [play.sign("aud-1", "vote", _vote("pause")) for _ in range(3)]
    for log in ("dev-a", "dev-b"):
        for item in data:
            play.place(item, T0 + 100, log=log)
            play.evidence.receive(item)
    assert play.paused(T0 + 200) == ()


def test_a_party_without_the_role_has_no_vote():
    """F05: a developer's vote is a cited no-op."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("dev-b", "pause", T0 + 101)
    assert play.rules() == ["F05"]
    assert play.paused(T0 + 200) == ()


def test_votes_on_what_the_terms_do_not_have_are_cited_no_ops():
    """F11: an unknown trigger, or a party's scope on a trigger for all."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 100, trigger="nothing")
    play.vote("auth-1", "pause", T0 + 101, scope="dev-a")
    assert play.rules() == ["F11", "F11"]


def test_a_latch_holds_when_its_votes_expire():
    """Latched at the first instant at which the condition is not false; expiry does not unlatch."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 100, expires=T0 + 150)
    play.vote("auth-1", "pause", T0 + 120, expires=T0 + 160)
    assert "call" in play.paused(T0 + 30 * DAY)


def test_votes_that_expire_before_they_meet_pause_nothing_and_are_listed():
    """Both must stand at one instant; what merely ran out is listed as released by time."""
    play = Play().begin()
    play.vote("aud-1", "pause", T0 + 100, expires=T0 + 110)
    play.vote("auth-1", "pause", T0 + 120)
    now = play.at(T0 + 130)
    assert now.pauses == ()
    assert [release.what for release in now.released_by_time] == ["vote_expired"]


def test_a_lift_needs_the_quorum_across_role_groups():
    """One auditor and two authorities; two auditors and one authority are not that, and it is said what is missing."""
    play = called()
    for number, party in enumerate(("aud-1", "aud-2", "auth-2")):
        play.vote(party, "lift", T0 + 300 + number)
    now = play.at(T0 + 1_000)
    assert [p.trigger for p in now.pauses] == ["call"]
    assert now.pauses[0].lift.missing == "1 more authority"
    assert any("1 more authority" in reason.text for reason in explain(now))


def test_a_lift_counts_from_its_last_votes_witnessed_time_plus_settling():
    """Not a second earlier; and then the round is over and recorded."""
    play = called()
    effective = lift(play, T0 + 300)
    assert play.at(effective - 1).pauses[0].lift.effective_at == effective
    assert play.paused(effective - 1) == ("call",)
    assert play.paused(effective) == ()
    [ended] = play.at(effective).ended
    assert (ended.how, ended.ended_at, ended.answered_before) == ("lift", effective, T0 + 302)


def test_a_lift_waits_for_its_condition():
    """none_open: a confirmed finding blocks the lift until it is ruled upon."""
    play = called()
    finding = play.find("aud-1", "dev-b", T0 + 200)
    lift(play, T0 + 300)
    now = play.at(T0 + 1_000)
    assert now.pauses[0].lift.missing == "that no finding is open"
    play.rule("auth-1", finding, "dev-b", T0 + 2_000)
    play.rule("auth-2", finding, "dev-b", T0 + 2_001)
    assert play.paused(T0 + 2_100) == ()


@pytest.mark.parametrize("choice", ["pause", "retract"])
def test_a_voters_pause_cancels_their_lift_before_it_takes_effect(choice):
    """Within the settling time, and also when it is only heard; another lift vote afterwards counts again."""
    play = called()
    effective = lift(play, T0 + 300)
    play.vote("auth-2", choice, T0 + 340)
    assert play.paused(effective + 10) == ("call",)
    play.vote("auth-2", "lift", T0 + 500)
    assert play.paused(T0 + 559) == ("call",)
    assert play.paused(T0 + 560) == ()


def test_a_pause_heard_at_the_second_of_the_lift_cancels_it():
    """The one that restricts has the last word."""
    play = called()
    effective = lift(play, T0 + 300)
    play.vote("auth-2", "pause", None)
    assert play.paused(effective) == ("call",)


def test_a_pause_by_somebody_else_does_not_cancel_a_lift():
    """Only the voter's own."""
    play = called()
    effective = lift(play, T0 + 300)
    play.vote("aud-1", "pause", T0 + 340)
    assert play.paused(effective) == ()


def test_an_old_lift_cannot_be_replayed_against_a_later_pause():
    """Votes name the round: those of round 0 do nothing in round 1, and late ones are cited no-ops (F09)."""
    play = called()
    effective = lift(play, T0 + 300)
    play.vote("aud-1", "pause", effective + 10, number=1)
    play.vote("auth-1", "pause", effective + 11, number=1)
    lift(play, effective + 20, number=0)
    now = play.at(effective + 1_000)
    assert [(p.trigger, p.round) for p in now.pauses] == [("call", 1)]
    assert [note.rule for note in now.notes] == ["F09", "F09", "F09"]


def test_a_lift_vote_for_a_round_that_is_over_lifts_nothing():
    """F09: it must name the round that it is for."""
    play = called()
    effective = lift(play, T0 + 300)
    play.vote("aud-1", "pause", effective + 10, number=1)
    play.vote("auth-1", "pause", effective + 11, number=1)
    lift(play, effective + 100)
    assert play.paused(effective + 1_000) == ("call",)
    assert [note.rule for note in play.at(effective + 1_000).notes] == ["F09", "F09", "F09"]


def test_an_expired_lift_vote_lifts_nothing():
    """F17 when it was over before it was witnessed; otherwise it must still stand when the lift would take effect."""
    play = called()
    play.vote("aud-2", "lift", T0 + 300)
    play.vote("auth-1", "lift", T0 + 301, expires=T0 + 361)
    play.vote("auth-2", "lift", T0 + 302, expires=T0 + 302)
    play.vote("auth-2", "lift", T0 + 303)
    assert play.paused(T0 + 1_000) == ("call",)
    assert play.rules() == ["F17"]


def test_evidence_after_the_last_vote_opens_a_new_round():
    """A measurement witnessed between the last vote and the lift's effect latches the next round at once."""
    play = Play().begin()
    play.measure("dev-a", 7, T0 + 100)
    assert play.paused(T0 + 110) == ("spreading",)
    effective = lift(play, T0 + 300, trigger="spreading", scope="dev-a")
    assert play.paused(effective) == ()
    play.measure("dev-a", 6, T0 + 310, log="dev-b")
    assert play.paused(effective - 1) == ("spreading",)
    [pause] = play.at(effective).pauses
    assert (pause.round, pause.since) == (1, effective)


def test_evidence_before_the_last_vote_is_answered():
    """Witnessed between the first and the last vote: the last voter could have read it."""
    play = Play().begin()
    play.measure("dev-a", 7, T0 + 100)
    play.vote("aud-2", "lift", T0 + 300, trigger="spreading", scope="dev-a")
    play.vote("auth-1", "lift", T0 + 301, trigger="spreading", scope="dev-a")
    play.measure("dev-a", 8, T0 + 305, log="dev-b")
    play.vote("auth-2", "lift", T0 + 310, trigger="spreading", scope="dev-a")
    assert play.paused(T0 + 371) == ()


def test_a_pause_of_one_party_leaves_the_others_free():
    """Scope party."""
    play = Play().begin()
    play.measure("dev-a", 5, T0 + 100)
    assert play.paused(T0 + 110, "dev-a") == ("spreading",)
    assert play.paused(T0 + 110, "dev-b") == ()


@pytest.mark.parametrize(("value", "paused"), [("4.999", ()), ("5", ("spreading",)), ("5.001", ("spreading",))])
def test_a_threshold_is_exact(value, paused):
    """at_least 5 x: one below, equal, one above."""
    play = Play().begin()
    play.measure("dev-a", value, T0 + 100)
    assert play.paused(T0 + 200) == paused


def test_an_interval_across_the_threshold_is_unknown_and_unknown_holds():
    """Kleene's unknown latches where the terms say holds, and the reason says so."""
    play = Play().begin()
    play.measure("dev-a", 1, T0 + 100, high=Decimal(9))
    [pause] = play.at(T0 + 200).pauses
    assert "unknown holds" in pause.why[0].text


def test_an_unknown_that_the_terms_call_silent_holds_nothing():
    """`doubling` is silent: an open interval does nothing, a value at the bound slows down."""
    play = Play().begin()
    play.measure("aud-1", 10, T0 + 100, indicator="doubling", unit="d", high=None)
    assert play.at(T0 + 200).slowdowns == ()
    play.measure("aud-1", 60, T0 + 210, indicator="doubling", unit="d")
    now = play.at(T0 + 300)
    assert now.rate_of("dev-a", "training") == Decimal("0.1")
    assert now.rate_of("dev-a", "deployment") == ONE
    assert now.pauses == ()


def test_a_measurement_that_is_owed_and_missing_holds_from_its_instant():
    """Every 7 d: not overdue at the last second, overdue one later; a timely one moves it on."""
    play = Play().begin()
    due = T0 + 7 * DAY + 60 + 60
    assert play.paused(due) == ()
    assert play.paused(due + 1) == ("spreading",)
    play.measure("dev-a", 1, T0 + 7 * DAY)
    assert play.paused(due + 1) == ()


def test_silence_after_a_lift_counts_from_the_lift():
    """In round 1 overdue is counted from the start of the round, so that a lift is possible."""
    play = Play().begin()
    play.measure("dev-b", 1, T0 + 7 * DAY)
    late = T0 + 8 * DAY
    assert play.paused(late) == ("spreading",)
    effective = lift(play, late, trigger="spreading", scope="dev-a")
    assert play.paused(effective) == ()
    assert play.paused(effective + 7 * DAY + 60) == ()
    assert play.paused(effective + 7 * DAY + 61) == ("spreading",)


def test_a_better_measurement_does_not_unlatch_and_a_wrong_one_is_noted():
    """F10 another unit, F11 no such indicator, F05 not its supplier: cited, and without effect."""
    play = Play().begin()
    play.measure("dev-a", 9, T0 + 100)
    play.measure("dev-a", 0, T0 + 200)
    assert play.paused(T0 + 300) == ("spreading",)
    play.measure("dev-a", 0, T0 + 310, unit="y")
    play.measure("dev-a", 0, T0 + 311, indicator="nothing")
    play.measure("aud-1", 0, T0 + 312)
    assert sorted(play.rules()) == ["F05", "F10", "F11"]


def test_a_fresh_better_measurement_hides_a_worse_one_only_once_settled():
    """Both speak until then: heard at the same second, the worse one still latches."""
    play = Play()
    play.measure("dev-a", 9, T0)
    play.measure("dev-a", 0, T0 + 30)
    play.begin(supply=False)
    assert play.paused(T0 + 60, "dev-a") == ("spreading",)


def test_a_pause_lapses_and_the_release_is_marked():
    """180 d after the last evidence: listed as released by time, and a new round."""
    play = called()
    lapse = T0 + 110 + 180 * DAY
    assert "call" in play.paused(lapse - 1)
    now = play.at(lapse)
    assert "call" not in [p.trigger for p in now.pauses]
    assert [r.what for r in now.released_by_time if "call" in r.text] == ["pause_lapsed"]
    assert [e.how for e in now.ended if e.trigger == "call"] == ["lapse"]


def test_the_lifting_quorum_renews_a_pause():
    """Renewed at t, it lapses `longest` after t; too few renew nothing."""
    play = called()
    for number, party in enumerate(LIFTERS[:2]):
        play.vote(party, "renew", T0 + 100 * DAY + number)
    lapse = T0 + 110 + 180 * DAY
    assert "call" not in play.paused(lapse)
    play.vote("auth-2", "renew", T0 + 101 * DAY)
    assert "call" in play.paused(lapse)
    assert "call" in play.paused(T0 + 281 * DAY - 1)
    assert "call" not in play.paused(T0 + 281 * DAY)


def test_sunset_ends_everything_and_says_so():
    """Expired by its own date: the pause is recorded as ended by expiry, the release marked."""
    play = called(terms=founding("expires: 2027-02-01\n" + BODY))
    expiry = 1_801_440_000
    assert "call" in play.paused(expiry - 1)
    now = play.at(expiry)
    assert (now.phase, now.pauses) == ("expired", ())
    assert now.policy("training") == "free"
    assert "accord_expired" in [release.what for release in now.released_by_time]
    assert [e.how for e in now.ended if e.trigger == "call"] == ["expiry"]


def test_withdrawal_takes_its_notice_and_never_releases_from_an_earlier_pause():
    """365 d; the pause latched before that holds the party, and binds it, until the pause ends."""
    play = Play(founding(BODY.replace(", longest: 180 d", "").replace("every: 7 d, ", ""))).begin()
    play.withdraw("dev-a", T0 + 100)
    gone = T0 + 100 + 365 * DAY
    assert "dev-a" in play.at(gone - 1).bound
    play.vote("aud-1", "pause", gone - 100)
    play.vote("auth-1", "pause", gone - 90)
    assert "call" in play.paused(gone + DAY)
    assert "dev-a" in play.at(gone + DAY).bound
    lift(play, gone + DAY)
    assert "dev-a" not in play.at(gone + 2 * DAY).bound


def test_a_pause_latched_after_a_party_left_does_not_hold_it():
    """Nor does the accord: it is not bound."""
    play = Play(founding(BODY.replace("at_least: 2}}", "at_least: 1}}", 1))).begin()
    play.withdraw("dev-a", T0 + 100)
    gone = T0 + 100 + 365 * DAY
    play.vote("aud-1", "pause", gone + 10)
    play.vote("auth-1", "pause", gone + 20)
    [call] = [p for p in play.at(gone + 30).pauses if p.trigger == "call"]
    assert call.parties == ("dev-b",)


def test_a_party_that_joins_during_a_pause_is_paused():
    """Everybody bound at some instant of the pause is covered."""
    play = Play(founding(BODY.replace("at_least: 2}}", "at_least: 1}}", 1)))
    play.accede("dev-a")
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("auth-1", "pause", T0 + 110)
    play.accede("dev-b", at=T0 + 200)
    [call] = play.at(T0 + 260).pauses
    assert call.parties == ("dev-a", "dev-b")


def test_mutual_conditions_to_be_bound_bind_both():
    """Each says "I if you": the greatest set that satisfies everybody; alone, neither."""
    play = Play()
    play.accede("dev-a", conditions=[BoundCondition(1, ("dev-b",))])
    assert play.at(T0 + 100).bound == ()
    play.accede("dev-b", conditions=[BoundCondition(1, ("dev-a",))], at=T0 + 200)
    now = play.at(T0 + 260)
    assert (now.bound, now.phase) == (("dev-a", "dev-b"), "in_force")


def test_i_stop_when_these_others_verifiably_do():
    """Released, and listed so, until the other's run has halted under this pause and an auditor confirmed it."""
    play = Play()
    play.accede("dev-a", conditions=[HaltedCondition(1, ("dev-b",), True)])
    play.accede("dev-b")
    run = play.run("dev-b", T0 + 70)
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("auth-1", "pause", T0 + 110)
    [pause] = play.at(T0 + 200).pauses
    assert (pause.parties, pause.released) == (("dev-b",), ("dev-a",))
    halted = play.halt("dev-b", run, T0 + 300)
    assert play.at(T0 + 400).pauses[0].released == ("dev-a",)
    play.find("aud-1", "dev-b", T0 + 500, claim="halted", confirms=halted)
    assert play.at(T0 + 559).pauses[0].released == ("dev-a",)
    assert play.at(T0 + 560).pauses[0].released == ()


def test_accession_to_a_text_outside_the_chain_binds_nobody():
    """F12."""
    play = Play()
    play.accede("dev-a", digest="e" * 64)
    assert play.rules() == ["F12"]
    assert play.at(T0 + 100).bound == ()


def test_a_statement_of_another_accord_or_unknown_terms_has_no_effect():
    """F02 and F03."""
    play = Play().begin()
    play.version = 7
    play.vote("aud-1", "pause", T0 + 100)
    other = Play(founding(BODY + "review_by: 2028-01-01\n"))
    play.place(other.sign("auth-1", "vote", _vote("pause")), T0 + 110)
    assert sorted(play.rules()) == ["F02", "F03"]
    assert play.paused(T0 + 200) == ()


def test_halts_are_declared_confirmed_or_overdue():
    """Declared is the developer's word; past the deadline without it a run is overdue."""
    play = Play().begin()
    first, second = play.run("dev-a", T0 + 70), play.run("dev-b", T0 + 71)
    play.vote("aud-1", "pause", T0 + 100)
    play.vote("auth-1", "pause", T0 + 110)
    halted = play.halt("dev-a", first, T0 + 300)
    play.find("aud-1", "dev-a", T0 + 400, claim="halted", confirms=halted)
    states = {halt.run: halt.state for halt in play.at(T0 + 110 + 900).halts}
    assert states == {first: "confirmed", second: "running"}
    states = {halt.run: halt.state for halt in play.at(T0 + 110 + 901).halts}
    assert states[second] == "overdue"


def test_a_halt_of_anothers_run_or_of_none_has_no_effect():
    """F14 and F08."""
    play = Play().begin()
    run = play.run("dev-a", T0 + 70)
    play.halt("dev-b", run, T0 + 80)
    play.halt("dev-b", "e" * 64, T0 + 81)
    assert sorted(play.rules()) == ["F08", "F14"]


def test_a_status_is_json_and_its_reasons_cite_places():
    """Every restriction names the entries it rests on."""
    import json

    play = called()
    value = json.loads(json.dumps(play.at(T0 + 200).as_json()))
    [pause] = value["pauses"]
    assert pause["why"][0]["places"] == ["dev-a.example/log#4", "dev-a.example/log#5"]
    assert value["permit_life_s"] == 600


def _vote(choice):
    from detente.statement.vote import Vote

    return Vote(choice, "call", 0, "all", T0 + 900 * DAY)
