"""``detente measure authorship`` on real repositories: ledgers, kept scans, many at once."""

import json
import os
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from detente.adapters.scan_cache import ScanCache
from detente.app.measuring import authorship_scan
from detente.app.measuring.authorship import Question, measure_authorship
from detente.app.measuring.many import measure_each
from detente.base.errors import Unavailable
from detente.cli import main
from detente.measure.indicator import Result
from tests.repositories import Built

CLAUDE = "change\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"
NOTE = (
    'a.py\n  s_1::t_1 1-3\n---\n{"schema_version":"authorship/3.0.0","sessions":{"s_1":{"agent_id":{"tool":"claude"}}}}'
)


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return Built(tmp_path / "repository")


def _value(result, name: str):
    found = next(one for one in result.indicators if one.name == f"authorship.{name}")
    return (float(found.low), float(found.high))


def _run(*arguments: object):
    return CliRunner().invoke(main, ["measure", "authorship", *map(str, arguments)])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the commits whose facts were made anew."""
    made: list[str] = []
    real = authorship_scan.Ledgers.facts

    def watched(self, commits):
        for facts in real(self, commits):
            made.append(facts.id)
            yield facts

    monkeypatch.setattr(authorship_scan.Ledgers, "facts", watched)
    return made


def test_notes_and_marks_are_joined(built: Built):
    """A note attests three lines of an unmarked commit; a mark credits another."""
    noted = built.commit("change", {"a.py": "x\n" * 10})
    built.note(noted, NOTE)
    built.commit(CLAUDE, {"b.py": "x\n" * 10})
    assert _value(measure_authorship(built.path), "ai_line_share") == (0.65, 1.0)


def test_a_malformed_note_is_counted_and_unknown(built: Built):
    """It attests nothing, and the result says that it was there."""
    built.note(built.commit("change", {"a.py": "x\n"}), "not a note")
    result = measure_authorship(built.path)
    assert _value(result, "ai_line_share") == (0.0, 1.0)
    assert any("malformed" in one.why and one.count == 1 for one in result.exclusions)


def test_trace_records_reach_the_commits_that_added_the_lines(built: Built):
    """A record's lines hold at its revision: blame leads from there to the commit, though lines have moved."""
    built.commit("one", {"a.py": "1\n2\n3\n4\n"})
    revision = built.commit("two", {"a.py": "0\n1\n2\n3\n4\n"})
    record = {
        "version": "0.1.0",
        "id": "550e8400-e29b-41d4-a716-446655440000",
        "timestamp": "2026-01-25T10:00:00Z",
        "vcs": {"type": "git", "revision": revision},
        "tool": {"name": "cursor"},
        "files": [
            {
                "path": "a.py",
                "conversations": [{"contributor": {"type": "ai"}, "ranges": [{"start_line": 1, "end_line": 3}]}],
            },
            {
                "path": "gone.py",
                "conversations": [{"contributor": {"type": "ai"}, "ranges": [{"start_line": 1, "end_line": 1}]}],
            },
        ],
    }
    nowhere = {name: value for name, value in record.items() if name != "vcs"}
    lines = "\n".join([json.dumps(record), json.dumps(nowhere), "{", ""])
    (built.path / ".agent-trace").mkdir()
    (built.path / ".agent-trace" / "traces.jsonl").write_text(lines, "utf-8")
    result = measure_authorship(built.path)
    by_commit = {row[0]: row[-3] for row in result.ledger("commits").rows}
    assert by_commit[revision] == 1
    assert sum(by_commit.values()) == 3
    assert sorted((one.what, one.count) for one in result.exclusions if "Trace" in one.what) == [
        ("Agent Trace records", 1),
        ("Agent Trace records", 1),
        ("files of Agent Trace records", 1),
    ]


def test_a_shallow_clone_says_so_and_counts_no_tree_as_a_change(built: Built, tmp_path: Path):
    """The edge adds nothing, and a warning says that history is missing."""
    for number in range(3):
        built.commit(CLAUDE if number else "change", {f"{number}.py": "x\n" * 10})
    built.git("clone", "-q", "--depth", "2", built.path.as_uri(), str(tmp_path / "cut"))
    result = measure_authorship(tmp_path / "cut")
    assert result.indicators[0].n == 10
    assert "shallow" in [remark.kind for remark in result.remarks]


def test_a_second_scan_reads_nothing_and_finds_the_same(built: Built, tmp_path: Path, reads: list[str]):
    """Kept rows give the same result, to the digest."""
    for number in range(5):
        built.commit(CLAUDE if number % 2 else "change", {f"{number}.py": "x\n"})
    question = Question(cache=tmp_path / "cache")
    first = measure_authorship(built.path, question)
    assert len(reads) == 5
    assert measure_authorship(built.path, question).as_json() == first.as_json()
    assert len(reads) == 5
    assert first.as_json() == measure_authorship(built.path).as_json()


def test_new_commits_and_vanished_ones_are_all_that_is_read_again(built: Built, tmp_path: Path, reads: list[str]):
    """After a rewrite of history the rows are those of a fresh scan, in the same order."""
    question = Question(cache=tmp_path / "cache")
    for number in range(6):
        built.commit("change", {f"{number}.py": "x\n"})
    measure_authorship(built.path, question)
    built.git("reset", "-q", "--hard", "HEAD~2")
    new = [built.commit(CLAUDE, {f"new{number}.py": "x\n"}) for number in range(3)]
    reads.clear()
    again = measure_authorship(built.path, question)
    assert sorted(reads) == sorted(new)
    assert again.as_json() == measure_authorship(built.path).as_json()
    more = built.commit(CLAUDE, {"more.py": "x\n"})
    reads.clear()
    third = measure_authorship(built.path, question)
    assert reads == [more]
    assert third.as_json() == measure_authorship(built.path).as_json()


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tips whose kept rows were loaded."""
    loaded: list[str] = []
    real = ScanCache.load

    def watched(self, key, tip):
        loaded.append(tip)
        return real(self, key, tip)

    monkeypatch.setattr(ScanCache, "load", watched)
    return loaded


def test_sums_go_on_from_where_they_were_without_the_rows(built: Built, tmp_path: Path, reads, loads):
    """Asked for shares alone, a second scan reads new commits and no old row, and finds what a fresh one finds."""
    kept, fresh = Question(cache=tmp_path / "cache", rows=False), Question()
    for number in range(4):
        built.note(
            built.commit(CLAUDE if number % 2 else "change", {f"{number}.py": "x\n", "uv.lock": f"{number}\n"}), NOTE
        )
    measure_authorship(built.path, kept)
    loads.clear()
    for _ in range(3):
        new = built.commit(CLAUDE, {"new.py": f"{built.now}\n"}, author=("Bob", "bob@example.org"))
        reads.clear()
        assert _without_rows(measure_authorship(built.path, kept)) == _without_rows(
            measure_authorship(built.path, fresh)
        )
        assert reads[0] == new
        reads.clear()
        assert _without_rows(measure_authorship(built.path, kept)) == _without_rows(
            measure_authorship(built.path, fresh)
        )
        assert len(reads) == int(built.git("rev-list", "--count", "HEAD"))  # those of the fresh scan alone
    assert loads == []
    built.git("reset", "-q", "--hard", "HEAD~2")
    assert _without_rows(measure_authorship(built.path, kept)) == _without_rows(measure_authorship(built.path, fresh))
    assert (
        measure_authorship(built.path, Question(cache=tmp_path / "cache")).as_json()
        == measure_authorship(built.path).as_json()
    )


def _without_rows(result: Result) -> dict:
    said = result.as_json()
    return {**said, "ledgers": [ledger for ledger in said["ledgers"] if ledger["name"] != "commits"]}


def test_a_note_that_comes_later_is_seen(built: Built, tmp_path: Path, reads: list[str]):
    """The commit is the same, the evidence is not: only it is read again."""
    question = Question(cache=tmp_path / "cache")
    commit = built.commit("change", {"a.py": "x\n" * 10})
    built.commit("change", {"b.py": "x\n" * 10})
    assert _value(measure_authorship(built.path, question), "ai_line_share") == (0.0, 1.0)
    built.note(commit, NOTE)
    assert _value(measure_authorship(built.path, Question(cache=tmp_path / "cache", rows=False)), "ai_line_share") == (
        0.15,
        1.0,
    )
    built.note(commit, NOTE.replace("1-3", "1-4"))
    reads.clear()
    assert _value(measure_authorship(built.path, question), "ai_line_share") == (0.2, 1.0)
    assert reads == [commit]
    reads.clear()
    measure_authorship(built.path, question)
    assert reads == []


def test_blobs_that_come_later_are_seen(built: Built, tmp_path: Path):
    """What a partial clone could not count is not kept for a clone that can."""
    question = Question(cache=tmp_path / "cache")
    built.commit("change", {"a.py": "x\n" * 10})
    built.git("config", "uploadpack.allowFilter", "true")
    built.git("clone", "-q", "--filter=blob:none", "--no-checkout", built.path.as_uri(), str(tmp_path / "partial"))
    assert measure_authorship(tmp_path / "partial", question).indicators[0].n == 0
    assert measure_authorship(built.path, question).indicators[0].n == 10
    assert measure_authorship(tmp_path / "partial", question).indicators[0].n == 0


def test_an_interrupted_scan_goes_on_where_it_was(built: Built, tmp_path: Path, reads: list[str], monkeypatch):
    """Finished parts are kept; the result is that of one go."""
    monkeypatch.setattr(authorship_scan, "PART", 2)
    for number in range(7):
        built.commit(CLAUDE if number % 3 else "change", {f"{number}.py": "x\n"})
    question = Question(cache=tmp_path / "cache")
    real = authorship_scan.read_history

    def fails(*arguments, **options):
        commits = real(*arguments, **options)
        for _ in range(5):
            yield next(commits)
        commits.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(authorship_scan, "read_history", fails)
    with pytest.raises(KeyboardInterrupt):
        measure_authorship(built.path, question)
    monkeypatch.setattr(authorship_scan, "read_history", real)
    reads.clear()
    result = measure_authorship(built.path, question)
    assert len(reads) == 3
    assert result.as_json() == measure_authorship(built.path).as_json()


@pytest.mark.parametrize("damage", ["garbage", "body", "layout", "chain", "sums"])
def test_a_damaged_cache_costs_time_and_nothing_else(built: Built, tmp_path: Path, damage: str):
    """Bytes that are no database, bodies that do not match, another layout, a missing base: read again, the same result."""
    question = Question(cache=tmp_path / "cache")
    built.commit(CLAUDE, {"a.py": "x\n"})
    measure_authorship(built.path, question)
    built.commit("change", {"b.py": "x\n"})
    measure_authorship(built.path, question)
    place = tmp_path / "cache" / "authorship.sqlite"
    if damage == "garbage":
        place.write_bytes(b"no database" * 500)
    else:
        with sqlite3.connect(place) as db:
            db.execute(
                {
                    "body": "UPDATE segments SET body = substr(body, 1, 10)",
                    "layout": "PRAGMA user_version=99",
                    "sums": "UPDATE sums SET body = substr(body, 1, 10)",
                    "chain": "DELETE FROM segments WHERE base=''",
                }[damage]
            )
        db.close()
    sums = measure_authorship(built.path, Question(cache=tmp_path / "cache", rows=False))
    assert _without_rows(sums) == _without_rows(measure_authorship(built.path))
    assert measure_authorship(built.path, question).as_json() == measure_authorship(built.path).as_json()


def test_a_cache_that_cannot_be_written_does_not_stop_a_measurement(built: Built, tmp_path: Path):
    """A folder of that name where the file should be: measured without."""
    built.commit(CLAUDE, {"a.py": "x\n"})
    (tmp_path / "cache" / "authorship.sqlite").mkdir(parents=True)
    assert _value(measure_authorship(built.path, Question(cache=tmp_path / "cache")), "ai_line_share") == (1.0, 1.0)


def test_a_cache_folder_that_was_asked_for_and_cannot_be_made_is_an_error(built: Built, tmp_path: Path):
    """What the user named is not silently left out; the default folder is nobody's wish."""
    built.commit(CLAUDE, {"a.py": "x\n"})
    (tmp_path / "file").write_text("x", "utf-8")
    assert _run("--cache", tmp_path / "file" / "below", built.path).exit_code == 3
    done = CliRunner(env={"XDG_CACHE_HOME": str(tmp_path / "file")}).invoke(
        main, ["measure", "authorship", str(built.path)]
    )
    assert done.exit_code == 0


def test_a_long_chain_of_differences_is_stored_whole_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Loading never follows more than a bounded number of segments."""
    with ScanCache(tmp_path, "measure") as cache:
        cache.store("k", "t0", "place", ['["a",1]'])
        for number in range(32):
            assert cache.store_difference(
                "k", f"t{number + 1}", "place", base=f"t{number}", removed=[], rows=[f'["b",{number}]']
            )
        assert not cache.store_difference("k", "t33", "place", base="t32", removed=[], rows=[])
        assert cache.load("k", "t32") == [["b", 31], ["a", 1]]
        assert cache.load("other", "t32") is None


def test_one_broken_repository_does_not_stop_the_rest(built: Built, tmp_path: Path):
    """Each line is one repository in the order given; the broken one says why; the exit code is its refusal's."""
    built.commit(CLAUDE, {"a.py": "x\n"})
    done = _run("--json", "--cache", tmp_path / "cache", "--jobs", 2, built.path, tmp_path / "none", built.path)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("refused", {}).get("rule") for line in lines] == [None, "A01", None]
    assert lines[0]["indicators"] == lines[2]["indicators"]
    assert done.exit_code not in {0, 1}
    assert "not measured" in done.stderr


def _dies(path: Path) -> Result:
    """Measure what is called fine, and take the process down over what is not."""
    if path.name == "deadly":
        os._exit(9)
    if path.name == "odd":
        raise LookupError("nobody thought of that")
    return Result("authorship", subject=path.name)


def test_a_repository_that_kills_its_process_does_not_stop_the_rest():
    """Those that shared the pool are measured again, each in a process of its own."""
    names = ["fine", "deadly", "odd", "also"]
    outcomes = [outcome for _, outcome in measure_each([Path(name) for name in names], _dies, jobs=2)]
    assert [one.subject if isinstance(one, Result) else type(one) for one in outcomes] == [
        "fine",
        Unavailable,
        Unavailable,
        "also",
    ]


def test_the_command_prints_shares_halves_and_folders(built: Built):
    """For people: intervals, evidence classes, and hostile names without their power over a terminal."""
    built.commit(CLAUDE, {"src/a.py": "x\n", "evil\x1b[2J/b.py": "x\n"})
    done = _run("--no-cache", built.path)
    assert done.exit_code == 0, done.output
    assert "AI share of added lines" in done.stdout
    assert "2025H1" in done.stdout
    assert "evil\\x1b[2J" in done.stdout
    assert "\x1b" not in done.stdout
    evidence = _run("--no-cache", "--evidence", built.path)
    assert "claude-coauthor" in evidence.stdout
    assert "\x1b" not in evidence.stdout


def test_bounds_and_refs_choose_the_history(built: Built):
    """By day of the committer's date, and by branch."""
    built.commit(CLAUDE, {"a.py": "x\n"}, at_s=1_750_000_000)
    built.git("branch", "old")
    built.commit("change", {"b.py": "x\n"}, at_s=1_760_000_000)
    assert json.loads(_run("--json", "--no-cache", "--ref", "old", built.path).stdout)["indicators"][0]["low"] == "1"
    later = json.loads(_run("--json", "--no-cache", "--since", "2025-07-01", built.path).stdout)
    assert (later["indicators"][0]["low"], later["indicators"][0]["n"]) == ("0", 1)
    earlier = json.loads(_run("--json", "--no-cache", "--until", "2025-07-01", built.path).stdout)
    assert (earlier["indicators"][0]["low"], earlier["indicators"][0]["n"]) == ("1", 1)
