"""Predicate ``withdrawal``: a party leaves; when that takes effect is for the terms to say.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.statement.fields import Record, text


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A party leaves. It never releases from a pause that latched before it takes effect (contracts §3)."""

    reason: str


WITHDRAWAL = Record(Withdrawal, reason=text())
