"""File results as signed ``measurement`` statements, and keep the ledgers below them at the node.

Decides what is signed: one statement for each indicator, its evidence the digests of ledgers, whose bytes are stored first where the node takes
them. Leaves out whether the terms oblige anybody to measure, and what follows (``accord``). A ledger that the node does not take, because
it is too large, is named; its digest stays in the statement, and whoever has the bytes can show them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from detente.app.door import open_door
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.measure.indicator import Ledger, Result, measurements
from detente.statement.measurement import Measurement

T = TypeVar("T")
PATIENCE_S: Final = 60.0
"""How long a node's limit of statements a second is waited for: a page of a hundred indicators needs some seconds."""
PAUSE_S: Final = 0.25
BATCH: Final = 10
"""Statements filed side by side; a batch that a node finds too fast is sent again whole, and copies merge."""


@dataclass(slots=True)
class Filed:
    """What was filed: statement ids by indicator, ledgers stored, and those that the node did not take, with its reason."""

    party: str
    statements: list[tuple[str, Digest]] = field(default_factory=list)
    stored: list[tuple[str, Digest]] = field(default_factory=list)
    not_stored: list[tuple[str, Digest, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.party,
            "statements": [{"indicator": name, "statement": made} for name, made in self.statements],
            "stored": [{"ledger": name, "digest": digest} for name, digest in self.stored],
            "not_stored": [{"ledger": name, "digest": d, "why": why} for name, d, why in self.not_stored],
        }


async def file_results(
    results: Sequence[Result],
    *,
    home: str | Path | None = None,
    party: str | None = None,
    patience_s: float = PATIENCE_S,
) -> Filed:
    """Sign and file every indicator of ``results`` in the name of ``party`` (the home's own without one).

    Raises ``Unavailable`` where there is no node, ``Misuse`` without the party's key, ``Refused`` where the node takes no statement of it.
    """
    door = await open_door(home)
    speaker = door.speaker(party)
    filed = Filed(speaker.party)
    known: set[Digest] = set()
    bodies: list[Measurement] = []

    async def store(ledger: Ledger) -> None:
        data = ledger.encode()
        digest = ledger.digest()
        if digest in known:
            return
        known.add(digest)
        try:
            await _patiently(lambda: door.store_blob(data, speaker.signer), patience_s)
        except Refused as refused:
            if refused.kind not in {"oversized", "full", "rate"}:
                raise
            filed.not_stored.append((ledger.name, digest, str(refused)))
        else:
            filed.stored.append((ledger.name, digest))

    for result in results:
        used = {indicator.ledger for indicator in result.indicators}
        for ledger in result.ledgers:
            if ledger.name in used:
                await store(ledger)
        bodies += measurements(result, taken_at=speaker.wall())
    for batch in (bodies[at : at + BATCH] for at in range(0, len(bodies), BATCH)):
        made = [speaker.state("measurement", body) for body in batch]
        envelopes = [envelope for _, envelope in made]
        await _patiently(lambda envelopes=envelopes: door.submit_all(envelopes), patience_s)  # type: ignore[misc]
        filed.statements += [(body.indicator, statement) for body, (statement, _) in zip(batch, made, strict=True)]
    return filed


async def _patiently(act: Callable[[], Awaitable[T]], patience_s: float) -> T:
    """Act, and again as long as the node says that it is too fast."""
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        try:
            return await act()
        except Refused as refused:
            if refused.kind != "rate" or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(PAUSE_S)
