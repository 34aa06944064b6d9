"""The validating webhook of a Kubernetes cluster: HTTPS, one path, one answer for each request of an API server.

Decides what the caller gets over HTTP. Leaves out what is asked (``app.kubernetes.leave``) and what tells the API server to call it
(``app.kubernetes.manifests``). ``spec/kubernetes.md`` §2.

- ``POST /admission`` answers 200 with an AdmissionReview, or 4xx for what is none: an API server takes anything but an ``allowed``
  that echoes its uid for a failure, and ``failurePolicy: Fail`` makes that a refusal.
- The body, the question and the answer have one deadline together.
- ``GET /healthz`` says that the process answers; it says nothing about leave, since a gate that is asked for a pause is healthy.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from detente.adapters.listening import UVICORN
from detente.app.kubernetes.leave import ANSWER_S, POLICY_FILE, POLICY_MAX, Admission, parse_policy
from detente.app.kubernetes.reviewing import REVIEW_MAX
from detente.base.errors import Misuse, Refused, Unavailable

CONNECTIONS_MAX: Final = 1_024
GRACE_S: Final = 5
_LOG = logging.getLogger("detente.kubernetes")
_STATUS: Final = {"oversized": 413}


def make_app(admission: Admission) -> Starlette:
    """The application: two routes, both methods of their own."""

    async def admit(request: Request) -> Response:
        try:
            async with asyncio.timeout(admission.within_s):
                data = await _body(request)
            reply = await admission.answer(data)
        except Refused as refused:
            return JSONResponse(refused.as_json(), _STATUS.get(refused.kind, 400))
        except TimeoutError:
            return JSONResponse({"unavailable": "no whole body in time"}, 408)
        except ClientDisconnect:
            return JSONResponse({"unavailable": "the caller went away"}, 400)
        return Response(reply, media_type="application/json")

    async def healthy(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[Route("/admission", admit, methods=["POST"]), Route("/healthz", healthy, methods=["GET"])],
        exception_handlers={Exception: _on_bug},
    )


async def _body(request: Request) -> bytes:
    """The body, no more of it than a review may have."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        parts.append(part)
        if size > REVIEW_MAX:
            break
    return b"".join(parts)


async def _on_bug(_request: Request, error: Exception) -> Response:
    _LOG.error("an admission failed", exc_info=error)
    return JSONResponse({"unavailable": "the gate made a mistake; its log says which"}, 500)


def serve(
    *,
    home: Path,
    policy: Path | None,
    cert: Path,
    key: Path,
    listening: socket.socket,
    within_s: float = ANSWER_S,
    observe: bool = False,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT; raises ``Misuse`` for a certificate or ``Refused`` K23 for a policy that does not read.

    With ``observe`` every review that reads is admitted, and recorded.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise Misuse(f"cannot use the certificate {cert} with the key {key}: {error}") from None
    rules = parse_policy(_policy(home, policy))

    async def run() -> None:
        config = uvicorn.Config(
            make_app(Admission(home=home, policy=rules, within_s=within_s, observe=observe)),
            **UVICORN,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=str(cert),
            ssl_keyfile=str(key),
        )
        await _Server(config, ready).serve([listening])

    try:
        asyncio.run(run())
    finally:
        listening.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _policy(home: Path, given: Path | None) -> bytes:
    """The policy's bytes: as given, else the home's, else none. One that was given must be there."""
    try:
        with (given or home / POLICY_FILE).open("rb") as file:
            return file.read(POLICY_MAX + 1)
    except FileNotFoundError:
        if given is None:
            return b""
        raise Misuse(f"no policy at {given}") from None
    except OSError as error:
        raise Unavailable(f"cannot read {error.filename}: {error.strerror}") from None
