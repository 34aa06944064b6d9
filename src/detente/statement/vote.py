"""Predicate ``vote``: pause, lift, renew or retract; for one trigger, one round, until one instant.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.fields import INSTANT, NAME, PARTY, Record, choice, count

VoteChoice = Literal["pause", "lift", "renew", "retract"]
VOTE_CHOICES: Final[tuple[VoteChoice, ...]] = get_args(VoteChoice)


@dataclass(frozen=True, slots=True)
class Vote:
    """A voice on (trigger, round). ``scope`` is ``all`` or one party; after ``expires_at`` it is not counted.

    It names round and expiry so that an old lift cannot be replayed against a later pause (contracts §3).
    """

    choice: VoteChoice
    trigger: str
    round: int
    scope: Party
    expires_at: Instant


VOTE = Record(
    Vote,
    choice=choice(VOTE_CHOICES),
    trigger=NAME,
    round=count(most=2**31),
    scope=PARTY,
    expires_at=INSTANT,
)
