"""Predicate ``observation``: what a watched source said, with span and digest.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.base.digest import Digest
from detente.base.instant import Instant
from detente.statement.fields import DIGEST, INSTANT, Record, contradiction, count, record_codec, text


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` up to, not including, ``end`` of the source."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Observation:
    """``source`` (its address) had bytes with this digest when ``seen_at``; ``quote`` stands at ``span`` in them."""

    source: str
    digest: Digest
    span: Span
    quote: str
    seen_at: Instant


def _check(span: Span) -> None:
    if span.start >= span.end:
        raise contradiction("start", str(span.start), f"below end, {span.end}")


OBSERVATION = Record(
    Observation,
    source=text(),
    digest=DIGEST,
    span=record_codec(Record(Span, check=_check, start=count(), end=count())),
    quote=text(),
    seen_at=INSTANT,
)
