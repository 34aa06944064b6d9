"""OpenEvolve, the real program, driven by a scripted model: one generation for each approval."""

import os
import signal
from pathlib import Path

import pytest

from tests.integration.asking_rig import approve, pause, said, solo
from tests.integration.loop_programs import OpenEvolve
from tests.integration.loops_rig import await_proposal, lift, running, scripted


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def more():
    """What its configuration says besides."""
    return ""


@pytest.fixture
def evolve(tmp_path, more):
    return OpenEvolve(tmp_path / "work", more=more)


def started(home, evolve, model):
    words = evolve.command(model.address, generations=3)
    return running("openevolve", *words, home=home, cwd=evolve.place, **evolve.environment(model.address))


@pytest.mark.parametrize("more", ["", "max_tasks_per_child: 1"], ids=["forked", "spawned"])
def test_each_approval_lets_one_child_run_and_a_pause_lets_none(home, evolve):
    """The first child waits and is not run; approved it is, and one more is asked for; in a pause not even an approved one runs."""
    with scripted() as model, started(home, evolve, model) as run:
        first = await_proposal(run)
        assert (len(model.asked), evolve.evaluated()) == (1, ["0"])
        assert said(home, first)["proposed_by"] == "model openevolve"
        assert "iteration 1 of loop-openevolve" in said(home, first)["summary"]

        approve(home, first)
        second = await_proposal(run, other_than=first)
        assert (len(model.asked), evolve.evaluated()) == (2, ["0", "1"])

        pause(home)
        approve(home, second)
        run.await_said("iteration 2 waits: call: 1 vote of safety\n")
        assert (len(model.asked), evolve.evaluated()) == (2, ["0", "1"])

        lift(home)
        third = await_proposal(run, other_than=second)
        assert (len(model.asked), evolve.evaluated()) == (3, ["0", "1", "2"])
        approve(home, third)
        assert run.ended() == 0
    assert evolve.evaluated() == ["0", "1", "2", "3"]


def test_in_a_pause_the_model_is_not_even_asked(home, evolve):
    """The first generation may not begin; it does once the pause is lifted."""
    pause(home)
    with scripted() as model, started(home, evolve, model) as run:
        run.await_said("iteration 1 may not begin: call: 1 vote of safety")
        assert model.asked == []
        lift(home)
        await_proposal(run)
        assert len(model.asked) == 1


def test_a_worker_that_is_killed_while_it_waits_takes_the_loop_with_it(home, evolve):
    """The program cannot go on without the process in which its child waits: nothing more is asked, nothing is run."""
    with scripted() as model, started(home, evolve, model) as run:
        first = await_proposal(run)
        for child in children(run.popen.pid):
            os.kill(child, signal.SIGKILL)
        run.ended()
        assert (len(model.asked), evolve.evaluated()) == (1, ["0"])
    with scripted() as model, started(home, evolve, model) as run:
        assert await_proposal(run) == first, "what was not decided waits on"


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
