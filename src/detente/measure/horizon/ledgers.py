"""The rows below horizons and their trend, and the points of their plots. ``spec/measure-horizon.md`` §7."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from detente.measure.horizon.bootstrap import interval
from detente.measure.horizon.estimate import Estimate, Horizon
from detente.measure.horizon.runs import Floats
from detente.measure.horizon.trend import Point, Trend, power_of_two
from detente.measure.indicator import Ledger, Series


def percent_name(quantile: float) -> str:
    """``p50`` for 0.5.

    >>> percent_name(0.8), percent_name(0.975)
    ('p80', 'p97.5')
    """
    return f"p{round(quantile * 100, 6):g}"


def horizon_ledger(
    found: Estimate, dates: Mapping[str, date], points: Sequence[Point], count: Mapping[str, int]
) -> Ledger:
    """Curve and horizons of each agent; ``points`` are those of the trend, ``count`` its runs."""
    used = {point.name for point in points}
    total = dict(zip(found.outcomes.agents, found.outcomes.total.sum(axis=1).tolist(), strict=True))
    rows: list[tuple[str | float | None, ...]] = []
    for number, agent in enumerate(found.agents):
        row: list[str | float | None] = [agent, dates[agent].isoformat() if agent in dates else None, agent in used]
        row += [count[agent], total[agent], float(found.fits.intercept[number]), float(found.fits.slope[number])]
        reach = next(iter(found.horizons.values()))[number]
        row += [reach.shortest, reach.longest]
        for horizons in found.horizons.values():
            horizon = horizons[number]
            row += [_finite(each) for each in (horizon.estimate, horizon.low, horizon.high)]
        rows.append(tuple(row))
    quantiles = [percent_name(quantile) for quantile in found.horizons]
    columns = [
        "agent",
        "released",
        "state of the art",
        "runs",
        "sum of scores",
        "intercept",
        "slope",
        "floor",
        "ceiling",
    ]
    columns += [f"{percent}{part}" for percent in quantiles for part in ("", " low", " high")]
    return Ledger("horizons", "Fitted curves and horizons in minutes, as drawn", tuple(columns), tuple(rows))


def outcome_ledger(found: Estimate) -> Ledger:
    """What each agent did on each task."""
    outcomes = found.outcomes
    rows = tuple(
        (
            f"{outcomes.agents[a]} / {outcomes.tasks[t]}",
            outcomes.agents[a],
            outcomes.tasks[t],
            outcomes.families[outcomes.family_of[t]],
            float(outcomes.minutes[t]),
            int(outcomes.runs[a, t]),
            float(outcomes.total[a, t]),
            float(found.weights[a, t]),
        )
        for a, t in zip(*np.nonzero(outcomes.runs), strict=True)
    )
    columns = ("cell", "agent", "task", "family", "minutes", "runs", "sum of scores", "weight of a run")
    return Ledger("outcomes", "Outcomes by agent and task", columns, rows)


def trend_ledger(trend: Trend | None) -> Ledger:
    """The points of the trend and the line beside them."""
    rows = (
        ()
        if trend is None
        else tuple((p.name, p.at.isoformat(), p.value, _finite(trend.at(p.at))) for p in trend.points)
    )
    return Ledger("trend", "Points of the trend, in minutes", ("model", "released", "p50", "on the line"), rows)


def horizon_series(horizons: Sequence[Horizon], dates: Mapping[str, date], trend: Trend | None) -> tuple[Series, ...]:
    """For plots: the horizons of dated agents by quantile, and the trend's band at its points."""
    series = []
    for quantile in dict.fromkeys(horizon.quantile for horizon in horizons):
        dated = [h for h in horizons if h.quantile == quantile and h.agent in dates]
        if dated:
            points = tuple((dates[h.agent].isoformat(), *h.ends) for h in sorted(dated, key=lambda h: dates[h.agent]))
            percent = percent_name(quantile)
            series.append(Series(f"horizon.{percent}", f"{percent} horizon by release date", "minutes", points))
    if trend is not None:
        line = tuple((p.at.isoformat(), *_band(trend.drawn_at(p.at))) for p in trend.points)
        series.append(Series("horizon.trend", "Trend of the state of the art", "minutes", line))
    return tuple(series)


def _band(drawn: Floats) -> tuple[float | None, float | None]:
    low, high = interval(drawn)
    return _finite(power_of_two(low)) or None, _finite(power_of_two(high))  # 0 is no lower end


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
