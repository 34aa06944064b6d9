"""How far reviewers who decide independently of one another agree: raw, and beyond what chance alone would give.

Decides which decisions can be compared and what they show. A *pair* is the first two decisions on one proposal by two reviewers,
neither of whom belongs to the party that proposed; approving against not approving. Raw agreement is the share of pairs that agree, with its
exact interval (``base.binomial``). Beyond chance: Krippendorff's alpha for two values, 1 − D/E, D being the share of pairs that
disagree and E the disagreement of two decisions drawn from all of them without looking at which proposal they are of; its interval is that of D with E held fixed, as
in his own resampling. Source: K. Krippendorff, *Content Analysis*, 4th ed. 2019, ch. 12. ``spec/review.md`` §4.

- Where all decisions are the same, E is 0 and nothing can be said beyond chance: everybody who always approves agrees.
- Whoever decided after another's decision stood in the log may have followed it: those pairs are counted, and shown.

>>> pairs = [Pair("approve", "approve", False)] * 8 + [Pair("reject", "reject", False)] + [Pair("approve", "reject", True)]
>>> found = agreement_of(pairs)
>>> found.raw, str(found.alpha), [str(end) for end in found.alpha_between]
((9, 10), '0.6275', ['-0.6582', '0.9907'])
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from detente.base.binomial import TRIALS_MAX, exact_interval
from detente.measure.review.decision import Decided, spelled

CONFIDENCE: Final = Decimal("0.95")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two decisions on one proposal; ``after``: the second came when the first stood in the log."""

    first: str
    second: str
    after: bool

    @property
    def agrees(self) -> bool:
        return (self.first == "approve") == (self.second == "approve")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Pairs that agree of all pairs, and alpha; None where it is not determined."""

    raw: tuple[int, int]
    raw_between: tuple[Decimal, Decimal]
    alpha: Decimal | None
    alpha_between: tuple[Decimal, Decimal] | None
    after: int

    def as_json(self) -> dict[str, Any]:
        between = None if self.alpha_between is None else [str(end) for end in self.alpha_between]
        return {
            "agree": self.raw[0],
            "pairs": self.raw[1],
            "between": [str(end) for end in self.raw_between],
            "alpha": spelled(self.alpha),
            "alpha_between": between,
            "second_decided_after_the_first_was_known": self.after,
            "confidence": str(CONFIDENCE),
        }


def pairs_of(decisions: Iterable[Decided], of: tuple[str, str] | None = None) -> list[Pair]:
    """One pair for each proposal with two independent reviewers, or, for one reviewer, their own with the first other's."""
    by_proposal: dict[str, list[Decided]] = {}
    for each in sorted(decisions, key=lambda each: (each.at_s, each.statement)):
        if not each.of_author and not each.seed:
            by_proposal.setdefault(each.proposal, []).append(each)
    found = []
    for group in by_proposal.values():
        firsts = list({each.reviewer: each for each in reversed(group)}.values())  # each reviewer's first word
        firsts.sort(key=lambda each: (each.at_s, each.statement))
        if of is not None:
            own = [each for each in firsts if each.reviewer == of]
            others = [each for each in firsts if each.reviewer != of]
            firsts = sorted([*own[:1], *others[:1]], key=lambda each: (each.at_s, each.statement)) if own else []
        if len(firsts) >= 2:
            one, other = firsts[:2]
            found.append(Pair(one.decision, other.decision, other.opened_s >= one.at_s))
    return found[-TRIALS_MAX:]


def agreement_of(pairs: Sequence[Pair]) -> Agreement:
    """What these pairs show."""
    n = len(pairs)
    agree = sum(pair.agrees for pair in pairs)
    after = sum(pair.after for pair in pairs)
    between = exact_interval(agree, n, CONFIDENCE)
    approving = sum((pair.first == "approve") + (pair.second == "approve") for pair in pairs)
    values = 2 * n
    by_chance = Fraction(2 * approving * (values - approving), values * (values - 1)) if n else Fraction(0)
    if by_chance == 0:
        return Agreement((agree, n), between, None, None, after)
    low, high = exact_interval(n - agree, n, CONFIDENCE)
    return Agreement(
        (agree, n),
        between,
        _alpha(Fraction(n - agree, n), by_chance),
        (_alpha(Fraction(high), by_chance), _alpha(Fraction(low), by_chance)),
        after,
    )


def _alpha(disagreement: Fraction, by_chance: Fraction) -> Decimal:
    value = 1 - disagreement / by_chance
    return (Decimal(value.numerator) / value.denominator).quantize(Decimal("0.0001"))
