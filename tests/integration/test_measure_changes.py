"""Changes of a real repository: what they touch, whose they are, who looked."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.adapters.scan_cache import ScanCache
from detente.app.measuring import change_scan
from detente.app.measuring.changes import measure_changes
from detente.base.errors import Refused
from detente.cli import main
from detente.measure.indicator import Indicator, Result
from tests.forge_shapes import pushed, record
from tests.repositories import Built

CLAUDE = "\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"
TRAIN = "import torch\nDEPTH = 8\nLR = 0.1\n\n\ndef main():\n    return DEPTH\n"


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """A loop in small: a depth, a rate, an evaluator edited together with training, a page of text."""
    repository = Built(tmp_path / "loop")
    repository.commit("Begin", {"train.py": TRAIN, "evaluate.py": "def score(x):\n    return x\n", "README.md": "a\n"})
    repository.commit("Deeper", {"train.py": TRAIN.replace("8", "9")})
    repository.commit(
        f"Both{CLAUDE}",
        {"train.py": TRAIN.replace("8", "9").replace("0.1", "0.2"), "evaluate.py": "def score(x):\n    return x + 1\n"},
    )
    repository.commit(f"Say more{CLAUDE}", {"README.md": "b\n"})
    return repository


def _named(result: Result, name: str) -> Indicator:
    return next(indicator for indicator in result.indicators if indicator.name == f"changes.{name}")


def _ends(result: Result, name: str) -> tuple[str | None, str | None]:
    found = _named(result, name)
    return (None if found.low is None else f"{found.low:.3f}", None if found.high is None else f"{found.high:.3f}")


def _rows(result: Result) -> list[dict]:
    ledger = result.ledger("changes")
    assert ledger is not None
    return [dict(zip(ledger.columns, row, strict=True)) for row in ledger.rows]


def test_each_change_is_localised(built: Built):
    """The second commit changes one constant, the third one constant and the evaluator; text touches nothing."""
    rows = _rows(measure_changes(built.path))
    assert [(row["areas"], row["unit_names"]) for row in rows[:2]] == [
        ("optimisation evaluation", "score, LR 0.1→0.2"),
        ("architecture", "DEPTH 8→9"),
    ]
    assert len(rows) == 3


def test_without_an_export_the_headline_is_open(built: Built):
    """One of three relevant changes is marked; whether anybody looked is unknown, so it may be none or all."""
    result = measure_changes(built.path)
    assert _ends(result, "ai_made_unreviewed") == ("0.000", "1.000")
    assert _ends(result, "marked_unreviewed") == ("0.000", "0.333")
    assert _ends(result, "ai_made") == ("0.333", "1.000")
    assert _ends(result, "relevant") == ("3.000", "3.000")


def test_an_export_closes_it(built: Built, tmp_path: Path):
    """The marked change came by a pull request that a human approved: it is not unreviewed; the others have no pull request."""
    merge = built.git("rev-parse", "HEAD~1")
    path = tmp_path / "pulls.json"
    path.write_text(json.dumps([record(7, merge_commit_sha=merge, commits=[pushed(message=f"Both{CLAUDE}")])]))
    approved = measure_changes(built.path, forge=path, forge_complete=True)
    assert _ends(approved, "ai_made_unreviewed") == ("0.000", "0.667")
    path.write_text(
        json.dumps([record(7, merge_commit_sha=merge, reviews=[], commits=[pushed(message=f"Both{CLAUDE}")])])
    )
    unseen = measure_changes(built.path, forge=path, forge_complete=True)
    assert _ends(unseen, "ai_made_unreviewed") == ("0.333", "1.000")
    assert [remark.weight for remark in unseen.remarks if remark.kind == "edits-own-evaluator-unreviewed"] == ["alarm"]
    assert next(row for row in _rows(unseen) if row["change"] == "#7")["severity"] == 2


def test_a_change_that_edits_its_evaluator_is_found(built: Built):
    """Training and evaluation in one change, the evaluator being there already; a named one is said even where it is changed alone."""
    assert _ends(measure_changes(built.path), "edits_own_evaluator") == ("0.333", "0.333")
    named = measure_changes(built.path, evaluators=("README.md",))
    assert {row["reasons"] for row in _rows(named)} == {
        "",
        "edits-its-evaluator",
        "touches-named-evaluator",
    }


def test_only_what_another_branch_lacks(built: Built):
    """``without`` leaves out the trunk, as for a loop's own branch."""
    rows = _rows(measure_changes(built.path, without="HEAD~2"))
    assert [row["areas"] for row in rows] == ["optimisation evaluation"]


def test_dates_leave_out_and_count(built: Built):
    """What lies outside is counted."""
    result = measure_changes(built.path, since=None, until=1)  # type: ignore[arg-type]
    assert _rows(result) == []
    assert [(e.what, e.why, e.count) for e in result.exclusions] == [("commits", "outside the dates asked for", 4)]


def test_odd_content_never_stops_the_rest(tmp_path: Path):
    """Invalid UTF-8, syntax errors, binaries, links, a hostile name, a huge file: judged by path, counted, listed."""
    repository = Built(tmp_path / "odd")
    (tmp_path / "odd" / "model").mkdir()
    (tmp_path / "odd" / "model" / "link.py").symlink_to("/etc/passwd")
    name = "train/\x1b[31mred\n.py"
    repository.commit(
        "Odd",
        {
            "train/latin.py": b"x = '\xe9'\n",
            "train/broken.py": "def (\n",
            "train/deep.py": "(" * 500,
            "train/big.py": "x = 1\n" * 100_000,
            "train/huge.py": b"#" * (2 << 20),
            "data/a.parquet": b"\0\1\2",
            name: "X = (\n",
        },
    )
    result = measure_changes(repository.path)
    (row,) = _rows(result)
    assert row["areas"] == "architecture training data"
    reasons = {e.why.partition(":")[0]: e for e in result.exclusions if e.what == "texts of files"}
    assert set(reasons) == {
        "not UTF-8", "not the syntax of this Python", "nested too deeply", "larger than the bound for a syntax tree",
        "larger than the bound for a text", "a symbolic link",
    }  # fmt: skip
    assert "\x1b" not in json.dumps(result.as_json(), ensure_ascii=False)


def test_a_file_moved_out_of_training_is_a_training_change(tmp_path: Path):
    """Hiding a training file in the documentation removes it from where it was."""
    repository = Built(tmp_path / "moved")
    repository.commit("Begin", {"train.py": TRAIN})
    repository.git("mv", "train.py", "notes.txt")
    repository.commit("Move")
    rows = _rows(measure_changes(repository.path, without="HEAD~1"))
    assert [row["areas"] for row in rows] == ["architecture optimisation training"]


def test_absent_texts_of_a_partial_clone_are_said(tmp_path: Path, built: Built):
    """A clone without blobs is judged by paths; nothing is fetched."""
    built.git("config", "uploadpack.allowFilter", "true")
    place = tmp_path / "partial.git"
    built.git("clone", "-q", "--bare", "--filter=blob:none", built.path.as_uri(), str(place))
    result = measure_changes(place)
    why = {e.why: e.count for e in result.exclusions if e.what == "texts of files"}
    assert why == {"absent from this clone, or damaged: judged by the path alone": 5}
    assert _ends(result, "relevant") == ("3.000", "3.000")


def test_a_commit_whose_tree_is_gone_is_undetermined(built: Built):
    """Nobody knows what it touched: it widens the interval and is counted, and the others are measured all the same."""
    tree = built.git("rev-parse", "HEAD~2^{tree}")
    (built.path / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    result = measure_changes(built.path)
    low, high = _ends(result, "relevant")
    assert low is not None
    assert high is not None
    assert float(low) < float(high)
    assert [e.count for e in result.exclusions if "tree is absent" in e.why] == [int(float(high) - float(low))]


def test_a_second_run_judges_only_what_is_new_and_says_the_same(tmp_path: Path, built: Built, monkeypatch):
    """Kept by commit and rules: nothing is read again, a new commit alone is, and other rules or evaluators use none of it."""
    read: list[str] = []
    walk = change_scan._Walk.judge

    def noted(self, ids):
        read.extend(ids)
        return walk(self, ids)

    monkeypatch.setattr(change_scan._Walk, "judge", noted)

    def measured(**more) -> int:
        read.clear()
        kept = measure_changes(built.path, cache=tmp_path / "cache", **more)
        count = len(read)
        assert kept == measure_changes(built.path, **more)
        return count

    commits = measured()
    assert commits > 2
    assert measured() == 0
    built.commit("More", {"train.py": TRAIN + "EXTRA = 1\n"})
    assert measured() == 1
    assert measured() == 0
    assert measured(without="HEAD~2") == 0
    assert measured(evaluators=("README.md",)) == commits + 1
    monkeypatch.setattr(change_scan, "RULES", 0)
    assert measured() == commits + 1


def test_a_kept_scan_that_is_damaged_is_as_if_it_had_never_been(tmp_path: Path, built: Built):
    """A file of rubbish, and rows that mean nothing: the repository is read again."""
    cache = tmp_path / "cache"
    said = measure_changes(built.path, cache=cache)
    (cache / "changes.sqlite").write_bytes(b"rubbish" * 1_000)
    assert measure_changes(built.path, cache=cache) == said
    with ScanCache(cache, "changes") as kept:
        assert kept._db is not None
        (key, tip, place) = kept._db.execute("SELECT key, tip, place FROM segments").fetchone()
        kept.store(key, tip, place, ['["x",{"n":"many"}]', "[]", "7"])
    assert measure_changes(built.path, cache=cache) == said


def test_an_interrupted_scan_goes_on_where_it_was(tmp_path: Path, built: Built, monkeypatch):
    """Each part is kept as it is done."""
    monkeypatch.setattr(change_scan, "PART", 1)
    walk = change_scan._Walk.judge

    def breaks(self, ids):
        yield next(walk(self, ids))
        raise KeyboardInterrupt

    monkeypatch.setattr(change_scan._Walk, "judge", breaks)
    with pytest.raises(KeyboardInterrupt):
        measure_changes(built.path, cache=tmp_path / "cache")
    left: list[int] = []

    def goes_on(self, ids):
        left.append(len(ids))
        return walk(self, ids)

    monkeypatch.setattr(change_scan._Walk, "judge", goes_on)
    said = measure_changes(built.path, cache=tmp_path / "cache")
    assert said == measure_changes(built.path)
    assert left[0] == left[1] - 1


def test_what_was_absent_is_looked_for_again(tmp_path: Path, built: Built):
    """A partial clone keeps no verdict that rests on what is not there: the whole one must not see it."""
    built.git("config", "uploadpack.allowFilter", "true")
    place = tmp_path / "partial.git"
    built.git("clone", "-q", "--bare", "--filter=blob:none", built.path.as_uri(), str(place))
    cache = tmp_path / "cache"
    absent = measure_changes(place, cache=cache)
    assert measure_changes(place, cache=cache) == absent
    built.git("--git-dir", str(place), "fetch", "-q", "--refetch", "--no-filter", "origin")
    assert measure_changes(place, cache=cache).indicators == measure_changes(built.path).indicators


def test_the_edge_of_a_shallow_clone_is_counted(tmp_path: Path, built: Built):
    """Its oldest commit shows a whole tree as if it were new: it is left out, and said."""
    place = tmp_path / "shallow"
    built.git("clone", "-q", "--depth=2", built.path.as_uri(), str(place))
    result = measure_changes(place)
    assert ("commits", 1) in [(e.what, e.count) for e in result.exclusions if "shallow" in e.why]


def test_a_pattern_that_cannot_match_is_refused(built: Built):
    """D01, before anything is read."""
    with pytest.raises(Refused) as refusal:
        measure_changes(built.path, evaluators=("/etc/passwd",))
    assert refusal.value.rule == "D01"


def test_the_command_prints_the_result(built: Built):
    """As text and as JSON, with the rows below."""
    runner = CliRunner()
    shown = runner.invoke(main, ["measure", "changes", str(built.path), "--evidence", "--evaluator", "evaluate.py"])
    told = runner.invoke(main, ["measure", "changes", str(built.path), "--json"])
    assert shown.exit_code == 0, shown.output
    assert "relevant changes that are AI-made and unreviewed" in shown.output
    assert "touches-named-evaluator" in shown.output
    assert json.loads(told.output)["measure"] == "changes"
