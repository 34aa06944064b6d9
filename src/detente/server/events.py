"""Server-sent events: notices and heads, written to every listener as the same bytes.

Decides how an event reaches a connection: at once where nothing waits before it, else through a bounded queue. Leaves out
what is told (``app.notices``).

A pause must reach hundreds of guards within some milliseconds, and one task woken per listener costs more than the write.
So an event is written to a connection by whoever tells it, unless the connection is slow. A listener whose queue or whose
connection's buffer is full is dropped; it connects again and hears what holds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from detente.app.notices import Hub, Listener

_LOG = logging.getLogger("detente.http")
KEEP_ALIVE_S = 15.0
QUERY_MAX = 256
BUFFER_MAX = 262_144
"""Bytes that may wait in a connection's own buffer: four of the largest notices."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Coroutine[Any, Any, None]]

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def serve_events(hub: Hub, query: bytes, receive: Receive, send: Send) -> None:
    """Answer ``GET /v1/events`` until the client goes or is dropped; raises ``Refused`` N25 before anything is sent.

    ``?only=notice,lifted`` asks for events of these names alone; a name that does not exist is never told.
    """
    listener = hub.subscribe(catch_up=True, only=_names(query))
    try:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b": welcome\n\n", "more_body": True})
        listener.write = _writer(listener, send)
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await _pump(listener, send, gone)
        finally:
            gone.cancel()
    finally:
        hub.unsubscribe(listener)


def _writer(listener: Listener, send: Send) -> Callable[[bytes], None]:
    """Write to the connection at once: a server's ``send`` does not wait unless the connection is slow."""

    def write(event: bytes) -> None:
        sending = send({"type": "http.response.body", "body": event, "more_body": True})
        try:
            sending.send(None)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - one broken connection must not keep the notice from the others
            _LOG.debug("an event was not written: %r", error)
        else:
            sending.close()
        listener.put(b"", 0)  # Slow or broken: it is dropped, connects again, and hears what holds.

    return write


def _names(query: bytes) -> frozenset[str]:
    given = parse_qs(query.decode("ascii", "replace")[:QUERY_MAX]).get("only", [])
    return frozenset(name for text in given for name in text.split(",") if name)


async def _pump(listener: Listener, send: Send, gone: asyncio.Future[None]) -> None:
    while not gone.done():
        data = await listener.next(KEEP_ALIVE_S)
        if data is None:
            break
        await send({"type": "http.response.body", "body": data or b": still here\n\n", "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
