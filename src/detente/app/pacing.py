"""Tell a guarded job how fast it may go, hear whether it keeps to that, and pace it from outside where it does not.

Decides how a share of time becomes freezing and continuing. Leaves out when to pace (``guard.supervise``, rule 7), how
every process of a job is frozen (``adapters.job``), and a job's own way of slowing down (``hooks``).

Rules (``spec/guard.md`` §4.7, ``spec/receipt.md`` §4):

* All processes are frozen together and continued together: one rank alone would break the others' collectives.
* A rest is counted from what was run, both as measured, so that a machine that is late with either makes the job slower
  and never faster. Freezing takes time, and counts as running until it is done.
* When ``let_run`` returns, every process runs: what is frozen can neither save nor answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from detente.base.errors import Refused
from detente.guard.receipt import RATE_MAX, encode_rate, parse_rate

CYCLE_S, RUN_LEAST_S = 1.0, 0.02
"""One freezing and one continuing a second: two scans of the processes. Below a fiftieth the rest grows instead."""
KEPT_POLL_S = 0.1
RATE, KEPT = "rate.json", "rate-kept.json"


class Freezable(Protocol):
    """What is paced: ``freeze`` returns the processes that did not stop, and both may take long."""

    def freeze(self) -> object: ...

    def thaw(self) -> None: ...


class Pacer:
    """One job's speed, from its start to its end.

    ``kept`` is told each new word of the job about its own cap; ``failed``, that pacing has ended by a fault of the system.
    """

    def __init__(
        self, job: Freezable, control: Path, *, kept: Callable[[Decimal], None], failed: Callable[[OSError], None]
    ) -> None:
        self._job = job
        self._control = control
        self._kept = kept
        self._failed = failed
        self._pacing: asyncio.Task[None] | None = None
        self._let = asyncio.Event()
        self._rate = Decimal(1)

    def tell(self, rate: Decimal) -> bool:
        """Publish the cap to the job, and whether there was anything to say; raises ``OSError``."""
        path = self._control / RATE
        if rate >= 1 and not path.exists():
            return False
        publish(path, encode_rate(rate))
        return True

    async def hear(self) -> None:
        """Watch for the job's word until cancelled; one that cannot be read is none."""
        path = self._control / KEPT
        seen: tuple[int, int] | None = None
        while True:
            with contextlib.suppress(OSError):
                found = path.lstat()
                if (found.st_ino, found.st_mtime_ns) != seen:
                    seen = (found.st_ino, found.st_mtime_ns)
                    with contextlib.suppress(Refused):
                        self._kept(parse_rate(_read(path)))
            await asyncio.sleep(KEPT_POLL_S)

    def pace(self, rate: Decimal) -> None:
        """Run every process for this share of the time from now on; at 0 not at all."""
        self._rate = rate
        if self._pacing is None:
            self._let.clear()
            self._pacing = asyncio.create_task(self._run())

    async def let_run(self) -> None:
        """Pace no more. A freezing that is under way is waited for, since it would outlast its own end."""
        self._let.set()
        if self._pacing is not None:
            pacing, self._pacing = self._pacing, None
            await pacing

    async def _run(self) -> None:
        try:
            while not self._let.is_set():
                began = time.monotonic()
                await self._rest(run_s(self._rate))
                if self._let.is_set():
                    return
                await asyncio.to_thread(self._job.freeze)
                ran_s, frozen_at = time.monotonic() - began, time.monotonic()
                # Asked each time: a new cap holds for the rest that is under way.
                while not self._let.is_set() and (left := self._due_s(ran_s) - (time.monotonic() - frozen_at)) > 0:
                    await self._rest(min(left, CYCLE_S))
                await asyncio.to_thread(self._job.thaw)
        except OSError as error:  # No more files to open, for one: /proc cannot be read then.
            self._failed(error)
        finally:
            await asyncio.to_thread(self._job.thaw)

    def _due_s(self, ran_s: float) -> float:
        return ran_s * float(1 / self._rate - 1) if self._rate > 0 else float("inf")

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._let.wait()


def run_s(rate: Decimal) -> float:
    """How long one run within a cycle is.

    >>> run_s(Decimal("0.25")), run_s(Decimal("0.001"))
    (0.25, 0.02)
    """
    return max(RUN_LEAST_S, CYCLE_S * float(rate))


def publish(path: Path, data: bytes) -> None:
    """Atomic for readers; durability is not needed, since the control directory starts empty.

    A name of its own for each: what the job left in this folder, such as a fifo, must not be opened.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path) -> bytes:
    """A regular file of the job's, and no more of it than a fraction takes; raises ``OSError``."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(RATE_MAX + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
