"""Follow what waits at a hold point, as it comes and goes.

Decides what is news: a proposal that begins to wait, is escalated, or waits no more. Leaves out what waits (``app.waiting``) and printing.

- A served node tells that its state moved (``/v1/events``); then, and every ``LOOK_S`` since time alone may change something, its queue is read again.
- A node that cannot be reached is tried again, after at most ``RETRY_MOST_S``; what changed meanwhile is told then.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from detente.adapters.client import NodeClient
from detente.app.door import Door
from detente.base.errors import Unavailable

LOOK_S: Final = 10.0
APART_S: Final = 0.2
"""A log moves several times for one entry: its queue is read once."""
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class News:
    """Something began to wait, was escalated or waits no more, or the node cannot be reached (``trouble``, then ``waiting`` is empty)."""

    what: Literal["waits", "escalated", "overdue", "waits no more", "trouble"]
    waiting: dict[str, Any]
    text: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"news": self.what, **self.waiting, **({"text": self.text} if self.text else {})}


def compare_queues(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[News]:
    """What came, what was escalated or is overdue since, then what went.

    >>> [news.what for news in compare_queues({"a": {"proposal": "a"}}, {"b": {"proposal": "b"}})]
    ['waits', 'waits no more']
    >>> waits, told = {"proposal": "a"}, {"proposal": "a", "escalated": [{"since": "2027-01-03T00:00:00Z", "state": "open"}]}
    >>> [news.what for news in compare_queues({"a": waits}, {"a": told})]
    ['escalated']
    """
    came = [News("waits", each) for name, each in after.items() if name not in before]
    moved = [
        News(what, each)
        for name, each in after.items()
        for what in ("escalated", "overdue")
        if _escalations(each, what) - _escalations(before.get(name, {}), what)
    ]
    return came + moved + [News("waits no more", each) for name, each in before.items() if name not in after]


def _escalations(waiting: dict[str, Any], what: Literal["escalated", "overdue"]) -> set[tuple[Any, Any]]:
    """Hold point and time of each escalation that nobody answered, or of those that are overdue."""
    states = {"overdue"} if what == "overdue" else {"open", "overdue"}
    return {
        (each.get("hold_point"), each.get("since"))
        for each in waiting.get("escalated", ())
        if each.get("state") in states
    }


async def watch_queue(door: Door, organisation: str | None, *, look_s: float = LOOK_S) -> AsyncIterator[News]:
    """Everything that waits, then each change, without end."""
    before: dict[str, dict[str, Any]] = {}
    moved = asyncio.Event()
    listening = asyncio.create_task(_listen(door, moved)) if door.served else None
    retry_s = RETRY_FIRST_S
    try:
        while True:
            moved.clear()
            try:
                after = {each["proposal"]: each for each in await door.waiting(organisation)}
            except Unavailable as error:
                yield News("trouble", {}, str(error))
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, RETRY_MOST_S)
                continue
            retry_s = RETRY_FIRST_S
            for news in compare_queues(before, after):
                yield news
            before = after
            await asyncio.sleep(APART_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await moved.wait()
    finally:
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _listen(door: Door, moved: asyncio.Event) -> None:
    while True:
        client = NodeClient(door.served)
        try:
            async for _ in client.events():
                moved.set()
        except Unavailable:
            pass  # The queue is read now and then all the same.
        finally:
            await client.close()
        await asyncio.sleep(RETRY_FIRST_S)
