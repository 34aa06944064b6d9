"""Evaluating a function over a graph that claims to have no cycles, without believing it.

Claimed parents may form a cycle. ``solve`` walks depth first without recursion, hands out values in dependency
order, and gives every member of a cycle the value that the caller chose for contradictions.

Source: R. Tarjan, Depth-first search and linear graph algorithms (1972), strongly connected components.

>>> parents = {"c": ["b"], "b": ["a"], "a": [], "x": ["y"], "y": ["x"]}
>>> memo: dict[str, int] = {}
>>> solve("c", parents.__getitem__, memo, lambda v: 1 + sum(memo[p] for p in parents[v]), lambda v: -1)
3
>>> solve("x", parents.__getitem__, memo, lambda v: 0, lambda v: -1)
-1
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def solve(
    start: K,
    needs: Callable[[K], Iterable[K]],
    memo: dict[K, V],
    value: Callable[[K], V],
    contradicted: Callable[[K], V],
) -> V:
    """The value of ``start``, and with it of everything it needs, left in ``memo``.

    ``value(k)`` is called once every ``memo[need]`` stands; ``contradicted(k)`` for a member of a cycle instead.
    Linear in the part of the graph that ``memo`` does not hold yet.
    """
    if start in memo:
        return memo[start]
    number: dict[K, int] = {start: 0}
    lowest: dict[K, int] = {start: 0}
    open_nodes: list[K] = [start]
    loops: set[K] = set()
    walk: list[tuple[K, Iterator[K]]] = [(start, iter(needs(start)))]
    while walk:
        node, rest = walk[-1]
        for need in rest:
            if need in memo:
                continue
            if need == node:
                loops.add(node)
            elif need not in number:
                number[need] = lowest[need] = len(number)
                open_nodes.append(need)
                walk.append((need, iter(needs(need))))
                break
            else:
                lowest[node] = min(lowest[node], number[need])
        else:
            walk.pop()
            if walk:
                above = walk[-1][0]
                lowest[above] = min(lowest[above], lowest[node])
            if lowest[node] == number[node]:
                component = [open_nodes.pop()]
                while component[-1] != node:
                    component.append(open_nodes.pop())
                cyclic = len(component) > 1 or node in loops
                for member in component:
                    memo[member] = contradicted(member) if cyclic else value(member)
    return memo[start]
