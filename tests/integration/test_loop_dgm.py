"""DGM, its own outer loop, step and harness: one approval lets exactly one self-modified agent be measured.

The Docker daemon, the data set and the benchmark are stand-ins, as ``dgm_stand_ins/README.md`` says; the model is scripted.
"""

import json

import pytest

from tests.integration.asking_rig import approve, pause, said, solo
from tests.integration.loop_programs import IDEA, Dgm
from tests.integration.loops_rig import await_proposal, lift, running, scripted


@pytest.fixture
def home(tmp_path):
    return solo(tmp_path / "home")


@pytest.fixture
def dgm(tmp_path):
    """Two attempts at once, on two threads of the program."""
    return Dgm(tmp_path / "work", at_once=2)


def started(home, dgm, model):
    """Two generations of two attempts each."""
    words = dgm.command(model.address, generations=2)
    return running("dgm", *words, home=home, cwd=dgm.place, **dgm.environment(model.address))


def test_each_approval_lets_one_self_modified_agent_be_measured_and_a_pause_lets_none(home, dgm):
    """Two threads would improve at once; one does, and waits, and nothing of the next is there before its approval."""
    with scripted(lambda _number, _told: IDEA) as model, started(home, dgm, model) as run:
        first = await_proposal(run)
        assert (dgm.attempts(), dgm.improved(), dgm.evaluated()) == (1, 1, [])
        assert said(home, first)["proposed_by"] == "model dgm"
        assert "a child of initial" in said(home, first)["summary"]

        approve(home, first)
        second = await_proposal(run, other_than=first)
        assert (dgm.attempts(), dgm.improved(), dgm.evaluated()) == (2, 2, ["1"])

        pause(home)
        approve(home, second)
        run.await_said("waits: call: 1 vote of safety\n")
        assert (dgm.attempts(), dgm.improved(), dgm.evaluated()) == (2, 2, ["1"])

        lift(home)
        third = await_proposal(run, other_than=second)
        assert (dgm.attempts(), dgm.evaluated()) == (3, ["1", "2"])
        (archive,) = dgm.place.glob("output_dgm/*/dgm_metadata.jsonl")
        assert len(json.loads(archive.read_text())["archive"]) == 3, "both children of the first generation are kept"
        approve(home, third)
        fourth = await_proposal(run, other_than=third)
        assert dgm.evaluated() == ["1", "2", "3"]
        approve(home, fourth)
        assert run.ended() == 0
    assert dgm.evaluated() == ["1", "2", "3", "4"]
    assert len(model.asked) == 4
