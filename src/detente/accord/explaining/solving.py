"""Which smallest sets of acts would make a condition come out as wanted, by the shape of the condition.

Decides how alternatives of atoms combine: all parts, or any, or so many of them. Leaves the acts for one atom to whoever
asks, and whether the result is true to ``ways``.

>>> from decimal import Decimal
>>> from detente.accord.conditions import Compare
>>> both = All((Compare("a", "at_least", Decimal(1), ""), Compare("b", "at_least", Decimal(1), "")))
>>> [len(plan) for plan in plans_for(both, True, lambda part, restricting: False, lambda atom, want: ((str(atom),),))]
[2]
>>> len(plans_for(AnyOf(both.parts), True, lambda part, restricting: False, lambda atom, want: ((str(atom),),)))
2
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import TypeVar

from detente.accord.conditions import All, AnyOf, AtLeast, Atom, Condition, Not, Truth

PLANS_MAX = 48
"""Alternatives kept at each place of a tree, the shortest first: a reader uses few."""

A = TypeVar("A")
Value = Callable[[Condition, bool], Truth]
Leaf = Callable[[Atom, bool], tuple[tuple[A, ...], ...]]


def plans_for(
    condition: Condition, want: bool, value: Value, leaf: Leaf[A], *, restricting: bool = True
) -> tuple[tuple[A, ...], ...]:  # fmt: skip
    """Alternatives, each enough to make the condition ``want``; one empty plan where it is so already, none where no acts help."""
    if value(condition, restricting) is want:
        return ((),)
    if isinstance(condition, Not):
        return plans_for(condition.part, not want, value, leaf, restricting=not restricting)
    if isinstance(condition, All | AnyOf | AtLeast):
        parts = [plans_for(part, want, value, leaf, restricting=restricting) for part in condition.parts]
        needed = _needed(condition, want)
        return least(plan for some in combinations(parts, needed) for plan in together(some))
    return leaf(condition, want)


def _needed(condition: All | AnyOf | AtLeast, want: bool) -> int:
    """How many parts must come out as wanted for the whole to."""
    count = len(condition.parts)
    true = count if isinstance(condition, All) else 1 if isinstance(condition, AnyOf) else condition.count
    return true if want else count - true + 1


def together(parts: Sequence[tuple[tuple[A, ...], ...]]) -> tuple[tuple[A, ...], ...]:
    """One alternative of each part, in every combination; the same act is done once."""
    found: tuple[tuple[A, ...], ...] = ((),)
    for alternatives in parts:
        found = least((*plan, *(act for act in other if act not in plan)) for plan in found for other in alternatives)
    return found


def least(plans: Iterable[tuple[A, ...]]) -> tuple[tuple[A, ...], ...]:
    """The plans of which no other is a part, the shortest first, ``PLANS_MAX`` at most.

    >>> least([("a", "b"), ("a",), ("c",)])
    (('a',), ('c',))
    """
    kept: list[tuple[A, ...]] = []
    for plan in sorted(dict.fromkeys(plans), key=len):
        if len(kept) < PLANS_MAX and not any(all(act in plan for act in other) for other in kept):
            kept.append(plan)
    return tuple(kept)
