"""ShinkaEvolve, the real program, driven by a scripted model: one generation for each approval."""

import sqlite3

import pytest

from tests.integration.asking_rig import approve, pause, said, solo
from tests.integration.loop_programs import START, Shinka
from tests.integration.loops_rig import await_proposal, lift, running, scripted

CHILDREN = 3


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def shinka(tmp_path):
    return Shinka(tmp_path / "work")


def started(home, shinka, model):
    words = shinka.command(model.address, generations=CHILDREN)
    return running("shinka", *words, home=home, cwd=shinka.place, **shinka.environment(model.address))


def test_each_approval_lets_one_child_be_evaluated_and_a_pause_lets_none(home, shinka):
    """Three may be made at once; one is, and waits, and nothing of the next is there before its approval."""
    with scripted() as model, started(home, shinka, model) as run:
        first = await_proposal(run)
        assert (len(model.asked), shinka.evaluated(), shinka.begun()) == (1, ["0"], ["gen_0", "gen_1"])
        assert said(home, first)["proposed_by"] == "model shinka"
        assert "generation 1 of loop-shinka" in said(home, first)["summary"]

        approve(home, first)
        second = await_proposal(run, other_than=first)
        run.await_true(lambda: shinka.evaluated() == ["0", "1"], "the first child evaluated")
        assert (len(model.asked), shinka.begun()) == (2, ["gen_0", "gen_1", "gen_2"])

        pause(home)
        approve(home, second)
        run.await_said("generation 2 waits: call: 1 vote of safety\n")
        assert (len(model.asked), shinka.evaluated()) == (2, ["0", "1"])

        lift(home)
        third = await_proposal(run, other_than=second)
        run.await_true(lambda: shinka.evaluated() == ["0", "1", "2"], "the second child evaluated")
        approve(home, third)
        assert run.ended() == 0
    assert shinka.evaluated() == ["0", "1", "2", "3"]
    with sqlite3.connect(shinka.place / "out" / "programs.sqlite") as kept:
        found = kept.execute("select distinct generation from programs order by generation").fetchall()
    assert found == [(number,) for number in range(CHILDREN + 1)]


def test_a_first_program_that_the_model_wrote_waits_as_well(home, shinka):
    """What nobody wrote is no place to start from unasked."""
    (shinka.place / "task" / "initial.py").unlink()
    code = "```python\n" + START.replace("LEVEL = 0", "LEVEL = 7") + "```"
    script = (
        "from shinka.core import EvolutionConfig, ShinkaEvolveRunner\n"
        "from shinka.database import DatabaseConfig\n"
        "from shinka.launch import LocalJobConfig\n"
        "import sys\n"
        "evo = EvolutionConfig(llm_models=[sys.argv[1]], embedding_model=None, init_program_path=None,\n"
        "    meta_rec_interval=None, num_generations=1, results_dir='out')\n"
        "job = LocalJobConfig(eval_program_path='task/evaluate.py')\n"
        "ShinkaEvolveRunner(evo_config=evo, job_config=job, db_config=DatabaseConfig()).run()\n"
    )
    (shinka.place / "drive.py").write_text(script)
    with (
        scripted(
            lambda _number, _told: f"<NAME>\nfirst\n</NAME>\n<DESCRIPTION>\nx\n</DESCRIPTION>\n<CODE>\n{code}\n</CODE>"
        ) as model,
        running(
            "shinka",
            "drive.py",
            f"local/scripted@{model.address}",
            home=home,
            cwd=shinka.place,
            **shinka.environment(model.address),
        ) as run,
    ):
        first = await_proposal(run)
        assert "the first program of loop-shinka" in said(home, first)["summary"]
        assert shinka.evaluated() == []
        approve(home, first)
        run.await_true(lambda: shinka.evaluated() == ["7"], "the first program evaluated")
