"""Which clauses bind a subject at an instant, with effect, reason, entries and the value of each atom.

Decides what binds, always from ``status`` and the same limits and hold points that a permit is refused by. Leaves out what
would end it (``ways``). Normative text: ``spec/accord.md`` §10.2.

1. Outside force, and for who is not bound, the phase alone answers; a pause that latched before a party left still holds it.
2. A party is bound by the pauses, slowdowns and consequences that cover it, and by what binds its runs and changes.
3. A run is bound by those of its activity, by the limits, and by the hold points of the proposal that it carries out.
4. A change is bound by the hold points, before training and, if it is a version, before deployment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from detente.accord.change import Change, change_of
from detente.accord.checkpoints import checkpoints_at_work
from detente.accord.conditions import All, AnyOf, AtLeast, Atom, Condition, Not, Truth, View, evaluate
from detente.accord.explaining.aloud import certified, hold_asks, may_be_unknown, need, quorum, say
from detente.accord.explaining.constraint import Clause, ClauseKind, Constraint, Effect, Judgement, Subject
from detente.accord.fold import AccordState
from detente.accord.halts import last_halt
from detente.accord.holds import holds_at_work
from detente.accord.limits import limits_at_work
from detente.accord.reason import Place, Reason
from detente.accord.records import Item
from detente.accord.screened import seeded_standing
from detente.accord.standing import Pause, Sanction, Status
from detente.accord.status import checkpoint_evidence, standpoint, stated, status
from detente.accord.sweep import Standpoint, sweep_of
from detente.accord.terms import Checkpoint, HoldPoint, Limit, Terms
from detente.accord.view import View as TriggerView
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration, show_instant
from detente.base.quantity import show_decimal
from detente.statement.halted import Halted
from detente.statement.proposal import Proposal
from detente.statement.run import Run

THINGS_MAX = 64
"""Runs and changes of one explanation: more would not be read; how many were left out is said."""
EVERY: frozenset[ClauseKind] = frozenset(get_args(ClauseKind))

JUDGED: frozenset[ClauseKind] = frozenset({"limit", "hold_point", "checkpoint", "declaration"})
"""What is judged on one run or change."""


KIND_OF: Mapping[str, ClauseKind] = {"pause": "pause", "slowdown": "slowdown", "limits": "measure"}
EFFECT_OF: Mapping[str, Effect] = {"pause": "paused", "slowdown": "capped", "limits": "bound"}


@dataclass(frozen=True, slots=True)
class Scene:
    """A state at an instant, with everything that is asked of it more than once."""

    state: AccordState
    at: Instant
    now: Status
    terms: Terms
    point: Standpoint | None = None

    def with_point(self) -> Scene:
        """The same with what the triggers see."""
        return replace(self, point=standpoint(self.state, self.at, heard=True))

    def view(self, pause: Pause) -> TriggerView | None:
        """What a latched trigger sees."""
        if self.point is None:
            return None
        return sweep_of(self.state).view((pause.trigger, pause.scope), self.point)


def look(state: AccordState, at: Instant) -> Scene:
    """Ask the state once."""
    return Scene(state, at, status(state, at), state.terms_at(at))


def constraints(scene: Scene, subject: Subject, kinds: Collection[ClauseKind] = EVERY) -> Iterator[Constraint]:
    """Everything of these kinds that binds the subject; without ways."""
    if subject.kind == "party":
        yield from _of_party(scene, Party(subject.id), subject, kinds)
    elif subject.kind == "run":
        yield from _of_run(scene, subject, kinds)
    elif subject.kind == "change":
        yield from _of_change(scene, subject, kinds)
    elif subject.kind == "trigger":
        yield from _of_trigger(scene, subject, kinds)
    else:
        yield from _of_accord(scene, subject, kinds)


def is_governed(scene: Scene, party: Party) -> bool:
    """Is the accord in force and the party bound, by its accession or by a pause that it did not leave?"""
    return scene.now.phase == "in_force" and party in scene.now.bound


def things_of(scene: Scene, party: Party | None) -> tuple[list[Subject], int]:
    """The runs that have not finished and the proposals of a party, or of everybody, and how many more there are."""
    found: list[Subject] = []
    for item in scene.state.index.get(("run",), ()):
        body = item.body
        if isinstance(body, Run) and party in {None, item.party} and not _finished(scene, item):
            found.append(Subject("run", item.id, body.run))
    found += [
        Subject("change", item.id, f"proposal {item.id[:12]}…")
        for item in scene.state.index.get(("proposal",), ())
        if isinstance(item.body, Proposal) and party in {None, item.party}
    ]
    return found[-THINGS_MAX:], max(0, len(found) - THINGS_MAX)


def _finished(scene: Scene, run: Item) -> bool:
    halted = last_halt(scene.state, run.id, scene.at, 0)
    return halted is not None and isinstance(halted[0].body, Halted) and halted[0].body.why == "finished"


def _of_accord(scene: Scene, subject: Subject, kinds: Collection[ClauseKind]) -> Iterator[Constraint]:
    if scene.now.phase != "in_force":
        if "phase" in kinds:
            yield _phase(scene, subject)
        return
    yield from _latched(scene, None, None, subject, kinds)
    if "consequence" in kinds:
        for sanction in scene.now.sanctions:
            yield _sanction(sanction, subject)
    yield from _things(scene, None, kinds)


def _of_party(scene: Scene, party: Party, subject: Subject, kinds: Collection[ClauseKind]) -> Iterator[Constraint]:
    if not is_governed(scene, party):
        yield from _outside(scene, party, subject, kinds)
        return
    yield from _latched(scene, party, None, subject, kinds)
    if "consequence" in kinds:
        for sanction in scene.now.sanctions:
            if sanction.against == party:
                yield _sanction(sanction, subject)
    yield from _things(scene, party, kinds)
    if "membership" in kinds:
        binding = next(each for each in scene.now.bindings if each.party == party)
        notice_s = scene.terms.withdrawal_notice_s
        text = "a party that acceded is bound" + (
            ", and no withdrawal is provided for"
            if notice_s is None
            else f" until {show_duration(notice_s)} after it withdraws"
        )
        yield Constraint(
            Clause("membership", "accession", text), "bound", subject, party, binding.since, binding.why,
            facts={} if binding.leaves_at is None else {"leaves at": show_instant(binding.leaves_at)},
        )  # fmt: skip


def _things(scene: Scene, party: Party | None, kinds: Collection[ClauseKind]) -> Iterator[Constraint]:
    """What binds the runs and changes by themselves; the pauses and consequences are told of the party."""
    own = JUDGED.intersection(kinds)
    if own:
        for thing in things_of(scene, party)[0]:
            yield from constraints(scene, thing, own)


def _outside(scene: Scene, party: Party, subject: Subject, kinds: Collection[ClauseKind]) -> Iterator[Constraint]:
    """Who is not bound, or nobody is: the policy of the phase, which may refuse."""
    if scene.now.phase != "in_force":
        if "phase" in kinds:
            yield _phase(scene, subject)
        return
    before = scene.terms.entry_into_force.before
    refused = tuple(activity for activity, policy in before.items() if policy == "refuse")
    if "membership" in kinds:
        binding = next(each for each in scene.now.bindings if each.party == party)
        text = "who has not acceded, or has left, is not bound"
        if refused:
            text += f", and may do no {' or '.join(refused)}"
        yield Constraint(
            Clause("membership", "outside", text), "refused" if refused else "free", subject, party, None,
            binding.why, activities=refused,
        )  # fmt: skip


def _phase(scene: Scene, subject: Subject) -> Constraint:
    terms, now = scene.terms, scene.now
    refused = tuple(activity for activity, policy in now.activities if policy == "refuse")
    if now.phase == "before":
        text = f"the accord is in force from when {say(terms.entry_into_force.when)}"
    else:
        text = f"the accord expired at {show_instant(now.expires)}" if now.expires is not None else "it expired"
    if refused:
        text += (
            f"; until then {' and '.join(refused)} are refused"
            if now.phase == "before"
            else f"; {' and '.join(refused)} are refused"
        )
    return Constraint(
        Clause("phase", now.phase, text), "refused" if refused else "free", subject, "all", now.phase_since,
        now.why_phase, verdict=now.phase != "before", activities=refused,
    )  # fmt: skip


def _of_run(scene: Scene, subject: Subject, kinds: Collection[ClauseKind]) -> Iterator[Constraint]:
    item = scene.state.get(Digest(subject.id))
    if item is None or not isinstance(item.body, Run):
        return
    party, run = item.party, item.body
    if not is_governed(scene, party):
        yield from _outside(scene, party, subject, kinds)
        return
    yield from _latched(scene, party, (run.activity,), subject, kinds)
    if "declaration" in kinds and (item.time is None or item.time > scene.at):
        yield Constraint(
            Clause("declaration", "declaration", "a run may start once its declaration is witnessed, so that others can find it"),
            "held", subject, item.id, scene.at, Reason(f"run {run.run} is not witnessed yet", (item.id,)),
            witnessed=False, verdict=False, activities=(run.activity,),
        )  # fmt: skip
    if "limit" in kinds:
        yield from _limits(scene, item, run, subject)
    if "checkpoint" in kinds:
        yield from _checkpoints(scene, (item,), "run.start", subject)
    if run.proposal is not None and "screening" in kinds:
        yield from _seeded(scene, run.proposal, subject)
    if run.proposal is not None and "hold_point" in kinds:
        yield from _holds(scene, run.proposal, ("version.train",), subject)
    if run.proposal is not None and "checkpoint" in kinds:
        yield from _checkpoints(scene, stated(scene.state, run.proposal), "version.train", subject)
    if "consequence" in kinds:
        for sanction in scene.now.sanctions:
            if sanction.against == party and sanction.act == "refuse_compute":
                yield _sanction(sanction, subject)


def _of_change(scene: Scene, subject: Subject, kinds: Collection[ClauseKind]) -> Iterator[Constraint]:
    change = change_of(scene.state, Digest(subject.id))
    if change is None:
        return
    owners = [party for party in sorted(change.authors) if is_governed(scene, party)]
    if not owners:
        yield from _outside(scene, min(change.authors), subject, kinds)
        return
    item = scene.state.get(Digest(subject.id))
    is_proposal = item is not None and isinstance(item.body, Proposal)
    activities = ("training", "self_improvement") if is_proposal else ("training", "self_improvement", "deployment")
    for party in owners:
        yield from _latched(scene, party, activities, subject, kinds)
    on = ("version.train",) if is_proposal else ("version.train", "version.deploy")
    if "screening" in kinds:
        yield from _seeded(scene, change.proposal, subject)
    if "hold_point" in kinds:
        yield from _holds(scene, Digest(subject.id), on, subject)
    if "checkpoint" in kinds:
        for where in on:
            yield from _checkpoints(scene, stated(scene.state, Digest(subject.id)), where, subject)
    if "consequence" in kinds and not is_proposal:
        for sanction in scene.now.sanctions:
            if sanction.against in owners and sanction.act == "refuse_deployment":
                yield _sanction(sanction, subject)


def _of_trigger(scene: Scene, subject: Subject, kinds: Collection[ClauseKind]) -> Iterator[Constraint]:
    found = False
    for constraint in _latched(scene, None, None, subject, EVERY):
        if constraint.clause.id == subject.id:
            found = True
            if constraint.clause.kind in kinds:
                yield constraint
    if found or "trigger" not in kinds:
        return
    if scene.now.phase != "in_force":
        yield _phase(scene, subject)
        return
    trigger = scene.terms.trigger(subject.id)
    if trigger is None:
        return
    text = f"if {say(trigger.when)}: {'limits come into effect' if trigger.then == 'limits' else trigger.then}"
    for scope in ("all",) if trigger.scope == "all" else tuple(p for p in scene.terms.parties if p in scene.now.bound):
        view = None if scene.point is None else sweep_of(scene.state).view((trigger.id, scope), scene.point)
        value = None if view is None else evaluate(trigger.when, view)
        judged = () if view is None else tuple(judge(trigger.when, view))
        yield Constraint(
            Clause("trigger", trigger.id, text), "free", subject, scope, None, Reason(f"{trigger.id} has not latched"),
            verdict=value, judged=judged,
        )  # fmt: skip


def _latched(
    scene: Scene,
    party: Party | None,
    activities: tuple[str, ...] | None,
    subject: Subject,
    kinds: Collection[ClauseKind],
) -> Iterator[Constraint]:
    """Pauses, slowdowns and limits brought into effect: of a party, of these activities; None is all."""
    for pause in latched_now(scene.now):
        kind = KIND_OF[pause.effect]
        if kind not in kinds or (party is not None and party not in pause.parties):
            continue
        if activities is None or not pause.activities or not set(activities).isdisjoint(pause.activities):
            yield _of_pause(scene, pause, kind, subject)


def latched_now(now: Status) -> tuple[Pause, ...]:
    """Everything that a trigger started and that goes on."""
    return (*now.pauses, *now.slowdowns, *now.measures)


def _of_pause(scene: Scene, pause: Pause, kind: ClauseKind, subject: Subject) -> Constraint:
    trigger = scene.terms.trigger(pause.trigger)
    when = "a condition that these terms no longer have" if trigger is None else say(trigger.when)
    together = "lift it together" if sum(scene.terms.lift.votes.groups.values()) > 1 else "lifts it"
    lift = f"{quorum(scene.terms.lift.votes)} {together}"
    if scene.terms.lift.when is not None:
        lift += f" when {say(scene.terms.lift.when)}"
    view = scene.view(pause)
    facts = {"round": str(pause.round), "scope": pause.scope}
    if kind == "pause":
        facts["halt by"] = show_instant(pause.halt_by)
    elif kind == "slowdown":
        facts["rate"] = f"{show_decimal(pause.rate * 100)} %"
    if pause.lapses_at is not None:
        facts["lapses at"] = f"{show_instant(pause.lapses_at)}, {_unless(pause)}"
    if pause.confirm is not None and pause.confirm.voted:
        facts["voted to confirm"] = ", ".join(pause.confirm.voted)
    if pause.lift.voted:
        facts["voted to lift"] = ", ".join(pause.lift.voted)
    if pause.released:
        facts["released until others have halted"] = ", ".join(pause.released)
    whys = pause.why or (Reason(f"{kind} by {pause.trigger}", pause.cited),)
    return Constraint(
        Clause(kind, pause.trigger, f"if {when}: {'limits come into effect' if kind == 'measure' else kind}; {lift}"),
        EFFECT_OF[pause.effect],
        subject,
        pause.scope,
        pause.since,
        whys[0],
        witnessed=pause.witnessed,
        verdict=True if trigger is None or view is None else evaluate(trigger.when, view),
        judged=() if trigger is None or view is None else tuple(judge(trigger.when, view)),
        activities=pause.activities,
        facts=facts,
    )


def _unless(pause: Pause) -> str:
    """What would put a lapse off."""
    if pause.confirm is None or pause.confirm.confirmed_at is not None:
        return "unless renewed or evidence is added"
    return f"unless it is confirmed, which lacks {pause.confirm.missing}"


def _sanction(sanction: Sanction, subject: Subject) -> Constraint:
    by = "everybody" if sanction.by is None else sanction.by
    text = f"after a ruling of breach {by} {sanction.act.replace('_', 's ', 1) if sanction.act != 'publish' else 'may publish it'}"
    why = sanction.why
    return Constraint(
        Clause("consequence", f"{sanction.act}{'' if sanction.by is None else f' by {sanction.by}'}", text),
        "free" if sanction.act == "publish" else "refused",
        subject,
        sanction.finding,
        sanction.since,
        why,
        activities={"refuse_compute": ("compute",), "refuse_deployment": ("deployment",)}.get(sanction.act, ()),
        facts={"against": sanction.against},
    )


def _limits(scene: Scene, item: Item, run: Run, subject: Subject) -> Iterator[Constraint]:
    ancestry = sweep_of(scene.state).ancestry_at(scene.at)
    since = scene.now.in_force_since
    for found in limits_at_work(
        scene.state, scene.terms, item, ancestry, scene.at, in_force_since=since, covered=scene.now.covered
    ):
        why = Reason(found.why.text, found.why.cites, _places(scene.state, found.why.cites))
        yield Constraint(
            Clause("limit", found.limit.id, _limit_text(found.limit)),
            "refused" if found.limit.refuse else "held",
            subject,
            item.id,
            Instant(item.time) if item.time is not None and item.time <= scene.at else scene.at,
            why,
            witnessed=item.time is not None and item.time <= scene.at,
            verdict=found.value,
            judged=tuple(judge(found.limit.when, found.view)),
            activities=(run.activity,),
            facts={"lacks": found.lacking} if found.lacking else {},
        )


def _limit_text(limit: Limit) -> str:
    then = "refused" if limit.refuse or limit.need is None else f"held until {need(limit.need)} is there"
    unknown = ", or it is not known whether" if limit.unknown == "holds" and may_be_unknown(limit.when) else ""
    during = "" if limit.during is None else f"while `{limit.during}` is on, "
    return f"{during}if {say(limit.when)}{unknown}: {then}"


def _seeded(scene: Scene, proposal: Digest | None, subject: Subject) -> Iterator[Constraint]:
    found = seeded_standing(scene.state, proposal, scene.at)
    if found is None or proposal is None:
        return
    [why] = found.reasons
    revealed = scene.state.get(why.cites[0])
    witnessed = revealed is not None and revealed.time is not None and revealed.time <= scene.at
    yield Constraint(
        Clause("screening", "screening", "a seeded change is known bad: it is there to be caught, and never permitted"),
        "held",
        subject,
        proposal,
        revealed.time if revealed is not None and revealed.time is not None and witnessed else scene.at,
        Reason(why.text, why.cites, _places(scene.state, why.cites)),
        witnessed=witnessed,
        verdict=True,
        activities=("training", "self_improvement", "deployment"),
    )


def _holds(scene: Scene, change_id: Digest, on: tuple[str, ...], subject: Subject) -> Iterator[Constraint]:
    change = change_of(scene.state, change_id)
    if change is None:
        return
    first = _stated_at(scene, change)
    for where in on:
        since = scene.now.in_force_since
        for found in holds_at_work(scene.state, scene.terms, change, where, scene.at, in_force_since=since):
            yield Constraint(
                Clause("hold_point", found.hold.id, _hold_text(found.hold)),
                "held",
                subject,
                change_id,
                first or scene.at,
                Reason(found.why.text, found.why.cites, _places(scene.state, found.why.cites)),
                witnessed=first is not None,
                verdict=found.meets,
                judged=tuple(judge(found.hold.when, change)),
                activities=("deployment",) if where == "version.deploy" else ("training", "self_improvement"),
                facts={"lacks": found.lacking.spelled()},
            )


def _checkpoints(scene: Scene, items: tuple[Item, ...], on: str, subject: Subject) -> Iterator[Constraint]:
    if not any(checkpoint.on == on for checkpoint in scene.terms.checkpoints):
        return
    for found in checkpoints_at_work(checkpoint_evidence(scene.state, scene.at), on, items):
        item = found.item
        witnessed = item.time is not None and item.time <= scene.at
        yield Constraint(
            Clause("checkpoint", found.checkpoint.id, checkpoint_text(found.checkpoint)),
            "held",
            subject,
            item.id,
            item.time if item.time is not None and witnessed else scene.at,
            Reason(found.why.text, found.why.cites, _places(scene.state, found.why.cites)),
            witnessed=witnessed,
            verdict=found.meets,
            judged=tuple(judge(found.checkpoint.when, found.sight)),
            activities=("deployment",) if on == "version.deploy" else ("training", "self_improvement"),
            facts={"lacks": "; ".join(missing.text for missing in found.itself)},
        )


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """A capability checkpoint in words."""
    before = {"run.start": "a run starts", "version.train": "training", "version.deploy": "deployment"}[checkpoint.on]
    unknown = (
        ", or it is not known whether" if checkpoint.unknown == "holds" and may_be_unknown(checkpoint.when) else ""
    )
    return f"if {say(checkpoint.when)}{unknown}: before {before} it is held until it has {certified(checkpoint.need)}"


def _stated_at(scene: Scene, change: Change) -> Instant | None:
    """When the change was first witnessed, by now."""
    items = [scene.state.get(cited) for cited in change.cited]
    times = [item.time for item in items if item is not None and item.time is not None and item.time <= scene.at]
    return min(times, default=None)


def _hold_text(hold: HoldPoint) -> str:
    before = "training" if hold.on == "version.train" else "deployment"
    return f"if {say(hold.when)}: before {before} it must be approved by {hold_asks(hold)}"


def judge(condition: Condition, view: View, *, restricting: bool = True) -> Iterator[Judgement]:
    """Every atom of a condition with its value."""
    if isinstance(condition, All | AnyOf | AtLeast):
        for part in condition.parts:
            yield from judge(part, view, restricting=restricting)
    elif isinstance(condition, Not):
        yield from judge(condition.part, view, restricting=not restricting)
    else:
        yield Judgement(say(condition), _value(condition, view, restricting=restricting))


def _value(atom: Atom, view: View, *, restricting: bool) -> Truth:
    return view.value(atom, restricting=restricting)


def _places(state: AccordState, cites: tuple[Digest, ...]) -> tuple[Place, ...]:
    items = (state.get(cited) for cited in cites)
    return tuple(item.place for item in items if item is not None and item.place is not None)
