"""The clocks: the wall for nodes, time since boot for guards.

The only place that reads one. A node's wall clock dates its cosignatures and its decisions; a guard believes only
CLOCK_BOOTTIME, which runs on through a suspend and which nobody sets (contracts §4).

>>> clock = SystemClock()
>>> clock.now() > 1_700_000_000 and clock.boottime_s() > 0
True
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from detente.base.errors import Unavailable
from detente.base.instant import Instant

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class WallClock(Protocol):
    """What a node needs of a clock. Tests hand in their own."""

    def now(self) -> Instant:
        """POSIX seconds, rounded down."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ()

    def now(self) -> Instant:
        """POSIX seconds of the wall clock, rounded down."""
        return Instant(int(time.time()))

    def boottime_s(self) -> float:
        """Seconds since boot, through suspends."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        """Which boot this is; raises ``Unavailable`` where the kernel does not say."""
        try:
            return BOOT_ID.read_text("ascii").strip()
        except OSError as error:
            raise Unavailable(f"cannot read {BOOT_ID}: {error.strerror}") from None
