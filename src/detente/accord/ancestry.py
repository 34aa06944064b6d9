"""The lineage as it stood at an instant: depths and cumulative FLOP of each party, from the statements up to then.

Decides which versions, runs and approvals the graph of ``lineage`` has seen at an instant, and which versions a lift has
answered. Leaves the depths themselves to ``lineage``. Moves forward only; whoever needs the past makes another.
Normative text: ``spec/accord.md`` §7.4.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Literal

from detente.accord.conditions import kleene_all
from detente.accord.fold import AccordState
from detente.accord.holds import significant
from detente.accord.records import Item
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.quantity import Interval, exactly
from detente.lineage.depth import DepthInterval, Depths
from detente.lineage.graph import UNKNOWN, Graph, version_node
from detente.lineage.since import SinceApproval, greatest_since
from detente.statement.approval import Approval
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.screening import Screening
from detente.statement.version import Version

Quantity = Literal["ai_proposed_depth", "self_depth", "cumulative_flop"]
_ORDER = attrgetter("order")
_NOTHING = exactly(Decimal(0))
_HEARD = 2**61
"""The time of a version that was heard and is not witnessed yet: after everything."""


@dataclass(slots=True)
class _Best:
    """The greatest value over a party's versions so far, and which statement it rests on."""

    seen: int
    stamp: int
    value: Interval
    cited: tuple[Digest, ...]
    last: int


class Ancestry:
    """The graph at ``at``, with depths kept per cut."""

    def __init__(self, state: AccordState, *, heard_at: int | None) -> None:
        """An empty lineage; with ``heard_at``, versions not witnessed by that instant stand in it from the start.

        Then reviewers' refusals count that were only heard, too.
        """
        self.at = -1
        self._graph = Graph()
        self._stated: dict[Digest, list[Item]] = {}
        self._by_party: dict[Party, list[tuple[int, Item]]] = {}
        self._of_proposal: dict[Digest, list[Digest]] = {}
        self._depths: dict[int, Depths] = {}
        self._best: dict[tuple[Quantity, Party, int], _Best] = {}
        self._stamp = 0
        self._state = state
        self._taken_upto: int | None = None
        self._heard_at = -1 if heard_at is None else heard_at
        if heard_at is not None:
            for item, _ in state.upto(("version",), heard_at, heard=True):
                if item.time is None or item.time > heard_at:
                    self._add(item, _HEARD)

    def advance(self, state: AccordState, at: int) -> None:
        """Take in what counts up to ``at``: versions at their time, approvals at theirs and once settled.

        ``self.at`` becomes the last such instant, not ``at``: what comes in later between the two is still to be taken in.
        """
        if state is self._state and at == self._taken_upto:
            return  # Many decisions are asked of one instant.
        self._state, self._taken_upto = state, at
        first = self.at
        moments = {first}
        versions = _between(state.index.get(("version",), []), first, at)
        moments |= {item.time for item in versions if item.time is not None}
        judged: set[Digest] = set()
        for item in _between(state.index.get(("lineage",), []), first - max(state.settles), at):
            if isinstance(item.body, Approval) and item.time is not None:
                said = {item.time, *(item.time + settle_s for settle_s in state.settles)}
                fresh = {moment for moment in said if first < moment <= at}
                moments |= fresh
                if fresh:
                    judged.add(item.body.proposal)
            elif isinstance(item.body, Screening) and item.body.reveal is not None and first < (item.time or 0):
                moments.add(item.time or 0)
                judged.update(self._putting(item.body.reveal.change))
        self.at = max(moments)
        for item in versions:
            if item.time is not None:
                self._add(item, item.time)
        if judged:
            self._stamp += 1
        for proposal in sorted(judged):
            for version in self._of_proposal.get(proposal, ()):
                for depths in self._depths.values():
                    depths.forget(version)

    def greatest(self, quantity: Quantity, party: Party, cut: int) -> tuple[Interval, tuple[Digest, ...], int]:
        """The greatest value over the party's versions stated at or after ``cut``, its statement and its time."""
        if quantity == "cumulative_flop":
            return self._greatest_flop(party, cut)
        depths = self._at_cut(cut)
        versions = self._by_party.get(party, [])
        key = (quantity, party, cut)
        best = self._best.get(key)
        if best is None or best.stamp != self._stamp:
            best = self._best[key] = _Best(0, self._stamp, _NOTHING, (), 0)
        measure: Callable[[Digest], object] = (
            depths.ai_proposed_depth if quantity == "ai_proposed_depth" else depths.self_depth
        )
        for time, item in versions[best.seen :]:
            if time >= cut and isinstance(item.body, Version):
                depth = measure(item.body.version)
                low, high = Decimal(depth.low), None if depth.high is None else Decimal(depth.high)  # type: ignore[attr-defined]
                _raise(best, Interval(low, high), item, time)
        best.seen = len(versions)
        return best.value, best.cited, best.last

    def parties(self) -> list[Party]:
        """The parties that stated a version."""
        return sorted(self._by_party)

    def unapproved(self, party: Party, at: int) -> tuple[list[Item], DepthInterval, DepthInterval, SinceApproval]:
        """The party's version statements, both depths, and what was spent since the last significant approval.

        Depths are the greatest over its versions, whatever a lift answered: it asks what humans saw, not what was
        forgiven. Amounts are the greatest over versions that no later significant approval answers for.
        """
        items = [item for _, item in self._by_party.get(party, [])]
        versions = list(dict.fromkeys(item.body.version for item in items if isinstance(item.body, Version)))
        depths = self._at_cut(0)
        return (
            items,
            depths.greatest("ai_proposed", versions),
            depths.greatest("self", versions),
            greatest_since(self._graph, depths, self._not_answered_for(versions), now=exactly(Decimal(at))),
        )

    def depths_of(self, version: Digest) -> tuple[DepthInterval, DepthInterval]:
        """Both depths of one version, whatever a lift answered; the greatest, where nobody stated it."""
        depths = self._at_cut(0)
        return depths.ai_proposed_depth(version), depths.self_depth(version)

    def flop_of(self, version: Digest) -> Interval:
        """FLOP that went into one version and everything it came from."""
        return self._graph.cumulative_flop(version)

    def is_significant(self, version: Digest) -> bool | None:
        """Was the version approved by a human who really looked? None: not known."""
        return self._significant(version)

    def _not_answered_for(self, versions: list[Digest]) -> list[Digest]:
        """Those that did not become, by agreed parents, a version which was certainly approved. A human's word that a
        version is theirs is not enough here: anybody can state one on top.
        """
        answered: set[Digest] = set()
        waiting = [version for version in versions if self._significant(version) is True]
        while waiting:
            fresh = self._graph.claims(waiting.pop()).agreed_parents - answered
            answered |= fresh
            waiting.extend(fresh)
        return [version for version in versions if version not in answered]

    def flop_from(self, run: Run, own: Interval) -> Interval:
        """Cumulative FLOP of a run: its own and everything it starts from."""
        return self._graph.cumulative_flop_from(run.parents, own)

    def _putting(self, change: Digest) -> list[Digest]:
        """The proposals of versions that put this change."""
        made = ((proposal, self._state.get(proposal)) for proposal in self._of_proposal)
        return [
            proposal
            for proposal, item in made
            if item is not None and isinstance(item.body, Proposal) and item.body.change == change
        ]

    def _greatest_flop(self, party: Party, cut: int) -> tuple[Interval, tuple[Digest, ...], int]:
        best = _Best(0, 0, _NOTHING, (), 0)
        for time, item in self._by_party.get(party, []):
            if time >= cut and isinstance(item.body, Version):
                _raise(best, self._graph.cumulative_flop(item.body.version), item, time)
        return best.value, best.cited, best.last

    def _add(self, item: Item, time: int) -> None:
        body = item.body
        if not isinstance(body, Version):
            return
        version = body.version
        self._graph.add(version_node(body, time=UNKNOWN if time == _HEARD else exactly(Decimal(time))))
        self._stated.setdefault(version, []).append(item)
        self._by_party.setdefault(item.party, []).append((time, item))
        run = self._state.get(body.run) if body.run is not None else None
        proposal = body.proposal
        if run is not None and isinstance(run.body, Run):
            self._graph.add_run(version, run.body)
            proposal = proposal or run.body.proposal
        if proposal is not None:
            self._of_proposal.setdefault(proposal, []).append(version)
            stated = self._state.get(proposal)
            if stated is not None and isinstance(stated.body, Proposal):
                self._graph.add_proposal(version, stated.body)
        below = self._graph.descendants(version)
        next(below)
        if next(below, None) is not None:
            self._stamp += 1
        for cut, depths in self._depths.items():
            if time < cut:
                depths.answer((version,))

    def _at_cut(self, cut: int) -> Depths:
        depths = self._depths.get(cut)
        if depths is None:
            answered = frozenset(
                item.body.version
                for stated in self._by_party.values()
                for time, item in stated
                if time < cut and isinstance(item.body, Version)
            )
            depths = self._depths[cut] = Depths(self._graph, significant=self._significant, answered=answered)
        return depths

    def _significant(self, version: Digest) -> bool | None:
        # Whoever states a version may spoil its approval, never lend it one: the worst of all statements counts.
        at = max(self.at, self._heard_at, 0)
        terms = self._state.terms_at(at)
        heard = self._heard_at >= 0
        found = [significant(self._state, terms, item, at, heard=heard) for item in self._stated.get(version, ())]
        return kleene_all(found) if found else None


def _between(items: list[Item], after: int, upto: int) -> list[Item]:
    first = bisect_right(items, (after, 2, ""), key=_ORDER)
    return items[first : bisect_right(items, (upto, 2, ""), key=_ORDER)]


def _raise(best: _Best, value: Interval, item: Item, time: int) -> None:
    """Take the greater ends. What may exceed the best so far is what the answer rests on."""
    low = max(best.value.low or Decimal(0), value.low or Decimal(0))
    high = None if best.value.high is None or value.high is None else max(best.value.high, value.high)
    if (low, high) != (best.value.low, best.value.high) or (best.value.high is not None and value.high == high != 0):
        best.cited = (item.id,)
        best.last = max(best.last, time)
    best.value = Interval(low, high)
