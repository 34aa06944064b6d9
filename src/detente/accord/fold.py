"""From evidence to state: a pure function of the set of evidence.

Decides which statements count, from when, and under which terms and keys. Normative text: ``spec/accord.md``.
"""

from __future__ import annotations

from detente.accord.evidence import Evidence
from detente.accord.standing import FoldNote
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant
from detente.statement.kinds import Use


class AccordState:
    """What the evidence means. Ask it by ``status.status(state, at)`` and the methods here."""

    accord: Digest

    @property
    def digest(self) -> Digest:
        """Digest of everything decisions depend on: equal for equal evidence."""
        raise NotImplementedError

    @property
    def notes(self) -> tuple[FoldNote, ...]:
        """What is stored and cited and has no effect."""
        raise NotImplementedError

    def terms_at(self, at: Instant) -> Terms:
        """The terms in effect."""
        raise NotImplementedError

    def acceptable_terms(self, at: Instant) -> tuple[Digest, ...]:
        """What a permit may name: the terms in effect first, then settled ones that are about to take effect."""
        raise NotImplementedError

    def key_in_force(self, key: PublicKey, party: Party, use: Use, at: Instant) -> bool:
        """Is the key enrolled for that use by that party at ``at``, and not revoked?"""
        raise NotImplementedError

    def keys_in_force(self, party: Party, use: Use, at: Instant) -> tuple[PublicKey, ...]:
        """The party's keys for a use at ``at``."""
        raise NotImplementedError


def fold(evidence: Evidence) -> AccordState:
    """The state of the evidence as it stands; later additions need another fold, which is incremental."""
    raise NotImplementedError
