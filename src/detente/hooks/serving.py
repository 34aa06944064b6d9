r"""What stands beside a model server: it answers nginx's ``auth_request`` from kept leave, and relays what must be cut.

Decides what is answered (204, or 403 with the reason in a header), the configuration of nginx that goes with it, and how the process runs.
Leaves out leave (``app.kept_leave``) and the relay (``hooks.relay``). ``spec/serving.md`` §2.

>>> reason_header("paused by “call”\r\nX-Evil: 1")
b'paused by ?call?  X-Evil: 1'
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from detente.adapters.listening import UVICORN, listen_socket
from detente.app.kept_leave import KeptLeave
from detente.app.outfit import fastest_loop
from detente.base.errors import Misuse, Unavailable
from detente.hooks.relay import Leave, Relay, refusal_body

AUTH_MS: Final = 200
"""How long nginx waits for the gate: it answers from memory, in 0.2 ms."""
HEADER: Final = b"x-detente-reason"
BACKLOG: Final = 2_048
CONNECTIONS_MAX: Final = 4_096
REASON_MAX: Final = 200

Asgi = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

_NGINX: Final = """\
# Held by détente: what is passed on was allowed, and what is open is cut when leave ends.
# Put this into the `http` block, or include it there. Nothing else may listen for the model in plain sight.
upstream detente_gate {{ server {gate}; keepalive 16; }}
upstream detente_relay {{ server {relay}; keepalive 16; }}

server {{
    listen {listen};
    auth_request /_detente;              # Of the whole server: a location has to say `off` to be without it.
    auth_request_set $detente_reason $upstream_http_x_detente_reason;
    error_page 403 = @detente_held;      # The gate's word; 403 of the model itself passes as it is.

    location / {{
        proxy_pass http://detente_relay; # Not the model: the relay resets what is open when leave ends.
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_buffering off;
        proxy_next_upstream off;
    }}

    location = /_detente {{
        internal;
        auth_request off;
        proxy_pass http://detente_gate/leave;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_method GET;
        proxy_pass_request_body off;
        proxy_pass_request_headers off;
        proxy_set_header Content-Length "";
        proxy_cache off;
        proxy_connect_timeout {within};
        proxy_send_timeout {within};
        proxy_read_timeout {within};     # A gate that hangs or is dead: 500, and the model is not reached.
        proxy_next_upstream off;
    }}

    location @detente_held {{
        auth_request off;
        default_type application/json;
        add_header Retry-After 5 always;
        add_header X-Detente-Reason $detente_reason always;
        return 503 '{body}';
    }}
}}
"""


def nginx_config(*, gate: str, relay: str, listen: str = "127.0.0.1:8080", within_ms: int = AUTH_MS) -> str:
    """The configuration for nginx 1.22 or later, built with ``auth_request``. ``gate`` and ``relay`` are ``host:port``."""
    body = refusal_body("held: see x-detente-reason").decode("ascii")
    return _NGINX.format(gate=gate, relay=relay, listen=listen, within=f"{within_ms}ms", body=body)


def reason_header(why: str) -> bytes:
    """A reason as a header carries it: printable ASCII, one line."""
    said = "".join(each if " " <= each <= "~" else "?" if each.isprintable() else " " for each in why[:REASON_MAX])
    return said.strip().encode("ascii") or b"held"


def make_gate(leave: Leave) -> Asgi:
    """The application: ``/leave`` answers 204, or 403 with the reason; nothing else is there."""

    async def gate(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        if scope["type"] != "http":
            return
        if scope["path"] != "/leave":
            status, headers = 404, [(b"content-length", b"0")]
        elif said := leave.refusal():
            status, headers = 403, [(HEADER, reason_header(said)), (b"content-length", b"0")]
        else:
            status, headers = 204, []
        await send(
            {"type": "http.response.start", "status": status, "headers": [*headers, (b"cache-control", b"no-store")]}
        )
        await send({"type": "http.response.body", "body": b""})

    return gate


def listen_on(address: str, port: int) -> socket.socket:
    """A socket that listens: who connects before the server runs waits. Raises ``Unavailable``."""
    listening = listen_socket(address, port)
    try:
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise Unavailable(f"cannot listen on {address}:{port}: {error.strerror}") from None
    return listening


def parse_upstream(given: str) -> tuple[str, int]:
    """``host:port`` of the served model; raises ``Misuse``.

    >>> parse_upstream("127.0.0.1:8000")
    ('127.0.0.1', 8000)
    """
    host, _, port = given.removeprefix("http://").rstrip("/").rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise Misuse(f"got {given!r}; expected the model server as host:port, such as 127.0.0.1:8000")
    return host.strip("[]"), int(port)


def run_gate(
    kept: KeptLeave,
    *,
    gate: socket.socket,
    relay: tuple[socket.socket, str, int] | None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer and relay until SIGTERM or SIGINT; ``kept`` is started here. ``relay``: its socket, and the model's place."""
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        kept.start()
        try:
            runner.run(_serve(kept, gate, relay, ready))
        finally:
            kept.stop()


async def _serve(
    kept: KeptLeave,
    gate: socket.socket,
    relay: tuple[socket.socket, str, int] | None,
    ready: Callable[[], None],
) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    relaying = None
    if relay is not None:
        listening, host, port = relay
        relaying = asyncio.create_task(Relay(kept, host, port).serve(listening))
    await serve_asgi(make_gate(kept), gate, over=over, ready=ready)
    if relaying is not None:
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)


async def serve_asgi(app: Asgi, listening: socket.socket, *, over: asyncio.Event, ready: Callable[[], None]) -> None:
    """Serve ``app`` with uvicorn until ``over``."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # The caller's own.

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    config = uvicorn.Config(
        app,
        **UVICORN,
        date_header=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    ending = asyncio.create_task(over.wait())
    await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    ending.cancel()
    await serving
