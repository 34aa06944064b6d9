"""The logistic curve, and what a horizon of it may claim."""

import math

import numpy as np
import pytest

from detente.base.errors import Misuse, Refused
from detente.measure.horizon.estimate import Horizon, Settings, estimate_horizons
from detente.measure.horizon.fit import TOLERANCE, fit_curves, log2_horizons
from detente.measure.horizon.runs import Run, tabulate
from tests.horizon_suite import make_runs


def loss(x, wins, losses, intercept, slope, penalty):
    """What is minimised, written out."""
    height = intercept + slope * x
    return float(wins @ np.logaddexp(0, -height) + losses @ np.logaddexp(0, height) + penalty / 2 * slope**2)


@pytest.mark.parametrize("penalty", [1e-5, 0.1, 10.0])
def test_the_fit_is_the_minimum_and_spares_the_intercept(penalty):
    """No neighbour has a smaller loss, and the gradient vanishes, whatever the penalty on the slope."""
    x = np.linspace(0, 9, 20)
    wins, losses = np.linspace(1, 0.05, 20) / 20, np.linspace(0.02, 1, 20) / 20
    fits = fit_curves(x, successes=wins[None], failures=losses[None], regularisation=penalty)
    at = loss(x, wins, losses, fits.intercept[0], fits.slope[0], penalty)
    assert fits.gradient[0] <= TOLERANCE * (wins + losses).sum()
    for step in (1e-4, -1e-4):
        assert at < loss(x, wins, losses, fits.intercept[0] + step, fits.slope[0], penalty)
        assert at < loss(x, wins, losses, fits.intercept[0], fits.slope[0] + step, penalty)


def test_a_heavy_penalty_leaves_the_mean_success_rate():
    """With the slope pressed to nothing, the intercept alone gives the share of successes: it is not penalised."""
    fits = fit_curves(
        np.arange(4.0), successes=np.array([[3.0, 2, 1, 1]]), failures=np.array([[0.0, 1, 0, 0]]), regularisation=1e3
    )
    assert 1 / (1 + math.exp(-fits.intercept[0])) == pytest.approx(7 / 8, abs=0.01)


def test_outcomes_that_a_length_separates_still_converge():
    """The penalty alone bounds the slope; the horizon lies between the last success and the first failure."""
    x = np.log2([1.0, 2, 4, 8])
    fits = fit_curves(
        x, successes=np.array([[1.0, 1, 0, 0]]) / 4, failures=np.array([[0.0, 0, 1, 1]]) / 4, regularisation=1e-9
    )
    assert fits.gradient[0] <= TOLERANCE
    assert 2 ** log2_horizons(fits, 0.5)[0] == pytest.approx(2 * math.sqrt(2), rel=1e-3)


def test_rows_without_a_curve_say_on_which_side_they_lie():
    """Nothing succeeded: shorter than anything; nothing failed: longer; no falling curve: neither."""
    wins, losses = np.array([[0.0, 0], [1, 1], [0, 1]]), np.array([[1.0, 1], [0, 0], [1, 0]])
    fits = fit_curves(np.array([0.0, 1]), successes=wins, failures=losses, regularisation=1e-3)
    found = log2_horizons(fits, 0.5)
    assert found[0] == -math.inf
    assert found[1] == math.inf
    assert math.isnan(found[2])


@pytest.mark.parametrize(
    ("low", "estimate", "high", "ends"),
    [
        (4, 8, 16, (4, 16)),
        (4, 8, 2000, (4, None)),  # reaches beyond the longest task
        (1500, 2000, 9000, (960, None)),  # beyond it altogether: a lower bound at the ceiling
        (500, 970, 980, (500, None)),
        (0.1, 8, 16, (None, 16)),
        (0.1, 0.2, 0.4, (None, 1)),  # below the shortest altogether: an upper bound at the floor
        (0.0, math.nan, math.inf, (None, None)),
    ],
)
def test_a_horizon_claims_nothing_beyond_its_suite(low, estimate, high, ends):
    """From 1 to 960 minutes: a side out of reach is open, and never hides that it is."""
    assert Horizon("a", 0.5, estimate, low, high, 1, 960).ends == ends


def test_true_horizons_of_a_suite_of_our_own_lie_in_their_intervals():
    """Runs drawn from known curves: intervals hold the truth and order the agents."""
    truth = {"short": 8.0, "middle": 40.0, "long": 200.0}
    found = estimate_horizons(tabulate(make_runs(truth)), Settings(draws=400)).horizons[0.5]
    assert [horizon.agent for horizon in sorted(found, key=lambda h: h.estimate)] == ["short", "middle", "long"]
    assert all(horizon.low <= truth[horizon.agent] <= horizon.high for horizon in found)


def test_the_baseline_is_no_agent():
    """People's runs set the axis and are not fitted."""
    outcomes = tabulate(make_runs({"human": 500.0, "a": 20.0}))
    assert estimate_horizons(outcomes, Settings(draws=100)).agents == ("a",)


def test_agents_with_one_outcome_are_named_and_others_go_on():
    """No curve follows from failures alone, or from successes alone."""
    extra = [
        Run(f"z{n}", who, "f0/t00", "f0", 1.0, score) for n, (who, score) in enumerate([("none", 0.0), ("all", 1.0)])
    ]
    found = estimate_horizons(tabulate([*make_runs({"a": 20.0}), *extra]), Settings(draws=100))
    assert found.agents == ("a",)
    assert found.one_class == {"none": "failed", "all": "succeeded"}


def test_no_agent_with_both_outcomes_is_refused():
    """H09: there is nothing to measure, and no number is made up."""
    with pytest.raises(Refused) as refusal:
        estimate_horizons(tabulate([Run("r", "a", "f/t", "f", 1.0, 1.0)]), Settings())
    assert refusal.value.rule == "H09"


@pytest.mark.parametrize(
    "changes",
    [
        {"regularisation": 0.0},
        {"regularisation": math.nan},
        {"quantiles": (1.0,)},
        {"quantiles": ()},
        {"draws": 10},
        {"seed": -1},
        {"ceiling_minutes": 0.0},
    ],
)
def test_settings_out_of_range_are_misuse(changes):
    """A choice that cannot be meant is named before anything is read."""
    with pytest.raises(Misuse):
        Settings(**changes)
