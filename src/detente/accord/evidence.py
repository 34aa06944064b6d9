"""Everything one node has heard: entries at places, cosignatures, statements in no log yet, texts of terms.

Decides nothing by itself: it only grows, and the order in which it grew is forgotten. ``fold`` reads it.
Normative text: ``spec/accord.md`` §1 and §2.
"""

from __future__ import annotations

from detente.accord.reason import Place
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.keys import EnrolledKeys
from detente.statement.statement import VerifiedStatement

__all__ = ["Evidence", "Place"]


class Evidence:
    """A set of evidence that only grows. The same set folds to the same state, however it arrived."""

    def __init__(self, founding: bytes) -> None:
        """``founding`` is the exact bytes of the founding terms; their digest is the accord's id."""
        raise NotImplementedError

    @property
    def accord(self) -> Digest:
        """The accord's id."""
        raise NotImplementedError

    @property
    def keys(self) -> EnrolledKeys:
        """Every key ever enrolled, for ``verify_envelope``."""
        raise NotImplementedError

    def add_terms(self, data: bytes) -> Terms:
        """Keep the text of an amendment, to be found by its digest; raises ``TermsRefused``."""
        raise NotImplementedError

    def add_entry(self, place: Place, data: bytes) -> VerifiedStatement | None:
        """Verify and keep an entry of a log. One that nobody can parse is kept as a cited no-op: None."""
        raise NotImplementedError

    def add_verified(self, place: Place, verified: VerifiedStatement) -> None:
        """Keep an entry that was verified with ``keys`` before."""
        raise NotImplementedError

    def receive(self, data: bytes | VerifiedStatement) -> VerifiedStatement:
        """Keep a statement that stands in no log yet: it counts only if it restricts. Raises ``Refused`` S…."""
        raise NotImplementedError

    def add_cosignature(self, origin: str, mirror: Party, size: int, time_s: Instant) -> None:
        """Keep one verified cosignature of ``mirror`` over the checkpoint of ``size`` entries of log ``origin``."""
        raise NotImplementedError

    def witnessed_time(self, statement: Digest) -> Instant | None:
        """The least witnessed time over every place of the statement; None while no quorum cosigned any."""
        raise NotImplementedError

    def size(self, origin: str) -> int:
        """How many entries of a log are held without a gap, from 0."""
        raise NotImplementedError
