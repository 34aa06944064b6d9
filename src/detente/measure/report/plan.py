"""Which plots a result is worth, and what each says about itself. Drawing them is ``adapters.plots``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detente.measure.indicator import Result, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """``band`` of one series, ``parts`` of a whole, or ``points`` on a logarithmic axis."""

    kind: Literal["band", "parts", "points"]
    series: tuple[Series, ...]
    title: str
    n: str


def plan_plots(result: Result) -> tuple[Plot, ...]:
    """The plots of a result, in the order of its series; a series of fewer than two points is a number, not a plot."""
    stacks: dict[str, list[Series]] = {}
    points: list[Series] = []
    bands: list[Series] = []
    for series in result.series:
        if series.stack:
            stacks.setdefault(series.stack, []).append(series)
        elif series.unit in {"minutes", "FLOP"}:
            points.append(series)
        elif len(series.points) > 1:
            bands.append(series)
    plots = [Plot(kind="band", series=(each,), title=each.title, n=_n(result, [each])) for each in bands]
    plots += [
        Plot(kind="parts", series=tuple(parts), title=stack, n=_n(result, parts))
        for stack, parts in stacks.items()
        if len({at for each in parts for at, _, _ in each.points}) > 1
    ]
    if sum(len(each.points) for each in points if not each.name.endswith("trend")) > 1:
        points.sort(key=lambda each: each.name.endswith("trend"))
        plots.append(Plot(kind="points", series=tuple(points), title=points[0].title, n=_n(result, points)))
    return tuple(plots)


def _n(result: Result, series: Sequence[Series]) -> str:
    """How many items a plot rests on, and of what."""
    named = next((each for each in series if each.n is not None), None)
    if named is not None:
        return f"n = {named.n:,} {named.ledger or 'items'}"
    names = {name for each in series for name in (each.name, f"{result.measure}.{each.name}")}
    of = next((each for each in result.indicators if each.name in names and each.n is not None), None)
    if of is not None:
        return f"n = {of.n:,}"
    ledger = next((result.ledger(each.ledger) for each in series if each.ledger), None)
    if ledger is not None:
        return f"n = {len(ledger.rows):,} {ledger.name}"
    count = max((len(each.points) for each in series), default=0)
    return f"n = {count} points"
