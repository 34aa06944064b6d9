"""Where each version stands in a picture of a lineage: generations across, branches down, long and wide parts drawn as one.

Decides which parent a version hangs from, what is drawn as one mark, and rows. Leaves out colours and shapes
(``tree_picture``).

1. Across: the number of changes from the first version of the record, along the parents drawn.
2. The way to the best version is a straight line; other branches lie below, each as high as there is room.
3. Leaves of one parent that are no part of what matters are one mark when there are many; so is a long row of versions
   with one child each; so, in pictures with too many rows, is a small branch. What matters is never drawn away: the way
   to the best, the chain of the depth, approvals, first versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from detente.base.digest import Digest
from detente.measure.loops.weaving import Woven

ROWS_MAX: Final = 140
"""Rows of a picture that a person still reads; about 3,000 pixels."""
FEW: Final = 100
"""So many versions are all drawn."""
LEAVES_MIN: Final = 3
RUN_MIN: Final = 4

SpotKind = Literal["version", "leaves", "run", "branch"]


@dataclass(frozen=True, slots=True)
class Spot:
    """One mark: a version, or several drawn as one. ``across`` to ``until`` are generations, ``row`` counts from 0."""

    kind: SpotKind
    digests: tuple[Digest, ...]
    across: int
    until: int
    row: int
    above: int | None  # index of the mark that it hangs from


@dataclass(frozen=True, slots=True)
class Layout:
    """All marks, parents first, and how far they reach. ``spot_of`` finds the mark of a version."""

    spots: tuple[Spot, ...]
    spot_of: Mapping[Digest, int]
    generations: int
    rows: int
    way: tuple[Digest, ...]


@dataclass(slots=True)
class _Branch:
    kind: SpotKind
    digests: list[Digest]
    level: int
    until: int
    children: list[_Branch] = field(default_factory=list)
    index: int = -1
    row: int = 0


def lay_out(woven: Woven, *, best: Digest | None, chain: Sequence[Digest], approved: frozenset[Digest]) -> Layout:
    """Place every version of a graph."""
    above = _drawn_parents(woven, frozenset(chain))
    children: dict[Digest, list[Digest]] = {digest: [] for digest in woven.versions}
    level: dict[Digest, int] = {}
    for digest in woven.order:
        parent = above[digest]
        level[digest] = 0 if parent is None else level[parent] + 1
        if parent is not None:
            children[parent].append(digest)
    way: list[Digest] = []
    at = best
    while at is not None:
        way.append(at)
        at = above[at]
    way.reverse()
    size: dict[Digest, int] = {}
    for digest in reversed(woven.order):
        size[digest] = 1 + sum(size[child] for child in children[digest])
    roots = [digest for digest in woven.order if above[digest] is None]
    matters = {*way, *chain, *approved, *roots}
    on_way = set(way)
    for found in children.values():
        found.sort(key=lambda child: (child not in on_way, child not in matters, -size[child]))
    holds = {digest for digest in matters if digest in level}
    for digest in reversed(woven.order):
        if any(child in holds for child in children[digest]):
            holds.add(digest)
    smallest = 0
    while True:
        shape = _Shape(children, level, size, holds, matters, smallest, all_drawn=len(woven.versions) <= FEW)
        branches = [shape.branch(root) for root in roots]
        spots, rows = _placed(branches)
        if rows <= ROWS_MAX or smallest > len(woven.versions):
            break
        smallest = max(4, smallest * 2)
    spot_of = {digest: index for index, spot in enumerate(spots) for digest in spot.digests}
    return Layout(tuple(spots), spot_of, max(level.values(), default=0), rows, tuple(way))


def _drawn_parents(woven: Woven, chain: frozenset[Digest]) -> dict[Digest, Digest | None]:
    """The parent that each version hangs from: of the chain where both are in it, else recorded, else possible."""
    above: dict[Digest, Digest | None] = {}
    for digest in woven.order:  # parents first; what lies on a circle hangs from nothing that is not placed yet
        placed = [parent for parent in woven.parents[digest] if parent in above]
        agreed = woven.graph.claims(digest).agreed_parents
        placed.sort(key=lambda parent: (not (digest in chain and parent in chain), parent not in agreed, parent))
        above[digest] = placed[0] if placed else None
    return above


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is drawn as one."""

    children: Mapping[Digest, Sequence[Digest]]
    level: Mapping[Digest, int]
    size: Mapping[Digest, int]
    holds: set[Digest]
    matters: set[Digest]
    smallest: int
    all_drawn: bool

    def branch(self, root: Digest) -> _Branch:
        """Everything below a first version; without recursion, since chains are long."""
        top = self._mark(root)
        waiting = [top]
        while waiting:
            mark = waiting.pop()
            below = self.children[mark.digests[-1]]
            leaves = (
                []
                if self.all_drawn
                else [each for each in below if not self.children[each] and each not in self.matters]
            )
            if len(leaves) < LEAVES_MIN:
                leaves = []
            small = [
                each
                for each in below
                if each not in leaves and each not in self.holds and self.size[each] <= self.smallest
            ]
            for child in below:
                if child not in leaves and child not in small:
                    mark.children.append(self._mark(child))
            waiting.extend(mark.children)
            for kind, found in (("branch", small), ("leaves", leaves)):
                if found:
                    mark.children.append(self._together(kind, found))  # type: ignore[arg-type]
        return top

    def _mark(self, digest: Digest) -> _Branch:
        """A version, or the row of versions with one child each that begins with it."""
        run = [digest]
        while not self.all_drawn and run[-1] not in self.matters and len(self.children[run[-1]]) == 1:
            [child] = self.children[run[-1]]
            if child in self.matters:
                break
            run.append(child)
        if len(run) < RUN_MIN:
            run = [digest]
        first, last = self.level[run[0]], self.level[run[-1]]
        return _Branch("version" if len(run) == 1 else "run", run, first, last)

    def _together(self, kind: SpotKind, found: Sequence[Digest]) -> _Branch:
        everything: list[Digest] = []
        waiting = list(found)
        while waiting:
            everything.append(waiting.pop())
            waiting.extend(self.children[everything[-1]])
        first = self.level[found[0]]
        return _Branch(kind, everything, first, first)


def _placed(branches: Sequence[_Branch]) -> tuple[list[Spot], int]:
    """Rows: a straight line for each first child, everything else as high as there is room below its parent."""
    spots: list[Spot] = []
    free: dict[int, int] = {}
    waiting: list[tuple[_Branch, int | None, int]] = [(branch, None, 0) for branch in reversed(branches)]
    rows = 0
    while waiting:
        start, above, least = waiting.pop()
        line = [start]
        while line[-1].children:
            line.append(line[-1].children[0])
        levels = range(line[0].level, line[-1].until + 1)
        row = max(least, *(free.get(level, 0) for level in levels), 0)
        rows = max(rows, row + 1)
        for level in levels:
            free[level] = row + 1
        for mark in line:
            mark.row, mark.index = row, len(spots)
            spots.append(Spot(mark.kind, tuple(mark.digests), mark.level, mark.until, row, above))
            above = mark.index
        for mark in line:  # the last pushed, furthest to the right, is placed first and so lies nearest
            waiting.extend((child, mark.index, row + 1) for child in reversed(mark.children[1:]))
    return spots, rows
