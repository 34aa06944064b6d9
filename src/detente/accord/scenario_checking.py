"""Whether a state meets an expectation of a scenario table, what was got, and on which statements that rests.

Decides how each expectation is judged, always from ``status`` and the standings that everybody asks. Normative: ``spec/simulate.md`` §3.

- "Not paused" is met when no pause stops the activity; with ``by``, when that trigger does not.
- Got is told whether or not it is what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from detente.accord.change import change_of
from detente.accord.duties import told
from detente.accord.escalation import NO_ESCALATION, shown_at
from detente.accord.expectation_reading import NOT_LISTED
from detente.accord.fold import AccordState
from detente.accord.hold_showing import times_at_holds
from detente.accord.reason import Reason
from detente.accord.scenario import (
    AlertIs,
    Bound,
    DutyIs,
    Ended,
    EscalationIs,
    Expectation,
    FindingIs,
    HaltIs,
    LatchedIs,
    LiftLacks,
    PhaseIs,
    PolicyIs,
    ReleasedByTime,
    Restricted,
    Sanctioned,
    SeedsShow,
    Stands,
    WithoutEffect,
)
from detente.accord.screened import screened_at
from detente.accord.standing import Pause, Standing, Status
from detente.accord.status import change_standing, release_standing, run_standing, status
from detente.base.digest import Digest
from detente.base.instant import Instant, show_instant
from detente.base.quantity import show_decimal


@dataclass(frozen=True, slots=True)
class Judged:
    """One expectation: met or not, what was got, and the reasons with the statements they cite."""

    expectation: Expectation
    at: Instant
    met: bool
    got: str
    reasons: tuple[Reason, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "where": self.expectation.where,
            "at": show_instant(self.at),
            "expected": self.expectation.spelled(),
            "met": self.met,
            "got": self.got,
            "reasons": [reason.as_json() for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Scene:
    """What an expectation is asked of: a state at an instant, and the statements behind the table's names."""

    state: AccordState
    at: Instant
    start: Instant
    named: Mapping[str, Digest]

    @property
    def status(self) -> Status:
        """Everything that is so at that instant."""
        return status(self.state, self.at)


Answer = tuple[bool, str, tuple[Reason, ...]]


def judge(expectation: Expectation, scene: Scene) -> Judged:
    """Ask the scene."""
    met, got, reasons = _JUDGES[type(expectation)](expectation, scene)
    return Judged(expectation, scene.at, met, got, reasons)


def _phase(asked: PhaseIs, scene: Scene) -> Answer:
    now = scene.status
    return now.phase == asked.phase, f"the phase is {now.phase}", (now.why_phase,)


def _bound(asked: Bound, scene: Scene) -> Answer:
    binding = next(each for each in scene.status.bindings if each.party == asked.party)
    got = f"{asked.party} is {'' if binding.bound else 'not '}bound"
    return binding.bound == asked.holds, got, (binding.why,)


def _restricted(asked: Restricted, scene: Scene) -> Answer:
    now = scene.status
    found = [
        each
        for each in (now.pauses if asked.effect == "pause" else now.slowdowns)
        if asked.activity in each.activities and asked.party in each.parties
    ]
    fitting = [each for each in found if asked.trigger in {None, each.trigger}]
    if asked.holds:
        fitting = [each for each in fitting if _fits(asked, each, scene.start)]
    word = "paused" if asked.effect == "pause" else "slowed"
    got = f"{asked.activity} of {asked.party} is not {word}"
    if found:
        got = f"{asked.activity} of {asked.party} is {word} by {' and '.join(_told(each) for each in found)}"
    return bool(fitting) == asked.holds, got, tuple(why for each in found for why in each.why)


def _fits(asked: Restricted, pause: Pause, start: Instant) -> bool:
    return (
        (asked.since_s is None or start + asked.since_s == pause.since)
        and asked.round in {None, pause.round}
        and asked.rate in {None, pause.rate}
        and (asked.because is None or any(asked.because in why.text for why in pause.why))
    )


def _told(pause: Pause) -> str:
    rate = f" to {show_decimal(pause.rate * 100)} %" if pause.effect == "slowdown" else ""
    return f"{pause.trigger} round {pause.round}{rate} since {show_instant(pause.since)}"


def _stands(asked: Stands, scene: Scene) -> Answer:
    standing = _STANDINGS[asked.what](scene.state, scene.named[asked.name], scene.at)
    met = (
        standing.outcome == asked.outcome
        and (asked.rule is None or asked.rule in standing.held_by)
        and (asked.because is None or any(asked.because in why.text for why in standing.reasons))
    )
    by = f" by {', '.join(standing.held_by)}" if standing.held_by else ""
    return met, f"{asked.what} {asked.name} is {standing.outcome}{by}", standing.reasons


def _ended(asked: Ended, scene: Scene) -> Answer:
    ended = [each for each in scene.status.ended if (each.trigger, each.scope) == (asked.trigger, asked.scope)]
    fitting = [each for each in ended if each.how == asked.how and asked.round in {None, each.round}]
    told = [f"round {each.round} ended by {each.how} at {show_instant(each.ended_at)}" for each in ended]
    reasons = tuple(Reason(text, each.cited) for text, each in zip(told, ended, strict=True))
    if not ended:
        reasons = tuple(Reason(_lacks(each)) for each in _latched(scene, asked.trigger, asked.scope))
    return (
        bool(fitting) == asked.holds,
        f"{asked.trigger} for {asked.scope}: {', '.join(told) or 'nothing ended'}",
        reasons,
    )


def _latched(scene: Scene, trigger: str, scope: str) -> list[Pause]:
    now = scene.status
    return [
        each for each in (*now.pauses, *now.slowdowns, *now.measures) if (each.trigger, each.scope) == (trigger, scope)
    ]


def _duty(asked: DutyIs, scene: Scene) -> Answer:
    found = [each for each in scene.status.duties if (each.duty, each.party) == (asked.duty, asked.party)]
    got = told(found[0]) if found else f"{asked.party} is not bound by {asked.duty}"
    return bool(found) and found[0].state == asked.state, got, tuple(Reason(told(each), each.cited) for each in found)


def _latched_is(asked: LatchedIs, scene: Scene) -> Answer:
    latched = _latched(scene, asked.trigger, asked.scope)
    met = any(asked.round in {None, each.round} for each in latched)
    got = f"{asked.trigger} for {asked.scope} is {'' if latched else 'not '}latched"
    told = "".join(f" in round {each.round} since {show_instant(each.since)}" for each in latched)
    return met == asked.holds, got + told, tuple(why for each in latched for why in each.why)


def _lacks(pause: Pause) -> str:
    if pause.lift.missing:
        return f"its lift lacks {pause.lift.missing}"
    if pause.lift.effective_at is not None:
        return f"its lift takes effect at {show_instant(pause.lift.effective_at)}"
    return "its lift lacks nothing"


def _lift_lacks(asked: LiftLacks, scene: Scene) -> Answer:
    latched = _latched(scene, asked.trigger, asked.scope)
    met = any(asked.because in each.lift.missing for each in latched)
    got = f"{asked.trigger} for {asked.scope} " + (
        " and ".join(_lacks(each) for each in latched) if latched else "is not latched"
    )
    return met, got, tuple(why for each in latched for why in each.why)


def _halt(asked: HaltIs, scene: Scene) -> Answer:
    found = [each for each in scene.status.halts if each.run == scene.named[asked.run]]
    state = found[0].state if found else NOT_LISTED
    due = f", due by {show_instant(found[0].halt_by)}" if found and found[0].halt_by is not None else ""
    got = f"under the pause, run {asked.run} is {state}{due}"
    return state == asked.state, got, tuple(Reason(f"run {each.name}: {each.state}", each.cited) for each in found)


def _finding(asked: FindingIs, scene: Scene) -> Answer:
    found = [each for each in scene.status.findings if each.finding == scene.named[asked.finding]]
    state = found[0].state if found else "no finding that opens a case"
    reasons = tuple(Reason(f"{each.by} about {each.about}: {each.claim}", each.cited) for each in found)
    return state == asked.state, f"the finding {asked.finding} is {state}", reasons


def _seeds(asked: SeedsShow, scene: Scene) -> Answer:
    found = screened_at(scene.state, scene.state.terms_at(scene.at), scene.at)
    met = all(
        wanted in {None, count}
        for wanted, count in (
            (asked.caught, found.caught),
            (asked.decided, found.decided),
            (asked.void, found.void),
            (asked.open, found.open),
        )
    )
    got = f"of seeded changes: caught {found.caught}, decided {found.decided}, void {found.void}, open {found.open}"
    missed = f"{found.decided - found.caught} of {found.decided} were let pass"
    return met, got, (Reason(missed, found.cited),)


def _sanctioned(asked: Sanctioned, scene: Scene) -> Answer:
    against = [each for each in scene.status.sanctions if each.against == asked.party]
    found = [each for each in against if each.act == asked.act and asked.by in {None, each.by}]
    told = ", ".join(f"{each.act}{'' if each.by is None else f' by {each.by}'}" for each in against)
    got = f"against {asked.party}: {told or 'nothing'}"
    return bool(found) == asked.holds, got, tuple(each.why for each in against)


def _released(asked: ReleasedByTime, scene: Scene) -> Answer:
    listed = scene.status.released_by_time
    found = any(each.what == asked.what for each in listed)
    got = ", ".join(f"{each.what} at {show_instant(each.at)}" for each in listed) or "nothing"
    return found == asked.holds, f"released by time: {got}", tuple(Reason(each.text, each.cited) for each in listed)


def _without_effect(asked: WithoutEffect, scene: Scene) -> Answer:
    notes = scene.status.notes
    found = [
        note for note in notes
        if note.rule == asked.rule and note.statement is not None and _speaker(scene, note.statement) == asked.by
    ]  # fmt: skip
    got = ", ".join(dict.fromkeys(note.rule for note in notes)) or "nothing"
    return (
        bool(found),
        f"without effect: {got}",
        tuple(Reason(f"{n.rule}: {n.text}", () if n.statement is None else (n.statement,)) for n in notes),
    )


def _speaker(scene: Scene, statement: Digest) -> str | None:
    item = scene.state.items.get(statement)
    return None if item is None else item.party


def _policy(asked: PolicyIs, scene: Scene) -> Answer:
    policy = scene.status.policy(asked.activity)
    return policy == asked.policy, f"the phase lets {asked.activity} be {policy}", (scene.status.why_phase,)


def _escalation(asked: EscalationIs, scene: Scene) -> Answer:
    terms, change = scene.state.terms_at(scene.at), change_of(scene.state, scene.named[asked.name])
    since = scene.status.in_force_since
    times = () if change is None else tuple(times_at_holds(scene.state, terms, change, "version.train", scene.at, in_force_since=since))  # fmt: skip
    found = [each.escalated for each in times if each.escalated is not None]
    states: list[str] = [each.state for each in found if asked.to in {None, *each.to}]
    reasons = tuple(
        Reason(f"escalated to {', '.join(each.to)} by {each.why} since {shown_at(each.since)}", each.cited)
        for each in found
    )
    got = ", ".join(states) or NO_ESCALATION
    return asked.state in (states or [NO_ESCALATION]), f"the escalation of {asked.name} is {got}", reasons


def _alert(asked: AlertIs, scene: Scene) -> Answer:
    now = scene.status
    return now.alert == asked.holds, f"permits live {now.life_s} s, as in {'alert' if now.alert else 'calm'}", ()


_STANDINGS: Mapping[str, Callable[[AccordState, Digest, Instant], Standing]] = {
    "run": run_standing,
    "change": change_standing,
    "release": release_standing,
}
_JUDGES: Mapping[type[Any], Callable[[Any, Scene], Answer]] = {
    PhaseIs: _phase,
    Bound: _bound,
    Restricted: _restricted,
    Stands: _stands,
    Ended: _ended,
    LatchedIs: _latched_is,
    DutyIs: _duty,
    EscalationIs: _escalation,
    LiftLacks: _lift_lacks,
    HaltIs: _halt,
    FindingIs: _finding,
    SeedsShow: _seeds,
    Sanctioned: _sanctioned,
    ReleasedByTime: _released,
    WithoutEffect: _without_effect,
    PolicyIs: _policy,
    AlertIs: _alert,
}
