"""DGM: a self-modified agent is evaluated only when its patch was approved, and one agent modifies itself at a time.

Decides where in this program the two questions are put. Leaves out the questions (``generations``). ``spec/loops.md`` §3.

- Each attempt that the outer loop begins (its threads, whatever their number) has leave first, before a container is made or a model is asked.
- What is proposed is the patch that the agent made to itself, on the patches that its parent stands on. The evaluation of the patched agent, from
  which the archive is filled, waits for the approval.
- What is evaluated without having been let through ends the program (J51).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from detente.hooks.loops.changes import change_of_patch, digest_text
from detente.hooks.loops.generations import Generation, Loop, check_taken, end_program
from detente.hooks.loops.seams import needed

STEP = "self_improve_step"
HARNESSES = ("run_harness_swe", "run_harness_polyglot")
EVALUATIONS = ("harness", "polyglot_harness")
Step = Callable[..., Any]

_generation: ContextVar[Generation | None] = ContextVar("detente_generation", default=None)


def install(loop: Loop) -> None:
    """Take hold of the program in this process, before its first line; raises ``Refused`` J50."""
    import importlib

    improve = needed(STEP, "self_improve", "parent_commit", "output_dir")
    harnesses = {name: needed(STEP, name, "entry", "model_name_or_path", "patch_files") for name in HARNESSES}
    evaluations = {name: needed(STEP, name) for name in EVALUATIONS}
    module: Any = importlib.import_module(STEP)
    module.self_improve = _held_attempt(improve, loop)
    for name, harness in harnesses.items():
        setattr(module, name, _held_harness(harness, loop))
    for name, evaluate in evaluations.items():
        setattr(module, name, _checked(evaluate, loop))


def _held_attempt(improve: Step, loop: Loop) -> Step:
    @functools.wraps(improve)
    def held(*arguments: Any, **named: Any) -> Any:
        entry, parent = named.get("entry"), named.get("parent_commit", arguments[0] if arguments else "initial")
        generation = Generation(loop, f"a child of {parent}, for {entry}")
        token = _generation.set(generation)
        try:
            generation.begin()
            return improve(*arguments, **named)
        finally:
            generation.end()
            _generation.reset(token)

    return held


def _held_harness(harness: Step, loop: Loop) -> Step:
    @functools.wraps(harness)
    def held(entry: Any, model_name_or_path: Any, patch_files: list[str], *arguments: Any, **named: Any) -> Any:
        generation = _generation.get()
        if generation is None:
            end_program(loop, f"an evaluation of {patch_files[-1]} outside an attempt that was let begin")
        else:
            *earlier, patch = (_text(path) for path in patch_files)
            generation.take(change_of_patch(earlier, patch))
        return harness(entry, model_name_or_path, patch_files, *arguments, **named)

    return held


def _checked(evaluate: Step, loop: Loop) -> Step:
    @functools.wraps(evaluate)
    def checked(*arguments: Any, model_patch_paths: list[str], **named: Any) -> Any:
        check_taken(loop, digest_text(_text(model_patch_paths[-1])), f"an evaluation of {model_patch_paths[-1]}")
        return evaluate(*arguments, model_patch_paths=model_patch_paths, **named)

    return checked


def _text(path: str) -> str:
    return Path(path).read_bytes().decode("utf-8", "surrogateescape")
