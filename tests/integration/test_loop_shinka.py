"""ShinkaEvolve, the real program, driven by a scripted model: one generation for each approval."""

import json
import sqlite3

import pytest

from tests.integration.asking_rig import approve, pause, said, solo
from tests.integration.loops_rig import START, await_proposal, lift, program, running, scripted

EVALUATE = """\
import argparse, json, re
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--program_path")
parser.add_argument("--results_dir")
given, _ = parser.parse_known_args()
level = int(re.search(r"LEVEL = (\\d+)", Path(given.program_path).read_text())[1])
out = Path(given.results_dir)
with open(out.parent.parent / "evaluated", "a") as file:
    file.write(f"{level}\\n")
(out / "correct.json").write_text(json.dumps({"correct": True, "error": None}))
(out / "metrics.json").write_text(json.dumps({"combined_score": level / 10, "public": {}, "private": {}}))
"""
GENERATIONS = 4


@pytest.fixture
def source():
    pytest.importorskip("instructor", reason="instructor is not installed: pip install what the program needs")
    return program("ShinkaEvolve")


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def place(tmp_path):
    made = tmp_path / "work"
    (made / "task").mkdir(parents=True)
    (made / "task" / "initial.py").write_text(START)
    (made / "task" / "evaluate.py").write_text(EVALUATE)
    return made


def started(source, home, place, model):
    chosen = {
        "evo.llm_models": [f"local/scripted@{model.address}"],
        "evo.embedding_model": None,
        "evo.patch_types": ["diff"],
        "evo.patch_type_probs": [1.0],
        "evo.meta_rec_interval": None,
        "evo.max_novelty_attempts": 1,
    }
    words = [
        "-m",
        "shinka.cli.run",
        "--task-dir",
        "task",
        "--results_dir",
        "out",
        "--num_generations",
        str(GENERATIONS),
    ]
    words += ["--max-proposal-jobs", "3", "--max-evaluation-jobs", "3"]
    for name, value in chosen.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    return running("shinka", *words, home=home, cwd=place, PYTHONPATH=str(source), PYTHONDONTWRITEBYTECODE="1")


def evaluated(place):
    path = place / "out" / "evaluated"
    return path.read_text().split() if path.exists() else []


def begun(place):
    """The generations that the program has made a folder for."""
    return sorted(path.name for path in (place / "out").glob("gen_*"))


def test_each_approval_lets_one_child_be_evaluated_and_a_pause_lets_none(source, home, place):
    """Three may be made at once; one is, and waits, and nothing of the next is there before its approval."""
    with scripted() as model, started(source, home, place, model) as run:
        first = await_proposal(run)
        assert (len(model.asked), evaluated(place), begun(place)) == (1, ["0"], ["gen_0", "gen_1"])
        assert said(home, first)["proposed_by"] == "model shinka"
        assert "generation 1 of loop-shinka" in said(home, first)["summary"]

        approve(home, first)
        second = await_proposal(run, other_than=first)
        run.await_true(lambda: evaluated(place) == ["0", "1"], "the first child evaluated")
        assert (len(model.asked), begun(place)) == (2, ["gen_0", "gen_1", "gen_2"])

        pause(home)
        approve(home, second)
        run.await_said("generation 2 waits: call: 1 vote of safety\n")
        assert (len(model.asked), evaluated(place)) == (2, ["0", "1"])

        lift(home)
        third = await_proposal(run, other_than=second)
        run.await_true(lambda: evaluated(place) == ["0", "1", "2"], "the second child evaluated")
        approve(home, third)
        assert run.ended() == 0
    assert evaluated(place) == ["0", "1", "2", "3"]
    with sqlite3.connect(place / "out" / "programs.sqlite") as kept:
        found = kept.execute("select distinct generation from programs order by generation").fetchall()
    assert found == [(number,) for number in range(GENERATIONS)]


def test_a_first_program_that_the_model_wrote_waits_as_well(source, home, place):
    """What nobody wrote is no place to start from unasked."""
    (place / "task" / "initial.py").unlink()
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
    (place / "drive.py").write_text(script)
    with (
        scripted(
            lambda _number, _told: f"<NAME>\nfirst\n</NAME>\n<DESCRIPTION>\nx\n</DESCRIPTION>\n<CODE>\n{code}\n</CODE>"
        ) as model,
        running(
            "shinka", "drive.py", f"local/scripted@{model.address}", home=home, cwd=place, PYTHONPATH=str(source)
        ) as run,
    ):
        first = await_proposal(run)
        assert "the first program of loop-shinka" in said(home, first)["summary"]
        assert evaluated(place) == []
        approve(home, first)
        run.await_true(lambda: evaluated(place) == ["7"], "the first program evaluated")
