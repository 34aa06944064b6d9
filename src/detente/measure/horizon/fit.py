"""The logistic curve of success over length, by Newton's method until the gradient vanishes, many at once.

P(success) = σ(b₀ + b₁·log₂ minutes), minimising Σ weight·(−log likelihood) + (λ/2)·b₁². The intercept is not penalised.
λ is the *regularisation*: scikit-learn's ``LogisticRegression(C=1/λ)`` has the same minimum, which its default stopping
rule misses by up to 0.35 % of a horizon on METR's runs of 2025. Source: METR's analysis; ``spec/measure-horizon.md`` §3.

A score between 0 and 1 counts as a success of that weight and a failure of the rest.

>>> x = np.log2([1.0, 2.0, 4.0, 8.0])
>>> fits = fit_curves(x, successes=np.array([[2.0, 2, 1, 0]]), failures=np.array([[0.0, 1, 1, 3]]), regularisation=1e-5)
>>> bool(fits.gradient[0] < 1e-9), bool(2 < 2 ** log2_horizons(fits, 0.5)[0] < 4)
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detente.measure.horizon.runs import Floats

TOLERANCE: Final = 1e-11
"""Largest gradient at the end, for each unit of weight: horizons then agree to nine digits with the true minimum."""
STEPS_MAX: Final = 200
"""Four to twelve are usual; separable outcomes under a weak penalty take some thirty."""
FLAT: Final = 1e-9
"""A slope above −FLAT is no slope: success does not fall with length, and no horizon follows."""


@dataclass(frozen=True, slots=True)
class Fits:
    """Curves, one for each row of the input. ``gradient`` is what is left of it; NaN parameters where nothing was fitted.

    ``succeeded`` and ``failed`` say whether there was any weight of success and of failure.
    """

    intercept: Floats  # (B,)
    slope: Floats  # (B,), for each doubling of the length
    gradient: Floats  # (B,)
    succeeded: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    steps: int


def fit_curves(log2_minutes: Floats, *, successes: Floats, failures: Floats, regularisation: float) -> Fits:
    """Fit B curves over T tasks: ``successes`` and ``failures`` are (B, T) weights, ``log2_minutes`` is (T,).

    A row with one class only has no fit. A row that does not converge keeps NaN, as one that has none.
    """
    succeeded, failed = successes.sum(axis=1) > 0, failures.sum(axis=1) > 0
    count = len(successes)
    intercept, slope, left = np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan)
    rows = np.flatnonzero(succeeded & failed)
    weight = successes + failures
    centre = float(log2_minutes.mean()) if len(log2_minutes) else 0.0
    x = log2_minutes - centre  # the penalty spares the intercept, so that moving x changes nothing but the conditioning
    wins, weights = successes[rows], weight[rows]
    size = weights.sum(axis=1)
    share = wins.sum(axis=1) / size
    point = np.stack([np.log(share / (1 - share)), np.zeros(len(rows))])
    slopes, curvature = _derivatives(x, wins, weights, point, regularisation)
    step, damping = _newton(slopes, curvature), np.ones(len(rows))
    steps = 0
    while len(rows) and steps < STEPS_MAX:
        norm = np.abs(slopes).max(axis=0)
        done = norm <= TOLERANCE * size
        if done.any():
            finished = rows[done]
            intercept[finished], slope[finished], left[finished] = point[0, done], point[1, done], norm[done]
            going = ~done
            rows, wins, weights, size, damping = rows[going], wins[going], weights[going], size[going], damping[going]
            point, slopes, step, curvature = (each[:, going] for each in (point, slopes, step, curvature))
            norm = norm[going]
            if not len(rows):
                break
        # Newton's direction lowers the norm of the gradient for a small enough step: halve it until it does.
        trial = point + damping * step
        new_slopes, new_curvature = _derivatives(x, wins, weights, trial, regularisation)
        better = np.hypot(*new_slopes) <= (1 - 1e-4 * damping) * np.hypot(*slopes)
        point = np.where(better, trial, point)
        slopes = np.where(better, new_slopes, slopes)
        curvature = np.where(better, new_curvature, curvature)
        step = np.where(better, _newton(slopes, curvature), step)
        damping = np.where(better, 1.0, damping / 2)
        steps += 1
    return Fits(intercept - slope * centre, slope, left, succeeded, failed, steps)


def log2_horizons(fits: Fits, quantile: float) -> Floats:
    """(B,) log₂ of the minutes at which success has the chance ``quantile``.

    −∞ where nothing succeeded, +∞ where nothing failed, NaN where success does not fall with length.
    """
    falls = fits.slope < -FLAT
    horizon = np.full(len(fits.slope), np.nan)
    odds = np.log(quantile / (1 - quantile))
    np.divide(odds - fits.intercept, fits.slope, out=horizon, where=falls)
    horizon[~fits.succeeded & fits.failed] = -np.inf
    horizon[fits.succeeded & ~fits.failed] = np.inf
    return horizon


def _derivatives(
    x: Floats, wins: Floats, weights: Floats, point: Floats, regularisation: float
) -> tuple[Floats, Floats]:
    chance = 1 / (1 + np.exp(-np.clip(point[0][:, None] + point[1][:, None] * x, -700, 700)))
    residual = weights * chance - wins
    spread = weights * chance * (1 - chance)
    slopes = np.stack([residual.sum(axis=1), residual @ x + regularisation * point[1]])
    curvature = np.stack([spread.sum(axis=1), spread @ x, spread @ (x * x) + regularisation])
    return slopes, curvature


def _newton(slopes: Floats, curvature: Floats) -> Floats:
    a, b, c = curvature
    determinant = np.maximum(a * c - b * b, np.finfo(np.float64).tiny)
    step: Floats = np.stack([b * slopes[1] - c * slopes[0], b * slopes[0] - a * slopes[1]]) / determinant
    return step
