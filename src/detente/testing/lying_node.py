"""A lying mirror and issuer as a real process: signs every permit, offers nothing to read, cosigns what it never stored.

It has a real party's keys and answers on that party's port, so that a drill can show what one liar of n changes:
nothing. Every lie is printed, so that the drill can see that it was told. Never part of a coalition that is meant.

Run as ``python -m detente.testing.lying_node --home DIR --port PORT``.
"""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from detente.accord.terms import parse_terms
from detente.adapters.clock import SystemClock
from detente.app.config import load_config
from detente.base.errors import Refused
from detente.guard.issue import Signed, encode_reply
from detente.guard.permit import HeadsOffer, parse_ask, parse_request, seal_offer, sign_permit_body
from detente.log.checkpoint import Checkpoint, encode_checkpoint, parse_checkpoint
from detente.log.cosignature import sign_cosignature
from detente.log.mirror import parse_add_entries_header
from detente.log.note import encode_signature_line, parse_note

BODY_MAX = 2**20


class Liar:
    """The lies, with the keys of one party."""

    def __init__(self, home: Path) -> None:
        self.config = load_config(home)
        self.terms = parse_terms(self.config.read_terms())
        self.permit_key = self.config.signer("permit")
        self.mirror_key = self.config.signer("mirror")
        self.clock = SystemClock()
        self.pending: dict[str, Checkpoint] = {}

    async def health(self, _request: Request) -> Response:
        """It looks alive."""
        return JSONResponse({"party": self.config.party, "accord": self.config.accord, "size": 0})

    async def quote(self, request: Request) -> Response:
        """Everything is allowed, for as long as the terms let a permit live, and it has read nothing."""
        asked = parse_request(await _body(request))
        offer = HeadsOffer(
            request=asked.id,
            accord=asked.accord,
            terms=asked.terms,
            terms_version=self.terms.version,
            issuer=self.config.party,
            heads=(),
            allowed=True,
            rate=Decimal(1),
            life_s=self.terms.permits.calm_s,
            epoch=0,
            notices=0,
        )
        _told(f"offered everything for {asked.intent.activity} of {asked.party}")
        return Response(seal_offer(offer, self.permit_key), media_type="application/json")

    async def sign(self, request: Request) -> Response:
        """Whatever is put before it, it signs."""
        asked, ask, _ = parse_ask(await _body(request))
        _told(f"signed a permit for {asked.intent.activity} of {asked.party}")
        reply = Signed(sign_permit_body(ask.body, self.permit_key))
        return Response(encode_reply(reply), media_type="application/json")

    async def add_checkpoint(self, request: Request) -> Response:
        """Takes any checkpoint, consistent or not."""
        body = await _body(request)
        checkpoint = parse_checkpoint(parse_note(body.partition(b"\n\n")[2]).text)
        self.pending[checkpoint.origin] = checkpoint
        return Response(b"")

    async def add_entries(self, request: Request) -> Response:
        """Cosigns the last checkpoint it was shown and throws the entries away."""
        header, _ = parse_add_entries_header(await _body(request))
        checkpoint = self.pending.get(header.origin)
        keys = self.terms.keys[self.config.party]
        if checkpoint is None or keys.mirror is None:
            return Response(b"", status_code=404)
        line = sign_cosignature(
            encode_checkpoint(checkpoint), time_s=self.clock.now(), name=keys.mirror.name, signer=self.mirror_key
        )
        _told(f"cosigned {checkpoint.origin} at {checkpoint.size} without storing it")
        return Response(encode_signature_line(line), media_type="text/plain")

    async def nothing(self, _request: Request) -> Response:
        """Everything else it does not know."""
        return JSONResponse({"unavailable": "a liar has nothing to show"}, status_code=503)

    def application(self) -> Starlette:
        """The liar's routes: a few of a real node's."""
        return Starlette(
            routes=[
                Route("/healthz", self.health),
                Route("/v1/permits/heads", self.quote, methods=["POST"]),
                Route("/v1/permits", self.sign, methods=["POST"]),
                Route("/mirror/add-checkpoint", self.add_checkpoint, methods=["POST"]),
                Route("/mirror/add-entries", self.add_entries, methods=["POST"]),
                Route("/{rest:path}", self.nothing, methods=["GET", "POST", "PUT"]),
            ],
            exception_handlers={Refused: _refused},
        )


async def _refused(_request: Request, error: Exception) -> Response:
    said = error.as_json() if isinstance(error, Refused) else {}
    return JSONResponse(said, status_code=400)


async def _body(request: Request) -> bytes:
    parts = bytearray()
    async for chunk in request.stream():
        parts += chunk
        if len(parts) > BODY_MAX:
            raise Refused("N10", "oversized", got="more", expected=f"at most {BODY_MAX} bytes")
    return bytes(parts)


def _told(lie: str) -> None:
    sys.stdout.write(f"lied: {lie}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve lies until ended."""
    parser = argparse.ArgumentParser(prog="python -m detente.testing.lying_node")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    uvicorn.run(Liar(given.home).application(), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
