"""A status as sentences with citations."""

from __future__ import annotations

from detente.accord.reason import Reason
from detente.accord.standing import Status

__all__ = ["Reason", "explain"]


def explain(status: Status) -> tuple[Reason, ...]:
    """Why it is so, in plain English, most restrictive first; each reason cites its entries."""
    raise NotImplementedError
