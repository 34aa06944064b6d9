"""What is so at an instant: ``status``, and how one run, change or deployment stands.

Normative text: ``spec/accord.md`` §9.
"""

from __future__ import annotations

from decimal import Decimal

from detente.accord.fold import AccordState
from detente.accord.standing import Standing, Status
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant


def status(state: AccordState, at: Instant) -> Status:
    """Everything that is so at ``at``; kept per state and instant."""
    raise NotImplementedError


def run_standing(state: AccordState, run: Digest, at: Instant, *, flop: Decimal | None = None) -> Standing:
    """Limits on a declared run (``run`` is the statement id); ``flop`` raises the planned amount where it is larger."""
    raise NotImplementedError


def change_standing(state: AccordState, change: Digest, at: Instant) -> Standing:
    """Hold points (on ``version.train``) for a proposal (statement id) or a version (digest)."""
    raise NotImplementedError


def release_standing(state: AccordState, version: Digest, at: Instant) -> Standing:
    """Hold points (on ``version.deploy``) for a version."""
    raise NotImplementedError


def proposals_waiting(state: AccordState, at: Instant) -> tuple[tuple[Digest, Party, Standing], ...]:
    """Every proposal at a hold point that is not passed: id, party, and what is missing."""
    raise NotImplementedError
