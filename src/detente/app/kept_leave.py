"""Leave that is kept for what goes on for long: a model that is served, request after request.

Decides whether a request may be answered now, from one number in memory, and keeps that number true beside it. Leaves out the session's
rules (``app.guarding``) and what a host does with a refusal (``hooks.serving``, ``hooks.litellm``). ``spec/serving.md`` §1, rule J36.

- A thread asks, renews and listens. What reads looks at CLOCK_BOOTTIME and at the instant of the lapse, and at nothing else: so leave
  lapses by itself where the thread is dead, hangs, or was lost in a fork.
- No home, no issuer, no disk: no leave, and it is tried again for as long as the host runs.
- Under a slowdown to a rate r, r of the requests are answered, evenly.
- Observing, everything is answered; what would have been refused is a line of ``observe.jsonl``.

>>> kept = KeptLeave(Digest("a" * 64), home="/nowhere")
>>> kept.holds, kept.refusal()
(False, 'J36 held: no permit was had yet')
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Final

from detente.adapters.rundir import GuardMemory, RunFolder
from detente.app.guarding import GuardSession, Leave
from detente.app.observing import Observer
from detente.app.outfit import Outfit, fastest_loop, open_outfit, shown_reasons
from detente.base.digest import Digest
from detente.base.errors import Refused, Unavailable
from detente.base.identity import parse_party
from detente.guard.intent import Intent

WORKERS_MAX: Final = 256
"""Processes of one machine that serve one version, each with a session of its own."""
AGAIN_S: Final = 1.0
REOPEN_S: Final = 5.0
"""Without an answer for so long, the home is opened anew: a node was started, or has ended."""
WHY_MAX: Final = 300


class KeptLeave:
    """Leave to deploy ``version``, renewed in a thread of its own from ``start`` to ``stop``.

    ``developer`` is whose version it is, where the one that deploys is no developer. ``asker`` names the host in the record.
    """

    def __init__(
        self,
        version: Digest,
        *,
        developer: str | None = None,
        home: str | Path | None = None,
        observe: bool = False,
        asker: str = "serving",
    ) -> None:
        self.version = version
        self.observe = observe
        self._developer = developer
        self._home = home
        self._asker = asker
        self._until_s = 0.0
        self._rate = 1.0
        self._credit = 1.0
        self._why = "no permit was had yet"
        self._observer: Observer | None = None
        self._would_refuse = 0
        self._noted: bool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def holds(self) -> bool:
        """Is there leave at this instant? What is under way goes on while there is. Observing, always."""
        return self.observe or self._now() < self._until_s

    @property
    def why(self) -> str:
        """Why there is no leave, in one line of at most ``WHY_MAX`` characters."""
        return self._why if self._now() >= self._until_s else ""

    def refusal(self) -> str:
        """Why a request that begins now is refused, with the number J36; empty where it is answered."""
        if self._now() >= self._until_s:
            said = self._why or "the permit lapsed"
        elif self._rate < 1.0:
            self._credit = min(1.0, self._credit + self._rate)
            if self._credit >= 1.0:
                self._credit -= 1.0
                return ""
            said = f"slowed to {self._rate:g} of the requests"
        else:
            return ""
        if self.observe:
            self._would_refuse += 1
            return ""
        refused = Refused("J36", "held", got=said, expected="leave of the accord to serve this version")
        return f"{refused.rule} {refused.kind}: {refused.got}"

    def start(self) -> None:
        """Begin to ask, in the background; until the first permit there is no leave."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name="detente-leave", daemon=True)
            self._thread.start()

    def wait(self, within_s: float) -> bool:
        """Is there leave, at the latest after ``within_s``?"""
        deadline_s = time.monotonic() + within_s
        while not (held := self._now() < self._until_s) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return held

    def stop(self) -> None:
        """Give leave up and end the thread."""
        self._ended.set()
        self._until_s, self._why = 0.0, "it was given up"
        if self._loop is not None and self._over is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is not None:
            self._thread.join(5.0)

    def hear(self, leave: Leave) -> None:
        """What the session says: the one place that moves the instant of the lapse."""
        if leave.given and not self._ended.is_set():
            self._rate = float(min(max(leave.rate, Decimal(0)), Decimal(1)))
            self._until_s, self._why = leave.until_s, "no m issuers renewed the permit within its life"
        else:
            self._until_s = 0.0
            self._say(shown_reasons(leave) or leave.why)
        answered = leave.given or leave.why != "none" or leave.held_by not in {(), ("no answer",)}
        if answered and self._noted != leave.given:
            self._noted = leave.given
            self._note(leave)

    def _now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def _say(self, why: str) -> None:
        self._why = why[:WHY_MAX]

    def _note(self, leave: Leave) -> None:
        if self._observer is None:
            return
        if leave.given:
            self._observer.write("permitted", epoch=leave.epoch, would_have_refused=self._would_refuse)
        else:
            self._observer.write("would have", what="refused requests and ended open streams", why=self._why)

    def _main(self) -> None:
        while not self._ended.is_set():
            try:
                with asyncio.Runner(loop_factory=fastest_loop()) as runner:
                    runner.run(self._keep())
            except Exception as error:  # noqa: BLE001 - the host is to hear why there is no leave, whatever it is
                if self._now() >= self._until_s:
                    self._say(str(error) or type(error).__name__)
            self._ended.wait(AGAIN_S)

    async def _keep(self) -> None:
        """One opened home, until it answers no more."""
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        outfit = await open_outfit(self._home)
        if self.observe and self._observer is None:
            self._observer = Observer(
                outfit.home,
                command=[self._asker, self.version],
                clock=outfit.clock,
                halt_within_s=outfit.terms.pause.halt_within_s,
            )
        folder, channel = self._place(outfit), outfit.channel()
        session = GuardSession(
            intent=Intent(
                activity="deployment",
                party=outfit.party,
                version=self.version,
                on_behalf_of=None if self._developer is None else parse_party(self._developer),
            ),
            terms=outfit.terms.digest,
            trust=outfit.trust,
            signer=outfit.speaker.signer,
            channel=channel,
            clock=outfit.clock,
            memory=GuardMemory(folder),
            on_change=self.hear,
        )
        running = asyncio.create_task(session.run())
        try:
            await self._until_silent(session, running)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await channel.close()
            folder.release()

    async def _until_silent(self, session: GuardSession, running: asyncio.Task[None]) -> None:
        over = self._over
        silent_s = 0.0
        while over is not None and not over.is_set() and silent_s < REOPEN_S:
            if running.done():
                running.result()
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await over.wait()
            leave = session.leave
            silent = not leave.given and (leave.why == "lapse" or leave.held_by in {(), ("no answer",)})
            silent_s = silent_s + AGAIN_S if silent else 0.0

    def _place(self, outfit: Outfit) -> RunFolder:
        """What this process remembers of permits: the first place that no other one has."""
        for number in range(WORKERS_MAX):
            folder = RunFolder(outfit.home, f"serving-{self.version[:32]}-{number}")
            try:
                folder.take()
            except Refused as refused:
                if refused.kind != "busy":
                    raise
            else:
                return folder
        raise Unavailable(f"{WORKERS_MAX} processes serve version {self.version[:16]} from this home already")
