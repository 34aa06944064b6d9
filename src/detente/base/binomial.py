"""Exact binomial bounds: what so many successes in so many trials show, computed with whole numbers alone.

Decides whether a number of successes shows a share, and between which shares the true one lies. No float is involved and nothing is
approximated, so that everybody who asks gets the same answer, also where a decision hangs on it. Ends are rounded outwards to four
decimals. Source: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 26(4), 1934, doi:10.1093/biomet/26.4.404. ``spec/review.md`` §4.

>>> exact_interval(26, 26, Decimal("0.95"))
(Decimal('0.8677'), Decimal('1.0000'))
>>> shows_at_least(26, 26, Decimal("0.8"), Decimal("0.95")), least_trials(0, Decimal("0.95"), Decimal("0.95"))
(True, 59)
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import comb
from typing import Final

TRIALS_MAX: Final = 4_096
"""Most trials that are counted: 16 seeded changes a working day for a year. More would cost more than they tell."""
GRID: Final = 10_000
"""Ends are multiples of 1/10,000, rounded outwards."""


def tail(least: int, trials: int, share: Fraction) -> Fraction:
    """The chance of at least ``least`` successes in ``trials`` independent ones of chance ``share``, exactly.

    >>> tail(1, 2, Fraction(1, 2))
    Fraction(3, 4)
    """
    if least <= 0:
        return Fraction(1)
    if least > trials:
        return Fraction(0)
    part, whole = share.numerator, share.denominator
    rest = whole - part
    if least > trials // 2:
        return Fraction(_sum(least, trials, trials, part, rest), whole**trials)
    return 1 - Fraction(_sum(0, least - 1, trials, part, rest), whole**trials)


def _sum(first: int, last: int, trials: int, part: int, rest: int) -> int:
    """The sum over ``first`` to ``last`` of C(trials, i) part^i rest^(trials − i)."""
    if rest == 0:
        return int(last == trials)  # A share of 1: all succeed.
    term: int = comb(trials, first) * part**first * rest ** (trials - first)
    total = term
    for i in range(first, last):
        term = term * (trials - i) * part // ((i + 1) * rest)
        total += term
    return total


def shows_at_least(successes: int, trials: int, share: Decimal, confidence: Decimal) -> bool:
    """Do so many successes show a chance of at least ``share``, at this one-sided confidence?

    They do if a chance of exactly ``share`` would give as many or more with a probability of at most 1 − confidence.
    """
    return trials > 0 and tail(successes, trials, Fraction(share)) <= 1 - Fraction(confidence)


def shows_below(successes: int, trials: int, share: Decimal, confidence: Decimal) -> bool:
    """Do so few successes show a chance below ``share``, at this one-sided confidence?"""
    return trials > 0 and 1 - tail(successes + 1, trials, Fraction(share)) <= 1 - Fraction(confidence)


def lower_bound(successes: int, trials: int, confidence: Decimal) -> Decimal:
    """The greatest multiple of 1/10,000 that so many successes show, at this one-sided confidence; 0 where they show none."""
    risk = 1 - Fraction(confidence)
    low, high = 0, GRID  # Shown at low (or 0), not at high.
    if trials == 0:
        return _end(0)
    while high - low > 1:
        middle = (low + high) // 2
        if tail(successes, trials, Fraction(middle, GRID)) <= risk:
            low = middle
        else:
            high = middle
    return _end(low)


def upper_bound(successes: int, trials: int, confidence: Decimal) -> Decimal:
    """The least multiple of 1/10,000 below which so few successes show it to be, at this one-sided confidence; else 1."""
    return _end(GRID) - lower_bound(trials - successes, trials, confidence)


def exact_interval(successes: int, trials: int, confidence: Decimal) -> tuple[Decimal, Decimal]:
    """The Clopper-Pearson interval: half of the risk on either side. With no trial it is [0, 1]: nothing is known."""
    each = 1 - (1 - confidence) / 2
    return lower_bound(successes, trials, each), upper_bound(successes, trials, each)


def least_trials(failures: int, share: Decimal, confidence: Decimal) -> int | None:
    """The fewest trials that show ``share`` with so many failures among them; None above ``TRIALS_MAX``."""
    low, high = failures, TRIALS_MAX + 1  # Not shown at low; at high it is shown, or nobody asks.
    while high - low > 1:
        middle = (low + high) // 2
        if shows_at_least(middle - failures, middle, share, confidence):
            high = middle
        else:
            low = middle
    return high if high <= TRIALS_MAX else None


def _end(grid: int) -> Decimal:
    return (Decimal(grid) / GRID).quantize(Decimal("0.0001"))
