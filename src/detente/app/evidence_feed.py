"""The one ``Evidence`` of a node, fed from everything that it stores or hears.

Decides when signatures are checked (once, in batches) and remembers where each statement stands. Leaves out who checks them
(``batch_checking``), what the evidence means (``accord``) and how entries come here (``logbook``).

- An entry that cannot be verified is given to the evidence as bytes: it keeps it as a cited no-op and tries again when
  keys become known.
- What was verified at admission is not verified again.
- ``heard`` are statements that stand in no log yet, ``heard_bytes`` how much of each party; ``placed`` those of them that
  have got a place since, whose copy apart from the log is no longer needed.

>>> from detente.app.evidence_feed import BATCH_MIN
>>> BATCH_MIN
16
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from detente.accord.evidence import Evidence
from detente.accord.reason import Place
from detente.accord.terms import Terms
from detente.app.batch_checking import BatchChecking, Checked, check_one
from detente.base.digest import Digest
from detente.base.errors import Unavailable
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant
from detente.statement.statement import VerifiedStatement

BATCH_MIN = 16
"""Statements below which handing them to another thread costs more than it gains (about 50 µs)."""


def _nowhere(place: Place) -> bytes:
    raise Unavailable(f"no store to read {place} from")


class EvidenceFeed:
    """Feeds one ``Evidence``; ``on_change`` is called after anything was added; ``read`` gives an entry from the store."""

    def __init__(self, founding: bytes) -> None:
        self.evidence = Evidence(founding)
        self.places: dict[Digest, tuple[Place, ...]] = {}
        self.signers: dict[tuple[str, Digest], frozenset[PublicKey]] = {}
        self.heard: dict[Digest, VerifiedStatement] = {}
        self.on_change: Callable[[], None] = lambda: None
        self.read: Callable[[Place], bytes] = _nowhere
        self.heard_bytes: dict[Party, int] = {}
        self.placed: set[Digest] = set()
        self._batches = BatchChecking(self.evidence.keys)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="detente-verify")

    def close(self) -> None:
        """End the thread and the processes that verify."""
        self._thread.shutdown(wait=True)
        self._batches.close()

    # Verifying

    def check(self, data: bytes) -> Checked:
        """Verify one envelope; the refusal is a value here, because a batch goes on."""
        return check_one(data, self.evidence.keys)

    def check_batch(self, entries: Sequence[bytes]) -> list[Checked]:
        """Verify many and wait for them."""
        return self._batches.check(entries)

    async def check_all(self, entries: Sequence[bytes]) -> list[Checked]:
        """Verify many without stopping the event loop."""
        if len(entries) < BATCH_MIN:
            return [self.check(entry) for entry in entries]
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._batches.check, entries)

    # Feeding

    def feed(
        self, origin: str, start: int, entries: Sequence[bytes], checked: Sequence[Checked | None] | None = None
    ) -> None:
        """Add stored entries of a log from index ``start`` on; ``checked`` is what a check before said of each."""
        if checked is None:
            checked = self.check_batch(entries)
        evidence = self.evidence
        for index, (entry, found) in enumerate(zip(entries, checked, strict=True), start):
            place = Place(origin, index)
            if isinstance(found, VerifiedStatement):
                evidence.add_verified(place, found)
                self._note(place, found)
            elif (verified := evidence.add_entry(place, entry)) is not None:
                # Its key became known after the check, perhaps by an entry of the same batch.
                self._note(place, verified)
        if entries:
            self._read_again()
            self.on_change()

    def receive(self, verified: VerifiedStatement) -> None:
        """Add a statement that stands in no log yet."""
        self.evidence.receive(verified)
        self._read_again()
        party = verified.statement.header.party
        self.heard[verified.statement.id] = verified
        self.heard_bytes[party] = self.heard_bytes.get(party, 0) + len(verified.envelope_bytes)
        self.on_change()

    def add_cosignature(self, origin: str, mirror: Party, size: int, time_s: Instant) -> None:
        """Add a cosignature that was verified and fits what is stored."""
        self.evidence.add_cosignature(origin, mirror, size, time_s)
        self.on_change()

    def add_terms(self, terms: Terms) -> None:
        """Add the text of an amendment, read already."""
        self.evidence.add_terms(terms)
        self._read_again()
        self.on_change()

    def _read_again(self) -> None:
        """Give back what the evidence did not keep in memory and a key that became known may make clear."""
        while self.evidence.again:
            for place in self.evidence.again:
                self.evidence.read_again(place, self.read(place))

    def _note(self, place: Place, verified: VerifiedStatement) -> None:
        statement = verified.statement.id
        signers = frozenset([signer.key for signer in verified.signers])
        here = (place.origin, statement)
        known = self.places.get(statement)
        if known is None:
            self.places[statement], self.signers[here] = (place,), signers
        else:
            if place not in known:
                self.places[statement] = (*known, place)
            self.signers[here] = self.signers.get(here, frozenset()) | signers
        heard = self.heard.pop(statement, None) if self.heard else None
        if heard is not None:
            self.heard_bytes[heard.statement.header.party] -= len(heard.envelope_bytes)
            self.placed.add(statement)
