"""The entries of a home's logs as a list for people: what each says it is, or why nobody can read it.

Decides what is shown of an entry. Leaves out verification: what is shown here is what entries *say*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.accord.reason import Place
from detente.adapters.store import Store
from detente.app.config import load_config
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.statement.envelope import parse_envelope
from detente.statement.statement import parse_statement


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """One entry: where it stands and what it claims; ``why`` where it cannot be read."""

    place: Place
    kind: str
    party: Party | None
    made_at: Instant | None
    statement: Digest | None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "origin": self.place.origin,
            "index": self.place.index,
            "kind": self.kind,
            "party": self.party,
            "made_at": None if self.made_at is None else show_instant(self.made_at),
            "statement": self.statement,
            "why": self.why,
        }


def show_entries(home: Path, *, origin: str | None, last: int) -> Iterator[ShownEntry]:
    """The newest ``last`` entries of each log, or of one; raises ``Unavailable``, ``Refused`` C11, C12, N02."""
    store = Store(load_config(home).store_path, read_only=True)
    try:
        for row in store.logs():
            if origin in {None, row.origin}:
                start = max(0, row.size - last)
                for index, entry in enumerate(store.entries(row.id, start, row.size), start):
                    yield _shown(Place(row.origin, index), entry)
    finally:
        store.close()


def _shown(place: Place, entry: bytes) -> ShownEntry:
    try:
        statement = parse_statement(parse_envelope(entry))
    except Refused as refused:
        return ShownEntry(place, "unreadable", None, None, None, f"{refused.rule} {refused.kind}")
    header = statement.header
    return ShownEntry(place, statement.kind, header.party, header.made_at, statement.id)
