"""OpenEvolve: a child is run and kept only when it was approved, and the next one is asked of the model after that.

Decides where in this program the two questions are put. Leaves out the questions (``generations``). ``spec/loops.md`` §3.

- Every iteration that the controller gives to its pool of processes is done in one of them below ``held_iteration``: leave to begin, then
  the program's own iteration, in which the evaluation of the child waits. So an unapproved child is never run.
- The controller's database takes no child that was not let through: one that comes another way ends the program (J51).
- Nothing of the program is changed on disk; the package is whoever's uses it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from detente.base.errors import Refused
from detente.hooks.loops.changes import change_of, digest_text
from detente.hooks.loops.generations import Generation, Loop, check_taken
from detente.hooks.loops.seams import UNKNOWN, needed

POOL = "openevolve.process_parallel"


def install(loop: Loop) -> None:
    """Take hold of the program in this process, before its first line; raises ``Refused`` J50."""
    iteration = needed(
        POOL, "_run_iteration_worker", "iteration", "db_snapshot", "parent_id", "inspiration_ids"
    )  # fmt: skip
    needed(POOL, "_lazy_init_worker_components")
    needed("openevolve.evaluator", "Evaluator.evaluate_program", "self", "program_code", "program_id")
    controller = needed(POOL, "ProcessParallelController")
    controller.start = _held_start(needed(POOL, "ProcessParallelController.start", "self"), iteration, loop)
    database = needed("openevolve.database", "ProgramDatabase")
    database.add = _held_add(needed("openevolve.database", "ProgramDatabase.add", "self", "program"), loop)


def held_iteration(
    loop: Loop, iteration: int, db_snapshot: dict[str, Any], parent_id: str, inspiration_ids: list[str]
) -> Any:
    """In a worker process: one iteration of the program, below the two questions."""
    run = needed(POOL, "_run_iteration_worker")
    needed(POOL, "_lazy_init_worker_components")()
    evaluator = needed(POOL, "_worker_evaluator")
    name = f"program{evaluator.program_suffix}"
    parent = {name: str(db_snapshot["programs"][parent_id]["code"])}
    generation = Generation(loop, f"iteration {iteration}")
    evaluate = type(evaluator).evaluate_program

    async def evaluate_program(program_code: str, program_id: str = "") -> Any:
        await generation.take_async(change_of(parent, {name: program_code}))
        return await evaluate(evaluator, program_code, program_id)

    evaluator.evaluate_program = evaluate_program
    generation.begin()
    try:
        return run(iteration, db_snapshot, parent_id, inspiration_ids)
    finally:
        generation.end()


def _held_start(start: Callable[[Any], None], iteration: Callable[..., Any], loop: Loop) -> Callable[[Any], None]:
    @functools.wraps(start)
    def held(self: Any) -> None:
        if not loop.observe:
            self.num_workers = 1  # One generation at a time: more processes would only wait, in no order.
        start(self)
        submit = self.executor.submit

        def submit_held(work: Callable[..., Any], *arguments: Any) -> Any:
            if work is not iteration:
                raise Refused(
                    "J50", "not-found", got=f"{work!r} for the pool", expected="an iteration alone", todo=UNKNOWN
                )  # fmt: skip
            return submit(held_iteration, loop, *arguments)

        self.executor.submit = submit_held

    return held


def _held_add(add: Callable[..., Any], loop: Loop) -> Callable[..., Any]:
    @functools.wraps(add)
    def held(self: Any, program: Any, *arguments: Any, **named: Any) -> Any:
        known = program.parent_id is None or any(each.code == program.code for each in self.programs.values())
        if not known:
            got = f"the child {program.id} of {program.parent_id}, which was not let through"
            check_taken(loop, digest_text(str(program.code)), got)
        return add(self, program, *arguments, **named)

    return held
