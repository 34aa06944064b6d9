"""The drill's network: real TCP links on loopback that can be cut, delayed and made to drop connections.

Every party's traffic to the others goes through one link for each pair that the plan names, so "cut off from the
network" means what it says: established connections die and new ones are refused. Only loopback is ever used.
"""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

LOOPBACK = "127.0.0.1"
_CHUNK = 65_536


@dataclass(slots=True)
class Weather:
    """How a link treats its traffic. Delays are seconds, ``drop`` is a share of new connections."""

    cut: bool = False
    delay_s: tuple[float, float] = (0.0, 0.0)
    drop: float = 0.0


def free_ports(count: int) -> list[int]:
    """``count`` distinct loopback ports that nobody listens on right now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Link:
    """One listening port that forwards to another, under its own ``Weather``."""

    def __init__(self, port: int, target: int, *, seed: int) -> None:
        self.port, self.target = port, target
        self.weather = Weather()
        self.dropped = 0
        self._random = random.Random(seed)  # noqa: S311  # weather, not secrets
        self._live: set[asyncio.StreamWriter] = set()

    async def open(self) -> asyncio.Server:
        """Start to listen."""
        return await asyncio.start_server(self._accept, LOOPBACK, self.port)

    def sever(self) -> None:
        """Kill what is established; called on the loop's own thread."""
        for writer in list(self._live):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        weather = self.weather
        if weather.cut or self._random.random() < weather.drop:
            self.dropped += 1
            writer.transport.abort()
            return
        try:
            there_reader, there = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            writer.transport.abort()
            return
        self._live |= {writer, there}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, there))
                group.create_task(self._pump(there_reader, writer))
        finally:
            self._live -= {writer, there}
            writer.transport.abort()
            there.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                low, high = self.weather.delay_s
                if high > 0:
                    await asyncio.sleep(self._random.uniform(low, high))
                if self.weather.cut:
                    break
                writer.write(chunk)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()


class Network:
    """All links of a drill, served by one thread of their own."""

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._links: dict[str, Link] = {}
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="drill-network", daemon=True)
        self._thread.start()

    def link(self, name: str, *, port: int, target: int) -> Link:
        """Open a link called ``name`` from ``port`` to ``target``."""
        link = Link(port, target, seed=self._seed + len(self._links))
        self._links[name] = link
        self._servers.append(self._call(link.open()))
        return link

    def cut(self, prefix: str) -> int:
        """Cut every link whose name starts with ``prefix``; returns how many."""
        return self._turn(prefix, cut=True)

    def mend(self, prefix: str) -> int:
        """Undo ``cut``."""
        return self._turn(prefix, cut=False)

    def weather(self, prefix: str, *, delay_s: tuple[float, float], drop: float) -> None:
        """Delay and drop on every link whose name starts with ``prefix``."""
        for name, link in self._links.items():
            if name.startswith(prefix):
                link.weather.delay_s, link.weather.drop = delay_s, drop

    @property
    def dropped(self) -> int:
        """How many connections the links refused so far."""
        return sum(link.dropped for link in self._links.values())

    def close(self) -> None:
        """Close every link and end the thread."""
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _shut(self) -> None:
        for server in self._servers:
            server.close()
        for link in self._links.values():
            link.sever()
        pumps = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if pumps:
            await asyncio.wait(pumps, timeout=2)
        await asyncio.sleep(0)  # aborted transports close their sockets on the next turn of the loop

    def _turn(self, prefix: str, *, cut: bool) -> int:
        chosen = [link for name, link in self._links.items() if name.startswith(prefix)]
        for link in chosen:
            link.weather.cut = cut
            if cut:
                self._loop.call_soon_threadsafe(link.sever)
        return len(chosen)

    def _call(self, work: Coroutine[Any, Any, asyncio.Server]) -> asyncio.Server:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)
