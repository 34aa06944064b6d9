"""ShinkaEvolve: a child is evaluated only when it was approved, and the model is asked for one at a time.

Decides where in this program the two questions are put. Leaves out the questions (``generations``). ``spec/loops.md`` §3.

- The runner's task for one generation begins with leave, before it makes the generation's folder; its turn lasts until the child's evaluation was
  submitted, or the program gave the generation up.
- The evaluation of a child is submitted once the child is approved. What is evaluated without having been let through ends the program (J51).
- A first program that the model wrote waits as a change of nothing; one that a person gave does not.
- Nothing of the program is changed on disk; the package is whoever's uses it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detente.hooks.loops.changes import Sources, change_of, digest_text
from detente.hooks.loops.generations import Generation, Loop, check_taken, end_program, note_taken
from detente.hooks.loops.seams import needed

RUNNER = "shinka.core.async_runner"
Method = Callable[..., Any]


@dataclass
class Attempt:
    """The generation that the present task makes, and the parent that the program has drawn for it."""

    generation: Generation
    parent: Sources = field(default_factory=dict)


_attempt: ContextVar[Attempt | None] = ContextVar("detente_attempt", default=None)


def install(loop: Loop) -> None:
    """Take hold of the program in this process, before its first line; raises ``Refused`` J50."""
    runner = needed(RUNNER, "ShinkaEvolveRunner")
    needed(RUNNER, "ShinkaEvolveRunner._cleanup_proposal_task_state", "self", "generation", "task_id")

    def hold(name: str, wrap: Callable[[Method, Loop], Method], *parameters: str) -> None:
        method = needed(RUNNER, f"ShinkaEvolveRunner.{name}", "self", *parameters)
        setattr(runner, name, functools.wraps(method)(wrap(method, loop)))

    hold("_generate_proposal_async", _held_generation, "generation", "task_id")
    hold("_run_patch_async", _noted_parent, "parent_program")
    hold("_run_fix_patch_async", _noted_parent, "incorrect_program")
    hold("_submit_evaluation_job_with_slot", _held_submission, "exec_fname", "results_dir", "sampling_worker_id")
    hold("_generate_initial_program", _held_first)
    hold("_setup_initial_program_with_metadata", _noted_first, "code")
    scheduler = needed("shinka.launch.scheduler", "JobScheduler")
    for name in ("run", "submit_async"):
        method = needed("shinka.launch.scheduler", f"JobScheduler.{name}", "self", "exec_fname_t", "results_dir_t")
        setattr(scheduler, name, functools.wraps(method)(_checked(method, loop)))


def _held_generation(generate: Method, loop: Loop) -> Method:
    async def held(self: Any, generation: int, task_id: str) -> Any:
        attempt = Attempt(Generation(loop, f"generation {generation}"))
        _attempt.set(attempt)
        try:
            try:
                await attempt.generation.begin_async()
            except BaseException:  # Given up while it waited: the program's own clearing up is in what was not begun.
                await self._cleanup_proposal_task_state(
                    generation=generation, task_id=task_id, sampling_worker_id=None
                )  # fmt: skip
                raise
            return await generate(self, generation, task_id)
        finally:
            attempt.generation.end()

    return held


def _noted_parent(patch: Method, _loop: Loop) -> Method:
    async def noted(self: Any, parent: Any, *arguments: Any, **named: Any) -> Any:
        attempt = _attempt.get()
        if attempt is not None:
            attempt.parent = {f"main.{self.lang_ext}": str(parent.code)}
        return await patch(self, parent, *arguments, **named)

    return noted


def _held_submission(submit: Method, loop: Loop) -> Method:
    async def held(self: Any, exec_fname: str, results_dir: str, sampling_worker_id: Any) -> Any:
        attempt = _attempt.get()
        if attempt is None:
            end_program(loop, f"an evaluation of {exec_fname} outside a generation that was let begin")
        else:
            child = {f"main.{self.lang_ext}": _text(exec_fname)}
            await attempt.generation.take_async(change_of(attempt.parent, child))
        return await submit(
            self, exec_fname=exec_fname, results_dir=results_dir, sampling_worker_id=sampling_worker_id
        )  # fmt: skip

    return held


def _held_first(generate: Method, loop: Loop) -> Method:
    async def held(self: Any) -> Any:
        attempt = Attempt(Generation(loop, "the first program"))
        before = _attempt.set(attempt)
        try:
            await attempt.generation.begin_async()
            return await generate(self)
        finally:
            attempt.generation.end()
            _attempt.reset(before)

    return held


def _noted_first(setup: Method, loop: Loop) -> Method:
    async def noted(self: Any, code: str, *arguments: Any, **named: Any) -> Any:
        attempt = _attempt.get()
        if attempt is None:
            if not loop.observe:
                note_taken(loop, digest_text(code))  # A person's: it is what the loop starts from.
        else:
            await attempt.generation.take_async(change_of({}, {f"main.{self.lang_ext}": code}))
        return await setup(self, code, *arguments, **named)

    return noted


def _checked(run: Method, loop: Loop) -> Method:
    def checked(self: Any, exec_fname_t: str, results_dir_t: str) -> Any:
        check_taken(loop, digest_text(_text(exec_fname_t)), f"an evaluation of {exec_fname_t}")
        return run(self, exec_fname_t, results_dir_t)

    return checked


def _text(path: str) -> str:
    return Path(path).read_bytes().decode("utf-8", "surrogateescape")
