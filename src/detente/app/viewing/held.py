"""The proposals that hold points keep: those that wait for somebody, those that have lapsed, and whose answer is overdue.

Decides which is which, once of a look. Leaves what a row shows to ``proposals`` and how many there are to ``overview``.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from detente.accord.change import change_of
from detente.accord.escalation import Escalated
from detente.accord.hold_showing import times_at_holds
from detente.accord.standing import Standing
from detente.accord.status import proposals_waiting
from detente.app.viewing.sight import Sight
from detente.app.waiting import lapsed_among
from detente.base.digest import Digest
from detente.base.identity import Party

LOOKED_MAX: Final = 512
"""Proposals whose escalations are looked at for one page."""
Held: TypeAlias = tuple[Digest, Party, Standing]


def held_proposals(sight: Sight) -> tuple[list[Held], list[Held]]:
    """Those that wait, longest first, and those that lapsed, the latest first."""
    return sight.keep("held", lambda: _parted(sight))


def overdue_answers(sight: Sight) -> list[tuple[Digest, Escalated]]:
    """Escalations of what waits that nobody answered in time, of the ``LOOKED_MAX`` that wait longest."""
    if all(hold.escalation is None for hold in sight.terms.hold_points):
        return []
    found = []
    for proposal, _, _ in held_proposals(sight)[0][:LOOKED_MAX]:
        change = change_of(sight.state, proposal)
        if change is not None:
            since = sight.now.in_force_since
            times = times_at_holds(sight.state, sight.terms, change, "version.train", sight.at, in_force_since=since)
            escalated = [each.escalated for each in times if each.escalated is not None]
            found += [(proposal, each) for each in escalated if each.state == "overdue"]
    return found


def _parted(sight: Sight) -> tuple[list[Held], list[Held]]:
    held = proposals_waiting(sight.state, sight.at)
    lapsed = lapsed_among(sight.state, (each[0] for each in held), sight.at)
    return [each for each in held if each[0] not in lapsed], [each for each in reversed(held) if each[0] in lapsed]
