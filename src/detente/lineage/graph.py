"""The graph of versions: what was claimed about each, merged, and the FLOP that went into it.

Everything here only grows, and the order of additions changes no answer. Several claims about one version (two
logs, a repeated statement, a history told twice) are merged towards the worse: an answer's lower end uses what
all claims agree on, its upper end what any of them says. So retelling a history shorter lowers no upper end.

Cumulative FLOP of a version (``spec/lineage.md`` §2), as an interval:

* upper: its own, plus the sum of its parents' upper ends. Common ancestors are counted once per path, because a
  merge or a distillation of two models spends what went into both; unknown as soon as anything above is unknown.
* lower: its own, plus the sum over parents that share no ancestor, else the largest of them.

>>> base = VersionNode(Digest("a" * 64), frozenset(), ProposedBy("human"), frozenset({"training"}), Decimal(10))
>>> next_ = VersionNode(Digest("b" * 64), frozenset({base.version}), ProposedBy("model"), frozenset(), Decimal(5))
>>> graph = Graph()
>>> graph.add(next_)
>>> print(graph.cumulative_flop(next_.version))
[5, ?]
>>> graph.add(base)
>>> print(graph.cumulative_flop(next_.version))
15
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from detente.base.digest import Digest
from detente.base.quantity import ZERO, Interval, add_exactly, exactly
from detente.lineage.order import solve
from detente.statement.change import ProposedBy, Touch
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.version import Version

FLOP_CEILING: Final = Decimal("1e200")
"""Above this an upper end reads as unknown: thousands of merges double it past what is exact, and past any physics."""

UNKNOWN: Final = Interval(None, None)
"""Nothing is known of a quantity that may have either sign."""
_NO_FLOP: Final = exactly(ZERO)
_UNKNOWN_FLOP: Final = Interval(ZERO, None)

_DIGEST = re.compile(r"[0-9a-f]{64}\Z", re.ASCII)

Roots = frozenset[Digest] | None
"""The versions without a predecessor that something came from; ``None`` when that is not fully known."""


@dataclass(frozen=True, slots=True)
class VersionNode:
    """One claim about one version; ``parents`` as far as claimed, ``own_flop`` of ``None`` when not known.

    ``perhaps`` are parents that it may have besides: they count in upper ends only. ``steps`` is the most changes that
    this one version may hold, ``None`` when nobody can say (a squashed history). ``time`` is when it came to be, in
    seconds since the Epoch, as far as that is known, and ``changed_lines`` what it changed.
    """

    version: Digest
    parents: frozenset[Digest]
    proposed_by: ProposedBy
    touches: frozenset[Touch]
    own_flop: Decimal | None
    perhaps: frozenset[Digest] = frozenset()
    steps: int | None = 1
    time: Interval = UNKNOWN
    changed_lines: int | None = None


def version_node(body: Version, *, time: Interval = UNKNOWN) -> VersionNode:
    """The claim that a ``version`` statement makes; ``time`` is what its place in a log says about when."""
    return VersionNode(
        body.version,
        frozenset(body.parents),
        body.proposed_by,
        frozenset(body.touches),
        body.own_flop,
        time=time,
        changed_lines=body.changed_lines,
    )


@dataclass(slots=True)
class Claims:
    """Everything claimed about one version, merged.

    ``stated``: at least one claim was about the version itself; ``parentless``: at least one of those named no parent.
    """

    stated: bool = False
    parentless: bool = False
    agreed_parents: frozenset[Digest] = frozenset()
    parents: set[Digest] = field(default_factory=set)
    proposers: set[ProposedBy] = field(default_factory=set)
    touches: set[frozenset[Touch]] = field(default_factory=set)
    own_flop: Interval = _NO_FLOP
    steps: int | None = 1
    time: Interval = UNKNOWN
    changed_lines: Interval = _UNKNOWN_FLOP


_NOTHING: Final = Claims()


class Graph:
    """All versions and what is claimed about them. Grows only."""

    __slots__ = ("_claims", "_dependants", "_flop", "_influences", "_seen", "_stock", "changed")

    def __init__(self) -> None:
        self._claims: dict[Digest, Claims] = {}
        self._dependants: dict[Digest, set[Digest]] = {}
        self._seen: set[VersionNode] = set()
        self._flop: dict[Digest, Interval] = {}
        self._stock: dict[Digest, Roots] = {}
        self._influences: dict[Digest, Roots] = {}
        self.changed: list[Digest] = []
        """Versions in the order in which something new was learnt about them: whoever caches reads on from here."""

    def add(self, node: VersionNode) -> None:
        """Merge one claim. The same claim again changes nothing; a new leaf costs the same in any graph."""
        if node in self._seen:
            return
        self._seen.add(node)
        claims = self._claims.setdefault(node.version, Claims())
        own = _UNKNOWN_FLOP if node.own_flop is None else exactly(node.own_flop)
        lines = _UNKNOWN_FLOP if node.changed_lines is None else exactly(Decimal(node.changed_lines))
        parents = node.parents | node.perhaps
        if claims.stated:
            claims.agreed_parents &= node.parents
            claims.own_flop = hull(claims.own_flop, own)
            claims.changed_lines = hull(claims.changed_lines, lines)
            claims.time = hull(claims.time, node.time)
            claims.steps = None if claims.steps is None or node.steps is None else max(claims.steps, node.steps)
        else:
            claims.agreed_parents = node.parents
            claims.own_flop, claims.changed_lines, claims.time = own, lines, node.time
            claims.steps = node.steps
        claims.stated = True
        claims.parentless = claims.parentless or not parents
        self._merge(node.version, claims, parents, (node.proposed_by, node.touches))

    def add_run(self, version: Digest, run: Run) -> None:
        """The run that made ``version`` declared parents too: they count in upper ends, whatever the version says."""
        self._merge(version, self._claims.setdefault(version, Claims()), run.parents, None)

    def add_proposal(self, version: Digest, proposal: Proposal) -> None:
        """The proposal that became ``version`` named what it changes and who proposed it: upper ends count both."""
        self._merge(
            version,
            self._claims.setdefault(version, Claims()),
            () if proposal.parent is None else (proposal.parent,),
            (proposal.proposed_by, frozenset(proposal.touches)),
        )

    def _merge(
        self,
        version: Digest,
        claims: Claims,
        parents: Iterable[Digest],
        authorship: tuple[ProposedBy, frozenset[Touch]] | None,
    ) -> None:
        for parent in parents:
            claims.parents.add(parent)
            self._dependants.setdefault(parent, set()).add(version)
        if authorship is not None:
            proposer, touches = authorship
            claims.proposers.add(proposer)
            claims.touches.add(touches)
            if (model := model_of(proposer)) is not None:
                self._dependants.setdefault(model, set()).add(version)
        for below in self.descendants(version):
            self._flop.pop(below, None)
            self._stock.pop(below, None)
            self._influences.pop(below, None)
        self.changed.append(version)

    def claims(self, version: Digest) -> Claims:
        """What is claimed about ``version``; empty claims if nothing is."""
        return self._claims.get(version, _NOTHING)

    def __contains__(self, version: Digest) -> bool:
        return self.claims(version).stated

    def __iter__(self) -> Iterator[Digest]:
        return iter(sorted(version for version, claims in self._claims.items() if claims.stated))

    def __len__(self) -> int:
        return sum(claims.stated for claims in self._claims.values())

    def descendants(self, version: Digest) -> Iterator[Digest]:
        """``version`` and everything that came from it or was proposed by it, at any distance, each once."""
        found = {version}
        waiting = [version]
        while waiting:
            current = waiting.pop()
            yield current
            fresh = self._dependants.get(current, set()) - found
            found |= fresh
            waiting.extend(fresh)

    def cumulative_flop(self, version: Digest) -> Interval:
        """FLOP that went into ``version`` and everything it came from (``spec/lineage.md`` §2)."""
        return solve(version, self._parents_of, self._flop, self._flop_of, self._flop_of_loop)

    def cumulative_flop_from(self, parents: Iterable[Digest], own: Interval) -> Interval:
        """The same for a version not yet made: a run planned from ``parents`` for ``own`` FLOP."""
        distinct = sorted(set(parents))
        inputs = [self.cumulative_flop(parent) for parent in distinct]
        own_low = own.low or ZERO
        if self._disjoint(distinct):
            low = add_exactly([own_low, *(flop.low or ZERO for flop in inputs)])
        else:
            low = add_exactly([own_low, max(flop.low or ZERO for flop in inputs)])
        return Interval(low, _sum_of_highs([own, *inputs]))

    def stock(self, version: Digest) -> Roots:
        """The first versions that ``version`` descends from; ``None`` if not fully known."""
        return solve(version, self._parents_of, self._stock, self._stock_of, lambda _: None)

    def influences(self, version: Digest) -> Roots:
        """The same, descending through proposers as well as through parents: a model shapes what it proposes."""
        return solve(version, self._shapers_of, self._influences, self._influences_of, lambda _: None)

    def _parents_of(self, version: Digest) -> Iterable[Digest]:
        return self.claims(version).parents

    def _shapers_of(self, version: Digest) -> Iterable[Digest]:
        claims = self.claims(version)
        models = {model for proposer in claims.proposers if (model := model_of(proposer)) is not None}
        return claims.parents | models

    def _flop_of(self, version: Digest) -> Interval:
        claims = self.claims(version)
        if not claims.stated:
            return _UNKNOWN_FLOP
        agreed = sorted(claims.agreed_parents)
        lows = [self._flop[parent].low or ZERO for parent in agreed]
        own = claims.own_flop
        below = lows if self._disjoint(agreed) else [max(lows)]
        return Interval(
            add_exactly([own.low or ZERO, *below]),
            _sum_of_highs([own, *(self._flop[parent] for parent in claims.parents)]),
        )

    def _flop_of_loop(self, version: Digest) -> Interval:
        return Interval(self.claims(version).own_flop.low, None)

    def _disjoint(self, versions: list[Digest]) -> bool:
        if len(versions) < 2:
            return True
        seen: set[Digest] = set()
        for version in versions:
            roots = self.stock(version)
            if roots is None or not seen.isdisjoint(roots):
                return False
            seen |= roots
        return True

    def _stock_of(self, version: Digest) -> Roots:
        return self._union(version, self.claims(version).parents, self._stock)

    def _influences_of(self, version: Digest) -> Roots:
        # A proposer that is no version we know may itself have come from anything.
        if any(may_be_model(proposer) and model_of(proposer) is None for proposer in self.claims(version).proposers):
            return None
        return self._union(version, self._shapers_of(version), self._influences)

    def _union(self, version: Digest, above: Iterable[Digest], known: dict[Digest, Roots]) -> Roots:
        if not self.claims(version).stated:
            return None
        roots: set[Digest] = {version} if self.claims(version).parentless else set()
        for other in above:
            inherited = known[other]
            if inherited is None:
                return None
            roots |= inherited
        return frozenset(roots)


def may_be_model(proposer: ProposedBy) -> bool:
    """An undeclared proposer counts as a model in every upper end (contracts §5)."""
    return proposer.kind != "human"


def model_of(proposer: ProposedBy) -> Digest | None:
    """The version that proposed, if a model did and its id is spelled as a digest; it need not be known."""
    if proposer.kind == "model" and proposer.id is not None and _DIGEST.match(proposer.id):
        return Digest(proposer.id)
    return None


def hull(first: Interval, second: Interval) -> Interval:
    """The least interval that holds both; a side that one of them does not know is not known."""
    low = None if first.low is None or second.low is None else min(first.low, second.low)
    high = None if first.high is None or second.high is None else max(first.high, second.high)
    return Interval(low, high)


def _sum_of_highs(flops: Iterable[Interval]) -> Decimal | None:
    highs: list[Decimal] = []
    for flop in flops:
        if flop.high is None:
            return None
        highs.append(flop.high)
    total = add_exactly(highs)
    return None if total > FLOP_CEILING else total
