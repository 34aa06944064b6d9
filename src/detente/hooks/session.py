"""A loop with a guard of its own: a thread beside the loop keeps the permit, the loop looks at one number.

Decides how session, loop and files meet in one process. Leaves out the session's rules (``app.guarding``).

The thread asks, renews and listens; it writes the instant of the lapse into the loop's ``Cell``. The kernel's dead-man
timer stands at that instant plus the terms' ``halt_within``, so a loop that hangs dies then. Once the loop has begun to
halt, no later permit moves the timer: a ``save`` that hangs dies at the deadline of the stop that asked for it.

Observing, nothing of this may stop the loop: without a home, an issuer or a disk it runs as if nobody looked.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypeVar

from detente.adapters.deadman import DeadMan
from detente.adapters.rundir import GuardMemory, RunFolder
from detente.app.guarding import GuardSession, Leave
from detente.app.holding import await_decision, made_proposal, made_version
from detente.app.observing import Observer
from detente.app.outfit import declared_run, fastest_loop, first_leave, open_outfit, planned_flop
from detente.app.petition import Petitioner
from detente.app.supervising import FILE_WITHIN_S, NO_CHECKPOINT, load_last, store_last
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Misuse, Unavailable
from detente.guard.intent import Intent
from detente.guard.supervise import Checkpoint
from detente.hooks.checkpointing import SavedCheckpoint, digest_checkpoint
from detente.hooks.loop import FOREVER_S, Cell, Saved, unfiled
from detente.statement.halted import Halted, HaltReason
from detente.statement.resumed import Resumed

T = TypeVar("T")
_LOG = logging.getLogger("detente.guard")
START_MARGIN_S = 30.0
SHOW_AGAIN_S = 2.0
"""A change that the node could not take is offered again, as long as the loop runs."""
OBSERVE_START_S = 2.0
"""How long an observed loop waits for its observer, at most."""
COURTESY_S = 0.5
"""A pause stops many loops at once. Each waits a random part of this before it delivers what it has to say, so that the
news of those that have stopped does not stand in the way of the notice to those that have not."""


class OwnSession:
    """The leader of a loop that asks the issuers itself."""

    def __init__(
        self,
        run: str,
        *,
        activity: Literal["training", "self_improvement"],
        planned_flop: str | Decimal | None,
        parents: tuple[str, ...],
        flop_per_step: int,
        wait_s: float,
        home: Path | None,
        observe: bool,
    ) -> None:
        self._name = run
        self._activity = activity
        self._planned_flop = planned_flop
        self._parents = parents
        self._flop_per_step = flop_per_step
        self._wait_s = wait_s
        self._home = home
        self._observe = observe
        self._first: Future[Leave] = Future()
        self._leave = Leave()
        self._cell: Cell | None = None
        self._deadman: DeadMan | None = None
        self._observer: Observer | None = None
        self._halting = self._stopped = self._filed = False
        self._applying = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self, cell: Cell) -> None:
        self._cell = cell
        self._thread = threading.Thread(target=self._main, name="detente-guard", daemon=True)
        if self._observe:
            cell.set(until_s=FOREVER_S, look=True)
            self._thread.start()
            with contextlib.suppress(TimeoutError, DetenteError, OSError):
                self._first.result(OBSERVE_START_S)  # So that a short loop is seen too.
            return
        self._thread.start()
        self._first.result(self._wait_s + START_MARGIN_S)
        self._deadman = DeadMan()
        self._apply()

    def halt(self, step: int, save: Callable[[], Saved] | None) -> tuple[str, Digest | None]:
        """Save, hash, and put ``halted`` durably into the outbox; ``finish`` delivers it on the way out of the loop.

        So the loop stops as soon as its own disk allows, whatever the network does.
        """
        with self._applying:
            self._halting = True
        why: HaltReason = "lapse" if self._leave.given or self._leave.why == "lapse" else "pause"
        said = "; ".join(reason.text for reason in self._leave.reasons) or "the permit lapsed"
        digest: Digest | None = None
        try:
            saved = None if save is None else save()
            if isinstance(saved, SavedCheckpoint):
                digest = saved.receipt.sha256
            elif saved is not None:
                _, digest = digest_checkpoint(Path(saved))
        finally:
            self._post_halted(step, digest, why)
        return f"{why}: {said}", digest

    def look(self, step: int) -> None:  # noqa: ARG002
        if self._observer is not None:
            self._observer.stepped()

    def finish(self, step: int, *, failed: bool) -> None:
        if self._deadman is not None:
            self._deadman.disarm()
        if self._loop is None:
            return
        if not self._observe:
            if not self._filed:
                # Also after an error of the loop's own: it has stopped, and nobody should have to look for it.
                self._post_halted(step, None, "finished")
            if self._leave.why != "none":
                time.sleep(random.SystemRandom().random() * COURTESY_S)
            with contextlib.suppress(DetenteError, TimeoutError, RuntimeError):
                self._call(self._petitioner.deliver(), FILE_WITHIN_S)
        if self._observer is not None:
            self._observer.ended(1 if failed else 0)
        if self._over is not None:
            with contextlib.suppress(RuntimeError):  # The session has ended by an error, and its loop with it.
                self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is not None:
            self._thread.join(5.0)

    def propose(
        self,
        change: str | bytes,
        *,
        check: Callable[[], None],
        timeout_s: float | None = None,
        shown: bool = False,
        **about: Any,
    ) -> Digest:
        """File the proposal and wait for its approvals, looking at leave all the while; observing, neither."""
        if self._observe:
            if self._observer is not None:
                self._observer.proposed(str(about.get("summary", "")))
            return unfiled(change)
        proposal = made_proposal(change, run=self._run, **about)
        made = self._call(self._petitioner.file("proposal", proposal, within_s=FILE_WITHIN_S), FILE_WITHIN_S + 5)
        if shown and isinstance(change, bytes):
            # After the statement, which says whether the terms keep these bytes from anybody; nobody waits for it.
            asyncio.run_coroutine_threadsafe(self._show(change), self._running)
        intent = Intent(
            activity=self._activity,
            party=self._outfit.party,
            run=self._run,
            proposal=made,
            flop=proposal.asked_flop,
        )
        outfit = self._outfit
        waiting = asyncio.run_coroutine_threadsafe(
            await_decision(
                intent=intent,
                terms=outfit.terms.digest,
                trust=outfit.trust,
                signer=outfit.speaker.signer,
                channel=self._channel,
                clock=outfit.clock,
                timeout_s=timeout_s,
            ),
            self._running,
        )
        try:
            while True:
                check()
                with contextlib.suppress(TimeoutError):
                    waiting.result(0.05)
                    return made
        finally:
            waiting.cancel()

    async def _show(self, change: bytes) -> None:
        """Give the node the bytes, as soon as it answers; where it does not take them, reviewers see that they are not there."""
        while True:
            try:
                await self._channel.store_blob(change, self._outfit.speaker.signer)
            except (Unavailable, OSError):
                await asyncio.sleep(SHOW_AGAIN_S)
            except DetenteError as error:
                _LOG.warning("reviewers cannot read the change at the node: %s", error)
                return
            else:
                return

    def version(self, artefact: str | bytes, **about: Any) -> Digest:
        """File a ``version`` statement; returns its id. Observing, nothing is filed."""
        if self._observe:
            return unfiled(artefact)
        body = made_version(artefact, run=self._run, **about)
        return self._call(self._petitioner.file("version", body, within_s=FILE_WITHIN_S), FILE_WITHIN_S + 5)

    @property
    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise Misuse("the guard has not been entered: use `with guard(...) as g`")
        return self._loop

    def _call(self, work: Coroutine[Any, Any, T], within_s: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._running).result(within_s)

    def _post_halted(self, step: int, checkpoint: Digest | None, why: HaltReason) -> None:
        self._petitioner.post("halted", self._halted_body(step, checkpoint, why))
        kept = None if checkpoint is None else Checkpoint(checkpoint, step, self._flop_per_step * step, 1)
        self._filed = True
        # At once: a process that is killed from here on has halted, and the next one has to say that it goes on.
        with contextlib.suppress(DetenteError):  # A full disk: what the petitioner has in memory still goes out.
            store_last(self._folder, kept, halted=why != "finished")

    def _halted_body(self, step: int, checkpoint: Digest | None, why: HaltReason) -> Halted:
        return Halted(
            run=self._run,
            step=step,
            checkpoint=checkpoint or NO_CHECKPOINT,
            flop=Decimal(self._flop_per_step * step),
            epoch=self._leave.epoch,
            why=why,
        )

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=fastest_loop()) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - it is the loop's thread that must hear of it, whatever it is
            if self._observe:
                self._loop = None
                _LOG.warning("not observed: %s", error)
            if not self._first.done():
                self._first.set_exception(error)
            else:
                # Leave is not renewed from here on: the loop stops when it lapses, which is what must happen.
                _LOG.exception("the guard's session ended")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        outfit = self._outfit = await open_outfit(self._home)
        folder = self._folder = RunFolder(outfit.home, self._name)
        folder.take()
        self._channel = outfit.channel()
        self._petitioner = Petitioner(outfit.speaker, folder, self._channel)
        declared = declared_run(
            self._name,
            activity=self._activity,
            plan=self._planned_flop,
            parents=self._parents,
            observe=self._observe,
        )
        self._run, _ = self._petitioner.declare(declared)
        if self._observe:
            self._observer = Observer(
                outfit.home,
                command=[self._name],
                clock=outfit.clock,
                halt_within_s=outfit.terms.pause.halt_within_s,
            )
        session = GuardSession(
            intent=Intent(
                activity=self._activity, party=outfit.party, run=self._run, flop=planned_flop(self._planned_flop)
            ),
            terms=outfit.terms.digest,
            trust=outfit.trust,
            signer=outfit.speaker.signer,
            channel=self._channel,
            clock=outfit.clock,
            memory=GuardMemory(folder),
            on_change=self._on_leave,
        )
        tasks = [asyncio.create_task(self._petitioner.keep_delivering()), asyncio.create_task(session.run())]
        try:
            leave = session.leave if self._observe else await first_leave(session, wait_s=self._wait_s, patient=False)
            await self._file_resumed(leave)
            self._petitioner.prepare("halted", self._halted_body(0, None, "pause"))
            self._first.set_result(leave)
            await self._over.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._channel.close()
            folder.release()

    async def _file_resumed(self, leave: Leave) -> None:
        """A loop that halted before goes on: say so, from which checkpoint, before its first step."""
        checkpoint, halted = load_last(self._folder)
        if not halted or self._observe:
            return
        body = Resumed(
            run=self._run,
            step=0 if checkpoint is None else checkpoint.step,
            checkpoint=NO_CHECKPOINT if checkpoint is None else checkpoint.sha256,
            epoch=leave.epoch,
        )
        await self._petitioner.file("resumed", body, within_s=FILE_WITHIN_S)
        store_last(self._folder, checkpoint, halted=False)

    def _on_leave(self, leave: Leave) -> None:
        self._leave = leave
        if self._observer is not None:
            self._observer.leave_changed(leave)
        elif self._first.done():
            self._apply()

    def _apply(self) -> None:
        """Make cell and timer say what leave says now. From the loop's thread at the start, then from the session's."""
        with self._applying:
            cell, leave = self._cell, self._leave
            if cell is None or self._deadman is None or self._halting:
                return
            within_s = self._outfit.terms.pause.halt_within_s
            if leave.given:
                self._stopped = False
                self._deadman.set(leave.until_s + within_s)
                cell.set(until_s=leave.until_s, rate=leave.rate)
            elif not self._stopped:  # The first word of the stop; later ones about it move no deadline.
                self._stopped = True
                if leave.why != "lapse":  # At a lapse the timer stands where it belongs.
                    self._deadman.set(self._outfit.clock.boottime_s() + within_s)
                cell.set(until_s=0.0)
