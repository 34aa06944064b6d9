"""``detente guard -- COMMAND``: from a home and a command to an exit code, enforcing or only observing.

Decides in which order the parts are brought up and taken down. Leaves out their rules: ``app.guarding`` (leave),
``app.supervising`` (the job), ``app.observing``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from detente.adapters.clock import SystemClock
from detente.adapters.rundir import GuardMemory, RunFolder
from detente.app.config import find_home
from detente.app.guarding import Channel, GuardSession, Leave
from detente.app.jointly import JointLeave, JointPetitioner, Member, join_leaves
from detente.app.observing import Observation, Observer, run_observed
from detente.app.outfit import Outfit, declared_run, denied, first_leave, open_outfit, planned_flop
from detente.app.petition import Petitioner
from detente.app.supervising import Supervision, Task
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Misuse, Refused, Unavailable
from detente.guard.intent import Intent
from detente.guard.supervise import Rules
from detente.statement.run import Run

LAST_WORD_S = 5.0
"""How long a guard that is done still tries to deliver what it has to say; the rest waits in the outbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the caller of ``detente guard`` has said."""

    command: Sequence[str]
    run: str
    activity: Literal["training", "self_improvement"] = "training"
    planned_flop: str | None = None
    parents: tuple[str, ...] = ()
    proposal: str | None = None
    hold: bool = False
    wait_s: float = 30.0
    freeze_s: float = 2.0
    still_after_s: float | None = None
    environment: Mapping[str, str] | None = None


class _Session:
    """A guard's session with its folder, its channel and its outbox, brought up and taken down together."""

    def __init__(self, outfit: Outfit, order: Order, *, observe: bool, on_change: Callable[[Leave], None]) -> None:
        self._outfit = outfit
        self._order = order
        self._observe = observe
        self._on_change = on_change
        self._tasks: list[asyncio.Task[Any]] = []
        self.folder = RunFolder(outfit.home, order.run)

    async def __aenter__(self) -> Self:
        self.folder.take()
        outfit, order = self._outfit, self._order
        self.channel: Channel = outfit.channel()
        self.petitioner = Petitioner(outfit.speaker, self.folder, self.channel)
        declared: Run = declared_run(
            order.run,
            activity=order.activity,
            plan=order.planned_flop,
            parents=order.parents,
            proposal=order.proposal,
            observe=self._observe,
        )
        self.run, self.fresh = self.petitioner.declare(declared)
        self.session = GuardSession(
            intent=Intent(
                activity=order.activity,
                party=outfit.party,
                run=self.run,
                proposal=declared.proposal,
                flop=planned_flop(order.planned_flop),
            ),
            terms=outfit.terms.digest,
            trust=outfit.trust,
            signer=outfit.speaker.signer,
            channel=self.channel,
            clock=outfit.clock,
            memory=GuardMemory(self.folder),
            on_change=self._on_change,
        )
        # The declaration goes first: asked before it is known, every issuer could only say no.
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await self.petitioner.deliver()
        self.running = asyncio.create_task(self.session.run())
        self._tasks = [self.running, asyncio.create_task(self.petitioner.keep_delivering())]
        return self

    async def __aexit__(self, *_error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(DetenteError, TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await self.petitioner.deliver()
        await self.channel.close()
        self.folder.release()


async def enforce(
    order: Order, *, home: str | Path | None, report: Callable[[str], None], also: Sequence[str | Path] = ()
) -> int:  # fmt: skip
    """Run the command while the issuers permit it; returns the exit code for the guard's own process.

    ``also`` are homes of other accords over the same job: it runs only while the issuers of each permit it.

    Raises ``Refused`` G43 when no permit is to be had, ``Unavailable`` when nobody answers, ``Misuse`` without a plan.
    """
    if also and order.proposal is not None:
        raise Misuse("a proposal is of one accord: a run under several names none")
    outfits = [await open_outfit(each) for each in (home, *also)]
    halt_within_s = min(outfit.terms.pause.halt_within_s for outfit in outfits)
    if order.still_after_s is not None and 2 * order.still_after_s >= halt_within_s:
        raise Misuse(f"the terms halt within {halt_within_s:g} s: holding still must begin before half of that")
    names = _names(outfits)
    joint = JointLeave(names)
    async with contextlib.AsyncExitStack() as stack:
        guards = [
            await stack.enter_async_context(_Session(outfit, order, observe=False, on_change=joint.hear(name)))
            for name, outfit in zip(names, outfits, strict=True)
        ]
        await _first_leaves(dict(zip(names, guards, strict=True)), order, report)
        first = guards[0]
        members = [Member(each.petitioner, each.run, partial(_epoch, each.session)) for each in guards]
        supervision = Supervision(
            task=Task(
                command=order.command,
                run=first.run,
                name=order.run,
                environment=os.environ if order.environment is None else order.environment,
            ),
            rules=Rules(
                halt_within_s=halt_within_s,
                freeze_s=order.freeze_s,
                hold=order.hold,
                still_after_s=order.still_after_s,
            ),
            folder=first.folder,
            petitioner=first.petitioner if len(guards) == 1 else JointPetitioner(members),
            clock=outfits[0].clock,
            report=report,
        )
        joint.tell(supervision.heed)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, supervision.operator_stops)
        for each in guards:
            each.running.add_done_callback(_ender(supervision, report))
        try:
            for name, each in zip(names, guards, strict=True):
                under = "" if len(guards) == 1 else f" under {name}"
                report(
                    f"permitted{under}: epoch {_epoch(each.session)}, run {each.run[:12]}…, {_issuers(each.session)}"
                )
            supervision.heed(joint.leave)
            return await supervision.run()
        finally:
            joint.silence()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)


def _names(outfits: Sequence[Outfit]) -> list[str]:
    """The accords' names; where two are called alike, with their homes."""
    names = [outfit.terms.accord for outfit in outfits]
    return [
        name if names.count(name) == 1 else f"{name} in {outfit.home}"
        for name, outfit in zip(names, outfits, strict=True)
    ]


def _epoch(session: GuardSession) -> int:
    return session.leave.epoch


async def _first_leaves(guards: Mapping[str, _Session], order: Order, report: Callable[[str], None]) -> None:
    """Wait for the first leave of each; where one denies, say which, and which would allow it."""
    for name, guard in guards.items():
        try:
            await first_leave(guard.session, wait_s=order.wait_s, patient=order.hold, say=report)
        except Refused:
            if len(guards) == 1:
                raise
            leaves = {other: each.session.leave for other, each in guards.items()}
            leaves[name] = guard.session.leave
            raise denied(join_leaves(leaves)) from None


async def observe(
    order: Order, *, home: str | Path | None, report: Callable[[str], None]
) -> tuple[Observation, Digest | None]:
    """Run the command untouched and record what would have been done; the run's id where one could be declared.

    Makes a self-witnessed home where there is none. A home that can be neither made nor read is a trouble of the
    observer's: the command runs all the same.
    """
    place = find_home(home)
    outfit, made, trouble = await _outfit_to_observe(place)
    report(
        f"not enforced: observing `{shlex.join(order.command)}`; record in {place}"
        + (" (self-witnessed, made now)" if made else "")
    )
    observer = Observer(
        place,
        command=order.command,
        clock=SystemClock(),
        halt_within_s=0.0 if outfit is None else outfit.terms.pause.halt_within_s,
    )
    run: list[Digest] = []
    if trouble:
        observer.trouble(trouble)

    async def watch() -> None:
        if outfit is None:
            return
        try:
            async with _Session(outfit, order, observe=True, on_change=observer.leave_changed) as guard:
                run.append(guard.run)
                await guard.running
        except Exception as error:  # noqa: BLE001 - whatever ends observing, the command goes on and the summary says it
            observer.trouble(str(error) or repr(error))

    watching = asyncio.create_task(watch())
    try:
        observation = await run_observed(order.command, observer, environment=order.environment)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return observation, run[0] if run else None


async def _outfit_to_observe(place: Path) -> tuple[Outfit | None, bool, str]:
    """What to observe with, whether its home was made now, and what stood in the way."""
    made = False
    try:
        if not (place / "config.toml").exists():
            from detente.app.init import make_solo

            await make_solo(place)
            made = True
        return await open_outfit(place), made, ""
    except (DetenteError, OSError) as error:
        return None, made, str(error)


def _ender(supervision: Supervision, report: Callable[[str], None]) -> Callable[[asyncio.Task[None]], None]:
    """A session that ends by an error of ours ends leave: nobody would renew it, and nobody would hear a notice."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            report(f"the session with the issuers ended: {error!r}")
            supervision.heed(Leave(why="lapse"))

    return ended


def _issuers(session: GuardSession) -> str:
    signers = () if session.permit is None else session.permit.issuers
    return f"signed by {', '.join(signers)}"
