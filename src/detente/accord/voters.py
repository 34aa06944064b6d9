"""Whose votes the terms count: who can call a pause of a trigger, and who can lift one.

Decides eligibility from roles alone. Leaves what votes add up to (``quorum``, ``view``) and whether one that was filed
has an effect (``admission``). Normative text: ``spec/accord.md`` §5, F05.

- A trigger is called by the parties that one of its `votes` conditions names, by role or by name.
- A pause is lifted by the parties of the groups of `lift`; they may also vote to pause, which cancels a lift of theirs.
- What a trigger starts that lapses is confirmed by the parties of the groups of its `unless`, by votes to renew.
"""

from __future__ import annotations

from detente.accord.conditions import Votes, atoms
from detente.accord.terms import RoleQuorum, Terms
from detente.base.identity import Party


def list_callers(terms: Terms, trigger: str) -> tuple[Party, ...]:
    """The parties whose vote to pause this trigger counts, in the order of the terms; none for one that no vote calls."""
    found = terms.trigger(trigger)
    asked = [atom for atom in atoms(found.when) if isinstance(atom, Votes)] if found is not None else []
    return tuple(party for party in terms.parties if any(terms.among(party, atom.of) for atom in asked))


def list_lifters(terms: Terms) -> tuple[Party, ...]:
    """The parties whose vote to lift counts, in the order of the terms."""
    return _seated(terms, terms.lift.votes)


def list_confirmers(terms: Terms, trigger: str) -> tuple[Party, ...]:
    """The parties whose vote to renew confirms what this trigger starts; none where nothing lapses, or nobody can."""
    found = terms.trigger(trigger)
    if found is None or found.lapse is None or found.lapse.unless is None:
        return ()
    return _seated(terms, found.lapse.unless)


def list_renewers(terms: Terms) -> tuple[Party, ...]:
    """The parties whose vote to renew puts the sunset off; none where nothing can."""
    return () if terms.renewal is None else _seated(terms, terms.renewal.votes)


def _seated(terms: Terms, quorum: RoleQuorum) -> tuple[Party, ...]:
    groups = quorum.groups
    return tuple(
        party for party, about in terms.parties.items() if "any" in groups or not about.roles.isdisjoint(groups)
    )
