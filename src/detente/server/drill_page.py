"""A running drill on a page of this machine: the page, what it loads, and events that say that there is more to see.

Decides how a drill's pictures reach a browser. Leaves out what stands on the page (``app.drill.live_page``) and the drill itself.

- On loopback alone, and only reading: nothing here changes anything, and the drill does not wait for whoever watches.
- The same policy as on a node's pages. Needs no extra; the nodes' own pages, to which it leads, need ``pages``.
- At the end whoever watches is given the last picture, for which is waited ``LAST_LOOK_S`` at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from detente.adapters.listening import listen_socket
from detente.app.drill.live_page import write_live
from detente.app.drill.report import STYLE
from detente.app.drill.showing import Showing
from detente.server.asgi import Asgi, Scope
from detente.server.events import KEEP_ALIVE_S, Message, Receive, Send
from detente.server.pages.files import IMMUTABLE, KINDS, asset, asset_path
from detente.server.pages.headers import add_headers

LOOPBACK: Final = "127.0.0.1"
CSS, EVENTS = "/report.css", "/events"
SCRIPT, ICON = "page.js", "icon.svg"
WATCHERS_MAX: Final = 64
"""Browsers that follow at once; any more read the page and reload it."""
LAST_LOOK_S: Final = 6.0
"""A page reads again at most 1.5 s after it was told to."""
POLL_S: Final = 0.05
_NOT_KEPT: Final = {"cache-control": "no-store"}
_STREAM: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}


def make_drill_app(showing: Showing) -> Asgi:
    """The application that shows one drill."""

    async def page(_: Request) -> Response:
        picture = showing.newest
        body = await asyncio.to_thread(
            write_live, picture, css=CSS, script=asset_path(SCRIPT), icon=asset_path(ICON), events=EVENTS
        )
        showing.seen = max(showing.seen, 0 if picture is None else picture.number)
        return Response(body, 200, _NOT_KEPT, "text/html; charset=utf-8")

    async def style(_: Request) -> Response:
        return Response(STYLE, 200, _NOT_KEPT, "text/css; charset=utf-8")

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in {SCRIPT, ICON}:
            return PlainTextResponse("not found", 404)
        return Response(asset(name), 200, {"cache-control": IMMUTABLE, "content-type": KINDS[name]})

    async def events(_: Request) -> Response:
        if showing.watched >= WATCHERS_MAX:
            return PlainTextResponse("too many watch already: reload the page instead", 503)
        return StreamingResponse(_told(showing), 200, _STREAM, "text/event-stream")

    routes = [("/", page), (CSS, style), ("/assets/{name}", file), (EVENTS, events)]
    return _with_headers(Starlette(routes=[Route(path, handler, methods=["GET"]) for path, handler in routes]))


async def _told(showing: Showing) -> AsyncIterator[bytes]:
    """Say so whenever there is a new picture, until the last."""
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    with showing.listening(lambda: loop.call_soon_threadsafe(news.set)):
        yield b": welcome\n\n"
        told = 0
        while True:
            picture = showing.newest
            if picture is not None and picture.number > told:
                told = picture.number
                yield f"event: {'over' if picture.over else 'moved'}\ndata: {told}\n\n".encode()
                if picture.over:
                    return
                continue
            try:
                await asyncio.wait_for(news.wait(), KEEP_ALIVE_S)
                news.clear()
            except TimeoutError:
                yield b": still here\n\n"


def _with_headers(inner: Callable[[Scope, Receive, Send], Awaitable[None]]) -> Asgi:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(message)
            await send(message)

        await inner(scope, receive, noting)

    return app


@contextlib.contextmanager
def serve_drill(showing: Showing) -> Iterator[str]:
    """Serve the page in a thread of its own within the block; gives its address. Raises ``Unavailable``."""
    listening = listen_socket(LOOPBACK, 0)
    listening.listen()  # Whoever comes before the server is up waits a moment and is not refused.
    server = uvicorn.Server(
        uvicorn.Config(
            make_drill_app(showing),
            loop="none",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])), name="drill page", daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{listening.getsockname()[1]}/"
    finally:
        _wait_for_last_look(showing)
        server.should_exit = True
        thread.join()
        listening.close()


def _wait_for_last_look(showing: Showing) -> None:
    last, deadline = showing.newest, time.monotonic() + LAST_LOOK_S
    while last is not None and showing.audience and showing.seen < last.number and time.monotonic() < deadline:
        time.sleep(POLL_S)
