"""Published numbers, just below, at and just above: exact, and three-valued on intervals."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.app.measuring.published_rules import published_rules
from detente.base.quantity import Interval, exactly
from detente.measure.compute.rules import CUMULATIVE, QUANTITIES, compare, judge, quantities, ratio

RULES = {rule.name: rule for rule in published_rules()}
OUTCOMES = ["not exceeded", "not exceeded", "exceeded"]
UNKNOWN = Interval(Decimal(0), None)


def outcome(name, *, own=0, original=None, cumulative=0, systemic=None):
    """How one rule comes out, or None where it compares nothing of such a run."""
    found = judge(
        (RULES[name],),
        own=own if isinstance(own, Interval) else exactly(Decimal(own)),
        cumulative=cumulative if isinstance(cumulative, Interval) else exactly(Decimal(cumulative)),
        original=original if original is None or isinstance(original, Interval) else exactly(Decimal(original)),
        original_systemic=systemic,
    )
    return found[0].outcome if found else None


def test_the_rules_are_those_of_the_shipped_texts_with_clause_and_words():
    """Every quantity that a run gives is asked for by one, each names where it stands, and no number stands elsewhere."""
    assert {rule.quantity for rule in RULES.values()} == QUANTITIES
    assert all(rule.document and rule.clause and rule.says for rule in RULES.values())
    assert {name: rule.bound for name, rule in RULES.items() if rule.quantity == CUMULATIVE} == {
        "ca-sb53-frontier": Decimal("1e26"), "eu-gpai-indicative": Decimal("1e23"), "eu-gpai-systemic": Decimal("1e25"),
    }  # fmt: skip


@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.quantity == CUMULATIVE])
def test_below_at_and_above_a_round_threshold(name):
    """One operation decides: at the threshold it is not exceeded."""
    at = int(RULES[name].bound)
    assert [outcome(name, cumulative=at + step) for step in (-1, 0, 1)] == OUTCOMES


@pytest.mark.parametrize(
    ("name", "systemic", "whole"),
    [("eu-modifier-unknown-systemic", True, 10**25), ("eu-modifier-unknown", False, 10**23)],
)
def test_below_and_above_a_third_of_a_round_threshold(name, systemic, whole):
    """1e25/3 and 1e23/3 are no whole numbers: the one below is not above, the next is."""
    found = [outcome(name, own=whole // 3 + step, original=UNKNOWN, systemic=systemic) for step in (0, 1)]
    assert found == ["not exceeded", "exceeded"]


@given(st.integers(1, 10**30))
def test_below_at_and_above_a_third_of_the_original(third):
    """A third is exact for an original of any size."""
    assert [outcome("eu-modifier-share", own=third + step, original=3 * third) for step in (-1, 0, 1)] == OUTCOMES


def test_a_third_is_not_a_rounded_decimal():
    """0.33333333333333333 of 1e25 is below a third of it, and a modification between the two is not above a third."""
    between = Decimal("0.33333333333333333") * Decimal("1e25") + 1
    assert Fraction(between) < Fraction(10**25, 3)
    assert outcome("eu-modifier-share", own=between, original=Decimal("1e25")) == "not exceeded"


def test_an_interval_over_the_threshold_cannot_be_told():
    """Unknown is neither side."""
    for high in (Decimal("2e26"), None):
        assert outcome("ca-sb53-frontier", cumulative=Interval(Decimal("9e25"), high)) == "cannot be told"
    assert outcome("eu-modifier-share", own=1, original=Interval(Decimal(2), Decimal(4))) == "cannot be told"
    assert compare((None, None), Decimal(1)) == "cannot be told"


def test_a_run_from_nothing_is_compared_with_no_original():
    """The rules about modifications need a model that was modified."""
    asked = quantities(own=exactly(Decimal(1)), cumulative=exactly(Decimal(1)), original=None, original_systemic=None)
    assert set(asked) == {CUMULATIVE}


@pytest.mark.parametrize(("systemic", "asked"), [(True, "-systemic"), (False, ""), (None, "")])
def test_an_unknown_original_falls_back_to_the_guidelines_own_number(systemic, asked):
    """The higher number only where systemic risk was declared: what is not said does not loosen."""
    found = {
        name: outcome(name, own=Decimal("4e22"), original=UNKNOWN, systemic=systemic)
        for name in RULES if name.startswith("eu-modifier")
    }  # fmt: skip
    assert {name for name, each in found.items() if each is not None} == {f"eu-modifier-unknown{asked}"}
    assert found[f"eu-modifier-unknown{asked}"] == ("not exceeded" if systemic else "exceeded")


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(1, 10**12), st.integers(0, 10**12))
def test_a_ratio_is_rounded_outwards(low, more, whole, wider):
    """No true ratio lies outside the interval that is shown."""
    shown = ratio(Interval(Decimal(low), Decimal(low + more)), Interval(Decimal(whole), Decimal(whole + wider)))
    assert Fraction(shown.low) <= Fraction(low, whole + wider)
    assert Fraction(low + more, whole) <= Fraction(shown.high)
