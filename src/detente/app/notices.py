r"""Stop notices: made once, encoded once, written to everybody who listens.

Decides when a node says that it will refuse, and how a slow listener is kept from holding up the others. Leaves out
whether anything is paused (``accord.status``) and what a guard makes of a notice (``guard.notice``).

- A notice is made for each pause (trigger, round, scope) the first time the status shows it; never for less.
- Sequence numbers rise across restarts: a block of them is stored before the first is used, so that no write stands
  between a pause and its notice.
- Each listener has a bounded queue; one that is full is dropped, and its guard connects again: N25 is for who comes when
  there are too many. Losing a notice costs time and never permits.

>>> hub = Hub(clients_max=1, events_max=2)
>>> listener = hub.subscribe()
>>> hub.publish("head", b"{}")
>>> list(listener.waiting)
[b'event: head\ndata: {}\n\n']
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping

from detente.accord.standing import Pause, Status
from detente.adapters.store import Store
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.strict_json import encode_json
from detente.guard.intent import ACTIVITIES
from detente.guard.notice import Notice, seal_notice
from detente.guard.wire import REASONS_MAX, TEXT_MAX
from detente.statement.signing import Signer

BLOCK = 1_000
"""Sequence numbers stored ahead; a restart skips what is left of them."""
_COUNTER = "notice-ceiling"
DECISION = "decision:"
"""Before a proposal's id: the name of the event that tells of a human's decision on it."""
_DECIDES = re.compile(DECISION + "[0-9a-f]{64}")


class Listener:
    """One subscriber: events as bytes on the wire, oldest first. ``write`` may take them at once instead."""

    __slots__ = ("_ready", "dropped", "only", "waiting", "write")

    def __init__(self, only: frozenset[str] = frozenset()) -> None:
        self.only = only
        self.waiting: deque[bytes] = deque()
        self.dropped = False
        self.write: Callable[[bytes], None] | None = None
        self._ready: asyncio.Future[None] | None = None

    def put(self, data: bytes, most: int) -> None:
        """Queue an event; a listener with too many is dropped."""
        if self.dropped:
            return
        if len(self.waiting) >= most:
            self.dropped = True
            self.waiting.clear()
        else:
            self.waiting.append(data)
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def next(self, timeout_s: float) -> bytes | None:
        """Everything that waits, joined; empty after ``timeout_s`` without an event; None once dropped."""
        if not self.waiting and not self.dropped:
            self._ready = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ready
            except TimeoutError:
                return b""
            finally:
                self._ready = None
        if self.dropped:
            return None
        data = b"".join(self.waiting)
        self.waiting.clear()
        return data


class Hub:
    """Everybody who listens to this node."""

    def __init__(self, *, clients_max: int, events_max: int) -> None:
        self._clients_max = clients_max
        self._events_max = events_max
        self._listeners: dict[int, Listener] = {}
        self._latest: dict[str, bytes] = {}

    def subscribe(self, *, catch_up: bool = False, only: frozenset[str] = frozenset()) -> Listener:
        """A new listener to events of these names (none: to all), with the notices that still hold if asked.

        Raises ``Refused`` N25. Guards listen to ``notice`` and ``lifted`` only: a node tells of heads several times for
        each entry, and four hundred guards would wait for their notice behind them.
        """
        if len(self._listeners) >= self._clients_max:
            raise Refused(
                "N25",
                "rate",
                got=f"{len(self._listeners)} listeners",
                expected=f"fewer than {self._clients_max}",
                todo="try again later, or raise limits.clients in config.toml",
            )
        listener = Listener(only)
        self._listeners[id(listener)] = listener
        if catch_up and (not only or "notice" in only):
            for event in self._latest.values():
                listener.put(event, self._events_max)
        for name in sorted(only):
            if _DECIDES.fullmatch(name):  # Whatever was decided before this listener came: it asks once and knows.
                listener.put(encode_event(name, b"{}"), self._events_max)
        return listener

    def awaited(self) -> frozenset[str]:
        """The names of events about decisions that somebody listens for."""
        return frozenset(
            name for listener in self._listeners.values() for name in listener.only if _DECIDES.fullmatch(name)
        )

    def unsubscribe(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.pop(id(listener), None)

    def publish(self, name: str, data: bytes) -> None:
        """Tell everybody; encoded once."""
        event = encode_event(name, data)
        most = self._events_max
        for listener in list(self._listeners.values()):
            if listener.only and name not in listener.only:
                continue
            if listener.write is not None and not listener.waiting and not listener.dropped:
                listener.write(event)
            else:
                listener.put(event, most)

    def hold(self, notices: Mapping[str, bytes]) -> None:
        """The notices that hold now, for whoever connects later; ``lifted`` tells everybody that one holds no more."""
        if self._latest.keys() - notices.keys():
            self.publish("lifted", b"{}")
        self._latest = {key: encode_event("notice", notice) for key, notice in notices.items()}

    def __len__(self) -> int:
        return len(self._listeners)

    def close(self) -> None:
        """Drop everybody."""
        for listener in list(self._listeners.values()):
            listener.put(b"", 0)


def encode_event(name: str, data: bytes) -> bytes:
    """One server-sent event; ``data`` has no line break."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


class Notices:
    """Makes this issuer's notices. Without a permit key it makes none."""

    def __init__(self, *, accord: Digest, party: Party, signer: Signer | None, store: Store) -> None:
        self._accord = accord
        self._party = party
        self._signer = signer
        self._store = store
        stored = store.meta(_COUNTER)
        self.sequence = int(stored) if stored else 0
        self._ceiling = self.sequence
        self._given: dict[tuple[str, int, str], bytes] = {}

    def prepare(self) -> None:
        """Have numbers in hand, so that a notice waits for no disk."""
        if self._signer is not None and self._ceiling - self.sequence < BLOCK // 2:
            ceiling = self.sequence + BLOCK
            self._store.transact(lambda transaction: transaction.put_meta(_COUNTER, b"%d" % ceiling))
            self._ceiling = ceiling

    def consider(self, status: Status) -> list[bytes]:
        """The sealed notices that this status calls for and that were not given yet."""
        if self._signer is None:
            return []
        holding = {(pause.trigger, pause.round, str(pause.scope)): pause for pause in status.pauses}
        self._given = {key: notice for key, notice in self._given.items() if key in holding}
        fresh = []
        for key, pause in holding.items():
            if key not in self._given:
                notice = self._make(pause, self._signer)
                if notice is not None:
                    self._given[key] = notice
                    fresh.append(notice)
        return fresh

    def holding(self) -> dict[str, bytes]:
        """The notices given for what still holds."""
        return {encode_json(list(key)).decode(): notice for key, notice in self._given.items()}

    def _make(self, pause: Pause, signer: Signer) -> bytes | None:
        activities = tuple(activity for activity in ACTIVITIES if activity in pause.activities)
        if not activities:
            return None
        if self.sequence >= self._ceiling:
            self.prepare()
        self.sequence += 1
        notice = Notice(
            accord=self._accord,
            issuer=self._party,
            scope=str(pause.scope),
            activities=activities,
            sequence=self.sequence,
            cause=f"trigger {pause.trigger}, round {pause.round}"[:TEXT_MAX],
            cites=pause.cited[:REASONS_MAX],
        )
        return seal_notice(notice, signer)
