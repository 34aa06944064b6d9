"""The one sequencer of a party's own log: admit → sequence → durable → sign → publish.

Decides the order of effects on the write path (contracts §2). Leaves out what may be admitted (``admission``), mirrors
(``pushing``) and what entries mean.

1. Entries that wait are one batch: a lone one goes at once, what comes during a commit shares the next.
2. One durable transaction for entries, leaf hashes and the day's count. The log's size is compared and swapped in it.
3. The file of the last signed head is compared and swapped: two sequencers cannot both win (C05).
4. Only then the head is signed, and only a signed head is shown to anybody.

A failure leaves the log as it was or one step further, never behind: the store and the file are read again before the
next batch. Nobody was told of what was not done; the same statement sent again finds its place if it was.

At start (``open``): the store may be ahead of the file (a crash between 2 and 3), never behind it. Behind means that
the database is an old copy: C21, and ``detente log recover`` fetches what is missing from the mirrors.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from detente.adapters.clock import WallClock
from detente.adapters.files import HeadFile, HeadMark
from detente.adapters.store import Store, Transaction
from detente.adapters.store_writer import StoreWriter
from detente.app.logbook import HeldLog, LogBook, SeenHead, check_open, compact_of, write_head
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.strict_json import encode_json, parse_json
from detente.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from detente.log.merkle import CompactTree, leaf_hash
from detente.log.mirror import DayUse, count_use
from detente.statement.signing import Signer
from detente.statement.statement import VerifiedStatement

BATCH_MAX = 1_024
"""Entries of one transaction: at 5 µs each it lasts 5 ms, far below the 200 ms that a batch may wait."""
WAITING_MAX = 16_384
"""Statements that wait to be sequenced; beyond that the node says so instead of growing."""
_DAY = "day-use"


@dataclass(slots=True, eq=False)
class _Waiting:
    verified: VerifiedStatement
    future: asyncio.Future[int]


class Sequencer:
    """Appends to one log and signs its heads."""

    def __init__(
        self,
        *,
        store: Store,
        writer: StoreWriter,
        book: LogBook,
        log: HeldLog,
        head_file: HeadFile,
        signer: Signer,
        clock: WallClock,
        on_head: Callable[[SeenHead], None],
    ) -> None:
        self.log = log
        self._store = store
        self._writer = writer
        self._book = book
        self._file = head_file
        self._signer = signer
        self._clock = clock
        self._on_head = on_head
        self._mark: HeadMark | None = None
        self._compact = CompactTree()
        self._use = DayUse()
        self._queue: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self.ahead: Refused | None = None
        """Why nothing is signed: somebody holds a later head of this log than we do (C21)."""

    def open(self) -> None:
        """Compare the store with the last signed head, and sign what was stored and not signed.

        1. The file is of this log and reads: C06, C07. A store with entries and no file is refused too: C22.
        2. The store reaches as far as the file: C21.
        3. It has the file's root there: C23.
        4. What goes beyond was never signed: ``catch_up`` signs it.
        """
        self._mark = self._file.open()  # 1
        stored = self._store.meta(_DAY)
        if stored is not None:
            day, entries, size = parse_json(stored, limit=1_024)
            self._use = DayUse(int(day), int(entries), int(size))
        if self._mark is None and self._book_has_heads():
            raise Refused(
                "C22",
                "rollback",
                got=f"a log of {self.log.size} entries and no file of its last signed head",
                expected="the file that belongs to it",
                todo="put the file back, or run `detente log recover`",
            )
        if self._mark is not None:
            if self.log.size < self._mark.size:  # 2
                raise Refused(
                    "C21",
                    "rollback",
                    got=f"a database with {self.log.size} entries of {self.log.origin}",
                    expected=f"at least the {self._mark.size} under its last signed head",
                    todo="this is an old copy: run `detente log recover`, which fetches the rest from the mirrors",
                )
            root = self.log.root_at(self._mark.size)
            if root is None or root.hex() != self._mark.root:  # 3
                raise Refused(
                    "C23",
                    "corrupt",
                    got=f"entries below {self._mark.size} that do not have the root that was signed",
                    expected=self._mark.root,
                    todo="run `detente log fsck`, then `detente log recover`",
                )
        self._compact = compact_of(self.log.tree, self.log.size)

    async def catch_up(self) -> None:
        """Sign what was stored and not signed when the node ended: step 4 of ``open``, once mirrors were asked."""
        async with self.log.lock:
            self._sign_stored()

    def _sign_stored(self) -> None:
        signed = self.log.stored.size if self.log.stored is not None else 0
        if self.log.size > signed and self.ahead is None and not self.log.closed:
            if self._mark is None or self._mark.size < self.log.size:
                self._mark = self._file.swap(self._mark, self.log.size, self._compact.root())
            self._keep(self._sign(self.log.size, self._compact.root()))

    def _book_has_heads(self) -> bool:
        return bool(self._store.heads(self.log.number, most=1))

    # Appending

    async def append(self, verified: VerifiedStatement) -> int:
        """The index of a statement in the log, once it is durable and under a signed head.

        A statement that stands there with all its signers keeps its place. Raises ``Refused`` N20, N22, M18, C05,
        C10, C21, ``Unavailable``.
        """
        return await self.enqueue(verified)

    def enqueue(self, verified: VerifiedStatement) -> asyncio.Future[int]:
        """As ``append``, for a caller with many: the future of the index. Raises ``Refused`` N20, N22, C21 at once."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        index = self.find(verified)
        if index is not None and self.log.stored is not None and index < self.log.stored.size:
            future.set_result(index)
            return future
        if self.ahead is not None:
            raise self.ahead
        check_open(self.log)
        if len(self._queue) >= WAITING_MAX:
            raise Refused(
                "N22",
                "rate",
                got=f"{len(self._queue)} statements waiting",
                expected=f"fewer than {WAITING_MAX}",
                todo="send it again in a moment",
            )
        self._queue.append(_Waiting(verified, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return future

    def find(self, verified: VerifiedStatement) -> int | None:
        """The index of this statement in the log if it stands there with at least these signers."""
        statement = verified.statement.id
        places = self._book.feed.places.get(statement)
        if places is None:
            return None
        signers = {signer.key for signer in verified.signers}
        if not signers <= self._book.feed.signers.get((self.log.origin, statement), frozenset()):
            return None
        return next((place.index for place in places if place.origin == self.log.origin), None)

    async def close(self) -> None:
        """Let what waits finish."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self.release()

    def release(self) -> None:
        """Give the head file up."""
        self._file.close()

    async def _drain(self) -> None:
        while self._queue:
            batch, self._queue = self._queue[:BATCH_MAX], self._queue[BATCH_MAX:]
            try:
                async with self.log.lock:
                    await self._commit(batch)
            except (DetenteError, OSError) as error:
                said = error if isinstance(error, DetenteError) else Unavailable(str(error))
                for waiting in batch:
                    if not waiting.future.done():
                        waiting.future.set_exception(said)
            except BaseException:
                for waiting in (*batch, *self._queue):
                    waiting.future.cancel()
                raise

    async def _commit(self, batch: list[_Waiting]) -> None:
        if self.ahead is not None:  # Both may have become so while the batch waited.
            raise self.ahead
        check_open(self.log)
        known, batch = self._split_known(batch)
        batch = self._within_cap(batch)
        if batch:
            await self._append(batch)
        else:
            # A failed attempt may have stored its entries after all; they are signed now that somebody asks for them.
            self._sign_stored()
        for waiting, index in known:
            if not waiting.future.done():
                waiting.future.set_result(index)

    async def _append(self, batch: list[_Waiting]) -> None:
        start = self.log.size
        entries = [waiting.verified.envelope_bytes for waiting in batch]
        leaves = [leaf_hash(entry) for entry in entries]
        compact = self._compact.copy()
        compact.extend(leaves)
        use = count_use(self._use, entries, cap=None, at=self._clock.now())
        day = encode_json([use.day, use.entries, use.bytes])

        def store(transaction: Transaction) -> None:  # step 2
            transaction.append(self.log.number, start, entries, leaves)
            transaction.put_meta(_DAY, day)

        def swap(_: None) -> HeadMark:  # step 3, in the writer's thread: the head follows its entries at once
            return self._file.swap(self._mark, compact.size, compact.root())

        try:
            self._mark = await self._writer.write_then(store, swap)
        except BaseException:
            self._read_again()
            raise
        self._compact, self._use = compact, use
        head = self._sign(compact.size, compact.root())  # step 4
        self._book.grow(self.log, leaves, entries, [waiting.verified for waiting in batch])
        self._keep(head)
        for index, waiting in enumerate(batch, start):
            if not waiting.future.done():
                waiting.future.set_result(index)

    def _split_known(self, batch: list[_Waiting]) -> tuple[list[tuple[_Waiting, int]], list[_Waiting]]:
        """Statements that stand in the log (a failed attempt may have stored them after all), and the others, each once."""
        known: list[tuple[_Waiting, int]] = []
        rest: list[_Waiting] = []
        first: dict[tuple[object, ...], _Waiting] = {}
        for waiting in batch:
            index = self.find(waiting.verified)
            if index is not None:
                known.append((waiting, index))
                continue
            twin = first.setdefault((waiting.verified.statement.id, waiting.verified.signers), waiting)
            if twin is waiting:
                rest.append(waiting)
            else:
                _follow(twin.future, waiting.future)
        return known, rest

    def _within_cap(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Refuse (M18) what the terms let this log not add today: the mirrors would not take it."""
        rest: list[_Waiting] = []
        use, cap, at = self._use, self._book.coalition.cap, self._clock.now()
        with contextlib.suppress(Refused):
            count_use(use, [waiting.verified.envelope_bytes for waiting in batch], cap=cap, at=at)
            return batch
        for waiting in batch:
            try:
                use = count_use(use, (waiting.verified.envelope_bytes,), cap=cap, at=at)
            except Refused as refused:
                if not waiting.future.done():
                    waiting.future.set_exception(refused)
                continue
            rest.append(waiting)
        return rest

    def _sign(self, size: int, root: bytes) -> SeenHead:
        key = self.log.about.key
        note = sign_checkpoint(Checkpoint(key.name, size, root), signer=self._signer)
        return self._book.head_of(self.log, verify_checkpoint(note, key))

    def _keep(self, head: SeenHead) -> None:
        """Tell of a head. Its line is made again from the file after a crash, so its own write is not waited for."""
        self._book.count(self.log, head)
        self._book.write_later(lambda transaction: write_head(transaction, self.log.number, head, ()))
        self._on_head(head)

    def _read_again(self) -> None:
        """After a failure: what the disk holds is what is so."""
        with contextlib.suppress(DetenteError, OSError):
            self._book.reread(self.log)
            self._mark = self._file.read()
            self._compact = compact_of(self.log.tree, self.log.size)


def _follow(leader: asyncio.Future[int], follower: asyncio.Future[int]) -> None:
    def settle(done: asyncio.Future[int]) -> None:
        if follower.done():
            return
        if done.cancelled():
            follower.cancel()
        elif (error := done.exception()) is not None:
            follower.set_exception(error)
        else:
            follower.set_result(done.result())

    leader.add_done_callback(settle)
