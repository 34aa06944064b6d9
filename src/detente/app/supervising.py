"""Drive one guarded command: feed the supervisor's machine with what happens, and do what it says.

Decides nothing about stopping: ``guard.supervise`` does. This module reads receipts and measures checkpoints, starts
the job under its keeper, asks, freezes, kills, files, and tells the keeper the latest instant at which the job may
exist. Leaves out leave itself (``app.guarding``) and what a person reads (``cli.guard``).

Two layers, never one (``docs/guides/guard-a-training-job.md``): a request that the job answers with a checkpoint, and
a deadline that needs no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import signal
import stat
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BufferedReader
from pathlib import Path
from typing import Any, Protocol

from detente.adapters.files import write_with_room
from detente.adapters.job import SIGNAL_SAVE, Ended, Job, start_job
from detente.adapters.rundir import RunFolder
from detente.app.guarding import Clock, Leave
from detente.app.pacing import Pacer, publish
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import Refused, Unavailable
from detente.base.quantity import parse_decimal
from detente.base.strict_json import encode_json, parse_json
from detente.guard.receipt import (
    RECEIPT_MAX,
    PauseRequest,
    Receipt,
    encode_request,
    parse_receipt,
    verify_answer,
    verify_checkpoint,
)
from detente.guard.supervise import (
    Action,
    AllFrozen,
    AskCheckpoint,
    Checkpoint,
    End,
    Event,
    FileHalted,
    FileResumed,
    FreezeAll,
    GroupGone,
    HoldStill,
    KillAll,
    LetGo,
    LetRun,
    NotStill,
    PaceAll,
    PermitHeld,
    RateKept,
    ReceiptBad,
    ReceiptVerified,
    Rules,
    SetRate,
    StartJob,
    StopJob,
    StopOrdered,
    Supervisor,
    Tick,
    Why,
    step,
)
from detente.statement.halted import Halted
from detente.statement.kinds import Kind
from detente.statement.resumed import Resumed
from detente.statement.statement import Body

RECEIPT_POLL_S = 0.02
EXIT_GRACE_S, TERM_GRACE_S = 1.0, 5.0
"""After a verified receipt: the job has a second to exit by itself, five more after SIGTERM; its checkpoint is safe."""
KEEPER_MARGIN_S = 2.0
"""The keeper kills this much after the guard should have: it acts only when the guard does not."""
FILE_WITHIN_S = 5.0
PIECE = 1 << 20
NO_CHECKPOINT = sha256_hex(b"")
"""What ``halted`` names where the job left no checkpoint: the digest of nothing."""
LAST = "last.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to run and as which run."""

    command: Sequence[str]
    run: Digest
    name: str
    environment: Mapping[str, str]
    directory: Path | None = None


class Filing(Protocol):
    """Where statements about the run are filed: one accord's outbox, or that of several (``app.jointly``)."""

    @property
    def trouble(self) -> str: ...

    @property
    def waiting(self) -> int: ...

    def prepare(self, kind: Kind, body: Body) -> str: ...

    async def file(self, kind: Kind, body: Body, *, within_s: float) -> Digest: ...


class Supervision:
    """One command from its first permit to its end. ``run`` returns the exit code for the guard's own process."""

    def __init__(
        self,
        *,
        task: Task,
        rules: Rules,
        folder: RunFolder,
        petitioner: Filing,
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        self._task = task
        self._rules = rules
        self._folder = folder
        self._petitioner = petitioner
        self._clock = clock
        self._report = report
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        checkpoint, halted = load_last(folder)
        self._machine = Supervisor(rules=rules, checkpoint=checkpoint, halted=halted)
        self._job: Job | None = None
        self._pacer: Pacer | None = None
        self._told = Decimal(1)
        self._watchers: set[asyncio.Task[Any]] = set()
        self._request = ""
        self._end_later = False
        self._answer: asyncio.Task[Any] | None = None
        self._over = asyncio.Event()
        self._holding = asyncio.Lock()
        self._until_s = 0.0
        self._code: int | None = None
        self._operator_asks = 0
        self.asked_at_s: float | None = None

    @property
    def machine(self) -> Supervisor:
        """Where the job stands."""
        return self._machine

    @property
    def job(self) -> Job | None:
        return self._job

    def heed(self, leave: Leave) -> None:
        """Take the session's word; call it from the loop whenever leave changes."""
        now_s = self._clock.boottime_s()
        if leave.given:
            self._until_s = leave.until_s + self._rules.halt_within_s + self._rules.freeze_s + KEEPER_MARGIN_S
            if self._job is not None and self._machine.phase == "running":
                self._job.extend(self._until_s)
            self._events.put_nowait(PermitHeld(now_s, leave.epoch, leave.rate))
        elif leave.why != "none":
            self._events.put_nowait(StopOrdered(now_s, "lapse" if leave.why == "lapse" else "pause"))

    def operator_stops(self) -> None:
        """The operator wants it to end: first with a checkpoint, at the second time at once."""
        self._operator_asks += 1
        if self._operator_asks == 1:
            self._report("stopping at the operator's word: asking for a checkpoint (again: kill)")
            self._events.put_nowait(StopOrdered(self._clock.boottime_s(), "operator"))
        elif self._job is not None:
            self._watch(asyncio.to_thread(self._job.kill))

    async def run(self) -> int:
        """Until the machine ends; whatever happens here, no process of the job is left behind."""
        try:
            while self._code is None:
                event = await self._next_event()
                self._machine, actions = step(self._machine, event)
                for action in actions:
                    await self._do(action)
            return self._code
        finally:
            for watcher in self._watchers:
                watcher.cancel()
            if self._job is not None:
                await asyncio.to_thread(self._job.kill)
                if self._pacer is not None:
                    await self._pacer.let_run()
                await self._job.wait()

    async def _next_event(self) -> Event:
        machine = self._machine
        due_s = machine.due_s
        while True:
            now_s = self._clock.boottime_s()
            # Once every process is gone there is nothing to freeze: a large checkpoint may take its time to be hashed.
            if due_s is not None and now_s >= due_s and not self._over.is_set():
                return Tick(now_s)
            rest_s = 1.0 if due_s is None else due_s - now_s
            try:
                # A second at most: the loop's own clock does not run through a suspend.
                async with asyncio.timeout(max(0.02, min(1.0, rest_s))):
                    return await self._events.get()
            except TimeoutError:
                continue

    async def _do(self, action: Action) -> None:
        match action:
            case StartJob():
                await self._start()
            case AskCheckpoint(why, deadline_s):
                self._ask(why, deadline_s)
            case StopJob():
                self._report("checkpoint verified: stopping the job")
                self._watch(self._stop_gently())
            case FreezeAll():
                self._report("the deadline has passed: freezing every process")
                self._watch(self._freeze())
            case KillAll():
                self._report("killing every process")
                if self._job is not None:
                    self._watch(asyncio.to_thread(self._job.kill))
            case FileHalted():
                await self._file_halted(action)
            case FileResumed(checkpoint, epoch):
                await self._file_resumed(checkpoint, epoch)
            case End(code):
                self._code = code
            case _:
                await self._steer(action)

    async def _steer(self, action: Action) -> None:
        """What changes how the job runs, and not whether."""
        match action:
            case SetRate(rate):
                self._set_rate(rate)
            case PaceAll(rate):
                self._report(f"the job does not say that it keeps to {rate}: freezing it for the rest of the time")
                if self._pacer is not None:
                    self._pacer.pace(rate)
            case LetRun():
                if self._pacer is not None:
                    await self._pacer.let_run()
            case HoldStill():
                self._watch(self._hold_still())
            case LetGo():
                await self._let_go()
            case _:
                pass  # Observed: ``app.observing`` records it.

    async def _start(self) -> None:
        control = self._folder.clear_control()
        environment = {
            **self._task.environment,
            "DETENTE_RUN": self._task.name,
            "DETENTE_CONTROL_DIR": str(control),
        }
        self._over.clear()
        self._answer = None
        # However full the disk is by then, that the job has halted is kept.
        halted = self._halted(FileHalted("pause", self._machine.checkpoint, self._machine.epoch, killed=False))
        if failed := await asyncio.to_thread(self._petitioner.prepare, "halted", halted):
            self._report(
                f"no place on the disk for the statement that the job has halted: {failed}; it would be sent from memory"
            )
        self._job = await start_job(
            self._task.command, until_s=self._until_s, environment=environment, directory=self._task.directory
        )
        self._told = Decimal(1)
        self._pacer = Pacer(self._job, control, kept=self._hear_rate, failed=self._cannot_slow)
        self._watch(self._pacer.hear())
        self._watch(self._await_end(self._job))

    def _cannot_slow(self, error: OSError) -> None:
        """A job that cannot be slowed may not run on at full speed."""
        self._report(f"cannot slow the job: {error}; stopping it")
        self._events.put_nowait(StopOrdered(self._clock.boottime_s(), "pause"))

    def _hear_rate(self, rate: Decimal) -> None:
        self._events.put_nowait(RateKept(self._clock.boottime_s(), rate))

    def _set_rate(self, rate: Decimal) -> None:
        if self._pacer is None:
            return
        try:
            told = self._pacer.tell(rate)
        except OSError as error:
            if rate < 1:
                self._cannot_slow(error)
            return
        if told and rate != self._told:
            self._report(f"slowed to {rate} of full speed" if rate < 1 else "full speed again")
        self._told = rate

    def _ask(self, why: Why, deadline_s: float) -> None:
        job = self._job
        if job is None:
            return
        self.asked_at_s = self._clock.boottime_s()
        self._request = secrets.token_hex(8)
        job.extend(deadline_s + self._rules.freeze_s + KEEPER_MARGIN_S)
        request = encode_request(PauseRequest(self._request))
        try:
            write_with_room(self._folder.room, lambda: publish(self._folder.control / "pause", request))
        except OSError as error:
            self._report(f"cannot write the request for a checkpoint: {error}; the signal goes out without it")
        asked = job.ask(SIGNAL_SAVE)
        within = max(0.0, deadline_s - self.asked_at_s)
        self._end_later = not asked and self._rules.still_after_s is not None
        if self._end_later:
            # What cannot answer is not ended yet: it is held still, and told to end only before the deadline.
            self._report(f"{why}: no process of the job can answer a request for a checkpoint")
        elif asked:
            self._report(f"{why}: asked the job for a checkpoint, within {within:.0f} s")
        else:
            # Nobody in the tree has a handler for the request: nothing in it can answer. SIGTERM is what such a
            # job may know, and what it does not save now it could not save by the deadline either.
            self._report(f"{why}: no process of the job can answer a request for a checkpoint; sending SIGTERM")
            job.tell_all(signal.SIGTERM)
        if self._answer is not None:
            self._answer.cancel()  # Of a request that it went on without answering.
        self._answer = self._watch(self._await_receipt(self._request))

    async def _await_receipt(self, request: str) -> None:
        """Until a receipt holds, or the job is over and left none that does: its last word is looked at after its end."""
        path = self._folder.control / "receipt.json"
        seen: tuple[int, int] | None = None
        while True:
            last = self._over.is_set()
            with contextlib.suppress(OSError):
                found = path.stat()
                if (found.st_ino, found.st_mtime_ns) != seen:
                    seen = (found.st_ino, found.st_mtime_ns)
                    if await self._read_receipt(path, request):
                        return
            if last:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RECEIPT_POLL_S):
                    await self._over.wait()

    async def _read_receipt(self, path: Path, request: str) -> bool:
        least = 0 if self._machine.checkpoint is None else self._machine.checkpoint.step
        try:
            receipt = await asyncio.to_thread(fetch_verified, path, self._task.name, request, least)
        except Refused as refused:
            self._report(f"refused the job's receipt: {refused}")
            self._events.put_nowait(ReceiptBad(self._clock.boottime_s(), refused.rule))
            return False
        checkpoint = Checkpoint(receipt.sha256, receipt.step, receipt.flop, self._rules.ranks)
        self._events.put_nowait(ReceiptVerified(self._clock.boottime_s(), checkpoint))
        return True

    async def _stop_gently(self) -> None:
        job = self._job
        if job is None:
            return
        for patience_s, act in ((EXIT_GRACE_S, lambda: job.tell_all(signal.SIGTERM)), (TERM_GRACE_S, job.kill)):
            with contextlib.suppress(asyncio.TimeoutError):
                async with asyncio.timeout(patience_s):
                    await job.wait()
                return
            await asyncio.to_thread(act)

    async def _hold_still(self) -> None:
        """All of them or none: one that does not stop keeps the others from being stopped."""
        job = self._job
        if job is None:
            return
        async with self._holding:
            left = await asyncio.to_thread(job.freeze)
            if left:
                await asyncio.to_thread(job.thaw)
        if left:
            self._report(f"not held still: {len(left)} of its processes did not stop, so all of them run on")
            self._events.put_nowait(NotStill(self._clock.boottime_s()))
        else:
            self._report(f"no answer yet: every process is held still ({job.frozen_by}), its memory kept")

    async def _let_go(self) -> None:
        job = self._job
        if job is None:
            return
        if self._machine.phase == "running":
            job.extend(self._until_s)
            self._report("permitted again: every process goes on from where it was")
        else:
            self._report("every process goes on, to save before the deadline")
        async with self._holding:
            await asyncio.to_thread(job.thaw)
        if self._end_later and self._machine.phase == "asked":
            job.tell_all(signal.SIGTERM)

    async def _freeze(self) -> None:
        if self._job is not None and not await asyncio.to_thread(self._job.freeze):
            self._events.put_nowait(AllFrozen(self._clock.boottime_s()))

    async def _await_end(self, job: Job) -> None:
        await job.command_ended.wait()
        left = job.processes()
        if job.status is not None and left and self._machine.phase == "running":
            went_on = (
                "one of its processes goes on, and stays"
                if len(left) == 1
                else f"{len(left)} of its processes go on, and stay"
            )
            self._report(f"the command has ended; {went_on} guarded")
        ended: Ended = await job.wait()
        self._over.set()
        if self._answer is not None:
            await asyncio.wait([self._answer])
        if ended.lapsed:
            self._report("the keeper ended the job at its latest instant")
            # This guard had been stopped or hung: it has yet to notice that leave is over, and the job did not finish.
            self._events.put_nowait(StopOrdered(self._clock.boottime_s(), "lapse"))
        code = 1 if ended.status is None else ended.status
        self._events.put_nowait(GroupGone(self._clock.boottime_s(), 128 - code if code < 0 else code))

    async def _file_halted(self, action: FileHalted) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        self._watchers.clear()
        if self._pacer is not None:
            await self._pacer.let_run()
        self._job = self._pacer = None
        checkpoint = action.checkpoint
        try:
            store_last(self._folder, checkpoint, halted=action.why != "finished")
        except Unavailable as error:
            self._report(f"cannot keep where the run stands: {error}")
        made = await self._petitioner.file("halted", self._halted(action), within_s=FILE_WITHIN_S)
        how = "killed, " if action.killed and action.why != "finished" else ""
        kept = f", {self._petitioner.waiting} waiting for the network" if self._petitioner.waiting else ""
        if self._petitioner.trouble:
            kept += f" ({self._petitioner.trouble})"
        where = (
            "no checkpoint" if checkpoint is None else f"step {checkpoint.step}, checkpoint {checkpoint.sha256[:12]}…"
        )
        self._report(f"halted ({action.why}): {how}{where}; filed {made[:12]}…{kept}")

    def _halted(self, action: FileHalted) -> Halted:
        checkpoint = action.checkpoint
        return Halted(
            run=self._task.run,
            step=0 if checkpoint is None else checkpoint.step,
            checkpoint=NO_CHECKPOINT if checkpoint is None else checkpoint.sha256,
            flop=Decimal(0) if checkpoint is None or checkpoint.flop is None else Decimal(checkpoint.flop),
            epoch=action.epoch,
            why=action.why,
        )

    async def _file_resumed(self, checkpoint: Checkpoint | None, epoch: int) -> None:
        body = Resumed(
            run=self._task.run,
            step=0 if checkpoint is None else checkpoint.step,
            checkpoint=NO_CHECKPOINT if checkpoint is None else checkpoint.sha256,
            epoch=epoch,
        )
        store_last(self._folder, checkpoint, halted=False)
        made = await self._petitioner.file("resumed", body, within_s=FILE_WITHIN_S)
        self._report(f"resumed under permit epoch {epoch}; filed {made[:12]}…")

    def _watch(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)
        return task


def fetch_verified(path: Path, run: str, request: str, least_step: int) -> Receipt:
    """Read a receipt and hash the checkpoint it names; raises ``Refused``.

    1. The receipt is a regular file: G42. It reads, is of this run, answers this request, and is not behind what was
       shown: W01 to W07, W11.
    2. The checkpoint is a regular file beside which it says: G42.
    3. Its bytes are those of the receipt: W08, W09.
    """
    return fetch_checkpoint(fetch_answer(path, run, request, least_step), path.parent)


def fetch_answer(path: Path, run: str, request: str, least_step: int) -> Receipt:
    """Step 1 of ``fetch_verified``: what the job says, before its checkpoint was looked at."""
    with _open_regular(path, "the job's receipt") as file:
        data = file.read(RECEIPT_MAX + 1)
    return verify_answer(parse_receipt(data), run=run, request=request, least_step=least_step)  # 1


def fetch_checkpoint(receipt: Receipt, beside: Path, *, go_on: Callable[[], bool] = lambda: True) -> Receipt:
    """Steps 2 and 3 of ``fetch_verified``; raises ``Unavailable`` once it may not ``go_on``, which is asked for each MiB."""
    path = Path(receipt.directory or beside) / receipt.checkpoint
    with _open_regular(path, "the checkpoint that the receipt names") as file:  # 2
        size, sha256 = os.fstat(file.fileno()).st_size, NO_CHECKPOINT
        if size == receipt.size:  # What is larger is not read: nobody has said of it what it is.
            try:
                size, sha256 = _measure(file, receipt.size + 1, go_on)
            except OSError as error:
                raise Refused(
                    "G42", "not-found", got=f"{path}: {error.strerror}", expected="a file that reads"
                ) from None
    return verify_checkpoint(receipt, size=size, sha256=sha256).receipt  # 3


def _measure(file: BufferedReader, most: int, go_on: Callable[[], bool]) -> tuple[int, Digest]:
    """Size and SHA-256 of at most so many bytes, about 1 s per GiB: a file that grows meanwhile has no end."""
    size, digest = 0, hashlib.sha256()
    while size < most and (piece := file.read(min(PIECE, most - size))):
        if not go_on():
            raise Unavailable(f"hashing was given up after {size} bytes")
        size += len(piece)
        digest.update(piece)
    return size, Digest(digest.hexdigest())


def _open_regular(path: Path, what: str) -> BufferedReader:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # A fifo in its place must not hang us.
    except OSError as error:
        raise Refused("G42", "not-found", got=f"{path}: {error.strerror}", expected=what) from None
    file = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        file.close()
        raise Refused("G42", "not-found", got=f"{path.name}, no regular file", expected=what)
    return file


def load_last(folder: RunFolder) -> tuple[Checkpoint | None, bool]:
    """The checkpoint that a run last stored, and whether it is halted since; ``Refused`` G41 where that cannot be read."""
    data = folder.read(LAST)
    if data is None:
        return None, False
    try:
        value = parse_json(data, limit=RECEIPT_MAX)
        halted = value["halted"] is True
        if value["sha256"] is None:
            return None, halted
        flop = None if value["flop"] is None else int(parse_decimal(value["flop"]))
        return Checkpoint(parse_digest(value["sha256"]), int(value["step"]), flop, 1), halted
    except (Refused, KeyError, TypeError, ValueError) as error:
        raise Refused("G41", "corrupt", got=f"{LAST}: {error}", expected="what this guard stored") from None


def store_last(folder: RunFolder, checkpoint: Checkpoint | None, *, halted: bool) -> None:
    """Keep durably what ``load_last`` reads after a restart."""
    value = {
        "sha256": None if checkpoint is None else checkpoint.sha256,
        "step": 0 if checkpoint is None else checkpoint.step,
        "flop": None if checkpoint is None or checkpoint.flop is None else str(checkpoint.flop),
        "halted": halted,
    }
    folder.store(LAST, encode_json(value), reserved=True)
