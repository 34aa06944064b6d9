"""The branch of a self-improving loop, read with real git: its own commits, and its tables of results."""

import pytest

from detente.adapters import loop_history
from detente.adapters.loop_history import checked_out, is_repository, loop_branches, read_history
from detente.base.errors import Refused, Unavailable
from detente.measure.loops.source import Commit
from tests.repositories import START_S, Built

RUN = "autoresearch/mar5"


@pytest.fixture
def built(tmp_path):
    """Two commits of the trunk, then two of a run, the second with a table of results."""
    made = Built(tmp_path / "repository")
    made.commit("base", {"train.py": "DEPTH = 8\n"})
    made.commit("more", {"README.md": "x\n"})
    made.git("checkout", "-q", "-b", RUN)
    made.first = made.commit("deeper", {"train.py": "DEPTH = 9\nWIDTH = 2\n", "w.bin": b"\0\1"})
    made.second = made.commit("undo", {"train.py": "DEPTH = 8\n", "results.tsv": b"commit\tloss\n"})
    return made


def test_a_run_is_what_its_branch_has_and_the_trunk_has_not_oldest_first(built):
    """With parents, times, subjects, and the lines of each file; a binary one has none."""
    parent = built.git("rev-parse", "main")
    history = read_history(built.path, RUN)
    assert history.branch == RUN
    assert history.commits == (
        Commit(built.first, (parent,), START_S + 3 * 3600, "deeper", {"train.py": (2, 1), "w.bin": (None, None)}),
        Commit(built.second, (built.first,), START_S + 4 * 3600, "undo", {"train.py": (1, 2), "results.tsv": (1, 0)}),
    )


def test_tables_are_those_of_the_newest_commit_that_has_any(built):
    """Of the root alone; a branch whose last commit took them away still has what was measured."""
    built.commit("again", {"results.tsv": b"commit\tloss\na\t1\n", "sub/other.tsv": b"x\n"})
    built.git("rm", "-q", "results.tsv")
    built.commit("tidy")
    assert read_history(built.path, RUN).tables == {"results.tsv": b"commit\tloss\na\t1\n"}


def test_a_run_without_tables_has_none(built):
    """And the trunk itself is a history too, from its beginning."""
    history = read_history(built.path, "main")
    assert [commit.subject for commit in history.commits] == ["base", "more"]
    assert history.tables == {}


def test_branches_of_runs_are_found_here_first_then_at_a_remote(built, tmp_path):
    """A clone that has checked none out still knows them."""
    assert loop_branches(built.path) == [RUN]
    built.git("checkout", "-q", "main")
    built.git("clone", "-q", str(built.path), str(tmp_path / "clone"))
    assert loop_branches(tmp_path / "clone") == [f"origin/{RUN}"]
    assert [commit.id for commit in read_history(tmp_path / "clone", f"origin/{RUN}").commits] == [
        built.first, built.second,
    ]  # fmt: skip


def test_a_work_tree_and_a_bare_repository_are_told_from_a_folder(built, tmp_path):
    """And the branch that is checked out is named; a bare one has none."""
    built.git("clone", "-q", "--bare", str(built.path), str(tmp_path / "bare"))
    assert [is_repository(path) for path in (built.path, tmp_path / "bare", tmp_path)] == [True, True, False]
    assert (checked_out(built.path), checked_out(tmp_path / "bare")) == (RUN, "")


@pytest.mark.parametrize("branch", ["nowhere", "--all", "HEAD:train.py"])
def test_what_is_no_branch_is_refused(built, branch):
    """I05; no option of git's passes for one."""
    with pytest.raises(Refused) as refused:
        read_history(built.path, branch)
    assert refused.value.rule == "I05"


def test_a_branch_that_is_too_long_is_refused_and_not_cut(built, monkeypatch):
    """I02: part of a run would be another run."""
    monkeypatch.setattr(loop_history, "COMMITS_MAX", 1)
    monkeypatch.setattr(loop_history, "_git", lambda *given: loop_history._git_bytes(*given, most=10**6).decode())
    with pytest.raises(Refused) as refused:
        read_history(built.path, RUN)
    assert refused.value.rule == "I02"


def test_a_table_that_is_too_large_is_refused(built, monkeypatch):
    """I02 as well."""
    monkeypatch.setattr(loop_history, "TABLE_MAX", 4)
    with pytest.raises(Refused) as refused:
        read_history(built.path, RUN)
    assert refused.value.rule == "I02"


def test_what_is_no_repository_is_unavailable(tmp_path):
    """With what git says."""
    with pytest.raises(Unavailable, match="not a git repository"):
        loop_branches(tmp_path)


def test_nothing_that_a_repository_configures_is_run(built, tmp_path):
    """Neither a program that shows texts for a diff, nor one that watches the files."""
    mark = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {mark}\ncat "$1"\n')
    program.chmod(0o755)
    built.git("config", "core.fsmonitor", str(program))
    built.git("config", "diff.external", str(program))
    built.git("config", "core.pager", str(program))
    built.git("config", "core.hooksPath", str(tmp_path))
    assert len(read_history(built.path, RUN).commits) == 2
    assert loop_branches(built.path) == [RUN]
    assert not mark.exists()
