"""What is under way in an ASGI application ends with leave: answers that are awaited, streams, WebSockets.

Decides which requests are ended, and what their clients hear. Leaves out leave (``app.kept_leave``) and whether a request may begin, which the
host asks for itself: it says so of each by ``note``. ``spec/serving.md`` §1.3.

- A request that was ``asked`` for ends with leave, unless its host has ``ending`` of its own. A WebSocket always ends, and none begins without.
- Leave is looked at every ``LOOK_S`` while anything is open: one timer for all of it. What the application says after the end is dropped.
- An answer that has not begun is 503 with the reason. An event stream gets one event of an error; every body ends without its end, which
  HTTP/1.1 takes for an error. A WebSocket is closed with 1013 and the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextvars import ContextVar
from typing import Any, Final

from detente.hooks.relay import Leave, refusal_body

LOOK_S: Final = 0.05
"""How often leave is looked at while anything is under way."""
TIDY_S: Final = 1.0
"""How long an application may take to let go, and a client to take its last word."""
STATUS: Final = 503
EVENTS: Final = b"text/event-stream"
TRY_AGAIN_LATER: Final = 1013
CLOSE_REASON_MAX: Final = 120
"""Bytes; a close frame carries 123."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Ended(Exception):
    """Leave has ended in the middle of an answer. A server that hears it closes the connection."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = STATUS


class _Open:
    """One request: what its host has said of it, and how far its answer is."""

    def __init__(self, *, websocket: bool, send: Send) -> None:
        self.websocket = websocket
        self.asked = websocket
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.why = ""
        self._send = send
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self.complete = self.ended = self._begun = False

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """What the application says, passed on until leave has ended."""
        if self.ended:
            raise Ended(self.why)
        kind = message["type"]
        if kind == "http.response.start":
            self._begun, self._headers = True, message.get("headers", ())
        elif kind == "websocket.close" or (kind == "http.response.body" and not message.get("more_body", False)):
            self.complete = True
        await self._send(message)

    def end(self, why: str) -> None:
        """Leave has ended; a whole answer stays what it is."""
        if not (self.complete or self.over.done()):
            self.why, self.ended = why, True
            self.over.set_result(None)

    def finish(self, _running: object) -> None:
        """The application has, by itself."""
        if not self.over.done():
            self.over.set_result(None)

    async def farewell(self) -> None:
        """What the client hears last."""
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            async with asyncio.timeout(TIDY_S):
                await self._last_words()

    async def _last_words(self) -> None:
        body = refusal_body(self.why)
        if self.websocket:
            reason = self.why.encode("ascii", "replace")[:CLOSE_REASON_MAX].decode("ascii")
            await self._send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": reason})
            self.complete = True
        elif not self._begun:
            headers = [(b"content-type", b"application/json"), (b"retry-after", b"5"), (b"connection", b"close")]
            headers.append((b"content-length", str(len(body)).encode()))
            await self._send({"type": "http.response.start", "status": STATUS, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})
            self.complete = True
        elif any(name.lower() == b"content-type" and EVENTS in value.lower() for name, value in self._headers):
            event = b"\n\nevent: error\ndata: " + body + b"\n\n"
            await self._send({"type": "http.response.body", "body": event, "more_body": True})


_OPEN: ContextVar[_Open | None] = ContextVar("detente_open_request", default=None)


def note(*, asked: bool = True) -> None:
    """Say of the request that this runs in that it was asked for; not ``asked``: that its host ends it in a way of its own."""
    current = _OPEN.get()
    if current is not None:
        current.asked = asked or current.websocket


class EndsWithLeave:
    """``app``, of which what is under way ends with ``leave``."""

    def __init__(self, app: App, leave: Leave) -> None:
        self.app = app
        self._leave = leave
        self._open: set[_Open] = set()
        self._looking = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, to its end or to that of leave; raises ``Ended`` where an answer stays without its end."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        current = _Open(websocket=scope["type"] == "websocket", send=send)
        if current.websocket and not self._leave.holds:
            await receive()  # Its client's wish to connect.
            current.end(self._why())
            await current.farewell()
            return
        _OPEN.set(current)
        self._open.add(current)
        self._look_soon()
        try:
            await self._until_over(current, scope, receive)
        finally:
            self._open.discard(current)

    async def _until_over(self, current: _Open, scope: Scope, receive: Receive) -> None:
        running = asyncio.ensure_future(self.app(scope, receive, current.send))
        running.add_done_callback(current.finish)  # One future for both: asyncio.wait is several times as dear.
        try:
            await current.over
            if not current.ended:
                await running
                return
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait({running}, timeout=TIDY_S)
        if running.done() and not running.cancelled():
            running.exception()  # Looked at: what it says of an end that was not its own is nobody's.
        await current.farewell()
        if not current.complete:
            raise Ended(current.why)

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._looking = False
        if not self._leave.holds:
            for each in self._open:
                if each.asked:
                    each.end(self._why())
        if self._open:
            self._look_soon()

    def _why(self) -> str:
        return self._leave.why or "the permit lapsed"
