"""A line, a parabola and a line with one break through a series, and how much better one is than another.

Least squares of the height (log₂ of the value, or the level) on years. ``spec/measure-acceleration.md`` §2.

- AICc = n·ln(RSS/n) + 2k + 2k(k+1)/(n−k−1), where k counts the error variance: 3 for the line, 4 for the parabola, 5
  for the broken line. Less is better. Source: Hurvich and Tsai, *Biometrika* 76 (1989).
- The broken line is continuous; its break is tried at every date but the first and the last, and the best one is taken.
- F test of the parabola: (RSS₁ − RSS₂)/(RSS₂/(n − 3)) with (1, n − 3) degrees of freedom.
- sup-F test of the break: the largest F over all breaks, against residuals of the line drawn again around the line.

>>> years = np.arange(10.0)
>>> fits = fit_models(years, (years**2)[None] / 4)
>>> bool(fits.quadratic_gain[0] > 4), float(round(fits.curvature[0], 6))
(True, 0.25)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detente.measure.horizon.runs import Floats, Ints

POINTS_MIN: Final = 7
"""The AICc of five parameters is defined from n − k − 1 ≥ 1 on."""
DAYS_A_YEAR: Final = 365.25
_RSS_MIN: Final = 1e-12
"""RSS for each point below which a fit is perfect: the logarithm needs a floor, and rounding is no evidence."""


@dataclass(frozen=True, slots=True)
class ModelFits:
    """Fits to B rows of n points. Slopes are in height a year; ``gain`` is the line's AICc minus the model's."""

    n: int
    rss: Floats  # (3, B): line, parabola, broken line
    aicc: Floats  # (3, B)
    slope: Floats  # (B,) of the line
    curvature: Floats  # (B,) of the parabola, its second coefficient
    break_at: Ints  # (B,) index of the point at whose date the broken line breaks
    before: Floats  # (B,) slope before the break
    after: Floats  # (B,) slope after it
    sup_f: Floats  # (B,) F of the best break

    @property
    def quadratic_gain(self) -> Floats:
        """(B,) how much better the parabola is than the line, by AICc."""
        gain: Floats = self.aicc[0] - self.aicc[1]
        return gain

    @property
    def break_gain(self) -> Floats:
        """(B,) how much better the broken line is than the line, by AICc."""
        gain: Floats = self.aicc[0] - self.aicc[2]
        return gain

    def accelerate(self, gain: float) -> NDArray[np.bool_]:
        """(B,) do both models beat the line by ``gain``, and do both bend upwards?"""
        both: NDArray[np.bool_] = (
            (self.quadratic_gain >= gain)
            & (self.break_gain >= gain)
            & (self.curvature > 0)
            & (self.after > self.before)
        )
        return both


def fit_models(years: Floats, heights: Floats) -> ModelFits:
    """Fit all three models to each row of ``heights``, (B, n), at ``years``, (n,) in order, with three dates or more."""
    n = len(years)
    x = years - years.mean()
    one = np.ones(n)
    line, line_rss = _least_squares(np.stack([one, x], axis=1), heights)
    parabola, parabola_rss = _least_squares(np.stack([one, x, x * x], axis=1), heights)
    breaks = [i for i in range(1, n) if x[0] < x[i] < x[-1] and x[i] != x[i - 1]]
    tried = [_least_squares(np.stack([one, x, np.maximum(x - x[i], 0)], axis=1), heights) for i in breaks]
    best = np.argmin(np.stack([rss for _, rss in tried]), axis=0)
    rows = np.arange(len(heights))
    broken = np.stack([coefficients for coefficients, _ in tried])[best, rows]
    broken_rss = np.stack([rss for _, rss in tried])[best, rows]
    rss = np.maximum(np.stack([line_rss, parabola_rss, broken_rss]), _RSS_MIN * n)
    penalty = np.array([2 * k + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf for k in (3, 4, 5)])
    return ModelFits(
        n,
        rss,
        n * np.log(rss / n) + penalty[:, None],
        line[:, 1],
        parabola[:, 2],
        np.array(breaks, np.int64)[best],
        broken[:, 1],
        broken[:, 1] + broken[:, 2],
        (rss[0] - rss[2]) / (rss[2] / max(1, n - 3)),
    )


def quadratic_p(fits: ModelFits) -> float:
    """The chance of an F at least that of the first row's parabola if the line were true and points independent."""
    freedom = fits.n - 3
    f = (fits.rss[0, 0] - fits.rss[1, 0]) / (fits.rss[1, 0] / freedom)
    return two_sided_t(math.sqrt(max(0.0, float(f))), freedom)


def sup_f_p(generator: np.random.Generator, years: Floats, heights: Floats, *, draws: int) -> float:
    """The share of series drawn around the line, from its own residuals, whose best break has an F at least as large."""
    x = years - years.mean()
    design = np.stack([np.ones(len(x)), x], axis=1)
    coefficients, _ = _least_squares(design, heights[None])
    fitted = (design @ coefficients[0]).astype(np.float64)
    residuals = heights - fitted
    again = fitted + generator.choice(residuals, size=(draws, len(x)))
    reached = int((fit_models(years, again).sup_f >= fit_models(years, heights[None]).sup_f[0]).sum())
    return (1 + reached) / (1 + draws)


def two_sided_t(t: float, freedom: int) -> float:
    """P(|T| > t) of Student's distribution with a whole number of degrees of freedom.

    Closed form: Abramowitz and Stegun, *Handbook of Mathematical Functions*, 26.7.3 and 26.7.4.

    >>> round(two_sided_t(12.706, 1), 4), round(two_sided_t(2.228, 10), 4), round(two_sided_t(2.571, 5), 4)
    (0.05, 0.05, 0.05)
    """
    angle = math.atan2(t, math.sqrt(freedom))
    square = math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0 if freedom == 1 else term
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= square * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return min(1.0, max(0.0, 1 - inside))


def _least_squares(design: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """Coefficients (B, k) and residual sums of squares (B,), by QR: one factorisation serves all rows."""
    q, r = np.linalg.qr(design)
    along = heights @ q
    residual = heights - along @ q.T
    return np.linalg.solve(r, along.T).T, (residual**2).sum(axis=1)
