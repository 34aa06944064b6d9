"""Whether an intent is allowed on the evidence held: a value with reasons, never an error.

Decides, from the state of the accord, how fast and for how long a guard may run. Leaves out what the state is
(``accord.fold``, ``accord.status``) and everything about permits.

Rules (``spec/guard.md`` §2), applied in this order; every one that denies adds its reasons:

1. The party, and the one it acts for, are named in the terms.
2. Outside force, and for a party that is not bound, the terms' phase policy answers: free or refused. But where the
   accessions *held*, witnessed and settled or not, would bind, nothing is free: see ``binding``.
3. A pause of the activity that covers the party, or the one it acts for, denies.
4. A run must be declared in a witnessed entry by the party, for the activity asked; limits on it deny or hold. A
   provider's question is judged by the run that it names: by the pauses, the slowdowns and the limits of that run's
   activity. One that names none is held, and stopped by every pause of the party that it acts for.
5. A proposal or version must have passed its hold points and checkpoints, a run its checkpoints; a proposal serves the party that made it, and nobody else.
   One that has lapsed is named as such besides: whoever waits for a decision waits for nothing.
6. What is deployed was stated, in a witnessed entry, by the developer named. A provider refuses compute, and a relying party refuses deployment, to whom a ruling says.
7. What is unknown holds: an undeclared run, an unseen proposal, an unnamed developer.
8. What is left is allowed at the least rate of the slowdowns that cover it, for the life that the phase gives.

A denial has rate 0 and life 0 and at least one reason. Reasons cite entries where entries are to blame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from detente.accord.fold import AccordState
from detente.accord.reason import Reason
from detente.accord.standing import Pause, Standing, Status
from detente.accord.status import change_standing, has_lapsed, release_standing, run_standing, status
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import ZERO
from detente.guard.binding import unsettled_accessions
from detente.guard.intent import ACTIVITIES, Activity, Intent
from detente.statement.run import Run

LAPSED: Final = "lapsed proposal"
"""What holds a change beside its hold point when no decision can come any more. No clause has such an id: it has a space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``rate`` from 0 to 1, ``life_s`` in seconds (both 0 when not allowed); ``held_by`` names what holds it."""

    allowed: bool
    rate: Decimal
    life_s: int
    held_by: tuple[str, ...]
    reasons: tuple[Reason, ...]


def decide(state: AccordState, intent: Intent, at: Instant) -> Decision:
    """Whether ``intent`` is allowed at ``at``, an instant of the issuer's own clock."""
    now, terms = status(state, at), state.terms_at(at)
    strangers = [party for party in _involved(intent) if party not in terms.parties]
    if strangers:  # 1
        return _denied(("party",), [Reason(f"{party} is not named in the terms") for party in strangers])
    policy = _policy(now, terms, intent)
    if policy == "refuse":  # 2
        return _denied((f"phase-{now.phase}",), [now.why_phase])
    if policy == "free":
        unsettled = unsettled_accessions(state, now, terms, _involved(intent))
        if unsettled:
            return _denied(("accession",), [Reason("an accession is held that has not settled", unsettled)])
        return _allowed(now, now.why_phase)
    held: list[str] = []
    reasons: list[Reason] = []
    for name, why in _obstacles(state, now, terms, intent, at):
        held.append(name)
        reasons.extend(why)
    governed = {intent.activity, *_worked_on(state, intent)}
    rate = min(now.rate_of(party, activity) for party in _involved(intent) for activity in governed)
    if rate <= ZERO:
        held.append("slowdown")
        reasons.append(Reason("the slowdown's rate is 0", _cited(now.slowdowns)))
    if held:
        return _denied(tuple(dict.fromkeys(held)), reasons)
    capped = tuple(slow for slow in now.slowdowns if slow.rate == rate)
    return _allowed(now, *(reason for slow in capped for reason in slow.why), rate=rate)  # 8


def _involved(intent: Intent) -> tuple[Party, ...]:
    other = intent.on_behalf_of
    return (intent.party,) if other is None or other == intent.party else (intent.party, other)


def _policy(now: Status, terms: Terms, intent: Intent) -> str:
    """``free``, ``refuse`` or ``governed``. Any party involved that is bound makes the act governed."""
    if now.phase != "in_force":
        return now.policy(intent.activity)
    if any(party in now.bound for party in _involved(intent)):
        return "governed"
    return terms.entry_into_force.before.get(intent.activity, "free")


def _obstacles(
    state: AccordState, now: Status, terms: Terms, intent: Intent, at: Instant
) -> Iterable[tuple[str, tuple[Reason, ...]]]:
    """Everything that stands in the way: its name, and why."""
    for party in _involved(intent):  # 3
        for pause in now.pauses_of(party, intent.activity):
            yield pause.trigger, pause.why or (Reason(f"paused by {pause.trigger}", pause.cited),)
    if intent.activity == "compute":  # 4
        yield from _work_obstacles(state, now, intent)
    if intent.run is not None:
        yield from _run_obstacles(state, intent, intent.run, at)
    if intent.proposal is not None:  # 5
        yield from _proposal_obstacles(state, intent, intent.proposal, at)
    if intent.version is not None:
        if intent.activity == "deployment":
            yield from _standing(release_standing(state, intent.version, at), "version")
        else:
            yield from _standing(change_standing(state, intent.version, at), "version")
    yield from _sanctions(state, now, terms, intent, at)  # 6


def _worked_on(state: AccordState, intent: Intent) -> tuple[Activity, ...]:
    """What a provider's machines would do: the activity of the run, and every one where nobody can say (law 1)."""
    if intent.activity != "compute":
        return ()
    declared = None if intent.run is None else state.get(intent.run)
    if declared is None or not isinstance(declared.body, Run):
        return ACTIVITIES
    return (declared.body.activity,)


def _work_obstacles(state: AccordState, now: Status, intent: Intent) -> Iterable[tuple[str, tuple[Reason, ...]]]:
    owner = intent.on_behalf_of or intent.party
    activities = _worked_on(state, intent)
    for pause in now.pauses:
        if owner in pause.parties and not set(activities).isdisjoint(pause.activities):
            yield pause.trigger, pause.why or (Reason(f"paused by {pause.trigger}", pause.cited),)
    if intent.run is None:  # 7
        text = f"{intent.party} does not name the run of {owner} that its machines would carry"
        yield "declaration", (Reason(text),)


def _run_obstacles(
    state: AccordState, intent: Intent, run: Digest, at: Instant
) -> Iterable[tuple[str, tuple[Reason, ...]]]:
    owner = intent.on_behalf_of if intent.activity == "compute" else intent.party
    declared = state.get(run)
    if declared is None or not isinstance(declared.body, Run):  # 7
        yield "declaration", (Reason(f"run {run} is not declared"),)
        return
    if declared.time is None:
        # A permit for a run that only its issuers have heard of would leave no trace that auditors can find.
        yield "declaration", (Reason(f"run {run} is not witnessed yet", (run,)),)
    party, body = declared.party, declared.body
    if party != owner:
        yield "declaration", (Reason(f"run {run} was declared by {party}, not by {owner}", (run,)),)
    if intent.activity not in {"compute", body.activity}:
        text = f"run {run} was declared as {body.activity}, not as {intent.activity}"
        yield "declaration", (Reason(text, (run,)),)
    if body.proposal is not None and body.proposal != intent.proposal:
        # The run says which change it carries out: leaving the proposal out of the intent must not skip its hold point.
        yield from _proposal_obstacles(state, intent, body.proposal, at)
    yield from _standing(run_standing(state, run, at, flop=intent.flop), "limit")


def _proposal_obstacles(
    state: AccordState, intent: Intent, proposal: Digest, at: Instant
) -> Iterable[tuple[str, tuple[Reason, ...]]]:
    owner = intent.on_behalf_of or intent.party
    made = state.get(proposal)
    if made is not None and made.party != owner:
        # Humans approved what its author asked for; that somebody else may carry it out nobody said.
        yield "proposal", (Reason(f"proposal {proposal} was made by {made.party}, not by {owner}", (proposal,)),)
    standing = change_standing(state, proposal, at)
    if standing.outcome != "free" and has_lapsed(state, proposal, at):
        yield LAPSED, ()
    yield from _standing(standing, "proposal")


def _standing(standing: Standing, name: str) -> Iterable[tuple[str, tuple[Reason, ...]]]:
    if standing.outcome == "free":
        return
    reasons = standing.reasons or (Reason(f"{name} {standing.outcome}"),)
    for held_by in standing.held_by or (name,):
        yield held_by, reasons
        reasons = ()


def _has_stated(state: AccordState, intent: Intent, version: Digest, at: Instant) -> bool:
    return any(
        item.party == intent.on_behalf_of and item.time is not None and item.time <= at
        for item in state.stated(version)
    )


def _sanctions(
    state: AccordState, now: Status, terms: Terms, intent: Intent, at: Instant
) -> Iterable[tuple[str, tuple[Reason, ...]]]:
    act = {"compute": "refuse_compute", "deployment": "refuse_deployment"}.get(intent.activity)
    if act is None:
        return
    if intent.on_behalf_of is None:
        # Without the developer's name nobody can say whether a ruling stands against it.
        if "developer" not in terms.parties[intent.party].roles:
            yield act, (Reason(f"{intent.party} does not name whose version it deploys"),)
        return
    if intent.version is not None and act == "refuse_deployment" and not _has_stated(state, intent, intent.version, at):
        # A ruling against whose version it is must not be passed by naming somebody else.
        yield "declaration", (Reason(f"{intent.on_behalf_of} has not stated version {intent.version}"),)
    for sanction in now.sanctions_by(intent.party, intent.on_behalf_of):
        if sanction.act == act:
            yield act, (sanction.why,)


def _cited(pauses: Iterable[Pause]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(cite for pause in pauses for cite in pause.cited))


def _denied(held_by: tuple[str, ...], reasons: Iterable[Reason]) -> Decision:
    return Decision(allowed=False, rate=ZERO, life_s=0, held_by=held_by, reasons=tuple(dict.fromkeys(reasons)))


def _allowed(now: Status, *reasons: Reason, rate: Decimal = Decimal(1)) -> Decision:
    return Decision(allowed=True, rate=rate, life_s=now.life_s, held_by=(), reasons=tuple(dict.fromkeys(reasons)))
