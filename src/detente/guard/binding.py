"""Whether accessions that are held, but do not count yet, would bind.

Decides one question: is an act free only because accessions lack cosignatures or have not settled? An issuer that was
given every entry and no cosignature sees an accord that is not in force, and would let everybody run through a pause.
Ignoring evidence must never permit (law 1), so such an issuer holds instead. In an honest world that lasts for the
settling time at entry into force and at each later accession.

Rule 2 of ``spec/guard.md`` §2. Leaves out what counts and from when (``accord.membership``).
"""

from __future__ import annotations

from collections.abc import Iterable

from detente.accord.conditions import (
    AccededCount,
    AccededCountries,
    AccededParties,
    Atom,
    Truth,
    evaluate,
)
from detente.accord.fold import AccordState
from detente.accord.standing import Status
from detente.accord.terms import Terms
from detente.accord.topics import MEMBER
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.accession import Accession, BoundCondition


def unsettled_accessions(
    state: AccordState, now: Status, terms: Terms, involved: Iterable[Party]
) -> tuple[Digest, ...]:
    """The accessions that would bind one of ``involved`` in an accord in force, and do not bind it now.

    1. Every accession held counts, unless its party has left since; those whose mutual conditions fail drop out.
    2. Outside force: empty unless the condition of entry into force would not be false with those.
    3. The accessions of the parties involved that would be bound, with all others when the accord is not in force.
    """
    if now.phase == "expired":
        return ()
    left = {b.party for b in now.bindings if b.leaves_at is not None and b.leaves_at <= now.at}
    held = {
        item.party: item
        for item in state.index.get(MEMBER, ())
        if isinstance(item.body, Accession) and item.party in terms.parties and item.party not in left
    }
    bound = set(held)
    while True:  # 1
        leaving = {p for p in bound if not _conditions_hold(held[p].body, bound)}
        if not leaving:
            break
        bound -= leaving
    would = {party for party in involved if party in bound and party not in now.bound}
    if now.phase == "before":
        if evaluate(terms.entry_into_force.when, _Would(terms, bound)) is False:  # 2
            return ()
        would = bound if bound.intersection(involved) else set()
    return tuple(sorted(held[party].id for party in would))  # 3


def _conditions_hold(body: object, bound: set[Party]) -> bool:
    return isinstance(body, Accession) and all(
        len(bound.intersection(condition.of)) >= condition.at_least
        for condition in body.conditions
        if isinstance(condition, BoundCondition)
    )


class _Would:
    """The atoms of entry into force if these parties were bound; a share of compute is not known here."""

    def __init__(self, terms: Terms, bound: set[Party]) -> None:
        self.terms, self.bound = terms, bound

    def value(self, atom: Atom, *, restricting: bool) -> Truth:  # noqa: ARG002  # no source can disagree here
        if isinstance(atom, AccededCount):
            with_role = [p for p in self.bound if not atom.role or atom.role in self.terms.parties[p].roles]
            return len(with_role) >= atom.at_least
        if isinstance(atom, AccededParties):
            return self.bound.issuperset(atom.parties)
        if isinstance(atom, AccededCountries):
            return len({self.terms.parties[p].country for p in self.bound}) >= atom.at_least
        return None
