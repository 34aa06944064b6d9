"""What was spent since a human last really looked: time, FLOP and changed lines, as intervals.

Decides, for one version, which versions lie between it and the last restart of the depths (a significant approval, a lift
that answered it, a human who made it), and adds up what went into them. Leaves out which approvals are significant
(``accord``, or whoever measures) and what follows from the numbers. ``spec/lineage.md`` §4; contracts §5.

1. Upper end: every version that may lie between, each once: all claimed parents, until a certain restart. Unknown as
   soon as history is missing (not stated, in a circle, no parent named) or one of the amounts is.
2. Lower end: only versions that every claim gives to a model, that certainly nobody approved, and that all claims
   agree on as ancestors.
3. Time runs from the last restart to the version, or to ``now`` where that is given: the upper end from the earliest
   that the oldest restart may have come to be, the lower end from the latest that the oldest sure version may have.

>>> from detente.base.quantity import exactly
>>> from detente.lineage.graph import Graph, VersionNode
>>> from detente.statement.change import ProposedBy
>>> a, b, c = (Digest(letter * 64) for letter in "abc")
>>> graph = Graph()
>>> def made(version, parents, by, second):
...     graph.add(VersionNode(version, frozenset(parents), ProposedBy(by), frozenset({"training"}), Decimal(5),
...                           time=exactly(Decimal(second)), changed_lines=10))
>>> made(a, [], "human", 0); made(b, [a], "model", 60); made(c, [b], "model", 90)
>>> since = since_approval(graph, Depths(graph, significant=lambda version: None), c)
>>> str(since.time_s), str(since.flop), str(since.changed_lines)
('[0, 90]', '[0, 10]', '[0, 20]')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from detente.base.digest import Digest
from detente.base.quantity import ZERO, Interval, add_exactly, exactly
from detente.lineage.depth import Depths
from detente.lineage.graph import FLOP_CEILING, UNKNOWN, Graph

_NONE: Final = exactly(ZERO)


@dataclass(frozen=True, slots=True)
class SinceApproval:
    """Seconds, FLOP and changed lines since the last significant approval."""

    time_s: Interval = _NONE
    flop: Interval = _NONE
    changed_lines: Interval = _NONE


def since_approval(graph: Graph, depths: Depths, version: Digest, *, now: Interval | None = None) -> SinceApproval:
    """What went into ``version`` since a human last really looked; ``now`` makes the time run on to that instant."""
    end = now or graph.claims(version).time
    if depths.restarts(version):
        return SinceApproval(time_s=_lapse(end, graph.claims(version).time) if now else _NONE)
    between, restarts, missing = _between(graph, depths, version)
    sure = _surely_between(graph, depths, version)
    time_high: Decimal | None = None
    if not missing:
        lapses = [_lapse(end, graph.claims(each).time).high for each in restarts]
        time_high = None if None in lapses else max((lapse for lapse in lapses if lapse is not None), default=ZERO)
    time_low = max((_lapse(end, graph.claims(each).time).low or ZERO for each in sure), default=ZERO)
    if time_high is not None:
        time_low = min(time_low, time_high)
    return SinceApproval(
        Interval(time_low, time_high),
        _total(between, sure, missing, lambda each: graph.claims(each).own_flop),
        _total(between, sure, missing, lambda each: graph.claims(each).changed_lines),
    )


def greatest_since(
    graph: Graph, depths: Depths, versions: Iterable[Digest], *, now: Interval | None = None
) -> SinceApproval:
    """The greatest of each quantity among ``versions``; asks only the ends of chains, which hold all before them."""
    asked = set(versions)
    open_ended = {version for version in asked if not depths.restarts(version)}
    sure = {version for version in asked if depths.surely_unapproved(version)}
    inner = {parent for version in open_ended for parent in graph.claims(version).parents}
    sure_inner = {parent for version in sure for parent in graph.claims(version).agreed_parents}
    ends = (open_ended - inner) | (sure - sure_inner) | set(sorted(_circular(graph, open_ended))[:1])
    if now is not None:
        ends |= asked - open_ended
    best = SinceApproval()
    for version in sorted(ends):
        since = since_approval(graph, depths, version, now=now)
        best = SinceApproval(
            _greater(best.time_s, since.time_s),
            _greater(best.flop, since.flop),
            _greater(best.changed_lines, since.changed_lines),
        )
    return best


def _between(graph: Graph, depths: Depths, version: Digest) -> tuple[set[Digest], set[Digest], bool]:
    """The versions that may lie between, the restarts behind them, and whether some of the history is missing."""
    between, restarts = {version}, set()
    missing = False
    waiting = [version]
    while waiting:
        claims = graph.claims(waiting.pop())
        missing = missing or not claims.stated or claims.parentless
        for parent in claims.parents:
            if depths.restarts(parent):
                restarts.add(parent)
            elif parent not in between:
                between.add(parent)
                waiting.append(parent)
    return between, restarts, missing or bool(_circular(graph, between))


def _circular(graph: Graph, versions: set[Digest]) -> set[Digest]:
    """Those of ``versions`` that lie on a circle of claimed parents, or come from one."""
    waits_for = {version: len(graph.claims(version).parents & versions) for version in versions}
    children: dict[Digest, list[Digest]] = {}
    for version in versions:
        for parent in graph.claims(version).parents & versions:
            children.setdefault(parent, []).append(version)
    free = [version for version, number in waits_for.items() if number == 0]
    while free:
        for child in children.get(free.pop(), ()):
            waits_for[child] -= 1
            if waits_for[child] == 0:
                free.append(child)
    return {version for version, number in waits_for.items() if number > 0}


def _surely_between(graph: Graph, depths: Depths, version: Digest) -> set[Digest]:
    if not depths.surely_unapproved(version):
        return set()
    found = {version}
    waiting = [version]
    while waiting:
        for parent in graph.claims(waiting.pop()).agreed_parents:
            if parent not in found and depths.surely_unapproved(parent):
                found.add(parent)
                waiting.append(parent)
    return found


def _total(between: set[Digest], sure: set[Digest], missing: bool, amount: Callable[[Digest], Interval]) -> Interval:
    low = add_exactly(amount(each).low or ZERO for each in sorted(sure))
    if missing:
        return Interval(low, None)
    highs = [amount(each).high for each in sorted(between)]
    if None in highs:
        return Interval(low, None)
    high = add_exactly(high for high in highs if high is not None)
    return Interval(low, None if high > FLOP_CEILING else high)


def _lapse(end: Interval, start: Interval) -> Interval:
    """From ``start`` to ``end``, never less than nothing: clocks of different machines disagree."""
    if UNKNOWN in {end, start}:
        return Interval(ZERO, None)
    low = ZERO if end.low is None or start.high is None else max(ZERO, end.low - start.high)
    high = None if end.high is None or start.low is None else max(ZERO, end.high - start.low)
    return Interval(low, high)


def _greater(first: Interval, second: Interval) -> Interval:
    high = None if first.high is None or second.high is None else max(first.high, second.high)
    return Interval(max(first.low or ZERO, second.low or ZERO), high)
