"""One graph of the versions of all loops: ids become digests, records become claims.

Decides which claims the graph of ``lineage`` hears, and in what order; finds parents that nobody recorded and circles.
Leaves out what follows (``measuring``). Several records of one run, or runs that share versions, make one graph: a commit
or program is the same wherever it is told, and what is told of it is merged as everywhere in ``lineage``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.lineage.graph import Graph, VersionNode
from detente.measure.loops.record import VERSIONS_MAX, Loop, LoopVersion, version_digest
from detente.statement.change import ProposedBy

ID_MAX: Final = 512
_DIGEST: Final = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Woven:
    """Everything together. ``order`` has parents first as far as there is such an order; ``roots`` begin a record.

    ``parents`` are all that may be, ``missing`` those of them that nobody recorded, ``circles`` versions on a circle.
    """

    graph: Graph
    loops: tuple[Loop, ...]
    versions: Mapping[Digest, LoopVersion]
    loop_of: Mapping[Digest, Loop]
    order: tuple[Digest, ...]
    parents: Mapping[Digest, tuple[Digest, ...]]
    roots: frozenset[Digest]
    missing: Mapping[Digest, str]
    circles: frozenset[Digest]
    told_twice: int = 0
    _ids: Mapping[tuple[int, str], Digest] = field(default_factory=dict)  # by the loop's identity and its own id

    def digest_of(self, loop: Loop, version: str) -> Digest | None:
        """The digest of one of the loop's own ids."""
        return self._ids.get((id(loop), version))

    def named(self) -> list[tuple[str, Digest]]:
        """Every version's id and digest."""
        return [(version.id, digest) for digest, version in self.versions.items()]


def weave(loops: Sequence[Loop]) -> Woven:
    """Make one graph; raises ``Refused`` I02 (too many versions), I04 (an id that is none)."""
    if (count := sum(len(loop.versions) for loop in loops)) > VERSIONS_MAX:
        raise Refused("I02", "oversized", got=f"{count} versions", expected=f"at most {VERSIONS_MAX}")
    ids: dict[tuple[int, str], Digest] = {}
    for number, loop in enumerate(loops):
        for version in loop.versions:
            if not 0 < len(version.id) <= ID_MAX:
                raise Refused("I04", "wrong-type", got=f"an id {shown(version.id)}", expected="1 to 512 characters")
            ids.setdefault((number, version.id), own_digest(loop, version))
    claims: dict[Digest, list[VersionNode]] = {}
    versions: dict[Digest, LoopVersion] = {}
    loop_of: dict[Digest, Loop] = {}
    names: dict[Digest, str] = {}
    twice = 0
    for number, loop in enumerate(loops):
        for version in loop.versions:
            node = _node(number, loop, version, ids, names)
            told = claims.setdefault(node.version, [])
            twice += bool(told)
            told.append(node)
            versions.setdefault(node.version, version)
            loop_of.setdefault(node.version, loop)
    parents = {
        digest: tuple(sorted(frozenset().union(*(node.parents | node.perhaps for node in told))))
        for digest, told in claims.items()
    }
    order, circles = _ordered(parents)
    graph = Graph()
    for digest in order:
        for node in claims[digest]:
            graph.add(node)
    return Woven(
        graph,
        tuple(loops),
        versions,
        loop_of,
        order,
        parents,
        frozenset(digest for digest, above in parents.items() if not above),
        {digest: names[digest] for above in parents.values() for digest in above if digest not in claims},
        circles,
        twice,
        {(id(loops[number]), version): digest for (number, version), digest in ids.items()},
    )


def own_digest(loop: Loop, version: LoopVersion) -> Digest:
    """The digest of a version: its own where it has one, else from kind, scope and id."""
    return version.digest or version_digest(loop.kind, version.scope, version.id)


def _node(
    number: int,
    loop: Loop,
    version: LoopVersion,
    ids: Mapping[tuple[int, str], Digest],
    names: dict[Digest, str],
) -> VersionNode:
    def digest(named: str) -> Digest:
        own = Digest(named) if version.digest is not None and _DIGEST.match(named) else None
        found = ids.get((number, named)) or own or version_digest(loop.kind, version.scope, named)
        names.setdefault(found, named)
        return found

    model = None if version.proposer != "model" or version.proposed_by is None else digest(version.proposed_by)
    return VersionNode(
        own_digest(loop, version),
        frozenset(map(digest, version.parents)),
        ProposedBy(version.proposer, model),
        version.touches,
        version.own_flop,
        perhaps=frozenset(map(digest, version.perhaps)),
        steps=version.steps,
        time=version.time,
        changed_lines=version.changed_lines,
    )


def _ordered(parents: Mapping[Digest, Iterable[Digest]]) -> tuple[tuple[Digest, ...], frozenset[Digest]]:
    """Parents first; what lies on a circle, or comes from one, last. The second value is what truly lies on a circle."""
    waits_for = {digest: {each for each in above if each in parents} for digest, above in parents.items()}
    children: dict[Digest, list[Digest]] = {}
    for digest, above in waits_for.items():
        for parent in above:
            children.setdefault(parent, []).append(digest)
    counts = {digest: len(above) for digest, above in waits_for.items()}
    ready = [digest for digest in parents if counts[digest] == 0]
    order: list[Digest] = []
    for digest in ready:  # grows while it is read
        order.append(digest)
        for child in children.get(digest, ()):
            counts[child] -= 1
            if counts[child] == 0:
                ready.append(child)
    placed = set(order)
    left = {digest for digest in parents if digest not in placed}
    circles = set(left)
    while True:  # peel off what only comes from a circle: nothing left in it comes from them
        outside = {digest for digest in circles if not any(child in circles for child in children.get(digest, ()))}
        if not outside:
            return (*order, *sorted(left)), frozenset(circles)
        circles -= outside
