"""Measure many repositories at once, one process each, on all cores.

Decides that one broken repository never stops the rest, whatever it breaks: a refusal, an error nobody foresaw, or the whole
process. Leaves out what is measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from detente.base.errors import DetenteError, Unavailable
from detente.measure.indicator import Result

Measure = Callable[[Path], Result]
"""A function that other processes can import: of a module, or ``functools.partial`` of one."""


def measure_each(
    paths: Sequence[Path], measure: Measure, *, jobs: int | None = None
) -> Iterator[tuple[Path, Result | DetenteError]]:
    """Each result, or why there is none, in the order of ``paths``; ``jobs`` processes, all cores by default."""
    workers = max(1, min(len(paths), jobs or os.cpu_count() or 1))
    done = 0
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_measured, path, measure) for path in paths]
        for path, future in zip(paths, futures, strict=True):
            try:
                outcome = future.result()
            except BrokenProcessPool:  # one of those in work took the pool down; which one is found out below
                break
            yield path, outcome
            done += 1
    for path in paths[done:]:
        yield path, _alone(path, measure)


def _alone(path: Path, measure: Measure) -> Result | DetenteError:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_measured, path, measure).result()
        except BrokenProcessPool:
            return Unavailable("the process that measured it was killed: too little memory?")


def _measured(path: Path, measure: Measure) -> Result | DetenteError:
    try:
        return measure(path)
    except DetenteError as error:
        return error
    except Exception as error:  # noqa: BLE001  # whatever one repository provokes, the others are measured
        return Unavailable(f"the measurement failed: {type(error).__name__}: {error}")
