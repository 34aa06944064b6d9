"""A drill as it happens: pictures of its record, which another thread may look at while the drill goes on.

Decides when a picture is taken: when a line of the story was told, and every ``GROW_S`` in between, so that bars grow. Leaves out how it
is drawn (``live_page``) and who serves it (``server``).

- A picture is a copy that nobody changes. The drill's thread puts the newest in place; readers in other threads take what is there.
- ``listening`` is for whoever waits for the next; it is called in the drill's thread and must not block.

>>> showing = Showing()
>>> showing.newest is None
True
>>> record = Record(options={"seed": 1})
>>> showing.take(record, at_s=1.0, nodes={})
>>> showing.newest.number, showing.newest.over
(1, False)
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from detente.app.drill.record import Record, SpanKind

GROW_S = 5.0


@dataclass(frozen=True, slots=True)
class Picture:
    """The drill at ``at_s``: its record, what each lane is in, and where each party's node can be looked at (no more once it is ``over``)."""

    number: int
    at_s: float
    record: Record
    now: Mapping[str, SpanKind]
    nodes: Mapping[str, str]
    over: bool = False

    @property
    def said(self) -> str:
        """The last turn of the story."""
        turns = [event.title for event in self.record.events if event.major]
        return turns[-1] if turns else "the nodes are starting"


class Showing:
    """The newest picture of one drill, and who waits for the next."""

    def __init__(self) -> None:
        self.newest: Picture | None = None
        self.seen = 0
        """The number of the newest picture that somebody was given."""
        self.audience = 0
        """How many were waiting when the last picture was taken: they will come for it."""
        self._listeners: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    def take(self, record: Record, *, at_s: float, nodes: Mapping[str, str], over: bool = False) -> None:
        """Put a new picture in place and tell who waits."""
        number = 1 if self.newest is None else self.newest.number + 1
        now = {lane: kind for lane in record.lanes if (kind := record.turning(lane)) is not None}
        self.newest = Picture(number, at_s, record.snapshot(at_s=at_s), now, dict(nodes), over)
        with self._lock:
            listeners = list(self._listeners)
            self.audience = len(listeners) if over else 0
        for told in listeners:
            with contextlib.suppress(RuntimeError):  # the loop of whoever waited has ended; the drill goes on
                told()

    @property
    def watched(self) -> int:
        """How many wait for pictures."""
        return len(self._listeners)

    @contextlib.contextmanager
    def listening(self, told: Callable[[], object]) -> Iterator[None]:
        """Have ``told`` called for every picture within the block."""
        with self._lock:
            self._listeners.append(told)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(told)
