"""METR's published runs and results give METR's numbers. The data lies beside the repository and is not part of it."""

import json

import numpy as np
import pytest

from detente.adapters.run_files import read_json, read_lines, read_yaml
from detente.app.measuring.acceleration import measure_acceleration
from detente.app.measuring.horizon import measure_horizon
from detente.measure.acceleration.tracks import published_track
from detente.measure.acceleration.verdict import Demand, judge
from detente.measure.horizon.bootstrap import bootstrap
from detente.measure.horizon.estimate import Settings
from detente.measure.horizon.fit import fit_curves, log2_horizons
from detente.measure.horizon.published import parse_results, read_date
from detente.measure.horizon.runs import collect_runs, tabulate
from detente.measure.horizon.trend import doubling_days, fit_trend, state_of_the_art
from detente.measure.horizon.weights import run_weights
from tests.shared_data import shared
from tests.unit.measure.horizon.test_bootstrap import monte_carlo_error, row_by_row


@pytest.fixture(scope="module")
def expected():
    """The reference numbers."""
    return json.loads(shared("metr/expected.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def records():
    """Every line of the runs, as it is."""
    data = shared("metr/all_runs.jsonl").read_bytes()
    return [record for _, record in read_lines(data, "all_runs.jsonl")]


@pytest.fixture(scope="module")
def outcomes(records):
    """The runs by agent and task."""
    runs, exclusions = collect_runs(("", record) for record in records)
    assert not exclusions
    return tabulate(runs)


def published(name):
    """A file of published results."""
    path = shared(f"metr/{name}")
    read = read_json if path.suffix == ".json" else read_yaml
    return parse_results(read(path.read_bytes(), name), place=name)


def fitted(outcomes, alias, regularisation):
    """One curve."""
    agent = outcomes.agents.index(alias)
    weights = run_weights(outcomes)[agent]
    wins, losses = outcomes.total[agent] * weights, (outcomes.runs[agent] - outcomes.total[agent]) * weights
    return fit_curves(
        outcomes.log2_minutes, successes=wins[None], failures=losses[None], regularisation=regularisation
    )


def test_every_run_task_family_and_alias_is_there(outcomes, expected):
    """Nothing is dropped on the way in."""
    told = expected["dataset"]
    assert int(outcomes.runs.sum()) == told["runs"]
    assert (len(outcomes.tasks), len(outcomes.families)) == (told["tasks"], told["families"])
    assert len(outcomes.agents) == told["aliases"]


def test_weights_are_those_of_the_column(outcomes, records, expected):
    """Recomputed from the runs alone, to 1e-9 and better."""
    weights = run_weights(outcomes)
    row = {alias: i for i, alias in enumerate(outcomes.agents)}
    column = {task: i for i, task in enumerate(outcomes.tasks)}
    name = expected["dataset"]["weight_column"]
    apart = max(abs(r[name] - weights[row[r["alias"]], column[r["task_id"]]]) for r in records)
    assert apart < 1e-10


def test_every_fixture_of_the_fit_is_met(outcomes, expected):
    """Converged values to 1e-3, with p80, intercept and slope; the reported ones to the stated 0.5 %."""
    fixtures = expected["p50_by_regularization"]["fixtures"]
    assert len(fixtures) == 24
    for fixture in fixtures:
        fits = fitted(outcomes, fixture["alias"], fixture["regularization"])
        p50, p80 = (float(2 ** log2_horizons(fits, quantile)[0]) for quantile in (0.5, 0.8))
        assert p50 == pytest.approx(fixture["p50_minutes_converged"], rel=1e-3)
        assert p80 == pytest.approx(fixture["p80_minutes_converged"], rel=1e-3)
        assert fits.intercept[0] == pytest.approx(fixture["intercept"], abs=2e-6)
        assert fits.slope[0] == pytest.approx(fixture["coefficient"], abs=2e-6)
        if "p50_minutes_reported" in fixture:
            assert p50 == pytest.approx(fixture["p50_minutes_reported"], rel=5e-3)


def test_degenerate_aliases_are_what_they_are_said_to_be(outcomes, expected):
    """Far below the shortest task, or people: fitted values meet the table, and neither is a point of the trend."""
    for each in expected["p50_by_regularization"]["degenerate"]:
        if "p50_minutes_converged" in each:
            p50 = float(2 ** log2_horizons(fitted(outcomes, each["alias"], each["regularization"]), 0.5)[0])
            assert p50 == pytest.approx(each["p50_minutes_converged"], rel=3e-3)  # 0.0175 has three digits


def test_the_measure_names_who_has_no_curve_and_goes_on(expected):
    """davinci-002 failed at everything; gpt-3.5-turbo-instruct is below the suite; people are the baseline."""
    result = measure_horizon(
        [shared("metr/all_runs.jsonl")], Settings(draws=100), dates=shared("metr/release_dates_2025-01.yaml")
    )
    named = {each.examples: each.why for each in result.exclusions}
    assert "failed at everything" in named[expected["dataset"]["one_class_alias"],]
    assert "people" in named["human",]
    assert "shorter" in named["gpt-3.5-turbo-instruct",]
    below = next(each for each in result.indicators if each.name == "horizon.p50/gpt-3.5-turbo-instruct")
    assert below.low is None
    assert below.high >= 1
    agents = [each for each in result.indicators if each.name.startswith("horizon.p50/")]
    assert len(agents) == expected["dataset"]["agents_with_both_outcomes"]
    assert [row[0] for row in result.ledger("trend").rows][-1] == "Claude 3.5 Sonnet (New)"


def test_bootstrap_intervals_agree_with_rows_drawn_one_by_one(outcomes, records):
    """Within four times the Monte-Carlo error of both, which is computed from the draws themselves."""
    runs, _ = collect_runs(("", record) for record in records)
    families = {run.family: f"{number}" for number, run in enumerate(runs)}
    renamed = [type(r)(r.run_id, r.alias, f"{families[r.family]}/{r.task}", families[r.family], r.minutes, r.score) for r in runs]
    table = tabulate(renamed)
    weights, alias = run_weights(table), "Claude 3.5 Sonnet (New)"
    theirs = row_by_row(renamed, table, weights, alias, draws=500, seed=11)
    agent = table.agents.index(alias)
    drawn = bootstrap(table, weights, (agent,), draws=5_000, seed=42, regularisation=1e-5)[0].fits
    ours = log2_horizons(drawn, 0.5)
    theirs, ours = (np.where(np.isnan(each), np.inf, each) for each in (theirs, ours))  # no falling curve: a few
    for share in (0.025, 0.5, 0.975):
        error = np.hypot(monte_carlo_error(theirs, share), monte_carlo_error(ours, share))
        assert abs(np.quantile(theirs, share) - np.quantile(ours, share)) < 4 * error


def test_published_doubling_times_come_out_to_four_digits(expected):
    """196.475, 130.801, 187.778, 128.744 days, and 165 by its published rounding, with the number of points."""
    since = {"from-2023": "2023-01-01"}
    seen = 0
    for each in expected["doubling_time_days"]:
        if "file" not in each:
            continue
        begin = next((read_date(day, "x") for part, day in since.items() if each["id"].endswith(part)), None)
        points = state_of_the_art(published(each["file"]).points[50], begin)
        trend = fit_trend(points, np.log2([[point.value for point in points]]))
        assert len(points) == each["n_sota"]
        assert doubling_days(trend.slope) == pytest.approx(each["value"], abs=each["tolerance"])
        seen += 1
    assert seen == 5


def test_the_filter_comes_before_the_maximum_and_89_days_do_not_appear(expected):
    """Since 2024 the points give 94.1 days, as the note says; the 89 that METR states does not reproduce."""
    points = state_of_the_art(published("benchmark_results_1_1.yaml").points[50], read_date("2024-01-01", "x"))
    days = doubling_days(fit_trend(points, np.log2([[p.value for p in points]])).slope)
    told = next(each for each in expected["doubling_time_days"] if each["id"] == "since-2024-published")
    assert days == pytest.approx(told["recomputed"]["measurement note"], abs=0.05)
    assert abs(days - told["value"]) > 1


@pytest.mark.parametrize("revision", ["jan2026", "mar2026"])
def test_published_horizons_are_read_as_they_stand(expected, revision):
    """Estimate and both ends, to the printed digits."""
    table = expected["p50_published_minutes"][revision]
    points = {point.name: point for point in published(table["file"]).points[50]}
    for name, (estimate, low, high) in table["values"].items():
        assert (points[name].value, points[name].low, points[name].high) == pytest.approx((estimate, low, high), rel=0.01)


def test_the_longest_published_horizon_is_a_lower_bound():
    """[317, 3634] minutes crosses the 960 above which METR's suite says nothing."""
    result = measure_horizon([shared("metr/benchmark_results_1_1_2026-03.json")])
    longest = next(each for each in result.indicators if each.name == "horizon.p50")
    assert longest.high is None
    assert float(longest.low) == pytest.approx(317, abs=1)
    stated = [remark for remark in result.remarks if remark.kind == "published-doubling-time"]
    assert [remark.weight for remark in stated] == ["note", "note"]


def test_the_table_of_acceleration_tests_comes_out(expected):
    """Line, parabola and broken line on three sets of points: doubling times, p, break, slopes, AICc as printed."""
    files = {"TH1.1 Jan 2026": "benchmark_results_1_1.yaml", "TH1.0": "benchmark_results_1_0.yaml"}
    rows = expected["acceleration"]["rows"]
    assert len(rows) == 3
    for row in rows:
        name, _, period = row["data"].rpartition(", ")
        since = read_date("2023-01-01", "x") if period == "2023 on" else None
        track = published_track(published(files[name]), name=name)
        found = judge(track, Demand(draws=2_000, since=since))
        fits, days = found.fits, 365.25
        assert fits.n == row["n"]
        assert days / fits.slope[0] == pytest.approx(row["linear_days"], abs=0.05)
        assert found.p == pytest.approx(row["quadratic_p"], abs=0.0005)
        assert found.track.points[fits.break_at[0]].at.isoformat() == row["break"]
        assert (days / fits.before[0], days / fits.after[0]) == pytest.approx(row["before_after_days"], abs=0.6)
        assert fits.aicc[:, 0] == pytest.approx(
            [row["aicc"][model] for model in ("linear", "quadratic", "piecewise")], abs=0.05
        )
        # The reference's sup-F p is at most 0.0035: within four standard errors of 2,000 draws.
        assert found.sup_f_p <= 0.0035 + 4 * np.sqrt(0.0035 / 2_000)


def test_metr_alone_does_not_show_acceleration():
    """January's points hold in a part of the draws only, and two versions of one suite are one source."""
    found = measure_acceleration([shared("metr/benchmark_results_1_1.yaml"), shared("metr/benchmark_results_1_0.yaml")])
    assert (found.indicators[0].low, found.indicators[0].high) == (0, 1)
    assert {remark.kind for remark in found.remarks} == {"not-shown", "tests"}
    assert any("1 independent source" in remark.text for remark in found.remarks)
