"""Horizons of every agent of a set of runs, and one horizon within the reach of its suite.

Decides what an estimated horizon may claim. ``spec/measure-horizon.md`` §4.

A suite says nothing about tasks longer than its longest or shorter than its shortest. So an interval that crosses the
ceiling has no upper end and starts at the ceiling at most, and one that crosses the floor has no lower end.

>>> horizon = Horizon("a", 0.5, 2000.0, 1500.0, 9000.0, shortest=1.0, longest=960.0)
>>> horizon.ends
(960.0, None)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from detente.base.errors import Misuse, Refused
from detente.measure.horizon.bootstrap import DRAWS_MAX, Draws, bootstrap, interval
from detente.measure.horizon.fit import Fits, fit_curves, log2_horizons
from detente.measure.horizon.runs import Floats, Outcomes
from detente.measure.horizon.weights import run_weights

REGULARISATION: Final = 1e-5
"""METR's of 2025 was 0.1, which with weights that sum to 1 bends the curve; this one does not show in four digits."""
REGULARISATION_RANGE: Final = (1e-9, 1e3)
DRAWS_MIN: Final = 100
"""Below, the 2.5th percentile is an extreme."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every choice that changes a number. ``ceiling_minutes`` lowers the ceiling that the longest task sets."""

    regularisation: float = REGULARISATION
    quantiles: tuple[float, ...] = (0.5, 0.8)
    draws: int = 1_000
    seed: int = 42
    since: date | None = None
    ceiling_minutes: float | None = None
    baseline: str = "human"

    def __post_init__(self) -> None:
        least, most = REGULARISATION_RANGE
        if not least <= self.regularisation <= most:
            raise Misuse(f"got regularisation {self.regularisation:g}; expected {least:g} to {most:g}")
        if not self.quantiles or not all(0.01 <= quantile <= 0.99 for quantile in self.quantiles):
            raise Misuse(f"got quantiles {self.quantiles}; expected chances of success from 0.01 to 0.99")
        if not DRAWS_MIN <= self.draws <= DRAWS_MAX:
            raise Misuse(f"got {self.draws} draws; expected {DRAWS_MIN} to {DRAWS_MAX}")
        if not 0 <= self.seed < 2**63:
            raise Misuse(f"got seed {self.seed}; expected 0 to 2**63 − 1")
        if self.ceiling_minutes is not None and not 0 < self.ceiling_minutes < math.inf:
            raise Misuse(f"got a ceiling of {self.ceiling_minutes} minutes; expected more than 0")

    def as_parameters(self) -> dict[str, str]:
        """For ``Result.parameters``."""
        return {
            "regularisation": f"{self.regularisation:g}",
            "quantiles": ", ".join(f"{quantile:g}" for quantile in self.quantiles),
            "draws": str(self.draws),
            "seed": str(self.seed),
            "since": "the first date" if self.since is None else self.since.isoformat(),
            "ceiling": "the longest task" if self.ceiling_minutes is None else f"{self.ceiling_minutes:g} minutes",
            "baseline": self.baseline,
        }


@dataclass(frozen=True, slots=True)
class Horizon:
    """Minutes at which ``agent`` succeeds with chance ``quantile``; NaN or ±∞ where a curve gives none."""

    agent: str
    quantile: float
    estimate: float
    low: float
    high: float
    shortest: float
    longest: float

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The interval that the suite supports: a side out of its reach is ``None``."""
        short = not self.low >= self.shortest or not self.estimate >= self.shortest  # NaN is out of reach too
        far = not self.high <= self.longest or not self.estimate <= self.longest
        return (
            None if short else min(self.low, self.longest),
            None if far else max(self.high, self.shortest),
        )

    @property
    def within(self) -> bool:
        """Does the estimate lie within the suite's lengths?"""
        return self.shortest <= self.estimate <= self.longest

    @property
    def words(self) -> str:
        """The estimate in words."""
        if math.isnan(self.estimate):
            return "no estimate: success does not fall with length"
        if self.estimate > self.longest:
            return f"longer than the suite's {self.longest:.4g} min"
        if self.estimate < self.shortest:
            return f"shorter than the suite's {self.shortest:.4g} min"
        return f"estimate {self.estimate:.4g} min"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the runs say: fits and draws by agent, in the order of ``agents``; ``one_class`` agents have no curve.

    ``one_class`` maps an agent to ``failed`` or ``succeeded``, at everything that it tried.
    """

    outcomes: Outcomes
    weights: Floats
    agents: tuple[str, ...]
    fits: Fits
    draws: tuple[Draws, ...]
    horizons: Mapping[float, tuple[Horizon, ...]]
    one_class: Mapping[str, str]


def estimate_horizons(
    outcomes: Outcomes, settings: Settings, progress: Callable[[int, int], None] | None = None
) -> Estimate:
    """Fit every agent but the baseline, with all quantiles and draws; raises ``Refused`` H09 if none has a curve."""
    weights = run_weights(outcomes)
    wins, losses = outcomes.total * weights, (outcomes.runs - outcomes.total) * weights
    x = outcomes.log2_minutes
    agents = [i for i, agent in enumerate(outcomes.agents) if agent != settings.baseline]
    both = [i for i in agents if wins[i].sum() > 0 and losses[i].sum() > 0]
    one_class = {outcomes.agents[i]: "failed" if wins[i].sum() == 0 else "succeeded" for i in agents if i not in both}
    if not both:
        raise Refused(
            "H09",
            "not-found",
            got=f"{int(outcomes.runs.sum())} runs of {len(agents)} agents, none of which both succeeds and fails",
            expected="an agent with both outcomes",
        )
    fits = fit_curves(x, successes=wins[both], failures=losses[both], regularisation=settings.regularisation)
    draws = bootstrap(
        outcomes,
        weights,
        tuple(both),
        draws=settings.draws,
        seed=settings.seed,
        regularisation=settings.regularisation,
        progress=progress,
    )
    horizons = {
        quantile: tuple(
            _horizon(outcomes, settings, agent, quantile, log2, drawn)
            for agent, log2, drawn in zip(both, log2_horizons(fits, quantile), draws, strict=True)
        )
        for quantile in settings.quantiles
    }
    return Estimate(outcomes, weights, tuple(outcomes.agents[i] for i in both), fits, draws, horizons, one_class)


def _horizon(outcomes: Outcomes, settings: Settings, agent: int, quantile: float, log2: float, drawn: Draws) -> Horizon:
    lengths = outcomes.minutes[outcomes.runs[agent] > 0]
    low, high = interval(log2_horizons(drawn.fits, quantile))
    longest = float(lengths.max())
    with np.errstate(over="ignore"):
        estimate, least, most = (float(np.exp2(each)) for each in (log2, low, high))
    return Horizon(
        outcomes.agents[agent],
        quantile,
        estimate,
        least,
        most,
        float(lengths.min()),
        longest if settings.ceiling_minutes is None else min(longest, settings.ceiling_minutes),
    )
