"""Exact binomial bounds: against published values, and against what they promise."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.binomial import (
    exact_interval,
    least_trials,
    lower_bound,
    shows_at_least,
    shows_below,
    tail,
    upper_bound,
)

NINETY_FIVE = Decimal("0.95")


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 10, "0.0000", "0.3085"),
        (1, 10, "0.0025", "0.4451"),
        (5, 10, "0.1870", "0.8130"),
        (9, 10, "0.5549", "0.9975"),
        (10, 10, "0.6915", "1.0000"),
        (26, 26, "0.8677", "1.0000"),
        (0, 0, "0.0000", "1.0000"),
    ],
)
def test_intervals_are_those_of_clopper_and_pearson(successes, trials, low, high):
    """The usual tables at 95 %, ends rounded outwards."""
    assert exact_interval(successes, trials, NINETY_FIVE) == (Decimal(low), Decimal(high))


@given(st.integers(0, 14), st.integers(0, 100))
def test_the_interval_holds_the_true_share_as_often_as_it_says(trials, hundredths):
    """Exact coverage, summed over every outcome: at least 95 %, whatever the true share."""
    share = Fraction(hundredths, 100)
    covered = Fraction(0)
    for successes in range(trials + 1):
        low, high = exact_interval(successes, trials, NINETY_FIVE)
        if Fraction(low) <= share <= Fraction(high):
            covered += tail(successes, trials, share) - tail(successes + 1, trials, share)
    assert covered >= Fraction(95, 100)


@given(st.integers(1, 60), st.data())
def test_the_tail_is_the_sum_of_its_terms(trials, data):
    """Whichever side is summed."""
    least = data.draw(st.integers(0, trials))
    share = Fraction(data.draw(st.integers(0, 20)), 20)
    from math import comb

    terms = sum(comb(trials, i) * share**i * (1 - share) ** (trials - i) for i in range(least, trials + 1))
    assert tail(least, trials, share) == terms


@given(st.integers(1, 80), st.data())
def test_a_share_is_shown_exactly_up_to_the_lower_bound(trials, data):
    """``shows_at_least`` and ``lower_bound`` are one rule, and the upper bound is its mirror image."""
    successes = data.draw(st.integers(0, trials))
    low, high = (bound(successes, trials, NINETY_FIVE) for bound in (lower_bound, upper_bound))
    step = Decimal("0.0001")
    assert low == 0 or shows_at_least(successes, trials, low, NINETY_FIVE)
    assert not shows_at_least(successes, trials, low + step, NINETY_FIVE)
    assert high == 1 or shows_below(successes, trials, high, NINETY_FIVE)
    assert not shows_below(successes, trials, high - step, NINETY_FIVE)


@given(st.integers(0, 5), st.sampled_from(["0.5", "0.8", "0.9"]))
def test_the_fewest_trials_are_the_fewest(failures, share):
    """One fewer does not show it."""
    fewest = least_trials(failures, Decimal(share), NINETY_FIVE)
    assert shows_at_least(fewest - failures, fewest, Decimal(share), NINETY_FIVE)
    assert not shows_at_least(fewest - 1 - failures, fewest - 1, Decimal(share), NINETY_FIVE)


def test_what_no_number_shows_has_no_fewest():
    """A share of 1 is never shown; nothing is shown by nothing."""
    assert least_trials(0, Decimal(1), NINETY_FIVE) is None
    assert not shows_at_least(0, 0, Decimal(0), NINETY_FIVE)
    assert not shows_below(0, 0, Decimal(1), NINETY_FIVE)
