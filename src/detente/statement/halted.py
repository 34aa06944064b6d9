"""Predicate ``halted``: a run stopped, with which checkpoint. A declaration until a finding confirms it.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, get_args

from detente.base.digest import Digest
from detente.statement.fields import AMOUNT, DIGEST, Record, choice, count

HaltReason = Literal["pause", "lapse", "operator", "finished"]
HALT_REASONS: Final[tuple[HaltReason, ...]] = get_args(HaltReason)


@dataclass(frozen=True, slots=True)
class Halted:
    """``run`` (a statement id) stopped after ``step`` steps and ``flop`` FLOP; ``checkpoint`` resumes it.

    ``epoch`` is that of the permit under which it last ran.
    """

    run: Digest
    step: int
    checkpoint: Digest
    flop: Decimal
    epoch: int
    why: HaltReason


HALTED = Record(
    Halted, run=DIGEST, step=count(), checkpoint=DIGEST, flop=AMOUNT, epoch=count(), why=choice(HALT_REASONS)
)
