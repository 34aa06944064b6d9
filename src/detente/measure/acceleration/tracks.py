"""Dated series: a benchmark's values over time, how they are scaled, and where they come from.

Decides what a series is and which of several rest on separate measurements. ``spec/measure-acceleration.md`` §1.

1. A row without a date: H07. A value that is not a positive number (a level: not a number): H04. An interval that does
   not hold its value: H08. A table with both or neither of ``value`` and ``level``: H02.
2. A *value* is compared by its logarithm, a *level* (an index that is a logarithm already) as it is.
3. Series of one source, of an unknown source, or sharing half their points are not independent. That two named sources
   are independent is the word of whoever named them.
4. A point beyond the reach of its suite is a lower bound, not a value: it is left out, and counted (``beyond``).

>>> rows = [("t:2", {"date": "2024-01-01", "value": 2.0}), ("t:3", {"date": "2024-07-01", "value": 8.0})]
>>> track = parse_track(rows, name="t", source="mine")
>>> track.logarithmic, [point.value for point in track.points]
(True, [2.0, 8.0])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from detente.base.errors import Refused, shown
from detente.measure.horizon.published import METR_CEILING_MINUTES, Published, make_point, read_date
from detente.measure.horizon.runs import plain_text
from detente.measure.horizon.trend import Point, state_of_the_art
from detente.measure.indicator import EvidenceClass

POINTS_MAX: Final = 2_000
"""Thirty times METR's table of 2026; a break is tried at each."""


@dataclass(frozen=True, slots=True)
class Track:
    """A series by name. ``source`` is what measured it, ``None`` if nobody said; ``unit`` what the values are in.

    ``beyond`` names the points that its suite could not measure.
    """

    name: str
    source: str | None
    points: tuple[Point, ...]
    logarithmic: bool
    unit: str
    evidence_class: EvidenceClass
    beyond: tuple[str, ...] = ()

    def best(self, since: date | None) -> Track:
        """Its state of the art from a date on, without the points beyond its suite."""
        points = state_of_the_art((point for point in self.points if point.name not in self.beyond), since)
        return replace(self, points=points)


def parse_track(rows: Iterable[tuple[str, Mapping[str, Any]]], *, name: str, source: str | None) -> Track:
    """A series from (place, row) with ``date``, ``value`` or ``level``, and perhaps ``low``, ``high`` and ``name``.

    Raises ``Refused`` H01, H02, H04, H07, H08.
    """
    points: list[Point] = []
    scale: str | None = None
    for place, row in rows:
        scales = [column for column in ("value", "level") if column in row]
        if len(scales) != 1:
            raise Refused("H02", "malformed", got=f"{place}: {len(scales)} of the two", expected="value, or level")
        scale = scales[0]
        at = read_date(row.get("date"), place)
        label = plain_text(place, "name", row.get("name") or at.isoformat())
        estimate, low, high = row.get(scale), row.get("low"), row.get("high")
        points.append(make_point(label, at, place, estimate=estimate, low=low, high=high, positive=scale == "value"))
        if len(points) > POINTS_MAX:
            raise Refused(
                "H01", "oversized", got=f"{place}: more than {POINTS_MAX} points", expected="at most that many"
            )
    if scale is None:
        raise Refused("H02", "malformed", got=f"{name}: no row", expected="rows of date and value")
    return Track(name, source, tuple(points), scale == "value", scale, "declared")


def published_track(published: Published, *, name: str) -> Track:
    """METR's published 50 % horizons; the source is the benchmark, whatever the caller calls the file."""
    points = published.points.get(50)
    if not points:
        raise Refused("H02", "malformed", got=f"{name}: no p50_horizon_length", expected="50 % horizons")
    beyond = tuple(point.name for point in points if point.value > METR_CEILING_MINUTES)
    return Track(name, published.source, points, True, "minutes", "published", beyond)


def measured_track(result: Mapping[str, Any], *, name: str, source: str | None) -> Track:
    """The 50 % horizons of a result of ``detente measure horizon --json``; raises as ``parse_track``."""
    ledgers = result.get("ledgers")
    ledger = next(
        (
            each
            for each in (ledgers if isinstance(ledgers, list) else ())
            if isinstance(each, dict) and each.get("name") == "horizons"
        ),
        {},
    )
    columns, rows = ledger.get("columns"), ledger.get("rows")
    needed = {"agent": "name", "released": "date", "p50": "value", "p50 low": "low", "p50 high": "high"}
    needed |= {"floor": "floor", "ceiling": "ceiling"}
    if (
        not isinstance(columns, list)
        or not isinstance(rows, list)
        or not set(needed) <= {str(each) for each in columns}
    ):
        got = f"{name}: no fitted horizons"
        raise Refused("H02", "malformed", got=got, expected="a result over runs with the quantile 0.5")
    table: list[tuple[str, dict[str, Any]]] = []
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise Refused("H02", "malformed", got=f"{name}[{number}]: {shown(row)}", expected=f"{len(columns)} cells")
        record = {needed[column]: cell for column, cell in zip(columns, row, strict=True) if column in needed}
        if record["date"] is not None and record["value"] is not None:
            record["low"] = record["low"] or None  # 0 is how a draw without any success is spelled: no lower end
            table.append((f"{name}[{number}]", record))
    track = parse_track(table, name=name, source=source)
    reach = zip(track.points, (record for _, record in table), strict=True)
    beyond = tuple(
        point.name for point, record in reach if not _within(point.value, record["floor"], record["ceiling"])
    )
    return replace(track, unit="minutes", evidence_class="recorded", beyond=beyond)


def _within(value: float, floor: object, ceiling: object) -> bool:
    return isinstance(floor, (int, float)) and isinstance(ceiling, (int, float)) and floor <= value <= ceiling


def groups(tracks: Sequence[Track]) -> tuple[tuple[int, ...], ...]:
    """Indices of tracks that rest on one source, group by group; tracks of an unknown source are in no group."""
    owner = list(range(len(tracks)))
    for i, first in enumerate(tracks):
        for j in range(i):
            second = tracks[j]
            same = (
                first.source is not None
                and second.source is not None
                and first.source.casefold() == second.source.casefold()
            )
            if same or _shared(first, second) >= 0.5:
                old, new = owner[i], owner[j]
                owner = [new if each == old else each for each in owner]
    unknown = {owner[i] for i, track in enumerate(tracks) if track.source is None}
    kept = [each for each in dict.fromkeys(owner) if each not in unknown]
    return tuple(tuple(i for i, each in enumerate(owner) if each == group) for group in kept)


def _shared(first: Track, second: Track) -> float:
    one, two = ({(point.at, point.value) for point in track.points} for track in (first, second))
    return len(one & two) / max(1, min(len(one), len(two)))
