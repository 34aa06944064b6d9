"""What published rules compare with a number of operations, and how a run compares: yes, no, or cannot be told.

Decides exact comparisons with intervals; a third is a fraction, never 0.333. Leaves out every consequence, and whether the rule
applies to anybody. The texts of July 2025 to November 2026 are meant. ``spec/measure-compute.md`` §6.

>>> compare(exactly(Decimal("1e25")), Fraction(10**25)), compare(exactly(Decimal(10**25 + 1)), Fraction(10**25))
('not exceeded', 'exceeded')
>>> compare(Interval(Decimal("9e24"), None), Fraction(10**25))
'cannot be told'
>>> exceeds_third(modification=exactly(Decimal(1)), original=exactly(Decimal(3)))
'not exceeded'
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from detente.base.quantity import Interval, exactly

Outcome = Literal["exceeded", "not exceeded", "cannot be told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``quantity`` above ``threshold`` operations; ``name`` for machines, ``meaning`` what the text attaches to it."""

    name: str
    document: str
    clause: str
    quantity: Literal["cumulative", "modification"]
    threshold: Fraction
    shown: str
    meaning: str


EU_INDICATIVE: Final = Rule(
    name="eu-gpai-indicative",
    document="EU Commission guidelines on general-purpose AI models, C(2025) 7719",
    clause="point 17",
    quantity="cumulative",
    threshold=Fraction(10**23),
    shown="1e23",
    meaning="indicatively a general-purpose AI model, if it can generate language, images or video",
)
EU_SYSTEMIC: Final = Rule(
    name="eu-gpai-systemic",
    document="Regulation (EU) 2024/1689 (AI Act)",
    clause="Art. 51(2)",
    quantity="cumulative",
    threshold=Fraction(10**25),
    shown="1e25",
    meaning="presumed to have high-impact capabilities",
)
EU_THIRD: Final = Rule(
    name="eu-modifier-third",
    document="EU Commission guidelines on general-purpose AI models, C(2025) 7719",
    clause="points 60-61",
    quantity="modification",
    threshold=Fraction(1, 3),
    shown="1/3 of the original",
    meaning="whoever modified another's model counts as a provider of the modified one",
)
EU_THIRD_OF_SYSTEMIC: Final = Rule(
    name="eu-modifier-unknown-systemic",
    document=EU_THIRD.document,
    clause=EU_THIRD.clause,
    quantity="modification",
    threshold=Fraction(10**25, 3),
    shown="1e25/3",
    meaning=f"{EU_THIRD.meaning}; the original has systemic risk and its compute is not known",
)
EU_THIRD_OF_OTHER: Final = Rule(
    name="eu-modifier-unknown",
    document=EU_THIRD.document,
    clause=EU_THIRD.clause,
    quantity="modification",
    threshold=Fraction(10**23, 3),
    shown="1e23/3",
    meaning=f"{EU_THIRD.meaning}; the original's compute is not known",
)
SB53: Final = Rule(
    name="ca-sb53-frontier",
    document="California SB 53, Stats. 2025 ch. 138",
    clause="Bus. & Prof. Code § 22757.11(i)",
    quantity="cumulative",
    threshold=Fraction(10**26),
    shown="1e26",
    meaning="a frontier model, if it is a foundation model: the original run and the developer's later fine-tuning, "
    "reinforcement learning and other material modifications together",
)


def compare(value: Interval, threshold: Fraction) -> Outcome:
    """Is ``value`` above ``threshold``? At the threshold itself it is not."""
    if value.low is not None and Fraction(value.low) > threshold:
        return "exceeded"
    if value.high is not None and Fraction(value.high) <= threshold:
        return "not exceeded"
    return "cannot be told"


def exceeds_third(*, modification: Interval, original: Interval) -> Outcome:
    """Is ``modification`` more than a third of ``original``? Compares three times one with the other, exactly."""
    if modification.low is not None and original.high is not None and 3 * Fraction(modification.low) > original.high:
        return "exceeded"
    if modification.high is not None and original.low is not None and 3 * Fraction(modification.high) <= original.low:
        return "not exceeded"
    return "cannot be told"


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule, the value it was compared with, and the outcome."""

    rule: Rule
    value: Interval
    outcome: Outcome


def judge(
    *, own: Interval, cumulative: Interval, original: Interval | None, original_systemic: bool | None
) -> tuple[Judged, ...]:
    """Every rule that compares with this run.

    ``original`` is what went into the model that the run started from, ``None`` if it started from none. Where nothing is known
    of it the guidelines' own fallback counts, for a model of systemic risk only if that was declared.
    """
    judged = [
        Judged(rule, cumulative, compare(cumulative, rule.threshold)) for rule in (EU_INDICATIVE, EU_SYSTEMIC, SB53)
    ]
    if original is None:
        return tuple(judged)
    if original.high is None and not original.low:
        rule = EU_THIRD_OF_SYSTEMIC if original_systemic else EU_THIRD_OF_OTHER
        return (*judged, Judged(rule, own, compare(own, rule.threshold)))
    return (*judged, Judged(EU_THIRD, own, exceeds_third(modification=own, original=original)))


def ratio(part: Interval, whole: Interval) -> Interval:
    """``part / whole`` to six decimals, rounded outwards; a side that is not known stays so.

    >>> print(ratio(exactly(Decimal(1)), exactly(Decimal(3))))
    [0.333333, 0.333334]
    """
    low = high = None
    if part.low is not None and whole.high:
        low = Decimal(int(Fraction(part.low) / Fraction(whole.high) * 10**6)).scaleb(-6)
    if part.high is not None and whole.low:
        exact = Fraction(part.high) / Fraction(whole.low) * 10**6
        high = Decimal(-(-exact.numerator // exact.denominator)).scaleb(-6)
    return Interval(low, high)


__all__ = ["Judged", "Outcome", "Rule", "compare", "exactly", "exceeds_third", "judge", "ratio"]
