"""Which path shows which page, and the JSON that stands beside it: one reader gives both.

Decides paths, and what an error looks like to a person. Leaves out what is shown (``app.viewing``) and how (``templates``).

A reader takes a look at the node and the parameters of the path, and gives a value. ``/v1/…`` writes it as JSON, the page renders it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from detente.adapters.client import BLOB_HEADER
from detente.app.node import Node
from detente.app.viewing.agreement import view_accord
from detente.app.viewing.changes import bytes_of
from detente.app.viewing.entries import view_entry, view_logs, view_statement
from detente.app.viewing.findings import view_finding
from detente.app.viewing.lineage import view_version
from detente.app.viewing.overview import heading, view_enrolment, view_overview
from detente.app.viewing.parties import view_party, view_run
from detente.app.viewing.pausing import view_pause
from detente.app.viewing.proposals import fetch_proposal_change, view_change, view_proposal, view_proposals
from detente.app.viewing.reviewers import view_reviewer
from detente.app.viewing.sight import Lookout, Sight, Value
from detente.base.digest import Digest, parse_digest
from detente.base.errors import DetenteError, Refused, shown
from detente.base.identity import parse_party
from detente.server.bounds import status_of
from detente.server.pages.files import IMMUTABLE, KINDS, asset
from detente.statement.fields import parse_name

try:
    from detente.server.pages import colouring, rendering

    MISSING = ""
except ImportError as error:  # the extra `pages` was not installed
    MISSING = str(error.name)

Parameters = Mapping[str, str]
Reader = Callable[[Sight, Parameters], Value]
Waiting = Callable[[Sight, Parameters], Awaitable[None]]
Handler = Callable[[Request], Awaitable[Response]]
NUMBER_DIGITS: Final = 18


async def _at_once(_sight: Sight, _parameters: Parameters) -> None:
    """Nothing to wait for."""


@dataclass(frozen=True, slots=True)
class View:
    """One question: the path of its JSON (empty: none), of its page and the template (empty: no page), and who answers.

    ``query`` are parameters it takes besides those of the path; ``wait`` has at hand what takes a disk's or a processor's time.
    """

    api: str
    page: str
    template: str
    read: Reader
    query: tuple[str, ...] = ()
    wait: Waiting = _at_once


def _digest(parameters: Parameters, name: str) -> Digest:
    return parse_digest(parameters[name])


def _number(parameters: Parameters, name: str) -> int | None:
    """A whole number, if it is given; raises ``Refused`` N14."""
    text = parameters.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > NUMBER_DIGITS:
        raise Refused("N14", "malformed", got=f"{name}={shown(text)}", expected="a whole number")
    return int(text)


VIEWS: Final[tuple[View, ...]] = (
    View("/v1/overview", "/", "overview.html", lambda sight, _: view_overview(sight)),
    View("/v1/proposals", "/proposals", "proposals.html", lambda sight, _: view_proposals(sight)),
    View(
        "/v1/proposals/{proposal}",
        "/proposals/{proposal}",
        "proposal.html",
        lambda sight, given: view_proposal(sight, _digest(given, "proposal")),
        wait=lambda sight, given: fetch_proposal_change(sight, _digest(given, "proposal")),
    ),
    View(
        "/v1/proposals/{proposal}/change",
        "",
        "",
        lambda sight, given: view_change(sight, _digest(given, "proposal")),
        wait=lambda sight, given: fetch_proposal_change(sight, _digest(given, "proposal")),
    ),
    View(
        "/v1/parties/{party}",
        "/parties/{party}",
        "party.html",
        lambda sight, given: view_party(sight, given["party"]),
    ),
    View("/v1/runs/{run}", "/runs/{run}", "run.html", lambda sight, given: view_run(sight, _digest(given, "run"))),
    View(
        "/v1/versions/{version}",
        "/versions/{version}",
        "version.html",
        lambda sight, given: view_version(sight, _digest(given, "version")),
    ),
    View(
        "/v1/findings/{finding}",
        "/findings/{finding}",
        "finding.html",
        lambda sight, given: view_finding(sight, _digest(given, "finding")),
    ),
    View(
        "/v1/entries",
        "/entries",
        "entries.html",
        lambda sight, given: view_logs(sight, given.get("log"), _number(given, "before")),
        query=("log", "before"),
    ),
    View(
        "/v1/entries/{statement}",
        "/entries/{statement}",
        "entry.html",
        lambda sight, given: view_statement(sight, _digest(given, "statement")),
    ),
    View(
        "/v1/entries/{log}/{index}",
        "/entries/{log}/{index}",
        "entry.html",
        lambda sight, given: view_entry(sight, given["log"], _number(given, "index") or 0),
    ),
    View("/v1/accord", "/accord", "accord.html", lambda sight, _: view_accord(sight)),
    View("/v1/pause", "/pause", "pause.html", lambda sight, _: view_pause(sight)),
    View("", "/enrol", "enrol.html", lambda sight, _: view_enrolment(sight)),
)


class Pages:
    """The pages of one node and the JSON that they show."""

    def __init__(self, node: Node) -> None:
        self._lookout = Lookout(node)

    def api_routes(self) -> list[BaseRoute]:
        """The JSON half; needs no extra."""
        return [Route(view.api, self._as_json(view), methods=["GET"]) for view in VIEWS if view.api]

    def page_routes(self) -> list[BaseRoute]:
        """The half for people."""
        if MISSING:
            return [Route("/", _without_pages, methods=["GET"])]
        shown_views = [Route(view.page, self._as_page(view), methods=["GET"]) for view in VIEWS if view.page]
        return [
            *shown_views,
            Route("/reviewers/{organisation}/{reviewer:path}", self._reviewer, methods=["GET"]),
            Route("/assets/{name}", _asset, methods=["GET"]),
        ]

    def error_page(self, request: Request, error: DetenteError, status: int | None = None) -> Response | None:
        """An error as a page, where a person asked for one; None where a program did."""
        if MISSING or not wants_page(request):
            return None
        said = error.as_json() if isinstance(error, Refused) else {"rule": "", "unavailable": str(error)}
        return _html(
            rendering.render_page("error.html", heading(self._lookout.look()), error=said), status or status_of(error)
        )

    def _as_json(self, view: View) -> Handler:
        async def handler(request: Request) -> Response:
            sight, given = await self._looked(view, request)
            return JSONResponse(view.read(sight, given), 200, {"cache-control": "no-store"})

        return handler

    def _as_page(self, view: View) -> Handler:
        async def handler(request: Request) -> Response:
            sight, given = await self._looked(view, request)
            if not given:  # One page of one look is rendered once, however many ask for it.
                body = sight.keep(
                    f"page {view.page}", lambda: rendering.render_page(view.template, view.read(sight, given), view.api)
                )
                return _html(body)
            value = view.read(sight, given)
            api = view.api.format(**request.path_params)
            return _html(rendering.render_page(view.template, value, api, change=await _change(sight, value)))

        return handler

    async def _reviewer(self, request: Request) -> Response:
        """A reviewer's page: with the header of ``/v1/reviewers/…`` it has the figures, and without it nobody's."""
        organisation = parse_party(request.path_params["organisation"])
        reviewer = parse_name(request.path_params["reviewer"])
        signed, sight = request.headers.get(BLOB_HEADER), self._lookout.look()
        review = None if signed is None else await sight.node.review(organisation, reviewer, signed)
        return _html(rendering.render_page("reviewer.html", view_reviewer(sight, organisation, reviewer, review)))

    async def _looked(self, view: View, request: Request) -> tuple[Sight, Parameters]:
        """A look at the node, with what the question needs at hand, and the parameters."""
        given = {name: request.query_params[name] for name in view.query if name in request.query_params}
        given |= request.path_params
        sight = self._lookout.look()
        await view.wait(sight, given)
        return sight, given


async def _change(sight: Sight, value: Value) -> object:
    """The change of a proposal as HTML, made beside the event loop; nothing for any other value."""
    change = value.get("change")
    if not isinstance(change, dict) or change["kind"] not in {"diff", "text"}:
        return ""
    digest = change["digest"]
    return await asyncio.to_thread(colouring.show_change, bytes_of(sight, digest), digest)


def _html(body: str, status: int = 200) -> Response:
    return Response(body, status, {"cache-control": "no-store"}, "text/html; charset=utf-8")


def wants_page(request: Request) -> bool:
    """Does a person ask, with a browser, for something that is no part of the interface for programs?"""
    path = request.url.path
    of_programs = path.startswith(("/v1/", "/log/", "/mirror/", "/witness/", "/healthz", "/openapi"))
    return not of_programs and "text/html" in request.headers.get("accept", "")


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in KINDS:
        raise Refused("N17", "not-found", got=shown(request.url.path), expected="an asset that a page names")
    return Response(asset(name), 200, {"cache-control": IMMUTABLE, "content-type": KINDS[name]})


async def _without_pages(_: Request) -> Response:
    raise Refused(
        "N60",
        "not-found",
        got=f"a page, and no {MISSING}",
        expected="the extra `pages`, which brings what pages are made with",
        todo="pip install 'detente[pages]' and start the node again; everything below /v1 answers without it",
    )
