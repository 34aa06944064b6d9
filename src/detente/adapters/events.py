"""Server-sent events over plain asyncio streams: the push that makes a pause faster than a renewal.

Decides how an event stream is opened and cut into events. Leaves out what they mean: an event is bytes, and nothing in it
is believed before ``guard.notice`` has checked a signature.

Why not the HTTP client of ``adapters.client``: over 400 streams in one process it takes twice the processor time, and a
push must reach all of them in 50 ms (``docs/decisions/0010-event-reader.md`` has the figures). Only what a node sends is understood: HTTP/1.1, status 200, ``text/event-stream``, chunked or until close. Everything else ends the stream.

Source of the format: WHATWG HTML §9.2, RFC 9112 §7.1.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from detente.base.errors import Misuse, Unavailable

CONNECT_MAX_S = 10.0
QUIET_MAX_S = 60.0
"""A node says something at least every 15 s; four silences mean that the connection is dead."""
LINE_MAX = 131_072
"""Bytes of one line: an envelope of 65,535 bytes with its field name, twice over."""
EVENT_MAX = 131_072
HEAD_LINES_MAX = 64


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its type (``message`` where none is given) and its data."""

    name: str
    data: bytes


async def listen(url: str) -> AsyncIterator[Event]:
    """The events at ``url``, until the other side ends the stream; raises ``Unavailable``.

    Comments (which keep the connection alive) give no event.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or parts.hostname is None:
        raise Misuse(f"got the URL {url!r}; expected http:// or https:// and a host")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    try:
        async with asyncio.timeout(CONNECT_MAX_S):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls, limit=LINE_MAX)
    except (TimeoutError, OSError) as error:
        raise Unavailable(f"cannot reach {parts.hostname}:{port}: {str(error) or 'no answer'}") from None
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/event-stream\r\n"
            "Cache-Control: no-store\r\n\r\n".encode("ascii")
        )
        await writer.drain()
        chunked = await _read_head(reader)
        async for event in _cut(_lines(reader, chunked=chunked)):
            yield event
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise Unavailable(f"the event stream of {parts.netloc} broke: {str(error) or 'silence'}") from None
    finally:
        writer.transport.abort()  # Nothing is left to say, and a peer that is gone must not be waited for.


async def _read_head(reader: asyncio.StreamReader) -> bool:
    """Read status and headers; whether the body is chunked."""
    async with asyncio.timeout(CONNECT_MAX_S):
        status = (await reader.readline()).split(b" ", 2)
        chunked, stream = False, False
        for _ in range(HEAD_LINES_MAX):
            line = (await reader.readline()).rstrip(b"\r\n").lower()
            if not line:
                break
            chunked = chunked or (line.startswith(b"transfer-encoding:") and line.endswith(b"chunked"))
            stream = stream or (line.startswith(b"content-type:") and b"text/event-stream" in line)
        else:
            raise ValueError("too many header lines")
    if len(status) < 2 or status[1] != b"200" or not stream:
        raise ValueError(f"it answered {b' '.join(status)[:80].decode('ascii', 'replace').strip()!r}")
    return chunked


async def _lines(reader: asyncio.StreamReader, *, chunked: bool) -> AsyncIterator[bytes]:
    rest = b""
    while True:
        async with asyncio.timeout(QUIET_MAX_S):
            data = await _chunk(reader) if chunked else await reader.read(65_536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        if len(rest) > LINE_MAX:
            raise ValueError("a line that is too long")
        for line in lines:
            yield line.removesuffix(b"\r")


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readline()
    size = int(head.split(b";")[0], 16)
    if size > EVENT_MAX:
        raise ValueError("a chunk that is too large")
    data = await reader.readexactly(size)
    await reader.readexactly(2)
    return data


async def _cut(lines: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    name, size = "message", 0
    data: list[bytes] = []
    async for line in lines:
        if not line:
            if data:
                yield Event(name, b"\n".join(data))
            name, data, size = "message", [], 0
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            size += len(value)
            if size > EVENT_MAX:
                raise ValueError("an event that is too large")
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
