"""Horizons and their trend as a ``Result``: from runs, or from a published table.

Decides the indicators (``spec/measure-horizon.md`` §7): ``horizon.p50`` of the agent with the longest one,
``horizon.p50/<agent>`` of each, and ``horizon.doubling_time``. Leaves the numbers to ``estimate`` and ``trend``.

An estimate out of the suite's reach is no point of a trend if it is too short. If it is too long it enters at the ceiling,
in every draw: the doubling time is then at most so long, and has no lower end, since the truth may have risen faster.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

import numpy as np

from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.measure.horizon.bootstrap import interval
from detente.measure.horizon.estimate import Estimate, Horizon, Settings, estimate_horizons
from detente.measure.horizon.fit import FLAT, log2_horizons
from detente.measure.horizon.ledgers import horizon_ledger, horizon_series, outcome_ledger, percent_name, trend_ledger
from detente.measure.horizon.published import METR_CEILING_MINUTES, PERIODS, Published
from detente.measure.horizon.runs import UNMEASURED, Floats, Run, tabulate
from detente.measure.horizon.trend import Point, Trend, doubling_days, draw_points, fit_trend, state_of_the_art
from detente.measure.indicator import LISTED, EvidenceClass, Exclusion, Indicator, Ledger, Remark, Result

_SLUG = re.compile(r"[^A-Za-z0-9._+-]+")
_MEDIAN = 0.5
MISSING_MAX: Final = 0.01
"""More runs without score or length than this are a warning: METR's published runs have none."""


def measure_runs(
    runs: Sequence[Run],
    settings: Settings,
    *,
    subject: str,
    dates: Mapping[str, date],
    exclusions: Sequence[Exclusion] = (),
    inputs: Mapping[str, str],
    evidence: tuple[Digest, ...] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Horizons of the agents of ``runs``; raises ``Refused`` H01, and H09 when no agent has both outcomes."""
    outcomes = tabulate(runs)
    found = estimate_horizons(outcomes, settings, progress)
    method = (
        f"weighted logistic fit of success on log2(human minutes), L2 penalty {settings.regularisation:g} on the slope; "
        f"bootstrap of families, tasks and runs, {settings.draws} draws, seed {settings.seed}, 2.5 to 97.5 %"
    )
    count = dict(zip(outcomes.agents, outcomes.runs.sum(axis=1).tolist(), strict=True))
    horizons = [h for each in found.horizons.values() for h in sorted(each, key=lambda h: _by_date(h.agent, dates))]
    always = [agent for agent, outcome in found.one_class.items() if outcome == "succeeded"]
    indicators = _horizon_indicators(horizons, method, "recorded", evidence, count, open_ended=bool(always))
    remarks = [*_missing_remarks(runs, exclusions), *_reach_remarks(horizons, always), *_draw_remarks(found, settings)]
    left = [*exclusions, *_agent_exclusions(found, settings, count)]
    points, trend_left = _dated(found, dates, settings)
    drawn = {
        each.agent: log2_horizons(each.fits, _MEDIAN) for each in found.draws
    }  # draws of one index share families and tasks, so lines are fitted through points that were drawn together
    ceilings = {h.agent: h.longest for h in horizons}
    beyond = tuple(p.name for p in points if p.value > ceilings[p.name])
    trend = _capped_trend(points, [drawn[point.name] for point in points], [ceilings[point.name] for point in points])
    indicators += _trend_indicators(trend, "recorded", evidence, beyond=beyond, unknown=False)
    remarks += _trend_remarks(trend, beyond, has_dates=bool(dates))
    return Result(
        "horizon",
        subject,
        tuple(indicators),
        tuple(remarks),
        (*left, *trend_left),
        (horizon_ledger(found, dates, points, count), outcome_ledger(found), trend_ledger(trend)),
        horizon_series(horizons, dates, trend),
        inputs,
        settings.as_parameters(),
    )


def measure_published(
    published: Published,
    settings: Settings,
    *,
    subject: str,
    inputs: Mapping[str, str],
    evidence: tuple[Digest, ...] = (),
) -> Result:
    """Published horizons and their trend; raises ``Misuse`` for a quantile that the table lacks."""
    ceiling = METR_CEILING_MINUTES if settings.ceiling_minutes is None else settings.ceiling_minutes
    by_quantile: dict[float, tuple[Point, ...]] = {}
    for quantile in settings.quantiles:
        percent = round(quantile * 100)
        if percent not in published.points or not math.isclose(percent / 100, quantile):
            have = ", ".join(f"{each / 100:g}" for each in sorted(published.points))
            raise Misuse(f"{subject} has no horizon for quantile {quantile:g}; it has {have}")
        by_quantile[quantile] = published.points[percent]
    horizons = [
        Horizon(p.name, q, p.value, _or_nan(p.low), _or_nan(p.high), 0.0, ceiling)
        for q, points in by_quantile.items()
        for p in points
    ]
    dates = {point.name: point.at for points in by_quantile.values() for point in points}
    horizons = sorted(horizons, key=lambda h: (settings.quantiles.index(h.quantile), *_by_date(h.agent, dates)))
    indicators = _horizon_indicators(horizons, f"as published: {published.benchmark}", "published", evidence, {})
    points = state_of_the_art(published.points.get(50, ()), settings.since)
    bare = any(point.low is None or point.high is None for point in points)
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    drawn = draw_points(generator, points, settings.draws).T if points else ()
    trend = _capped_trend(points, list(drawn), [ceiling] * len(points))
    beyond = tuple(point.name for point in points if point.value > ceiling)
    stated = [
        published.stated[name][1:]
        for name, day in PERIODS.items()
        if day == settings.since and name in published.stated
    ]
    indicators += _trend_indicators(trend, "published", evidence, beyond=beyond, unknown=bare, stated=stated)
    remarks = [*_reach_remarks(horizons), *_trend_remarks(trend, beyond, has_dates=True), *_stated_remarks(published)]
    if bare:
        remarks.append(
            Remark("no-intervals", "warning", "points of the trend have no interval, so neither has the trend")
        )
    used = {point.name for point in points}
    ledger = Ledger(
        "horizons",
        "Published horizons in minutes",
        ("model", "released", "quantile", "estimate", "low", "high", "state of the art"),
        tuple(
            (p.name, p.at.isoformat(), q, p.value, p.low, p.high, p.name in used)
            for q, each in by_quantile.items()
            for p in sorted(each, key=lambda p: (p.at, p.name))
        ),
    )
    parameters = settings.as_parameters() | {"ceiling": f"{ceiling:g} minutes", "regularisation": "the publisher's"}
    return Result(
        "horizon",
        subject,
        tuple(indicators),
        tuple(remarks),
        (),
        (ledger, trend_ledger(trend)),
        horizon_series(horizons, dates, trend),
        inputs,
        {name: value for name, value in parameters.items() if name != "baseline"},
    )


def exact(value: float | None) -> Decimal | None:
    """Six digits of a number that a statement can spell, else ``None``: no end is known.

    >>> exact(196.47461), exact(float("inf")), exact(1e-300)
    (Decimal('196.475'), None, Decimal('0'))
    """
    if value is None or not abs(value) < 1e30:
        return None
    return Decimal(f"{value:.6g}") if abs(value) > 1e-15 else Decimal(0)


def _horizon_indicators(
    horizons: Sequence[Horizon],
    method: str,
    evidence_class: EvidenceClass,
    evidence: tuple[Digest, ...],
    count: Mapping[str, int],
    *,
    open_ended: bool = False,
) -> list[Indicator]:
    found: list[Indicator] = []

    def add(name: str, label: str, ends: tuple[float | None, float | None], n: int | None) -> None:
        low, high = ends
        found.append(
            Indicator(
                name=name,
                low=exact(low),
                high=exact(high),
                unit="minutes",
                method=method,
                evidence_class=evidence_class,
                label=label,
                n=n,
                ledger="horizons",
                evidence=evidence,
            )
        )

    taken: dict[str, int] = {}
    for quantile in dict.fromkeys(horizon.quantile for horizon in horizons):
        of_quantile = [horizon for horizon in horizons if horizon.quantile == quantile]
        percent = percent_name(quantile)
        first = max(of_quantile, key=lambda h: (-1.0 if math.isnan(h.estimate) else h.estimate, h.agent))
        best = _longest(of_quantile, open_ended=open_ended)
        add(f"horizon.{percent}", f"longest {percent}: {first.agent}, {first.words}", best, len(of_quantile))
        for horizon in of_quantile:
            name = f"horizon.{percent}/{_SLUG.sub('-', horizon.agent)[:100] or 'agent'}"
            taken[name] = taken.get(name, 0) + 1
            unique = name if taken[name] == 1 else f"{name}.{taken[name]}"
            add(unique, f"{percent} of {horizon.agent}, {horizon.words}", horizon.ends, count.get(horizon.agent))
    return found


def _capped_trend(points: Sequence[Point], drawn: Sequence[Floats], ceilings: Sequence[float]) -> Trend | None:
    """The trend with what lies beyond its ceiling put there.

    Points of a running maximum beyond the ceiling are its last ones, and exceed it by more and more: putting them at the
    ceiling lowers the slope and never raises it.
    """
    capped = [replace(point, value=min(point.value, most)) for point, most in zip(points, ceilings, strict=True)]
    columns = [
        np.minimum(values, np.log2(most)) if point.value > most else values
        for point, values, most in zip(points, drawn, ceilings, strict=True)
    ]
    return fit_trend(capped, np.stack(columns, axis=1)) if columns else None


def _longest(horizons: Sequence[Horizon], *, open_ended: bool) -> tuple[float | None, float | None]:
    """The interval of the longest of several: every lower end is one of it, and one open upper end leaves it open."""
    ends = [horizon.ends for horizon in horizons]
    highs = [high for _, high in ends if high is not None]
    low = max((low for low, _ in ends if low is not None), default=None)
    return low, None if open_ended or len(highs) < len(ends) else max(highs)


def _trend_indicators(
    trend: Trend | None,
    evidence_class: EvidenceClass,
    evidence: tuple[Digest, ...],
    *,
    beyond: Sequence[str],
    unknown: bool,
    stated: Sequence[tuple[float | None, float | None]] = (),
) -> list[Indicator]:
    if trend is None:
        return []
    low, high = doubling_interval(trend)
    method = "least squares of log2(p50) on the release date over agents that were best on their day"
    for least, most in stated:
        if least is not None and most is not None:  # points drawn singly may move less than they do together
            low, high = min(low, least), max(high, most)
            method += "; the wider of the interval from the points' own intervals and the publisher's"
    return [
        Indicator(
            name="horizon.doubling_time",
            low=None if beyond or unknown else exact(low),
            high=None if unknown else exact(high),
            unit="days",
            method=method,
            evidence_class=evidence_class,
            label=f"doubling time ({_days(doubling_days(trend.slope))})",
            n=len(trend.points),
            ledger="trend",
            evidence=evidence,
        )
    ]


def doubling_interval(trend: Trend) -> tuple[float, float]:
    """The 95 % interval of the doubling time in days; an end may be +∞ or NaN."""
    least, most = interval(trend.drawn[:, 1])
    if not most > 0 or math.isinf(most):  # a slope that may be anything: nothing is known of its inverse
        return math.nan, math.inf
    return 1 / most, 1 / least if least > 0 else math.inf


def _missing_remarks(runs: Sequence[Run], exclusions: Sequence[Exclusion]) -> list[Remark]:
    missing = sum(each.count for each in exclusions if each.why in UNMEASURED)
    if missing <= MISSING_MAX * (len(runs) + missing):
        return []
    text = f"{missing} of {len(runs) + missing} runs have no score or no length: what is missing may choose the horizon"
    return [Remark("runs-missing", "warning", text)]


def _reach_remarks(horizons: Sequence[Horizon], always: Sequence[str] = ()) -> list[Remark]:
    remarks = []
    far = list(dict.fromkeys(h.agent for h in horizons if h.estimate > h.longest or h.high > h.longest))
    short = list(dict.fromkeys(h.agent for h in horizons if h.estimate < h.shortest or h.low < h.shortest))
    if always:
        text = f"{_names(always)} succeeded at everything: how much longer tasks may be, this suite cannot say"
        remarks.append(Remark("beyond-suite", "warning", text, "outcomes"))
    if far:
        longest = max(h.longest for h in horizons)
        text = (
            f"above {longest:.4g} minutes this suite says nothing: no upper end is given for a horizon of {_names(far)}"
        )
        remarks.append(Remark("beyond-suite", "warning", text, "horizons"))
    if short:
        least = min(h.shortest for h in horizons)
        text = (
            f"below {least:.4g} minutes this suite says nothing: no lower end is given for a horizon of {_names(short)}"
        )
        remarks.append(Remark("below-suite", "note", text, "horizons"))
    return remarks


def _draw_remarks(found: Estimate, settings: Settings) -> list[Remark]:
    lost = {}
    for each in found.draws:
        fits = each.fits
        if count := int((~fits.succeeded | ~fits.failed | ~(fits.slope < -FLAT)).sum()):
            lost[each.agent] = count
    if not lost:
        return []
    shown = ", ".join(f"{agent} {count}" for agent, count in lost.items())
    text = f"of {settings.draws} draws some gave no falling curve, and widen the interval of their agent: {shown}"
    return [Remark("draws-without-curve", "note", text, "horizons")]


def _agent_exclusions(found: Estimate, settings: Settings, count: Mapping[str, int]) -> list[Exclusion]:
    left = []
    for verb in ("failed", "succeeded"):
        if agents := [agent for agent, outcome in found.one_class.items() if outcome == verb]:
            why = f"{verb} at everything tried: no curve follows from one outcome"
            left.append(Exclusion("agents", why, len(agents), tuple(agents[:LISTED])))
    if runs := count.get(settings.baseline):
        left.append(Exclusion("runs", "they are people's, the baseline", runs, (settings.baseline,)))
    return left


def _dated(found: Estimate, dates: Mapping[str, date], settings: Settings) -> tuple[tuple[Point, ...], list[Exclusion]]:
    fitted = found.horizons.get(_MEDIAN) or ()
    undated = [h.agent for h in fitted if dates and h.agent not in dates]
    flat = [h.agent for h in fitted if h.agent in dates and not math.isfinite(h.estimate)]
    short = [h.agent for h in fitted if h.agent in dates and h.estimate < h.shortest]
    out = {*flat, *short}
    points = [Point(h.agent, dates[h.agent], h.estimate) for h in fitted if h.agent in dates and h.agent not in out]
    left = []
    if undated:
        left.append(Exclusion("agents of the trend", "no release date", len(undated), tuple(undated[:LISTED])))
    if short:
        left.append(
            Exclusion("agents of the trend", "shorter than the suite's shortest", len(short), tuple(short[:LISTED]))
        )
    if flat:
        left.append(
            Exclusion("agents of the trend", "success does not fall with length", len(flat), tuple(flat[:LISTED]))
        )
    return state_of_the_art(points, settings.since), left


def _trend_remarks(trend: Trend | None, beyond: Sequence[str], *, has_dates: bool) -> list[Remark]:
    if trend is None:
        why = "fewer than three points on two days" if has_dates else "no release dates were given"
        return [Remark("no-trend", "note", f"no doubling time: {why}")]
    remarks = [
        Remark(
            "running-maximum",
            "note",
            "points that were best on their day depend on those before them, so the trend's interval is too narrow",
            "trend",
        )
    ]
    if beyond:
        text = f"the trend rests on {_names(beyond)}, beyond the suite and put at its end: the doubling time may be any shorter"
        remarks.append(Remark("trend-beyond-suite", "warning", text, "trend"))
    return remarks


def _stated_remarks(published: Published) -> list[Remark]:
    remarks = []
    for period, (stated, _, _) in published.stated.items():
        points = state_of_the_art(published.points.get(50, ()), PERIODS[period])
        trend = fit_trend(points, np.log2([[point.value for point in points]])) if points else None
        ours = math.nan if trend is None else doubling_days(trend.slope)
        agrees = math.isclose(ours, stated, rel_tol=1e-3)
        text = f"the publisher states {stated:g} days for {period.replace('_', ' ')}; recomputed {ours:.6g}"
        remarks.append(Remark("published-doubling-time", "note" if agrees else "warning", text, "horizons"))
    return remarks


def _by_date(agent: str, dates: Mapping[str, date]) -> tuple[date, str]:
    return dates.get(agent, date.max), agent


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"


def _days(value: float) -> str:
    return f"estimate {value:.6g} days" if math.isfinite(value) else "no growth"
