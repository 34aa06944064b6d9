"""Every state that can be reached, and the shortest way to each.

Decides nothing about accords: states are hashable values, ``moves`` gives what can follow. Breadth first, so that the
trace to a state is as short as any.

>>> graph = explore(0, lambda n: [("add one", n + 1)] if n < 3 else [], most=10)
>>> len(graph.reached), graph.trace(2), graph.complete
(4, ('add one', 'add one'), True)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
Moves = Callable[[S], Iterable[tuple[str, S]]]


@dataclass(frozen=True, slots=True)
class Graph(Generic[S]):
    """``reached`` maps each state to the move and the state before it; ``complete`` is false where the bound cut it off."""

    reached: dict[S, tuple[str, S] | None]
    complete: bool

    def trace(self, state: S) -> tuple[str, ...]:
        """The moves from the first state to this one."""
        steps = []
        while (before := self.reached[state]) is not None:
            steps.append(before[0])
            state = before[1]
        return tuple(reversed(steps))


def explore(first: S, moves: Moves[S], *, most: int) -> Graph[S]:
    """All states from ``first``, at most ``most`` of them."""
    reached: dict[S, tuple[str, S] | None] = {first: None}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        for label, after in moves(state):
            if after not in reached:
                if len(reached) >= most:
                    return Graph(reached, complete=False)
                reached[after] = (label, state)
                waiting.append(after)
    return Graph(reached, complete=True)


def can_reach(states: Collection[S], moves: Moves[S], goal: Callable[[S], bool]) -> set[S]:
    """Those of ``states`` from which ``goal`` can be reached by moves within ``states``."""
    before: dict[S, list[S]] = {}
    good = {state for state in states if goal(state)}
    for state in states:
        for _, after in moves(state):
            before.setdefault(after, []).append(state)
    waiting = list(good)
    while waiting:
        for state in before.get(waiting.pop(), ()):
            if state not in good:
                good.add(state)
                waiting.append(state)
    return good
