"""The tables and branches of autoresearch loops: every real table, and every way in which a table can be odd."""

import csv
from decimal import Decimal

import pytest

from detente.base.errors import Refused
from detente.measure.loops import autoresearch
from detente.measure.loops.approvals import NOBODY, parse_approvals
from detente.measure.loops.kinds import kind_of
from detente.measure.loops.measuring import judge, measure_loops
from detente.measure.loops.progress import progress_of
from detente.measure.loops.result_table import parse_table
from detente.measure.loops.source import Commit, HeldFiles, History, Source
from detente.measure.loops.weaving import weave
from tests.shared_data import shared

HEADER = "commit\tval_bpb\tmemory_gb\tstatus\tdescription\n"
BASE, FIRST, SECOND, THIRD = ("b" * 40, *(f"{number}" * 40 for number in "123"))


def _loop(table=None, history=None, name="run"):
    files = {} if table is None else {"results.tsv": table.encode() if isinstance(table, str) else table}
    return autoresearch.import_loop(Source(name, HeldFiles(files), history=history))


def _values(loop, approvals=NOBODY):
    result = measure_loops(judge(weave([loop]), approvals), subject="run", approvals="test")
    return {each.name: (each.low, each.high) for each in result.indicators}, result


def _commit(name, parent, *paths, at=1_700_000_000):
    return Commit(name, (parent,), at, "a change", dict.fromkeys(paths or ("train.py",), (3, 2)))


def test_every_real_table_is_read_with_the_rows_that_its_index_counts():
    """31 tables with 15 different headers: as many records as the index says, statuses as written, none refused."""
    folder = shared("loops/autoresearch")
    with (folder / "index.csv").open(encoding="utf-8") as file:
        index = list(csv.DictReader(file))
    records = 0
    for row in index:
        data = (folder / row["file"]).read_bytes()
        table = parse_table(data, row["file"])
        expected = 440 if row["file"] == "d057dec-results.tsv" else int(row["rows"])
        assert len(table.rows) == expected, row["file"]
        assert "|".join(table.columns) == row["header"].lower()
        counted = dict(each.split("=") for each in row["statuses"].split("; ") if each)
        found = {status: sum(each.status == status for each in table.rows) for status in {r.status for r in table.rows}}
        assert found == {status: int(number) for status, number in counted.items() if status != "(missing)"}
        loop = autoresearch.import_loop(Source(row["file"], HeldFiles({"results.tsv": data})))
        assert loop.attempts == expected
        records += expected
    assert len(index) == 31
    assert records == 1_220 - 95


def test_descriptions_over_several_lines_are_one_record_and_a_warning():
    """440 records, not 535; the blank lines are nothing."""
    table = parse_table(shared("loops/autoresearch/d057dec-results.tsv").read_bytes(), "d057dec-results.tsv")
    assert len(table.rows) == 440
    [remark] = table.remarks
    assert (remark.kind, remark.weight) == ("continued-rows", "warning")
    assert "95 lines" in remark.text


def test_the_reference_run_comes_out_as_recorded():
    """23 keep, 102 discard, 1 crash; 0.997900 to 0.969686; no chain is longer than the 22 kept after the baseline."""
    loop = _loop(shared("loops/autoresearch/fedfef3-results.tsv").read_bytes())
    statuses = [version.status for version in loop.versions]
    assert [statuses.count(each) for each in ("keep", "discard", "crash")] == [23, 102, 1]
    values, _ = _values(loop)
    assert values["lineage.score_first"] == (Decimal("0.997900"),) * 2
    assert values["lineage.score_best"] == (Decimal("0.969686"),) * 2
    assert values["lineage.ai_proposed_depth.in_record"] == (1, 22)
    assert values["lineage.self_depth.in_record"] == (0, 22)
    assert values["lineage.ai_proposed_depth"][1] is None


@pytest.mark.parametrize(
    ("name", "direction", "first", "best"),
    [
        ("d1cb9fa-denoise_results.tsv", "higher", "30.2818", "30.8169"),
        ("03fb710-results.tsv", "lower", "343.88", "178.84"),
        ("2d03d75-dojo_results.tsv", "higher", "1.104683", "2.157905"),
        ("46090d9-results-lighthouse.tsv", "higher", "59.0", "90.0"),
        ("59fe857-skill-autoresearch_results.tsv", "higher", "68.6", "92.0"),
        ("5cf7d30-results_all.tsv", "lower", "3.747", "2.489148"),
    ],
)
def test_either_direction_of_a_score_is_found(name, direction, first, best):
    """By its name, or by what the loop kept; robustness_gap is better when larger, as its rows show."""
    loop = _loop(shared(f"loops/autoresearch/{name}").read_bytes())
    assert loop.direction == direction
    progress = progress_of(weave([loop]), loop)
    assert (progress.first, progress.best) == (Decimal(first), Decimal(best))


def test_windows_line_ends_blank_lines_ragged_rows_and_a_missing_last_line_end_are_read():
    """CRLF is no part of a cell; a row with a cell too many is read by position and said to be ragged."""
    text = (
        HEADER + "aaaaaaa\t1.0\t1\tkeep\tfirst\n\n\nbbbbbbb\t0.9\t1\tkeep\tsecond\textra\nccccccc\t0.8\t1\tkeep\tlast"
    )
    table = parse_table(text.replace("\n", "\r\n").encode(), "results.tsv")
    assert [(row.commit, row.score, row.description) for row in table.rows] == [
        ("aaaaaaa", "1.0", "first"),
        ("bbbbbbb", "0.9", "second"),
        ("ccccccc", "0.8", "last"),
    ]
    assert [remark.kind for remark in table.remarks] == ["ragged-rows"]


def test_a_table_without_rows_has_a_first_version_and_nothing_else():
    """Nothing was recorded: no chain in the record, and none excluded before it."""
    values, result = _values(_loop(HEADER))
    assert values["lineage.attempts"] == (0, 0)
    assert values["lineage.ai_proposed_depth.in_record"] == (0, 0)
    assert values["lineage.ai_proposed_depth"] == (None, None)
    assert "empty" in {remark.kind for remark in result.remarks}


@pytest.mark.parametrize("status", ["rejected", "pending", "REVERTED", "-", "", "Keep"])
def test_a_status_that_is_no_word_of_the_loop_may_have_been_kept(status):
    """It counts in the upper end, and is named."""
    text = HEADER + "aaaaaaa\t1.0\t1\tkeep\tbaseline\n" + f"bbbbbbb\t0.9\t1\t{status}\tx\nccccccc\t0.8\t1\tkeep\ty\n"
    loop = _loop(text)
    values, _ = _values(loop)
    assert [version.status for version in loop.versions][1] == status
    assert values["lineage.ai_proposed_depth.in_record"] == (1, 2)
    assert values["lineage.kept"] == (2, 3)
    assert "unknown-status" in {remark.kind for remark in loop.remarks}


def test_what_was_dropped_is_an_attempt_and_no_step():
    """Ten discards between two keeps: depth one, attempts twelve."""
    rows = "".join(f"d{number:06}\t1.1\t1\tdiscard\tx\n" for number in range(10))
    loop = _loop(f"{HEADER}aaaaaaa\t1.0\t1\tkeep\tbaseline\n{rows}bbbbbbb\t0.9\t1\tkeep\ty\n")
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (1, 1)
    assert values["lineage.attempts"] == (12, 12)


def test_scores_that_are_no_numbers_or_cannot_be_are_counted_and_left_out():
    """NaN, infinity, words, and a negative val_bpb: listed exclusions, and the rows stay."""
    bad = ["nan", "inf", "-0.5", "10974 opps/day", "9" * 50]
    rows = "".join(f"c{number:06}\t{score}\t1\tkeep\tx\n" for number, score in enumerate(bad))
    loop = _loop(f"{HEADER}aaaaaaa\t1.0\t1\tkeep\tbaseline\n{rows}")
    assert len(loop.versions) == 6
    assert sum(version.score is not None for version in loop.versions) == 1
    assert {exclusion.why: exclusion.count for exclusion in loop.exclusions} == {
        "not a finite number": 4,
        "below 0, which this score cannot be": 1,
    }


def test_one_commit_in_several_rows_is_told_apart_by_line():
    """Discards are never committed: their rows repeat the commit before; nothing is lost and the repetition is counted."""
    text = HEADER + "aaaaaaa\t1.0\t1\tkeep\tbaseline\n" + "bbbbbbb\t0.9\t1\tkeep\tx\n" * 3
    loop = _loop(text)
    assert len({version.id for version in loop.versions}) == len(loop.versions) == 4
    assert [(each.what, each.count) for each in loop.exclusions] == [("repeated ids", 2)]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "I03"),
        (b"commit,val_bpb,status\n", "I03"),
        (b"commit\tval_bpb\tstatus\tstatus\n", "I03"),
        (HEADER.encode() + b"\xff\xfe\t1\t1\tkeep\tx\n", "I03"),
        (HEADER.encode() + b"a\t1\t1\tkeep\tx\n" * 100_001, "I02"),
    ],
)
def test_what_is_no_table_is_refused_whole(data, rule):
    """Not a header, not UTF-8, too large: a named refusal and no rows at all."""
    with pytest.raises(Refused) as refused:
        parse_table(data, "results.tsv")
    assert refused.value.rule == rule


def test_two_tables_in_one_folder_are_two_runs_and_refused():
    """Nobody guesses which of them is meant."""
    files = HeldFiles({"a.tsv": HEADER.encode(), "b.tsv": HEADER.encode()})
    with pytest.raises(Refused) as refused:
        autoresearch.import_loop(Source("run", files))
    assert refused.value.rule == "I05"


def _history(*commits):
    return History("autoresearch/mar5", commits)


def test_a_branch_with_its_table_gives_exact_depths():
    """Git recorded the parents and the table the experiments: both ends agree, and each row's score is its commit's."""
    history = _history(_commit(FIRST, BASE), _commit(SECOND, FIRST), _commit(THIRD, SECOND))
    rows = "".join(
        f"{commit[:7]}\t0.{9 - number}\t1\tkeep\tx\n" for number, commit in enumerate((FIRST, SECOND, THIRD))
    )
    loop = _loop(f"{HEADER}baseline\t1.0\t1\tkeep\tbaseline\n{rows}", history)
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (3, 3)
    assert values["lineage.since_approval.changed_lines.in_record"] == (15, 15)
    assert {version.id: version.score for version in loop.versions}[BASE] == Decimal("1.0")


def test_a_commit_that_no_row_names_may_hold_any_number_of_experiments():
    """Three experiments squashed into one commit: the table still lists them, and the upper end is not lowered."""
    rows = "".join(
        f"{commit[:7]}\t0.{9 - number}\t1\tkeep\tx\n" for number, commit in enumerate((FIRST, SECOND, THIRD))
    )
    table = f"{HEADER}baseline\t1.0\t1\tkeep\tbaseline\n{rows}"
    squashed, _ = _values(_loop(table, _history(_commit("f" * 40, BASE))))
    alone, _ = _values(_loop(None, _history(_commit("f" * 40, BASE))))
    assert squashed["lineage.ai_proposed_depth.in_record"][1] is None
    assert alone["lineage.ai_proposed_depth.in_record"] == (1, None)


def test_results_and_notes_are_no_experiment():
    """A commit that adds only the table adds no step and hides none."""
    history = _history(_commit(FIRST, BASE), _commit(SECOND, FIRST, "results.tsv", "notes.md"))
    loop = _loop(f"{HEADER}baseline\t1.0\t1\tkeep\tbaseline\n{FIRST[:7]}\t0.9\t1\tkeep\tx\n", history)
    values, _ = _values(loop)
    assert values["lineage.ai_proposed_depth.in_record"] == (1, 1)


def test_an_approval_that_somebody_states_starts_the_count_again_and_an_unstated_one_leaves_it_open():
    """Approval of the second of three leaves one; nothing said leaves everything between none and three."""
    history = _history(_commit(FIRST, BASE), _commit(SECOND, FIRST), _commit(THIRD, SECOND))
    rows = "".join(
        f"{commit[:7]}\t0.{9 - number}\t1\tkeep\tx\n" for number, commit in enumerate((FIRST, SECOND, THIRD))
    )
    loop = _loop(f"{HEADER}baseline\t1.0\t1\tkeep\tbaseline\n{rows}", history)
    approved, _ = _values(loop, {SECOND[:7]: True, "*": False})
    unsaid, result = _values(loop, {})
    assert approved["lineage.ai_proposed_depth"] == (1, None)  # nobody says who made what was before the first
    assert approved["lineage.ai_proposed_depth.best"] == (1, 1)
    assert unsaid["lineage.ai_proposed_depth.in_record"] == (0, 3)
    assert "at least 3" in next(remark.text for remark in result.remarks if remark.kind == "if-unapproved")


@pytest.mark.parametrize(
    ("approvals", "rule"),
    [
        (b"version;significant\n", "I06"),
        (b"version,significant\nabcdefg,perhaps\n", "I06"),
        (b"version,significant\nabcdefg,yes\nabcdefg,no\n", "I06"),
        (b"\xff", "I06"),
        (b"version,significant\nabcdefg,yes\n", "I07"),
        (b"version,significant\nstar,yes\n", "I07"),
    ],
)
def test_an_approval_of_nothing_is_no_approval(approvals, rule):
    """A table that is none, two answers, or an id that fits no version: refused, and no depth is lowered."""
    loop = _loop(HEADER + "aaaaaaa\t1.0\t1\tkeep\tbaseline\nbbbbbbb\t0.9\t1\tkeep\tx\n")
    with pytest.raises(Refused) as refused:
        judge(weave([loop]), parse_approvals(approvals, "approvals.csv"))
    assert refused.value.rule == rule


def test_a_folder_of_nothing_known_is_refused_by_the_names_of_what_is():
    """Nobody guesses what a record means."""
    with pytest.raises(Refused) as refused:
        kind_of(Source("run", HeldFiles({"notes.txt": b"x"})))
    assert refused.value.rule == "I01"
    assert "openevolve" in refused.value.expected
