"""Screening in the terms: who mixes known-bad changes into the queue, at what rate, and how many must be caught.

Decides what the member ``screening`` of the terms may say, how many seeded changes it makes, and how two such members differ. Leaves out what reveals do
(``screened``) and whether a minimum can be shown at all (``checking.screening``). Normative text: ``spec/terms.md`` §2.5 (T50, T51),
``spec/review.md`` §5.

>>> ScreeningTerms(("auditor",), Decimal("0.05"), 10, 604_800, 365 * 86_400, None).expected_seeds()
26
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from detente.accord.document import Node
from detente.accord.fields import Fields, listed, name, one_of, positive, share, text
from detente.base.errors import Refused
from detente.base.instant import parse_duration, show_duration
from detente.base.quantity import show_decimal

HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Minimum:
    """At least ``caught`` of the seeded changes, shown with ``confidence`` (one-sided); ``unshown``: what too few seeds mean."""

    caught: Decimal
    confidence: Decimal
    unshown: Literal["holds", "silent"] = "holds"

    def spelled(self) -> str:
        """As a phrase.

        >>> Minimum(Decimal("0.8"), Decimal("0.95")).spelled()
        'at least 80 % are caught, with 95 % confidence'
        """
        return f"at least {percent(self.caught)} are caught, with {percent(self.confidence)} confidence"


@dataclass(frozen=True, slots=True)
class ScreeningTerms:
    """``by`` (roles or parties) seed ``rate`` of the decisions, of which ``decisions`` are expected every ``per_s``.

    What counts is what was decided within ``window_s``.
    """

    by: tuple[str, ...]
    rate: Decimal
    decisions: int
    per_s: int
    window_s: int
    minimum: Minimum | None

    def expected_decisions(self) -> int:
        """Within a window, rounded down."""
        return int(Fraction(self.decisions * self.window_s, self.per_s))

    def expected_seeds(self) -> int:
        """Within a window, rounded down."""
        return int(Fraction(self.rate) * Fraction(self.decisions * self.window_s, self.per_s))

    def spelled(self) -> str:
        """The member as a phrase."""
        return (
            f"{percent(self.rate)} of the changes put to reviewers are known-bad ones, chosen by {', '.join(self.by)}; "
            f"{self.decisions} decisions are expected every {show_duration(self.per_s)}, and those of {show_duration(self.window_s)} count"
        )


def percent(value: Decimal) -> str:
    """A share as terms spell it.

    >>> percent(Decimal("0.05"))
    '5 %'
    """
    return f"{show_decimal((value * 100).normalize())} %"


def read_screening(node: Node, errors: list[Refused]) -> ScreeningTerms | None:
    """The member ``screening``; errors are added."""
    before = len(errors)
    fields = Fields(node, errors)
    expected = fields.take("decisions", lambda entry: _decisions(entry, errors))
    count, per_s = expected or (1, 1)
    found = ScreeningTerms(
        fields.take("by", listed(name, 1, 64)),
        fields.take("rate", _rate),
        count,
        per_s,
        fields.take("window", _duration),
        fields.take("minimum", lambda entry: _minimum(entry, errors), None),
    )
    fields.done()
    return found if len(errors) == before else None


def _decisions(node: Node, errors: list[Refused]) -> tuple[int, int]:
    fields = Fields(node, errors)
    found = fields.take("count", positive), fields.take("per", _duration)
    fields.done()
    return found


def _minimum(node: Node, errors: list[Refused]) -> Minimum:
    fields = Fields(node, errors)
    found = Minimum(
        fields.take("caught", share),
        fields.take("confidence", _confidence),
        fields.take("unshown", one_of("holds", "silent"), "holds"),
    )
    fields.done()
    return found


def _duration(node: Node) -> int:
    seconds = parse_duration(text(node))
    if seconds == 0:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="some time")
    return seconds


def _rate(node: Node) -> Decimal:
    value = share(node)
    if not 0 < value <= HALF:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="a rate above 0 % and at most 50 %")
    return value


def _confidence(node: Node) -> Decimal:
    value = share(node)
    if not HALF <= value < 1:
        raise Refused("T08", "malformed", got=f"{node.where} {node}", expected="50 % or more, and below 100 %")
    return value


def compare_screening(old: ScreeningTerms | None, new: ScreeningTerms | None) -> Iterator[tuple[str, bool | None]]:
    """Each difference in words, and whether it tightens (None: cannot be told)."""
    if old is None or new is None:
        if old != new:
            text_of = (
                "seeds known-bad changes among those put to reviewers"
                if old is None
                else "no longer seeds known-bad changes"
            )
            yield text_of, old is None
        return
    if set(old.by) != set(new.by):
        yield f"changes who seeds from {', '.join(sorted(old.by))} to {', '.join(sorted(new.by))}", None
    if old.rate != new.rate:
        yield f"changes the rate of seeding from {percent(old.rate)} to {percent(new.rate)}", new.rate > old.rate
    if (old.decisions, old.per_s) != (new.decisions, new.per_s):
        told = [f"{each.decisions} every {show_duration(each.per_s)}" for each in (old, new)]
        yield f"changes how many decisions are expected from {told[0]} to {told[1]}", None
    if old.window_s != new.window_s:
        # A longer window shows more with the same seeds, and keeps old catches longer.
        told = [show_duration(each.window_s) for each in (old, new)]
        yield f"changes the window in which seeded changes count from {told[0]} to {told[1]}", None
    yield from _compare_minimum(old.minimum, new.minimum)


def _compare_minimum(old: Minimum | None, new: Minimum | None) -> Iterator[tuple[str, bool | None]]:
    if old is None or new is None:
        if old != new:
            minimum = new or old
            spelled = "" if minimum is None else minimum.spelled()
            yield (f"asks that {spelled}" if old is None else f"no longer asks that {spelled}"), old is None
        return
    if old.caught != new.caught:
        yield (
            f"changes how many must be caught from {percent(old.caught)} to {percent(new.caught)}",
            new.caught > old.caught,
        )
    if old.confidence != new.confidence:
        # Where too few seeds are silent, more confidence is needed before anything holds.
        rises = new.confidence > old.confidence
        told = f"from {percent(old.confidence)} to {percent(new.confidence)}"
        yield f"changes the confidence with which that is shown {told}", rises == (new.unshown == "holds")
    if old.unshown != new.unshown:
        yield (
            f"what too few seeds show now {'holds' if new.unshown == 'holds' else 'is silent'}",
            new.unshown == "holds",
        )
