"""The ASGI application: rates first, then routes, then errors as JSON.

Decides what happens around every request. Leaves out the routes (``api``) and events (``events``).

A log line has the method, the path without its query, the status and the time it took; never a body, a header or an
address in full.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from detente.app.admission import Rates
from detente.app.node import Node
from detente.base.errors import DetenteError, Refused, shown
from detente.server.api import Api
from detente.server.bounds import error_response
from detente.server.events import Message, Receive, Send, serve_events
from detente.server.pages.headers import add_headers, check_site
from detente.server.pages.routes import Pages

_LOG = logging.getLogger("detente.http")
SLOW_S = 1.0
EVENTS = "/v1/events"

Scope = Any
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


def make_app(node: Node) -> Asgi:
    """The application over an opened node. Starting and closing the node is the caller's."""
    api = Api(node)
    pages = api.pages
    inner = Starlette(
        routes=[*api.routes(), *pages.page_routes()],
        exception_handlers={
            DetenteError: partial(_on_error, pages),
            HTTPException: partial(_on_http, pages),
            Exception: _on_bug,
        },
    )
    limits, own = node.config.limits, node.config.page_origin
    rates = Rates(per_s=limits.address_s, burst=10 * limits.address_s)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await inner(scope, receive, send)
            return
        started = time.monotonic()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                add_headers(message)
            await send(message)

        address = scope["client"][0] if scope.get("client") else "local"
        try:
            if not rates.take(address, at_s=started):
                raise Refused(
                    "N12",
                    "rate",
                    got="too many requests of one address",
                    expected=f"{limits.address_s} a second",
                    todo="wait a moment",
                )
            check_site(scope["method"], scope["headers"], own)
            if scope["path"] == EVENTS and scope["method"] == "GET":
                await serve_events(node.hub, scope["query_string"], receive, send)
                status = 200
            else:
                await inner(scope, receive, noting)
        except DetenteError as error:
            await error_response(error)(scope, receive, noting)
        took = time.monotonic() - started
        level = logging.INFO if status >= 500 or (took > SLOW_S and scope["path"] != EVENTS) else logging.DEBUG
        _LOG.log(level, "%s %s %d %.1f ms", scope["method"], shown(scope["path"]), status, 1_000 * took)

    return app


async def _on_error(pages: Pages, request: Request, error: Exception) -> Response:
    assert isinstance(error, DetenteError), "registered for these"
    return pages.error_page(request, error) or error_response(error)


async def _on_http(pages: Pages, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for these"
    if error.status_code == 405:
        refused = Refused(
            "N16", "malformed", got=f"{request.method} {shown(request.url.path)}", expected="a method of this path"
        )
        return JSONResponse(refused.as_json(), 405, error.headers)
    refused = Refused("N17", "not-found", got=shown(request.url.path), expected="a path of /openapi.json")
    return pages.error_page(request, refused, error.status_code) or JSONResponse(refused.as_json(), error.status_code)


async def _on_bug(request: Request, error: Exception) -> Response:
    _LOG.error("%s %s failed", request.method, shown(request.url.path), exc_info=error)
    return JSONResponse({"unavailable": "this node made a mistake; its log says which"}, 500)
