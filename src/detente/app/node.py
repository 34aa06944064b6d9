"""One party's node: its log, its mirrors' half, its evidence, its permits; everything a node does, without HTTP.

Decides how the parts meet. Leaves out transport (``server``) and what is so (the pure rooms).

Skeleton: signatures first; the parts follow.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from detente.accord.fold import AccordState
from detente.accord.reason import Place
from detente.accord.standing import Standing, Status
from detente.adapters.client import Receipt
from detente.app.config import Config
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.guard.decide import Decision
from detente.guard.intent import Intent

__all__ = ["Node", "Receipt", "open_node"]


@dataclass(frozen=True, slots=True)
class Filed:
    """A statement that the node knows: its envelope, where it stands, and when it was witnessed."""

    statement: Digest
    envelope: bytes
    places: tuple[Place, ...]
    witnessed_at: Instant | None


class Node:
    """Opened by ``open_node``; ``start`` begins its tasks, ``close`` ends them. One event loop, one process."""

    config: Config
    party: Party

    async def start(self) -> None: ...
    async def close(self) -> None: ...

    async def submit(self, envelope: bytes, *, witnessed: bool = True) -> Receipt:
        """Admit, sequence, store durably, sign, have mirrored, acknowledge with a proof."""
        raise NotImplementedError

    async def hear(self, envelope: bytes) -> Digest:
        """Take a statement that stands in no log yet: it counts at once if it restricts."""
        raise NotImplementedError

    async def quote(self, request: bytes) -> bytes:
        """Round 1 of a permit: a sealed request in, a sealed offer out."""
        raise NotImplementedError

    async def sign(self, ask: bytes) -> bytes:
        """Round 2 of a permit: a sealed ask in, ``guard.issue.encode_reply`` out."""
        raise NotImplementedError

    def state(self) -> AccordState:
        """The fold of everything stored."""
        raise NotImplementedError

    def status(self, at: Instant | None = None) -> Status:
        """The status now, or at an instant."""
        raise NotImplementedError

    def decide(self, intent: Intent) -> Decision:
        """What this node would decide now."""
        raise NotImplementedError

    def proposals(self) -> tuple[tuple[Digest, Party, Standing], ...]:
        """Proposals at hold points."""
        raise NotImplementedError

    def find_statement(self, statement: Digest) -> Filed:
        """Raises ``Refused`` N-not-found."""
        raise NotImplementedError

    def events(self) -> AsyncIterator[bytes]:
        """Sealed notices as this node makes them; empty bytes when a head moved (as ``guarding.Channel.events``)."""
        raise NotImplementedError


def open_node(home: Path) -> Node:
    """Lock the home, open its store, check it against the last signed head; raises ``Refused`` C…, N…."""
    raise NotImplementedError
