"""Horizons that somebody else estimated and published, as METR's result files hold them.

Decides what of such a file is read; estimates nothing. ``spec/measure-horizon.md`` §6.

``results.<model>`` has ``release_date`` and ``metrics.p<percent>_horizon_length`` with ``estimate`` and, where there is
one, ``ci_low`` and ``ci_high``; ``doubling_time_in_days.<period>`` with ``point_estimate`` and perhaps an interval: what the publisher computed from them.

1. A file without these members: H02. A horizon that is not a positive number of minutes: H04. A date that is none: H07.
2. An interval that does not hold its own estimate: H08.

>>> model = {"release_date": "2024-05-13", "metrics": {"p50_horizon_length": {"estimate": "6.4", "ci_low": 3.4, "ci_high": 11.7}}}
>>> parse_results({"benchmark_name": "Example-v1", "results": {"m": model}}, place="here").points[50][0].low
3.4
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from detente.base.errors import Refused, shown
from detente.measure.horizon.runs import MINUTES_MAX, plain_text
from detente.measure.horizon.trend import Point

MODELS_MAX: Final = 10_000
METR_CEILING_MINUTES: Final = 960.0
"""METR calls horizons above 16 h unreliable with its suite of 2026 (May 2026)."""
PERIODS: Final[Mapping[str, date | None]] = {"all_time_stitched": None, "from_2023_on": date(2023, 1, 1)}
"""What METR's doubling times are named, and where their dates begin."""
_METRIC = re.compile(r"p(\d{1,2})_horizon_length\Z", re.ASCII)
_VERSION = re.compile(r"[-_ ]v\d+(\.\d+)*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Published:
    """``points`` by percent of success; ``stated`` the publisher's doubling times in days, by the name of the period.

    Each is estimate, low, high; ``None`` where it is not stated.
    """

    benchmark: str
    points: Mapping[int, tuple[Point, ...]]
    stated: Mapping[str, tuple[float, float | None, float | None]]

    @property
    def source(self) -> str:
        """The benchmark without its version: two versions of one benchmark are not independent."""
        return _VERSION.sub("", self.benchmark)


def parse_results(data: Any, *, place: str) -> Published:
    """A result file as parsed YAML or JSON; numbers may be texts. Raises ``Refused`` H01, H02, H04, H07, H08."""
    results = data.get("results") if isinstance(data, Mapping) else None
    if not isinstance(results, Mapping) or not results:
        raise Refused(
            "H02", "malformed", got=f"{place}: no results", expected="results by model, as METR publishes them"
        )
    if len(results) > MODELS_MAX:
        raise Refused("H01", "oversized", got=f"{place}: {len(results)} models", expected=f"at most {MODELS_MAX}")
    points: dict[int, list[Point]] = {}
    for name, model in results.items():
        where = f"{place}: {shown(name, 40)}"
        plain_text(place, "model", name)
        if not isinstance(model, Mapping) or not isinstance(model.get("metrics"), Mapping):
            raise Refused("H02", "malformed", got=f"{where} without metrics", expected="release_date and metrics")
        at = read_date(model.get("release_date"), where)
        for metric, value in model["metrics"].items():
            if match := _METRIC.match(str(metric)):
                points.setdefault(int(match[1]), []).append(_point(str(name), at, value, f"{where} {metric}"))
    if not points:
        raise Refused("H02", "malformed", got=f"{place}: no horizon", expected="metrics such as p50_horizon_length")
    stated = data.get("doubling_time_in_days")
    return Published(
        plain_text(place, "benchmark_name", data.get("benchmark_name") or "unnamed benchmark"),
        {percent: tuple(each) for percent, each in points.items()},
        {
            period: (number, _number(value.get("ci_low")), _number(value.get("ci_high")))
            for period in PERIODS
            if isinstance(stated, Mapping)
            and isinstance(value := stated.get(period), Mapping)
            and (number := _number(value.get("point_estimate"))) is not None
        },
    )


def read_date(value: object, place: str) -> date:
    """An ISO date, or a date; raises ``Refused`` H07."""
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d\Z", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise Refused("H07", "malformed", got=f"{place}: date {shown(value)}", expected="a date like 2024-05-13")


def make_point(
    name: str, at: date, place: str, *, estimate: object, low: object, high: object, positive: bool = True
) -> Point:
    """A dated value with its interval, above zero unless it need not be; raises ``Refused`` H04 or H08."""
    expected = f"a {'positive number' if positive else 'number'} up to {MINUTES_MAX:g}"

    def number(given: object) -> float:
        found = _number(given)
        if found is None or abs(found) > MINUTES_MAX or (positive and found <= 0):
            raise Refused("H04", "wrong-type", got=f"{place}: {shown(given)}", expected=expected)
        return found

    value = number(estimate)
    least, most = (None if end is None else number(end) for end in (low, high))
    if (least is not None and least > value) or (most is not None and most < value):
        raise Refused(
            "H08", "inconsistent", got=f"{place}: {value:g} in [{least}, {most}]", expected="low ≤ value ≤ high"
        )
    return Point(name, at, value, least, most)


def _point(name: str, at: date, value: object, place: str) -> Point:
    if not isinstance(value, Mapping):
        raise Refused("H02", "malformed", got=f"{place}: {shown(value)}", expected="estimate, ci_low, ci_high")
    return make_point(
        name, at, place, estimate=value.get("estimate"), low=value.get("ci_low"), high=value.get("ci_high")
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
