"""Predicate ``measurement``: the value of an indicator as an interval, how it was got, and from what.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.fields import (
    DECIMAL,
    DIGEST,
    INSTANT,
    NAME,
    PARTY,
    Record,
    contradiction,
    listing,
    nullable,
    optional,
    record_codec,
    text,
)


@dataclass(frozen=True, slots=True)
class About:
    """What was measured; with no member at all, the world."""

    party: Party | None = None
    run: Digest | None = None
    version: Digest | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """``indicator`` lies between ``low`` and ``high``, in ``unit``; a side that is ``None`` is not known."""

    indicator: str
    low: Decimal | None
    high: Decimal | None
    unit: str
    method: str
    evidence: tuple[Digest, ...]
    taken_at: Instant
    about: About | None = None
    evidence_class: str | None = None


def _check(body: Measurement) -> None:
    if body.low is not None and body.high is not None and body.low > body.high:
        raise contradiction("low", str(body.low), f"at most high, {body.high}")


_ABOUT = Record(About, party=optional(PARTY), run=optional(DIGEST), version=optional(DIGEST))
MEASUREMENT = Record(
    Measurement,
    check=_check,
    indicator=NAME,
    low=nullable(DECIMAL),
    high=nullable(DECIMAL),
    unit=text(64),
    method=text(),
    evidence=listing(DIGEST),
    taken_at=INSTANT,
    about=optional(record_codec(_ABOUT)),
    evidence_class=optional(NAME),
)
