"""State of the art and doubling time."""

import math
from datetime import date, timedelta

import numpy as np
import pytest

from detente.measure.horizon.estimate import Settings
from detente.measure.horizon.indicators import measure_published, measure_runs
from detente.measure.horizon.published import parse_results
from detente.measure.horizon.trend import (
    NORMAL_975,
    Point,
    doubling_days,
    draw_points,
    fit_trend,
    slope,
    state_of_the_art,
)
from detente.measure.indicator import Exclusion
from tests.horizon_suite import make_runs

START = date(2023, 1, 1)


def points(values, every=100):
    """Points a stated number of days apart."""
    return [Point(f"m{n}", START + timedelta(days=n * every), value) for n, value in enumerate(values)]


def measured(runs, dates=None, **settings):
    """The result over runs."""
    return measure_runs(runs, Settings(draws=300, **settings), subject="s", dates=dates or {}, inputs={})


def indicator(result, name):
    """The indicator of that name, or None."""
    return next((each for each in result.indicators if each.name == name), None)


def test_the_state_of_the_art_begins_anew_at_the_date_filter():
    """What was best before the filter does not hide what is best after it: the filter comes first."""
    ordered = points([8, 1, 2, 1.5, 4])
    assert [p.name for p in state_of_the_art(ordered)] == ["m0"]
    assert [p.name for p in state_of_the_art(ordered, START + timedelta(days=1))] == ["m1", "m2", "m4"]


def test_the_better_of_two_on_one_day_counts_whatever_their_order():
    """The worse of a day is not state of the art because it was listed first."""
    pair = [Point("low", START, 1), Point("high", START, 2)]
    assert state_of_the_art(pair) == state_of_the_art(pair[::-1]) == (pair[1],)


def test_a_doubling_every_hundred_days_is_found():
    """Exact on exact data, and not where nothing grows."""
    trend = fit_trend(points([1, 2, 4, 8]), np.log2([[1, 2, 4, 8]]))
    assert doubling_days(trend.slope) == pytest.approx(100)
    assert trend.at(START) == pytest.approx(1)
    assert doubling_days(-0.1) == math.inf


def test_two_points_or_one_day_have_no_trend():
    """A line always fits two points."""
    assert fit_trend(points([1, 2]), np.zeros((1, 2))) is None
    assert fit_trend(points([1, 2, 4], every=0), np.zeros((1, 3))) is None


def test_a_draw_leaves_out_what_it_does_not_know():
    """An infinite point of one draw does not spoil the others; fewer than three leave no line."""
    drawn = np.array([[0.0, 1, 2, math.inf], [0, 1, math.nan, math.inf]])
    assert slope([0, 1, 2, 3], drawn)[0] == pytest.approx(1)
    trend = fit_trend(points([1, 2, 4, 8], every=1), drawn)
    assert trend.drawn[0, 1] == pytest.approx(1)
    assert math.isnan(trend.drawn[1, 1])


def test_drawn_points_meet_their_own_intervals():
    """2.5 % lie below the lower end and 2.5 % above the upper one, on either side of an uneven interval."""
    drawn = draw_points(np.random.default_rng(0), [Point("m", START, 8, 2, 16)], 40_000)[:, 0]
    error = 4 * math.sqrt(0.025 * 0.975 / 40_000)
    assert (drawn < 1).mean() == pytest.approx(0.025, abs=error)
    assert (drawn > 4).mean() == pytest.approx(0.025, abs=error)
    assert NORMAL_975 == pytest.approx(1.96, abs=1e-3)


def dated(agents):
    """A hundred days between agents, in the order given."""
    return {agent: START + timedelta(days=100 * n) for n, agent in enumerate(agents)}


def test_runs_of_dated_agents_give_a_doubling_time_that_holds_the_truth():
    """Horizons that double every hundred days."""
    truth = {f"m{n}": 4.0 * 2**n for n in range(6)}
    result = measured(make_runs(truth, runs=10), dated(truth))
    found = indicator(result, "horizon.doubling_time")
    assert found.low <= 100 <= found.high
    assert found.n == 6


def test_a_point_beyond_the_suite_leaves_the_doubling_time_without_a_lower_end():
    """The truth may have risen faster than the suite can show; a warning says so."""
    truth = {"m0": 8.0, "m1": 40.0, "m2": 200.0}
    result = measured(make_runs(truth), dated(truth), ceiling_minutes=100.0)
    assert indicator(result, "horizon.doubling_time").low is None
    assert indicator(result, "horizon.doubling_time").high is not None
    assert indicator(result, "horizon.p50").high is None
    assert {"beyond-suite", "trend-beyond-suite"} <= {
        remark.kind for remark in result.remarks if remark.weight == "warning"
    }


def test_a_point_far_beyond_the_suite_does_not_shorten_what_is_claimed():
    """It enters at the suite's end: the upper end of the doubling time holds however far beyond it is."""
    values = [30, 120, 480, 1e7]
    models = {
        f"m{n}": {
            "release_date": str(START + timedelta(days=100 * n)),
            "metrics": {"p50_horizon_length": {"estimate": v, "ci_low": v * 0.9, "ci_high": v * 1.1}},
        }
        for n, v in enumerate(values)
    }
    published = parse_results({"results": models}, place="x")
    found = indicator(
        measure_published(published, Settings(quantiles=(0.5,)), subject="x", inputs={}), "horizon.doubling_time"
    )
    capped = doubling_days(float(slope([0, 100, 200, 300], np.log2([30, 120, 480, 960]))))
    assert found.low is None
    assert float(found.high) >= capped


def test_a_line_beyond_every_double_is_infinite_and_no_crash():
    """Horizons of nearly flat curves are astronomic."""
    steep = points([1e-300, 1e300, 1e307], every=1)
    assert fit_trend(steep, np.zeros((1, 3))).at(START + timedelta(days=3)) == math.inf


def test_an_agent_that_always_succeeds_opens_the_longest_horizon():
    """It has no curve, but the longest horizon may be its own: no upper end is claimed for that."""
    always = [run for run in make_runs({"b": 1e9}, slope=-6.0) if run.score == 1]
    closed, opened = measured(make_runs({"a": 20.0})), measured([*make_runs({"a": 20.0}), *always])
    assert indicator(closed, "horizon.p50").high is not None
    assert indicator(opened, "horizon.p50").high is None
    assert any(each.examples == ("b",) for each in opened.exclusions)


def test_many_runs_without_a_score_are_a_warning():
    """Whoever leaves out the scores of successes lowers the horizon: a few are counted, many are a warning."""
    runs = make_runs({"a": 20.0})
    kinds = [
        {
            remark.kind
            for remark in measure_runs(
                runs,
                Settings(draws=100),
                subject="s",
                dates={},
                exclusions=[Exclusion("runs", "no score", count)],
                inputs={},
            ).remarks
        }
        for count in (2, 10)
    ]
    assert "runs-missing" not in kinds[0]
    assert "runs-missing" in kinds[1]


def test_without_dates_there_are_horizons_and_no_trend():
    """What is missing is said, not guessed."""
    result = measured(make_runs({"a": 20.0}))
    assert indicator(result, "horizon.doubling_time") is None
    assert "no-trend" in {remark.kind for remark in result.remarks}


def test_every_indicator_leads_to_a_ledger_that_is_there():
    """The way down from each number, in values that JSON can hold."""
    truth = {"m0": 8.0, "m1": 40.0, "m2": 200.0}
    result = measured(make_runs(truth), dated(truth))
    assert all(result.ledger(each.ledger).digest() for each in result.indicators)
    assert {series.name for series in result.series} == {"horizon.p50", "horizon.p80", "horizon.trend"}
