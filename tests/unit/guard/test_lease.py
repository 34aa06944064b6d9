"""When a permit lapses."""

import math

from hypothesis import given
from hypothesis import strategies as st

from detente.guard.lease import Lease, next_lease


def lease(**changes):
    return Lease(**{"boot_id": "a", "sent_at_s": 100.0, "life_s": 60, "epoch": 1} | changes)


def test_a_lease_is_due_at_a_third_and_lapses_at_its_life():
    """Renewal leaves two thirds of the life for trying."""
    states = [lease().at(now, "a") for now in (100.0, 119.0, 120.0, 159.0, 160.0, 1e9)]
    assert states == ["held", "held", "due", "due", "lapsed", "lapsed"]


def test_a_reboot_ends_a_lease():
    """Seconds since boot mean nothing after a boot."""
    assert lease().at(101.0, "b") == "lapsed"
    assert lease().left_s(101.0, "b") == 0


def test_a_clock_that_went_back_ends_a_lease():
    """CLOCK_BOOTTIME never does; a clock that did is broken, and a broken clock stops."""
    assert lease().at(99.9, "a") == "lapsed"


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_no_reading_of_the_clock_holds_a_lease_beyond_its_life(now):
    """Whatever the clock says, a lease is held only within its life."""
    if lease().at(now, "a") != "lapsed":
        assert 100.0 <= now < 160.0
        assert math.isclose(lease().left_s(now, "a"), 160.0 - now)
    else:
        assert lease().left_s(now, "a") == 0


def test_a_shorter_new_permit_replaces_a_longer_old_one():
    """Terms shorten lives when alert; a guard that kept the longer lease would run on the calm one."""
    calm, alert = lease(life_s=3_600), lease(sent_at_s=110.0, life_s=60, epoch=2)
    assert next_lease(calm, alert) is alert
    assert next_lease(alert, calm) is alert
    assert next_lease(None, calm) is calm
    assert next_lease(calm, lease(boot_id="b")).boot_id == "b"
