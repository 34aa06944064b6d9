"""The chain of terms: which text is in effect when, and which digests a permit may name.

Decides which amendments count. Leaves out what the texts say. Normative text: ``spec/accord.md`` §4.

- A link names the digest before it, has a higher version, and is signed by the root thresholds of parties that meet the
  amendment rule of the terms before it. Of two candidates the one whose signatures sufficed first counts.
- It takes effect one longest permit life (of the terms before) after it settled; until then both digests are acceptable.
- A link that changes mirrors, their keys or q must name the head of every log of the terms before it, and cosignatures
  that gave its last entry a time: F16.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from detente.accord.evidence import Epoch, frozen_times
from detente.accord.keychain import KeyBook, said_at
from detente.accord.quorum import missing
from detente.accord.records import Item
from detente.accord.standing import FoldNote
from detente.accord.terms import Terms
from detente.accord.witness import Witnesses
from detente.base.digest import Digest
from detente.base.identity import show_key
from detente.statement.keys import KeyRotation
from detente.statement.terms import TermsLink


@dataclass(frozen=True, slots=True)
class Link:
    """One text of the chain: settled from ``settled``, in effect from ``since``."""

    terms: Terms
    settled: int
    since: int
    statement: Digest | None


def build_chain(
    founding: Terms, texts: Mapping[Digest, Terms], items: Sequence[Item], unproven: Collection[Digest] = ()
) -> tuple[tuple[Link, ...], KeyBook, tuple[FoldNote, ...]]:
    """Founding terms, then every ``terms`` and ``keys`` statement in fold order, each checked against those before.

    ``unproven`` are the ``keys`` with a proof of possession that does not verify.
    """
    book = KeyBook(founding.digest)
    book.found(founding, 0)
    chain = [Link(founding, 0, 0, None)]
    notes: dict[Digest, FoldNote] = {}
    counted: set[Digest] = set()
    # An item is tried at every instant at which a copy brings more signatures: what sufficed first counts first, so that
    # signatures handed in later displace nothing that has counted meanwhile.
    said = [(at, _turn(item), item) for item in items if item.time is not None for at in said_at(item)]
    for at, _, item in sorted(said, key=lambda each: each[:2]):
        if item.id in counted:
            continue
        if item.kind == "keys":
            found: Link | FoldNote | None = book.link(item, at, proven=item.id not in unproven)
        else:
            found = _link(chain[-1], item, at, texts, book)
        if isinstance(found, FoldNote):
            notes[item.id] = found
            continue
        counted.add(item.id)
        notes.pop(item.id, None)
        if found is not None:
            chain.append(found)
            book.found(found.terms, found.since)
    return tuple(chain), book, tuple(notes[statement] for statement in sorted(notes))


def _turn(item: Item) -> tuple[int, int, int, str]:
    """Fold order, and at a tie the number that a link gives itself: none folds before the one it names."""
    body = item.body
    number = body.sequence if isinstance(body, KeyRotation) else body.version if isinstance(body, TermsLink) else 0
    time, rank, statement = item.order
    return time, rank, number, statement


def _link(
    last: Link, item: Item, at: int, texts: Mapping[Digest, Terms], book: KeyBook
) -> Link | FoldNote:  # fmt: skip
    """The next link, or why it is none, by the signatures that count at ``at``.

    1. It names the terms in force before it: F06.
    2. Its text is held, and says the same version: F07. No new party brings a key that is somebody's already: F19.
    3. Enough parties speak by their root thresholds, no key counted for two of them: F18.
    4. If it changes the clock, it names every log's head and cosignatures that suffice: F16.
    """
    body, before = item.body, last.terms
    if not isinstance(body, TermsLink) or body.previous != before.digest or body.version <= before.version:
        return FoldNote("F06", item.id, item.place, f"it does not follow terms version {before.version}")  # 1
    terms = texts.get(body.digest)
    if terms is None or terms.version != body.version or terms.accord != before.accord:  # 2
        return FoldNote("F07", item.id, item.place, "the text it names is not held, or is of another version or name")
    taken = book.taken(terms)
    if taken is not None:
        return FoldNote("F19", item.id, item.place, f"a new party brings the key {show_key(taken)} of another")
    lacking = missing(before.amendment, book.speakers(item, before.parties, at), before.parties)
    if lacking:  # 3
        return FoldNote("F18", item.id, item.place, f"the amendment lacks {lacking}")
    if clock_differs(before, terms):  # 4
        unclosed = _unclosed(before, terms)
        if unclosed:
            return FoldNote("F16", item.id, item.place, f"it changes the mirrors and does not close {unclosed}")
    settled = at + before.mirrors.settle_s
    return Link(terms, settled, max(settled + before.permits.calm_s, last.since), item.id)


def _unclosed(before: Terms, after: Terms) -> str:
    """A log of ``before`` that ``after`` does not close: not named, or with too few cosignatures to time its last entry."""
    closes = {closed.origin: closed for closed in after.mirrors.closes}
    mirrors = before.mirrors
    rule = Witnesses(mirrors.parties, mirrors.witness, mirrors.self_witnessed)
    for party, keys in before.keys.items():
        closed = None if keys.log is None else closes.get(keys.log.name)
        if keys.log is None or (closed is not None and closed.size == 0):
            continue
        if closed is None or frozen_times(closed).time_of(closed.size - 1, rule, party) is None:
            return keys.log.name
    return ""


def clock_differs(before: Terms, after: Terms) -> bool:
    """Do the mirrors, their keys or q change?"""

    def clock(terms: Terms) -> object:
        m = terms.mirrors
        keys = [terms.keys[party].mirror for party in m.parties if party in terms.keys]
        return (sorted(m.parties), m.witness, m.self_witnessed, keys if not m.self_witnessed else ())

    return clock(before) != clock(after)


def epochs_of(chain: Sequence[Link]) -> tuple[Epoch, ...]:
    """One epoch for each change of the clock."""
    epochs: list[Epoch] = []
    for before, link in zip((None, *chain), chain, strict=False):
        if before is None or clock_differs(before.terms, link.terms):
            m = link.terms.mirrors
            epochs.append(Epoch(Witnesses(m.parties, m.witness, m.self_witnessed), link.since, m.closes))
    return tuple(epochs)
