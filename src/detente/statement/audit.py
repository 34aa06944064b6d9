"""Predicate ``audit``: an audit of a version or run, and what its auditor certifies of it.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from detente.base.digest import Digest
from detente.statement.fields import DIGEST, NAME, Record, choice, contradiction, listing, optional, record_codec, text

AuditOutcome = Literal["pass", "conditional", "fail"]
AUDIT_OUTCOMES: Final[tuple[AuditOutcome, ...]] = get_args(AuditOutcome)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation that was run, and what it came to in the evaluator's words."""

    name: str
    result: str


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit of ``version`` (its digest, or the statement id of a run): scope, evaluations, conditions, outcome.

    ``certifies`` names properties that terms ask for at a checkpoint: outcome ``pass`` certifies each of them, any other
    says that it does not, and takes an earlier certification back.
    """

    version: Digest
    scope: str
    evaluations: tuple[Evaluation, ...]
    conditions: tuple[str, ...]
    outcome: AuditOutcome
    certifies: tuple[str, ...] | None = None


def _check(body: Audit) -> None:
    if (body.outcome == "conditional") != bool(body.conditions):
        raise contradiction("conditions", f"{len(body.conditions)} with outcome {body.outcome}", "some if conditional")


_EVALUATION = Record(Evaluation, name=NAME, result=text())
AUDIT = Record(
    Audit,
    check=_check,
    version=DIGEST,
    scope=text(),
    evaluations=listing(record_codec(_EVALUATION)),
    conditions=listing(text()),
    outcome=choice(AUDIT_OUTCOMES),
    certifies=optional(listing(NAME, distinct=True)),
)
