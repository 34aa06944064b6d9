"""Which path is answered by which method of the node.

Decides paths, methods, sizes and headers. Leaves out meaning: each handler reads a bounded body, calls the node, and
writes what it says. ``openapi`` describes the same routes, and a test compares the two.

Everything that changes something is a signed statement, a signed request or bytes under their own digest; there are no
sessions, cookies or tokens.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from detente.accord.explain import explain
from detente.accord.oversight import oversight
from detente.adapters.client import BLOB_HEADER
from detente.app.deciding import DECISION_MAX, decision_options, file_decision, read_asked, read_posted
from detente.app.log_serving import PAGE
from detente.app.mirroring import Mirror
from detente.app.node import Node
from detente.app.own_figures import leave_options
from detente.app.registering import registration_options
from detente.app.waiting import waiting_for
from detente.base.digest import parse_digest
from detente.base.errors import Refused, shown
from detente.base.identity import parse_party
from detente.base.instant import show_instant
from detente.base.quantity import show_decimal
from detente.base.strict_json import parse_json
from detente.guard.intent import parse_intent
from detente.guard.permit import parse_ask, parse_request
from detente.log.note import NOTE_MAX
from detente.log.witness import REQUEST_MAX, Reply
from detente.measure.review.note import NOTE_BYTES_MAX
from detente.server.bounds import (
    BLOB_S,
    INTENT_MAX,
    NOTES_MAX,
    UPLOAD_MAX,
    Slots,
    body_parts,
    in_time,
    read_body,
)
from detente.server.openapi import OPENAPI
from detente.server.pages.routes import Pages
from detente.statement.envelope import MAX_ENVELOPE_BYTES
from detente.statement.fields import parse_name

SINCE_MAX = 2**62
IMMUTABLE = "public, max-age=31536000, immutable"
NOT_KEPT = "no-store"

Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The handlers over one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.pages = Pages(node)
        # Each kind has slots of its own: whoever fetches evidence must not keep entries from a mirror.
        self._uploads, self._stores, self._reads = (Slots(node.config.limits.uploads) for _ in range(3))

    def routes(self) -> list[BaseRoute]:
        """Every route but ``/v1/events`` and the pages for people."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/healthz", self.health),
            ("GET", "/openapi.json", self.openapi),
            ("POST", "/v1/statements", self.submit),
            ("GET", "/v1/statements/{statement}", self.statement),
            ("POST", "/v1/heard", self.hear),
            ("POST", "/v1/permits/heads", self.quote),
            ("POST", "/v1/permits", self.sign),
            ("POST", "/v1/decide", self.decide),
            ("GET", "/v1/status", self.status),
            ("GET", "/v1/gossip", self.gossip),
            ("GET", "/v1/blobs/{digest}", self.blob),
            ("PUT", "/v1/blobs/{digest}", self.store_blob),
            ("GET", "/v1/credentials/options", self.registration_options),
            ("GET", "/v1/decisions/options", self.decision_options),
            ("POST", "/v1/decisions", self.file_decision),
            ("POST", "/v1/notes", self.keep_note),
            ("DELETE", "/v1/notes/{digest}", self.erase_note),
            ("GET", "/v1/waiting", self.waiting),
            ("GET", "/v1/screening", self.screening),
            ("GET", "/v1/changes/{digest}", self.change),
            ("GET", "/v1/reviewers/options", self.leave_options),
            ("GET", "/v1/reviewers/{organisation}/{reviewer:path}", self.reviewer),
            ("POST", "/mirror/add-checkpoint", self.mirror_head),
            ("POST", "/mirror/add-entries", self.mirror_entries),
            ("POST", "/mirror/cosigned", self.cosigned),
            ("POST", "/witness/add-checkpoint", self.witness_head),
            ("GET", "/witness/{log}/checkpoint", self.witness_checkpoint),
            ("GET", "/log/{log}/checkpoint", self.checkpoint),
            ("GET", "/log/{log}/latest", self.latest),
            ("GET", "/log/{log}/cosignatures", self.cosignatures),
            ("GET", "/log/{log}/equivocation", self.equivocation),
            ("GET", "/log/{log}/tile/{tile:path}", self.tile),
        ]
        return [*(Route(path, handler, methods=[method]) for method, path, handler in table), *self.pages.api_routes()]

    # Statements

    async def submit(self, request: Request) -> Response:
        wait = _choice(request, "wait", ("witnessed", "logged"))
        receipt = await self._node.submit(await read_body(request, MAX_ENVELOPE_BYTES), witnessed=wait == "witnessed")
        value = {
            "statement": receipt.statement,
            "origin": receipt.place.origin,
            "index": receipt.place.index,
            "witnessed": receipt.witnessed,
            "proof": receipt.proof.decode(),
        }
        return _json(value, 200 if receipt.witnessed else 202)

    async def statement(self, request: Request) -> Response:
        filed = self._node.find_statement(parse_digest(request.path_params["statement"]))
        return _json(
            {
                "statement": filed.statement,
                "envelope": base64.b64encode(filed.envelope).decode(),
                "places": [{"origin": place.origin, "index": place.index} for place in filed.places],
                "witnessed_at": None if filed.witnessed_at is None else show_instant(filed.witnessed_at),
            }
        )

    async def hear(self, request: Request) -> Response:
        return _json({"statement": await self._node.hear(await read_body(request, MAX_ENVELOPE_BYTES))})

    # Permits

    async def quote(self, request: Request) -> Response:
        sealed = await read_body(request, MAX_ENVELOPE_BYTES)
        self._node.check_guard_rate(parse_request(sealed).guard)
        return _bytes(await self._node.quote(sealed), "application/json")

    async def sign(self, request: Request) -> Response:
        sealed = await read_body(request, MAX_ENVELOPE_BYTES)
        self._node.check_guard_rate(parse_ask(sealed)[0].guard)
        return _bytes(await self._node.sign(sealed), "application/json")

    async def decide(self, request: Request) -> Response:
        value = parse_json(await read_body(request, INTENT_MAX), limit=INTENT_MAX)
        decision = self._node.decide(parse_intent(value))
        return _json(
            {
                "allowed": decision.allowed,
                "rate": show_decimal(decision.rate),
                "life_s": decision.life_s,
                "held_by": list(decision.held_by),
                "reasons": [reason.as_json() for reason in decision.reasons],
            }
        )

    # Passkeys

    async def registration_options(self, request: Request) -> Response:
        return _json(
            registration_options(
                self._node.state(),
                self._node.clock.now(),
                organisation=parse_party(request.query_params.get("organisation")),
                reviewer=parse_name(request.query_params.get("reviewer")),
                rp_id=self._node.config.page_rp_id,
                origin=self._node.config.page_origin,
            )
        )

    async def decision_options(self, request: Request) -> Response:
        return _json(decision_options(self._node, read_asked(dict(request.query_params))))

    async def file_decision(self, request: Request) -> Response:
        posted = read_posted(await read_body(request, DECISION_MAX))
        statement, receipt, label = await file_decision(self._node, posted)
        value = {
            "statement": statement,
            "label": label,
            "origin": receipt.place.origin,
            "index": receipt.place.index,
            "witnessed": receipt.witnessed,
        }
        return _json(value, 200 if receipt.witnessed else 202)

    # State

    async def status(self, request: Request) -> Response:
        status = self._node.status()
        beside = [each.as_json() for each in oversight(self._node.state(), status.at)]
        value = {**status.as_json(), "oversight": beside}
        if _choice(request, "why", ("0", "1")) == "1":
            value["why"] = [reason.as_json() for reason in explain(status)]
        return _json(value)

    async def health(self, _: Request) -> Response:
        return _json(self._node.health())

    async def openapi(self, _: Request) -> Response:
        return _json(OPENAPI, cache="public, max-age=3600")

    # Evidence

    async def blob(self, request: Request) -> Response:
        digest = parse_digest(request.path_params["digest"])
        async with self._reads.of(request):  # Each may hold 64 MiB in memory.
            data, kept = await self._node.read_blob(digest, request.headers.get(BLOB_HEADER, ""))
            return _bytes(data, "application/octet-stream", "private, no-store" if kept else IMMUTABLE)

    async def store_blob(self, request: Request) -> Response:
        digest = parse_digest(request.path_params["digest"])
        parts = body_parts(request, self._node.config.limits.blob_bytes)
        async with self._stores.of(request), in_time(BLOB_S):
            size = await self._node.receive_blob(digest, request.headers.get(BLOB_HEADER, ""), parts)
        return _json({"digest": digest, "bytes": size}, 201)

    # Reviewers

    async def keep_note(self, request: Request) -> Response:
        data = await read_body(request, NOTE_BYTES_MAX)
        address = request.client.host if request.client is not None else "local"
        kind = request.headers.get("content-type", "")
        return _json({"note": await self._node.review_notes.keep(data, kind=kind, address=address)}, 201)

    async def erase_note(self, request: Request) -> Response:
        digest = parse_digest(request.path_params["digest"])
        organisation = parse_party(request.query_params.get("organisation"))
        reviewer = parse_name(request.query_params.get("reviewer"))
        signed = request.headers.get(BLOB_HEADER, "")
        await self._node.review_notes.erase(digest, organisation, reviewer, signed)
        return _json({"erased": digest})

    async def leave_options(self, request: Request) -> Response:
        note = request.query_params.get("note")
        return _json(
            leave_options(
                self._node,
                parse_party(request.query_params.get("organisation")),
                parse_name(request.query_params.get("reviewer")),
                None if note is None else parse_digest(note),
            )
        )

    async def waiting(self, request: Request) -> Response:
        asked = request.query_params.get("for")
        organisation = None if asked is None else parse_party(asked)
        found = waiting_for(self._node.state(), self._node.clock.now(), organisation)
        return _json({"waiting": [each.as_json() for each in found]})

    async def screening(self, _: Request) -> Response:
        return _json(await asyncio.to_thread(self._node.screening))

    async def change(self, request: Request) -> Response:
        return _json(self._node.change(parse_digest(request.path_params["digest"])))

    async def reviewer(self, request: Request) -> Response:
        organisation = parse_party(request.path_params["organisation"])
        reviewer = parse_name(request.path_params["reviewer"])
        return _json(await self._node.review(organisation, reviewer, request.headers.get(BLOB_HEADER, "")))

    async def gossip(self, request: Request) -> Response:
        following, notes = self._node.logs.gossip(_number(request, "since", 0))
        return _json({"next": following, "notes": [base64.b64encode(note).decode() for note in notes]})

    # Mirrors and witness

    async def mirror_head(self, request: Request) -> Response:
        return _reply(await self._mirror.add_checkpoint(await read_body(request, REQUEST_MAX)))

    async def mirror_entries(self, request: Request) -> Response:
        async with self._uploads.of(request):  # Each may hold 17 MB in memory.
            return _reply(await self._mirror.add_entries(await read_body(request, UPLOAD_MAX)))

    async def witness_head(self, request: Request) -> Response:
        return _reply(await self._node.witness.add_checkpoint(await read_body(request, REQUEST_MAX)))

    async def cosigned(self, request: Request) -> Response:
        body = await read_body(request, NOTES_MAX)
        notes = parse_notes(body)
        for note in notes:
            await self._node.follower.take_note(note, None)
        return _json({"notes": len(notes)})

    async def witness_checkpoint(self, request: Request) -> Response:
        log = self._node.book.find_hashed(request.path_params["log"])
        return _bytes(self._node.witness.checkpoint(log), _TEXT)

    # Logs

    async def checkpoint(self, request: Request) -> Response:
        return _bytes(self._node.logs.checkpoint(request.path_params["log"]), _TEXT, "no-cache")

    async def latest(self, request: Request) -> Response:
        return _bytes(self._node.logs.latest(request.path_params["log"]), _TEXT)

    async def cosignatures(self, request: Request) -> Response:
        notes = self._node.logs.cosigned(request.path_params["log"], _number(request, "size", 0))
        return _json({"notes": [base64.b64encode(note).decode() for note in notes], "most": PAGE})

    async def equivocation(self, request: Request) -> Response:
        return _bytes(self._node.logs.equivocation(request.path_params["log"]), _TEXT)

    async def tile(self, request: Request) -> Response:
        data, _ = self._node.logs.tile(request.path_params["log"], f"tile/{request.path_params['tile']}")
        # A partial tile never changes either: its path names its width.
        return _bytes(data, "application/octet-stream", IMMUTABLE)

    @property
    def _mirror(self) -> Mirror:
        return self._node.mirror


_TEXT = "text/plain; charset=utf-8"


def _json(value: Any, status: int = 200, cache: str = NOT_KEPT) -> Response:
    return JSONResponse(value, status, {"cache-control": cache})


def _bytes(data: bytes, kind: str, cache: str = NOT_KEPT) -> Response:
    return Response(data, 200, {"cache-control": cache}, kind)


def _reply(reply: Reply) -> Response:
    return Response(
        reply.body, int(reply.status), {"cache-control": NOT_KEPT, "accept-encoding": "gzip"}, reply.content_type
    )


def _choice(request: Request, name: str, known: tuple[str, str]) -> str:
    """A query parameter with two values, the first by default; raises ``Refused`` N14."""
    value = request.query_params.get(name, known[0])
    if value not in known:
        raise _bad_query(f"{name}={shown(value)}", " or ".join(known))
    return value


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, str(default))
    if not value.isascii() or not value.isdigit() or len(value) > 19 or int(value) > SINCE_MAX:
        raise _bad_query(f"{name}={shown(value)}", "a whole number")
    return int(value)


def parse_notes(data: bytes) -> list[bytes]:
    """Notes, each after its length as a big-endian uint32, 64 at most; raises ``Refused`` N15."""
    notes: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        note = data[at + 4 : at + 4 + size]
        if len(note) != size or not 0 < size <= NOTE_MAX or len(notes) == 64:
            raise Refused("N15", "malformed", got=f"{len(data)} bytes", expected="at most 64 notes after their lengths")
        notes.append(note)
        at += 4 + size
    return notes


def _bad_query(got: str, expected: str) -> Refused:
    return Refused("N14", "malformed", got=got, expected=expected)
