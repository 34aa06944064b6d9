"""Group commit: many small writes of a busy node, one durable transaction.

Decides which writes share a commit. Leaves out what they write. A lone write is committed at once; while a commit is
being made, what arrives waits and shares the next one. Nobody is told before the commit that carries their write
has returned.

- A piece of work that raises takes only itself out: the others are run again without it.
- At most ``GROUP_MAX`` pieces share a commit, so that a flood cannot hold one open for more than some milliseconds.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from detente.adapters.store import Store, Transaction
from detente.base.errors import DetenteError, Unavailable

T = TypeVar("T")
GROUP_MAX = 256


@dataclass(frozen=True, slots=True)
class _Piece:
    work: Callable[[Transaction], Any]
    after: Callable[[Any], Any] | None
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class StoreWriter:
    """The one thread that writes. ``write`` returns once the write is durable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="detente-writer", daemon=True)
        self._closed = False
        self._thread.start()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a durable transaction, perhaps together with others."""
        return cast(T, await self._put(work, None))

    async def write_then(self, work: Callable[[Transaction], T], after: Callable[[T], Any]) -> Any:
        """As ``write``, and then ``after(result)`` in the same thread, once the commit has returned; gives its result."""
        return await self._put(work, after)

    def _put(self, work: Callable[[Transaction], Any], after: Callable[[Any], Any] | None) -> asyncio.Future[Any]:
        if self._closed:
            raise Unavailable("the node is closing")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.put(_Piece(work, after, future, loop))
        return future

    def close(self) -> None:
        """Finish what waits and end the thread."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (piece := self._waiting.get()) is not None:
            group, last = [piece], False
            while len(group) < GROUP_MAX:
                try:
                    following = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Piece]) -> None:
        failed: list[BaseException | None] = [None] * len(group)

        def guarded(number: int) -> Callable[[Transaction], Any]:
            def run(transaction: Transaction) -> Any:
                try:
                    return group[number].work(transaction)
                except BaseException as error:
                    failed[number] = error
                    raise

            return run

        left = list(range(len(group)))
        while left:
            try:
                results = self._store.transact_all([guarded(number) for number in left])
            except (DetenteError, Exception) as error:  # noqa: BLE001  # whatever it is belongs to its caller
                culprit = next((number for number in left if failed[number] is not None), None)
                if culprit is None or len(left) == 1:
                    for number in left:
                        _settle(group[number], None, error)
                    return
                # A refused piece of work wrote nothing that stays: the transaction was rolled back.
                _settle(group[culprit], None, error)
                left.remove(culprit)
                continue
            for number, result in zip(left, results, strict=True):
                self._finish(group[number], result)
            return

    def _finish(self, piece: _Piece, result: Any) -> None:
        try:
            if piece.after is not None:
                result = piece.after(result)
        except Exception as error:  # noqa: BLE001  # as above
            _settle(piece, None, error)
            return
        _settle(piece, result, None)


def _settle(piece: _Piece, result: Any, error: BaseException | None) -> None:
    def tell() -> None:
        if piece.future.done():
            return
        if error is None:
            piece.future.set_result(result)
        else:
            piece.future.set_exception(error)

    try:
        piece.loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # The loop has ended; nobody waits any more.
