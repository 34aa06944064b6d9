"""Draw families, then tasks, then runs again, with replacement, and fit each draw.

METR's rules (``spec/measure-horizon.md`` §4), for F families:

1. F families are drawn; each drawn copy of a family draws as many of its tasks as it has. One draw of tasks serves all
   agents, so that their horizons move together as they do in truth.
2. For each agent, a task drawn m times draws m times its runs from its runs.
3. Weights stay what they were and are not normalised again.

A draw is therefore a count for each task, and for each agent and task a number of successes: multinomial, then binomial.
No run is ever copied. ``seed`` decides every draw.

What follows from a draw without both outcomes or without a falling curve is not dropped, which would narrow the interval
(``interval``): nothing succeeded counts as shorter than anything, nothing failed as longer, and no falling curve as both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from detente.measure.horizon.fit import Fits, fit_curves
from detente.measure.horizon.runs import Floats, Ints, Outcomes

DRAWS_MAX: Final = 100_000
_CELLS: Final = 2_000_000
"""Draws times tasks held at once: 16 MB for each array."""


@dataclass(frozen=True, slots=True)
class Draws:
    """Curves of one agent over all draws."""

    agent: str
    fits: Fits


def bootstrap(
    outcomes: Outcomes,
    weights: Floats,
    agents: tuple[int, ...],
    *,
    draws: int,
    seed: int,
    regularisation: float,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Draws, ...]:
    """Fit ``draws`` draws of each of ``agents`` (indices): families and tasks are drawn once for all of them.

    ``progress`` is told how many fits are done, and of how many.
    """
    done = 0
    generator = np.random.Generator(np.random.PCG64(seed))
    parts: list[list[Fits]] = [[] for _ in agents]
    x = outcomes.log2_minutes
    for tasks in _task_counts(generator, outcomes, draws):
        for agent, fits in zip(agents, parts, strict=True):
            ran = np.flatnonzero(outcomes.runs[agent])
            counts, wins = _resample(generator, outcomes, agent, tasks[:, ran], ran)
            weight = weights[agent, ran]
            fits.append(
                fit_curves(
                    x[ran], successes=wins * weight, failures=(counts - wins) * weight, regularisation=regularisation
                )
            )
            done += len(tasks)
            if progress is not None:
                progress(done, draws * len(agents))
    return tuple(Draws(outcomes.agents[agent], _joined(fits)) for agent, fits in zip(agents, parts, strict=True))


def interval(values: Floats, *, low: float = 0.025, high: float = 0.975) -> tuple[float, float]:
    """The percentiles of draws, by linear interpolation; NaN counts as −∞ for the lower and +∞ for the upper one.

    >>> interval(np.array([1.0, 2, 3, np.nan]), low=0.5, high=0.5)
    (1.5, 2.5)
    """
    return (
        _quantile(np.where(np.isnan(values), -np.inf, values), low),
        _quantile(np.where(np.isnan(values), np.inf, values), high),
    )


def _quantile(values: Floats, share: float) -> float:
    if not len(values):
        return math.nan
    ordered = np.sort(values)
    place = share * (len(ordered) - 1)
    below, above = float(ordered[math.floor(place)]), float(ordered[math.ceil(place)])
    if math.isinf(below) or math.isinf(above):  # between −∞ and a number there is nothing to interpolate
        return below if share < 0.5 else above
    return below + (above - below) * (place - math.floor(place))


def _task_counts(generator: np.random.Generator, outcomes: Outcomes, draws: int) -> Iterator[Ints]:
    members = [np.flatnonzero(outcomes.family_of == family) for family in range(len(outcomes.families))]
    chunk = max(1, min(draws, _CELLS // max(1, len(outcomes.tasks))))
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        families = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), size=size)
        counts = np.zeros((size, len(outcomes.tasks)), np.int64)
        for family, tasks in enumerate(members):
            even = np.full(len(tasks), 1 / len(tasks))
            counts[:, tasks] = generator.multinomial(families[:, family] * len(tasks), even)
        yield counts


def _resample(
    generator: np.random.Generator, outcomes: Outcomes, agent: int, tasks: Ints, ran: Ints
) -> tuple[Ints, Floats]:
    """(B, R) how many runs of each task that the agent ran, and the sum of their scores."""
    runs, total = outcomes.runs[agent, ran], outcomes.total[agent, ran]
    counts = tasks * runs
    wins = counts * (total == runs).astype(np.float64)
    fractional = np.array([(agent, int(task)) in outcomes.scores for task in ran], bool)
    mixed = np.flatnonzero((total > 0) & (total < runs) & ~fractional)
    wins[:, mixed] = generator.binomial(counts[:, mixed], total[mixed] / runs[mixed])
    for column in np.flatnonzero(fractional):
        values, often = np.unique(outcomes.scores[agent, int(ran[column])], return_counts=True)
        wins[:, column] = generator.multinomial(counts[:, column], often / often.sum()) @ values
    return counts, wins


def _joined(parts: list[Fits]) -> Fits:
    return Fits(
        np.concatenate([fits.intercept for fits in parts]),
        np.concatenate([fits.slope for fits in parts]),
        np.concatenate([fits.gradient for fits in parts]),
        np.concatenate([fits.succeeded for fits in parts]),
        np.concatenate([fits.failed for fits in parts]),
        max((fits.steps for fits in parts), default=0),
    )
