"""Where DGM is held: what is asked before an attempt and before its measuring, in a module that looks as the program's own."""

import sys
import types

import pytest

from detente.base.errors import Refused
from detente.hooks.loops import dgm, generations
from detente.hooks.loops.changes import change_of_patch
from detente.hooks.loops.generations import Loop

EARLIER, PATCH = "--- a/x\n+++ b/x\n", "--- a/y\n+++ b/y\n"


class Ended(BaseException):
    """The process would have ended."""


@pytest.fixture
def done(monkeypatch):
    """What was done, in order; the generation's two questions are answered at once."""
    seen: list = []

    class Generation:
        def __init__(self, _loop, label):
            self.label = label

        def begin(self):
            seen.append(("begin", self.label))

        def take(self, change):
            seen.append(("take", change))

        def end(self):
            seen.append(("end",))

    def end_program(_loop, got):
        raise Ended(got)

    monkeypatch.setattr(dgm, "Generation", Generation)
    for module in (dgm, generations):
        monkeypatch.setattr(module, "end_program", end_program)
    return seen


@pytest.fixture
def step(monkeypatch, tmp_path, done):
    """The program's module: an attempt leaves a patch and has it measured."""
    made = types.ModuleType("self_improve_step")
    paths = [tmp_path / "earlier", tmp_path / "patch"]
    for path, text in zip(paths, (EARLIER, PATCH), strict=True):
        path.write_text(text)
    made.files = [str(path) for path in paths]

    def self_improve(parent_commit="initial", output_dir="o", *, entry=None):
        done.append(("improve", parent_commit))
        return made.run_harness_swe(entry, "m", made.files, 1)

    def run_harness_swe(entry, model_name_or_path, patch_files, num_evals):
        done.append(("harness",))
        return made.harness(model_patch_paths=patch_files)

    def run_harness_polyglot(entry, model_name_or_path, patch_files, num_evals):
        done.append(("other harness",))

    def harness(*, model_patch_paths):
        done.append(("measured",))
        return "score"

    for each in (self_improve, run_harness_swe, run_harness_polyglot, harness):
        setattr(made, each.__name__, each)
    made.polyglot_harness = harness
    monkeypatch.setitem(sys.modules, "self_improve_step", made)
    return made


@pytest.fixture
def loop(tmp_path):
    return Loop(program="dgm", run="loop-dgm", home=str(tmp_path))


def test_an_attempt_begins_with_leave_and_its_patch_is_taken_over_before_it_is_measured(step, loop, done, monkeypatch):
    """The change is the agent's patch on those that its parent stands on; the turn is given back at the end."""
    monkeypatch.setattr(generations, "has_taken", lambda *_: True)
    dgm.install(loop)
    assert step.self_improve(parent_commit="p", entry="e") == "score"
    assert done == [
        ("begin", "a child of p, for e"),
        ("improve", "p"),
        ("take", change_of_patch([EARLIER], PATCH)),
        ("harness",),
        ("measured",),
        ("end",),
    ]


def test_what_was_not_let_through_is_not_measured(step, loop, done):
    """Outside an attempt, by either harness; and where the benchmark is reached another way."""
    dgm.install(loop)
    for run in (step.run_harness_swe, step.run_harness_polyglot):
        with pytest.raises(Ended, match="outside an attempt"):
            run("e", "m", step.files, 1)
    for run in (step.harness, step.polyglot_harness):
        with pytest.raises(Ended, match="an evaluation of"):
            run(model_patch_paths=step.files)
    assert done == []


def test_an_attempt_that_fails_gives_its_turn_back(step, loop, done):
    """The program catches what it raises, and goes on with the next."""

    def self_improve(parent_commit="initial", output_dir="o"):
        raise RuntimeError("no container")

    step.self_improve = self_improve
    dgm.install(loop)
    with pytest.raises(RuntimeError):
        step.self_improve()
    assert done == [("begin", "a child of initial, for None"), ("end",)]


def test_a_version_whose_functions_are_others_is_not_started(step, loop):
    """J50, before anything is taken hold of."""
    kept = step.self_improve
    step.run_harness_swe = lambda patch_files: None
    with pytest.raises(Refused) as refused:
        dgm.install(loop)
    assert refused.value.rule == "J50"
    assert step.self_improve is kept
