"""Three models of a series, compared."""

import math

import numpy as np
import pytest

from detente.measure.acceleration.models import fit_models, quadratic_p, sup_f_p, two_sided_t

YEARS = np.linspace(2023, 2026, 13)


def noisy(heights, seed=0, size=0.05):
    """Heights with a little noise: a perfect fit compares nothing."""
    return heights + np.random.default_rng(seed).normal(0, size, len(heights))


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [
        (0.0, 3, 1.0),
        (1.0, 1, 0.5),
        (6.3138, 1, 0.1),
        (4.3027, 2, 0.05),
        (3.1824, 3, 0.05),
        (2.7764, 4, 0.05),
        (3.1058, 11, 0.01),
        (2.7500, 30, 0.01),
        (1.9623, 1_000, 0.05),
    ],
)
def test_the_t_distribution_meets_its_printed_table(t, freedom, p):
    """Odd and even degrees of freedom, the smallest, and many."""
    assert two_sided_t(t, freedom) == pytest.approx(p, rel=2e-4)


def test_aicc_is_the_formula():
    """n·ln(RSS/n) + 2k + 2k(k+1)/(n−k−1), on residuals computed by another road."""
    heights = noisy(2 * (YEARS - 2023), size=0.3)
    fits = fit_models(YEARS, heights[None])
    n = len(YEARS)
    for row, (degree, k) in enumerate(((1, 3), (2, 4))):
        rss = float(np.sum((heights - np.polyval(np.polyfit(YEARS - 2024, heights, degree), YEARS - 2024)) ** 2))
        assert fits.rss[row, 0] == pytest.approx(rss)
        assert fits.aicc[row, 0] == pytest.approx(n * math.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def test_a_break_is_found_where_it_is():
    """Slope 1 before mid-2024, 4 after: both slopes and the place come out."""
    heights = noisy(YEARS + 3 * np.maximum(YEARS - YEARS[6], 0), size=0.01)
    fits = fit_models(YEARS, heights[None])
    assert fits.break_at[0] == 6
    assert (fits.before[0], fits.after[0]) == pytest.approx((1, 4), abs=0.1)
    assert fits.break_gain[0] > fits.quadratic_gain[0] > 4
    assert fits.accelerate(4.0)[0]


def test_slowing_down_is_not_acceleration():
    """Both models beat the line as clearly, and both bend downwards."""
    heights = noisy(YEARS - 3 * np.maximum(YEARS - YEARS[6], 0), size=0.01)
    fits = fit_models(YEARS, heights[None])
    assert min(fits.quadratic_gain[0], fits.break_gain[0]) > 4
    assert not fits.accelerate(4.0)[0]


def test_a_straight_line_beats_what_has_more_parameters():
    """AICc charges for parameters: no gain on most straight series, and no small p."""
    gains, tests = [], []
    for seed in range(40):
        fits = fit_models(YEARS, noisy(YEARS, seed, 0.3)[None])
        gains.append(fits.accelerate(4.0)[0])
        tests.append(quadratic_p(fits) < 0.05)
    assert sum(gains) <= 2
    assert sum(tests) <= 6  # 5 % of 40 are 2; more than 6 has a chance of 0.3 %


def test_rows_are_fitted_as_if_each_were_alone():
    """A batch is a shortcut, not another model."""
    rows = np.stack([noisy(YEARS * slope, seed, 0.4) for seed, slope in enumerate((1, 2, -1))])
    together = fit_models(YEARS, rows)
    for number, row in enumerate(rows):
        alone = fit_models(YEARS, row[None])
        assert together.aicc[:, number] == pytest.approx(alone.aicc[:, 0])
        assert together.break_at[number] == alone.break_at[0]


def test_two_points_of_one_day_make_one_break():
    """A break between points of one day would be a jump, not a bend."""
    years = np.array([0.0, 1, 1, 2, 3, 4, 5, 6])
    assert set(fit_models(years, np.random.default_rng(0).normal(size=(50, 8))).break_at) <= {1, 3, 4, 5, 6}


def test_the_sup_f_test_tells_a_break_from_chance():
    """Small with a break, spread without; never below one in the number of draws."""
    broken = noisy(YEARS + 3 * np.maximum(YEARS - YEARS[6], 0))
    generator = np.random.default_rng(1)
    assert sup_f_p(generator, YEARS, broken, draws=199) == pytest.approx(1 / 200)
    chance = [sup_f_p(generator, YEARS, noisy(YEARS, seed, 0.3), draws=99) for seed in range(20)]
    assert 0.2 < np.mean(chance) < 0.8
