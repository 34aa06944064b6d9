"""What happened in a drill: events on lanes, checks that passed or failed, latencies, refusals, and what was left out.

This module keeps and summarises; it asserts nothing and draws nothing. Times are seconds since the drill began,
from a monotonic clock that the caller reads.

>>> record = Record(options={"seed": 1})
>>> record.check("lift", "a lift by too few is refused", ok=True, detail="1 of 2 authorities", at_s=3.0)
>>> record.passed, len(record.checks)
(True, 1)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any, Literal

LaneKind = Literal["node", "job", "story"]
SpanKind = Literal["up", "training", "held", "halted", "unguarded", "silent", "cut", "lying", "finished"]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the story, asserted: ``ok`` says whether it held."""

    stage: str
    title: str
    ok: bool
    detail: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Span:
    """A lane was in one condition from ``start_s`` to ``end_s``."""

    lane: str
    kind: SpanKind
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at one moment; ``lane`` is empty for what concerns everybody."""

    at_s: float
    title: str
    lane: str = ""
    major: bool = False


@dataclass(frozen=True, slots=True)
class RefusalSeen:
    """Something was tried and refused: who refused, under which rule, and in which words."""

    tried: str
    by: str
    rule: str
    kind: str
    why: str


@dataclass(slots=True)
class Record:
    """Everything the report and ``result.json`` are made of."""

    options: Mapping[str, Any]
    lanes: dict[str, LaneKind] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    refusals: list[RefusalSeen] = field(default_factory=list)
    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    not_exercised: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    _open: dict[str, tuple[SpanKind, float, str]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """True when there was at least one check and every check held."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def size(self) -> int:
        """How much was written down so far; it grows with everything that a picture would show anew."""
        kept = (self.checks, self.spans, self.events, self.refusals, self.notes, self._open)
        return sum(len(each) for each in kept)

    def lane(self, name: str, kind: LaneKind) -> None:
        """Give a lane its place in the picture; lanes are drawn in the order they are named."""
        self.lanes.setdefault(name, kind)

    def check(self, stage: str, title: str, *, ok: bool, detail: str, at_s: float) -> None:
        """Write down one assertion and how it went."""
        self.checks.append(Check(stage, title, ok, detail, at_s))

    def turn(self, lane: str, kind: SpanKind, *, at_s: float, text: str = "") -> None:
        """``lane`` is in a new condition from now on; the one before ends here."""
        self.close(lane, at_s=at_s)
        self._open[lane] = (kind, at_s, text)

    def turning(self, lane: str) -> SpanKind | None:
        """The condition that ``lane`` is in, if any."""
        open_ = self._open.get(lane)
        return None if open_ is None else open_[0]

    def close(self, lane: str, *, at_s: float) -> None:
        """End the lane's present condition, if it has one."""
        if (open_ := self._open.pop(lane, None)) is not None:
            self.spans.append(Span(lane, open_[0], open_[1], at_s, open_[2]))

    def close_all(self, *, at_s: float) -> None:
        """End every condition: the drill is over."""
        for lane in list(self._open):
            self.close(lane, at_s=at_s)

    def snapshot(self, *, at_s: float) -> Record:
        """A copy as of now that nobody changes any more, in which what is still open ends here."""
        copy = replace(
            self,
            lanes=dict(self.lanes),
            checks=list(self.checks),
            spans=list(self.spans),
            events=list(self.events),
            refusals=list(self.refusals),
            latencies_s={what: list(values) for what, values in self.latencies_s.items()},
            not_exercised=list(self.not_exercised),
            notes=list(self.notes),
            facts=dict(self.facts),
            _open=dict(self._open),
        )
        copy.close_all(at_s=at_s)
        return copy

    def took(self, what: str, seconds: float) -> None:
        """One measured latency of the kind ``what``."""
        self.latencies_s.setdefault(what, []).append(seconds)

    def as_json(self) -> dict[str, Any]:
        """The machine-readable result: what ``result.json`` holds."""
        return {
            "format": "detente-drill-result/1",
            "passed": self.passed,
            "options": dict(self.options),
            "checks": [asdict(check) for check in self.checks],
            "not_exercised": [{"what": what, "why": why} for what, why in self.not_exercised],
            "latencies": {what: summary(values) for what, values in self.latencies_s.items()},
            "refusals": [asdict(refusal) for refusal in self.refusals],
            "notes": [{"title": title, "text": text} for title, text in self.notes],
            "events": [asdict(event) for event in self.events],
            "spans": [asdict(span) for span in self.spans],
            "facts": self.facts,
        }


def summary(values: Sequence[float]) -> dict[str, float | int]:
    """Count, least, median and greatest, in seconds.

    >>> summary([0.2, 0.1, 0.9])
    {'n': 3, 'min_s': 0.1, 'median_s': 0.2, 'max_s': 0.9}
    """
    ordered = sorted(values)
    return {"n": len(ordered), "min_s": ordered[0], "median_s": median(ordered), "max_s": ordered[-1]}
