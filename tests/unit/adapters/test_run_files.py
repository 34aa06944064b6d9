"""Files of runs: what is read, and what is refused before a measurer sees it."""

import pytest

from detente.adapters.run_files import LINE_MAX, file_form, read_file, read_json, read_lines, read_table, read_yaml
from detente.base.errors import Misuse, Refused, Unavailable


def refused(call, *args, **kwargs):
    """The number of the refusal that the call ends in."""
    with pytest.raises(Refused) as refusal:
        result = call(*args, **kwargs)
        list(result) if hasattr(result, "__next__") else result
    return refusal.value.rule


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b'{"run_id": ', "H02"),
        (b"[1]", "H02"),
        (b"\xff\xfe{}", "H02"),
        (b'{"a": ' + b"[" * 100_000, "H02"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "H02"),
        (b'{"score": 0, "score": 1}', "H10"),
        (b'{"a": "' + b"x" * LINE_MAX + b'"}', "H01"),
    ],
)
def test_a_line_that_is_no_object_refuses_the_file(data, rule):
    """Nothing of a broken file is used."""
    assert refused(read_lines, b'{"a": 1}\n' + data, "x.jsonl") == rule


def test_blank_lines_are_no_runs_and_places_count_them():
    """A place is the line that an editor shows."""
    assert [place for place, _ in read_lines(b'{"a": 1}\n\n{"a": 2}\n', "x.jsonl")] == ["x.jsonl:1", "x.jsonl:3"]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "H02"),
        (b"score,alias\n1,a\n", "H02"),
        (b"run_id,score,score\n1,1,0\n", "H10"),
        (b"run_id,score\n1\n", "H02"),
        (b"run_id,score\n1,2,3\n", "H02"),
        (b'run_id,score\n"1,2\n', "H02"),
        (b"run_id\n\xff\n", "H02"),
        (b",".join(b"c%d" % n for n in range(201)), "H01"),
    ],
)
def test_a_table_of_another_shape_is_refused(data, rule):
    """A missing column, a column twice, a row of another width, an open quotation mark."""
    assert refused(read_table, data, "x.csv", needed=("run_id",)) == rule


def test_cells_become_numbers_only_where_the_column_holds_numbers():
    """An identifier that looks like a number stays text, an empty cell is nothing, a word stays for the measurer."""
    data = "\ufeffrun_id,score,human_minutes\n007,0.5,\n8,much,4\n".encode()
    rows = [row for _, row in read_table(data, "x.csv", needed=("run_id",))]
    assert rows[0] == {"run_id": "007", "score": 0.5, "human_minutes": None}
    assert rows[1]["score"] == "much"


@pytest.mark.parametrize(
    ("data", "rule"),
    [(b"a: 1\na: 2\n", "H10"), (b"a: &x 1\nb: *x\n", "H02"), (b"a: [", "H02"), (b"a: " + b"[" * 40, "H01")],
)
def test_yaml_with_tricks_is_refused(data, rule):
    """No key twice, no anchors, bounded depth."""
    assert refused(read_yaml, data, "x.yaml") == rule


def test_json_keeps_what_the_measurer_must_judge():
    """NaN is not quietly turned into nothing."""
    assert read_json(b'{"score": NaN}', "x")["score"] != 0


def test_a_file_over_the_bound_or_of_no_known_form_is_not_read(tmp_path, monkeypatch):
    """H01 for the size; a form is a matter of usage; an absent file is the world's."""
    monkeypatch.setattr("detente.adapters.run_files.FILE_MAX", 3)
    (tmp_path / "x.csv").write_bytes(b"four")
    assert refused(read_file, tmp_path / "x.csv") == "H01"
    with pytest.raises(Misuse):
        file_form(tmp_path / "x.parquet")
    with pytest.raises(Unavailable):
        read_file(tmp_path / "absent.csv")
