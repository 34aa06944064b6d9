"""Instants and durations: whole POSIX seconds, UTC. The core never reads a clock; it is handed one of these.

Whole seconds because that is what a C2SP cosignature carries, and a cosignature is the only time that counts.

>>> show_instant(parse_instant("2026-11-24T00:00:00Z"))
'2026-11-24T00:00:00Z'
>>> parse_duration("15 min")
900
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NewType

from detente.base.errors import Refused, shown

Instant = NewType("Instant", int)
"""Seconds since the Epoch, 0 ≤ t < 2**40 (the year 36812: a bound, not a plan)."""

INSTANT_MAX = 2**40
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_DURATION = re.compile(r"(\d{1,9}) ?(s|min|h|d)\Z", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}


def parse_instant(text: object) -> Instant:
    """RFC 3339 in UTC with whole seconds and a ``Z``; raises ``Refused`` B02."""
    if isinstance(text, str) and _INSTANT.match(text):
        try:
            return Instant(int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()))
        except ValueError:
            pass
    raise Refused("B02", "malformed", got=shown(text), expected="an instant like 2026-11-24T00:00:00Z")


def parse_date(text: object) -> Instant:
    """A calendar date, meaning its first second in UTC; raises ``Refused`` B02."""
    if isinstance(text, str) and _DATE.match(text):
        return parse_instant(f"{text}T00:00:00Z")
    raise Refused("B02", "malformed", got=shown(text), expected="a date like 2026-11-24")


def show_instant(at: Instant) -> str:
    """The RFC 3339 spelling that ``parse_instant`` reads."""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_duration(text: object) -> int:
    """Seconds of ``"<whole number> s|min|h|d"``; raises ``Refused`` B03."""
    if isinstance(text, str) and (match := _DURATION.match(text)):
        return int(match[1]) * _SECONDS[match[2]]
    raise Refused("B03", "malformed", got=shown(text), expected="a duration like 60 s, 15 min, 6 h or 180 d")


def show_duration(seconds: int) -> str:
    """The largest unit that spells ``seconds`` exactly.

    >>> show_duration(5400)
    '90 min'
    """
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
