"""Exact decimal quantities and intervals. FLOP do not fit a double, so no float is ever involved.

Comparison and addition are exact: a result that would need rounding is our own mistake and raises.

>>> parse_decimal("1e25") > parse_decimal("9999999999999999999999999")
True
>>> Interval(parse_decimal("1"), parse_decimal("3")).at_least(parse_decimal("2")) is None
True
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from detente.base.errors import Refused, shown

_DECIMAL = re.compile(r"-?(0|[1-9]\d{0,39})(\.\d{1,20})?(e[+-]?\d{1,2})?\Z", re.ASCII)
EXACT = Context(prec=400, Emin=-999, Emax=999, traps=[Inexact, InvalidOperation, Overflow])
"""Wide enough that sums of a million bounded decimals are exact; anything inexact raises."""

ZERO = Decimal(0)


def parse_decimal(text: object) -> Decimal:
    """A decimal string: up to 40 digits, 20 decimals, a two-digit exponent; raises ``Refused`` B04.

    A JSON number is refused: readers disagree about large ones.
    """
    if not isinstance(text, str) or not _DECIMAL.match(text):
        raise Refused("B04", "wrong-type", got=shown(text), expected='a decimal in a string, such as "1e25"')
    return Decimal(text)


def show_decimal(value: Decimal) -> str:
    """A spelling that ``parse_decimal`` reads back to the same number, short for large round ones.

    >>> show_decimal(Decimal(10) ** 25), show_decimal(Decimal("1500")), show_decimal(Decimal("0.25"))
    ('1e25', '1500', '0.25')
    """
    if value == 0:
        return "0"
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise Refused("B04", "wrong-type", got=str(value), expected="a finite decimal")
    number = int("".join(map(str, digits)))
    while number % 10 == 0:
        number //= 10
        exponent += 1
    minus = "-" if sign else ""
    if 0 <= exponent <= 6:
        return f"{minus}{number * 10**exponent}"
    if exponent > 6:
        return f"{minus}{number}e{exponent}"
    text = f"{number:0{1 - exponent}d}"
    return f"{minus}{text[:exponent]}.{text[exponent:]}" if exponent >= -20 else f"{minus}{number}e{exponent}"


H100E_FLOP_S = Decimal("9.9e14")
"""One H100-equivalent: 15,840 TPP, 990 TFLOP/s at 16 bits (MIRI draft agreement, arXiv 2511.10783, Art. II.15)."""


def show_compute_rate(flop_s: Decimal) -> str:
    """What a facility computes: in H100-equivalents where that is a whole number, else in FLOP/s.

    >>> show_compute_rate(Decimal("9.9e18")), show_compute_rate(Decimal("1e18"))
    ('10000 H100e', '1e18 FLOP/s')
    """
    if flop_s and flop_s % H100E_FLOP_S == 0:
        return f"{show_decimal(EXACT.divide(flop_s, H100E_FLOP_S))} H100e"
    return f"{show_decimal(flop_s)} FLOP/s"


def add_exactly(values: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total


@dataclass(frozen=True, slots=True)
class Interval:
    """Everything from ``low`` to ``high``, both included; ``None`` means that side is not known.

    ``at_least`` and ``at_most`` answer in Kleene's logic: true, false, or ``None`` for unknown.
    """

    low: Decimal | None
    high: Decimal | None

    def __post_init__(self) -> None:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise Refused("B05", "malformed", got=f"[{self.low}, {self.high}]", expected="low ≤ high")

    def at_least(self, bound: Decimal) -> bool | None:
        """Is every value ≥ bound (true), none (false), or is it open (None)?"""
        if self.low is not None and self.low >= bound:
            return True
        if self.high is not None and self.high < bound:
            return False
        return None

    def at_most(self, bound: Decimal) -> bool | None:
        """Is every value ≤ bound (true), none (false), or is it open (None)?"""
        if self.high is not None and self.high <= bound:
            return True
        if self.low is not None and self.low > bound:
            return False
        return None

    def more_than(self, bound: Decimal) -> bool | None:
        """The negation of ``at_most``."""
        answer = self.at_most(bound)
        return None if answer is None else not answer

    def __str__(self) -> str:
        low = "?" if self.low is None else show_decimal(self.low)
        high = "?" if self.high is None else show_decimal(self.high)
        return low if low == high and self.low is not None else f"[{low}, {high}]"


def exactly(value: Decimal) -> Interval:
    """The interval that holds one value."""
    return Interval(value, value)
