"""Predicate ``run``: a training run declared before it starts. Its statement id is the run's id everywhere.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, get_args

from detente.base.digest import Digest
from detente.statement.commitment import AMOUNT_OR_COMMITTED, Committed
from detente.statement.fields import DIGEST, NAME, Record, choice, listing, optional

Activity = Literal["training", "self_improvement"]
ACTIVITIES: Final[tuple[Activity, ...]] = get_args(Activity)


@dataclass(frozen=True, slots=True)
class Run:
    """What will be trained, from what, and for how many FLOP (a committed plan needs an inspector's finding).

    ``parents`` are digests of versions; ``code``, ``config`` and ``data`` digests of evidence kept elsewhere;
    ``proposal`` the statement id of the change that this run carries out.
    """

    run: str
    activity: Activity
    planned_flop: Decimal | Committed
    parents: tuple[Digest, ...]
    data: tuple[Digest, ...]
    facility: str | None = None
    code: Digest | None = None
    config: Digest | None = None
    proposal: Digest | None = None


RUN = Record(
    Run,
    run=NAME,
    activity=choice(ACTIVITIES),
    planned_flop=AMOUNT_OR_COMMITTED,
    parents=listing(DIGEST, distinct=True),
    data=listing(DIGEST),
    facility=optional(NAME),
    code=optional(DIGEST),
    config=optional(DIGEST),
    proposal=optional(DIGEST),
)
