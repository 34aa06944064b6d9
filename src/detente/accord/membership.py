"""Who is bound, since when, and whether the accord is in force.

Decides accession, its mutual conditions, withdrawal, entry into force and expiry. Normative text: ``spec/accord.md`` §6.

- A party is bound from its accession's settled time until its withdrawal's notice has run, if its conditions hold.
- Conditions to be bound may be mutual: the greatest set of parties counts that satisfies all of them.
- While an accession stands, a later one of the same party may drop or weaken its conditions and adds none: whoever wants
  more of them leaves first, by a withdrawal and its notice.
- In force once the condition was true, whoever leaves later, until the terms expire.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from detente.accord.conditions import (
    AccededCount,
    AccededCountries,
    AccededParties,
    AccededShare,
    Atom,
    Truth,
    View,
    evaluate,
)
from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.accord.terms import Terms
from detente.accord.topics import MEMBER
from detente.base.identity import Party
from detente.base.quantity import EXACT, ZERO
from detente.statement.accession import Accession, AccessionCondition, BoundCondition, HaltedCondition
from detente.statement.facility import Facility
from detente.statement.withdrawal import Withdrawal


@dataclass(frozen=True, slots=True)
class Member:
    """One party's standing accession, and the withdrawal after it, with the instants from which they count."""

    party: Party
    accession: Item
    since: int
    withdrawal: Item | None = None
    leaves_at: int | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """Who is bound at an instant; ``waiting`` acceded, but their conditions do not hold."""

    at: int
    bound: frozenset[Party]
    waiting: frozenset[Party]
    members: dict[Party, Member]
    in_force_since: int | None


def members_at(state: AccordState, at: int, before: Members | None) -> Members:
    """The members at ``at``; ``before`` is an earlier answer, which keeps the instant of entry into force.

    1. Per party, in the order in which their root signatures sufficed: an accession that has settled, then a withdrawal whose notice has run.
    2. Those whose conditions do not hold leave, until nobody leaves: the greatest fixpoint.
    3. In force since the first instant at which the condition is true.
    """
    terms = state.terms_at(at)
    members: dict[Party, Member] = {}
    gone: set[Party] = set()
    spoken = [
        (said, item.order, item)
        for item, _ in state.upto(MEMBER, at)
        if (said := state.book.speaks_from(item, item.party)) is not None and said <= at
    ]
    for said, _, item in sorted(spoken, key=lambda each: each[:2]):  # 1
        if isinstance(item.body, Accession) and said + terms.mirrors.settle_s <= at:
            standing = members.get(item.party)
            if standing is None or item.party in gone:
                members[item.party] = Member(item.party, item, said + terms.mirrors.settle_s)
                gone.discard(item.party)
            elif _binds_no_less(item, standing.accession):
                # Bound all the while: nothing that counts from the beginning of membership begins anew.
                members[item.party] = Member(item.party, item, standing.since)
        elif isinstance(item.body, Withdrawal) and item.party in members and terms.withdrawal_notice_s is not None:
            leaves = said + max(terms.withdrawal_notice_s, terms.mirrors.settle_s)
            member = members[item.party]
            members[item.party] = Member(item.party, member.accession, member.since, item, leaves)
            if leaves <= at:
                gone.add(item.party)
    acceded = {party for party in members if party in terms.parties and party not in gone}
    bound = _fixpoint(acceded, members)  # 2
    since = before.in_force_since if before is not None else None
    if since is None and evaluate(terms.entry_into_force.when, _Force(state, terms, bound, at)) is True:
        since = at  # 3
    return Members(at, frozenset(bound), frozenset(acceded - bound), members, since)


def _fixpoint(acceded: set[Party], members: dict[Party, Member]) -> set[Party]:
    bound = set(acceded)
    while True:
        leaving = {party for party in bound if not _satisfied(members[party].accession, bound)}
        if not leaving:
            return bound
        bound -= leaving


def _satisfied(accession: Item, bound: Iterable[Party]) -> bool:
    body = accession.body
    if not isinstance(body, Accession):
        return False
    inside = set(bound)
    return all(
        len(inside.intersection(condition.of)) >= condition.at_least
        for condition in body.conditions
        if isinstance(condition, BoundCondition)
    )


def _binds_no_less(later: Item, standing: Item) -> bool:
    """Does each condition of the later accession hold wherever those of the standing one do?"""
    new, old = later.body, standing.body
    return (
        isinstance(new, Accession)
        and isinstance(old, Accession)
        and all(any(_implies(known, condition) for known in old.conditions) for condition in new.conditions)
    )


def _implies(known: AccessionCondition, condition: AccessionCondition) -> bool:
    """k of ``known.of`` leave at least k minus those who are not in ``condition.of``."""
    if known.at_least - len(set(known.of) - set(condition.of)) < condition.at_least:
        return False
    if isinstance(known, HaltedCondition) and isinstance(condition, HaltedCondition):
        return known.confirmed or not condition.confirmed
    return isinstance(known, BoundCondition) and isinstance(condition, BoundCondition)


def force_view(state: AccordState, terms: Terms, bound: set[Party], at: int) -> View:
    """The atoms of entry into force, if these parties were bound."""
    return _Force(state, terms, bound, at)


class _Force:
    """The atoms of entry into force."""

    def __init__(self, state: AccordState, terms: Terms, bound: set[Party], at: int) -> None:
        self.state, self.terms, self.bound, self.at = state, terms, bound, at

    def value(self, atom: Atom, *, restricting: bool) -> Truth:  # noqa: ARG002 - no source can disagree here
        if isinstance(atom, AccededCount):
            with_role = [p for p in self.bound if not atom.role or atom.role in self.terms.parties[p].roles]
            return len(with_role) >= atom.at_least
        if isinstance(atom, AccededParties):
            return self.bound.issuperset(atom.parties)
        if isinstance(atom, AccededCountries):
            return len({self.terms.parties[p].country for p in self.bound}) >= atom.at_least
        if isinstance(atom, AccededShare):
            return _share(self.state, self.bound, self.at, atom.at_least)
        return None


def _share(state: AccordState, bound: set[Party], at: int, least: Decimal) -> Truth:
    """Registered compute of those bound against all registered; exact, unknown while nothing is registered."""
    latest: dict[tuple[Party, str], Decimal] = {}
    settle_s = state.terms_at(at).mirrors.settle_s
    for item, time in state.upto(("facility",), at):
        if isinstance(item.body, Facility) and time + settle_s <= at:
            latest[(item.party, item.body.facility)] = item.body.peak_flop_s
    total = inside = ZERO
    for (party, _), flop_s in latest.items():
        total = EXACT.add(total, flop_s)
        inside = EXACT.add(inside, flop_s) if party in bound else inside
    return None if total == 0 else inside >= EXACT.multiply(total, least)
