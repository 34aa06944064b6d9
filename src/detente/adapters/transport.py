"""A guard's way to issuers and to its own node over HTTP.

Decides which node gets which call, and that one connection pool serves all guards of a process. Leaves out the calls
(``adapters.client``), the event stream (``adapters.events``) and every judgement about what comes back (``guard``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from detente.adapters.client import NodeClient
from detente.adapters.events import listen
from detente.base.digest import Digest
from detente.base.errors import Unavailable
from detente.base.identity import Party
from detente.statement.signing import Signer


class HttpChannel:
    """``app.guarding.Channel`` over HTTP. ``issuers`` gives each issuer's URL, ``own`` that of the guard's node.

    Share one among the guards of a process; ``close`` it when the last is done.
    """

    asks_on_event = False
    """Nodes push notices, so a head that moved is no reason for a guard with leave to ask again."""

    def __init__(self, own: str, issuers: Mapping[Party, str]) -> None:
        self._own = NodeClient(own)
        self._issuers = {
            party: self._own if url.rstrip("/") == self._own.url else NodeClient(url) for party, url in issuers.items()
        }

    async def quote(self, issuer: Party, request: bytes) -> bytes:
        return await self._of(issuer).quote(request)

    async def sign(self, issuer: Party, ask: bytes) -> bytes:
        return await self._of(issuer).sign(ask)

    async def listen(self, issuer: Party, hear: Callable[[bytes], None]) -> None:
        """Sealed notices, and empty bytes for the news that one holds no more."""
        await listen(
            f"{self._of(issuer).url}/v1/events?only=notice,lifted",
            lambda event: hear(event.data if event.name == "notice" else b""),
        )

    async def listen_decisions(self, issuer: Party, proposal: Digest, hear: Callable[[], None]) -> None:
        """``hear`` whenever a decision on the proposal is news at the issuer, and once at the start."""
        await listen(f"{self._of(issuer).url}/v1/events?only=decision:{proposal}", lambda _: hear())

    async def submit(self, envelope: bytes) -> None:
        await self._own.submit(envelope, witnessed=False)

    async def store_blob(self, data: bytes, signer: Signer) -> Digest:
        return await self._own.store_blob(data, signer)

    async def close(self) -> None:
        await asyncio.gather(self._own.close(), *(client.close() for client in self._issuers.values()))

    def _of(self, issuer: Party) -> NodeClient:
        client = self._issuers.get(issuer)
        if client is None:
            raise Unavailable(f"no URL is known for {issuer}: name it under [peers] in config.toml")
        return client
