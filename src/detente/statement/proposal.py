"""Predicate ``proposal``: a change that waits at a hold point. Its statement id is the proposal's id.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from detente.base.digest import Digest
from detente.statement.change import PROPOSED_BY, TOUCHED, ProposedBy, Touch
from detente.statement.fields import AMOUNT, DIGEST, Record, nullable, optional, text


@dataclass(frozen=True, slots=True)
class Proposal:
    """``change`` is the digest of the change, also the subject; ``parent`` the version it would change, if any."""

    change: Digest
    parent: Digest | None
    proposed_by: ProposedBy
    touches: tuple[Touch, ...]
    asked_flop: Decimal
    summary: str
    run: Digest | None = None


PROPOSAL = Record(
    Proposal,
    change=DIGEST,
    parent=nullable(DIGEST),
    proposed_by=PROPOSED_BY,
    touches=TOUCHED,
    asked_flop=AMOUNT,
    summary=text(),
    run=optional(DIGEST),
)
