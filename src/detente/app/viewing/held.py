"""The proposals that hold points keep: those that wait for somebody, and those that have lapsed.

Decides which is which, once of a look. Leaves what a row shows to ``proposals`` and how many there are to ``overview``.
"""

from __future__ import annotations

from typing import TypeAlias

from detente.accord.standing import Standing
from detente.accord.status import proposals_waiting
from detente.app.viewing.sight import Sight
from detente.app.waiting import lapsed_among
from detente.base.digest import Digest
from detente.base.identity import Party

Held: TypeAlias = tuple[Digest, Party, Standing]


def held_proposals(sight: Sight) -> tuple[list[Held], list[Held]]:
    """Those that wait, longest first, and those that lapsed, the latest first."""
    return sight.keep("held", lambda: _parted(sight))


def _parted(sight: Sight) -> tuple[list[Held], list[Held]]:
    held = proposals_waiting(sight.state, sight.at)
    lapsed = lapsed_among(sight.state, (each[0] for each in held), sight.at)
    return [each for each in held if each[0] not in lapsed], [each for each in reversed(held) if each[0] in lapsed]
