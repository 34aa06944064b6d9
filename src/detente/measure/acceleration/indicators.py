"""A verdict on acceleration as a ``Result``.

Indicators (``spec/measure-acceleration.md`` §5): ``acceleration.declared`` is 1 if declared, else from 0 to 1, since what
is not shown may be there. For each series ``acceleration.quadratic_gain/<series>`` and ``…break_gain/…`` (AICc of the line
minus that of the model), ``…before/…`` and ``…after/…`` (doubling time in days, or level a year) and ``…share/…`` of the
draws that agree. Their intervals come from the draws; without draws no end is known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from detente.base.digest import Digest
from detente.measure.acceleration.models import DAYS_A_YEAR, ModelFits
from detente.measure.acceleration.tracks import Track
from detente.measure.acceleration.verdict import Demand, Judgement, Verdict, declare, judge
from detente.measure.horizon.bootstrap import interval
from detente.measure.horizon.indicators import exact
from detente.measure.horizon.runs import Floats
from detente.measure.horizon.trend import Point, doubling_days
from detente.measure.indicator import LISTED, Exclusion, Indicator, Ledger, Remark, Result, Series, weakest

_SLUG = re.compile(r"[^A-Za-z0-9._+-]+")
_METHOD = (
    "state of the art; a line, a parabola and a line with one break by least squares; draws from the points' intervals"
)


def measure_tracks(
    tracks: Sequence[Track], demand: Demand, *, inputs: Mapping[str, str], evidence: tuple[Digest, ...] = ()
) -> Result:
    """Judge every series and say what they declare together."""
    judgements = [judge(track, demand) for track in tracks]
    verdict = declare(judgements)
    classes = weakest([track.evidence_class for track in tracks])
    indicators = [
        Indicator(
            name="acceleration.declared",
            low=Decimal(1 if verdict.declared else 0),
            high=Decimal(1),
            unit="declared",
            method=f"AICc gain of parabola and broken line at least {demand.gain:g}, in {demand.share:g} of the draws, "
            "on two independent sources",
            evidence_class=classes,
            label=f"acceleration: {'declared' if verdict.declared else 'not shown'}",
            n=len(tracks),
            ledger="models",
            evidence=evidence,
        )
    ]
    for name, judgement in zip(unique_names(tracks), judgements, strict=True):
        indicators += _of_series(name, judgement, evidence)
    return Result(
        "acceleration",
        ", ".join(track.name for track in tracks),
        tuple(indicators),
        tuple(_remarks(verdict, judgements)),
        tuple(_exclusions(tracks)),
        (_model_ledger(judgements), _point_ledger(judgements)),
        tuple(_series(name, judgement) for name, judgement in zip(unique_names(tracks), judgements, strict=True)),
        inputs,
        {
            "gain": f"{demand.gain:g}",
            "share": f"{demand.share:g}",
            "draws": str(demand.draws),
            "seed": str(demand.seed),
            "since": "the first date" if demand.since is None else demand.since.isoformat(),
        },
    )


def unique_names(tracks: Sequence[Track]) -> list[str]:
    """A name for each series that a statement can carry."""
    taken: dict[str, int] = {}
    names = []
    for track in tracks:
        name = _SLUG.sub("-", track.name)[:80] or "series"
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}.{taken[name]}")
    return names


def _of_series(name: str, judgement: Judgement, evidence: tuple[Digest, ...]) -> list[Indicator]:
    track, fits, drawn = judgement.track, judgement.fits, judgement.drawn
    if fits is None:
        return []
    unit = "days" if track.logarithmic else "per year"
    rows = [
        ("quadratic_gain", "parabola over line", "AICc", fits.quadratic_gain, _all(drawn, "quadratic_gain")),
        ("break_gain", "broken line over line", "AICc", fits.break_gain, _all(drawn, "break_gain")),
        ("before", "doubling before the break", unit, fits.before, _all(drawn, "before")),
        ("after", "doubling after the break", unit, fits.after, _all(drawn, "after")),
    ]
    found = []
    for key, label, in_unit, value, values in rows:
        pace = key in {"before", "after"}
        words = label if track.logarithmic or not pace else label.replace("doubling", "growth")
        estimate = float(value[0])
        low, high = (math.nan, math.nan) if values is None else interval(values)
        if pace and track.logarithmic:
            estimate = doubling_days(estimate / DAYS_A_YEAR)
            low, high = _doubling(low, high)
        found.append(
            Indicator(
                name=f"acceleration.{key}/{name}",
                low=exact(low),
                high=exact(high),
                unit=in_unit,
                method=_METHOD,
                evidence_class=track.evidence_class,
                label=f"{track.name}: {words} ({_short(estimate)})",
                n=len(track.points),
                ledger="models",
                evidence=evidence,
            )
        )
    if judgement.share is not None:
        share = Decimal(f"{judgement.share:.6g}")
        found.append(
            Indicator(
                name=f"acceleration.share/{name}",
                low=share,
                high=share,
                unit="share",
                method=_METHOD,
                evidence_class=track.evidence_class,
                label=f"{track.name}: draws in which both models agree",
                n=None if drawn is None else len(drawn.slope),
                ledger="models",
                evidence=evidence,
            )
        )
    return found


def _all(drawn: ModelFits | None, name: str) -> Floats | None:
    if drawn is None:
        return None
    values: Floats = getattr(drawn, name)
    return values


def _doubling(low: float, high: float) -> tuple[float, float]:
    """The doubling times in days of an interval of slopes a year: nothing is known of the inverse of a slope around 0."""
    if not high > 0:
        return math.nan, math.inf
    return DAYS_A_YEAR / high, DAYS_A_YEAR / low if low > 0 else math.inf


def _remarks(verdict: Verdict, judgements: Sequence[Judgement]) -> list[Remark]:
    remarks = []
    if verdict.declared:
        text = f"acceleration is declared: {'; '.join(verdict.agreeing)} agree, and that they are independent is the caller's word"
        remarks.append(Remark("declared", "alarm", text, "models"))
    remarks += [Remark("not-shown", "note", f"not shown: {reason}", "models") for reason in verdict.reasons]
    for judgement in judgements:
        if judgement.fits is not None and judgement.p is not None and judgement.sup_f_p is not None:
            fits, points = judgement.fits, judgement.track.points
            text = (
                f"{judgement.track.name}: parabola p = {judgement.p:.2g} (F), break on {points[fits.break_at[0]].at} "
                f"p = {judgement.sup_f_p:.2g} (sup-F); both too small, since points that were best on their day depend "
                "on one another and their intervals are ignored"
            )
            remarks.append(Remark("tests", "note", text, "models"))
    return remarks


def _exclusions(tracks: Sequence[Track]) -> list[Exclusion]:
    return [
        Exclusion(
            f"points of {track.name}", "beyond the reach of their suite", len(track.beyond), track.beyond[:LISTED]
        )
        for track in tracks
        if track.beyond
    ]


def _model_ledger(judgements: Sequence[Judgement]) -> Ledger:
    rows: list[tuple[str | float | None, ...]] = []
    for judgement in judgements:
        fits, track = judgement.fits, judgement.track
        if fits is None:
            continue
        day = track.points[fits.break_at[0]].at.isoformat()
        rows += [
            (f"{track.name}: {model}", fits.n, k, float(fits.rss[row, 0]), _finite(fits.aicc[row, 0]), slope, bend, at)
            for row, (model, k, slope, bend, at) in enumerate(
                (
                    ("line", 3, float(fits.slope[0]), None, None),
                    ("parabola", 4, None, float(fits.curvature[0]), None),
                    ("broken line", 5, float(fits.before[0]), float(fits.after[0] - fits.before[0]), day),
                )
            )
        ]
    columns = ("model", "points", "parameters", "rss", "aicc", "slope a year", "bend", "break")
    return Ledger("models", "Models of each series", columns, tuple(rows))


def _point_ledger(judgements: Sequence[Judgement]) -> Ledger:
    rows = tuple(
        (f"{each.track.name}: {p.name}", each.track.name, p.name, p.at.isoformat(), p.value, p.low, p.high)
        for each in judgements
        for p in each.track.points
    )
    columns = ("point", "series", "name", "date", "value", "low", "high")
    return Ledger("points", "Points that were best on their day", columns, rows)


def _series(name: str, judgement: Judgement) -> Series:
    def ends(point: Point) -> tuple[str, float | None, float | None]:
        low, high = (point.value if end is None else end for end in (point.low, point.high))
        return point.at.isoformat(), low, high

    track = judgement.track
    points = tuple(ends(point) for point in track.points)
    return Series(f"acceleration.points/{name}", f"{track.name}: best on their day", track.unit, points)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _short(value: float) -> str:
    return f"estimate {value:.4g}" if math.isfinite(value) else "no growth"
