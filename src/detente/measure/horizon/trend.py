"""The trend of the state of the art: which points are on it, the line through their logarithms, the doubling time.

1. After the date filter, a point is *state of the art* if its value is at least the largest up to and including its day.
2. The trend is the line of least squares of log₂(value) on the date; the doubling time is one over its slope, in days.
3. Its interval comes from draws of the points, the set of points kept: METR's rule. ``spec/measure-horizon.md`` §5.

A running maximum depends on what came before, so such points are not independent, and the interval is too narrow for that.

>>> points = [Point("a", date(2023, 1, 1), 1), Point("b", date(2024, 1, 1), 0.5), Point("c", date(2024, 1, 1), 4)]
>>> [point.name for point in state_of_the_art(points)]
['a', 'c']
>>> doubling_days(float(slope([0.0, 365.0], [0.0, 2.0])))
182.5
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from detente.measure.horizon.runs import Floats

POINTS_MIN: Final = 3
"""Through two points a line always fits."""
NORMAL_975: Final = 1.959963984540054
"""Standard deviations from the median to the 97.5th percentile of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Point:
    """A dated value, with its 95 % interval where it has one; ``name`` is the model's."""

    name: str
    at: date
    value: float
    low: float | None = None
    high: float | None = None


def state_of_the_art(points: Iterable[Point], since: date | None = None) -> tuple[Point, ...]:
    """The points that were best on their day, oldest first, among those from ``since`` on."""
    ordered = sorted((p for p in points if since is None or p.at >= since), key=lambda p: (p.at, p.value, p.name))
    best_on: dict[date, float] = {}
    best = -math.inf
    for point in ordered:
        best = best_on[point.at] = max(best, point.value)
    return tuple(point for point in ordered if point.value >= best_on[point.at])


def slope(days: Sequence[float] | Floats, logarithms: Sequence[float] | Floats) -> Floats:
    """Slopes of least squares. ``logarithms`` is (n,) or (B, n), ``days`` (n,); what is not finite is left out of its row.

    NaN for a row with fewer than two different days.
    """
    y = np.atleast_2d(np.asarray(logarithms, np.float64))
    known = np.isfinite(y)
    y = np.where(known, y, 0.0)
    x = np.asarray(days, np.float64) - float(np.mean(days))
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, x - (known * x).sum(axis=1, keepdims=True) / count, 0.0)
    spread = (centred**2).sum(axis=1)
    slopes = np.full(len(y), np.nan)
    np.divide((centred * y).sum(axis=1), spread, out=slopes, where=spread > 1e-9)
    return slopes if np.ndim(logarithms) == 2 else slopes[0]


def power_of_two(exponent: float) -> float:
    """2 to that power; +∞ where no double is large enough."""
    with np.errstate(over="ignore"):
        return float(np.exp2(exponent))


def doubling_days(slope_a_day: float) -> float:
    """Days in which the value doubles, for a slope in log₂ a day; +∞ where it does not grow."""
    if math.isnan(slope_a_day):
        return math.nan
    return 1 / slope_a_day if slope_a_day > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Trend:
    """The line through log₂ of ``points``: ``level`` on the mean day ``centre`` (an ordinal), ``slope`` a day.

    ``drawn`` holds (B, 2) level and slope of each draw; NaN where a draw left fewer than three points or one day.
    """

    points: tuple[Point, ...]
    centre: float
    level: float
    slope: float
    drawn: Floats

    def at(self, day: date) -> float:
        """The value of the line on a day."""
        return power_of_two(self.level + self.slope * (day.toordinal() - self.centre))

    def drawn_at(self, day: date) -> Floats:
        """(B,) log₂ of the drawn lines on a day."""
        line: Floats = self.drawn[:, 0] + self.drawn[:, 1] * (day.toordinal() - self.centre)
        return line


def fit_trend(points: Sequence[Point], drawn: Floats) -> Trend | None:
    """The trend through ``points`` and through each row of ``drawn``, (B, n) log₂ of the same points.

    ``None`` below three points or two days.
    """
    days = np.array([point.at.toordinal() for point in points], np.float64)
    if len(points) < POINTS_MIN or len(set(days)) < 2:
        return None
    centre = float(days.mean())
    values = np.log2([point.value for point in points])
    slopes = slope(days, drawn)
    known = np.isfinite(drawn)
    enough = known.sum(axis=1) >= POINTS_MIN
    count = np.maximum(known.sum(axis=1), 1)
    level = np.where(known, drawn, 0.0).sum(axis=1) / count - slopes * ((known * (days - centre)).sum(axis=1) / count)
    lines = np.where(enough[:, None], np.stack([level, slopes], axis=1), np.nan)
    return Trend(tuple(points), centre, float(values.mean()), float(slope(days, values)), lines)


def draw_points(
    generator: np.random.Generator, points: Sequence[Point], draws: int, *, logarithmic: bool = True
) -> Floats:
    """(B, n) log₂ of values drawn from the points' own intervals (the values themselves unless ``logarithmic``).

    On either side of the value half a normal distribution that meets the interval's end at 2.5 % or 97.5 %. A point
    without interval stays where it is. Each is drawn by itself: what moves all values of a suite together is not seen.
    """
    centre = heights(points, logarithmic=logarithmic)
    low = _heights([point.value if point.low is None else point.low for point in points], logarithmic)
    high = _heights([point.value if point.high is None else point.high for point in points], logarithmic)
    noise = generator.standard_normal((draws, len(points))) / NORMAL_975
    drawn: Floats = centre + noise * np.where(noise < 0, centre - low, high - centre)
    return drawn


def heights(points: Sequence[Point], *, logarithmic: bool = True) -> Floats:
    """(n,) log₂ of the values, or the values."""
    return _heights([point.value for point in points], logarithmic)


def _heights(values: Sequence[float], logarithmic: bool) -> Floats:
    array = np.array(values, np.float64)
    return np.log2(array) if logarithmic else array
