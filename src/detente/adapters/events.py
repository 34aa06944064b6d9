"""Server-sent events straight from the socket: the push that makes a pause faster than a renewal.

Decides how an event stream is opened and cut into events. Leaves out what they mean: an event is bytes, and nothing in it
is believed before ``guard.notice`` has checked a signature.

Why not the HTTP client of ``adapters.client``: over 400 streams in one process it takes several times the processor time,
and a push must reach all of them in 50 ms (``docs/decisions/0010-event-reader.md`` has the figures). Only what a node sends
is understood: HTTP/1.1, status 200, ``text/event-stream``, chunked or until close. Everything else ends the stream.

Source of the format: WHATWG HTML §9.2, RFC 9112 §7.1.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from detente.base.errors import Misuse, Unavailable

CONNECT_MAX_S = 10.0
QUIET_MAX_S = 60.0
"""A node says something at least every 15 s; four silences mean that the connection is dead."""
HEAD_MAX = 16_384
EVENT_MAX = 131_072
"""Bytes of one event: an envelope of 65,535 bytes with its field name, twice over."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type (``message`` where none is given) and its data."""

    name: str
    data: bytes


async def listen(url: str, hear: Callable[[Event], None]) -> None:
    """Call ``hear`` with each event at ``url``, from within the event loop, until the other side ends the stream.

    Comments (which keep the connection alive) give no event. Raises ``Unavailable``; what ``hear`` raises ends the stream
    and is raised here.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        raise Misuse(f"got the URL {url!r}; expected http:// or https:// and a host")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    loop = asyncio.get_running_loop()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = (
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\nCache-Control: no-store\r\n\r\n"
    )
    try:
        async with asyncio.timeout(CONNECT_MAX_S):
            transport, stream = await loop.create_connection(
                lambda: _Stream(request.encode("ascii"), hear, loop), parts.hostname, port, ssl=tls
            )
    except OSError as error:
        raise Unavailable(f"cannot reach {parts.hostname}:{port}: {str(error) or 'no answer'}") from None
    try:
        while not await stream.ended_within(QUIET_MAX_S):
            if stream.quiet_s() >= QUIET_MAX_S:
                raise Unavailable(f"the event stream of {parts.netloc} broke: silence")
    except (OSError, ValueError) as error:
        raise Unavailable(f"the event stream of {parts.netloc} broke: {error}") from None
    finally:
        stream.abandon()
        transport.abort()  # Nothing is left to say, and a peer that is gone must not be waited for.


class _Stream(asyncio.Protocol):
    """The bytes of one connection: a head, then chunks or plain text, then lines, then events."""

    def __init__(self, request: bytes, hear: Callable[[Event], None], loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        self._hear = hear
        self._loop = loop
        self._over: asyncio.Future[None] = loop.create_future()
        self._heard_s = loop.time()
        self._raw = b""
        self._text = b""
        self._head = False
        self._chunked = False
        self._finished = False
        self._name, self._data, self._size = "message", list[bytes](), 0

    async def ended_within(self, seconds: float) -> bool:
        """Whether the stream ended; raises what ended it."""
        await asyncio.wait([self._over], timeout=seconds)
        if self._over.done():
            self._over.result()
            return True
        return False

    def abandon(self) -> None:
        """Nobody listens any more: what comes from here on is no concern of anybody."""
        self._over.cancel()

    def quiet_s(self) -> float:
        """Seconds since anything came."""
        return self._loop.time() - self._heard_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._request)  # uvloop's is one without saying so

    def data_received(self, data: bytes) -> None:
        if self._over.done():
            return
        self._heard_s = self._loop.time()
        self._raw += data
        try:
            if not self._head and not self._read_head():
                return
            self._read_body()
        except Exception as error:  # noqa: BLE001 - whatever it is, the listener must hear of it, not the event loop
            self._over.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        if self._over.done():
            return
        if error is not None:
            self._over.set_exception(error)
        elif not self._head or (self._chunked and not self._finished):
            self._over.set_exception(ValueError("it was cut short"))
        else:
            self._over.set_result(None)

    def _read_head(self) -> bool:
        head, mark, rest = self._raw.partition(b"\r\n\r\n")
        if not mark:
            if len(self._raw) > HEAD_MAX:
                raise ValueError("a head that is too long")
            return False
        status, *lines = head.split(b"\r\n")
        words = status.split(b" ", 2)
        fields = [line.lower() for line in lines]
        stream = any(field.startswith(b"content-type:") and b"text/event-stream" in field for field in fields)
        if len(head) > HEAD_MAX or len(words) < 2 or words[1] != b"200" or not stream:
            raise ValueError(f"it answered {status[:80].decode('ascii', 'replace')!r}")
        self._chunked = any(f.startswith(b"transfer-encoding:") and f.rstrip().endswith(b"chunked") for f in fields)
        self._head, self._raw = True, rest
        return True

    def _read_body(self) -> None:
        if not self._chunked:
            self._text, self._raw = self._text + self._raw, b""
        while self._chunked and not self._finished:
            line, mark, rest = self._raw.partition(b"\r\n")
            if not mark:
                if len(self._raw) > 32:
                    raise ValueError("no chunk")
                break
            size = int(line.split(b";")[0], 16)
            if not 0 <= size <= EVENT_MAX:
                raise ValueError("a chunk that is too large")
            if size == 0:
                self._finished = True
                self._over.set_result(None)
            elif len(rest) < size + 2:
                break
            self._text, self._raw = self._text + rest[:size], rest[size + 2 :]
        *lines, self._text = self._text.split(b"\n")
        if len(self._text) > EVENT_MAX:
            raise ValueError("a line that is too long")
        for line in lines:
            self._read_line(line.removesuffix(b"\r"))

    def _read_line(self, line: bytes) -> None:
        if not line:
            if self._data:
                self._hear(Event(self._name, b"\n".join(self._data)))
            self._name, self._data, self._size = "message", [], 0
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._size += len(value)
            if self._size > EVENT_MAX:
                raise ValueError("an event that is too large")
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
