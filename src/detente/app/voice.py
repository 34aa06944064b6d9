"""The log in which this node's party speaks: opened, cleared to sign, and left for its successor.

Decides which log of the party is written in, when its first new head may be signed, and when a successor takes over. Leaves
out how entries are stored and signed (``sequencer``), how mirrors are brought up (``pushing``) and what opens a successor
(``accord.successors``). ``spec/store.md`` §3, ``spec/log.md`` §10.

- Nothing is signed before enough mirrors have said how far they hold the log.
- A successor takes over once the statement that opened it has settled: until then evidence may still come that another
  one opened first, and an entry in a log that is none would be lost. The node goes on running meanwhile.
- Whatever waits for the old log is refused as N20, so its author can send it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path

from detente.adapters.client import NodeClient
from detente.adapters.clock import WallClock
from detente.adapters.files import HeadFile
from detente.adapters.store import Store
from detente.adapters.store_writer import StoreWriter
from detente.app.clearing import ask_mirrors
from detente.app.coalition import LogOf
from detente.app.config import Config
from detente.app.logbook import LogBook, SeenHead
from detente.app.own_log import log_head_path, log_signer
from detente.app.pushing import Pusher
from detente.app.sequencer import Sequencer
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.identity import Party

_LOG = logging.getLogger("detente.node")


class Voice:
    """One party's own log. ``open`` it, ``start`` it where there is a network, let it ``follow``, ``close`` it."""

    def __init__(
        self,
        *,
        config: Config,
        store: Store,
        writer: StoreWriter,
        book: LogBook,
        clock: WallClock,
        peers: Mapping[Party, NodeClient],
    ) -> None:
        self._config = config
        self._store = store
        self._writer = writer
        self._book = book
        self._clock = clock
        self._peers = peers
        self._head_file: Callable[[Path, str], HeadFile] = HeadFile
        self._started = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._trouble = ""
        self.cleared = asyncio.Event()
        self.sequencer: Sequencer | None = None
        self.pusher: Pusher | None = None

    def open(self, head_file: Callable[[Path, str], HeadFile]) -> None:
        """Open the log that the party speaks in now, if this home has its key; raises as ``open_node``."""
        self._head_file = head_file
        own = self._own()
        if own is not None:
            self._open(own)
        if self._needs_nobody:
            self.cleared.set()

    def start(self) -> None:
        """Begin to ask the mirrors, and to push."""
        self._started = True
        self._work(self.clear())

    def follow(self) -> None:
        """Write in the successor from now on, if there is one that has settled."""
        own = self._own()
        if not self._started or own is None or (self.sequencer is not None and self.sequencer.log.origin == own.origin):
            return
        sequencer, pusher = self.sequencer, self.pusher
        try:
            opened = self._open(own)
        except DetenteError as error:
            self._tell_once(f"cannot write in {own.origin}: {error}")
            return
        if not opened and not own.successor:
            return  # A home without a log's key, as one may have beside the one that writes.
        if not opened:
            self._tell_once(f"{own.origin} is this party's log now, and this home has no key of it")
            return
        if not self._needs_nobody:
            self.cleared.clear()
        _LOG.warning("this party writes in %s from now on", own.origin)
        self._work(self._leave(sequencer, pusher))

    def serve_mirrors(self) -> None:
        """The terms name other mirrors: begin to push to those that are new."""
        if self.pusher is not None and self.cleared.is_set() and self._started:
            self.pusher.start()

    async def ready(self) -> Sequencer:
        """The sequencer, once it may sign; raises ``Refused`` N27, ``Unavailable``."""
        if self.sequencer is None:
            raise Refused(
                "N27",
                "unknown-role",
                got=f"{self._config.party}, which keeps no log",
                expected="a node whose party has a log in the terms",
                todo="submit to another party's node: any log carries any party's statement",
            )
        if not self.cleared.is_set():
            try:
                async with asyncio.timeout(self._config.ack_s):
                    await self.cleared.wait()
            except TimeoutError:
                raise Unavailable(
                    "too few mirrors have said how far they hold this log; nothing is signed before that"
                ) from None
        return self.sequencer

    async def clear(self) -> None:
        """Sign only once enough mirrors have said how far they hold our log, then begin to push."""
        sequencer = self.sequencer
        if sequencer is None:
            return
        if not self.cleared.is_set():
            refused = await ask_mirrors(sequencer.log, self._config.party, self._book.coalition, self._peers)
            if sequencer is not self.sequencer:
                return  # Its successor asks for itself.
            if refused is not None:
                _stop_signing(sequencer, refused)
            self.cleared.set()
        if sequencer.ahead is None:
            with contextlib.suppress(DetenteError):
                await sequencer.catch_up()
            if self.pusher is not None:
                self.pusher.start()
                self.pusher.tell()

    def wake(self, _head: SeenHead) -> None:
        """There is a new head of our own."""
        if self.pusher is not None and self._started:
            self.pusher.wake()

    def stop(self) -> None:
        """Begin nothing any more; ``close`` follows."""
        self._started = False
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End the tasks, let what waits finish, give the head file up."""
        self.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.pusher is not None:
            await self.pusher.close()
        if self.sequencer is not None:
            await self.sequencer.close()

    def release(self) -> None:
        """Give the head file up, where no task runs yet."""
        if self.sequencer is not None:
            self.sequencer.release()

    @property
    def _needs_nobody(self) -> bool:
        return self._book.coalition.terms.mirrors.self_witnessed or not self._config.peers

    def _own(self) -> LogOf | None:
        return self._book.coalition.own_log(self._config.party, settled_by=self._clock.now())

    def _open(self, own: LogOf) -> bool:
        signer = log_signer(self._config, own)
        if signer is None:
            return False
        sequencer = Sequencer(
            store=self._store,
            writer=self._writer,
            book=self._book,
            log=self._book.find(own.origin),
            head_file=self._head_file(log_head_path(self._config, own), own.origin),
            signer=signer,
            clock=self._clock,
            on_head=self.wake,
        )
        try:
            sequencer.open()
        except BaseException:
            sequencer.release()
            raise
        pusher = Pusher(
            book=self._book,
            log=sequencer.log,
            own=self._config.party,
            peers=self._peers,
            on_ahead=partial(_stop_signing, sequencer),
        )
        self.sequencer, self.pusher = sequencer, pusher
        return True

    async def _leave(self, sequencer: Sequencer | None, pusher: Pusher | None) -> None:
        """End the log before, then clear the one that follows it."""
        if pusher is not None:
            await pusher.close()
        if sequencer is not None:
            await sequencer.close()
        await self.clear()

    def _work(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell_once(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            _LOG.error("%s", trouble)


def _stop_signing(sequencer: Sequencer, refused: Refused) -> None:
    if sequencer.ahead is None:
        sequencer.ahead = refused
        _LOG.error("nothing is signed any more: %s", refused)
