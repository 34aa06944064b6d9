"""The chain of terms: which text is in effect when, and which digests a permit may name.

Decides which amendments count. Leaves out what the texts say. Normative text: ``spec/accord.md`` §4.

- A link names the digest before it, has a higher version, and is signed by the root thresholds of parties that meet the
  amendment rule of the terms before it. Of two candidates the first in fold order counts.
- It takes effect one longest permit life (of the terms before) after it settled; until then both digests are acceptable.
- A link that changes mirrors, their keys or q must name the head of every log of the terms before it: F16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detente.accord.evidence import Epoch
from detente.accord.keychain import KeyBook
from detente.accord.quorum import missing
from detente.accord.records import Item
from detente.accord.standing import FoldNote
from detente.accord.terms import Terms
from detente.accord.witness import Witnesses
from detente.base.digest import Digest
from detente.statement.terms import TermsLink


@dataclass(frozen=True, slots=True)
class Link:
    """One text of the chain: settled from ``settled``, in effect from ``since``."""

    terms: Terms
    settled: int
    since: int
    statement: Digest | None


def build_chain(
    founding: Terms, texts: Mapping[Digest, Terms], items: Sequence[Item]
) -> tuple[tuple[Link, ...], KeyBook, tuple[FoldNote, ...]]:
    """Founding terms, then every ``terms`` and ``keys`` statement in fold order, each checked against those before."""
    book = KeyBook()
    book.found(founding, 0)
    chain = [Link(founding, 0, 0, None)]
    notes: list[FoldNote] = []
    for item in sorted(items, key=lambda item: item.order):
        if item.time is None:
            continue
        if item.kind == "keys":
            book.link(item)
            continue
        link = _link(chain[-1], item, texts, book)
        if isinstance(link, FoldNote):
            notes.append(link)
        else:
            chain.append(link)
            book.found(link.terms, link.since)
    return tuple(chain), book, (*notes, *book.notes)


def _link(last: Link, item: Item, texts: Mapping[Digest, Terms], book: KeyBook) -> Link | FoldNote:
    """The next link, or why it is none.

    1. It names the terms in force before it: F06.
    2. Its text is held, and says the same version: F07.
    3. Enough parties speak by their root thresholds: F18.
    4. If it changes the clock, it names every log's head: F16.
    """
    body, before = item.body, last.terms
    if not isinstance(body, TermsLink) or body.previous != before.digest or body.version <= before.version:
        return FoldNote("F06", item.id, item.place, f"it does not follow terms version {before.version}")  # 1
    terms = texts.get(body.digest)
    if terms is None or terms.version != body.version or terms.accord != before.accord:  # 2
        return FoldNote("F07", item.id, item.place, "the text it names is not held, or is of another version or name")
    spoken = sorted((since, party) for party in before.parties if (since := book.speaks_from(item, party)) is not None)
    met = next(
        (
            since
            for since, _ in spoken
            if not missing(before.amendment, [p for when, p in spoken if when <= since], before.parties)
        ),
        None,
    )
    if met is None:  # 3
        lacking = missing(before.amendment, [p for _, p in spoken], before.parties)
        return FoldNote("F18", item.id, item.place, f"the amendment lacks {lacking}")
    if clock_differs(before, terms):  # 4
        origins = {keys.log.name for keys in before.keys.values() if keys.log is not None}
        if origins - {closed.origin for closed in terms.mirrors.closes}:
            return FoldNote("F16", item.id, item.place, "it changes the mirrors and does not name every log's head")
    settled = met + before.mirrors.settle_s
    return Link(terms, settled, max(settled + before.permits.calm_s, last.since), item.id)


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
