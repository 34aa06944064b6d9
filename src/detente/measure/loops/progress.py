"""How fast a loop improved: best so far, per version and per day.

Decides which versions count (scored ones, in the order of time, or of the record where it has no times) and what the
rates are. Leaves out whether the score means anything.

1. The first score is that of the first version that has one and that the loop would rank; the best is the best of what
   was not dropped.
2. Improvement is positive when it is for the better, in the score's own unit.
3. Per version: divided by the number of scored versions after the first, dropped ones included: those are the attempts.
4. Per day: from the first to the last scored version of known time, dropped ones without time left aside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from detente.base.digest import Digest
from detente.base.quantity import ZERO, Interval
from detente.measure.indicator import Series
from detente.measure.loops.record import Direction, Loop, LoopVersion
from detente.measure.loops.weaving import Woven

_DAY_S = Decimal(86_400)


@dataclass(frozen=True, slots=True)
class Progress:
    """Rates are in the score's unit; ``per_day`` is an interval, because times may be whole days."""

    first: Decimal
    best: Decimal
    best_version: Digest
    scored: int
    per_version: Decimal | None
    per_day: Interval | None
    series: Series


def progress_of(woven: Woven, loop: Loop) -> Progress | None:
    """The progress of one loop; None where nothing is scored, or nobody knows which direction is better."""
    scored = _scored(woven, loop)
    if not scored or loop.direction is None:
        return None
    direction = loop.direction
    first = scored[0][1].score or Decimal(0)
    best_version, best = scored[0][0], first
    points: list[tuple[str, float | None, float | None]] = []
    reached: dict[Digest, Decimal] = {}
    for number, (digest, version) in enumerate(scored):
        score = version.score or Decimal(0)
        if version.kept is not False and is_better(score, best, direction):
            best, best_version = score, digest
        reached[digest] = best
        points.append((f"{number + 1}", float(best), float(best)))
    gained = (best - first) if direction == "higher" else (first - best)
    after = len(scored) - 1
    return Progress(
        first,
        best,
        best_version,
        len(scored),
        None if after == 0 else _rounded(gained / after),
        _per_day(scored, reached, direction),
        Series(f"best {loop.name}", f"Best {loop.score_name} so far, {loop.name}", loop.score_name, tuple(points)),
    )


def is_better(score: Decimal, than: Decimal, direction: Direction) -> bool:
    """Is a score better than another?"""
    return score > than if direction == "higher" else score < than


def best_version(woven: Woven, loop: Loop) -> Digest | None:
    """The version that the loop calls best, else the one with the best score that was not dropped."""
    if loop.best is not None and (named := woven.digest_of(loop, loop.best)) is not None:
        return named
    progress = progress_of(woven, loop)
    return None if progress is None else progress.best_version


def _scored(woven: Woven, loop: Loop) -> list[tuple[Digest, LoopVersion]]:
    found: dict[Digest, LoopVersion] = {}
    for version in loop.versions:
        digest = woven.digest_of(loop, version.id)
        if version.score is not None and version.ranked and digest is not None:
            found.setdefault(digest, version)
    scored = list(found.items())
    if all(version.time.low is not None for _, version in scored):
        scored.sort(key=lambda pair: pair[1].time.low or Decimal(0))
    return scored


def _per_day(
    scored: Sequence[tuple[Digest, LoopVersion]], reached: Mapping[Digest, Decimal], direction: Direction
) -> Interval | None:
    timed = [(version.time, digest) for digest, version in scored if None not in {version.time.low, version.time.high}]
    if len(timed) < 2:
        return None
    (first, from_), (last, to) = timed[0], timed[-1]
    gained = (reached[to] - reached[from_]) * (1 if direction == "higher" else -1)
    low, high = last.low or ZERO, last.high or ZERO
    longest, shortest = high - (first.low or ZERO), low - (first.high or ZERO)
    if longest <= 0 or gained < 0:
        return None
    slowest = _rounded(gained * _DAY_S / longest)
    return Interval(slowest, _rounded(gained * _DAY_S / shortest) if shortest > 0 else None)


def _rounded(value: Decimal) -> Decimal:
    """Four digits: a rate is no better than its record."""
    return value if value == 0 else round(value, 3 - value.adjusted())
