"""Every comparison of the terms language one below, at and one above its bound, at any size, exactly."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detente.accord.conditions import Compare
from detente.base.quantity import Interval, exactly
from tests.accord_play import Play

ANSWERS = {
    "at_least": (False, True, True),
    "more_than": (False, False, True),
    "at_most": (True, True, False),
    "less_than": (True, False, False),
}


@example(bound=10**25)
@example(bound=10**400)
@given(bound=st.integers(1, 10**60))
@pytest.mark.parametrize("how", ANSWERS)
def test_a_comparison_is_exact_beside_its_bound(how: str, bound: int):
    """One below, equal, one above: also where a float would call all three equal."""
    asked = Compare("spread", how, Decimal(bound), "x")  # type: ignore[arg-type]
    beside = [exactly(Decimal(bound + step)) for step in (-1, 0, 1)]
    assert tuple(asked.of(value) for value in beside) == ANSWERS[how]


@pytest.mark.parametrize("how", ANSWERS)
def test_one_number_spelled_twice_is_one_bound(how: str):
    """1e25 and 10000000000000000000000000 answer alike, and 1e25 + 1 is another number."""
    short, long = Decimal("1e25"), Decimal(10000000000000000000000000)
    for value in (short, long, long + 1, long - 1):
        answers = {Compare("spread", how, bound, "x").of(exactly(value)) for bound in (short, long)}  # type: ignore[arg-type]
        assert len(answers) == 1
    assert Compare("spread", "more_than", short, "x").of(exactly(long + 1)) is True


@given(bound=st.integers(2, 10**40), below=st.integers(1, 10), above=st.integers(1, 10))
@pytest.mark.parametrize("how", ANSWERS)
def test_an_interval_across_its_bound_is_unknown(how: str, bound: int, below: int, above: int):
    """What may be on either side is neither true nor false; an end that is absent may be anywhere."""
    asked = Compare("spread", how, Decimal(bound), "x")  # type: ignore[arg-type]
    assert asked.of(Interval(Decimal(bound - below), Decimal(bound + above))) is None
    assert asked.of(Interval(None, None)) is None


def test_the_suppliers_of_an_indicator_are_those_who_may_supply_it():
    """The kept list gives whom the rule gives, of the world and of every party, asked twice."""
    terms = Play().begin().evidence.founding
    for _ in range(2):
        for indicator in terms.indicators.values():
            for subject in (None, *terms.parties):
                expected = {party for party in terms.parties if terms.supplies(party, indicator, subject)}
                found = terms.suppliers(indicator, subject)
                assert set(found) == expected
                assert len(found) == len(expected)
