"""Limits on runs: how much a run plans, spends and builds upon, against the bounds of the terms.

Decides whether a declared run is free, held until something is supplied, or refused. Normative: ``spec/accord.md`` §7.1.

- Planned FLOP that are committed are unknown until an inspector found "below N FLOP"; unknown holds.
- Cumulative FLOP are the run's own (the larger of planned and spent) and everything that went into its parents.
- Comparison is exact: at the bound is not above it.
- A limit is asked at the instant of asking: one that begins later binds what began before it, one that ended binds nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from detente.accord.adjudication import claimed_bound
from detente.accord.ancestry import Ancestry
from detente.accord.cloning import is_cloned
from detente.accord.conditions import Atom, Compare, RunActivity, Truth, evaluate
from detente.accord.fold import AccordState
from detente.accord.reason import Reason
from detente.accord.records import Item
from detente.accord.screened import reveal_of
from detente.accord.standing import Standing
from detente.accord.terms import INSPECTORS, Limit, Need, Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.quantity import ZERO, Interval, exactly
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.proposal import Proposal
from detente.statement.run import Run


@dataclass(frozen=True, slots=True)
class RunView:
    """One run's figures; ``value`` answers the atoms of a limit."""

    run: Run
    planned: Interval
    spent: Decimal
    cumulative: Interval

    def value(self, atom: Atom, *, restricting: bool) -> Truth:  # noqa: ARG002 - one source only
        """The atom's value for this run."""
        if isinstance(atom, RunActivity):
            return self.run.activity == atom.activity
        if isinstance(atom, Compare):
            figures = {
                "run.planned_flop": self.planned,
                "run.spent_flop": exactly(self.spent),
                "run.cumulative_flop": self.cumulative,
            }
            return atom.of(figures[atom.what]) if atom.what in figures else None
        return None


def run_view(
    state: AccordState, terms: Terms, item: Item, run: Run, ancestry: Ancestry, at: int, flop: Decimal | None
) -> tuple[RunView, tuple[Digest, ...]]:
    """The run's figures at ``at`` and the findings they rest on; ``flop`` stands in for a smaller plan."""
    spent = state.progress.get((item.id, item.party), ZERO)
    for halted, _ in state.upto(("halt", item.id), at):
        if isinstance(halted.body, Halted):
            spent = max(spent, halted.body.flop)
    cited: list[Digest] = []
    if isinstance(run.planned_flop, Decimal):
        low = max(run.planned_flop, Decimal(flop or ZERO))
        planned = exactly(low)
    else:
        low, high = Decimal(flop or ZERO), None
        for found, time in state.upto(("finding",), at):
            bound = _bound_found(found, item, terms)
            if bound is not None and _is_taken_back(state, found, at):
                continue
            if bound is not None and time + terms.mirrors.settle_s <= at and (high is None or bound < high):
                high = bound
                cited = [found.id]
        planned = Interval(low, None if high is None else max(high, low))
    own = Interval(
        max(planned.low or ZERO, spent), None if planned.high is None else max(planned.high, spent)
    )  # fmt: skip
    return RunView(run, planned, spent, ancestry.flop_from(run, own)), tuple(cited)


def _bound_found(found: Item, item: Item, terms: Terms) -> Decimal | None:
    body = found.body
    if not isinstance(body, Finding) or body.result != "confirmed" or body.run != item.id or found.party == item.party:
        return None
    return claimed_bound(body.claim) if terms.among(found.party, INSPECTORS) else None


def _is_taken_back(state: AccordState, found: Item, at: int) -> bool:
    """Has its author refuted it since? Counts on receipt: without the bound the amount is unknown."""
    said = found.body
    return isinstance(said, Finding) and any(
        isinstance(other.body, Finding)
        and other.body.result == "refuted"
        and other.party == found.party
        and (other.body.about, other.body.claim, other.body.run) == (said.about, said.claim, said.run)
        and other.order > found.order
        for other, _ in state.upto(("finding",), at, heard=True)
    )


def meets_no_limit(terms: Terms, run: Run, spent: Decimal) -> bool:
    """Does a run that starts from nothing, and says what it plans, meet no limit of the terms, whenever and of whom they are asked?

    False also where only a closer look could tell. What it rests on is its arguments alone.
    """
    if not terms.limits:
        return True
    if run.parents or not isinstance(run.planned_flop, Decimal):
        return False
    planned = exactly(run.planned_flop)
    view = RunView(run, planned, spent, exactly(max(run.planned_flop, spent)))
    return all(evaluate(limit.when, view) is False for limit in terms.limits)


@dataclass(frozen=True, slots=True)
class LimitAtWork:
    """A limit that refuses a run, or holds it until what is ``lacking`` is supplied. ``value`` None is unknown.

    ``absent`` are the parties whose approval is lacking.
    """

    limit: Limit
    value: Truth
    view: RunView
    lacking: str
    absent: tuple[Party, ...]
    why: Reason


def limits_at_work(
    state: AccordState,
    terms: Terms,
    item: Item,
    ancestry: Ancestry,
    at: int,
    *,
    in_force_since: int | None,
    covered: frozenset[tuple[str, Party]],
    flop: Decimal | None = None,
) -> Iterator[LimitAtWork]:
    """Each limit that stops a declared run now, in the order of the terms; ``covered`` as in ``limit_standing``."""
    run = item.body
    if not isinstance(run, Run) or not terms.limits:
        return
    view, cited = run_view(state, terms, item, run, ancestry, at, flop)
    for limit in terms.limits:
        if not limit.span.applies(at, in_force_since):
            continue
        if limit.during is not None and (limit.during, item.party) not in covered:
            continue
        value = evaluate(limit.when, view)
        if value is False or (value is None and limit.unknown == "silent"):
            continue
        why = _why(limit, view, certain=value is True)
        lacking, absent, approvals = (
            ("", (), ()) if limit.need is None else _lacking(state, terms, limit.need, item, view, at)
        )
        if lacking or limit.refuse:
            text = f"{why}; it lacks {lacking}" if lacking else why
            yield LimitAtWork(limit, value, view, lacking, absent, Reason(text, (item.id, *cited, *approvals)))


def limit_standing(
    state: AccordState,
    terms: Terms,
    item: Item,
    ancestry: Ancestry,
    at: int,
    *,
    flop: Decimal | None,
    in_force_since: int | None,
    covered: frozenset[tuple[str, Party]],
) -> Standing:
    """How the limits of the terms let a declared run stand; the strictest outcome, with every reason.

    ``covered`` says which latched trigger covers which party: a limit may apply only so long.
    """
    if not isinstance(item.body, Run):
        return Standing("held", ("declaration",), (Reason("what is named is not a run", (item.id,)),))
    found = tuple(
        limits_at_work(state, terms, item, ancestry, at, in_force_since=in_force_since, covered=covered, flop=flop)
    )
    if not found:
        return Standing("free", (), ())
    refused = any(each.limit.refuse for each in found)
    return Standing(
        "refused" if refused else "held", tuple(each.limit.id for each in found), tuple(each.why for each in found)
    )


def _why(limit: Limit, view: RunView, *, certain: bool) -> str:
    unknown = "" if certain else " is not known to be false, and unknown holds"
    return (
        f"{limit.id}: {limit.when.spelled()}{unknown} (planned {view.planned}, cumulative {view.cumulative} FLOP)"
    )  # fmt: skip


def _lacking(
    state: AccordState, terms: Terms, need: Need, item: Item, view: RunView, at: int
) -> tuple[str, tuple[Party, ...], tuple[Digest, ...]]:  # fmt: skip
    """What the need lacks, whose approval, and the approvals that count: of the run, or of the proposal it carries out.

    1. Each party's latest word counts, whichever of the two it is about; a refusal counts on receipt.
    2. An approval of a proposal is one of what its author asked for: no other party's run, and no larger one; of a seeded change none.
    """
    lacking = []
    if need.declaration and (item.time is None or item.time > at):
        lacking.append("a witnessed declaration")
    words = list(state.upto(("approval", item.id), at, heard=True))
    asked = None if view.run.proposal is None else state.get(view.run.proposal)
    if asked is not None:
        covers = _is_what_was_asked(asked, item, view) and reveal_of(state, asked.id, at) is None  # 2
        words += [
            (approval, time)
            for approval, time in state.upto(("approval", asked.id), at, heard=True)
            if covers or approval.restricting
        ]
    given: dict[Party, Item] = {}
    for approval, time in sorted(words, key=lambda word: (word[1], word[0].order)):  # 1
        if approval.restricting:
            given.pop(approval.party, None)
        elif time + terms.mirrors.settle_s <= at and not is_cloned(state, approval, at, heard=True):
            given[approval.party] = approval
    absent = tuple(party for party in need.approval_of if party not in given)
    if absent:
        lacking.append(f"the approval of {' and '.join(absent)}")
    return " and ".join(lacking), absent, tuple(given[party].id for party in need.approval_of if party in given)


def _is_what_was_asked(asked: Item, item: Item, view: RunView) -> bool:
    return (
        isinstance(asked.body, Proposal)
        and asked.party == item.party
        and view.planned.high is not None
        and max(view.planned.high, view.spent) <= asked.body.asked_flop
    )
