"""A proxy in front of an MLflow server: what may promote a model is asked about first, everything else passes.

Decides how a held request is answered, which version it is about by what the server says of it, and what is passed on and how. Leaves out
which requests are held (``hooks.mlflow_routes``) and asking (``app.gating``). ``spec/serving.md`` §3, rules J30 to J33.

- A held request is read whole, at most ``BODY_MAX`` bytes; the bytes that were judged are the bytes that are sent on.
- The answer is MLflow's own form of an error: 403 where the accord denies or holds, 503 where nobody answered.
- Observing, everything passes as it came; what would have been answered is recorded, a request that would not have been judged included.
- What passes is streamed both ways and kept nowhere. WebSockets do not pass; MLflow has none that its client needs.
- Whoever reaches the server's own port is not held: it belongs on a socket that only this process reaches.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import httpx

from detente.adapters.listing import digest_folder
from detente.app.asking import held as unanswered
from detente.app.gating import ask_release
from detente.app.observed_asking import record, spoken
from detente.app.outfit import fastest_loop
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Misuse, Refused, Unavailable, shown
from detente.guard.answer import Answer, digest_act
from detente.hooks.mlflow_routes import (
    BODY_MAX,
    GRAPHQL,
    Promotion,
    held,
    read_promotion,
    version_digest,
)
from detente.hooks.serving import serve_asgi

ASK_S: Final = 8.0
JUDGED_MAX: Final = 8
"""Held requests that are asked about at once; others wait."""
WAITING_MAX: Final = 64
BODY_S: Final = 30.0
UPSTREAM_S: Final = 10.0
"""How long the server may take to say what a version is."""
SAID_MAX: Final = 1 << 20
_HOP: Final = frozenset(
    b"connection expect keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)

Ask = Callable[[Promotion, Mapping[str, Any], Digest], Answer]
Observed = Callable[[str, str], None]


class MlflowGate:
    """The ASGI application over one server. ``ask`` answers for a promotion; ``artifacts`` is the server's artifact folder, if it is here.

    ``observed`` makes it hold nothing: it is told of each request that would have been refused unasked, and why; ``ask`` records the others.
    """

    def __init__(
        self,
        server: httpx.AsyncClient,
        ask: Ask,
        *,
        artifacts: Path | None = None,
        observed: Observed | None = None,
    ) -> None:
        self._server = server
        self._ask = ask
        self._artifacts = artifacts
        self._observed = observed
        self._slots = asyncio.Semaphore(JUDGED_MAX)
        self._waiting = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            return
        if self._observed is not None:
            await self._pass(scope, await self._seen(scope, receive, self._observed), send, None)
            return
        try:
            body = await self._judged(scope, receive)
        except DetenteError as error:
            await _refuse(send, error)
            return
        await self._pass(scope, receive, send, body)

    async def _seen(self, scope: Any, receive: Any, observed: Observed) -> Any:
        """What the request comes from once it was judged for the record: whatever was read of it, and then the rest."""
        read: deque[Any] = deque()

        async def keeping() -> Any:
            read.append(await receive())
            return read[-1]

        async def again() -> Any:
            return read.popleft() if read else await receive()

        try:
            await self._judged(scope, keeping)
        except Exception as error:  # noqa: BLE001 - whatever it is, what is only observed goes on
            why = str(error) if isinstance(error, DetenteError) else repr(error)[:500]
            await asyncio.to_thread(observed, f"{scope['method']} {shown(scope['path'])}", why)
        return again

    async def _judged(self, scope: Any, receive: Any) -> bytes | None:
        """None for what passes as it comes; else the body, once it may be sent on. Raises ``Refused`` J30 to J33, ``Unavailable``."""
        method, path = scope["method"], scope["path"]
        graphql = path.rstrip("/").endswith(GRAPHQL)
        if not graphql and not held(method, path):
            return None
        if self._waiting >= WAITING_MAX:
            raise Unavailable(f"{WAITING_MAX} promotions are being asked about already")
        self._waiting += 1
        try:
            body = await _read(scope, receive)
            if graphql and not held(method, path, body):
                return body
            if _header(scope, b"content-encoding"):
                raise _unread("a body with a content encoding")
            promotion = read_promotion(method, path, scope["query_string"], body)
            async with self._slots:
                await self._allowed(scope, promotion)
            return body
        finally:
            self._waiting -= 1

    async def _allowed(self, scope: Any, promotion: Promotion) -> None:
        about = await self._about(scope, promotion)
        version = await self._version(scope, promotion, about)
        answer = await asyncio.to_thread(self._ask, promotion, about, version)
        if answer.allowed or self._observed is not None:
            return
        if not answer.answered:
            raise Unavailable(f"no answer, so held: {promotion.what}: {answer.why}"[:1_000])
        raise Refused(
            "J30",
            "held",
            got=f"{promotion.what}, digest {version}: {answer.verdict}: {answer.why}"[:1_000],
            expected="leave of the accord to promote it",
            todo="a person can see why with `detente status --why`; send it again once that has changed",
        )

    async def _about(self, scope: Any, promotion: Promotion) -> dict[str, Any]:
        """What the server says of the version, empty where the request names none; raises ``Unavailable`` where it does not say."""
        name = promotion.name
        if promotion.alias:
            path, asked = "registered-models/alias", {"name": name, "alias": promotion.alias}
        elif name and promotion.version:
            path, asked = "model-versions/get", {"name": name, "version": promotion.version}
        else:
            return {}
        said = (await self._said(scope, f"/api/2.0/mlflow/{path}", asked)).get("model_version")
        if not isinstance(said, dict) or said.get("name") != name or not said.get("version"):
            raise Unavailable(f"the MLflow server says no version for {promotion.what}")
        # Descriptions, stages, tags and aliases move; a version is what does not.
        moves = {"description", "current_stage", "tags", "aliases", "last_updated_timestamp", "status_message"}
        return {key: str(value) for key, value in said.items() if key not in moves}

    async def _version(self, scope: Any, promotion: Promotion, about: Mapping[str, Any]) -> Digest:
        if self._artifacts is None or not (about or promotion.source):
            return version_digest(promotion, about)
        source = str(about.get("source", "")) or promotion.source
        if source.startswith("models:/m-") and "/" not in source.removeprefix("models:/"):
            route = f"/api/2.0/mlflow/logged-models/{source.removeprefix('models:/')}"
            model = (await self._said(scope, route, {})).get("model")
            info = model.get("info") if isinstance(model, dict) else None
            source = str(info.get("artifact_uri", "")) if isinstance(info, dict) else ""
        folder = artifact_folder(source, self._artifacts)
        try:
            return await asyncio.to_thread(digest_folder, folder)
        except OSError as error:
            raise Unavailable(f"cannot read the version's files: {error.strerror}") from None

    async def _said(self, scope: Any, path: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """What the server answers to a read, asked with the credentials of whoever sent the request."""
        headers = [(name, value) for name, value in scope["headers"] if name in {b"authorization", b"cookie", b"host"}]
        headers += [(name, value) for name, value in scope["headers"] if name == b"x-mlflow-workspace"]
        try:
            async with self._server.stream("GET", path, params=dict(asked), headers=headers, timeout=UPSTREAM_S) as got:
                data = b""
                async for piece in got.aiter_bytes():
                    data += piece
                    if len(data) > SAID_MAX:
                        raise Unavailable("the MLflow server says too much of the version")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"the MLflow server does not say what the version is: {type(error).__name__}") from None
        if got.status_code == 404:
            raise Refused(
                "J33",
                "not-found",
                got=f"a promotion of {shown(dict(asked))}",
                expected="a version that the MLflow server has",
            )
        if got.status_code != 200:
            raise Unavailable(f"the MLflow server answers {got.status_code} to which version is meant")
        try:
            value = json.loads(data)
        except ValueError:
            raise Unavailable("the MLflow server says no JSON of the version") from None
        return value if isinstance(value, dict) else {}

    async def _pass(self, scope: Any, receive: Any, send: Any, body: bytes | None) -> None:
        query = scope["query_string"]
        raw = scope.get("raw_path") or scope["path"].encode("utf-8")
        target = raw + (b"?" + query if query else b"")
        headers = _end_to_end(scope["headers"])
        content: bytes | AsyncIterator[bytes] | None = body
        if body is None and (
            _header(scope, b"content-length") not in {b"", b"0"} or _header(scope, b"transfer-encoding")
        ):
            content = _pieces(receive)
        # Not by ``build_request``, which would add headers of its own, such as encodings that the client cannot read.
        request = httpx.Request(
            scope["method"],
            self._server.base_url.copy_with(raw_path=target),
            headers=headers,
            content=content,
            extensions={"timeout": self._server.timeout.as_dict()},
        )
        try:
            answer = await self._server.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, Unavailable) as error:
            await _refuse(send, Unavailable(f"the MLflow server does not answer: {type(error).__name__}"))
            return
        try:  # What fails from here on ends the connection: the client has the beginning of an answer already.
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status_code,
                    "headers": _end_to_end((name.lower(), value) for name, value in answer.headers.raw),
                }
            )
            async for piece in answer.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await answer.aclose()


def artifact_folder(source: str, root: Path) -> Path:
    """Where the files of a version are below the server's artifact folder; raises ``Refused`` J31 for a source that lies elsewhere.

    >>> artifact_folder("mlflow-artifacts:/1/models/m-1/artifacts", Path("/srv/artifacts")).as_posix()
    '/srv/artifacts/1/models/m-1/artifacts'
    """
    parts = urlsplit(source)
    names = unquote(parts.path).strip("/").split("/")
    if parts.scheme != "mlflow-artifacts" or {"", ".", ".."} & {*names}:
        raise Refused(
            "J31",
            "malformed",
            got=f"a version from {shown(source)}",
            expected="one of the server's own artifacts, mlflow-artifacts:/…, whose files can be read here",
        )
    return root.joinpath(*names)


def make_ask(*, home: str | None, developer: str | None, within_s: float, observing: bool = False) -> Ask:
    """Ask the issuers about one promotion, within ``within_s``; ``observing`` records the answer, and says it on stderr."""

    def ask(promotion: Promotion, about: Mapping[str, Any], version: Digest) -> Answer:
        answer = ask_release(
            "mlflow",
            promotion.act(about),
            version,
            developer=developer,
            home=home,
            within_s=within_s,
            observing=observing,
        )
        if observing:
            _say(spoken(answer, f"{promotion.what}, digest {version}"))
        return answer

    return ask


def make_observed(*, home: str | None) -> Observed:
    """Record a request that would have been refused unasked, and say so on stderr."""

    def observed(what: str, why: str) -> None:
        answer = unanswered(digest_act("mlflow", {"what": what}), why)
        with contextlib.suppress(DetenteError):
            answer = record(answer, asker="mlflow", about=what, home=home)
        _say(spoken(answer, what))

    return observed


def _say(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"detente: {line}\n")
        sys.stderr.flush()


def open_server(to: str) -> httpx.AsyncClient:
    """A client of the server at ``http://host:port`` or ``unix:/path``; raises ``Misuse``.

    No proxy of the environment stands between, and no redirect is followed.
    """
    options = {"follow_redirects": False, "trust_env": False, "timeout": httpx.Timeout(600.0, connect=5.0)}
    if to.startswith("unix:/"):
        transport = httpx.AsyncHTTPTransport(uds=to.removeprefix("unix:"))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", **options)  # type: ignore[arg-type]
    parts = urlsplit(to)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise Misuse(f"got {to!r}; expected the server as http://host:port or unix:/path/of/socket")
    return httpx.AsyncClient(base_url=f"{parts.scheme}://{parts.netloc}", **options)  # type: ignore[arg-type]


def run_mlflow(
    to: str,
    listening: socket.socket,
    ask: Ask,
    *,
    artifacts: Path | None = None,
    observed: Observed | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT."""
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(
            _serve(to, listening, lambda server: MlflowGate(server, ask, artifacts=artifacts, observed=observed), ready)
        )


async def _serve(
    to: str,
    listening: socket.socket,
    gate: Callable[[httpx.AsyncClient], MlflowGate],
    ready: Callable[[], None],
) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    async with open_server(to) as server:
        await serve_asgi(gate(server), listening, over=over, ready=ready)


async def _read(scope: Any, receive: Any) -> bytes:
    """The whole body; raises ``Refused`` J31, J32."""
    length = _header(scope, b"content-length")
    if length and (not length.isdigit() or len(length) > 18 or int(length) > BODY_MAX):
        raise _oversized(f"Content-Length {length[:20].decode('latin-1')}")
    data = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in _pieces(receive):
                data += piece
                if len(data) > BODY_MAX:
                    raise _oversized(f"more than {BODY_MAX} bytes")
    except TimeoutError:
        raise _unread(f"no whole body in {BODY_S:.0f} s") from None
    return data


async def _pieces(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Unavailable("the client went away")
        if piece := message.get("body", b""):
            yield piece
        if not message.get("more_body", False):
            return


def _header(scope: Any, name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key == name), b"")


def _end_to_end(headers: Any) -> list[tuple[bytes, bytes]]:
    """Without those of one connection, and those that such a header names."""
    pairs = list(headers)
    named = {word.strip().lower() for key, value in pairs if key == b"connection" for word in value.split(b",")}
    return [(key, value) for key, value in pairs if key not in _HOP and key not in named]


async def _refuse(send: Any, error: DetenteError) -> None:
    """MLflow's own form: ``{"error_code", "message"}``."""
    kind = error.kind if isinstance(error, Refused) else ""
    code, status = {
        "held": ("PERMISSION_DENIED", 403),
        "malformed": ("INVALID_PARAMETER_VALUE", 400),
        "oversized": ("INVALID_PARAMETER_VALUE", 413),
        "not-found": ("RESOURCE_DOES_NOT_EXIST", 404),
    }.get(kind, ("TEMPORARILY_UNAVAILABLE", 503))
    body = json.dumps({"error_code": code, "message": str(error)}).encode("ascii")
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _oversized(got: str) -> Refused:
    return Refused("J32", "oversized", got=got, expected=f"a request that is judged of at most {BODY_MAX} bytes")


def _unread(got: str) -> Refused:
    return Refused("J31", "malformed", got=got, expected="a plain JSON object, without delay")
