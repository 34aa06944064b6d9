"""Leave that is kept: compared with the clock alone, lapsing by itself, slowed evenly, and never given by a failure."""

from decimal import Decimal

import pytest

from detente.accord.reason import Reason
from detente.app import kept_leave
from detente.app.guarding import Leave
from detente.app.kept_leave import KeptLeave
from detente.base.digest import Digest

VERSION = Digest("a" * 64)
PAUSED = Leave(why="pause", held_by=("call",), reasons=(Reason("call: 1 vote of safety", ()),))


class Clock:
    """CLOCK_BOOTTIME, as the test says."""

    CLOCK_BOOTTIME = 7

    def __init__(self):
        self.now_s = 100.0

    def clock_gettime(self, which):
        assert which == self.CLOCK_BOOTTIME
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(kept_leave, "time", made)
    return made


def given(until_s=160.0, rate="1"):
    return Leave(until_s=until_s, rate=Decimal(rate), epoch=3)


def test_before_the_first_permit_there_is_no_leave(clock):
    """Nobody was asked yet: refused, with a reason, as J36."""
    kept = KeptLeave(VERSION)
    assert not kept.holds
    assert kept.refusal() == "J36 held: no permit was had yet"


def test_leave_lapses_by_the_clock_with_nobody_saying_so(clock):
    """At the very second of the end it is over, whether the thread lives or not."""
    kept = KeptLeave(VERSION)
    kept.hear(given())
    clock.now_s = 159.9
    assert kept.holds
    assert kept.refusal() == ""
    clock.now_s = 160.0
    assert not kept.holds
    assert "renewed" in kept.refusal()


def test_a_pause_ends_it_at_once_and_says_why(clock):
    """What the issuers say is what a client is told."""
    kept = KeptLeave(VERSION)
    kept.hear(given())
    kept.hear(PAUSED)
    assert not kept.holds
    assert kept.why == "call: 1 vote of safety"
    assert kept.refusal() == "J36 held: call: 1 vote of safety"


@pytest.mark.parametrize(("rate", "answered"), [("0.25", 25), ("0.5", 50), ("0", 0), ("1", 100), ("7", 100)])
def test_a_slowdown_answers_that_share_of_the_requests(clock, rate, answered):
    """Evenly, give or take the one that the credit began with; what is under way goes on."""
    kept = KeptLeave(VERSION)
    kept.hear(given(rate=rate))
    found = [kept.refusal() for _ in range(100)]
    assert abs(found.count("") - answered) <= 1
    assert kept.holds


def test_observing_everything_is_answered(clock):
    """With or without leave, and without a home."""
    kept = KeptLeave(VERSION, observe=True)
    assert kept.holds
    assert kept.refusal() == ""
    kept.hear(PAUSED)
    assert kept.holds
    assert kept.refusal() == ""


def test_what_was_given_up_is_not_given_again(clock):
    """After ``stop`` a late word of the session changes nothing."""
    kept = KeptLeave(VERSION)
    kept.hear(given())
    kept.stop()
    kept.hear(given())
    assert not kept.holds


def test_a_reason_of_any_length_is_bounded(clock):
    """Reasons come from elsewhere."""
    kept = KeptLeave(VERSION)
    kept.hear(Leave(why="pause", reasons=(Reason("x" * 5_000, ()),)))
    assert len(kept.why) == kept_leave.WHY_MAX
