"""What one series shows, and what several declare together.

Decides the word *declared*. ``spec/measure-acceleration.md`` §3 and §4; the policy is the reference's.

1. A series *shows* acceleration if parabola and broken line both beat the line by an AICc of at least 4 and both bend
   upwards, for its values and for a stated share of draws from its points' own intervals. It needs seven points, all with
   intervals.
2. Acceleration is *declared* if the series of at least two independent sources show it, all of a source's series.
   Otherwise it is *not shown*, with every reason. Not shown is not absent.

Points of a running maximum depend on one another, which makes F tests and AICc too sure: hence the draws and the second
source, and no p value decides anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from detente.base.errors import Misuse
from detente.measure.acceleration.models import DAYS_A_YEAR, POINTS_MIN, ModelFits, fit_models, quadratic_p, sup_f_p
from detente.measure.acceleration.tracks import Track, groups
from detente.measure.horizon.bootstrap import DRAWS_MAX
from detente.measure.horizon.estimate import DRAWS_MIN
from detente.measure.horizon.trend import draw_points, heights

SOURCES_MIN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What is asked of a series: ``gain`` in AICc over the line, in ``share`` of the draws."""

    gain: float = 4.0
    share: float = 0.95
    draws: int = 1_000
    seed: int = 42
    since: date | None = None

    def __post_init__(self) -> None:
        if not 0 < self.gain < 1e3:
            raise Misuse(f"got a gain of {self.gain:g}; expected more than 0")
        if not 0.5 <= self.share <= 1:
            raise Misuse(f"got a share of {self.share:g}; expected 0.5 to 1")
        if not DRAWS_MIN <= self.draws <= DRAWS_MAX:
            raise Misuse(f"got {self.draws} draws; expected {DRAWS_MIN} to {DRAWS_MAX}")
        if not 0 <= self.seed < 2**63:
            raise Misuse(f"got seed {self.seed}; expected 0 to 2**63 − 1")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One series: its state of the art, the fits to its values and to its draws, and why it does not show acceleration.

    ``fits`` is ``None`` with fewer than seven points; ``drawn`` and ``share`` where a point has no interval.
    """

    track: Track
    reasons: tuple[str, ...]
    fits: ModelFits | None = None
    drawn: ModelFits | None = None
    share: float | None = None
    p: float | None = None
    sup_f_p: float | None = None

    @property
    def shows(self) -> bool:
        """Nothing speaks against it."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Verdict:
    """``declared``, or the reasons why not."""

    declared: bool
    agreeing: tuple[str, ...]
    reasons: tuple[str, ...]


def judge(track: Track, demand: Demand) -> Judgement:
    """What a series shows."""
    best = track.best(demand.since)
    points = best.points
    if len(points) < POINTS_MIN or len({point.at for point in points}) < 3:
        why = f"{len(points)} points that were best on their day; three models need {POINTS_MIN} on three days"
        return Judgement(best, (why,))
    years = np.array([point.at.toordinal() for point in points], np.float64) / DAYS_A_YEAR
    values = heights(points, logarithmic=track.logarithmic)
    generator = np.random.Generator(np.random.PCG64(demand.seed))
    fits = fit_models(years, values[None])
    reasons = _reasons(fits, demand)
    drawn, share = None, None
    if bare := [point.name for point in points if point.low is None or point.high is None]:
        reasons.append(
            f"no interval at {', '.join(bare[:3])}{'…' if len(bare) > 3 else ''}: how sure it is, nobody can say"
        )
    else:
        drawn = fit_models(years, draw_points(generator, points, demand.draws, logarithmic=track.logarithmic))
        share = float(drawn.accelerate(demand.gain).mean())
        if share < demand.share:
            reasons.append(
                f"in {share * 100:.1f} % of {demand.draws} draws from the points' intervals, not in {demand.share * 100:g} %"
            )
    return Judgement(
        best,
        tuple(reasons),
        fits,
        drawn,
        share,
        quadratic_p(fits),
        sup_f_p(generator, years, values, draws=demand.draws),
    )


def declare(judgements: Sequence[Judgement]) -> Verdict:
    """What all series say together: two independent sources, or not shown."""
    tracks = [judgement.track for judgement in judgements]
    sources = groups(tracks)
    agreeing = tuple(
        " and ".join(tracks[i].name for i in group) for group in sources if all(judgements[i].shows for i in group)
    )
    if len(agreeing) >= SOURCES_MIN:
        return Verdict(True, agreeing, ())
    reasons = [f"{each.track.name}: {reason}" for each in judgements for reason in each.reasons]
    reasons += [f"{track.name}: nobody said what measured it (NAME=FILE)" for track in tracks if track.source is None]
    if len(sources) < SOURCES_MIN:
        reasons.append(f"{len(sources)} independent source{'' if len(sources) == 1 else 's'}, {SOURCES_MIN} are needed")
    return Verdict(False, agreeing, tuple(reasons))


def _reasons(fits: ModelFits, demand: Demand) -> list[str]:
    found = []
    for name, gain in (("the parabola", fits.quadratic_gain[0]), ("the broken line", fits.break_gain[0])):
        if gain < demand.gain:
            found.append(f"{name} beats the line by {gain:.1f} in AICc, not by {demand.gain:g}")
    if not fits.curvature[0] > 0 or not fits.after[0] > fits.before[0]:
        found.append("it bends downwards")
    return found
