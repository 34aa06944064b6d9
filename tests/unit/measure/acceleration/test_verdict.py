"""What one series shows, and when several declare acceleration."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from detente.base.errors import Misuse, Refused
from detente.measure.acceleration.indicators import measure_tracks
from detente.measure.acceleration.tracks import Track, groups, measured_track, parse_track, published_track
from detente.measure.acceleration.verdict import Demand, declare, judge
from detente.measure.horizon.published import parse_results
from detente.measure.horizon.trend import Point

START = date(2023, 1, 1)
QUICK = Demand(draws=300)


def track(name, source, *, bend=3.0, noise=0.05, seed=0, width=1.1, count=14, intervals=True):
    """Log₂ of the value grows by 1 a year, and by ``bend`` more from the middle on; intervals a factor ``width`` wide."""
    generator = np.random.default_rng(seed)
    points = []
    for number in range(count):
        years = number * 90 / 365.25
        middle = (count - 1) / 2 * 90 / 365.25
        value = 4 * 2 ** float(years + bend * max(0, years - middle) + generator.normal(0, noise))
        low, high = (value / width, value * width) if intervals else (None, None)
        points.append(Point(f"{name}{number}", START + timedelta(days=90 * number), value, low, high))
    return Track(name, source, tuple(points), True, "minutes", "published")


def verdict(*tracks, demand=QUICK):
    """What the tracks declare."""
    return declare([judge(each, demand) for each in tracks])


def test_two_independent_series_that_accelerate_declare_it():
    """The one way to a declaration."""
    found = verdict(track("a", "one"), track("b", "two", seed=1))
    assert found.declared
    assert found.agreeing == ("a", "b")
    assert found.reasons == ()


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (track("b", "one", seed=1), "1 independent source"),
        (track("b", "ONE", seed=1), "1 independent source"),
        (track("b", None, seed=1), "nobody said what measured it"),
        (track("b", "two"), "1 independent source"),  # the same points under another name
        (track("b", "two", seed=1, bend=0), "beats the line by"),
        (track("b", "two", seed=1, bend=-0.9), "bends downwards"),
        (track("b", "two", seed=1, intervals=False), "no interval"),
        (track("b", "two", seed=1, width=60), "draws"),
        (track("b", "two", seed=1, count=6), "6 points"),
    ],
)
def test_anything_less_is_not_shown_and_says_why(second, reason):
    """One source twice, an unnamed one, a straight one, a slowing one, one without or with wide intervals, a short one."""
    found = verdict(track("a", "one"), second)
    assert not found.declared
    assert any(reason in each for each in found.reasons)


def test_one_series_alone_never_declares():
    """However clear it is."""
    assert not verdict(track("a", "one", noise=0.001)).declared


def test_all_series_of_a_source_must_agree():
    """Otherwise whoever brings enough versions of a benchmark finds one that bends."""
    pair = track("a", "one"), track("b", "two", seed=1)
    assert verdict(*pair).declared
    assert not verdict(*pair, track("c", "two", seed=2, bend=0)).declared


def test_straight_growth_is_not_declared_by_chance():
    """Sixty pairs of series with constant doubling and noise of their intervals' size: none is declared."""
    declared = [
        verdict(
            track("a", "one", bend=0, noise=0.3, width=1.5, seed=2 * seed),
            track("b", "two", bend=0, noise=0.3, width=1.5, seed=2 * seed + 1),
            demand=Demand(draws=100),
        ).declared
        for seed in range(60)
    ]
    assert not any(declared)


def test_points_beyond_their_suite_do_not_count():
    """A lower bound is no value; it is left out and counted."""
    whole = track("a", "one")
    cut = replace(whole, beyond=tuple(point.name for point in whole.points[-3:]))
    assert len(judge(cut, QUICK).track.points) == len(judge(whole, QUICK).track.points) - 3
    assert measure_tracks([cut], QUICK, inputs={}).exclusions[0].count == 3


def test_not_shown_is_an_open_interval_and_not_a_no():
    """What is not shown may be there: the indicator reaches up to 1, and a trigger on it sees the unknown."""
    not_shown = measure_tracks([track("a", "one", bend=0)], QUICK, inputs={}).indicators[0]
    shown = measure_tracks([track("a", "one"), track("b", "two", seed=1)], QUICK, inputs={})
    assert (not_shown.low, not_shown.high) == (0, 1)
    assert (shown.indicators[0].low, shown.indicators[0].high) == (1, 1)
    assert "alarm" in {remark.weight for remark in shown.remarks}


def test_every_number_of_a_series_has_its_own_name_and_ledger():
    """Two series of one name do not share indicators."""
    result = measure_tracks([track("a", "one"), track("a", "two", seed=1)], QUICK, inputs={})
    names = [each.name for each in result.indicators]
    assert len(set(names)) == len(names)
    assert all(result.ledger(each.ledger) for each in result.indicators)
    assert any("depend on one another" in remark.text for remark in result.remarks)


def test_a_level_is_compared_as_it_is():
    """An index that is a logarithm already: a straight level is straight, though its logarithm bends."""
    rows = [
        (
            "x",
            {
                "date": (START + timedelta(days=90 * n)).isoformat(),
                "level": 100.0 + n,
                "low": 99.9 + n,
                "high": 100.1 + n,
            },
        )
        for n in range(12)
    ]
    judgement = judge(parse_track(rows, name="i", source="i"), QUICK)
    assert not judgement.shows
    assert judgement.fits.slope[0] == pytest.approx(365.25 / 90)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"date": "2024-01-01"}, "H02"),
        ({"date": "2024-01-01", "value": 1.0, "name": "a\x1b[2J"}, "H02"),
        ({"date": "2024-01-01", "value": 1.0, "level": 1.0}, "H02"),
        ({"date": "2024-01-01", "value": -1.0}, "H04"),
        ({"date": "2024-01-01", "value": "nan"}, "H04"),
        ({"date": "2024-01-01", "value": None}, "H04"),
        ({"date": "2024-01-01", "level": 1e300}, "H04"),
        ({"date": "yesterday", "value": 1.0}, "H07"),
        ({"date": "2024-01-01", "value": 1.0, "low": 2.0}, "H08"),
    ],
)
def test_a_row_that_cannot_be_refuses_the_series(row, rule):
    """Nothing of it is used."""
    with pytest.raises(Refused) as refusal:
        parse_track([("t:2", row)], name="t", source=None)
    assert refusal.value.rule == rule


def test_too_many_points_are_refused(monkeypatch):
    """H01: a break is tried at each."""
    monkeypatch.setattr("detente.measure.acceleration.tracks.POINTS_MAX", 2)
    rows = [("x", {"date": "2024-01-01", "value": 1.0})] * 3
    with pytest.raises(Refused) as refusal:
        parse_track(rows, name="t", source=None)
    assert refusal.value.rule == "H01"


def test_two_versions_of_one_benchmark_are_one_source_whatever_they_are_called():
    """The source of published results is their benchmark, not the name that the caller gives."""
    model = {"release_date": "2024-01-01", "metrics": {"p50_horizon_length": {"estimate": 8}}}
    first, second = (
        published_track(parse_results({"benchmark_name": f"B-v{n}", "results": {"m": model}}, place="x"), name=f"n{n}")
        for n in (1, 2)
    )
    assert groups([first, second]) == ((0, 1),)


@pytest.mark.parametrize(
    "document", [{}, {"ledgers": [{"name": "horizons", "columns": ["agent"], "rows": []}]}, {"ledgers": 1}]
)
def test_a_result_without_fitted_horizons_is_no_series(document):
    """H02: published horizons come as the published file."""
    with pytest.raises(Refused) as refusal:
        measured_track(document, name="r", source="r")
    assert refusal.value.rule == "H02"


@pytest.mark.parametrize("changes", [{"gain": 0}, {"share": 0.3}, {"share": 1.1}, {"draws": 1}, {"seed": -1}])
def test_a_demand_that_would_declare_anything_is_misuse(changes):
    """A share below half, or no gain at all, is no demand."""
    with pytest.raises(Misuse):
        Demand(**changes)
