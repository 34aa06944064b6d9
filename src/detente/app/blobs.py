"""Whose evidence a node stores, how much of each party's, and who is given it.

Decides who may store a blob, and who is given one that the terms keep for auditors. Leaves out how it is stored (``adapters.content``) and what it means.

- Leave is a signature over the digest by a statement or guard key in force: N18, N19. A key has not stored too much lately: N33.
- Each party that the terms name has an equal share of the room for all blobs: C31. So no party's evidence leaves none
  for another's. Every byte is counted under the party that stored it first, across restarts.
- The text of an amendment that the node looks for is taken from anybody, and finds room: its digest was signed by parties
  that may amend the terms. Without it permits stop when the amendment takes effect.
- What the terms keep for auditors is given to whom ``accord.confidentiality`` says, who signs for it: N18, N46, N47.
- A crash between the file and its count loses the count of that one file.

>>> share_of(all_bytes=100, parties=3)
33
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Collection

from detente.accord.confidentiality import READER, Readers
from detente.accord.document import BYTES_MAX
from detente.accord.fold import AccordState
from detente.adapters.content import Content
from detente.adapters.store import Store
from detente.adapters.store_writer import StoreWriter
from detente.app.admission import Rates, check_blob_leave, verify_blob_reading
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party, PublicKey, show_key
from detente.base.instant import Instant, show_instant
from detente.statement.keys import EnrolledKeys
from detente.statement.kinds import Use

_USES: tuple[Use, ...] = ("statement", "guard")


READING_S = 300
"""A signature that asks for a blob counts so long before and after its own time: honest clocks differ by seconds."""


def readers_of(state: AccordState, at: Instant) -> Readers:
    """Who may be given which bytes; kept with the state for the terms in effect."""
    terms = state.terms_at(at)
    kept: dict[Digest, Readers] = state.keep.setdefault("readers", {})
    if terms.digest not in kept:
        readers = Readers(frozenset(terms.with_role(READER)), terms.confidential)
        if readers.keeps:
            for item in state.items.values():
                readers.add(item.kind, item.party, item.body)
        kept[terms.digest] = readers
    return kept[terms.digest]


def share_of(*, all_bytes: int, parties: int) -> int:
    """The bytes that each of so many parties may store."""
    return all_bytes // max(1, parties)


class Blobs:
    """The blobs of one node. ``all_bytes`` is their room together."""

    def __init__(
        self,
        content: Content,
        *,
        all_bytes: int,
        store: Store,
        writer: StoreWriter,
        keys: EnrolledKeys,
        rates: Rates,
        wanted: Callable[[], Collection[Digest]],
    ) -> None:
        self._content = content
        self._all_bytes = all_bytes
        self._store = store
        self._writer = writer
        self._keys = keys
        self._rates = rates
        self._wanted = wanted
        self._used: dict[Party, int] = {}

    async def receive(
        self, digest: Digest, signed: str, parts: AsyncIterator[bytes], *, state: AccordState, now: Instant
    ) -> int:
        """Store what arrives under ``digest``; raises ``Refused`` N18, N19, N33, C10, C30, C31. Returns the size.

        ``signed`` is the header that gives leave; a text that is wanted needs none.
        """
        if digest in self._wanted():
            return await self._content.receive(digest, _bounded(parts, BYTES_MAX), reserved=True)
        party = self._check_leave(digest, signed, state, now)
        known = self._content.has(digest)
        share = share_of(all_bytes=self._all_bytes, parties=len(state.terms_at(now).parties))
        taken = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal taken
            async for part in parts:
                used = self.used_by(party) + len(part)
                if used > share and not known:
                    raise _no_share(party, share)
                self._used[party] = used
                taken += len(part)
                yield part

        try:
            size = await self._content.receive(digest, counted())
        except BaseException:
            self._used[party] -= taken
            raise
        if known:
            self._used[party] -= taken
        else:
            await self._writer.write(lambda transaction: transaction.put_meta(_name(party), b"%d" % self._used[party]))
        return size

    def check_reading(self, digest: Digest, asked: str, *, state: AccordState, node: Party, now: Instant) -> bool:
        """Refuse (N18, N46, N47) to give a blob to whom it is kept from. True if it is kept from anybody.

        1. Kept from nobody: no signature is looked at.
        2. The header ``asked`` holds a key, a time and that key's signature over both, the digest and this node: N18.
        3. The time is about now: N47. The key is in force, as statement or guard key of a party that may read it: N46.
        """
        readers = readers_of(state, now).of(digest)
        if readers is None:  # 1
            return False
        key, at = verify_blob_reading(digest, node, asked)  # 2
        if abs(at - now) > READING_S:  # 3
            raise Refused(
                "N47",
                "stale",
                got=f"asked at {show_instant(at)}",
                expected=f"within {READING_S} s of {show_instant(now)}",
                todo="sign anew; set the clock of the machine that signs",
            )
        if not any(state.key_in_force(key, party, use, now) for party in readers for use in _USES):
            raise Refused(
                "N46",
                "unknown-role",
                got=show_key(key),
                expected=f"a statement or guard key in force of {', '.join(sorted(readers)) or 'nobody'}: the terms keep this for auditors",
            )
        return True

    def used_by(self, party: Party) -> int:
        """The bytes counted under a party, uploads under way included."""
        if party not in self._used:
            stored = self._store.meta(_name(party))
            self._used[party] = int(stored) if stored else 0
        return self._used[party]

    def _check_leave(self, digest: Digest, signed: str, state: AccordState, now: Instant) -> Party:
        found: list[Party] = []

        def in_force(key: PublicKey) -> bool:
            found.extend(
                party
                for party, use in self._keys.uses_of(key)
                if use in _USES and state.key_in_force(key, party, use, now)
            )
            return bool(found)

        check_blob_leave(digest, signed, in_force=in_force, rates=self._rates, at_s=time.monotonic())
        self.used_by(found[0])
        return found[0]


def _name(party: Party) -> str:
    return f"blobs-of-{party}"


def _no_share(party: Party, share: int) -> Refused:
    return Refused(
        "C31",
        "oversized",
        got=f"more than {share} bytes stored by {party}",
        expected=f"at most {share} of one party, its share of the room for all",
        todo="raise limits.blobs_bytes in config.toml of that node, or store it at another",
    )


async def _bounded(parts: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    size = 0
    async for part in parts:
        size += len(part)
        if size > most:
            raise Refused("C31", "oversized", got=f"more than {most} bytes", expected="a text of terms")
        yield part
