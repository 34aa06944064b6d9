"""The event stream of a node, as a guard reads it: bounded, and ended by whatever is not an event stream."""

import asyncio
import contextlib

import pytest

from detente.adapters import events
from detente.adapters.events import Event, listen
from detente.base.errors import Misuse, Unavailable

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"


@contextlib.asynccontextmanager
async def answering(talk):
    """A server on loopback whose every connection gets the request read and then ``talk(reader, writer)``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except OSError:
            pass  # the guard has hung up, as it should
        finally:
            writer.transport.abort()
            over.set()

    over = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/events"
    finally:
        await over.wait()
        server.close()
        await asyncio.sleep(0.01)


def hear(answer: bytes, *, piece: int = 10_000) -> list[Event]:
    """The events of one connection whose other side sends ``answer`` in pieces and closes."""
    heard: list[Event] = []

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(answer), piece):
            writer.write(answer[start : start + piece])
            await writer.drain()
        writer.write_eof()
        await asyncio.sleep(0.02)

    async def scenario() -> None:
        async with answering(talk) as url:
            await listen(url, heard.append)

    asyncio.run(scenario())
    return heard


def chunked(*parts: bytes) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_events_are_read_however_they_are_cut(piece: int):
    """Chunks, lines and packets have nothing to do with one another; comments give no event."""
    answer = chunked(
        b": alive\n\nevent: notice\nda",
        b'ta: {"a":1}\n\n',
        b"event: head\r\ndata: x\r\ndata: y\r\n\r\n",
        b"data: z\n\n",
    )
    assert hear(answer, piece=piece) == [Event("notice", b'{"a":1}'), Event("head", b"x\ny"), Event("message", b"z")]


def test_a_stream_without_chunks_is_read_until_it_closes():
    """HTTP/1.0 proxies answer so."""
    assert hear(HEAD + b"\r\nevent: notice\ndata: 1\n\ndata: unfinished") == [Event("notice", b"1")]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/event-stream\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\ndata: 1\n\n",
        b"",
        b"garbage",
        chunked(b"data: 1\n\n")[:-12],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\ndata: 1\n\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\ndata: 1\n\n",
        HEAD + b"X: y\r\n" * 5_000 + b"\r\n",
        HEAD + b"\r\ndata: " + b"x" * (events.EVENT_MAX + 10),
    ],
    ids=[
        "503",
        "a page",
        "nothing",
        "garbage",
        "cut short",
        "no chunk",
        "a huge chunk",
        "endless headers",
        "a huge line",
    ],
)
def test_what_is_no_event_stream_ends_as_unavailable(answer: bytes):
    """A guard tries again elsewhere and later; it neither waits for ever nor fills its memory."""
    with pytest.raises(Unavailable):
        hear(answer)


def test_a_silent_peer_is_given_up(monkeypatch: pytest.MonkeyPatch):
    """A connection whose other side is frozen says nothing and does not close."""
    monkeypatch.setattr(events, "QUIET_MAX_S", 0.1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        await reader.read()

    async def scenario() -> None:
        async with answering(talk) as url:
            with pytest.raises(Unavailable, match="silence"):
                await listen(url, lambda _event: None)

    asyncio.run(scenario())


def test_nobody_at_the_address_is_unavailable():
    """Port 1 of the loopback answers nobody."""

    async def scenario() -> None:
        with pytest.raises(Unavailable, match="cannot reach"):
            await listen("http://127.0.0.1:1/v1/events", lambda _event: None)

    asyncio.run(scenario())


def test_an_address_that_is_no_url_is_misuse():
    """The configuration is wrong, not the network."""

    async def scenario() -> None:
        with pytest.raises(Misuse):
            await listen("ftp://example", lambda _event: None)

    asyncio.run(scenario())
