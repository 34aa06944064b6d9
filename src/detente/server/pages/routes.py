"""Which path shows which page, and the JSON that stands beside it: one reader gives both.

Decides paths, and what an error looks like to a person. Leaves out what is shown (``app.viewing``) and how (``templates``).

A reader takes a look at the node and the parameters of the path, and gives a value. ``/v1/…`` writes it as JSON, the page renders it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from detente.app.node import Node
from detente.app.viewing.overview import heading, view_overview
from detente.app.viewing.sight import Lookout, Sight, Value
from detente.base.errors import DetenteError, Refused, shown
from detente.server.bounds import status_of

try:
    from detente.server.pages import rendering

    MISSING = ""
except ImportError as error:  # the extra `pages` was not installed
    MISSING = str(error.name)

Parameters = Mapping[str, str]
Reader = Callable[[Sight, Parameters], Value]
Handler = Callable[[Request], Awaitable[Response]]
IMMUTABLE: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class View:
    """One question: the path of its JSON, of its page and the template, and who answers. ``query`` are parameters it takes besides."""

    api: str
    page: str
    template: str
    read: Reader
    query: tuple[str, ...] = ()


VIEWS: Final[tuple[View, ...]] = (View("/v1/overview", "/", "overview.html", lambda sight, _: view_overview(sight)),)


class Pages:
    """The pages of one node and the JSON that they show."""

    def __init__(self, node: Node) -> None:
        self._lookout = Lookout(node)

    def api_routes(self) -> list[BaseRoute]:
        """The JSON half; needs no extra."""
        return [Route(view.api, self._as_json(view), methods=["GET"]) for view in VIEWS]

    def page_routes(self) -> list[BaseRoute]:
        """The half for people."""
        if MISSING:
            return [Route("/", _without_pages, methods=["GET"])]
        shown_views = [Route(view.page, self._as_page(view), methods=["GET"]) for view in VIEWS if view.page]
        return [*shown_views, Route("/assets/{name}", _asset, methods=["GET"])]

    def error_page(self, request: Request, error: DetenteError, status: int | None = None) -> Response | None:
        """An error as a page, where a person asked for one; None where a program did."""
        if MISSING or not wants_page(request):
            return None
        said = error.as_json() if isinstance(error, Refused) else {"rule": "", "unavailable": str(error)}
        return self._page("error.html", heading(self._lookout.look()), status or status_of(error), error=said)

    def _as_json(self, view: View) -> Handler:
        async def handler(request: Request) -> Response:
            return JSONResponse(self._read(view, request), 200, {"cache-control": "no-store"})

        return handler

    def _as_page(self, view: View) -> Handler:
        async def handler(request: Request) -> Response:
            api = view.api.format(**request.path_params)
            return self._page(view.template, self._read(view, request), api=api)

        return handler

    def _read(self, view: View, request: Request) -> Value:
        given = {name: request.query_params[name] for name in view.query if name in request.query_params}
        return view.read(self._lookout.look(), {**given, **request.path_params})

    def _page(self, template: str, value: Value, status: int = 200, *, api: str = "", **more: Any) -> Response:
        body = rendering.render(template, value, api=api, live=False, **more)
        return Response(body, status, {"cache-control": "no-store"}, "text/html; charset=utf-8")


def wants_page(request: Request) -> bool:
    """Does a person ask, with a browser, for something that is no part of the interface for programs?"""
    path = request.url.path
    of_programs = path.startswith(("/v1/", "/log/", "/mirror/", "/witness/", "/healthz", "/openapi"))
    return not of_programs and "text/html" in request.headers.get("accept", "")


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in rendering.KINDS:
        raise Refused("N17", "not-found", got=shown(request.url.path), expected="an asset that a page names")
    return Response(rendering.asset(name), 200, {"cache-control": IMMUTABLE, "content-type": rendering.KINDS[name]})


async def _without_pages(_: Request) -> Response:
    raise Refused(
        "N60",
        "not-found",
        got=f"a page, and no {MISSING}",
        expected="the extra `pages`, which brings what pages are made with",
        todo="pip install 'detente[pages]' and start the node again; everything below /v1 answers without it",
    )
