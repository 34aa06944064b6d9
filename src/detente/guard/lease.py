"""A guard's lease: how long one permit lets it run, by the seconds since boot and by nothing else.

Decides when to renew and when a permit has lapsed. Leaves out whether the permit is genuine (``permit``) and what
to do at the end (``supervise``). Both clock readings and the boot id are arguments.

Rules (``spec/permit.md`` §6):

1. Life counts from the instant before the first request was *sent*, so a slow answer shortens it.
2. CLOCK_BOOTTIME runs through suspend; a wall clock decides nothing here.
3. Another boot id ends the lease: seconds since boot mean nothing after a reboot.
4. Seconds since boot before the sending end it too: such a clock is broken.
5. Renewal is due when a third of the life has passed, and again each third of what remains of it.

>>> lease = Lease(boot_id="b1", sent_at_s=100.0, life_s=60, epoch=4)
>>> [lease.at(now, "b1") for now in (100.0, 119.9, 120.0, 159.9, 160.0)]
['held', 'held', 'due', 'due', 'lapsed']
>>> lease.at(110.0, "b2")
'lapsed'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LeaseState = Literal["held", "due", "lapsed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One permit's time. ``sent_at_s`` is CLOCK_BOOTTIME in seconds just before its request was sent."""

    boot_id: str
    sent_at_s: float
    life_s: int
    epoch: int

    @property
    def lapse_s(self) -> float:
        """CLOCK_BOOTTIME in seconds at which it lapses."""
        return self.sent_at_s + self.life_s

    @property
    def renew_s(self) -> float:
        """CLOCK_BOOTTIME in seconds from which a renewal is due."""
        return self.sent_at_s + self.life_s / 3

    def at(self, now_s: float, boot_id: str) -> LeaseState:
        """``held``, ``due`` for renewal, or ``lapsed``; lapsed at the very second of the end."""
        if boot_id != self.boot_id:  # 3
            return "lapsed"
        if not self.sent_at_s <= now_s < self.lapse_s:  # 1, 4; a NaN lands here as well
            return "lapsed"
        return "due" if now_s >= self.renew_s else "held"

    def left_s(self, now_s: float, boot_id: str) -> float:
        """Seconds until it lapses; 0 once it has."""
        return 0.0 if self.at(now_s, boot_id) == "lapsed" else self.lapse_s - now_s


def next_lease(current: Lease | None, renewed: Lease) -> Lease:
    """The lease to hold after a renewal: always the newer permit, even when it ends sooner.

    The terms shorten lives when alert, and a guard that kept the longer of two leases would run on the calm one.
    """
    if current is None or current.boot_id != renewed.boot_id or renewed.epoch > current.epoch:
        return renewed
    return current
