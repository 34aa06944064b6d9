"""OpenEvolve, the real program, driven by a scripted model: one generation for each approval."""

import os
import signal
from pathlib import Path

import pytest

from tests.integration.asking_rig import approve, pause, said, solo
from tests.integration.loops_rig import START, await_proposal, lift, program, running, scripted

EVALUATE = """\
import re
from pathlib import Path

def evaluate(path):
    level = int(re.search(r"LEVEL = (\\d+)", Path(path).read_text())[1])
    with open(Path(__file__).with_name("evaluated"), "a") as file:
        file.write(f"{level}\\n")
    return {"combined_score": level / 10}
"""
CONFIG = """\
max_iterations: 3
checkpoint_interval: 1
diff_based_evolution: true
llm: {{api_base: "{address}", api_key: none, retries: 0, models: [{{name: scripted, weight: 1.0}}]}}
database: {{num_islands: 1, population_size: 10}}
evaluator: {{parallel_evaluations: 4, cascade_evaluation: false}}
{more}
"""


@pytest.fixture
def script():
    pytest.importorskip("openai", reason="openai is not installed: pip install what the program needs")
    return program("openevolve") / "openevolve-run.py"


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def place(tmp_path):
    made = tmp_path / "work"
    made.mkdir()
    (made / "initial.py").write_text(START)
    (made / "evaluate.py").write_text(EVALUATE)
    return made


def started(script, home, place, model, *, more=""):
    (place / "config.yaml").write_text(CONFIG.format(address=model.address, more=more))
    words = (str(script), "initial.py", "evaluate.py", "--config", "config.yaml", "--output", "out")
    return running("openevolve", *words, home=home, cwd=place, PYTHONDONTWRITEBYTECODE="1")


def evaluated(place):
    return (place / "evaluated").read_text().split()


@pytest.mark.parametrize("more", ["", "max_tasks_per_child: 1"], ids=["forked", "spawned"])
def test_each_approval_lets_one_child_run_and_a_pause_lets_none(script, home, place, more):
    """The first child waits and is not run; approved it is, and one more is asked for; in a pause not even an approved one runs."""
    with scripted() as model, started(script, home, place, model, more=more) as run:
        first = await_proposal(run)
        assert (len(model.asked), evaluated(place)) == (1, ["0"])
        assert said(home, first)["proposed_by"] == "model openevolve"
        assert "iteration 1 of loop-openevolve" in said(home, first)["summary"]

        approve(home, first)
        second = await_proposal(run, other_than=first)
        assert (len(model.asked), evaluated(place)) == (2, ["0", "1"])

        pause(home)
        approve(home, second)
        run.await_said("iteration 2 waits: call: 1 vote of safety\n")
        assert (len(model.asked), evaluated(place)) == (2, ["0", "1"])

        lift(home)
        third = await_proposal(run, other_than=second)
        assert (len(model.asked), evaluated(place)) == (3, ["0", "1", "2"])
        approve(home, third)
        assert run.ended() == 0
    assert evaluated(place) == ["0", "1", "2", "3"]


def test_in_a_pause_the_model_is_not_even_asked(script, home, place):
    """The first generation may not begin; it does once the pause is lifted."""
    pause(home)
    with scripted() as model, started(script, home, place, model) as run:
        run.await_said("iteration 1 may not begin: call: 1 vote of safety")
        assert model.asked == []
        lift(home)
        await_proposal(run)
        assert len(model.asked) == 1


def test_a_worker_that_is_killed_while_it_waits_takes_the_loop_with_it(script, home, place):
    """The program cannot go on without the process in which its child waits: nothing more is asked, nothing is run."""
    with scripted() as model, started(script, home, place, model) as run:
        first = await_proposal(run)
        for child in children(run.popen.pid):
            os.kill(child, signal.SIGKILL)
        run.ended()
        assert (len(model.asked), evaluated(place)) == (1, ["0"])
    with scripted() as model, started(script, home, place, model) as run:
        assert await_proposal(run) == first, "what was not decided waits on"


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
