"""Predicate ``resumed``: a halted run goes on, from which checkpoint, under which permit epoch.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.base.digest import Digest
from detente.statement.fields import DIGEST, Record, count


@dataclass(frozen=True, slots=True)
class Resumed:
    """``run`` (a statement id) goes on from ``checkpoint``, taken after ``step`` steps, under permit ``epoch``."""

    run: Digest
    step: int
    checkpoint: Digest
    epoch: int


RESUMED = Record(Resumed, run=DIGEST, step=count(), checkpoint=DIGEST, epoch=count())
