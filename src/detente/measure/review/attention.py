"""How a reviewer read: time against size, files shown, several at once, and how much in a day.

Decides what the recorded figures bear out and what they rule out. Time open is an upper end of the time that anybody read on that page,
time active is what the page saw: whoever thinks without moving is not idle, and whoever scrolls need not read. So a speed lies
between lines over time open and lines over time active; only what is faster than a bound over the *whole* time open is surely so.
``spec/review.md`` §4. The bounds and their sources: ``measure.reading_speed``.

- An overlap is two proposals of one reviewer open at once. Where the two were active for longer than both together were open, the
  recorded activity cannot be true of one person.
- The end of a reading is the instant at which its decision was witnessed, which is seconds after it was made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from detente.base.instant import Instant, show_instant
from detente.measure.reading_speed import READING_LINES_PER_HOUR, SOURCES, is_faster, lines_an_hour
from detente.measure.review.decision import Decided, Part, spelled

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Attention:
    """The figures of one reviewer, or of several decisions of anybody."""

    decisions: int
    surely_faster: dict[int, Part]
    active_faster: dict[int, Part]
    all_shown: Part
    overlapping: Part
    impossible: tuple[tuple[str, str], ...]
    most_a_day: int
    most_lines_a_day: int
    busiest_day: str | None
    middle_speed: Decimal | None

    def as_json(self) -> dict[str, Any]:
        return {
            "decisions": self.decisions,
            "faster_over_time_open": {str(bound): part.as_json() for bound, part in self.surely_faster.items()},
            "faster_over_time_active": {str(bound): part.as_json() for bound, part in self.active_faster.items()},
            "bounds": {str(bound): SOURCES[bound] for bound in READING_LINES_PER_HOUR},
            "all_files_shown": self.all_shown.as_json(),
            "open_beside_another": self.overlapping.as_json(),
            "more_active_than_time": [list(pair) for pair in self.impossible],
            "most_in_a_day": self.most_a_day,
            "most_lines_in_a_day": self.most_lines_a_day,
            "busiest_day": self.busiest_day,
            "lines_an_hour_active_p50": spelled(self.middle_speed),
        }


@dataclass(frozen=True, slots=True)
class OneReading:
    """How one decision was read: lines an hour over the time open and over the time active (None in no time), and what stood open beside it."""

    over_open: Decimal | None
    over_active: Decimal | None
    all_shown: bool
    beside: tuple[str, ...]
    faster: dict[int, tuple[bool, bool]]

    def as_json(self) -> dict[str, Any]:
        return {
            "lines_an_hour_open": spelled(self.over_open),
            "lines_an_hour_active": spelled(self.over_active),
            "all_files_shown": self.all_shown,
            "open_beside": list(self.beside),
            "faster_than": {
                str(bound): {"open": surely, "active": active} for bound, (surely, active) in self.faster.items()
            },
        }


def measure_each(decisions: Sequence[Decided]) -> dict[str, OneReading]:
    """By statement, for every decision of which a reading is known."""
    beside: dict[str, list[str]] = {}
    for one, other in _pairs(decisions):
        beside.setdefault(one.statement, []).append(other.statement)
        beside.setdefault(other.statement, []).append(one.statement)
    return {
        each.statement: OneReading(
            lines_an_hour(each.reading.open_s, each.reading.changed_lines),
            lines_an_hour(each.reading.active_s, each.reading.changed_lines),
            each.reading.files_shown == each.reading.files,
            tuple(beside.get(each.statement, ())),
            {
                bound: (bool(_faster(each, bound, active=False)), bool(_faster(each, bound, active=True)))
                for bound in READING_LINES_PER_HOUR
            },
        )
        for each in decisions
        if each.reading is not None
    }


def measure_attention(decisions: Sequence[Decided]) -> Attention:
    """The figures over these decisions, in any order; readings that are not known count as unknown."""
    days = Counter(each.at_s // DAY_S for each in decisions)
    lines: Counter[int] = Counter()
    for each in decisions:
        lines[each.at_s // DAY_S] += each.reading.changed_lines if each.reading is not None else 0
    busiest = max(days, key=lambda day: (days[day], -day), default=None)
    beside = _beside(decisions)
    return Attention(
        decisions=len(decisions),
        surely_faster={
            bound: Part.of(_faster(each, bound, active=False) for each in decisions) for bound in READING_LINES_PER_HOUR
        },
        active_faster={
            bound: Part.of(_faster(each, bound, active=True) for each in decisions) for bound in READING_LINES_PER_HOUR
        },
        all_shown=Part.of(None if (r := each.reading) is None else r.files_shown == r.files for each in decisions),
        overlapping=Part.of(None if each.reading is None else each.statement in beside for each in decisions),
        impossible=_impossible(decisions),
        most_a_day=max(days.values(), default=0),
        most_lines_a_day=max(lines.values(), default=0),
        busiest_day=None if busiest is None else show_instant(Instant(busiest * DAY_S))[:10],
        middle_speed=_middle(decisions),
    )


def _faster(each: Decided, bound: int, *, active: bool) -> bool | None:
    if each.reading is None:
        return None
    return is_faster(each.reading.active_s if active else each.reading.open_s, each.reading.changed_lines, bound)


def _middle(decisions: Sequence[Decided]) -> Decimal | None:
    speeds = sorted(
        speed
        for each in decisions
        if each.reading is not None
        and (speed := lines_an_hour(each.reading.active_s, each.reading.changed_lines)) is not None
    )
    return speeds[(len(speeds) - 1) // 2] if speeds else None


def _pairs(decisions: Sequence[Decided]) -> list[tuple[Decided, Decided]]:
    """Pairs of one reviewer whose open times overlap, each once; by the order in which they were opened."""
    read = sorted(
        (each for each in decisions if each.reading is not None), key=lambda each: (each.opened_s, each.statement)
    )
    found: list[tuple[Decided, Decided]] = []
    open_still: list[Decided] = []
    for each in read:
        open_still = [other for other in open_still if other.at_s > each.opened_s]
        found += [(other, each) for other in open_still if other.reviewer == each.reviewer]
        open_still.append(each)
    return found


def _beside(decisions: Sequence[Decided]) -> set[str]:
    return {each.statement for pair in _pairs(decisions) for each in pair}


def _impossible(decisions: Sequence[Decided]) -> tuple[tuple[str, str], ...]:
    found = []
    for one, other in _pairs(decisions):
        together = max(one.at_s, other.at_s) - min(one.opened_s, other.opened_s)
        if one.active_s + other.active_s > together:
            found.append((one.statement, other.statement))
    return tuple(found)
