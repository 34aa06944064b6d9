"""autoresearch: its own repository and the loop of its ``program.md``, kept by a scripted agent; git holds each generation.

The training run between commit and keeping, five minutes of a GPU, is left out: the agent is told what came of it.
"""

import re
import subprocess

import pytest

from tests.integration.asking_rig import CLAUDE, Repository, approve, detente, pause, proposal_in, said, solo, waiting
from tests.integration.loops_rig import AUTORESEARCH_POLICY, lift, program

BRANCH = "refs/heads/autoresearch/nov27"


class Agent:
    """What ``program.md`` asks for: tune ``train.py``, commit, run, and keep the commit or reset to where it was."""

    def __init__(self, repo: Repository) -> None:
        self.repo = repo
        repo.git("checkout", "--quiet", "-b", BRANCH.removeprefix("refs/heads/"))

    def tune(self, depth: int) -> None:
        path = self.repo.path / "train.py"
        text, found = re.subn(r"^DEPTH = \d+", f"DEPTH = {depth}", path.read_text(), flags=re.MULTILINE)
        assert found == 1
        path.write_text(text)

    def commit(self, words: str, *, fails: bool = False) -> str:
        return self.repo.git("commit", "--quiet", "-am", words + CLAUDE, fails=fails)

    def discard(self) -> None:
        self.repo.git("reset", "--quiet", "--hard", "HEAD~1")

    @property
    def at(self) -> str:
        return self.repo.at(BRANCH)


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def repo(tmp_path, home):
    source = program("autoresearch")
    made = Repository(tmp_path / "repo")
    subprocess.run(["git", "clone", "--quiet", str(source), str(made.path)], check=True)
    (made.path / "detente-hook.toml").write_text(AUTORESEARCH_POLICY)
    made.git("add", "detente-hook.toml")
    made.commit("what is held here")
    done = detente("hook", "git", "install", str(made.path), home=home)
    assert done.returncode == 0, done.stderr.decode()
    return made


def test_each_approval_lets_one_commit_onto_the_branch_and_a_pause_lets_none(repo, home):
    """The branch stands where it was until the change is approved, and in a pause; what did not help goes back unasked."""
    agent = Agent(repo)
    start = agent.at
    agent.tune(9)
    text = agent.commit("deeper", fails=True)
    first = proposal_in(text)
    assert "touches training (train.py)" in text
    assert agent.at == start
    assert said(home, first)["proposed_by"] == "model claude"

    approve(home, first)
    agent.commit("deeper")
    kept = agent.at
    assert repo.git("show", "--format=", "--name-only", kept) == "train.py"

    agent.tune(10)
    second = proposal_in(agent.commit("deeper still", fails=True))
    assert [each["proposal"] for each in waiting(home)] == [second], "one approval was for one generation"
    pause(home)
    approve(home, second)
    assert "denied" in agent.commit("deeper still", fails=True)
    assert agent.at == kept
    lift(home)
    agent.commit("deeper still")
    agent.discard()
    assert agent.at == kept, "it did not help: the loop goes back to what was approved before"


def test_what_scores_the_loop_is_held_and_going_back_is_to_nothing_new(repo, home):
    """`prepare.py` is evaluation; a commit that was never let onto the branch is no place to go back to."""
    agent = Agent(repo)
    (repo.path / "prepare.py").write_text("TIME_BUDGET = 600\n")
    assert "touches evaluation (prepare.py)" in agent.commit("easier", fails=True)
    repo.git("checkout", "--quiet", "prepare.py")
    repo.git("checkout", "--quiet", "-b", "proposed/aside")
    agent.tune(9)
    agent.commit("deeper")
    aside = repo.at("HEAD")
    repo.git("checkout", "--quiet", BRANCH.removeprefix("refs/heads/"))
    assert "held" in repo.git("reset", "--quiet", "--hard", aside, fails=True)
