"""Rules that never matter, that contradict, or that nobody can fulfil. ``spec/check.md`` §7.

Limits are compared on every combination of values around every bound that they name, hold points on every set of parts
that a change may touch and every proposer: within what the terms can tell apart, that is everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import chain, combinations, product
from typing import get_args

from detente.accord.checking.claim import Claim
from detente.accord.conditions import (
    Atom,
    Compare,
    Condition,
    Overdue,
    Proposer,
    RunActivity,
    Touches,
    Truth,
    atoms,
    evaluate,
)
from detente.accord.requests import askers
from detente.accord.terms import INSPECTORS, Activity, HoldPoint, Limit, Terms
from detente.accord.tree_reading import RUN
from detente.base.identity import Party
from detente.base.quantity import exactly
from detente.statement.change import Touch

TOUCHED = tuple(
    frozenset(touched) for size in range(1, len(get_args(Touch)) + 1) for touched in combinations(get_args(Touch), size)
)
"""Every set of parts that a change may touch."""
CELLS_MAX = 200_000
"""Combinations tried; terms that name more bounds than that are told so."""
ANSWERS_MAX = 4_000_000
"""Answers of comparisons worked out for one claim, and pairs of limits compared; beyond, the answer is *not shown*."""


def check_rules(terms: Terms) -> Iterator[Claim]:
    """Dead and contradictory limits and hold points, duties that nobody can fulfil, acts that a party has no role for."""
    yield from _limits(terms)
    yield from _hold_points(terms)
    yield from _checkpoints(terms)
    yield from _duties(terms)
    yield from _twice(terms)
    yield from _consequences(terms)


def _limits(terms: Terms) -> Iterator[Claim]:
    limits = terms.limits
    asked = sum(1 for limit in limits for _ in atoms(limit.when))
    cells = cells_around([limit.when for limit in limits])
    if cells is None:
        yield Claim("dead-rule", "limits", "not shown", f"more than {CELLS_MAX} combinations of bounds")
        return
    if asked * max(len(cells), len(limits)) > ANSWERS_MAX:
        text = f"{len(limits)} limits over {len(cells)} combinations of bounds ask for more than {ANSWERS_MAX} answers"
        yield Claim("dead-rule", "limits", "not shown", text)
        return
    met = [frozenset(n for n, cell in enumerate(cells) if holds_in(limit.when, cell)) for limit in limits]
    for place, limit in enumerate(limits):
        if not met[place]:
            yield _dead("limits", f"{limit.id} is never met: “{limit.when.spelled()}”")
            continue
        shadows = [
            n
            for n, other in enumerate(limits)
            if n != place and other.refuse and _applies_with(other, limit) and met[place] <= met[n]
        ]
        if shadows and not (limit.refuse and any(met[n] == met[place] and _beside(limit, limits[n]) for n in shadows)):
            verb = "approves" if limit.need is not None else "refuses"
            yield _dead("limits", f"whatever {limit.id} {verb}, {limits[shadows[0]].id} refuses already")
        elif shadows and shadows[0] < place:
            yield _dead("limits", f"{limit.id} refuses what {limits[shadows[0]].id} refuses")


def _applies_with(other: Limit, limit: Limit) -> bool:
    """Does the other limit apply whenever this one does?"""
    return other.span.covers(limit.span) and other.during in {None, limit.during}


def _beside(one: Limit, other: Limit) -> bool:
    """Do both apply at the same times?"""
    return (one.span, one.during) == (other.span, other.during)


def cells_around(conditions: list[Condition]) -> list[Mapping[str, object]] | None:
    """Runs, changes and parties around every bound: FLOP planned, spent and cumulative (never less than planned), what is
    measured, what a run is for, what a change touches and who proposed it.
    """
    bounds: dict[str, set[Decimal]] = {}
    kinds: set[type] = set()
    for atom in chain.from_iterable(map(atoms, conditions)):
        kinds.add(type(atom))
        if isinstance(atom, Compare):
            bounds.setdefault(atom.what, set()).update({atom.bound - 1, atom.bound, atom.bound + 1})
    # What a run plans and builds upon is compared with one another, too.
    every = {value for what, values in bounds.items() if what in RUN for value in values}
    axes: list[list[tuple[str, object]]] = [
        [(what, value) for value in sorted(every if what in RUN else values)] for what, values in sorted(bounds.items())
    ]
    if RunActivity in kinds:
        axes.append([("activity", activity) for activity in get_args(Activity)])
    if Touches in kinds:
        axes.append([("touches", touched) for touched in TOUCHED])
    if Proposer in kinds:
        axes.append([("proposer", kind) for kind in ("model", "human")])
    count = 1
    for axis in axes:
        count *= len(axis)
    if count > CELLS_MAX:
        return None
    return [cell for cell in map(dict, product(*axes)) if _possible(cell)]


def _possible(cell: Mapping[str, object]) -> bool:
    planned, cumulative = cell.get("run.planned_flop"), cell.get("run.cumulative_flop")
    return not (isinstance(planned, Decimal) and isinstance(cumulative, Decimal)) or cumulative >= planned


def _hold_points(terms: Terms) -> Iterator[Claim]:
    changes = [{"touches": touched, "proposer": kind} for touched in TOUCHED for kind in ("model", "human")]
    for hold in terms.hold_points:
        if not any(holds_in(hold.when, change) for change in changes):
            yield _dead("hold_points", f"{hold.id} holds no change: “{hold.when.spelled()}”")
        yield from _fulfillable(terms, hold)


def _checkpoints(terms: Terms) -> Iterator[Claim]:
    left = ANSWERS_MAX
    for place, checkpoint in enumerate(terms.checkpoints):
        if left <= 0:
            rest = len(terms.checkpoints) - place
            left_over = f"{rest} checkpoints from {checkpoint.id} on" if rest > 1 else checkpoint.id
            text = f"{left_over}: more than {ANSWERS_MAX} answers"
            yield Claim("dead-rule", "checkpoints", "not shown", text)
            return
        cells = cells_around([checkpoint.when])
        left -= len(cells or ()) * sum(1 for _ in atoms(checkpoint.when))
        if cells is None:
            yield Claim("dead-rule", "checkpoints", "not shown", f"{checkpoint.id}: more than {CELLS_MAX} combinations")
        elif not any(holds_in(checkpoint.when, cell) for cell in cells):
            yield _dead("checkpoints", f"{checkpoint.id} is never met: “{checkpoint.when.spelled()}”")


def _fulfillable(terms: Terms, hold: HoldPoint) -> Iterator[Claim]:
    """Whoever proposes, enough organisations are left to approve, by authenticators that the terms believe."""
    if hold.need.device == "attested" and not terms.authenticators:
        text = (
            f"{hold.id} asks for attested authenticators, and `authenticators` names no maker's root and no test device"
        )
        yield Claim("unfulfillable", "hold_points", "broken", text, ("anybody proposes a change", "nobody can pass it"))
        return
    for author in terms.with_role("developer"):
        able = [
            party
            for party in terms.parties
            if (not hold.need.by or terms.among(party, hold.need.by))
            and not (hold.need.author_excluded and party == author)
        ]
        if len(able) < hold.need.organisations:
            text = f"{hold.id} asks for {hold.need.organisations} organisations; for a change of {author}'s there are {len(able)}"
            yield Claim(
                "unfulfillable", "hold_points", "broken", text, (f"{author} proposes a change", "nobody can pass it")
            )
            return


def _duties(terms: Terms) -> Iterator[Claim]:
    """Each can be fulfilled, and something asks whether it was."""
    asked = [trigger.when for trigger in terms.triggers] + ([] if terms.lift.when is None else [terms.lift.when])
    named = {atom.duty for condition in asked for atom in atoms(condition) if isinstance(atom, Overdue)}
    for duty in terms.duties:
        if duty.id not in named:
            yield Claim("only-shown", "duties", "listed", f"{duty.id}: that it is overdue is shown, and starts nothing")
        if not duty.found_by:
            continue
        for party in (party for party in terms.parties if terms.among(party, duty.of)):
            if duty.on_request is not None and not askers(terms, duty.on_request, party):
                yield _dead("duties", f"{duty.id}: nobody may ask it of {party}")
            able = [p for p in terms.parties if p != party and terms.among(p, duty.found_by)]
            if not any(terms.among(each, INSPECTORS) for each in able):
                text = f"{duty.id}: nobody who is named can find that {party} did it: {', '.join(duty.found_by)}"
                yield Claim("unfulfillable", "duties", "broken", text)
                break


def _twice(terms: Terms) -> Iterator[Claim]:
    seen: dict[object, str] = {}
    for trigger in terms.triggers:
        same = (trigger.when, trigger.then, trigger.scope, trigger.unknown, trigger.span, repr(trigger.lapse))
        if trigger.then == "limits":
            continue  # It does what its own limits do.
        if same in seen:
            yield _dead("triggers", f"{trigger.id} does what {seen[same]} does")
        seen.setdefault(same, trigger.id)


def _consequences(terms: Terms) -> Iterator[Claim]:
    able = {"refuse_compute": "provider", "refuse_deployment": "relying_party"}
    for each in terms.consequences:
        role = able.get(each.act)
        if each.party is not None and role is not None and role not in terms.parties[Party(each.party)].roles:
            yield Claim(
                "unfulfillable",
                "consequences",
                "broken",
                f"{each.party} is to {each.act.replace('_', ' ')}, and is no {role}",
            )


class _Cell:
    """A run or a change with these properties."""

    def __init__(self, cell: Mapping[str, object]) -> None:
        self._cell = cell

    def value(self, atom: Atom, *, restricting: bool) -> Truth:  # noqa: ARG002  # the protocol of a view
        match atom:
            case Compare(what=what):
                value = self._cell.get(what)
                return atom.of(exactly(value)) if isinstance(value, Decimal) else None
            case RunActivity(activity):
                return self._cell.get("activity") == activity
            case Touches(parts):
                touched = self._cell.get("touches")
                return isinstance(touched, frozenset) and not touched.isdisjoint(parts)
            case Proposer(kind):
                return self._cell.get("proposer") == kind
        return None


def holds_in(condition: Condition, cell: Mapping[str, object]) -> bool:
    """Is the condition true of a combination of ``cells_around``?"""
    return evaluate(condition, _Cell(cell)) is True


def _dead(section: str, text: str) -> Claim:
    return Claim("dead-rule", section, "broken", text)
