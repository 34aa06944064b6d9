"""Places in a job at which a test can stop it: the job says that it is there, and stays until the test lets it go.

Markers are files: ``NAME-STEP.reached`` by the job, ``NAME-STEP.go`` by the test. Its content ``pause`` means: go on only once
the guard has closed the gate, so that the stop comes at this step and no other.
"""

import argparse
import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

STEPS, EPOCH = 60, 20
"""Steps of a whole run, and of one pass over its data."""
SAVE_SLOWLY_FROM = 40
"""The first step at which a save is slow, where a test asks for a slow one; those before it are quick."""


class Places:
    """The places of one run, in the folder ``places`` beside its output."""

    def __init__(self, out: Path, stays: list[str]) -> None:
        self.folder = out.parent / "places"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._stays = set(stays)
        self._closed: dict[str, bool] = {}

    def stay(
        self, name: str, step: int, *, look: Callable[[], None] | None = None, closed: Callable[[], bool] | None = None
    ) -> None:
        """Stay here if a test asked for it; ``look`` is called meanwhile, ``closed`` says whether the guard has closed the gate."""
        while not self.passed(name, step, closed=closed):
            if look is not None:
                look()
            time.sleep(0.005)

    def passed(self, name: str, step: int, *, closed: Callable[[], bool] | None = None) -> bool:
        """Say that the job is here; may it go on? Told to pause, only once it has looked at a gate that was closed before."""
        place = f"{name}-{step}"
        if f"{name}:{step}" not in self._stays:
            return True
        was_closed, self._closed[place] = self._closed.get(place, False), closed is None or closed()
        (self.folder / f"{place}.reached").touch()
        go = self.folder / f"{place}.go"
        return go.exists() and (go.read_text() != "pause" or was_closed)

    def hang(self, step: int) -> None:
        """At the place ``hang``: ignore every signal that can be ignored, for ever."""
        if f"hang:{step}" in self._stays:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                signal.signal(number, signal.SIG_IGN)
            (self.folder / f"hang-{step}.reached").touch()
            while True:
                time.sleep(60)


def closed_gate(guard: object) -> Callable[[], bool]:
    """Has this guard's leave ended? Told without asking it."""
    return lambda: time.clock_gettime(time.CLOCK_BOOTTIME) >= guard._cell.values[1]  # type: ignore[attr-defined]


def options() -> argparse.Namespace:
    """What each job of the suite is told."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stay", action="append", default=[], metavar="PLACE:STEP")
    parser.add_argument("--save-every", type=int, default=0)
    parser.add_argument("--slow-piece-ms", type=float, default=0.0)
    parser.add_argument("--ranks", action="store_true")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--free", action="store_const", dest="mode", const="free", default="auto")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    return given


def began(out: Path, step: int) -> None:
    """Leave a line for each start: a job that never started leaves none."""
    with (out / "began").open("a") as file:
        file.write(f"{step}\n")


class Clocks:
    """How far the wall clock has moved against the other clocks since the start."""

    def __init__(self) -> None:
        self._began = time.time() - time.monotonic()

    def moved_s(self) -> int:
        return round(time.time() - time.monotonic() - self._began)


def compiled(model: object, places: Places, guard: Callable[[], object]) -> None:
    """Compile a PyTorch model in place, at its first step; the compiler is one of the places at which a test can hold the job."""
    import torch
    from torch._dynamo.backends.registry import lookup_backend

    forward = model.forward  # type: ignore[attr-defined]

    @functools.wraps(forward)
    def step(*given: object, **named: object) -> object:
        """A frame that is not PyTorch's own, which its compiler would pass over."""
        return forward(*given, **named)

    def held(graph: object, inputs: object) -> object:
        if torch.is_grad_enabled():  # for a step, and not for a look at what the model can do before the first one
            places.stay("compile", 1, closed=closed_gate(guard()))
        return lookup_backend("aot_eager")(graph, inputs)

    model.forward = torch.compile(step, backend=held)  # type: ignore[attr-defined]


COMPILERS = ("jax", "numba", "tensorflow", "torch", "triton")


def finished(out: Path, weights: str, clocks: Clocks) -> None:
    """Leave what the finished run is compared by, and which packages with a compiler it has loaded."""
    place = out / f"final.{os.getpid()}"
    found = {"steps": STEPS, "weights": weights, "moved_s": clocks.moved_s()}
    place.write_text(json.dumps(found | {"compilers": [name for name in COMPILERS if name in sys.modules]}))
    place.replace(out / "final.json")
