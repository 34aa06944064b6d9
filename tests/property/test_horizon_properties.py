"""What holds for every set of runs."""

import math
import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detente.measure.horizon.bootstrap import interval
from detente.measure.horizon.estimate import Horizon
from detente.measure.horizon.fit import TOLERANCE, fit_curves, log2_horizons
from detente.measure.horizon.runs import Run, tabulate
from detente.measure.horizon.trend import Point, state_of_the_art
from detente.measure.horizon.weights import run_weights


@st.composite
def run_sets(draw):
    """Runs of up to three agents on up to eight tasks, with both outcomes for agent ``a``."""
    lengths = draw(st.lists(st.floats(0.1, 5_000), min_size=2, max_size=8, unique=True))
    runs = [Run("w", "a", "t0", "f0", lengths[0], 1.0), Run("l", "a", "t1", "f1", lengths[1], 0.0)]
    for number in range(draw(st.integers(0, 40))):
        task = draw(st.integers(0, len(lengths) - 1))
        score = draw(st.sampled_from([0.0, 1.0, 0.5, 0.125]))
        agent = draw(st.sampled_from("abc"))
        runs.append(Run(f"r{number}", agent, f"t{task}", f"f{task % 2}", lengths[task], score))
    return runs


def curve(runs, agent="a", regularisation=1e-3):
    """The fit of one agent."""
    outcomes = tabulate(runs)
    row = outcomes.agents.index(agent)
    weights = run_weights(outcomes)[row]
    wins, losses = outcomes.total[row] * weights, (outcomes.runs[row] - outcomes.total[row]) * weights
    return fit_curves(outcomes.log2_minutes, successes=wins[None], failures=losses[None], regularisation=regularisation)


@given(run_sets(), st.floats(1e-5, 1.0))
def test_every_fit_with_both_outcomes_converges(runs, regularisation):
    """Whatever the runs and the penalty: the gradient vanishes, the weights sum to one."""
    fits = curve(runs, regularisation=regularisation)
    assert fits.gradient[0] <= TOLERANCE * (1 + 1e-9)
    outcomes = tabulate(runs)
    np.testing.assert_allclose((run_weights(outcomes) * outcomes.runs).sum(axis=1), 1)


@given(run_sets(), st.floats(0.01, 100))
def test_longer_minutes_give_longer_horizons_in_the_same_measure(runs, factor):
    """Minutes times k gives a horizon times k, exactly as a change of unit must: the intercept is not penalised."""
    longer = [Run(r.run_id, r.alias, r.task, r.family, r.minutes * factor, r.score) for r in runs]
    first, second = curve(runs), curve(longer)
    np.testing.assert_allclose(first.slope, second.slope, rtol=1e-6, atol=1e-8)
    if first.slope[0] < -1e-3:
        np.testing.assert_allclose(
            log2_horizons(second, 0.5), log2_horizons(first, 0.5) + math.log2(factor), rtol=1e-5, atol=1e-5
        )


@given(run_sets(), st.randoms())
def test_the_order_of_runs_changes_nothing(runs, order: random.Random):
    """Bit for bit."""
    shuffled = list(runs)
    order.shuffle(shuffled)
    first, second = curve(runs), curve(shuffled)
    assert (first.intercept == second.intercept).all()
    assert (first.slope == second.slope).all()


@given(run_sets())
def test_other_agents_change_nothing(runs):
    """An agent's curve follows from its own runs."""
    alone = [run for run in runs if run.alias == "a"]
    np.testing.assert_allclose(curve(runs).slope, curve(alone).slope, rtol=1e-6, atol=1e-9)


@given(run_sets())
def test_a_higher_chance_of_success_never_has_a_longer_horizon(runs):
    """On one falling curve, 80 % comes before 50 %."""
    fits = curve(runs)
    p50, p80 = log2_horizons(fits, 0.5)[0], log2_horizons(fits, 0.8)[0]
    assert math.isnan(p50) or p80 <= p50


EXTREMES = st.one_of(st.just(math.nan), st.floats(min_value=0))


@given(EXTREMES, EXTREMES, EXTREMES)
def test_no_claim_leaves_the_suite(low, estimate, high):
    """Whatever was drawn, a stated end lies from the shortest to the longest task and the ends are in order."""
    low, high = (low, high) if not low > high else (high, low)
    first, last = Horizon("a", 0.5, estimate, low, high, 1.0, 960.0).ends
    assert first is None or 1 <= first <= 960
    assert last is None or 1 <= last <= 960
    assert first is None or last is None or first <= last


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=50))
def test_more_unknown_draws_never_narrow_an_interval(values):
    """A draw without a horizon moves each end outwards or not at all."""
    array = np.array(values)
    known = array[~np.isnan(array)]
    if len(known):
        low, high = interval(array)
        inner_low, inner_high = interval(known)
        assert low <= inner_low + 1e-9 * abs(inner_low) or math.isnan(inner_low)
        assert high >= inner_high - 1e-9 * abs(inner_high) or math.isnan(inner_high)


@given(st.lists(st.tuples(st.dates(), st.floats(0.01, 1e6)), max_size=20), st.randoms())
def test_the_state_of_the_art_rises_and_does_not_depend_on_order(pairs, order: random.Random):
    """Values never fall from day to day, and the best of all is always among them."""
    points = [Point(f"m{n}", at, value) for n, (at, value) in enumerate(pairs)]
    best = state_of_the_art(points)
    shuffled = list(points)
    order.shuffle(shuffled)
    assert state_of_the_art(shuffled) == best
    assert [p.value for p in best] == sorted(p.value for p in best)
    assert not points or max(p.value for p in points) == best[-1].value
