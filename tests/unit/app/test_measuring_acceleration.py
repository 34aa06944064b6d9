"""Acceleration out of files, and the command that prints it."""

import json
from datetime import date, timedelta

import numpy as np
import pytest
from click.testing import CliRunner

from detente.app.measuring.acceleration import measure_acceleration
from detente.app.measuring.horizon import measure_horizon
from detente.base.errors import Misuse
from detente.cli import EXIT_CODES, main
from detente.measure.acceleration.verdict import Demand
from detente.measure.horizon.estimate import Settings
from tests.horizon_suite import make_runs, records_of

START = date(2023, 1, 1)


def store_series(path, seed=0, bend=3.0):
    """A CSV of fourteen quarters that bend in the middle."""
    generator = np.random.default_rng(seed)
    lines = ["date,value,low,high"]
    for number in range(14):
        years = number * 90 / 365.25
        value = 2 ** (years + bend * max(0.0, years - 1.6) + generator.normal(0, 0.05))
        lines.append(f"{START + timedelta(days=90 * number)},{value},{value / 1.1},{value * 1.1}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def run(*arguments):
    """The command in this process."""
    return CliRunner().invoke(main, ["measure", "acceleration", *map(str, arguments)])


def test_named_sources_declare_and_unnamed_ones_do_not(tmp_path):
    """That two series are independent is something that somebody must say."""
    a, b = store_series(tmp_path / "a.csv"), store_series(tmp_path / "b.csv", seed=1)
    named, unnamed = run(f"one={a}", f"two={b}", "--draws", 200), run(a, b, "--draws", 200)
    assert "acceleration: declared" in named.stdout
    assert "acceleration: not shown" in unnamed.stdout
    assert "nobody said what measured it" in unnamed.stdout


def test_a_result_of_measure_horizon_is_a_series(tmp_path):
    """Horizons that were just measured, by their JSON: eight dated agents, with the intervals of the bootstrap."""
    truth = {f"m{n}": 4.0 * 1.6**n for n in range(8)}
    dates = {agent: START + timedelta(days=90 * n) for n, agent in enumerate(truth)}
    runs = tmp_path / "r.jsonl"
    runs.write_text(
        "".join(json.dumps(r | {"release_date": str(dates[r["alias"]])}) + "\n" for r in records_of(make_runs(truth))),
        "utf-8",
    )
    (tmp_path / "h.json").write_text(json.dumps(measure_horizon([runs], Settings(draws=100)).as_json()), "utf-8")
    result = measure_acceleration([f"mine={tmp_path / 'h.json'}"], Demand(draws=100))
    points = result.ledger("points").rows
    assert 5 <= len(points) <= 8
    assert all(row[5] <= row[4] <= row[6] for row in points)


def test_json_says_every_choice(tmp_path):
    """For machines: the verdict as an interval, the demands, the digests."""
    said = run(
        f"one={store_series(tmp_path / 'a.csv')}", "--json", "--share", 0.9, "--since", "2023-06-01", "--draws", 100
    )
    found = json.loads(said.stdout)
    assert (found["indicators"][0]["low"], found["indicators"][0]["high"]) == ("0", "1")
    assert found["parameters"]["share"] == "0.9"
    assert found["parameters"]["since"] == "2023-06-01"
    assert len(found["inputs"]["a.csv"]) == 64


def test_a_broken_series_is_refused_with_its_number(tmp_path):
    """H04, as JSON and as an exit code; nothing is declared from the other one."""
    good, bad = store_series(tmp_path / "a.csv"), tmp_path / "b.csv"
    bad.write_text("date,value\n2024-01-01,-3\n", "utf-8")
    said = run(f"one={good}", f"two={bad}", "--json")
    assert said.exit_code == EXIT_CODES["wrong-type"]
    assert json.loads(said.stdout)["refused"]["rule"] == "H04"


@pytest.mark.parametrize("series", [[], ["=x.csv"], ["x.jsonl"]])
def test_what_is_no_series_is_misuse(tmp_path, monkeypatch, series):
    """Nothing, a file without its name before the sign, and runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.jsonl").write_text("{}", "utf-8")
    with pytest.raises(Misuse):
        measure_acceleration(series)
