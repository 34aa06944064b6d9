"""Published numbers, just below, at and just above: exact, and three-valued on intervals."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.quantity import Interval, exactly
from detente.measure.compute.rules import (
    EU_INDICATIVE,
    EU_SYSTEMIC,
    EU_THIRD,
    EU_THIRD_OF_OTHER,
    EU_THIRD_OF_SYSTEMIC,
    SB53,
    compare,
    exceeds_third,
    judge,
    ratio,
)

OUTCOMES = ["not exceeded", "not exceeded", "exceeded"]


@pytest.mark.parametrize("rule", [EU_INDICATIVE, EU_SYSTEMIC, SB53], ids=lambda rule: rule.name)
def test_below_at_and_above_a_round_threshold(rule):
    """One operation decides: at the threshold it is not exceeded."""
    at = int(rule.threshold)
    assert [compare(exactly(Decimal(at + step)), rule.threshold) for step in (-1, 0, 1)] == OUTCOMES


@pytest.mark.parametrize("rule", [EU_THIRD_OF_SYSTEMIC, EU_THIRD_OF_OTHER], ids=lambda rule: rule.name)
def test_below_and_above_a_third_of_a_round_threshold(rule):
    """1e25/3 and 1e23/3 are no whole numbers: the one below is not above, the next is."""
    below = rule.threshold.numerator // rule.threshold.denominator
    assert 3 * below + 1 in {10**25, 10**23}
    assert [compare(exactly(Decimal(below + step)), rule.threshold) for step in (0, 1)] == ["not exceeded", "exceeded"]


@given(st.integers(1, 10**30))
def test_below_at_and_above_a_third_of_the_original(third):
    """A third is exact for an original of any size."""
    original = exactly(Decimal(3 * third))
    found = [exceeds_third(modification=exactly(Decimal(third + step)), original=original) for step in (-1, 0, 1)]
    assert found == OUTCOMES


def test_a_third_is_not_a_rounded_decimal():
    """0.33333333333333333 of 1e25 is below a third of it, and a modification between the two is not above a third."""
    between = Decimal("0.33333333333333333") * Decimal("1e25") + 1
    assert Fraction(between) < Fraction(10**25, 3)
    assert exceeds_third(modification=exactly(between), original=exactly(Decimal("1e25"))) == "not exceeded"


def test_an_interval_over_the_threshold_cannot_be_told():
    """Unknown is neither side."""
    assert compare(Interval(Decimal("9e25"), Decimal("2e26")), SB53.threshold) == "cannot be told"
    assert compare(Interval(Decimal("9e25"), None), SB53.threshold) == "cannot be told"
    assert (
        exceeds_third(modification=exactly(Decimal(1)), original=Interval(Decimal(2), Decimal(4))) == "cannot be told"
    )


def test_a_run_from_nothing_is_compared_with_no_original():
    """The rule about modifications needs a model that was modified."""
    judged = judge(own=exactly(Decimal(1)), cumulative=exactly(Decimal(1)), original=None, original_systemic=None)
    assert [each.rule.name for each in judged] == [EU_INDICATIVE.name, EU_SYSTEMIC.name, SB53.name]


@pytest.mark.parametrize(
    ("systemic", "rule"), [(True, EU_THIRD_OF_SYSTEMIC), (False, EU_THIRD_OF_OTHER), (None, EU_THIRD_OF_OTHER)]
)
def test_an_unknown_original_falls_back_to_the_guidelines_own_number(systemic, rule):
    """The higher number only where systemic risk was declared: what is not said does not loosen."""
    unknown = Interval(Decimal(0), None)
    judged = judge(own=exactly(Decimal("4e22")), cumulative=unknown, original=unknown, original_systemic=systemic)
    assert judged[-1].rule is rule
    assert judged[-1].outcome == ("not exceeded" if systemic else "exceeded")


def test_a_known_original_is_compared_by_a_third():
    """With compute known on both sides the fraction decides."""
    own, original = exactly(Decimal(4)), exactly(Decimal(9))
    judged = judge(own=own, cumulative=exactly(Decimal(13)), original=original, original_systemic=None)
    assert (judged[-1].rule, judged[-1].outcome) == (EU_THIRD, "exceeded")


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(1, 10**12), st.integers(0, 10**12))
def test_a_ratio_is_rounded_outwards(low, more, whole, wider):
    """No true ratio lies outside the interval that is shown."""
    shown = ratio(Interval(Decimal(low), Decimal(low + more)), Interval(Decimal(whole), Decimal(whole + wider)))
    assert Fraction(shown.low) <= Fraction(low, whole + wider)
    assert Fraction(low + more, whole) <= Fraction(shown.high)
