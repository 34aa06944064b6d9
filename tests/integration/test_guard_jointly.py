"""One job under two accords: it needs the leave of both, stops when either ends it, and both are told."""

import json
import sys
from pathlib import Path

import pytest

from tests.integration.test_guard_nodes import detente, run, wait_for

MARK = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    """Two solo homes, each with an accord of its own."""
    for name in ("one", "two"):
        run("init", "--solo", "--home", name, cwd=tmp_path)
    return tmp_path


def vote(choice: str, home: str, cwd: Path) -> None:
    run(choice, "--as", "safety-team", "--home", home, cwd=cwd)


def kinds(home: str, cwd: Path) -> list[str]:
    """The kinds of the statements that a home's log holds."""
    out, _ = run("log", "show", "--home", home, "--json", cwd=cwd)
    return [json.loads(line)["kind"] for line in out.splitlines()]


def test_a_job_is_refused_by_the_accord_that_pauses_though_the_other_would_allow_it(homes: Path):
    """G43 names which refuses and which would not; nothing was started."""
    vote("pause", "two", homes)
    mark = homes / "mark"
    options = ("--run", "q", "--planned-flop", "1e15", "--home", "one", "--also", "two", "--wait", "20")
    with detente("guard", *options, "--", sys.executable, "-c", MARK, str(mark), cwd=homes) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode >= 10
    assert "G43" in said
    assert "solo in two: call: 1 vote of safety" in said
    assert "solo in one would allow it" in said
    assert not mark.exists()


def test_a_pause_of_either_stops_the_job_and_both_logs_say_so(homes: Path):
    """Exit 75; `run` and `halted` stand in each log, of the run as it was declared there."""
    mark = homes / "mark"
    options = ("--run", "q", "--planned-flop", "1e15", "--home", "one", "--also", "two")
    with detente("guard", *options, "--", sys.executable, "-c", MARK, str(mark), cwd=homes) as process:
        wait_for(mark.exists)
        vote("pause", "two", homes)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 75, said
    assert "permitted under solo in one" in said
    assert "permitted under solo in two" in said
    for home in ("one", "two"):
        found = kinds(home, homes)
        assert (found.count("run"), found.count("halted")) == (1, 1)


def test_a_proposal_is_of_one_accord(homes: Path):
    """Two accords know no proposal by the same id: refused before anything is asked."""
    options = ("--run", "q", "--planned-flop", "1e15", "--proposal", "a" * 64, "--home", "one", "--also", "two")
    _, said = run("guard", *options, "--", "true", cwd=homes, expect=2)
    assert "a proposal is of one accord" in said
