"""Working through instants: late evidence, looking back and supposing give what a sweep that begins anew gives."""

import pytest

from detente.accord import sweep as sweeping
from detente.accord.fold import fold
from detente.accord.sweep import Sweep, sweep_of
from detente.statement.vote import Vote
from tests.accord_play import BODY, DAY, T0, Play, founding

TEXT = founding(BODY.replace("every: 7 d, ", ""))
CALL = ("call", "all")


def play():
    """Called, lifted, and called again: a track with two rounds."""
    found = Play(TEXT).begin()
    vote(found, "pause", T0 + 200, "aud-1", "auth-1")
    vote(found, "lift", T0 + 300, "aud-1", "auth-1", "auth-2")
    vote(found, "pause", T0 + 500, "aud-1", "auth-1", number=1)
    return found


def vote(found, choice, at, *parties, number=0):
    for offset, party in enumerate(parties):
        found.vote(party, choice, at + offset, number=number)


def latched(point):
    track = point.tracks[CALL]
    return None if track.latch is None else (track.round, track.latch.since)


def anew(found, at, *, heard=False):
    """What a sweep that has seen nothing before finds."""
    return Sweep(fold(found.replayed(found.log))).at(at, heard=heard)


def same(one, other):
    return (one.tracks, one.members, one.bound_history) == (other.tracks, other.members, other.bound_history)


def test_earlier_instants_asked_of_a_sweep_that_went_on_are_as_they_were():
    """Looking back changes nothing, neither then nor for what is asked later."""
    found = play()
    sweep = Sweep(found.state)
    assert latched(sweep.at(T0 + DAY, heard=False)) == (1, T0 + 501)
    position = sweep.position
    assert [latched(sweep.at(T0 + at, heard=False)) for at in (200, 201, 361, 362)] == [
        None, (0, T0 + 201), (0, T0 + 201), None,
    ]  # fmt: skip
    assert sweep.position == position
    assert latched(sweep.at(T0 + DAY, heard=False)) == (1, T0 + 501)


@pytest.mark.parametrize("every", [1, 2, 3, 64])
@pytest.mark.parametrize("late", [150, 201, 330, 499, 800])
def test_evidence_that_comes_late_is_worked_in_from_its_own_instant(monkeypatch, every, late):
    """From whichever snapshot is before it, or from the beginning: as if it had always been there."""
    monkeypatch.setattr(sweeping, "SNAPSHOT_EVERY", every)
    found = play()
    before = found.state
    sweep_of(before).at(T0 + DAY, heard=False)
    found.measure("dev-a", 6, T0 + late, log="cloud")
    found.vote("aud-2", "pause", T0 + late, log="buyer")
    carried = sweep_of(found.state)
    assert carried is not sweep_of(before)
    for at in (T0 + 100, T0 + late, T0 + 362, T0 + 2 * DAY):
        assert same(carried.at(at, heard=False), anew(found, at)), at - T0
    assert carried.at(T0 + 2 * DAY, heard=False).tracks[("spreading", "dev-a")].latch.since == T0 + late


def test_a_state_whose_sweep_was_carried_on_still_answers_for_itself():
    """It knows nothing of what came later."""
    found = play()
    before = found.state
    sweep_of(before).at(T0 + DAY, heard=False)
    found.measure("dev-a", 6, T0 + 250, log="cloud")
    sweep_of(found.state)
    point = sweep_of(before).at(T0 + DAY, heard=False)
    assert point.tracks[("spreading", "dev-a")].latch is None
    assert latched(point) == (1, T0 + 501)


def test_what_is_heard_counts_at_the_instant_of_asking_and_leaves_no_trace():
    """Two votes that nobody witnessed latch whenever one asks, since then and marked so; unasked for they do nothing."""
    found = Play(TEXT).begin()
    for party in ("aud-1", "auth-1"):
        found.hear(party, "vote", Vote("pause", "call", 0, "all", T0 + 900 * DAY))
    sweep = Sweep(found.state)
    for at in (T0 + 300, T0 + 200, T0 + 400):
        latch = sweep.at(at, heard=True).tracks[CALL].latch
        assert (latch.since, latch.witnessed) == (at, False)
        assert latched(sweep.at(at, heard=False)) is None


@pytest.mark.parametrize("since", [T0 + 250, T0 + 600])
def test_supposing_leaves_what_is_as_it_is(since):
    """A fork before or after where the sweep stands finds the same; moving one on moves the other nowhere."""
    found = play()
    sweep = Sweep(found.state)
    point = sweep.at(T0 + 550, heard=False)
    other = sweep.fork(found.state.supposing(()), since)
    assert other is not sweep
    assert same(other.at(T0 + 2 * DAY, heard=False), anew(found, T0 + 2 * DAY))
    assert sweep.position < T0 + 550
    assert same(sweep.at(T0 + 550, heard=False), point)
