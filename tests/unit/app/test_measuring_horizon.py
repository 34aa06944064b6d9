"""Horizons out of files, and the command that prints them."""

import csv
import importlib.util
import json
import zipfile

import pytest
from click.testing import CliRunner

from detente.app.measuring.horizon import measure_horizon
from detente.base.errors import Misuse, Refused
from detente.cli import EXIT_CODES, main
from detente.measure.horizon.estimate import Settings
from tests.horizon_suite import make_runs, records_of

QUICK = Settings(draws=100)
TRUTH = {"m0": 6.0, "m1": 24.0, "m2": 96.0}
DATES = {"m0": "2023-01-01", "m1": "2023-07-01", "m2": "2024-01-01"}


@pytest.fixture
def records():
    """Runs of three agents."""
    return records_of(make_runs(TRUTH))


def store_lines(path, records):
    """A JSONL file."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def store_table(path, records):
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    return path


def numbers(result):
    """Name, low and high of every indicator."""
    return [(each.name, each.low, each.high) for each in result.indicators]


def test_lines_tables_and_lists_of_the_same_runs_measure_the_same(tmp_path, records):
    """The form of a file changes nothing."""
    (tmp_path / "r.json").write_text(json.dumps(records), "utf-8")
    lines, table = store_lines(tmp_path / "r.jsonl", records), store_table(tmp_path / "r.csv", records)
    first, *others = (numbers(measure_horizon([path], QUICK)) for path in (lines, table, tmp_path / "r.json"))
    assert all(other == first for other in others)


def test_runs_in_several_files_are_one_set(tmp_path, records):
    """Split in two they are the same runs; the same file twice counts once, and says so."""
    whole = store_lines(tmp_path / "all.jsonl", records)
    halves = [store_lines(tmp_path / f"{n}.jsonl", records[n::2]) for n in range(2)]
    assert numbers(measure_horizon(halves, QUICK)) == numbers(measure_horizon([whole], QUICK))
    twice = measure_horizon([whole, whole], QUICK)
    assert twice.exclusions[0].count == len(records)


def test_dates_come_from_yaml_csv_or_the_runs_themselves(tmp_path, records):
    """Three places for a release date, one trend."""
    runs = store_lines(tmp_path / "r.jsonl", records)
    (tmp_path / "d.yaml").write_text("date:\n" + "".join(f"  {k}: {v}\n" for k, v in DATES.items()), "utf-8")
    (tmp_path / "d.csv").write_text("alias,release_date\n" + "".join(f"{k},{v}\n" for k, v in DATES.items()), "utf-8")
    dated = store_table(tmp_path / "r.csv", [record | {"release_date": DATES[record["alias"]]} for record in records])
    found = [
        measure_horizon([runs], QUICK, dates=tmp_path / "d.yaml"),
        measure_horizon([runs], QUICK, dates=tmp_path / "d.csv"),
        measure_horizon([dated], QUICK),
    ]
    assert len({str(numbers(result)) for result in found}) == 1
    assert "horizon.doubling_time" in {each.name for each in found[0].indicators}


def test_lengths_of_tasks_may_come_from_a_table(tmp_path, records):
    """Where the runs have no human length, a table by task supplies it."""
    lengths = {record["task_id"]: record["human_minutes"] for record in records}
    bare = store_lines(tmp_path / "r.jsonl", [record | {"human_minutes": None} for record in records])
    (tmp_path / "t.csv").write_text(
        "task_id,human_minutes\n" + "".join(f"{k},{v}\n" for k, v in lengths.items()), "utf-8"
    )
    whole = measure_horizon([store_lines(tmp_path / "w.jsonl", records)], QUICK)
    assert numbers(measure_horizon([bare], QUICK, tasks=tmp_path / "t.csv")) == numbers(whole)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("d.csv", "alias,release_date\nm0,2023-01-01\nm0,2023-01-02\n", "H10"),
        ("d.csv", "alias,release_date\nm0,soon\n", "H07"),
        ("d.yaml", "date: [m0]\n", "H02"),
    ],
)
def test_dates_that_contradict_or_are_none_are_refused(tmp_path, records, name, text, rule):
    """A wrong date bends the trend: nothing is guessed."""
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(Refused) as refusal:
        measure_horizon([store_lines(tmp_path / "r.jsonl", records)], QUICK, dates=tmp_path / name)
    assert refusal.value.rule == rule


def test_two_release_dates_of_one_agent_are_refused(tmp_path, records):
    """H06: runs of one agent name one date."""
    records = [record | {"release_date": f"2023-01-{1 + number % 2:02d}"} for number, record in enumerate(records)]
    with pytest.raises(Refused) as refusal:
        measure_horizon([store_lines(tmp_path / "r.jsonl", records)], QUICK)
    assert refusal.value.rule == "H06"


def test_an_inspect_log_without_its_reader_says_what_to_install(tmp_path, monkeypatch):
    """The reader is not bundled."""
    monkeypatch.setitem(__import__("sys").modules, "inspect_ai.log", None)
    with zipfile.ZipFile(tmp_path / "x.eval", "w") as log:
        log.writestr("header.json", "{}")
    with pytest.raises(Misuse, match="pip install inspect_ai"):
        measure_horizon([tmp_path / "x.eval"])


def test_an_inspect_log_that_would_unpack_without_end_is_refused(tmp_path, monkeypatch):
    """H01 before anything is unpacked; H02 for what is no archive."""
    monkeypatch.setattr("detente.adapters.inspect_logs.UNPACKED_MAX", 1_000)
    with zipfile.ZipFile(tmp_path / "x.eval", "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("samples/1.json", "0" * 100_000)
    (tmp_path / "y.eval").write_bytes(b"PK\x03\x04 and no more")
    for name, rule in (("x.eval", "H01"), ("y.eval", "H02")):
        with pytest.raises(Refused) as refusal:
            measure_horizon([tmp_path / name])
        assert refusal.value.rule == rule


def run(*arguments):
    """The command in this process."""
    return CliRunner().invoke(main, ["measure", "horizon", *map(str, arguments)])


def test_the_command_prints_intervals_and_the_ceiling_in_words(tmp_path, records):
    """For people: the interval, what is open, what was left out."""
    runs = store_lines(tmp_path / "r.jsonl", records)
    said = run(runs, "--draws", 100, "--ceiling", 40, "--quantile", 0.5)
    assert said.exit_code == 0
    assert "at least" in said.stdout
    assert "above 40 minutes this suite says nothing" in said.stdout


def test_the_command_prints_json_that_says_every_choice(tmp_path, records):
    """For machines: parameters, digests of what was read, ledgers with digests."""
    runs = store_lines(tmp_path / "r.jsonl", records)
    said = run(runs, "--json", "--draws", 100, "--regularisation", 0.1, "--seed", 7)
    found = json.loads(said.stdout)
    assert found["parameters"]["regularisation"] == "0.1"
    assert found["parameters"]["seed"] == "7"
    assert len(found["inputs"]["r.jsonl"]) == 64
    assert {ledger["name"] for ledger in found["ledgers"]} == {"horizons", "outcomes", "trend"}


def test_a_refusal_of_the_command_is_json_with_its_own_exit_code(tmp_path, records):
    """A score that is none: H03, on stdout as JSON, in words on stderr."""
    runs = store_lines(tmp_path / "r.jsonl", [*records, records[0] | {"run_id": "x", "score": -1}])
    said = run(runs, "--json")
    assert said.exit_code == EXIT_CODES["wrong-type"]
    assert json.loads(said.stdout)["refused"]["rule"] == "H03"


@pytest.mark.skipif(
    not importlib.util.find_spec("inspect_ai"), reason="inspect_ai is not installed: pip install inspect_ai"
)
@pytest.mark.filterwarnings("default")  # what Inspect warns of is not ours
@pytest.mark.parametrize("form", ["eval", "json"])
def test_a_log_that_inspect_wrote_is_read_as_runs(tmp_path, form):
    """A real evaluation by Inspect, with a solver that needs no model: every sample and epoch is a run."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput
    from inspect_ai.scorer import match
    from inspect_ai.solver import solver

    @solver
    def by_length():
        async def solve(state, generate):
            good = state.metadata["human_minutes"] < 8 or state.epoch == 1
            state.output = ModelOutput.from_content("mockllm/model", "right" if good else "wrong")
            return state

        return solve

    samples = [
        Sample(id=f"t{n}", input="x", target="right", metadata={"human_minutes": 2.0**n, "task_family": f"f{n % 2}"})
        for n in range(5)
    ]
    task = Task(dataset=samples, solver=by_length(), scorer=match(), name="counting")
    (log,) = evaluate(task, model="mockllm/model", log_dir=str(tmp_path), log_format=form, display="none", epochs=2)
    result = measure_horizon([tmp_path / log.location.rpartition("/")[2]], QUICK)
    rows = {row[2]: row[3:7] for row in result.ledger("outcomes").rows}
    assert rows["counting/t0"] == ("f0", 1.0, 2, 2.0)
    assert rows["counting/t4"] == ("f0", 16.0, 2, 1.0)
