"""What published rules compare with a number of operations, and how a run compares: yes, no, or cannot be told.

Decides which quantities of a run a rule may ask for, and exact comparisons of intervals with its bound. Leaves out the rules themselves, which
whoever measures hands over (their numbers, clauses and words stand in the shipped texts, ``accords/``), every consequence, and
whether a rule applies to anybody. ``spec/measure-compute.md`` §6.

- Quantities have the names of the vocabulary of the texts. A third is no decimal: three times what was modified is compared.

>>> compare((Fraction(10**25), Fraction(10**25)), Decimal("1e25")), compare((Fraction(10**25 + 1), None), Decimal("1e25"))
('not exceeded', 'exceeded')
>>> compare((Fraction(9 * 10**24), None), Decimal("1e25"))
'cannot be told'
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from detente.base.quantity import Interval

Outcome = Literal["exceeded", "not exceeded", "cannot be told"]
Span: TypeAlias = tuple[Fraction | None, Fraction | None]
"""From at least to at most, exactly; None where that end is not known."""
CUMULATIVE: Final = "run.cumulative_flop"
LESS_ORIGINAL: Final = "tripled_modification_less_original"
OF_UNKNOWN_SYSTEMIC: Final = "tripled_modification_of_unknown_systemic"
OF_UNKNOWN: Final = "tripled_modification_of_unknown"
QUANTITIES: Final = frozenset({CUMULATIVE, LESS_ORIGINAL, OF_UNKNOWN_SYSTEMIC, OF_UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``quantity`` above ``bound`` operations; ``name`` for machines, ``says`` what the document attaches to it."""

    name: str
    document: str
    clause: str
    quantity: str
    bound: Decimal
    shown: str
    says: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule, the run's own or cumulative operations that it is about, and the outcome."""

    rule: Rule
    value: Interval
    outcome: Outcome


def compare(value: Span, bound: Decimal) -> Outcome:
    """Is ``value`` above ``bound``? At the bound itself it is not."""
    low, high = value
    if low is not None and low > Fraction(bound):
        return "exceeded"
    if high is not None and high <= Fraction(bound):
        return "not exceeded"
    return "cannot be told"


def quantities(
    *, own: Interval, cumulative: Interval, original: Interval | None, original_systemic: bool | None
) -> Mapping[str, Span]:
    """Name → what rules may compare, of those that this run has.

    ``original`` is what went into the model that the run started from, ``None`` if it started from none. Where nothing is known
    of it the guidelines' own fallback counts, for a model of systemic risk only if that was declared.
    """
    found: dict[str, Span] = {CUMULATIVE: _span(cumulative)}
    if original is None:
        return found
    least, most = _span(own)
    tripled = (None if least is None else 3 * least, None if most is None else 3 * most)
    if original.high is None and not original.low:
        found[OF_UNKNOWN_SYSTEMIC if original_systemic else OF_UNKNOWN] = tripled
        return found
    low, high = _span(original)
    found[LESS_ORIGINAL] = (
        None if tripled[0] is None or high is None else tripled[0] - high,
        None if tripled[1] is None or low is None else tripled[1] - low,
    )
    return found


def judge(
    rules: Sequence[Rule],
    *,
    own: Interval,
    cumulative: Interval,
    original: Interval | None,
    original_systemic: bool | None,
) -> tuple[Judged, ...]:
    """Every rule that compares with this run, in their order."""
    known = quantities(own=own, cumulative=cumulative, original=original, original_systemic=original_systemic)
    return tuple(
        Judged(rule, cumulative if rule.quantity == CUMULATIVE else own, compare(known[rule.quantity], rule.bound))
        for rule in rules
        if rule.quantity in known
    )


def ratio(part: Interval, whole: Interval) -> Interval:
    """``part / whole`` to six decimals, rounded outwards; a side that is not known stays so.

    >>> from detente.base.quantity import exactly
    >>> print(ratio(exactly(Decimal(1)), exactly(Decimal(3))))
    [0.333333, 0.333334]
    """
    low = high = None
    if part.low is not None and whole.high:
        low = Decimal(int(Fraction(part.low) / Fraction(whole.high) * 10**6)).scaleb(-6)
    if part.high is not None and whole.low:
        exact = Fraction(part.high) / Fraction(whole.low) * 10**6
        high = Decimal(-(-exact.numerator // exact.denominator)).scaleb(-6)
    return Interval(low, high)


def _span(value: Interval) -> Span:
    return None if value.low is None else Fraction(value.low), None if value.high is None else Fraction(value.high)
