"""Published tables of horizons."""

from datetime import date

import pytest

from detente.base.errors import Misuse, Refused
from detente.measure.horizon.estimate import Settings
from detente.measure.horizon.indicators import measure_published
from detente.measure.horizon.published import MODELS_MAX, parse_results


def model(day="2024-01-01", **horizon):
    """A model of a result file."""
    return {
        "release_date": day,
        "metrics": {"p50_horizon_length": {"estimate": 8, "ci_low": 4, "ci_high": 16} | horizon},
    }


def table(**models):
    """A result file."""
    return {"benchmark_name": "Example-v1.1", "results": models}


def measured(data, **settings):
    """The result over a table."""
    return measure_published(
        parse_results(data, place="x"), Settings(quantiles=(0.5,), **settings), subject="x", inputs={}
    )


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ([], "H02"),
        ({"results": {}}, "H02"),
        (table(m={"release_date": "2024-01-01"}), "H02"),
        (table(m={"release_date": "2024-01-01", "metrics": {}}), "H02"),
        (table(m={"release_date": "2024-01-01", "metrics": {"p50_horizon_length": 8}}), "H02"),
        ({"results": {"m\x1b": model()}}, "H02"),
        (table(m=model()) | {"benchmark_name": "Ex\x1b[2Jample"}, "H02"),
        (table(m=model(estimate=-1)), "H04"),
        (table(m=model(estimate="nan")), "H04"),
        (table(m=model(estimate=None)), "H04"),
        (table(m=model(ci_low=0)), "H04"),
        (table(m=model("soon")), "H07"),
        (table(m=model("2024-02-31")), "H07"),
        (table(m=model(None)), "H07"),
        (table(m=model(ci_low=9)), "H08"),
        (table(m=model(ci_high=7)), "H08"),
        ({"results": {n: {} for n in range(MODELS_MAX + 1)}}, "H01"),
    ],
)
def test_a_table_that_is_not_what_it_claims_is_refused(data, rule):
    """Nothing of it is used."""
    with pytest.raises(Refused) as refusal:
        parse_results(data, place="here")
    assert refusal.value.rule == rule


def test_two_versions_of_one_benchmark_have_one_source():
    """They share tasks, so they are not independent."""
    assert parse_results(table(m=model()), place="x").source == "Example"


def test_the_publishers_own_interval_is_never_narrowed():
    """Points drawn singly may move less than together: the wider of both intervals is given."""
    data = table(
        a=model(), b=model("2024-06-01", estimate=15), c=model("2025-01-01", estimate=60, ci_low=30, ci_high=99)
    )
    alone = next(each for each in measured(data).indicators if each.name == "horizon.doubling_time")
    data["doubling_time_in_days"] = {"all_time_stitched": {"point_estimate": 300, "ci_low": 1, "ci_high": 90_000}}
    both = measured(data)
    wide = next(each for each in both.indicators if each.name == "horizon.doubling_time")
    assert (wide.low, wide.high) == (1, 90_000)
    assert alone.low > 1
    assert [remark.weight for remark in both.remarks if remark.kind == "published-doubling-time"] == ["warning"]


def test_points_without_intervals_give_a_trend_without_one():
    """A number alone says nothing about how sure it is."""
    data = table(**{f"m{n}": model(f"202{n}-01-01", estimate=2**n, ci_low=None, ci_high=None) for n in range(4)})
    found = next(each for each in measured(data).indicators if each.name == "horizon.doubling_time")
    assert (found.low, found.high) == (None, None)


def test_a_published_horizon_above_the_ceiling_is_a_lower_bound():
    """METR's own word about its suite: above 16 h a number is not reliable."""
    data = table(m=model(estimate=2000, ci_low=1200, ci_high=9000))
    found = next(each for each in measured(data).indicators if each.name == "horizon.p50")
    assert (found.low, found.high) == (960, None)


def test_a_quantile_that_was_not_published_is_misuse():
    """No curve was published, so no other quantile follows."""
    with pytest.raises(Misuse):
        measure_published(parse_results(table(m=model()), place="x"), Settings(), subject="x", inputs={})


def test_numbers_may_be_texts_as_yaml_gives_them():
    """The reader of YAML guesses no types."""
    found = parse_results(table(m=model(estimate="8.5")), place="x")
    assert found.points[50][0].value == 8.5
    assert found.points[50][0].at == date(2024, 1, 1)
