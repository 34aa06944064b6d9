"""Post leave for a cluster, and keep it fresh: a guard's session whose permits go into a file that programs without time can read.

Decides what is posted when. Leaves out the session (``app.guarding``) and the form (``guard.posted``). ``spec/slurm.md`` §2.

- Each permit is asked for with a nonce bound to the instant of asking and to this boot.
- The end of leave is posted at once. Where even that cannot be written the file is taken away, which shuts the gate as well.
- When this process ends, what it posted stays, and lapses.
- A slowdown is no leave: a scheduler can stop jobs, not slow them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from pathlib import Path

from detente.adapters.rundir import GuardMemory, RunFolder
from detente.app.guarding import Clock, GuardSession, Leave
from detente.app.outfit import Outfit, declared_run, open_outfit, shown_reasons
from detente.app.petition import Petitioner
from detente.app.slurm.gate import Gate, Standing
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.guard.answer import bound_nonce
from detente.guard.posted import PostedLeave, encode_none, encode_posted, posting_act

STANDING = "slurm"
"""The name of the standing run in the guard's home; one home may stand for several clusters under names of their own."""


async def declare_standing(home: str | Path | None, name: str) -> tuple[Outfit, Digest]:
    """The outfit of a home, and its standing run, declared and delivered; raises as ``open_outfit``."""
    outfit = await open_outfit(home)
    folder = RunFolder(outfit.home, name)
    folder.take()
    channel = outfit.channel()
    try:
        petitioner = Petitioner(outfit.speaker, folder, channel)
        run = _declare(petitioner, name)
        await petitioner.deliver()
        return outfit, run
    finally:
        await channel.close()
        folder.release()


async def keep_posted(gate: Gate, home: str | Path | None, *, name: str, say: Callable[[str], None]) -> None:
    """Until cancelled; raises ``Refused`` U10 for a gate of another guard, G40 for a second watch, and as ``open_outfit``."""
    outfit = await open_outfit(home)
    folder = RunFolder(outfit.home, name)
    folder.take()
    channel = outfit.channel()
    try:
        petitioner = Petitioner(outfit.speaker, folder, channel)
        standing = gate.standing()
        mine = Standing(
            accord=outfit.config.accord,
            party=outfit.party,
            guard=outfit.speaker.signer.public_key,
            run=_declare(petitioner, name),
        )
        if mine != standing:
            raise Refused(
                "U10",
                "conflict",
                got=f"a gate for run {standing.run[:12]}… of {standing.party}",
                expected=f"one for run {mine.run[:12]}… of {mine.party}, as this home would ask for it",
                todo="give the home that the gate was installed with, or install it again",
            )
        poster = Poster(gate, outfit.clock, say)
        session = GuardSession(
            intent=standing.intent,
            terms=outfit.terms.digest,
            trust=outfit.trust,
            signer=outfit.speaker.signer,
            channel=channel,
            clock=outfit.clock,
            memory=GuardMemory(folder),
            on_change=lambda leave: poster.heed(leave, session),
            nonce=poster.nonce,
        )
        tasks = [asyncio.create_task(petitioner.keep_delivering()), asyncio.create_task(session.run())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await channel.close()
        folder.release()


class Poster:
    """Posts what a session's leave is. ``nonce`` is the session's."""

    def __init__(self, gate: Gate, clock: Clock, say: Callable[[str], None]) -> None:
        self._gate = gate
        self._clock = clock
        self._say = say
        self._asked = ("", 0, "")
        self._given: bool | None = None

    def nonce(self) -> str:
        """Called before each asking: what is asked for is bound to now."""
        salt = secrets.token_hex(16)
        asked_at_ms = int(self._clock.boottime_s() * 1_000)
        self._asked = (self._clock.boot_id(), asked_at_ms, salt)
        return bound_nonce(posting_act(self._asked[0], asked_at_ms), salt)

    def heed(self, leave: Leave, session: GuardSession) -> None:
        """Post this leave, or that there is none."""
        boot_id, asked_at_ms, salt = self._asked
        permit = session.permit
        given = leave.given and leave.rate >= 1 and permit is not None
        why = shown_reasons(leave) or leave.why
        if leave.given and leave.rate < 1:
            why = f"a slowdown to {leave.rate} is in force, and a cluster can be stopped but not slowed"
        try:
            if given and permit is not None:
                made = PostedLeave(
                    boot_id=boot_id,
                    asked_at_ms=asked_at_ms,
                    life_s=permit.permit.life_s,
                    salt=salt,
                    permit=permit.envelope,
                )
                self._gate.post(encode_posted(made))
            else:
                self._gate.post(encode_none(why))
        except OSError as error:
            with contextlib.suppress(OSError):
                self._gate.leave.unlink()
            self._say(f"cannot post leave: {error}; the gate is shut")
            given = False
        if given != self._given:
            self._say(f"leave is posted, epoch {leave.epoch}" if given else f"no leave: {why}")
        self._given = given


def _declare(petitioner: Petitioner, name: str) -> Digest:
    run, _ = petitioner.declare(declared_run(name, activity="training", plan="0"))
    return run
