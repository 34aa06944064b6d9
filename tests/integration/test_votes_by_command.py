"""`detente pause`, `lift` and what they say about the vote: the real commands in a home of one organisation."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from detente.app.init import make_solo
from detente.cli import main


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("solo") / ".detente"
    asyncio.run(make_solo(place))
    return place


def command(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--home", str(home)])


def status(home: Path) -> dict:
    return json.loads(command(home, "status", "--json").stdout)


def test_a_pause_is_voted_by_the_party_whose_vote_counts_and_lifted_likewise(home: Path):
    """The home's first party develops and has no vote; the vote is the safety team's, and the command says it counts."""
    paused = command(home, "pause")
    assert paused.exit_code == 0, paused.output
    assert paused.stdout.startswith("safety-team voted pause of call")
    assert "it counts; latched" in paused.stdout
    assert [pause["trigger"] for pause in status(home)["pauses"]] == ["call"]
    lifted = json.loads(command(home, "lift", "--json").stdout)
    assert (lifted["party"], lifted["counts"], lifted["stands"]) == ("safety-team", True, "ended by lift")
    assert status(home)["pauses"] == []


def test_a_vote_that_would_not_count_is_not_cast(home: Path):
    """Named by --as, a party without a vote is told who has one; nothing is filed, so nothing is noted."""
    before = status(home)
    told = command(home, "pause", "--as", "research-team")
    assert told.exit_code == 2
    assert "research-team has no vote to pause call: the terms give it to safety-team" in told.stderr
    assert status(home)["notes"] == before["notes"]
    assert status(home)["pauses"] == before["pauses"]


def test_a_trigger_that_no_vote_calls_says_which_one_a_vote_does(home: Path):
    """`--trigger unattended` is a measured trigger: a vote on it could only be a no-op."""
    told = command(home, "pause", "--trigger", "unattended")
    assert told.exit_code == 2
    assert "votes call call" in told.stderr or "no vote calls it" in told.stderr


def test_a_home_inside_a_repository_is_not_committed_by_chance(home: Path):
    """It holds keys: git sees nothing of it."""
    assert "*" in (home / ".gitignore").read_text().splitlines()
