"""Counting distinct parties towards quorums of roles.

Decides whether some parties meet a quorum, each counted once. Leaves out who they are and when they spoke. ``any`` as a
role takes every party.

>>> missing(RoleQuorum({"any": 2}), frozenset({Party("a")}), {Party("a"): PartyTerms("US", frozenset())})
'1 more any'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detente.accord.terms import PartyTerms, RoleQuorum
from detente.base.identity import Party


def seats_filled(quorum: RoleQuorum, who: Iterable[Party], parties: Mapping[Party, PartyTerms]) -> dict[str, int]:
    """For each role, how many of its seats distinct parties fill when as many as possible are seated.

    Maximum matching of parties to seats (Kuhn 1955): a party of two roles takes one seat, whichever helps more.
    """
    seats = [(role, number) for role, count in quorum.groups.items() for number in range(count)]
    holder: dict[tuple[str, int], Party] = {}

    def seat(party: Party, tried: set[tuple[str, int]]) -> bool:
        for place in seats:
            role = place[0]
            if place in tried or not (role == "any" or role in parties[party].roles):
                continue
            tried.add(place)
            if place not in holder or seat(holder[place], tried):
                holder[place] = party
                return True
        return False

    for party in sorted(set(who) & parties.keys()):
        seat(party, set())
    filled = dict.fromkeys(quorum.groups, 0)
    for role, _ in holder:
        filled[role] += 1
    return filled


def missing(quorum: RoleQuorum, who: Iterable[Party], parties: Mapping[Party, PartyTerms]) -> str:
    """What is still missing, in words; empty when the quorum is met."""
    filled = seats_filled(quorum, who, parties)
    lacking = [f"{count - filled[role]} more {role}" for role, count in quorum.groups.items() if filled[role] < count]
    return " and ".join(lacking)
