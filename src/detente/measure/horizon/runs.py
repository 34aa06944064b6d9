"""Runs of agents on tasks of known human length, and their outcomes by agent and task.

Decides which records are runs. Leaves out how they are spelled on disk (``adapters.run_files``) and what they weigh.
``spec/measure-horizon.md`` §1.

A record has ``run_id``, ``alias``, ``task_id``, ``task_family``, ``human_minutes``, and ``score_binarized`` or ``score``.

1. A record that is no record: H02. A score that is not a number from 0 to 1: H03. A length that is not a positive number
   of minutes: H04.
2. One ``run_id`` for two different runs: H05. The same run again is counted out.
3. One task with two lengths or in two families: H06.
4. A run without a score, or of a task without a length, is counted out: nobody says that it failed.

>>> record = {"run_id": 1, "alias": "a", "task_id": "f/t", "task_family": "f", "human_minutes": 8, "score": 1}
>>> runs, exclusions = collect_runs([("here", record), ("here", record)])
>>> len(runs), exclusions[0].count, exclusions[0].why
(1, 1, 'the same run stands twice')
>>> collect_runs([("here", record | {"score": float("nan")})])
Traceback (most recent call last):
...
detente.base.errors.Refused: H03 wrong-type: got here: score nan; expected a number from 0 to 1, or nothing where the run was not scored
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detente.base.errors import Refused, shown
from detente.measure.indicator import LISTED, Exclusion

RUNS_MAX: Final = 2_000_000
"""A hundred times METR's data of 2026; each run is a few hundred bytes in memory."""
CELLS_MAX: Final = 20_000_000
"""Agents times tasks: five arrays of them fit a small machine. METR's data of 2026 has some ten thousand."""
TEXT_MAX: Final = 300
"""The longest identifier in METR's data has 62 characters."""
MINUTES_MAX: Final = 1e8
"""190 years of one person: only a mistake in the unit is longer."""
UNMEASURED: Final = ("no score", "no human length")
"""Why a run is counted out that may have been anything."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt: ``score`` is 0 for failure, 1 for success, or between; ``minutes`` is the human length of the task."""

    run_id: str
    alias: str
    task: str
    family: str
    minutes: float
    score: float


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Runs by agent (first axis, A) and task (second axis, T), sorted by name.

    ``runs`` counts, ``total`` sums scores; ``scores`` holds the scores of each cell in which one is neither 0 nor 1.
    """

    agents: tuple[str, ...]
    tasks: tuple[str, ...]
    families: tuple[str, ...]
    family_of: Ints  # (T,) index into families
    minutes: Floats  # (T,)
    runs: Ints  # (A, T)
    total: Floats  # (A, T)
    scores: Mapping[tuple[int, int], Floats]

    @property
    def log2_minutes(self) -> Floats:
        """(T,) the x of the fit."""
        return np.log2(self.minutes)


def collect_runs(records: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[tuple[Run, ...], tuple[Exclusion, ...]]:
    """The runs among (place, record) and what was left out; raises ``Refused`` H01 to H06."""
    by_id: dict[str, Run] = {}
    tasks: dict[str, tuple[str, float]] = {}
    left = {why: _Left() for why in (*UNMEASURED, "the same run stands twice")}
    for number, (place, record) in enumerate(records):
        if number >= RUNS_MAX:
            raise Refused("H01", "oversized", got=f"more than {RUNS_MAX} runs", expected="at most that many")
        texts = [plain_text(place, name, record.get(name)) for name in ("run_id", "alias", "task_id", "task_family")]
        score, minutes = _score(place, record), _minutes(place, record)  # 1
        if score is None or minutes is None:  # 4
            left["no score" if score is None else "no human length"].add(texts[0])
            continue
        run = Run(texts[0], texts[1], texts[2], texts[3], minutes, score)
        before = by_id.setdefault(run.run_id, run)
        if before is not run:  # 2
            if before != run:
                raise Refused(
                    "H05",
                    "conflict",
                    got=f"{place}: run {shown(run.run_id)} again, and different",
                    expected="an id once",
                )
            left["the same run stands twice"].add(run.run_id)
            continue
        family, length = tasks.setdefault(run.task, (run.family, run.minutes))
        if (family, length) != (run.family, run.minutes):  # 3
            raise Refused(
                "H06",
                "inconsistent",
                got=f"{place}: task {shown(run.task)} with {run.minutes:g} min in family {shown(run.family)}",
                expected=f"{length:g} min in family {shown(family)}, as before",
            )
    exclusions = tuple(each.exclusion("runs", why) for why, each in left.items() if each.count)
    return tuple(by_id.values()), exclusions


def tabulate(runs: Sequence[Run]) -> Outcomes:
    """Outcomes by agent and task; the order of the runs changes nothing. Raises ``Refused`` H01."""
    ordered = sorted(runs, key=lambda run: (run.alias, run.task, run.score))
    agents = sorted({run.alias for run in ordered})
    lengths = {run.task: (run.family, run.minutes) for run in ordered}
    tasks, families = sorted(lengths), sorted({run.family for run in ordered})
    if len(agents) * len(tasks) > CELLS_MAX:
        got = f"{len(agents)} agents and {len(tasks)} tasks"
        raise Refused("H01", "oversized", got=got, expected=f"at most {CELLS_MAX} pairs of them")
    row, column = {a: i for i, a in enumerate(agents)}, {t: i for i, t in enumerate(tasks)}
    index = {family: i for i, family in enumerate(families)}
    counts = np.zeros((len(agents), len(tasks)), np.int64)
    total = np.zeros(counts.shape)
    fractional: dict[tuple[int, int], list[float]] = {}
    for run in ordered:
        cell = row[run.alias], column[run.task]
        counts[cell] += 1
        total[cell] += run.score
        if 0 < run.score < 1:
            fractional[cell] = []
    for run in ordered if fractional else ():
        cell = row[run.alias], column[run.task]
        if cell in fractional:
            fractional[cell].append(run.score)
    return Outcomes(
        tuple(agents),
        tuple(tasks),
        tuple(families),
        np.array([index[lengths[task][0]] for task in tasks], np.int64),
        np.array([lengths[task][1] for task in tasks], np.float64),
        counts,
        total,
        {cell: np.array(scores) for cell, scores in fractional.items()},
    )


class _Left:
    def __init__(self) -> None:
        self.count = 0
        self.examples: list[str] = []

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.examples) < LISTED:
            self.examples.append(name)

    def exclusion(self, what: str, why: str) -> Exclusion:
        return Exclusion(what, why, self.count, tuple(self.examples))


def plain_text(place: str, name: str, value: object) -> str:
    """An identifier or a name, for screens and ledgers; a whole number is spelled out. Raises ``Refused`` H02."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX or _CONTROL.search(value):
        raise Refused(
            "H02",
            "malformed",
            got=f"{place}: {name} {shown(value)}",
            expected=f"1 to {TEXT_MAX} characters, none of them a control character",
        )
    return value


def _score(place: str, record: Mapping[str, Any]) -> float | None:
    value = record.get("score_binarized")
    name = "score" if value is None else "score_binarized"
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, (int, float)) and 0 <= value <= 1:  # a boolean is 0 or 1; NaN compares false
        return float(value)
    raise Refused(
        "H03",
        "wrong-type",
        got=f"{place}: {name} {shown(value)}",
        expected="a number from 0 to 1, or nothing where the run was not scored",
    )


def _minutes(place: str, record: Mapping[str, Any]) -> float | None:
    value = record.get("human_minutes")
    if value is None:
        return None
    if (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 0 < value <= MINUTES_MAX
        and math.isfinite(value)
    ):
        return float(value)
    raise Refused(
        "H04",
        "wrong-type",
        got=f"{place}: human_minutes {shown(value)}",
        expected=f"a positive number of minutes up to {MINUTES_MAX:g}, or nothing where it is not known",
    )
