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
7. A job has ``obey_within_s`` to say that it keeps a cap on its speed. One that does not is paced from outside, every
   rank or none, until it does, the cap is gone, or a stop is ordered: then it is let run first, so that it can save.
8. A job that may be held still is, ``still_after_s`` after a stop order that it has not answered: every process frozen, or, where one does
   not stop, none. A permit lets it go on from where it was; ``still_after_s`` before the deadline, which stands, it is let run once
   more, so that it can save. A receipt for the request that it was held under stops it gently even then.
9. Observing, the job is started at once and never touched: each action becomes a ``WouldHave``, not enforced, and
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
    """``halt_within_s`` from the terms; ``freeze_s`` between freezing and killing; ``hold`` to resume after a lift.

    ``obey_within_s``: how long a job may take to say that it keeps a cap; a training step is mostly shorter.
    ``still_after_s``: how long one may compute on after a stop order without an answer; ``None``: until the deadline.
    """

    halt_within_s: float
    obey_within_s: float = 5.0
    freeze_s: float = 2.0
    ranks: int = 1
    hold: bool = False
    observe: bool = False
    still_after_s: float | None = None


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
class RateKept:
    """The job says that it keeps itself to this fraction of its time, or less."""

    now_s: float
    rate: Decimal


@dataclass(frozen=True, slots=True)
class AllFrozen:
    """Every process of the group was seen stopped."""

    now_s: float


@dataclass(frozen=True, slots=True)
class NotStill:
    """Some process did not stop when all should be held still; every one was let run again."""

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


Event = PermitHeld | StopOrdered | ReceiptVerified | ReceiptBad | RateKept | AllFrozen | NotStill | GroupGone | Tick


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
class PaceAll:
    """Freeze and continue every process together, so that they run this fraction of the time."""

    rate: Decimal


@dataclass(frozen=True, slots=True)
class LetRun:
    """Pace no more: every process runs when this is done."""


@dataclass(frozen=True, slots=True)
class HoldStill:
    """Freeze every process where it is, and leave it there; where one does not stop, none."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """Continue every process that was held still."""


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


Action = (
    StartJob
    | SetRate
    | PaceAll
    | LetRun
    | HoldStill
    | LetGo
    | AskCheckpoint
    | StopJob
    | FreezeAll
    | KillAll
    | FileHalted
    | FileResumed
    | End
    | WouldHave
)
EX_TEMPFAIL = 75
FULL = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """Where one job stands. ``checkpoint`` is the last verified one; ``saved`` whether it was taken at this stop.

    ``kept`` is the least speed that the running job said it keeps to; ``obey_s`` until when it may say so of ``rate``.
    ``turn_s``: when it is next held still, or let go before the deadline; ``owed``: it was asked, and goes on without having answered.
    """

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
    rate: Decimal = FULL
    kept: Decimal = FULL
    obey_s: float | None = None
    paced: bool = False
    still: bool = False
    turn_s: float | None = None
    owed: bool = False

    @property
    def due_s(self) -> float | None:
        """When a ``Tick`` would change something, in seconds of CLOCK_BOOTTIME."""
        match self.phase:
            case "running":
                return self.obey_s
            case "asked" | "stopping":
                return self.deadline_s if self.turn_s is None else self.turn_s
            case "frozen":
                return self.kill_s
            case _:
                return None


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
        case RateKept(_, rate):
            return _kept(job, rate)
        case AllFrozen():
            return (replace(job, phase="killed"), (KillAll(),)) if job.phase == "frozen" else (job, ())
        case NotStill():
            return (replace(job, still=False, turn_s=None) if job.still else job), ()  # 8: the deadline stands
        case GroupGone(_, code):
            return _gone(job, code)
        case Tick(now_s):
            return _tick(job, now_s)


def begin(rules: Rules) -> tuple[Supervisor, tuple[Action, ...]]:
    """The first state; observing starts the job at once (rule 9), otherwise nothing happens before a permit."""
    job = Supervisor(rules=rules)
    if not rules.observe:
        return job, ()
    return replace(job, phase="running", started=True), (StartJob(epoch=0, resume_from=None),)


def _permit(job: Supervisor, event: PermitHeld) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase == "running":
        return _cap(replace(job, epoch=event.epoch, next_permit=event if job.owed else None), event)
    if job.phase == "asked" and job.still:  # 8
        going = replace(
            job,
            phase="running",
            epoch=event.epoch,
            deadline_s=None,
            still=False,
            turn_s=None,
            owed=True,
            next_permit=event,
            rate=FULL,
            kept=FULL,
        )
        going, capped = _cap(going, event)
        return going, (LetGo(), *capped)
    if job.phase != "waiting":
        return replace(job, next_permit=event), ()  # 6
    start: tuple[Action, ...] = (StartJob(epoch=event.epoch, resume_from=job.checkpoint),)
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
        rate=FULL,
        kept=FULL,
        obey_s=None,
        paced=False,
        still=False,
        turn_s=None,
        owed=False,
    )
    fresh, capped = _cap(fresh, event)
    return fresh, (*start, *capped)


def _cap(job: Supervisor, permit: PermitHeld) -> tuple[Supervisor, tuple[Action, ...]]:
    """Rule 7, for a running job. A cap that it has already said it keeps to asks nothing new of it."""
    rate, said = permit.rate, SetRate(permit.rate)
    if rate >= FULL or job.kept <= rate:
        return replace(job, rate=rate, obey_s=None, paced=False), (said, LetRun()) if job.paced else (said,)
    if rate == job.rate:
        return job, (said,)
    if job.paced:
        return replace(job, rate=rate), (said, PaceAll(rate))
    # A lower cap while the time for another one runs gives no more of it.
    obey_s = permit.now_s + job.rules.obey_within_s if job.obey_s is None else job.obey_s
    return replace(job, rate=rate, obey_s=obey_s), (said,)


def _kept(job: Supervisor, rate: Decimal) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase != "running":
        return job, ()
    job = replace(job, kept=rate)
    if rate > job.rate:
        return job, ()
    return replace(job, obey_s=None, paced=False), (LetRun(),) if job.paced else ()


def _stop(job: Supervisor, now_s: float, why: Why) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase == "waiting":
        return (replace(job, phase="ended"), (End(0),)) if why == "operator" else (job, ())
    # A permit kept for afterwards is older than this order, and an order that comes later overrules it.
    job = replace(job, next_permit=None)
    if job.phase != "running":
        return job, ()  # 2: asked once, and the first deadline stands
    deadline_s = now_s + job.rules.halt_within_s
    asked = replace(job, phase="asked", why=why, deadline_s=deadline_s, obey_s=None, paced=False, owed=False)
    still_s = job.rules.still_after_s
    if still_s is not None and 2 * still_s < job.rules.halt_within_s:
        asked = replace(asked, turn_s=now_s + still_s)
    ask = AskCheckpoint(why, deadline_s)
    return asked, (LetRun(), ask) if job.paced else (ask,)  # 7: what is frozen cannot save


def _receipt(job: Supervisor, checkpoint: Checkpoint) -> tuple[Supervisor, tuple[Action, ...]]:
    if checkpoint.ranks != job.rules.ranks:
        return job, ()  # 3
    if job.phase == "asked":
        let = (LetGo(),) if job.still else ()  # It had answered as it was frozen: what is frozen cannot exit.
        stopping = replace(job, phase="stopping", checkpoint=checkpoint, saved=True, still=False, turn_s=None)
        return stopping, (*let, StopJob())
    if job.phase == "running" and job.owed:  # 8: the answer to the request that it was held under
        return replace(job, phase="stopping", checkpoint=checkpoint, saved=True, owed=False, obey_s=None), (StopJob(),)
    if job.phase == "running":  # a checkpoint of the job's own accord: worth resuming from after a kill
        return replace(job, checkpoint=checkpoint), ()
    return job, ()


def _tick(job: Supervisor, now_s: float) -> tuple[Supervisor, tuple[Action, ...]]:
    if job.phase == "asked" and job.turn_s is not None and now_s >= job.turn_s and not _over(job, now_s):  # 8
        if job.still:
            return replace(job, still=False, turn_s=None), (LetGo(),)
        again_s = (job.deadline_s or 0.0) - (job.rules.still_after_s or 0.0)
        return replace(job, still=True, turn_s=again_s), (HoldStill(),)
    if job.phase in {"asked", "stopping"} and _over(job, now_s):  # 4
        return replace(job, phase="frozen", kill_s=now_s + job.rules.freeze_s, turn_s=None), (FreezeAll(),)
    if job.phase == "running" and job.obey_s is not None and now_s >= job.obey_s:  # 7
        return replace(job, obey_s=None, paced=True), (PaceAll(job.rate),)
    if job.phase == "frozen" and job.kill_s is not None and now_s >= job.kill_s:
        return replace(job, phase="killed"), (KillAll(),)
    return job, ()


def _over(job: Supervisor, now_s: float) -> bool:
    return job.deadline_s is not None and now_s >= job.deadline_s


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
    """Rule 9. The shadow takes each request as answered: whether the job would have been killed is not known."""
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
