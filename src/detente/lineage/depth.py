"""The two depths: how many versions in a row a model proposed without a human who really looked.

*AI-proposed depth* of a version: the longest chain of successive versions, ending in it, each proposed by any model,
changing training, architecture or evaluation, with no significant human approval between. *Self depth*: the same with
every proposer an ancestor of, or the same as, what it changed. Source: contracts §5.

Both are intervals. The lower end counts what every claim agrees on and nobody approved for certain. The upper end
counts whatever may be such a change (``spec/lineage.md`` §3):

1. A version approved significantly, or answered by a lift, has depth 0 and starts the count again.
2. A version that every claim says a human proposed has depth 0.
3. An undeclared proposer counts as a model; a version that declares nothing it touches may have touched everything.
4. A version that touches only data or configuration, and for self depth one that a model of demonstrably other
   descent proposed, adds nothing but ends no chain: otherwise such a version between each two would hide them.
5. Where history is missing (a parent that nobody stated, a cycle, a model-proposed version without parents), the upper
   end is unknown, and unknown holds.
6. A version that may hold several changes (a squashed history) adds as many as it may hold; unknown if nobody can say.

What cannot be seen here: a chain of versions none of which was ever stated. Verification looks for those.

>>> from decimal import Decimal
>>> from detente.statement.change import ProposedBy
>>> from detente.lineage.graph import VersionNode
>>> a, b, c = (Digest(letter * 64) for letter in "abc")
>>> graph = Graph()
>>> graph.add(VersionNode(a, frozenset(), ProposedBy("human"), frozenset({"training"}), Decimal(1)))
>>> graph.add(VersionNode(b, frozenset({a}), ProposedBy("model", a), frozenset({"training"}), Decimal(1)))
>>> graph.add(VersionNode(c, frozenset({b}), ProposedBy("undeclared"), frozenset({"training"}), Decimal(1)))
>>> depth = ai_proposed_depth(graph, c, significant=lambda version: False)
>>> depth.low, depth.high, depth.chain == (b, c)
(0, 2, True)
>>> str(self_depth(graph, b, significant=lambda version: None))
'[0, 1]'
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from detente.base.digest import Digest
from detente.lineage.graph import Claims, Graph, may_be_model, model_of
from detente.lineage.order import solve
from detente.statement.change import Touch

COUNTED: Final[frozenset[Touch]] = frozenset({"training", "architecture", "evaluation"})
"""What a change must touch to count (contracts §5)."""
CHAIN_MAX: Final = 1_000
"""Most versions that an answer quotes; the numbers themselves are exact."""

Significance = Callable[[Digest], bool | None]
"""Was the version approved by a human who really looked? ``None``: not known."""
Measure = Literal["ai_proposed", "self"]


@dataclass(frozen=True, slots=True)
class DepthInterval:
    """At least ``low``; at most ``high``, or unbounded for all that is known if ``None``.

    ``chain`` is the longest chain of the upper end, oldest first, as far as it can be named.
    """

    low: int
    high: int | None
    chain: tuple[Digest, ...]

    def at_least(self, bound: int) -> bool | None:
        """Is the depth at least ``bound``: yes, no, or unknown."""
        if self.low >= bound:
            return True
        return False if self.high is not None and self.high < bound else None

    def __str__(self) -> str:
        high = "?" if self.high is None else str(self.high)
        return high if str(self.low) == high else f"[{self.low}, {high}]"


class _Depth(NamedTuple):
    low: int
    high: int | None
    counted: bool  # in the upper end
    above: Digest | None  # the parent through which the upper end is reached
    named: int = 0  # versions of the upper end that can be named


_RESTART: Final = _Depth(0, 0, counted=False, above=None)


class Depths:
    """Both depths of every version of a growing graph; a new leaf costs no more than its parents.

    ``significant`` may change its mind about a version: say so with ``forget``.
    """

    __slots__ = ("_answered", "_graph", "_memo", "_reach", "_read", "_significant")

    def __init__(self, graph: Graph, *, significant: Significance, answered: frozenset[Digest] = frozenset()) -> None:
        self._graph = graph
        self._significant = significant
        self._answered = answered
        self._memo: dict[Measure, dict[Digest, _Depth]] = {"ai_proposed": {}, "self": {}}
        self._reach: dict[Digest, dict[Digest, bool]] = {}
        self._read = len(graph.changed)

    def ai_proposed_depth(self, version: Digest) -> DepthInterval:
        """The longest chain proposed by any model."""
        return self._depth("ai_proposed", version)

    def self_depth(self, version: Digest) -> DepthInterval:
        """The longest chain in which each proposer is an ancestor of, or the same as, what it changed."""
        return self._depth("self", version)

    def answer(self, versions: Iterable[Digest]) -> None:
        """A lift answered these: counting starts again at each."""
        fresh = frozenset(versions) - self._answered
        self._answered |= fresh
        for version in sorted(fresh):
            self.forget(version)

    def forget(self, version: Digest) -> None:
        """Something about ``version`` changed (an approval, say): compute it and what came from it anew."""
        for below in self._graph.descendants(version):
            for memo in self._memo.values():
                memo.pop(below, None)

    def ends(self, measure: Measure, version: Digest) -> tuple[int, int | None]:
        """The two ends of a depth alone, for whoever asks about thousands."""
        depth = self._solved(measure, version)
        return depth.low, depth.high

    def _depth(self, measure: Measure, version: Digest) -> DepthInterval:
        depth = self._solved(measure, version)
        return DepthInterval(depth.low, depth.high, self._chain(self._memo[measure], version))

    def _solved(self, measure: Measure, version: Digest) -> _Depth:
        self._catch_up()
        memo = self._memo[measure]
        return solve(
            version,
            self._needs,
            memo,
            lambda node: self._value(measure, node),
            lambda _: _Depth(0, None, counted=True, above=None, named=1),
        )

    def greatest(self, measure: Measure, versions: Iterable[Digest]) -> DepthInterval:
        """The greatest depth among ``versions``: the greatest of each end, and a chain that attains the upper one."""
        low, best = 0, _RESTART
        end: Digest | None = None
        for version in versions:
            depth = self._solved(measure, version)
            low = max(low, depth.low)
            reaches = best.high is not None and (depth.high is None or depth.high > best.high)
            if reaches or (depth.high == best.high and depth.named > best.named):
                best, end = depth, version
        return DepthInterval(low, best.high, () if end is None else self._chain(self._memo[measure], end))

    def _catch_up(self) -> None:
        changed = self._graph.changed[self._read :]
        self._read += len(changed)
        for version in changed:
            self.forget(version)
            if any(version in reached for reached in self._reach.values()):
                self._reach.clear()

    def restarts(self, version: Digest) -> bool:
        """Does counting start again at ``version``: approved significantly, answered by a lift, or made by a human?"""
        return self._restarts(version, self._graph.claims(version))

    def surely_unapproved(self, version: Digest) -> bool:
        """Does every claim name a model as its proposer, and is it certain that nobody approved it significantly?"""
        claims = self._graph.claims(version)
        if not claims.stated or version in self._answered or self._significant(version) is not False:
            return False
        return all(proposer.kind == "model" for proposer in claims.proposers)

    def _restarts(self, version: Digest, claims: Claims) -> bool:
        if version in self._answered or self._significant(version) is True:
            return True
        return claims.stated and not any(map(may_be_model, claims.proposers))

    def _needs(self, version: Digest) -> Iterable[Digest]:
        claims = self._graph.claims(version)
        return () if self._restarts(version, claims) else claims.parents

    def _value(self, measure: Measure, version: Digest) -> _Depth:
        claims = self._graph.claims(version)
        if self._restarts(version, claims):
            return _RESTART
        if not claims.stated:
            return _Depth(0, None, counted=False, above=None)
        memo = self._memo[measure]
        adds = any(not touches or touches & COUNTED for touches in claims.touches)
        if adds and measure == "self":
            adds = self._maybe_self(claims)
        longest: int | None = 0
        above: Digest | None = None
        for parent in sorted(claims.parents):
            high = memo[parent].high
            if longest is not None and (high is None or high > longest or above is None):
                longest, above = high, parent
        if claims.parentless:
            longest = None  # A model changed something, and nobody says what.
        low = 0
        if self._certainly_counts(measure, version, claims):
            low = 1 + max((memo[parent].low for parent in claims.agreed_parents), default=0)
        if adds and claims.steps is None:
            longest = None  # Several changes were told as one version, and nobody says how many.
        steps = (claims.steps or 0) if adds else 0
        named = adds + (0 if above is None else memo[above].named)
        return _Depth(low, None if longest is None else longest + steps, counted=adds, above=above, named=named)

    def _certainly_counts(self, measure: Measure, version: Digest, claims: Claims) -> bool:
        if self._significant(version) is not False:
            return False
        if any(proposer.kind != "model" for proposer in claims.proposers):
            return False
        if any(not touches & COUNTED for touches in claims.touches):
            return False
        return measure == "ai_proposed" or self._certainly_self(claims)

    def _certainly_self(self, claims: Claims) -> bool:
        """Every claim names the same known model, and it is an ancestor of, or the same as, an agreed parent."""
        models = {model_of(proposer) for proposer in claims.proposers}
        if len(models) != 1:
            return False
        [model] = models
        if model is None or model not in self._graph:
            return False
        return any(self._reaches(model, parent) for parent in claims.agreed_parents)

    def _reaches(self, ancestor: Digest, version: Digest) -> bool:
        stock, other = self._graph.stock(ancestor), self._graph.stock(version)
        if stock is not None and other is not None and not stock <= other:
            return False
        reached = self._reach.setdefault(ancestor, {})

        def needs(node: Digest) -> Iterable[Digest]:
            return () if node == ancestor else self._graph.claims(node).agreed_parents

        def value(node: Digest) -> bool:
            return node == ancestor or any(reached[parent] for parent in needs(node))

        return solve(version, needs, reached, value, lambda _: False)

    def _maybe_self(self, claims: Claims) -> bool:
        """May the proposer have come from what it changed, or shaped it? Only demonstrably other descent says no.

        Two models that improve each other share an ancestor as soon as one of them carries the other's work.
        """
        for proposer in claims.proposers:
            if not may_be_model(proposer):
                continue
            model = model_of(proposer)
            roots = None if model is None else self._graph.influences(model)
            if roots is None:
                return True
            for parent in claims.parents:
                changed = self._graph.influences(parent)
                if changed is None or not roots.isdisjoint(changed):
                    return True
        return False

    def _chain(self, memo: dict[Digest, _Depth], version: Digest) -> tuple[Digest, ...]:
        chain: list[Digest] = []
        at: Digest | None = version
        while at is not None and at in memo and len(chain) < CHAIN_MAX:
            depth = memo[at]
            if depth.counted:
                chain.append(at)
            at = depth.above
        return tuple(reversed(chain))


def ai_proposed_depth(
    graph: Graph, version: Digest, *, significant: Significance, answered: frozenset[Digest] = frozenset()
) -> DepthInterval:
    """The AI-proposed depth of one version; use ``Depths`` to ask about many."""
    return Depths(graph, significant=significant, answered=answered).ai_proposed_depth(version)


def self_depth(
    graph: Graph, version: Digest, *, significant: Significance, answered: frozenset[Digest] = frozenset()
) -> DepthInterval:
    """The self depth of one version; use ``Depths`` to ask about many."""
    return Depths(graph, significant=significant, answered=answered).self_depth(version)
