"""DGM, its own outer loop, step and harness: one approval lets exactly one self-modified agent be measured.

The Docker daemon, the data set and the benchmark are stand-ins, as ``dgm_stand_ins/README.md`` says; the model is scripted.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.asking_rig import approve, pause, said, solo
from tests.integration.loops_rig import await_proposal, lift, program, running, scripted

STAND_INS = Path(__file__).with_name("dgm_stand_ins")
ISSUE = "django__django-10999"
IDEA = json.dumps({"implementation_suggestion": "a line", "problem_description": "a line is missing"})


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def place(tmp_path):
    """The program's tree as its authors publish it, with one issue in place of sixty, and the benchmark's stand-in."""
    for package in ("anthropic", "backoff", "openai", "git", "tqdm"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install what the program needs")
    made = tmp_path / "dgm"
    shutil.copytree(
        program("dgm"), made, ignore=shutil.ignore_patterns(".git", "analysis", "misc", "initial*", "polyglot_*")
    )
    initial = made / "initial"
    (initial / "predictions" / "initial_0").mkdir(parents=True)
    (initial / "predictions" / "initial_0" / f"{ISSUE}.md").write_text("stand-in\n")
    score = {
        "accuracy_score": 0.0,
        "total_unresolved_ids": [ISSUE],
        "total_emptypatch_ids": [],
        "total_resolved_ids": [],
    }
    score |= {"total_resolved_instances": 0, "total_submitted_instances": 1}
    (initial / "metadata.json").write_text(json.dumps({"run_id": "initial", "overall_performance": score}))
    (made / "swe_bench" / "subsets" / "small.json").write_text(json.dumps([ISSUE]))
    evaluation = made / "swe_bench" / "SWE-bench" / "swebench" / "harness"
    evaluation.mkdir(parents=True)
    shutil.copy(STAND_INS / "run_evaluation.py", evaluation)
    (tmp_path / "containers").mkdir()
    return made


def started(home, place, model):
    """Two generations of two attempts each, on two threads of the program."""
    words = ["DGM_outer.py", "--max_generation", "2", "--selfimprove_size", "2", "--selfimprove_workers", "2"]
    return running(
        "dgm",
        *words,
        "--shallow_eval",
        "--no_full_eval",
        home=home,
        cwd=place,
        PYTHONPATH=str(STAND_INS),
        PYTHONDONTWRITEBYTECODE="1",
        OPENAI_BASE_URL=model.address,
        STAND_IN_PLACE=str(place.parent / "containers"),
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    )


def noted(place, name):
    path = place.parent / "containers" / name
    return path.read_text().split() if path.exists() else []


def attempts(place):
    """The folders that attempts of the program have made."""
    return [path for path in place.glob("output_dgm/*/2*_*") if path.is_dir()]


def test_each_approval_lets_one_self_modified_agent_be_measured_and_a_pause_lets_none(home, place):
    """Two threads would improve at once; one does, and waits, and nothing of the next is there before its approval."""
    with scripted(lambda _number, _told: f"```json\n{IDEA}\n```") as model, started(home, place, model) as run:
        first = await_proposal(run)
        assert (len(attempts(place)), noted(place, "improved"), noted(place, "measured")) == (1, ["x"], [])
        assert said(home, first)["proposed_by"] == "model dgm"
        assert "a child of initial" in said(home, first)["summary"]

        approve(home, first)
        second = await_proposal(run, other_than=first)
        assert (len(attempts(place)), noted(place, "improved"), noted(place, "measured")) == (2, ["x", "x"], ["1"])

        pause(home)
        approve(home, second)
        run.await_said("waits: call: 1 vote of safety\n")
        assert (len(attempts(place)), noted(place, "improved"), noted(place, "measured")) == (2, ["x", "x"], ["1"])

        lift(home)
        third = await_proposal(run, other_than=second)
        assert (len(attempts(place)), noted(place, "measured")) == (3, ["1", "2"])
        (archive,) = place.glob("output_dgm/*/dgm_metadata.jsonl")
        assert len(json.loads(archive.read_text())["archive"]) == 3, "both children of the first generation are kept"
        approve(home, third)
        fourth = await_proposal(run, other_than=third)
        assert noted(place, "measured") == ["1", "2", "3"]
        approve(home, fourth)
        assert run.ended() == 0
    assert noted(place, "measured") == ["1", "2", "3", "4"]
    assert len(model.asked) == 4
