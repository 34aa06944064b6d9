"""Two conditions are told apart step by step, each with whether the new one is easier to be true."""

from decimal import Decimal

import pytest

from detente.accord.condition_difference import compare_conditions
from detente.accord.conditions import (
    AccededCount,
    AccededCountries,
    AccededParties,
    AccededShare,
    All,
    AnyOf,
    AtLeast,
    Compare,
    Not,
    OpenFinding,
    Touches,
    Votes,
)


def flop(bound, how="at_least"):
    return Compare("run.cumulative_flop", how, Decimal(bound), "FLOP")


def days(bound):
    return Compare("doubling_days", "at_most", Decimal(bound), "d")


ONE = OpenFinding(("auditor",), 1)
CASES = [
    (flop("1e24"), flop("1e25"), ["raises the bound of run.cumulative_flop from 1e24 to 1e25 FLOP"], [False]),
    (days(60), days(90), ["raises the bound of doubling_days from 60 to 90 d"], [True]),
    (flop("1e24", "more_than"), flop("1e24"), ["now counts run.cumulative_flop at exactly the bound"], [True]),
    (flop("1e24"), flop("1e24", "more_than"), ["no longer counts run.cumulative_flop at exactly the bound"], [False]),
    (Votes(("auditor",), 2), Votes(("auditor",), 1), ["lowers the votes asked for from 2 to 1"], [True]),
    (Votes(("auditor",), 1), Votes(("auditor", "authority"), 1), ["also counts votes of authority"], [True]),
    (OpenFinding(("auditor", "authority"), 1), ONE, ["no longer counts findings by authority"], [False]),
    (Touches(("training",)), Touches(("architecture",)),
     ["no longer counts changes of training", "also counts changes of architecture"], [False, True]),
    (AccededCount("developer", 2), AccededCount("developer", 3),
     ["raises the number of developer that must accede from 2 to 3"], [False]),
    (AccededCountries(3), AccededCountries(2), ["lowers the number of countries that must accede from 3 to 2"], [True]),
    (AccededShare(Decimal("0.8")), AccededShare(Decimal("0.7")),
     ["lowers the share of registered compute that must accede from 80 % to 70 %"], [True]),
    (AccededParties(("dev-a", "dev-b")), AccededParties(("dev-a", "dev-c")),
     ["no longer asks for dev-b to accede", "also asks for dev-c to accede"], [True, False]),
]  # fmt: skip


def texts(steps):
    return [step.text for step in steps]


def eases(steps):
    return [step.easier for step in steps]


@pytest.mark.parametrize(("old", "new", "told", "easier"), CASES, ids=[case[2][0] for case in CASES])
def test_an_atom_is_told_by_its_numbers(old, new, told, easier):
    """And the same tree by nothing."""
    steps = compare_conditions(old, new)
    assert (texts(steps), eases(steps)) == (told, easier)
    assert compare_conditions(old, old) == []


@pytest.mark.parametrize(("old", "new", "told", "easier"), CASES, ids=[case[2][0] for case in CASES])
def test_a_negation_turns_every_ease_round(old, new, told, easier):
    """What is easier to be true is harder to be false."""
    steps = compare_conditions(Not(old), Not(new))
    assert (texts(steps), eases(steps)) == (told, [not each for each in easier])


@pytest.mark.parametrize(("whole", "added", "dropped"), [(All, False, True), (AnyOf, True, False)])
def test_parts_of_a_whole_are_added_and_dropped(whole, added, dropped):
    """One more part makes ``all`` harder and ``any`` easier; and the other way round for one less."""
    one, both = whole((ONE,)), whole((ONE, days(60)))
    assert eases(compare_conditions(one, both)) == [added]
    assert eases(compare_conditions(both, one)) == [dropped]


def test_parts_are_paired_by_what_they_are_about():
    """The order of parts is nothing; a bound that moved is no part dropped and another added."""
    steps = compare_conditions(All((flop("1e24"), ONE)), All((ONE, flop("1e25"))))
    assert texts(steps) == ["raises the bound of run.cumulative_flop from 1e24 to 1e25 FLOP"]


def test_how_many_parts_must_hold_is_a_step_of_its_own():
    """Fewer are easier."""
    steps = compare_conditions(AtLeast(2, (ONE, days(60))), AtLeast(1, (ONE, days(60))))
    assert (texts(steps), eases(steps)) == (["changes the parts that must hold from 2 to 1"], [True])


@pytest.mark.parametrize("new", [Not(ONE), days(60), All((ONE, days(60)))])
def test_what_cannot_be_paired_is_told_whole_and_its_ease_is_not_known(new):
    """Another kind of condition stands in its place."""
    steps = compare_conditions(ONE, new)
    assert texts(steps) == [f"replaces “{ONE.spelled()}” by “{new.spelled()}”"]
    assert eases(steps) == [None]


def test_a_bound_that_turned_round_is_another_condition():
    """At least and at most of one thing have no ease between them."""
    other = Compare("doubling_days", "at_least", Decimal(60), "d")
    assert eases(compare_conditions(days(60), other)) == [None]
