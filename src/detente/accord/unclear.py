"""Entries that a key which nobody knows yet may make clear: what must be tried again, and when.

Decides which of them a fresh key concerns, and how much of their bytes is kept. Leaves verifying to ``evidence``. Normative
text: ``spec/accord.md`` §1.3.

- A fresh key concerns the envelopes that its party is said to speak in, and those that hint at the key: whatever a
  stranger's envelope says, only its own party's keys make anybody look at it again.
- Bytes are kept up to ``KEPT_MAX``; beyond that only where an entry stands and whom it concerns, some hundred bytes each,
  and the fold waits until it was read again. How many entries there are is what the terms cap per log and day.
- What stands in no log is always kept: its holder bounds that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from detente.accord.reason import Place
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party, PublicKey, parse_key
from detente.statement.envelope import parse_envelope
from detente.statement.statement import parse_statement

KEPT_MAX = 16 * 2**20
"""Bytes of unclear entries in memory: 250 of the largest envelopes, or some 10,000 of the usual size."""
UNCLEAR_RULES = frozenset({"S10", "S11", "S12", "S13", "S14"})
"""Refusals that another known key may turn; any other refusal is for good."""

_Name: TypeAlias = tuple[Place | None, Digest]


@dataclass(frozen=True, slots=True)
class _Entry:
    """``statement``: what it was read as so far; ``data`` is None where the bytes were not kept."""

    statement: Digest | None
    data: bytes | None
    concerns: frozenset[Party | PublicKey]


class Unclear:
    """A set of envelopes at places, by the parties and keys that concern them."""

    def __init__(self) -> None:
        self._entries: dict[_Name, _Entry] = {}
        self._of: dict[Party | PublicKey, set[_Name]] = {}
        self.kept = 0
        self.again: dict[Place, dict[Digest, Digest | None]] = {}

    def keep(self, place: Place | None, data: bytes, statement: Digest | None) -> None:
        """Remember an envelope that parses, and was read as ``statement`` or refused under one of ``UNCLEAR_RULES``."""
        name = (place, sha256_hex(data))
        self._drop(name)
        fits = place is None or self.kept + len(data) <= KEPT_MAX
        entry = self._entries[name] = _Entry(statement, data if fits else None, _concerns(data))
        self.kept += len(data) if fits else 0
        for about in entry.concerns:
            self._of.setdefault(about, set()).add(name)

    def affected_by(
        self, fresh: Iterable[tuple[Party, PublicKey]]
    ) -> Iterator[tuple[Place | None, bytes, Digest | None]]:  # fmt: skip
        """Take out what these keys concern: place, bytes, and what it was read as. Without bytes it goes to ``again``."""
        names = {name for party, key in fresh for about in (party, key) for name in self._of.get(about, ())}
        for name in sorted(names, key=lambda name: (name[0] is not None, name)):
            entry = self._drop(name)
            if entry is None:
                continue
            place, digest = name
            if entry.data is not None:
                yield place, entry.data, entry.statement
            elif place is not None:
                self.again.setdefault(place, {})[digest] = entry.statement

    def take_again(self, place: Place, data: bytes) -> tuple[bool, Digest | None]:
        """Was this entry to be read again? Then what it was read as so far; it is not waited for any more."""
        waiting = self.again.get(place, {})
        digest = sha256_hex(data)
        if digest not in waiting:
            return False, None
        statement = waiting.pop(digest)
        if not waiting:
            del self.again[place]
        return True, statement

    def _drop(self, name: _Name) -> _Entry | None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.kept -= len(entry.data or b"")
            for about in entry.concerns:
                self._of[about].discard(name)
                if not self._of[about]:
                    del self._of[about]
        return entry

    def __len__(self) -> int:
        return len(self._entries)


def _concerns(data: bytes) -> frozenset[Party | PublicKey]:
    """The party that is said to speak, and every key that a signature hints at."""
    envelope = parse_envelope(data)
    found: set[Party | PublicKey] = {parse_statement(envelope).header.party}
    for signature in envelope.signatures:
        try:
            found.add(parse_key(signature.keyid or ""))
        except Refused:
            continue
    return frozenset(found)
