r"""How often work stops for no reason: the price of failing closed. ``spec/check.md`` §8.

Issuers and the guard's own link fail independently, each ``rate`` times a year for ``mean_s`` on average, exponentially.
A guard renews at a third of a permit's life L, so it stops when for T = 2 L / 3 it reaches fewer than m of n issuers, or
nobody. With k = n - m + 1 issuers down at once, u = rate · mean / (1 year + rate · mean):

* such times begin C(n, k-1) u^(k-1) (1-u)^(n-k+1) · (n-k+1) · rate times a year (a birth-death process in balance),
* and outlast T with probability exp(-k T / mean), further failures meanwhile left out;
* the guard's own link adds rate · exp(-T / mean).

>>> round(expected_halts(Outages(12, 1_800), n=4, m=3, life_s=600), 4)
9.6719
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb, exp

from detente.accord.checking.claim import Claim
from detente.accord.terms import Terms
from detente.base.instant import show_duration

YEAR_S = 31_557_600
"""A Julian year."""


@dataclass(frozen=True, slots=True)
class Outages:
    """Each issuer, and each guard's link, fails ``rate`` times a year for ``mean_s`` seconds on average."""

    rate: float
    mean_s: float


def expected_halts(outages: Outages, *, n: int, m: int, life_s: int, own_link: bool = True) -> float:
    """Halts per guard and year that no pause asked for."""
    down = outages.rate * outages.mean_s / YEAR_S
    u = down / (1 + down)
    k = n - m + 1
    patience_s = 2 * life_s / 3
    begins = comb(n, k - 1) * u ** (k - 1) * (1 - u) ** (n - k + 1) * (n - k + 1) * outages.rate
    issuers = begins * exp(-k * patience_s / outages.mean_s)
    return issuers + (outages.rate * exp(-patience_s / outages.mean_s) if own_link else 0.0)


def list_halts(terms: Terms, outages: Outages) -> Iterator[Claim]:
    """The figure for calm and for alert."""
    n, m = len(terms.mirrors.parties), terms.mirrors.issue
    for when, life_s in (("calm", terms.permits.calm_s), ("alert", terms.permits.alert_s)):
        each = expected_halts(outages, n=n, m=m, life_s=life_s)
        issuers = expected_halts(outages, n=n, m=m, life_s=life_s, own_link=False)
        yield Claim(
            "spurious-halts",
            "permits",
            "listed",
            f"in {when}, permits of {show_duration(life_s)} from {m} of {n} issuers: {each:.3g} spurious halts per guard and year, "
            f"{issuers:.3g} of them by the issuers",
            bound=f"{outages.rate:g} outages a year of {outages.mean_s / 60:g} min, each issuer and each link",
        )
