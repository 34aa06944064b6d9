"""How a value reads: shares in per cent, FLOP in three digits, an open side as a word.

Decides rounding for people, always outwards, so that what is shown never claims more than what was measured. Machines read the exact
value. ``spec/measure.md`` §3.

>>> from detente.base.quantity import Interval
>>> show_interval(Interval(Decimal("0.12345"), Decimal("0.2")), "share")
'12.3 % to 20 %'
>>> show_interval(Interval(Decimal("20518272e13"), None), "FLOP")
'at least 2.05e20 FLOP'
>>> show_interval(Interval(Decimal("-12"), Decimal("12.34567")), "days")
'-12 to 12.4 days'
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Final

from detente.base.quantity import Interval
from detente.measure.indicator import Indicator

_DIGITS: Final = 3
_DOWN: Final = Context(prec=_DIGITS, rounding=ROUND_FLOOR)
_UP: Final = Context(prec=_DIGITS, rounding=ROUND_CEILING)


def show_value(indicator: Indicator) -> str:
    """The interval of an indicator with its unit."""
    return show_interval(Interval(indicator.low, indicator.high), indicator.unit)


def show_interval(value: Interval, unit: str) -> str:
    """One value, two ends, a bound, or ``unknown``; rounded outwards. Counts and one exact value are not rounded."""
    exact = value.low == value.high or unit in {"count", "versions"}
    low = None if value.low is None else _number(value.low, unit, None if exact else _DOWN)
    high = None if value.high is None else _number(value.high, unit, None if exact else _UP)
    word = "" if unit in {"share", "count"} else f" {unit}"
    if low is None and high is None:
        return "unknown"
    if high is None:
        return f"at least {low}{word}"
    if low is None:
        return f"at most {high}{word}"
    return f"{low}{word}" if low == high else f"{low} to {high}{word}"


def _number(value: Decimal, unit: str, rounding: Context | None) -> str:
    if unit == "share":
        value *= 100
    if rounding is not None:
        value = rounding.plus(value)
    elif value != value.to_integral_value() or abs(value) >= 10**7:
        value = Context(prec=5 if abs(value) < 10**7 else _DIGITS).plus(value)  # one value: nearest, two digits more
    text = _plain(value)
    return f"{text} %" if unit == "share" else text


def _plain(value: Decimal) -> str:
    """Digits without a tail of zeros; above ten million with an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 10**7:
        mantissa, _, exponent = f"{value:.{_DIGITS - 1}e}".partition("e")
        short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{short}e{int(exponent)}"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
