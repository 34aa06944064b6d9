"""What is so at an instant: ``status``, and how one run, change or deployment stands.

Decides nothing new: it puts together what members, cases and triggers are at an instant. Normative text:
``spec/accord.md`` §9.

- A party that left stays bound by every pause that latched before it left, until that pause ends.
- A party that acceded on the condition that others halt is released from a pause until they have, and listed as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from detente.accord.adjudication import Case, cases_at
from detente.accord.authenticators import Label, label_of
from detente.accord.change import change_of
from detente.accord.checkpoints import Seen, checkpoint_standing, rests_on_lineage
from detente.accord.duties import list_duties
from detente.accord.fold import AccordState
from detente.accord.halts import halt_of, met_halted_conditions
from detente.accord.holds import FREE, hold_standing, holds_at_work
from detente.accord.lasting import Answer, Question, keep_answer, kept_answer, next_difference
from detente.accord.limits import limit_standing
from detente.accord.membership import Members
from detente.accord.reason import Place, Reason
from detente.accord.reciprocity import OthersReleased, released_others
from detente.accord.records import Item
from detente.accord.requests import requests_beyond
from detente.accord.schedule import ended_rules, list_schedule
from detente.accord.screened import HELD_BY, seeded_standing
from detente.accord.standing import (
    Binding,
    FindingStanding,
    FoldNote,
    Halt,
    Lifted,
    LiftProgress,
    PartyKeyring,
    Pause,
    Phase,
    Sanction,
    Standing,
    Status,
    TimedRelease,
)
from detente.accord.sunset import late_renewals, sunset_of
from detente.accord.sweep import Standpoint, Sweep, TrackKey, phase_at, sweep_of
from detente.accord.terms import Terms
from detente.accord.topics import SEEDS, ballot_topic, vote_topic
from detente.accord.tracks import Latch, confirmation, lapse_of, lift_progress
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.statement.credential import Credential
from detente.statement.run import Run
from detente.statement.vote import Vote

KEPT_MAX = 16
"""Statuses kept per state: issuers of one second ask the same question many times."""


def status(state: AccordState, at: Instant, *, witnessed_only: bool = False) -> Status:
    """Everything that is so at ``at``; kept per state and instant.

    What restricts binds on receipt, so evidence not witnessed by ``at`` counts too. Whoever looks back at an earlier
    instant asks for what was ``witnessed_only``.
    """
    kept: dict[tuple[int, bool], Status] = state.keep.setdefault("status", {})
    key = (at, witnessed_only)
    if key not in kept:
        if len(kept) >= KEPT_MAX:
            del kept[next(iter(kept))]
        kept[key] = _status(state, at, heard=not witnessed_only)
    return kept[key]


def _status(state: AccordState, at: Instant, *, heard: bool) -> Status:
    terms = state.terms_at(at)
    sweep = sweep_of(state)
    point = standpoint(state, at, heard=heard)
    phase: Phase = phase_at(state, terms, point.members, at)  # type: ignore[assignment]
    cases = tuple(cases_at(state, terms, at, heard=heard))
    others = released_others(state, terms, cases, at, heard=heard)
    latched = [
        _pause(state, terms, sweep, point, key, track.latch, others)
        for key, track in sorted(point.tracks.items())
        if track.latch is not None
    ]
    pauses = tuple(pause for pause in latched if pause.effect == "pause")
    votes, stale = _vote_notes(state, point)
    alert = bool(latched) or votes or any(case.state == "open" for case in cases)
    ended = tuple(lifted for _, track in sorted(point.tracks.items()) for lifted in track.ended)
    since = point.members.in_force_since
    schedule = list_schedule(terms, since, at)
    sunset = sunset_of(state, terms, at)
    expires = None if sunset is None else Instant(sunset.at)
    return Status(
        at=at,
        accord=state.accord,
        name=terms.accord,
        terms_version=terms.version,
        terms_digest=terms.digest,
        acceptable=state.acceptable_terms(at),
        self_witnessed=terms.mirrors.self_witnessed,
        phase=phase,
        in_force_since=None if since is None else Instant(since),
        phase_since=expires if phase == "expired" else None if since is None else Instant(since),
        expires=expires,
        renewal=None if sunset is None or phase == "expired" else sunset.renewal,
        review_by=terms.review_by,
        activities=_activities(terms, phase),
        bindings=_bindings(state, terms, point.members, latched),
        pauses=pauses,
        slowdowns=tuple(pause for pause in latched if pause.effect == "slowdown"),
        measures=tuple(pause for pause in latched if pause.effect == "limits"),
        ended=ended,
        halts=_halts(state, terms, sweep, latched, point),
        findings=tuple(_finding(case) for case in cases),
        sanctions=tuple(sanction for case in cases for sanction in _sanctions(state, terms, case)),
        released_by_time=(
            *_released_by_time(state, terms, point, expires if phase == "expired" else None, ended),
            *ended_rules(schedule, since),
            *(() if others is None else (others.release(),)),
            *(
                TimedRelease(
                    "finding_fell",
                    f"nobody ruled in time on what {case.finding.party} found about {case.about}",
                    Instant(case.ruled_at or 0),
                    case.cited,
                )
                for case in cases
                if case.state == "fallen"
            ),
        ),
        schedule=schedule,
        duties=list_duties(state, terms, point.members, at, heard=heard),
        alert=alert,
        life_s=terms.permits.alert_s if alert else terms.permits.calm_s,
        keyrings=_keyrings(state, terms, at),
        notes=(*state.notes, *stale, *_notes_at(state, terms, point.members, at, heard=heard)),
        why_phase=_why_phase(state, terms, point.members, phase),
    )


def _notes_at(state: AccordState, terms: Terms, members: Members, at: int, *, heard: bool) -> Iterator[FoldNote]:
    """What has no effect as of an instant: renewals that came too late, requests beyond their number."""
    yield from late_renewals(state, terms, at)
    yield from requests_beyond(state, terms, members, at, heard=heard)


def run_standing(state: AccordState, run: Digest, at: Instant, *, flop: Decimal | None = None) -> Standing:
    """Limits on a declared run (``run`` is the statement id); ``flop`` raises the planned amount where it is larger."""
    item = state.get(run)
    if item is None or not isinstance(item.body, Run):
        return Standing("held", ("declaration",), (Reason(f"run {run} is not declared"),))
    return _lasting(state, ("run.start", run, flop), at, lambda: _of_run(state, item, at, flop))


def _of_run(state: AccordState, item: Item, at: Instant, flop: Decimal | None) -> Standing:
    now = status(state, at)
    ancestry = sweep_of(state).ancestry_at(at)
    limited = limit_standing(
        state, state.terms_at(at), item, ancestry, at, flop=flop, in_force_since=now.in_force_since, covered=now.covered
    )
    return _both(limited, _checked(state, (item,), "run.start", at, flop=flop))


def change_standing(state: AccordState, change: Digest, at: Instant) -> Standing:
    """Hold points and checkpoints (on ``version.train``) for a proposal (statement id) or a version (digest)."""
    return _of_change(state, change, "version.train", at)


def has_lapsed(state: AccordState, proposal: Digest, at: Instant) -> bool:
    """Has the proposal lapsed at a hold point that keeps it? Then nothing that is said from now on lets it pass."""
    terms, change = state.terms_at(at), change_of(state, proposal)
    if change is None or all(hold.decide_within_s is None for hold in terms.hold_points):
        return False
    since = status(state, at).in_force_since
    return any(
        each.lacking.lapsed for each in holds_at_work(state, terms, change, "version.train", at, in_force_since=since)
    )


def release_standing(state: AccordState, version: Digest, at: Instant) -> Standing:
    """Hold points and checkpoints (on ``version.deploy``) for a version."""
    return _of_change(state, version, "version.deploy", at)


def _of_change(state: AccordState, change: Digest, on: str, at: Instant) -> Standing:
    if SEEDS in state.index:
        found = change_of(state, change)
        seeded = None if found is None else seeded_standing(state, found.proposal, at)
        if seeded is not None:
            return seeded
    if not _is_asked(state.terms_at(at), on):
        return FREE
    return _lasting(
        state, (on, change, None), at, lambda: _held(state, change, on, at, status(state, at).in_force_since)
    )


def _lasting(state: AccordState, question: Question, at: Instant, find: Callable[[], Standing]) -> Standing:
    """What ``find`` finds at ``at``, or found earlier where nothing that it rests on has changed since."""
    answer = kept_answer(state, question, at)
    if answer is not None and answer.asked == at:
        return answer.standing
    now, terms = status(state, at), state.terms_at(at)
    under = (terms, now.in_force_since, now.covered)
    if answer is not None and answer.under == under:
        answer.asked = at
        return answer.standing
    on, subject, _ = question
    until = at + 1
    if rests_on_lineage(state, terms, on, stated(state, subject)):
        spans = [limit.span for limit in terms.limits] + [hold.span for hold in terms.hold_points]
        spans += [checkpoint.span for checkpoint in terms.checkpoints]
        until = next_difference(state, subject, at, spans, now.in_force_since)
    standing = find()
    keep_answer(state, question, Answer(standing, at, until, under, at))
    return standing


def _is_asked(terms: Terms, on: str) -> bool:
    return any(hold.on == on for hold in terms.hold_points) or any(each.on == on for each in terms.checkpoints)


def proposals_waiting(state: AccordState, at: Instant) -> tuple[tuple[Digest, Party, Standing], ...]:
    """Every proposal at a hold point that is not passed: id, party, and what is missing."""
    waiting = []
    for item, _ in state.upto(("proposal",), at, heard=True):
        standing = change_standing(state, item.id, at)
        if standing.outcome != "free" and standing.held_by != (HELD_BY,):  # Nobody waits for a revealed seed.
            waiting.append((item.id, item.party, standing))
    return tuple(waiting)


def _held(state: AccordState, change_id: Digest, on: str, at: int, in_force_since: int | None) -> Standing:
    terms = state.terms_at(at)
    if not _is_asked(terms, on):
        return FREE
    change = change_of(state, change_id)
    if change is None:
        return Standing("held", ("declaration",), (Reason(f"the change {change_id} was not proposed or stated"),))
    holds = hold_standing(state, terms, change, on, at, in_force_since=in_force_since)
    return _both(holds, _checked(state, stated(state, change_id), on, at))


def stated(state: AccordState, change: Digest) -> tuple[Item, ...]:
    """The proposal or version statement of that id, or every statement of the version with that digest."""
    item = state.get(change)
    if item is not None:
        return (item,)
    return state.stated(change)


def _checked(
    state: AccordState, items: tuple[Item, ...], on: str, at: int, *, flop: Decimal | None = None
) -> Standing:  # fmt: skip
    terms = state.terms_at(at)
    if not any(checkpoint.on == on for checkpoint in terms.checkpoints):
        return FREE
    return checkpoint_standing(checkpoint_evidence(state, at), on, items, flop=flop)


def checkpoint_evidence(state: AccordState, at: int) -> Seen:
    """What the conditions of checkpoints are asked of at an instant."""
    ancestry = sweep_of(state).ancestry_at(at)
    members = standpoint(state, at, heard=True).members
    return Seen(state, state.terms_at(at), members, ancestry, at)


def _both(one: Standing, other: Standing) -> Standing:
    """The stricter of two, with what holds either."""
    if other.outcome == "free" or one.outcome == "free":
        return one if other.outcome == "free" else other
    outcome = "refused" if "refused" in {one.outcome, other.outcome} else "held"
    return Standing(outcome, (*one.held_by, *other.held_by), (*one.reasons, *other.reasons))  # type: ignore[arg-type]


def standpoint(state: AccordState, at: int, *, heard: bool) -> Standpoint:
    """Everything the triggers are at an instant; kept, since many ask of the same one."""
    kept: dict[tuple[int, bool], Standpoint] = state.keep.setdefault("standpoints", {})
    if (at, heard) not in kept:
        if len(kept) >= KEPT_MAX:
            del kept[next(iter(kept))]
        kept[at, heard] = sweep_of(state).at(at, heard=heard)
    return kept[at, heard]


def _keyrings(state: AccordState, terms: Terms, at: int) -> tuple[PartyKeyring, ...]:
    reviewers = state.book.reviewers(at)
    credentials: dict[Party, list[tuple[Credential, Label]]] = {}
    for party, known in state.book.credentials.at(at):
        credentials.setdefault(party, []).append((known.credential, label_of(known, terms.authenticators)))
    return tuple(
        PartyKeyring(
            party,
            *state.book.last(party),
            reviewers.get(party, ()),
            tuple(credentials.get(party, ())),
            state.log_of(party, at),
        )
        for party in terms.parties
    )


def _activities(terms: Terms, phase: Phase) -> tuple[tuple[str, str], ...]:
    force = terms.entry_into_force
    if phase == "in_force":
        return tuple((activity, "governed") for activity in force.before)
    return tuple((force.before if phase == "before" else force.after_expiry).items())


def _pause(
    state: AccordState,
    terms: Terms,
    sweep: Sweep,
    point: Standpoint,
    key: TrackKey,
    latch: Latch,
    others: OthersReleased | None,
) -> Pause:
    trigger_id, scope = key
    trigger = terms.trigger(trigger_id)
    view = sweep.view(key, point)
    effect = "pause" if trigger is None else trigger.then
    covered = [Party(scope)] if scope != "all" else _covered(terms, point, latch.since)
    released = tuple(
        party
        for party in covered
        if not _was_held_before(point, party, latch.since)
        and not met_halted_conditions(state, terms, point.members, party, latch.since, point.at)
    )
    freed = tuple(party for party in covered if others is not None and scope == "all" and others.frees(party))
    lapses = lapse_of(latch, terms, trigger)
    rates = {"pause": Decimal(0), "slowdown": terms.slowdown_rate, "limits": Decimal(1)}
    return Pause(
        trigger=trigger_id,
        round=point.tracks[key].round,
        scope=Party(scope),
        effect=effect,
        rate=rates[effect],
        activities=() if effect == "limits" else terms.pause.activities,
        since=Instant(latch.since),
        witnessed=latch.witnessed,
        halt_by=Instant(latch.since + terms.pause.halt_within_s),
        lapses_at=None if lapses is None else Instant(lapses),
        parties=tuple(party for party in covered if party not in released and party not in freed),
        released=released,
        cited=latch.cited,
        why=(latch.why,),
        lift=LiftProgress((), "", None) if view is None else lift_progress(view, since=latch.since),
        confirm=None if view is None else confirmation(view, latch),
        freed=freed,
    )


def _covered(terms: Terms, point: Standpoint, since: int) -> list[Party]:
    """Everybody who was bound at some instant of the pause: nobody leaves it by leaving the accord."""
    covered: set[str] = set()
    for number, (_, bound) in enumerate(point.bound_history):
        until = point.bound_history[number + 1][0] if number + 1 < len(point.bound_history) else None
        if until is None or until > since:
            covered |= bound
    return [party for party in terms.parties if party in covered]


def _was_held_before(point: Standpoint, party: Party, since: int) -> bool:
    """Was the party bound in the pause by an earlier accession? Conditions of a new one release nobody from it."""
    member = point.members.members.get(party)
    if member is None:
        return True
    for number, (first, bound) in enumerate(point.bound_history):
        until = point.bound_history[number + 1][0] if number + 1 < len(point.bound_history) else None
        if party in bound and first < member.since and (until is None or until > since):
            return True
    return False


def _bindings(
    state: AccordState, terms: Terms, members: Members, latched: list[Pause]
) -> tuple[Binding, ...]:  # fmt: skip
    result = []
    for party in terms.parties:
        member = members.members.get(party)
        if member is None:
            result.append(Binding(party, False, None, None, Reason(f"{party} has not acceded")))
            continue
        leaves = None if member.leaves_at is None else Instant(member.leaves_at)
        holding = [pause.trigger for pause in latched if party in pause.parties]
        cites = [member.accession.id] + ([member.withdrawal.id] if member.withdrawal is not None else [])
        bound = party in members.bound
        if bound:
            text = f"{party} acceded" + (f" and leaves at {show_instant(leaves)}" if leaves is not None else "")
        elif party in members.waiting:
            text = f"{party} acceded on a condition that does not hold"
        else:
            text = f"{party} left"
        if holding and not bound:
            text += f"; the pause {holding[0]} latched before that and still holds it"
        since = Instant(member.since) if bound or holding else None
        why = Reason(text, tuple(cites), _places(state, tuple(cites)))
        result.append(Binding(party, bound or bool(holding), since, leaves, why))
    return tuple(result)


def _halts(
    state: AccordState, terms: Terms, sweep: Sweep, latched: list[Pause], point: Standpoint
) -> tuple[Halt, ...]:  # fmt: skip
    at, since = Instant(point.at), point.members.in_force_since
    pauses = [pause for pause in latched if pause.effect == "pause"]
    if not pauses:
        return ()
    covered = frozenset((pause.trigger, party) for pause in latched for party in pause.parties)
    by_party: dict[Party, list[Pause]] = {}
    for pause in pauses:
        for party in pause.parties:
            by_party.setdefault(party, []).append(pause)
    halt_by: dict[tuple[Party, str], int | None] = {}
    ancestry = sweep.ancestry_at(at)
    roll = sweep.roll.under(terms)
    halts = []
    for item, _ in state.upto(("run",), at):
        body = item.body
        if not isinstance(body, Run):
            continue
        asked = (item.party, body.activity)
        if asked not in halt_by:
            stops = [
                max(p.halt_by, _came_under(point, item.party, p.since) + terms.pause.halt_within_s)
                for p in by_party.get(item.party, ())
                if body.activity in p.activities
            ]
            halt_by[asked] = min(stops, default=None)
        stop = halt_by[asked]
        if stop is None:
            continue
        running = roll.running(state, terms, item, body, stop, at)
        if running is not None:
            halts.append(running)
            continue
        limits = limit_standing(state, terms, item, ancestry, at, flop=None, in_force_since=since, covered=covered)
        may_run = limits.outcome == "free" and (
            body.proposal is None or _held(state, body.proposal, "version.train", at, since).outcome == "free"
        )
        halt = halt_of(state, terms, item, body.run, stop, at, may_run=may_run)
        if halt is not None:
            halts.append(halt)
    return tuple(halts)


def _came_under(point: Standpoint, party: Party, since: int) -> int:
    """When the party came under a pause since ``since``: who joined later has as long to halt as the others had."""
    first = next((number for number, (at, _) in enumerate(point.bound_history) if at > since), len(point.bound_history))
    for at, bound in point.bound_history[max(0, first - 1) :]:
        if party in bound:
            return max(at, since)
    return since


def _finding(case: Case) -> FindingStanding:
    return FindingStanding(
        case.finding.id,
        case.finding.party,
        case.about,
        case.claim,
        case.state,
        Instant(case.since),
        case.challenged,
        case.cited,
    )


def _sanctions(state: AccordState, terms: Terms, case: Case) -> tuple[Sanction, ...]:
    if case.sanctioned_at is None:
        return ()
    why = Reason(f"a ruling of breach stands against {case.about}", case.cited, _places(state, case.cited))
    since = Instant(case.sanctioned_at)
    return tuple(Sanction(c.act, c.party, case.about, since, case.finding.id, why) for c in terms.consequences)


def _released_by_time(
    state: AccordState, terms: Terms, point: Standpoint, expired: Instant | None, ended: tuple[Lifted, ...]
) -> tuple[TimedRelease, ...]:
    found = [
        TimedRelease("pause_lapsed", f"{e.trigger} round {e.round} lapsed", e.ended_at, e.cited)
        for e in ended
        if e.how == "lapse"
    ]
    if expired is not None:
        found.append(TimedRelease("accord_expired", f"{terms.accord} expired", expired, ()))
    for (trigger, scope), track in sorted(point.tracks.items()):
        last = {item.party: item for item, _ in state.upto(vote_topic(trigger, scope), point.at)}
        for party, item in sorted(last.items()):
            body = item.body
            if not isinstance(body, Vote) or body.choice != "pause" or body.round < track.round - 1:
                continue
            if body.round < track.round and (item.time or 0) < track.cut:
                continue
            if track.latch is None and body.expires_at <= point.at:
                text = f"the vote of {party} for {trigger} expired"
                found.append(TimedRelease("vote_expired", text, body.expires_at, (item.id,)))
    return tuple(found)


def _vote_notes(state: AccordState, point: Standpoint) -> tuple[bool, tuple[FoldNote, ...]]:
    """Does a vote to pause stand, and which votes name a round that was over when they were witnessed (F09)?"""
    standing = False
    stale: list[FoldNote] = []
    for (trigger, scope), track in sorted(point.tracks.items()):
        for number in (track.round - 1, track.round):
            for item, time in state.upto(ballot_topic(trigger, scope, number, "pause"), point.at, heard=point.heard):
                counts = number == track.round or time >= track.cut
                standing = standing or (counts and isinstance(item.body, Vote) and point.at < item.body.expires_at)
        over = {ended.round: ended.ended_at for ended in track.ended}
        if not over:
            continue
        for item, time in state.upto(vote_topic(trigger, scope), point.at, heard=point.heard):
            body = item.body
            # A vote to pause that no lift has answered counts in the round after the one it names, too.
            if isinstance(body, Vote) and time > over.get(body.round + (body.choice == "pause"), time):
                stale.append(FoldNote("F09", item.id, item.place, f"round {body.round} of {trigger} is over"))
    return standing, tuple(stale)


def _why_phase(state: AccordState, terms: Terms, members: Members, phase: Phase) -> Reason:
    cites = tuple(sorted(member.accession.id for member in members.members.values()))
    spelled = terms.entry_into_force.when.spelled()
    if phase == "before":
        text = f"not in force: {spelled} is not yet true"
    elif phase == "expired":
        text = "expired by its own date"
    else:
        text = f"in force: {spelled}"
    return Reason(text, cites, _places(state, cites))


def _places(state: AccordState, cites: tuple[Digest, ...]) -> tuple[Place, ...]:
    items = (state.get(cited) for cited in cites)
    return tuple(item.place for item in items if item is not None and item.place is not None)
