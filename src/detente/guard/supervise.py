"""What a supervisor does with a job's process group, as a pure machine: events and seconds in, actions out.

Decides when a job starts, is asked for a checkpoint, is stopped, frozen, killed, and what is filed about it. Leaves
out doing any of it (``adapters.process``), reading receipts (``guard.receipt``) and the permit (``guard.permit``).

Rules (``spec/guard.md`` §4):

1. No permit, no start. The first permit starts the job; one after a stop resumes it from the last good checkpoint.
2. A stop order (pause, lapse or operator) asks for a checkpoint once; the deadline is the terms' ``halt_within``
   after the *first* order, and no later event moves it.
3. Every rank or none: only a verified receipt that covers all ranks stops the job gently. A receipt that is bad or
   covers some ranks changes nothing.
4. At the deadline everything that is left is frozen, then killed ``freeze_s`` later or as soon as all are frozen;
   frozen first, so that no rank trains on while the others die.
5. A halt is filed once the whole group is gone, and never before: with the receipt, or, after a kill, with the last
   checkpoint that was verified, if any.
6. A permit that arrives while a stop is under way does not undo it: the job goes through the stop, then resumes.
7. Observing, the job is started at once and never touched: each action becomes a ``WouldHave``, not enforced, and
   no halt is filed.

>>> rules = Rules(halt_within_s=60)
>>> job, actions = step(Supervisor(rules=rules), PermitHeld(0.0, epoch=1, rate=Decimal(1)))
>>> actions
(StartJob(epoch=1, resume_from=None), SetRate(rate=Decimal('1')))
>>> job, actions = step(job, StopOrdered(5.0, why="pause"))
>>> actions, job.deadline_s
((AskCheckpoint(why='pause', deadline_s=65.0),), 65.0)
>>> step(job, Tick(65.0))[1]
(FreezeAll(),)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from detente.base.digest import Digest

Why = Literal["pause", "lapse", "operator", "finished"]
Phase = Literal["waiting", "running", "asked", "stopping", "frozen", "killed", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``halt_within_s`` from the terms; ``freeze_s`` between freezing and killing; ``hold`` to resume after a lift."""

    halt_within_s: float
    freeze_s: float = 2.0
    ranks: int = 1
    hold: bool = False
    observe: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a verified receipt says: the digest, the step, FLOP so far, how many ranks it covers."""

    sha256: Digest
    step: int
    flop: int | None
    ranks: int


# Events. ``now_s`` is CLOCK_BOOTTIME in seconds.


@dataclass(frozen=True, slots=True)
class PermitHeld:
    """A permit was verified and is held."""

    now_s: float
    epoch: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class StopOrdered:
    """Enough notices, a lapsed lease, or the operator."""

    now_s: float
    why: Why


@dataclass(frozen=True, slots=True)
class ReceiptVerified:
    """A receipt answered our request and its checkpoint's bytes were hashed."""

    now_s: float
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class ReceiptBad:
    """A receipt that was refused, by number."""

    now_s: float
    rule: str


@dataclass(frozen=True, slots=True)
class AllFrozen:
    """Every process of the group was seen stopped."""

    now_s: float


@dataclass(frozen=True, slots=True)
class GroupGone:
    """No process of the group is left; ``code`` is the leader's exit code."""

    now_s: float
    code: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""

    now_s: float


Event = PermitHeld | StopOrdered | ReceiptVerified | ReceiptBad | AllFrozen | GroupGone | Tick


# Actions.


@dataclass(frozen=True, slots=True)
class StartJob:
    """Start every rank, from this checkpoint if there is one; the epoch fences its writes."""

    epoch: int
    resume_from: Checkpoint | None


@dataclass(frozen=True, slots=True)
class SetRate:
    """Cap the job at this fraction of its speed."""

    rate: Decimal


@dataclass(frozen=True, slots=True)
class AskCheckpoint:
    """Ask the job to save at the next step boundary and to answer with a receipt before the deadline."""

    why: Why
    deadline_s: float


@dataclass(frozen=True, slots=True)
class StopJob:
    """Ask every rank to exit: the checkpoint is safe."""


@dataclass(frozen=True, slots=True)
class FreezeAll:
    """Stop every process of the group where it is."""


@dataclass(frozen=True, slots=True)
class KillAll:
    """Kill every process of the group."""


@dataclass(frozen=True, slots=True)
class FileHalted:
    """File ``halted``. ``killed`` says that the job was ended without a checkpoint taken at this stop."""

    why: Why
    checkpoint: Checkpoint | None
    epoch: int
    killed: bool


@dataclass(frozen=True, slots=True)
class FileResumed:
    """File ``resumed``: the job goes on from this checkpoint under this epoch."""

    checkpoint: Checkpoint | None
    epoch: int


@dataclass(frozen=True, slots=True)
class End:
    """The supervisor is done; exit with this code (75: saved and stopped, start me again later)."""

    code: int


@dataclass(frozen=True, slots=True)
class WouldHave:
    """Observe mode: what would have been done, and was not. Not enforced."""

    action: StartJob | SetRate | AskCheckpoint | StopJob
    now_s: float


Action = StartJob | SetRate | AskCheckpoint | StopJob | FreezeAll | KillAll | FileHalted | FileResumed | End | WouldHave
EX_TEMPFAIL = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """Where one job stands. ``checkpoint`` is the last verified one; ``saved`` whether it was taken at this stop."""

    rules: Rules
    phase: Phase = "waiting"
    epoch: int = 0
    why: Why = "finished"
    deadline_s: float | None = None
    kill_s: float | None = None
    checkpoint: Checkpoint | None = None
    saved: bool = False
    halted: bool = False
    started: bool = False
    next_permit: PermitHeld | None = None


def step(job: Supervisor, event: Event) -> tuple[Supervisor, tuple[Action, ...]]:
    """One event; returns the next state and the actions to take, in their order."""
    if job.phase == "ended":
        return job, ()
    if job.rules.observe:
        return _observe(job, event)
    match event:
        case PermitHeld():
            return _permit(job, event)
        case StopOrdered(now_s, why):
            return _stop(job, now_s, why)
        case ReceiptVerified(_, checkpoint):
            return _receipt(job, checkpoint)
        case ReceiptBad():
            return job, ()  # 3: as if nothing had come; the deadline stands
        case AllFrozen():
            return (replace(job, phase="killed"), (KillAll(),)) if job.phase == "frozen" else (job, ())
        case GroupGone(_, code):
            return _gone(job, code)
        case Tick(now_s):
            return _tick(job, now_s)


def begin(rules: Rules) -> tuple[Supervisor, tuple[Action, ...]]:
    """The first state; observing starts the job at once (rule 7), otherwise nothing happens before a permit."""
    job = Supervisor(rules=rules)
    if not rules.observe:
        return job, ()
    return replace(job, phase="running", started=True), (StartJob(epoch=0, resume_from=None),)


def _permit(job: Supervisor, event: PermitHeld) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase == "running":
        return replace(job, epoch=event.epoch), (SetRate(event.rate),)
    if job.phase != "waiting":
        return replace(job, next_permit=event), ()  # 6
    start: tuple[Action, ...] = (StartJob(epoch=event.epoch, resume_from=job.checkpoint), SetRate(event.rate))
    if job.halted:
        start = (FileResumed(job.checkpoint, event.epoch), *start)
    fresh = replace(
        job,
        phase="running",
        epoch=event.epoch,
        deadline_s=None,
        kill_s=None,
        saved=False,
        halted=False,
        started=True,
        next_permit=None,
    )
    return fresh, start


def _stop(job: Supervisor, now_s: float, why: Why) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase == "waiting":
        return (replace(job, phase="ended"), (End(0),)) if why == "operator" else (job, ())
    # A permit kept for afterwards is older than this order, and an order that comes later overrules it.
    job = replace(job, next_permit=None)
    if job.phase != "running":
        return job, ()  # 2: asked once, and the first deadline stands
    deadline_s = now_s + job.rules.halt_within_s
    return replace(job, phase="asked", why=why, deadline_s=deadline_s), (AskCheckpoint(why, deadline_s),)


def _receipt(job: Supervisor, checkpoint: Checkpoint) -> tuple[Supervisor, tuple[Action, ...]]:
    if checkpoint.ranks != job.rules.ranks:
        return job, ()  # 3
    if job.phase == "asked":
        return replace(job, phase="stopping", checkpoint=checkpoint, saved=True), (StopJob(),)
    if job.phase == "running":  # a checkpoint of the job's own accord: worth resuming from after a kill
        return replace(job, checkpoint=checkpoint), ()
    return job, ()


def _tick(job: Supervisor, now_s: float) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase in {"asked", "stopping"} and job.deadline_s is not None and now_s >= job.deadline_s:  # 4
        return replace(job, phase="frozen", kill_s=now_s + job.rules.freeze_s), (FreezeAll(),)
    if job.phase == "frozen" and job.kill_s is not None and now_s >= job.kill_s:
        return replace(job, phase="killed"), (KillAll(),)
    return job, ()


def _gone(job: Supervisor, code: int) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase == "waiting":
        return job, ()
    if job.phase == "running":  # it ended by itself
        filed = FileHalted("finished", job.checkpoint, job.epoch, killed=False)
        return replace(job, phase="ended"), (filed, End(code))
    filed = FileHalted(job.why, job.checkpoint, job.epoch, killed=not job.saved)  # 5
    if not job.rules.hold or job.why == "operator":
        return replace(job, phase="ended", halted=True), (filed, End(EX_TEMPFAIL))
    held = replace(job, phase="waiting", halted=True, deadline_s=None, kill_s=None, next_permit=None)
    if job.next_permit is None:
        return held, (filed,)
    resumed, actions = _permit(held, job.next_permit)
    return resumed, (filed, *actions)


def _observe(job: Supervisor, event: Event) -> tuple[Supervisor, tuple[Action, ...]]:
    """Rule 7. The shadow takes each request as answered: whether the job would have been killed is not known."""
    if isinstance(event, GroupGone):
        return replace(job, phase="ended"), (End(event.code),)
    if isinstance(event, PermitHeld):
        actions: tuple[Action, ...] = (WouldHave(SetRate(event.rate), event.now_s),)
        if job.halted:
            actions = (WouldHave(StartJob(event.epoch, None), event.now_s), *actions)
        return replace(job, epoch=event.epoch, halted=False), actions
    if isinstance(event, StopOrdered) and not job.halted:
        deadline_s = event.now_s + job.rules.halt_within_s
        ask, stop = AskCheckpoint(event.why, deadline_s), StopJob()
        return replace(job, halted=True), (WouldHave(ask, event.now_s), WouldHave(stop, event.now_s))
    return job, ()
