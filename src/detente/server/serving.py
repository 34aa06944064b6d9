"""Serve a node with uvicorn until a signal: one process, one event loop.

Decides how the server is set up and ends. Leaves out the application (``asgi``).

At SIGTERM or SIGINT no new connection is taken, listeners are told good-bye, running requests get ``GRACE_S``, then the
node finishes what it is writing and gives its home back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from detente.adapters.listening import UVICORN
from detente.app.node import Node
from detente.server.asgi import make_app

GRACE_S = 5
BACKLOG = 2_048
CONNECTIONS_MAX = 4_096
"""Connections at once; beyond, uvicorn answers 503."""


async def serve_node(
    node: Node, listening: socket.socket, *, ready: Callable[[], None] = lambda: None, stop: asyncio.Event | None = None
) -> None:
    """Serve until a signal or ``stop``, then close the node. ``ready`` is called once requests are answered."""
    config = uvicorn.Config(
        make_app(node),
        **UVICORN,
        date_header=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config, node, ready)
    stopping = asyncio.ensure_future(_stop(server, stop)) if stop is not None else None
    try:
        await server.serve([listening])
    finally:
        if stopping is not None:
            stopping.cancel()
        listening.close()
        await node.close()


async def _stop(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, node: Node, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._node = node
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises a signal again once it has shut down, which would end the process before the node is closed.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._node.start()
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Listeners never end by themselves; without this every shutdown would take the whole grace.
        self._node.hub.close()
        await super().shutdown(sockets)


def run_node(node: Node, listening: socket.socket, *, ready: Callable[[], None] = lambda: None) -> None:
    """``serve_node`` in an event loop of its own."""
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        logging.getLogger("detente.node").info("no uvloop: asyncio's own loop serves")
        runner = asyncio.Runner()
    with runner:
        runner.run(serve_node(node, listening, ready=ready))
