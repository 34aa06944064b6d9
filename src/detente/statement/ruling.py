"""Predicate ``ruling``: the adjudicators' decision on a finding.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.fields import DIGEST, PARTY, Record, choice, text

RulingOutcome = Literal["breach", "no_breach", "cured"]
RULING_OUTCOMES: Final[tuple[RulingOutcome, ...]] = get_args(RulingOutcome)


@dataclass(frozen=True, slots=True)
class Ruling:
    """On ``finding`` (a statement id): did ``against`` break the accord, and what mends it. ``cured``: it did, and mended it."""

    finding: Digest
    against: Party
    outcome: RulingOutcome
    remedy: str


RULING = Record(Ruling, finding=DIGEST, against=PARTY, outcome=choice(RULING_OUTCOMES), remedy=text())
