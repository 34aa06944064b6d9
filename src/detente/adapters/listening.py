"""A socket to listen on, and how uvicorn is set up behind it: for a node, and for every gate that answers over HTTP.

Decides the socket's options and what is alike of every server here. Leaves out applications, connections and how a server ends.

>>> listening = listen_socket("127.0.0.1", 0)
>>> listening.getsockname()[0]
'127.0.0.1'
>>> listening.close()
"""

from __future__ import annotations

import socket
from typing import Any, Final

from detente.base.errors import Unavailable

UVICORN: Final[dict[str, Any]] = {
    "loop": "none",
    "http": "httptools",
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "proxy_headers": False,
}
"""The loop is the caller's, and so is what is logged; nothing that a proxy claims is believed."""


def listen_socket(host: str, port: int) -> socket.socket:
    """A bound socket; raises ``Unavailable`` when the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off: it costs 40 ms an answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listening
