"""Which records are runs, which are counted out, which refuse the file."""

import math

import pytest

from detente.base.errors import Refused
from detente.measure.horizon.runs import TEXT_MAX, collect_runs, tabulate
from detente.measure.horizon.weights import run_weights


def record(**changes):
    """A run that counts, with changes; a member set to ``...`` is left out."""
    whole = {"run_id": "r1", "alias": "a", "task_id": "f/t", "task_family": "f", "human_minutes": 8.0, "score": 1}
    return {name: value for name, value in (whole | changes).items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"run_id": ...}, "H02"),
        ({"alias": ""}, "H02"),
        ({"alias": "a\x1b[31m"}, "H02"),
        ({"task_id": "t" * (TEXT_MAX + 1)}, "H02"),
        ({"task_family": ["f"]}, "H02"),
        ({"score": -0.1}, "H03"),
        ({"score": math.nan}, "H03"),
        ({"score": 1.5}, "H03"),
        ({"score": "1"}, "H03"),
        ({"score_binarized": 2, "score": 1}, "H03"),
        ({"human_minutes": 0}, "H04"),
        ({"human_minutes": -8}, "H04"),
        ({"human_minutes": math.nan}, "H04"),
        ({"human_minutes": math.inf}, "H04"),
        ({"human_minutes": "8"}, "H04"),
        ({"human_minutes": True}, "H04"),
    ],
)
def test_a_record_that_claims_what_cannot_be_refuses_the_file(changes, rule):
    """A wrong score is not skipped: whoever writes it would choose which successes count."""
    with pytest.raises(Refused) as refusal:
        collect_runs([("here:1", record(run_id="r0")), ("here:2", record(**changes))])
    assert refusal.value.rule == rule
    assert "here:2" in refusal.value.got


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"score": None}, "no score"), ({"score": ...}, "no score"), ({"human_minutes": None}, "no human length")],
)
def test_a_run_without_score_or_length_is_counted_out_and_named(changes, why):
    """What nobody scored did not fail, and what has no length has no place on the axis."""
    runs, exclusions = collect_runs([("1", record()), ("2", record(run_id="r2", **changes))])
    assert [run.run_id for run in runs] == ["r1"]
    assert [(each.count, each.why, each.examples) for each in exclusions] == [(1, why, ("r2",))]


def test_the_same_run_twice_counts_once():
    """Files that overlap do not double anything, and say so."""
    runs, exclusions = collect_runs([("1", record()), ("2", record())])
    assert (len(runs), exclusions[0].count) == (1, 1)


def test_one_id_for_two_different_runs_is_refused():
    """H05: one of the two would have been chosen."""
    with pytest.raises(Refused) as refusal:
        collect_runs([("1", record()), ("2", record(score=0))])
    assert refusal.value.rule == "H05"


@pytest.mark.parametrize("changes", [{"human_minutes": 9}, {"task_family": "g"}])
def test_one_task_with_two_lengths_or_families_is_refused(changes):
    """H06: a task has one place on the axis and one family."""
    with pytest.raises(Refused) as refusal:
        collect_runs([("1", record()), ("2", record(run_id="r2", **changes))])
    assert refusal.value.rule == "H06"


def test_the_binarised_score_counts_where_there_is_one():
    """METR's fit reads score_binarized; a raw score may be in any unit."""
    runs, _ = collect_runs([("1", record(score=15.7, score_binarized=1))])
    assert runs[0].score == 1


def test_more_runs_than_the_bound_are_refused(monkeypatch):
    """H01: reading stops at the bound, not at the end of memory."""
    monkeypatch.setattr("detente.measure.horizon.runs.RUNS_MAX", 2)
    with pytest.raises(Refused) as refusal:
        collect_runs((str(number), record(run_id=number)) for number in range(3))
    assert refusal.value.rule == "H01"


def test_a_table_that_would_not_fit_is_refused_before_it_is_made(monkeypatch):
    """H01: few runs can name many agents and many tasks, and the table has a cell for each pair."""
    monkeypatch.setattr("detente.measure.horizon.runs.CELLS_MAX", 3)
    records = [(str(n), record(run_id=n, alias=f"a{n}", task_id=f"t{n}")) for n in range(2)]
    with pytest.raises(Refused) as refusal:
        tabulate(collect_runs(records)[0])
    assert refusal.value.rule == "H01"


def test_weights_follow_the_rule_and_sum_to_one():
    """1 / (runs on the task · √ tasks of the family), normalised: two tasks of f, one of g, worked by hand."""
    records = [("1", record(run_id=1)), ("2", record(run_id=2, score=0)), ("3", record(run_id=3, task_id="f/u"))]
    records.append(("4", record(run_id=4, task_id="g/v", task_family="g")))
    outcomes = tabulate(collect_runs(records)[0])
    weights = run_weights(outcomes)
    raw = [1 / (2 * math.sqrt(2)), 1 / math.sqrt(2), 1.0]  # f/t, f/u, g/v
    assert weights[0] == pytest.approx([each / (2 / math.sqrt(2) + 1) for each in raw])
    assert (weights * outcomes.runs).sum() == pytest.approx(1)


def test_outcomes_hold_every_run_once():
    """Counts and sums of scores come back from the table; scores between 0 and 1 are kept one by one."""
    records = [("", record(run_id=n, score=score)) for n, score in enumerate([0, 1, 0.25])]
    outcomes = tabulate(collect_runs(records)[0])
    assert outcomes.runs.tolist() == [[3]]
    assert outcomes.total.tolist() == [[1.25]]
    assert sorted(outcomes.scores[0, 0]) == [0, 0.25, 1]
