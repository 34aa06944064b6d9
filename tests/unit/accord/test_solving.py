"""The smallest sets of acts that make a condition come out as wanted, by its shape."""

from decimal import Decimal
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.accord.conditions import All, AnyOf, AtLeast, Compare, Not
from detente.accord.explaining.solving import PLANS_MAX, least, plans_for, together

A, B, C = (Compare(name, "at_least", Decimal(1), "") for name in "abc")
ATOMS = (A, B, C)


def truth(condition, done):
    """What the condition is once these acts are done: an atom is true where its act is among them."""
    match condition:
        case Not(part):
            return not truth(part, done)
        case All(parts):
            return all(truth(part, done) for part in parts)
        case AnyOf(parts):
            return any(truth(part, done) for part in parts)
        case AtLeast(count, parts):
            return sum(truth(part, done) for part in parts) >= count
    return condition.what in done


def act(atom, want):
    """Making an atom true is one act; nothing makes it false again."""
    return ((atom.what,),) if want else ()


def solved(condition, want=True, done=frozenset(), leaf=act):
    return plans_for(condition, want, lambda part, restricting: truth(part, done), leaf)


@pytest.mark.parametrize(
    ("condition", "plans"),
    [
        (A, {("a",)}),
        (All((A, B)), {("a", "b")}),
        (AnyOf((A, B)), {("a",), ("b",)}),
        (AtLeast(2, (A, B, C)), {("a", "b"), ("a", "c"), ("b", "c")}),
        (All((A, AnyOf((A, B)))), {("a",)}),
        (Not(A), {()}),
    ],
)
def test_the_shape_says_how_acts_combine(condition, plans):
    """All parts, or any, or so many of them; an act that serves two parts is done once."""
    assert set(solved(condition)) == plans


def test_what_is_so_already_needs_no_act_and_what_no_act_reaches_has_no_plan():
    """One empty plan is not the same as none."""
    assert solved(All((A, B)), done={"a", "b"}) == ((),)
    assert solved(All((A, B)), done={"a"}) == (("b",),)
    assert solved(Not(A), done={"a"}) == ()


@pytest.mark.parametrize(("condition", "needed"), [(All((A, B, C)), 1), (AnyOf((A, B, C)), 3), (AtLeast(2, ATOMS), 2)])
def test_to_make_a_whole_false_so_many_parts_must_be(condition, needed):
    """Of ``all`` one, of ``any`` all, of k of n all but k - 1."""
    plans = solved(condition, want=False, done={"a", "b", "c"}, leaf=lambda atom, want: ((f"not {atom.what}",),))
    assert {len(plan) for plan in plans} == {needed}


def test_a_negation_asks_for_the_other_outcome_and_the_other_side():
    """Who asks learns on which side of an uncertainty each part is to be taken."""
    asked = []

    def value(part, restricting):
        asked.append((part, restricting))
        return truth(part, {"a"})

    plans_for(Not(Not(A)), False, value, lambda atom, want: ())
    assert [restricting for _, restricting in asked] == [True, False, True]


def test_the_shortest_are_kept_and_no_more_than_a_reader_uses():
    """Each of 60 acts is a plan by itself; the first of them are kept."""
    assert len(least((str(number),) for number in range(60))) == PLANS_MAX
    assert least([("a", "b"), ("b",), ("b",)]) == (("b",),)
    assert together([(("a",), ("b",)), (("a",),)]) == (("a",),)


conditions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        st.tuples(st.integers(1, 2), st.lists(inner, min_size=2, max_size=3)).map(
            lambda made: AtLeast(made[0], tuple(made[1]))
        ),
    ),
    max_leaves=6,
)


@given(conditions)
def test_every_plan_is_enough_and_none_has_an_act_too_many(condition):
    """Without negation, the plans are exactly the minimal sets of acts, by trying every set."""
    names = [atom.what for atom in ATOMS]
    sets = [set(some) for some in chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))]
    enough = [some for some in sets if truth(condition, some)]
    minimal = [some for some in enough if not any(other < some for other in enough)]
    assert sorted(map(sorted, solved(condition))) == sorted(map(sorted, minimal))
