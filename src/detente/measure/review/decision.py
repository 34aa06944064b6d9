"""What is known of one decision, and shares over several of which something is unknown.

Decides the shapes that the other modules count. Leaves out where they come from (``app.reviews``).

>>> Part.of([True, None, False, False]).as_json()
{'yes': 1, 'unknown': 1, 'of': 4, 'low': '0.250000', 'high': '0.500000'}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from detente.measure.indicator import share
from detente.measure.review.note import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision: by whom (organisation and pseudonym), on which proposal, what, witnessed when, and how it was read.

    ``reading`` is None where nothing was recorded or it was erased. ``of_author``: the reviewer's party made the proposal.
    ``seed``: a seeded change whose reveal came after this decision.
    """

    statement: str
    proposal: str
    reviewer: tuple[str, str]
    decision: str
    at_s: int
    reading: Reading | None = None
    of_author: bool = False
    seed: bool = False

    @property
    def approves(self) -> bool:
        return self.decision == "approve"

    @property
    def active_s(self) -> int:
        """Recorded activity; 0 where none was."""
        return 0 if self.reading is None else self.reading.active_s

    @property
    def opened_s(self) -> int:
        """When the proposal was opened, as far as is known."""
        return self.at_s - (0 if self.reading is None else self.reading.open_s)


@dataclass(frozen=True, slots=True)
class Part:
    """So many certainly, so many perhaps, of so many: the share lies in [yes/n, (yes + unknown)/n]."""

    yes: int
    unknown: int
    of_all: int

    @classmethod
    def of(cls, answers: Iterable[bool | None]) -> Part:
        """Count answers, of which None is unknown."""
        given = list(answers)
        return cls(sum(1 for a in given if a), sum(1 for a in given if a is None), len(given))

    @property
    def low(self) -> Decimal | None:
        return share(self.yes, self.of_all)

    @property
    def high(self) -> Decimal | None:
        return share(self.yes + self.unknown, self.of_all)

    def as_json(self) -> dict[str, Any]:
        return {
            "yes": self.yes,
            "unknown": self.unknown,
            "of": self.of_all,
            "low": spelled(self.low),
            "high": spelled(self.high),
        }

    def spelled(self) -> str:
        """For people.

        >>> Part(1, 2, 4).spelled(), Part(2, 0, 4).spelled(), Part(0, 0, 0).spelled()
        ('1 to 3 of 4', '2 of 4', 'none yet')
        """
        if not self.of_all:
            return "none yet"
        return (
            f"{self.yes} of {self.of_all}"
            if not self.unknown
            else f"{self.yes} to {self.yes + self.unknown} of {self.of_all}"
        )


def spelled(value: Decimal | None) -> str | None:
    """A decimal as JSON holds it."""
    return None if value is None else str(value)


def percent(value: Decimal, *, end: Literal["low", "high"] | None = None) -> str:
    """A share for people; an ``end`` of an interval is rounded outwards.

    >>> percent(Decimal("0.8677"), end="low"), percent(Decimal("0.8677"), end="high"), percent(Decimal("1.0000"))
    ('86.7 %', '86.8 %', '100 %')
    """
    rounding = {None: ROUND_HALF_EVEN, "low": ROUND_FLOOR, "high": ROUND_CEILING}[end]
    text = str((value * 100).quantize(Decimal("0.1"), rounding=rounding))
    return f"{text.removesuffix('.0')} %"


def show_between(ends: tuple[Decimal, Decimal]) -> str:
    """Both ends of an interval, rounded outwards.

    >>> show_between((Decimal("0.8036"), Decimal("0.9991")))
    'between 80.3 % and 100 %'
    """
    return f"between {percent(ends[0], end='low')} and {percent(ends[1], end='high')}"
