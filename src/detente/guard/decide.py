"""Whether an intent is allowed on the evidence held: a value with reasons, never an error.

Decides, from the state of the accord, how fast and for how long a guard may run. Leaves out what the state is
(``accord.fold``, ``accord.status``) and everything about permits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from detente.accord.explain import Reason
from detente.accord.fold import AccordState
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant
from detente.guard.intent import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``rate`` from 0 to 1, ``life_s`` in seconds (both 0 when not allowed); ``held_by`` names what holds it."""

    allowed: bool
    rate: Decimal
    life_s: int
    held_by: tuple[str, ...]
    reasons: tuple[Reason, ...]


def decide(state: AccordState, intent: Intent, at: Instant) -> Decision:
    """Whether ``intent`` is allowed at ``at``; every denial has reasons that cite entries where entries are to blame."""
    raise NotImplementedError


def terms_in_force(state: AccordState, at: Instant) -> Terms:
    """The terms that bind at ``at``."""
    raise NotImplementedError


def accepted_terms(state: AccordState, at: Instant) -> tuple[Digest, ...]:
    """The digests a permit may name at ``at``: the terms in force, and at a changeover those before or after."""
    raise NotImplementedError


def is_guard_of(state: AccordState, key: PublicKey, party: Party, at: Instant) -> bool:
    """Whether ``key`` is in force as a guard key of ``party``."""
    raise NotImplementedError
