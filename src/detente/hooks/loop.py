"""A training loop that guards itself: ``with guard(...) as g: for batch in data: ...; g.step()``.

Decides what happens at a step boundary. Leaves out leave itself (``app.guarding``, in a thread beside the loop), jobs
that do not call ``step`` (``detente guard -- COMMAND``) and workloads that speak the control protocol themselves
(``hooks.workload``).

Rules:

* ``step`` and ``check`` cost an attribute read and a clock compare while the job may run at full speed.
* When leave has ended, the next call saves, hashes the checkpoint, files ``halted`` and raises ``Paused``, which ends
  the process with code 75. ``check`` is for places between steps where time passes: evaluation, waiting for data.
* A step that hangs cannot be interrupted from inside. The kernel kills the process at the terms' deadline
  (``adapters.deadman``), without a checkpoint. Children of the process are only reached by ``detente guard -- COMMAND``.
* Under ``detente guard -- COMMAND`` the loop asks nobody: it answers its supervisor.
* A forked child sees the same leave, is stopped with the parent, and saves and files nothing.
* Calls may come from any thread; the first to see the end does the saving, the others raise ``Paused`` at once, and
  nobody leaves the ``with`` block before the saving is over. What ``save`` itself calls passes.
* A ``save`` that fails ends the run all the same, with ``Paused``: an ``except Exception`` around a step must not train on.

>>> with guard("doctest", mode="free") as g:
...     for _ in range(3):
...         g.step()
>>> g.steps
3
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import mmap
import os
import struct
import threading
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeAlias

from detente.base.digest import Digest
from detente.base.errors import Misuse

_LOG = logging.getLogger("detente.guard")
EX_TEMPFAIL = 75
"""sysexits.h: saved and stopped, start me again later."""
FOREVER_S = 1e18
THROTTLE_SLICE_S = 0.02
_GATE, _UNTIL, _RATE = 0, 1, 2

Saved: TypeAlias = "str | os.PathLike[str] | None"
Mode = Literal["auto", "enforce", "observe", "free"]


class Paused(SystemExit):
    """The guard stopped the loop: checkpoint and ``halted`` are durable here. Ends the process with code 75.

    Leaving the ``with`` block tries to deliver the statement; what cannot be delivered waits in the outbox.
    """

    def __init__(self, why: str, *, checkpoint: Digest | None = None, step: int = 0) -> None:
        self.why = why
        self.checkpoint = checkpoint
        self.step = step
        super().__init__(EX_TEMPFAIL)

    def __str__(self) -> str:
        return self.why


class Cell:
    """Until when, and how fast, the loop may run: three numbers that the loop, its threads and its forks share.

    ``gate`` is what ``step`` compares with the clock: the lapse, or 0 when every step needs a closer look.
    """

    __slots__ = ("_shared", "values")

    def __init__(self) -> None:
        # Anonymous shared memory: a child made by fork sees the parent's leave end.
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self.values = memoryview(self._shared).cast("d")

    def set(self, *, until_s: float, rate: Decimal = Decimal(1), look: bool = False) -> None:
        """Order matters for a reader in between: the gate closes first and opens last."""
        self.values[_GATE] = 0.0
        self.values[_UNTIL] = until_s
        self.values[_RATE] = float(rate)
        if rate >= 1 and not look:
            self.values[_GATE] = until_s


class Leader(Protocol):
    """What stands behind a loop and gives it leave: a session with issuers, a supervisor, an observer, or nothing."""

    def start(self, cell: Cell) -> None:
        """Get leave, and from now on keep ``cell`` true; raises when there is none to be had."""
        ...

    def halt(self, step: int, save: Callable[[], Saved] | None) -> tuple[str, Digest | None]:
        """Leave has ended: save, file, and say why. Called once."""
        ...

    def look(self, step: int) -> None:
        """Called at each step while the gate is kept at 0."""
        ...

    def finish(self, step: int, *, failed: bool) -> None:
        """The loop has ended by itself."""
        ...


class LoopGuard:
    """What ``with guard(...) as g`` gives. ``steps`` counts from ``at_step``."""

    __slots__ = (
        "_cell",
        "_gate",
        "_halted",
        "_halter",
        "_halting",
        "_leader",
        "_owner",
        "_save",
        "_stepped_s",
        "steps",
    )

    def __init__(self, leader: Leader, *, save: Callable[[], Saved] | None, at_step: int) -> None:
        self._cell = Cell()
        self._gate = self._cell.values
        self._leader = leader
        self._save = save
        self._owner = os.getpid()
        self._halting = threading.Lock()
        self._halter: int | None = None
        self._halted = threading.Event()
        self._stepped_s = 0.0
        self.steps = at_step

    def __enter__(self) -> Self:
        self._leader.start(self._cell)
        self._stepped_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() == self._owner:
            if self._halter is not None:
                self._halted.wait()  # Another thread may still be saving; the dead-man timer bounds this.
            self._leader.finish(self.steps, failed=kind is not None)

    def step(self) -> None:
        """Call after every step. Raises ``Paused`` when the loop has to stop; nothing may catch it."""
        self.steps += 1
        if clock_gettime(CLOCK_BOOTTIME) >= self._gate[_GATE]:
            self._attend(counted=True)

    def reached(self, steps: int) -> None:
        """``step``, for a host that counts the steps itself: ``steps`` of them are done."""
        self.steps = steps
        if clock_gettime(CLOCK_BOOTTIME) >= self._gate[_GATE]:
            self._attend(counted=True)

    def check(self) -> None:
        """Call where time passes between steps. Raises ``Paused`` like ``step``, and counts nothing."""
        if clock_gettime(CLOCK_BOOTTIME) >= self._gate[_GATE]:
            self._attend(counted=False)

    @property
    def stopping(self) -> bool:
        """Has leave ended, so that the next ``step`` or ``check`` stops the loop? Looks only."""
        return clock_gettime(CLOCK_BOOTTIME) >= self._gate[_UNTIL]

    def propose(self, change: str | bytes, **about: Any) -> Digest:
        """File a ``proposal`` and wait at the hold point until humans have approved it; returns the proposal's id.

        ``change`` is the change itself as bytes, or its digest. ``touches``: some of training, architecture, data,
        configuration, evaluation. ``proposed_by``: ``("model", version digest)``, ``("human", name)`` or
        ``("undeclared", None)``. ``summary``: one line for the reviewer. ``asked_flop``: a decimal. ``parent``: the version
        changed. ``shown``: keep the bytes at the node, where reviewers read them, and whoever else reaches it unless the terms keep changes for
        auditors. ``timeout_s``: ``Refused`` G44 when nobody has decided by then. ``Refused`` G45 once the proposal has lapsed under the
        terms: propose it anew. Raises ``Paused`` if a pause comes meanwhile.
        """
        return self._asker("propose")(change, check=self.check, **about)

    def version(self, artefact: str | bytes, **about: Any) -> Digest:
        """File a ``version`` statement: ``parents``, ``proposed_by``, ``touches``, ``own_flop``, ``proposal``, ``score``."""
        return self._asker("version")(artefact, **about)

    def _asker(self, name: str) -> Callable[..., Digest]:
        asker = getattr(self._leader, name, None)
        if asker is None:
            raise Misuse(
                f"g.{name} files in the run's own name: start this loop by itself, not below `detente guard -- …`"
            )
        return asker  # type: ignore[no-any-return]

    def _attend(self, *, counted: bool) -> None:
        """The slow path: the end of leave, a slowdown, or a leader that wants to see each step."""
        gate = self._gate
        if clock_gettime(CLOCK_BOOTTIME) < gate[_UNTIL]:
            if counted:
                if os.getpid() == self._owner:
                    self._leader.look(self.steps)
                self._throttle()
            return
        if os.getpid() != self._owner:
            raise Paused("the parent's leave has ended", step=self.steps)
        if not self._halting.acquire(blocking=False):
            if self._halter == threading.get_ident() and not self._halted.is_set():
                return  # save() evaluates, or goes through its own data: it must not stop itself.
            raise Paused("another thread is stopping this run", step=self.steps)
        self._halter = threading.get_ident()
        try:
            why, checkpoint = self._leader.halt(self.steps, self._save)
        except Exception as error:
            with contextlib.suppress(Exception):  # Nobody may be listening any more.
                _LOG.exception("the run stops without a checkpoint")
            raise Paused(f"stopped without a checkpoint: {error!r}", step=self.steps) from error
        finally:
            self._halted.set()
        raise Paused(why, checkpoint=checkpoint, step=self.steps)

    def _throttle(self) -> None:
        """Rest so that computing takes no more than ``rate`` of the time; at 0 the loop holds. The end of leave ends it."""
        now = time.monotonic()
        worked_s = now - self._stepped_s
        while (rate := self._gate[_RATE]) < 1 and clock_gettime(CLOCK_BOOTTIME) < self._gate[_UNTIL]:
            left = THROTTLE_SLICE_S if rate <= 0 else now + worked_s * (1 / rate - 1) - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(left, THROTTLE_SLICE_S))
        self._stepped_s = time.monotonic()


def guard(
    run: str = "run",
    *,
    activity: Literal["training", "self_improvement"] = "training",
    planned_flop: str | Decimal | None = None,
    save: Callable[[], Saved] | None = None,
    parents: Iterable[str] = (),
    at_step: int = 0,
    flop_per_step: int = 0,
    wait_s: float = 30.0,
    home: str | os.PathLike[str] | None = None,
    mode: Mode = "auto",
    observe: bool = False,
) -> LoopGuard:
    """Guard a training loop: enter what this returns, and call its ``step()`` after every step.

    ``run`` names the run: the same name is the same run after a restart. ``planned_flop``: a decimal such as ``"1e18"``,
    checked against the terms. ``save`` writes a checkpoint and returns its path (a file or a folder), to be called when a
    pause comes. ``at_step`` is the step a resumed loop starts at. ``wait_s``: how long to wait for the first permit.
    ``home`` is Détente's folder, by default ``DETENTE_HOME`` or ``./.detente``. ``observe`` (or ``mode="observe"``)
    records and stops nothing, and a proposal does not wait; ``mode="free"`` does nothing at all, for tests of your own loop. ``auto`` answers to
    ``detente guard -- COMMAND`` when started by it, and otherwise keeps a permit of its own.

    Raises ``Refused`` G43 when no permit is to be had, ``Unavailable`` when no issuer answers.
    """
    leader = leader_of(
        run,
        activity=activity,
        planned_flop=planned_flop,
        parents=parents,
        flop_per_step=flop_per_step,
        wait_s=wait_s,
        home=home,
        mode=mode,
        observe=observe,
    )
    return LoopGuard(leader, save=save, at_step=at_step)


def leader_of(
    run: str,
    *,
    activity: Literal["training", "self_improvement"] = "training",
    planned_flop: str | Decimal | None = None,
    parents: Iterable[str] = (),
    flop_per_step: int = 0,
    wait_s: float = 30.0,
    home: str | os.PathLike[str] | None = None,
    mode: Mode = "auto",
    observe: bool = False,
) -> Leader:
    """What gives a loop leave, for the arguments of ``guard``."""
    if mode == "free":
        return Free()
    if mode == "auto" and (place := os.environ.get("DETENTE_OBSERVE_DIR")):
        return Counted(Path(place))
    if mode == "auto" and (place := os.environ.get("DETENTE_CONTROL_DIR")):
        from detente.hooks.supervised import Supervised

        return Supervised(Path(place), os.environ.get("DETENTE_RUN") or run, flop_per_step=flop_per_step)
    from detente.hooks.session import OwnSession

    return OwnSession(
        run,
        activity=activity,
        planned_flop=planned_flop,
        parents=tuple(parents),
        flop_per_step=flop_per_step,
        wait_s=wait_s,
        home=None if home is None else Path(home),
        observe=observe or mode == "observe",
    )


class _Unheld:
    """Proposals and versions where nothing is enforced: nobody is asked, nothing is filed, nothing waits."""

    def propose(self, change: str | bytes, **_about: Any) -> Digest:
        """The digest of the change, at once."""
        return unfiled(change)

    def version(self, artefact: str | bytes, **_about: Any) -> Digest:
        """The digest of the artefact."""
        return unfiled(artefact)


def unfiled(artefact: str | bytes) -> Digest:
    """What stands for the id of a statement that was not filed: the digest of what it would have been about."""
    data = artefact if isinstance(artefact, bytes) else artefact.encode()
    return Digest(hashlib.sha256(data).hexdigest())


class Free(_Unheld):
    """Leave without end and without anybody's word: for tests of a loop, and for the price of ``step``."""

    def start(self, cell: Cell) -> None:
        cell.set(until_s=FOREVER_S)

    def halt(self, step: int, save: Callable[[], Saved] | None) -> tuple[str, Digest | None]:  # noqa: ARG002
        raise Misuse(f"free leave ended at step {step}, which it cannot")

    def look(self, step: int) -> None:
        """Nothing is watched."""

    def finish(self, step: int, *, failed: bool) -> None:
        """Nothing was started."""


class Counted(_Unheld):
    """Under ``detente guard --observe``: steps and gaps are left in a small file that the observer reads.

    So are the changes that would have been proposed, a line each: it runs on as if they had been approved.
    """

    LAYOUT = struct.Struct("=4d")
    """Steps counted, first and last in seconds of CLOCK_BOOTTIME, the longest gap in seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._values: memoryview[float] | None = None

    def start(self, cell: Cell) -> None:
        path = self._folder / f"{os.getpid()}.steps"
        try:
            with path.open("w+b") as file:
                file.truncate(self.LAYOUT.size)
                self._values = memoryview(mmap.mmap(file.fileno(), self.LAYOUT.size)).cast("d")
        except OSError:
            self._values = None  # Observation must not stop a job: not even for want of a place to write.
        cell.set(until_s=FOREVER_S, look=True)

    def halt(self, step: int, save: Callable[[], Saved] | None) -> tuple[str, Digest | None]:  # noqa: ARG002
        raise Misuse(f"an observed loop ended at step {step}, which observing cannot do")

    def look(self, step: int) -> None:  # noqa: ARG002
        values = self._values
        if values is None:
            return
        now = clock_gettime(CLOCK_BOOTTIME)
        if values[0]:
            values[3] = max(values[3], now - values[2])
        else:
            values[1] = now
        values[2] = now
        values[0] += 1

    def propose(self, change: str | bytes, **about: Any) -> Digest:
        """Leave a line for the observer, and go on."""
        line = json.dumps({"boottime_s": clock_gettime(CLOCK_BOOTTIME), "summary": str(about.get("summary", ""))[:200]})
        with contextlib.suppress(OSError), (self._folder / f"{os.getpid()}.proposals").open("a") as file:
            file.write(line + "\n")
        return unfiled(change)

    def finish(self, step: int, *, failed: bool) -> None:
        """The file stays for the observer."""
