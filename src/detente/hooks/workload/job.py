"""What every workload does around its training: options, pausing, periodic checkpoints, a last word.

Decides when a job saves, and which exit code says what: 0 finished, 75 saved and stopped (start me again), 1 refused
or unable, 2 wrong usage. Leaves out the training. A job asks before each step, so that one started during a pause
computes nothing.

>>> parser = options("doctest")
>>> parser.parse_args(["--out", "x", "--steps", "9"]).steps
9
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detente.base.errors import DetenteError
from detente.guard.receipt import Receipt
from detente.hooks.workload.checkpoint import Checkpoints, Found, answer_members
from detente.hooks.workload.control import EX_TEMPFAIL, Control, Request, kept_name, write_durably
from detente.hooks.workload.model import Shape
from detente.hooks.workload.recipe import Recipe

REST_SLICE_S = 0.02
"""How soon a rest notices a pause, and that its file has come."""


class PauseNow(Exception):
    """Raised from within a training loop at a step boundary: save here, then stop or hold."""

    def __init__(self, request: Request) -> None:
        self.request = request
        super().__init__(request)


class Pace:
    """A rest after each step but the first ``after``, to draw a job out; none once the file ``until`` is there."""

    def __init__(self, rest_s: float = 0.0, *, after: int = 0, until: Path | None = None) -> None:
        self._rest_s = rest_s
        self._after = after
        self._until = until
        self._steps = 0

    def rest(self, look: Callable[[], object]) -> None:
        """Rest once. ``look`` is called every 20 ms: something true (or raised) ends the rest early, as a pause does."""
        self._steps += 1
        if not self._rest_s or self._steps <= self._after:
            return
        end = time.monotonic() + self._rest_s
        while (left := end - time.monotonic()) > 0 and not look():
            if self._until is not None and self._until.exists():
                self._rest_s = 0.0
                return
            time.sleep(min(left, REST_SLICE_S))


class Job:
    """One run's control directory and checkpoints, with the calls that a training loop needs at a step boundary."""

    def __init__(self, out: Path, *, run: str = "local", save_every: int = 0, slow_piece_s: float = 0.0) -> None:
        self.control = Control.from_environment(run)
        self.out = out
        self.checkpoints = Checkpoints(out, run=kept_name(run), slow_piece_s=slow_piece_s)
        self.save_every = save_every

    def fetch_newest(self) -> Found | None:
        """The newest good checkpoint; newer ones that were refused are named on stderr."""
        found = self.checkpoints.fetch_newest()
        if found is not None:
            for refusal in found.refused:
                say(f"refused a checkpoint: {refusal}")
            say(f"resuming at step {found.receipt.step}")
        return found

    def answer(self, request: Request, save: Callable[[], Receipt]) -> bool:
        """Save, answer, and hold if that was asked; returns whether the job must now exit with 75."""
        receipt = save()
        self.control.acknowledge(request, answer_members(receipt, self.checkpoints.folder, run=self.control.run))
        say(f"saved step {receipt.step} as {receipt.checkpoint} for request {request.id or 'without a name'}")
        if request.then != "hold":
            return True
        self.control.hold_until_lifted(request)
        say(f"lifted: going on at step {receipt.step}")
        return False

    def run_steps(
        self, *, advance: Callable[[], bool], save: Callable[[], Receipt], step: Callable[[], int], pace: Pace
    ) -> bool:
        """Call ``advance`` until it returns false; returns whether the run finished (false: paused, exit 75).

        ``advance`` does one step and says whether there was one to do.
        """
        while True:
            if (request := self.control.pause_asked()) is not None and self.answer(request, save):
                return False
            began = time.perf_counter()
            if not advance():
                return True
            pace.rest(self.control.is_asked)
            self.control.throttle(time.perf_counter() - began)
            if self.save_every and step() % self.save_every == 0:
                save()

    def finish(self, result: dict[str, Any], receipt: Receipt) -> None:
        """Leave ``final.json`` and print it: what the finished run is compared by.

        ``receipt`` is of the last checkpoint; it answers a pause request that came too late to stop anything.
        """
        if (request := self.control.pause_asked()) is not None:
            self.control.acknowledge(request, answer_members(receipt, self.checkpoints.folder, run=self.control.run))
        line = json.dumps(result, sort_keys=True)
        write_durably(self.out / "final.json", line.encode() + b"\n")
        sys.stdout.write(line + "\n")


def options(name: str) -> argparse.ArgumentParser:
    """The options that every workload has."""
    parser = argparse.ArgumentParser(prog=f"python -m detente.hooks.workload.{name}")
    parser.add_argument("--out", type=Path, required=True, help="directory for checkpoints and results")
    parser.add_argument("--run", default="local", help="name of the run where DETENTE_RUN is not set")
    parser.add_argument("--steps", type=int, default=Recipe().steps, help="training steps")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and dropout")
    parser.add_argument("--checkpoint-every", type=int, default=0, metavar="K", help="save each K steps (0: never)")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="sleep after each step, to make a longer job")
    parser.add_argument("--slow-after", type=int, default=0, metavar="K", help="no such sleep in the first K steps")
    parser.add_argument("--slow-until", type=Path, metavar="FILE", help="no such sleep once this file is there")
    parser.add_argument("--slow-save-ms", type=float, default=0.0, help="sleep after each 64 KiB saved (a slow disk)")
    parser.add_argument("--report-every", type=int, default=100, metavar="K", help="a line on stderr each K steps")
    shape = Shape()
    parser.add_argument("--context", type=int, default=shape.context, help="window in bytes")
    parser.add_argument("--embedding", type=int, default=shape.embedding, help="embedding width")
    parser.add_argument("--hidden", type=int, default=shape.hidden, help="hidden width")
    parser.add_argument("--depth", type=int, default=shape.depth, help="hidden layers")
    parser.add_argument("--batch", type=int, default=Recipe().batch, help="windows per step and process")
    return parser


def recipe_of(given: argparse.Namespace) -> Recipe:
    """The recipe that the options describe; raises ``Misuse``."""
    return Recipe(
        shape=Shape(context=given.context, embedding=given.embedding, hidden=given.hidden, depth=given.depth),
        batch=given.batch,
        seed=given.seed,
        steps=given.steps,
    )


def pace_of(given: argparse.Namespace) -> Pace:
    """The rests that the options describe."""
    return Pace(given.slow_ms / 1000, after=given.slow_after, until=given.slow_until)


def exit_code(main: Callable[[], int]) -> int:
    """Run ``main`` and turn the package's own errors into a line on stderr and exit code 1."""
    try:
        return main()
    except DetenteError as error:
        say(str(error))
        return 1


def say(line: str) -> None:
    """One line on stderr: what a person may want to see; data go to stdout and files."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


__all__ = ["EX_TEMPFAIL", "Job", "Pace", "PauseNow", "exit_code", "options", "pace_of", "recipe_of", "say"]
