"""Sets of line numbers as sorted, disjoint ranges: a ledger may attest 268,860 lines in one of them.

>>> union([(5, 9), (1, 2), (3, 6)])
((1, 9),)
>>> count(intersection(((1, 10),), ((5, 20),))), subtract(((1, 10),), ((4, 5),))
(6, ((1, 3), (6, 10)))
"""

from __future__ import annotations

from collections.abc import Iterable

Lines = tuple[tuple[int, int], ...]
"""Ranges ``(first, last)``, both included, ascending, with a gap between neighbours."""


def union(ranges: Iterable[tuple[int, int]]) -> Lines:
    """Every line of any of ``ranges``, each once; they may overlap and come in any order."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def intersection(one: Lines, other: Lines) -> Lines:
    """The lines in both."""
    found = []
    here = there = 0
    while here < len(one) and there < len(other):
        first, last = max(one[here][0], other[there][0]), min(one[here][1], other[there][1])
        if first <= last:
            found.append((first, last))
        if one[here][1] < other[there][1]:
            here += 1
        else:
            there += 1
    return tuple(found)


def subtract(one: Lines, other: Lines) -> Lines:
    """The lines of ``one`` that are not in ``other``."""
    left: list[tuple[int, int]] = []
    there = 0
    for first, last in one:
        at = first
        while there < len(other) and other[there][1] < first:
            there += 1
        look = there
        while look < len(other) and other[look][0] <= last:
            if other[look][0] > at:
                left.append((at, other[look][0] - 1))
            at = max(at, other[look][1] + 1)
            look += 1
        if at <= last:
            left.append((at, last))
    return tuple(left)


def count(lines: Lines) -> int:
    """How many lines."""
    return sum(last - first + 1 for first, last in lines)
