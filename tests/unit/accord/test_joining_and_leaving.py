"""A party that joins or leaves around a pause, and every other deadline of the terms, each at its instant."""

import pytest

from detente.statement.challenge import Challenge
from tests.accord_play import BODY, DAY, T0, Play, founding

QUIET = BODY.replace("every: 7 d, ", "").replace("longest: 180 d", "longest: 900 d")
ALONE = QUIET.replace("{role: developer, at_least: 2}", "{role: developer, at_least: 1}")
LEAVES = T0 + 200 + 365 * DAY
"""dev-b withdraws 200 s after the beginning, with a year's notice."""


def call(play, last):
    """The vote that completes the call is witnessed at ``last``."""
    play.vote("aud-1", "pause", last - 1)
    play.vote("auth-1", "pause", last)


def lift(play, at):
    for offset, party in enumerate(("aud-2", "auth-1", "auth-2")):
        play.vote(party, "lift", at + offset)
    return at + 2 + 60


def bound(play, at, party="dev-b"):
    return next(binding.bound for binding in play.at(at).bindings if binding.party == party)


def test_a_party_is_bound_until_the_second_at_which_its_notice_has_run():
    """Bound one second before, and not at that second nor after."""
    play = Play(founding(QUIET)).begin()
    play.withdraw("dev-b", T0 + 200)
    assert [bound(play, LEAVES + after) for after in (-1, 0, 1)] == [True, False, False]


@pytest.mark.parametrize(("after", "held"), [(-1, True), (0, False), (1, False)])
def test_only_a_pause_that_latched_before_it_left_holds_it(after, held):
    """One second before it leaves: held until the pause ends; at that second and after: no longer its accord."""
    play = Play(founding(QUIET)).begin()
    play.withdraw("dev-b", T0 + 200)
    call(play, LEAVES + after)
    assert play.paused(LEAVES + 100 * DAY, party="dev-a") == ("call",)
    assert play.paused(LEAVES + 100 * DAY, party="dev-b") == (("call",) if held else ())
    assert bound(play, LEAVES + 100 * DAY) is held


def test_who_left_during_a_pause_is_free_when_it_ends_and_in_no_later_one():
    """The lift frees it at its second; the next round is none of its business."""
    play = Play(founding(QUIET)).begin()
    play.withdraw("dev-b", T0 + 200)
    call(play, LEAVES - 10)
    effective = lift(play, LEAVES + DAY)
    assert [play.paused(effective + after, party="dev-b") for after in (-1, 0)] == [("call",), ()]
    for offset, party in enumerate(("aud-1", "auth-1")):
        play.vote(party, "pause", effective + DAY + offset, number=1)
    assert play.paused(effective + 2 * DAY, party="dev-a") == ("call",)
    assert play.paused(effective + 2 * DAY, party="dev-b") == ()
    assert not bound(play, effective + 2 * DAY)


def test_a_party_that_joins_during_a_pause_is_paused_from_when_its_accession_has_settled():
    """Free one second before; paused at that second, with the pause's own deadline, and lifted with everybody."""
    play = Play(founding(ALONE))
    play.accede("dev-a")
    for party in ("dev-a", "dev-b"):
        play.measure(party, 1, T0)
    call(play, T0 + 100)
    play.accede("dev-b", at=T0 + 500)
    joined = T0 + 560
    assert [play.paused(joined + after, party="dev-b") for after in (-1, 0)] == [(), ("call",)]
    [pause] = play.at(joined).pauses
    assert (pause.parties, pause.halt_by) == (("dev-a", "dev-b"), T0 + 100 + 900)
    effective = lift(play, T0 + 2_000)
    assert [play.paused(effective + after, party="dev-b") for after in (-1, 0)] == [("call",), ()]


def test_who_joins_a_pause_has_as_long_to_halt_as_the_others_had():
    """Its run is overdue one second after the time to halt, counted from its joining and not from the latch."""
    play = Play(founding(ALONE))
    play.accede("dev-a")
    for party in ("dev-a", "dev-b"):
        play.measure(party, 1, T0)
    for party in ("dev-a", "dev-b"):
        play.run(party, T0 + 80, name=f"run-of-{party}")
    call(play, T0 + 100)
    play.accede("dev-b", at=T0 + 5_000)
    joined = T0 + 5_060
    states = [{halt.party: halt.state for halt in play.at(joined + 900 + after).halts} for after in (0, 1)]
    assert states == [{"dev-a": "overdue", "dev-b": "running"}, {"dev-a": "overdue", "dev-b": "overdue"}]


def test_joining_and_leaving_within_one_pause_leads_out_of_it_no_sooner():
    """Whoever was bound at some instant of the pause is covered until it ends, though its notice ran out in between."""
    play = Play(founding(ALONE))
    play.accede("dev-a")
    for party in ("dev-a", "dev-b"):
        play.measure(party, 1, T0)
    call(play, T0 + 100)
    play.accede("dev-b", at=T0 + 500)
    play.withdraw("dev-b", T0 + 600)
    left = T0 + 600 + 365 * DAY
    assert [play.paused(left + after, party="dev-b") for after in (-1, 0, DAY)] == [("call",)] * 3
    effective = lift(play, left + 2 * DAY)
    assert play.paused(effective, party="dev-b") == ()


def test_joining_again_begins_anew_and_changes_no_pause_that_is_on():
    """Who left and accedes anew is bound from the new accession's settled second, and held by the pause all the while."""
    play = Play(founding(QUIET)).begin()
    play.withdraw("dev-b", T0 + 200)
    call(play, LEAVES - 10)
    play.accede("dev-b", at=LEAVES + DAY)
    now = play.at(LEAVES + 2 * DAY)
    assert next(binding.since for binding in now.bindings if binding.party == "dev-b") == LEAVES + DAY + 60
    assert [play.paused(LEAVES + after, party="dev-b") for after in (0, DAY, 2 * DAY)] == [("call",)] * 3


@pytest.mark.parametrize(("after", "sanctioned"), [(-1, False), (0, True)])
def test_a_breach_has_consequences_at_the_second_at_which_the_time_to_challenge_is_over(after, sanctioned):
    """Ruled at once, it waits for 72 hours after the finding."""
    play = Play(founding(QUIET)).begin()
    finding = play.find("aud-2", "dev-b", T0 + 200)
    for offset, party in enumerate(("auth-1", "auth-2")):
        play.rule(party, finding, "dev-b", T0 + 300 + offset)
    assert bool(play.at(T0 + 200 + 3 * DAY + after).sanctions) is sanctioned


@pytest.mark.parametrize(("after", "counts"), [(-1, True), (0, True), (1, False)])
def test_a_challenge_counts_if_it_was_witnessed_no_later_than_the_end_of_its_time(after, counts):
    """In time, only rulings from then on count; one second later the ruling that was made stands."""
    play = Play(founding(QUIET)).begin()
    finding = play.find("aud-2", "dev-b", T0 + 200)
    for offset, party in enumerate(("auth-1", "auth-2")):
        play.rule(party, finding, "dev-b", T0 + 300 + offset)
    end = T0 + 200 + 3 * DAY
    play.say("dev-b", "challenge", Challenge(finding, "it is wrong"), end + after)
    assert bool(play.at(end + DAY).sanctions) is not counts


def test_a_run_is_overdue_one_second_after_the_time_to_halt():
    """Running at the deadline itself, overdue at the next second."""
    play = Play(founding(QUIET)).begin()
    play.run("dev-a", T0 + 80)
    call(play, T0 + 100)
    assert [play.at(T0 + 100 + 900 + after).halts[0].state for after in (0, 1)] == ["running", "overdue"]
