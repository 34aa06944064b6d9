"""The bootstrap by counts is the bootstrap by rows."""

import math

import numpy as np
import pytest

from detente.measure.horizon.bootstrap import bootstrap, interval
from detente.measure.horizon.fit import fit_curves, log2_horizons
from detente.measure.horizon.runs import Run, tabulate
from detente.measure.horizon.weights import run_weights
from tests.horizon_suite import make_runs


def row_by_row(runs, outcomes, weights, agent, *, draws, seed):
    """METR's rules as they are told: copies of families, tasks and runs, one row at a time; then the same fit."""
    generator = np.random.default_rng(seed)
    families: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        families.setdefault(run.family, {}).setdefault(run.task, []).append(run)
    names = sorted(families)
    index, column = outcomes.agents.index(agent), {task: i for i, task in enumerate(outcomes.tasks)}
    found = []
    for _ in range(draws):
        times: dict[str, int] = {}
        for family in generator.choice(names, size=len(names)):
            tasks = sorted(families[family])
            for task in generator.choice(tasks, size=len(tasks)):
                times[task] = times.get(task, 0) + 1
        wins, losses = np.zeros(len(column)), np.zeros(len(column))
        for task, often in times.items():
            own = [run for run in families[task.split("/")[0]][task] if run.alias == agent]
            for row in generator.integers(len(own), size=often * len(own)) if own else ():
                weight = weights[index, column[task]]
                wins[column[task]] += own[row].score * weight
                losses[column[task]] += (1 - own[row].score) * weight
        fits = fit_curves(outcomes.log2_minutes, successes=wins[None], failures=losses[None], regularisation=1e-5)
        found.append(float(log2_horizons(fits, 0.5)[0]))
    return np.array(found)


def monte_carlo_error(values, share, *, seed=1):
    """Standard deviation of a percentile of these draws, from drawing the draws again."""
    generator = np.random.default_rng(seed)
    again = [np.quantile(generator.choice(values, size=len(values)), share) for _ in range(300)]
    return float(np.std(again))


@pytest.mark.parametrize("fractional", [False, True])
def test_intervals_agree_with_row_by_row_draws_within_monte_carlo_error(fractional):
    """Counts by task, then binomial or multinomial successes, are the same distribution as copied rows."""
    runs = make_runs({"a": 30.0, "b": 90.0}, tasks=36, runs=3)
    if fractional:
        runs = [
            Run(r.run_id, r.alias, r.task, r.family, r.minutes, abs(r.score - 0.25 * (n % 3)))
            for n, r in enumerate(runs)
        ]
    outcomes = tabulate(runs)
    weights = run_weights(outcomes)
    theirs = row_by_row(runs, outcomes, weights, "a", draws=600, seed=5)
    ours = log2_horizons(bootstrap(outcomes, weights, (0, 1), draws=6_000, seed=6, regularisation=1e-5)[0].fits, 0.5)
    for share in (0.025, 0.5, 0.975):
        error = math.hypot(monte_carlo_error(theirs, share), monte_carlo_error(ours, share))
        assert abs(np.quantile(theirs, share) - np.quantile(ours, share)) < 4 * error


def test_every_fit_of_every_draw_converges():
    """The gradient of each is nothing, for each unit of weight."""
    outcomes = tabulate(make_runs({"a": 30.0}))
    (drawn,) = bootstrap(outcomes, run_weights(outcomes), (0,), draws=500, seed=1, regularisation=1e-5)
    assert np.nanmax(drawn.fits.gradient) < 1e-9
    assert not np.isnan(drawn.fits.slope[drawn.fits.succeeded & drawn.fits.failed]).any()


def test_a_seed_decides_every_draw():
    """The same seed gives the same draws, another gives others."""
    outcomes = tabulate(make_runs({"a": 30.0}))
    first, again, other = (
        bootstrap(outcomes, run_weights(outcomes), (0,), draws=100, seed=seed, regularisation=1e-5)[0].fits.slope
        for seed in (3, 3, 4)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_agents_of_one_suite_move_together():
    """One draw of families and tasks serves all agents: twins differ by their runs alone."""
    runs = make_runs({"a": 30.0}, runs=40, tasks=24)
    twin = [Run(f"b{run.run_id}", "b", run.task, run.family, run.minutes, run.score) for run in runs]
    outcomes = tabulate(runs + twin)
    a, b = bootstrap(outcomes, run_weights(outcomes), (0, 1), draws=800, seed=2, regularisation=1e-5)
    assert np.corrcoef(log2_horizons(a.fits, 0.5), log2_horizons(b.fits, 0.5))[0, 1] > 0.4


def test_many_tasks_are_drawn_in_parts_with_the_same_rules(monkeypatch):
    """Memory is bounded by drawing in parts; every part counts as many tasks as each draw must."""
    monkeypatch.setattr("detente.measure.horizon.bootstrap._CELLS", 200)
    outcomes = tabulate(make_runs({"a": 30.0}))
    (drawn,) = bootstrap(outcomes, run_weights(outcomes), (0,), draws=50, seed=1, regularisation=1e-5)
    assert drawn.fits.slope.shape == (50,)


def test_draws_without_a_horizon_widen_and_never_narrow():
    """NaN counts as −∞ below and as +∞ above; an infinite draw stays at its end."""
    values = np.array([1.0] * 90 + [math.nan] * 10)
    assert interval(values) == (-math.inf, math.inf)
    assert interval(np.array([1.0] * 99 + [math.inf] * 10)) == (1.0, math.inf)
    assert interval(np.arange(101.0)) == (2.5, 97.5)
