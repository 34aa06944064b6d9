"""One explanation: everything that binds a subject, the strictest first, each with its ways out.

Decides the order, and since when a limit or hold point binds. Leaves what binds to ``binding`` and ways to ``ways``.
Normative text: ``spec/accord.md`` §10.

- A limit or hold point binds since the first instant of the last unbroken stretch in which it did: it is asked again at the
  instants at which something that concerns it was witnessed or settled.
- ``said`` tells of a statement where in a scenario's table it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from detente.accord.explaining.binding import EVERY, JUDGED, Scene, constraints, latched_now, look, things_of
from detente.accord.explaining.constraint import EFFECTS, Constraint, Entry, Explanation, Subject
from detente.accord.explaining.ways import with_ways
from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.approval import Approval
from detente.statement.proposal import Proposal
from detente.statement.run import Run

SEARCHED_MAX = 12
"""Runs and changes of a party or an accord whose ways are looked for at once; any other is asked for by its name."""
LOOKS_BACK_MAX = 16
"""Instants at which a limit, hold point or checkpoint is asked whether it bound already; each is a state of its own."""


def explain_subject(
    state: AccordState, at: Instant, subject: Subject, *, ways: bool = True, said: Mapping[Digest, str] | None = None
) -> Explanation:
    """What binds ``subject`` at ``at``, why, since when, and, with ``ways``, what would have to happen for that to change."""
    scene = look(state, at).with_point()
    found = [_began(scene, each) for each in constraints(scene, subject, EVERY)]
    found.sort(key=lambda each: (EFFECTS.index(each.effect), each.since or 0, each.key))
    if ways:
        found = _with_ways(scene, found, subject)
    left_out = 0
    if subject.kind in {"accord", "party"}:
        left_out = things_of(scene, Party(subject.id) if subject.kind == "party" else None)[1]
    return Explanation(
        scene.now.name,
        scene.now.terms_version,
        subject,
        at,
        scene.now.phase,
        tuple(found),
        tuple(_entries(state, found, said or {})),
        left_out,
        scene.now.self_witnessed,
    )


def _entries(state: AccordState, found: Iterable[Constraint], said: Mapping[Digest, str]) -> Iterator[Entry]:
    cited = {cite for each in found for cite in each.reason.cites}
    for item in sorted(filter(None, map(state.get, cited)), key=lambda item: item.order):
        yield Entry(item.id, item.kind, item.party, item.time, item.place, said.get(item.id, ""))


def _with_ways(scene: Scene, found: list[Constraint], subject: Subject) -> list[Constraint]:
    """Each with its ways; of a party's or an accord's runs and changes, the first ``SEARCHED_MAX``."""
    searched = 0
    told = []
    for each in found:
        searched += each.about != subject
        told.append(with_ways(scene, each) if searched <= SEARCHED_MAX else replace(each, more=True))
    return told


def _began(scene: Scene, constraint: Constraint) -> Constraint:
    """The constraint with the instant since which a limit or hold point binds."""
    if constraint.clause.kind not in JUDGED or not constraint.witnessed:
        return constraint
    since = scene.at
    first = max(constraint.since or 0, _governed_since(scene, constraint))
    for moment in _moments(scene, constraint):
        if moment < first:
            break
        past = scene.state.as_of(moment)
        earlier = Scene(past, Instant(moment), scene.now, past.terms_at(moment))
        kinds = frozenset({constraint.clause.kind})
        if not any(each.key == constraint.key for each in constraints(earlier, constraint.about, kinds)):
            break
        since = Instant(moment)
    return replace(constraint, since=since)


def _governed_since(scene: Scene, constraint: Constraint) -> int:
    """Since when the accord is in force, the party bound, and what the limit depends on latched: no clause binds before."""
    now, item = scene.now, scene.state.get(Digest(constraint.scope))
    instants = [int(now.in_force_since or 0)]
    if item is not None:
        instants += [int(each.since) for each in now.bindings if each.party == item.party and each.since is not None]
    limit = next((each for each in scene.terms.limits if each.id == constraint.clause.id), None)
    if limit is not None and limit.during is not None:
        instants += [int(each.since) for each in latched_now(now) if each.trigger == limit.during]
    return max(instants)


def _ends_after(scene: Scene, item: Item) -> list[int]:
    """So long after it was witnessed an approval counts no more, or a proposal that was not approved has lapsed."""
    holds, settle_s = scene.terms.hold_points, scene.terms.mirrors.settle_s
    if isinstance(item.body, Approval):
        return [hold.approved_for_s for hold in holds if hold.approved_for_s is not None]
    if isinstance(item.body, Proposal):
        return [hold.decide_within_s + settle_s for hold in holds if hold.decide_within_s is not None]
    return []


def _moments(scene: Scene, constraint: Constraint) -> list[int]:
    """The instants up to now at which the clause may have begun or ceased to bind, the latest first."""
    settle_s = scene.terms.mirrors.settle_s
    about = {Digest(constraint.scope), Digest(constraint.about.id)}
    item = scene.state.get(Digest(constraint.scope))
    if item is not None and isinstance(item.body, Run) and item.body.proposal is not None:
        about.add(item.body.proposal)
    times = {int(each.since) for each in scene.now.bindings if each.since is not None}
    for each in scene.state.items.values():
        if each.time is not None and (
            each.id in about
            or each.id in constraint.reason.cites
            or (isinstance(each.body, Approval) and each.body.proposal in about)
            or (constraint.clause.kind == "checkpoint" and each.kind in {"audit", "measurement"})
        ):
            times |= {int(each.time), int(each.time) + settle_s}
            times |= {int(each.time) + lasts_s for lasts_s in _ends_after(scene, each)}
    if scene.now.phase_since is not None:
        times.add(int(scene.now.phase_since))
    times |= {int(link.since) for link in scene.state.chain}
    times |= {int(rule.begins_at) for rule in scene.now.schedule if rule.begins_at is not None}
    return sorted((time for time in times if time <= scene.at), reverse=True)[:LOOKS_BACK_MAX]
