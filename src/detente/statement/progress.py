"""Predicate ``progress``: a commitment made while a run goes on.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from detente.base.digest import Digest
from detente.statement.fields import AMOUNT, DIGEST, Record, count


@dataclass(frozen=True, slots=True)
class Progress:
    """After ``step`` steps of ``run`` (a statement id) and ``flop`` FLOP in all, the weights had this digest."""

    run: Digest
    step: int
    flop: Decimal
    weights: Digest


PROGRESS = Record(Progress, run=DIGEST, step=count(), flop=AMOUNT, weights=DIGEST)
