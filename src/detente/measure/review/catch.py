"""The catch rate on seeded changes: of known-bad changes mixed into the queue, how many a reviewer did not approve.

Decides which seeds count and what so many of them show, and says in numbers how little a few show. Leaves out how seeds are made, committed to and
revealed (``spec/review.md`` §5). The interval is exact (``base.binomial``).

- A seed counts once a decision on it was witnessed and it was then revealed. *Caught* is any decision but approve. A reviewer's first
  word on it counts.
- A seed that was revealed before anybody decided is *void*: nobody was tested. One that was committed to and not revealed is *open*.
- Whoever commits chooses the seeds, so a catch rate is that of these seeds, not of whatever could go wrong.

>>> caught = Caught(26, 26)
>>> print(caught.spelled())
26 of 26 seeded changes caught: the true rate lies between 86.7 % and 100 % (95 % confidence)
>>> print(show_outlook(10, Decimal("0.05"), 52))
10 decisions a week with 5 % of them seeded make about 26 seeded changes in 52 weeks. All caught, the true rate could still be \
86.7 %; one missed, between 80.3 % and 100 %; half of them missed, between 29.9 % and 70.1 %. To show 95 % takes 72 caught in a row, \
which is 144 weeks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from detente.base.binomial import TRIALS_MAX, exact_interval, least_trials
from detente.measure.review.decision import Decided, percent, show_between

CONFIDENCE: Final = Decimal("0.95")
EACH_SIDE: Final = Decimal("0.975")
SHOWN: Final = Decimal("0.95")
"""The rate of which the outlook says what it takes to show it."""


@dataclass(frozen=True, slots=True)
class Caught:
    """So many seeded changes caught of so many decided on."""

    caught: int
    seeds: int

    @property
    def between(self) -> tuple[Decimal, Decimal]:
        return exact_interval(self.caught, self.seeds, CONFIDENCE)

    def as_json(self) -> dict[str, Any]:
        low, high = self.between
        return {
            "caught": self.caught,
            "seeds": self.seeds,
            "low": str(low),
            "high": str(high),
            "confidence": str(CONFIDENCE),
            "interval": "Clopper-Pearson",
        }

    def spelled(self) -> str:
        """For people; what nothing shows is said."""
        if not self.seeds:
            return "no seeded change was decided on and revealed: nothing is known of the catch rate"
        changes = "seeded change" if self.seeds == 1 else "seeded changes"
        return (
            f"{self.caught} of {self.seeds} {changes} caught: the true rate lies "
            f"{show_between(self.between)} ({percent(CONFIDENCE)} confidence)"
        )


def count_caught(decisions: Iterable[Decided]) -> Caught:
    """Over each reviewer's first decision on each seed, the latest ``TRIALS_MAX``."""
    first: dict[tuple[str, tuple[str, str]], Decided] = {}
    for each in decisions:
        key = (each.proposal, each.reviewer)
        if each.seed and (key not in first or each.at_s < first[key].at_s):
            first[key] = each
    counted = sorted(first.values(), key=lambda each: (each.at_s, each.statement))[-TRIALS_MAX:]
    return Caught(sum(not each.approves for each in counted), len(counted))


def show_outlook(decisions_a_week: int, rate: Decimal, weeks: int) -> str:
    """What so many decisions at such a rate of seeding can show in so many weeks, in a paragraph."""
    seeds = int(decisions_a_week * rate * weeks)
    expected = f"{decisions_a_week} decisions a week with {percent(rate)} of them seeded make about {seeds} seeded changes in {weeks} weeks."
    if seeds < 2:
        return f"{expected} That shows nothing."
    all_caught = percent(exact_interval(seeds, seeds, CONFIDENCE)[0], end="low")
    missed = show_between(exact_interval(seeds - 1, seeds, CONFIDENCE))
    half = show_between(exact_interval(seeds // 2, seeds, CONFIDENCE))
    needed = least_trials(0, SHOWN, EACH_SIDE)
    takes = "" if needed is None else f", which is {-int(-needed // (decisions_a_week * rate))} weeks"
    return (
        f"{expected} All caught, the true rate could still be {all_caught}; one missed, {missed}; half of them "
        f"missed, {half}. To show {percent(SHOWN)} takes {needed} caught in a row{takes}."
    )
