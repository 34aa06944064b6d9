"""One organisation on one machine: guards and commands open the node's store themselves, when no node is served.

Decides how several processes share one home without a server: each opens the node for the moment of one call, under the
home's lock, and a guard looks at the file of the last signed head to see that somebody else has written. Leaves out
what a node does (``app.node``) and coalitions, whose nodes are served.

A command that finds the home owned for longer (``detente node serve`` runs) goes to that node over HTTP instead: see
``app.outfit``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from detente.adapters.client import blob_leave
from detente.app.config import Config
from detente.app.node import Node, open_node
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused, Unavailable
from detente.base.identity import Party
from detente.statement.signing import Signer

T = TypeVar("T")
LOOK_S = 0.05
"""How often a guard looks at the head file: one stat of 2 µs, so that a pause is heard within 50 ms."""
BUSY_MAX_S = 15.0
"""One call owns the home for some 50 ms; a hundred guards in line need five seconds."""
BUSY_PAUSE_S = 0.01


async def with_node(home: Path, call: Callable[[Node], Awaitable[T]], *, patience_s: float = BUSY_MAX_S) -> T:
    """Open the node of ``home``, ``call`` it, close it; waits for its turn. Raises ``Unavailable`` when none comes."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        try:
            node = open_node(home)
        except Refused as refused:
            if refused.kind != "busy":
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"another process owns {home}: {refused}") from None
            await asyncio.sleep(BUSY_PAUSE_S)
            continue
        try:
            return await call(node)
        finally:
            await node.close()


async def whole(data: bytes) -> AsyncIterator[bytes]:
    """Bytes that are all there, as a node receives them."""
    yield data


class DirectChannel:
    """``app.guarding.Channel`` into the store of the guard's own home: self-witnessed, one issuer."""

    asks_on_event = True
    """Nobody pushes a notice here: a head that moved is the reason to ask again."""

    def __init__(self, config: Config) -> None:
        self._home = config.home
        self._head = config.head_path
        self._turn = asyncio.Lock()

    async def quote(self, issuer: Party, request: bytes) -> bytes:  # noqa: ARG002 - there is one
        return await self._call(lambda node: node.quote(request))

    async def sign(self, issuer: Party, ask: bytes) -> bytes:  # noqa: ARG002 - there is one
        return await self._call(lambda node: node.sign(ask))

    async def submit(self, envelope: bytes) -> None:
        await self._call(lambda node: node.submit(envelope))

    async def store_blob(self, data: bytes, signer: Signer) -> Digest:
        digest = sha256_hex(data)
        leave = blob_leave(digest, signer)
        await self._call(lambda node: node.receive_blob(digest, leave, whole(data)))
        return digest

    async def listen(self, issuer: Party, hear: Callable[[bytes], None]) -> None:  # noqa: ARG002 - there is one
        """Empty bytes whenever the last signed head was replaced."""
        seen = self._mark()
        while True:
            await asyncio.sleep(LOOK_S)
            if (now := self._mark()) != seen:
                seen = now
                hear(b"")

    async def listen_decisions(self, issuer: Party, proposal: Digest, hear: Callable[[], None]) -> None:  # noqa: ARG002
        """At every move of the head: what moved it may be a decision."""
        await self.listen(issuer, lambda _: hear())

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _call(self, call: Callable[[Node], Awaitable[T]]) -> T:
        async with self._turn:
            return await with_node(self._home, call)

    def _mark(self) -> tuple[int, int]:
        with contextlib.suppress(OSError):
            found = self._head.stat()
            return found.st_mtime_ns, found.st_ino
        return 0, 0
