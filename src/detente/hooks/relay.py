"""A relay of connections that ends them when leave ends: what cuts streams that are open.

Decides when a connection to the served model is passed on, and that every one is reset at the lapse. Leaves out where leave comes from
(``app.kept_leave``) and HTTP: bytes are passed as they are, streams and upgrades alike. ``spec/serving.md`` §2.

- Bytes flow only through this process: where it hangs or is dead, nothing flows.
- Leave is compared at each piece and every ``LOOK_S`` beside that. A connection is reset, not closed: nobody takes half an answer for a
  whole one.
- A connection that comes without leave is answered with 503 in HTTP and closed; the model is not reached.
- What is counted here are connections, so a slowdown, which is of requests, is kept by who counts those: ``hooks.serving``'s gate.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable
from typing import Final, Protocol

PIECE: Final = 65_536
LOOK_S: Final = 0.02
"""How often leave is looked at while nothing flows."""
CONNECT_S: Final = 5.0
CONNECTIONS_MAX: Final = 4_096
REQUEST_S: Final = 2.0
"""How long a refused client may take for its request; then it is closed without an answer."""
REFUSED_MAX: Final = 1 << 20
"""Bytes of a refused request's body that are read and dropped."""
_RESET: Final = struct.pack("ii", 1, 0)


class Leave(Protocol):
    """What is asked of ``app.kept_leave.KeptLeave``."""

    @property
    def holds(self) -> bool: ...

    @property
    def why(self) -> str: ...

    def refusal(self) -> str: ...


class Relay:
    """Connections passed on to ``host``:``port`` while ``leave`` holds. ``serve`` runs until it is cancelled."""

    def __init__(self, leave: Leave, host: str, port: int) -> None:
        self._leave = leave
        self._host = host
        self._port = port
        self._open: set[asyncio.StreamWriter] = set()
        self._clients = 0
        self.cut = 0

    async def serve(self, listening: socket.socket, *, ready: Callable[[], None] = lambda: None) -> None:
        """Accept on ``listening`` until cancelled; then every connection is reset."""
        server = await asyncio.start_server(self._accept, sock=listening, limit=PIECE)
        try:
            ready()
            while True:
                await asyncio.sleep(LOOK_S)
                if self._open and not self._leave.holds:
                    self._cut()
        finally:
            server.close()
            self._cut()

    def _cut(self) -> None:
        self.cut += len(self._open)
        for writer in tuple(self._open):
            reset(writer)
        self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients > CONNECTIONS_MAX:
                reset(writer)
            elif not self._leave.holds:
                await _answer(reader, writer, self._leave.why or "the permit lapsed")
            else:
                await self._pass(reader, writer)
        except OSError:
            reset(writer)
        finally:
            self._clients -= 1
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                from_model, to_model = await asyncio.open_connection(self._host, self._port, limit=PIECE)
        except (OSError, TimeoutError):
            await _answer(reader, writer, "the served model does not answer", code="upstream_unavailable")
            return
        self._open |= {writer, to_model}
        up = asyncio.create_task(self._pump(reader, to_model))
        down = asyncio.create_task(self._pump(from_model, writer))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            if up.done() and up.exception() is None:  # The client has said all; the model still answers.
                await asyncio.wait({down})
            if not down.done() or down.exception() is not None:
                reset(writer)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            self._open -= {writer, to_model}
            reset(to_model)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(PIECE):
            if not self._leave.holds:
                self._cut()
                raise ConnectionResetError("leave has ended")
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other side sees an error and no end; what was not sent is dropped."""
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, why: str, *, code: str = "detente_held"
) -> None:  # fmt: skip
    """503 as HTTP/1.1 says it, once the request's head has arrived."""
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        async with asyncio.timeout(REQUEST_S):
            await reader.readuntil(b"\r\n\r\n")
            body = refusal_body(why, code=code)
            head = (
                "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\nretry-after: 5\r\nconnection: close\r\n\r\n"
            )
            writer.write(head.encode("ascii") + body)
            writer.write_eof()
            left = REFUSED_MAX  # What the client still sends is read, or closing would reset the answer as well.
            while left > 0 and (data := await reader.read(PIECE)):
                left -= len(data)


def refusal_body(why: str, *, code: str = "detente_held") -> bytes:
    """The body of a refusal, in the form that clients of model servers read.

    >>> refusal_body("paused")
    b'{"error": {"message": "paused", "type": "service_unavailable", "code": "detente_held"}}'
    """
    return json.dumps({"error": {"message": why, "type": "service_unavailable", "code": code}}).encode("ascii")
