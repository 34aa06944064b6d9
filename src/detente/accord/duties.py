"""What each party must have done by when: registered its compute, or been found by an inspector to have done something.

Decides how a duty of one party stands at an instant. Leaves what an overdue duty starts to triggers. ``spec/accord.md`` §6.7.

- Registered: a settled ``facility`` by which the party says that every facility of its that does more than so much is registered.
- Found: a settled finding of another party whom the terms name, with the claim ``fulfils <duty>``, and not taken back since.
- A party's deadline is the duty's, or so long after the party joined, whichever is later. What fulfils it must be witnessed by then;
  since that takes as long to settle as everything that permits, the duty is overdue so much later, and not a second before.
- With ``every``, it must be done again so long after the last time. What must be done when asked is in ``requests``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detente.accord.fold import AccordState
from detente.accord.membership import Members
from detente.accord.records import claimed_duty
from detente.accord.requests import request_standing
from detente.accord.span import AfterEntry, moment_at
from detente.accord.standing import DutyStanding, DutyState
from detente.accord.terms import Duty, Terms
from detente.accord.topics import facility_topic, fulfilment_topic
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.statement.facility import Facility
from detente.statement.finding import Finding


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """The last time at which it was done, and when that was taken back (None: it was not)."""

    at: int | None
    cited: tuple[Digest, ...]
    taken_back: int | None = None


def bound_by(terms: Terms, duty: Duty, members: Members) -> list[Party]:
    """The bound parties that have the duty."""
    return sorted(party for party in members.bound if terms.among(party, duty.of))


def list_duties(
    state: AccordState, terms: Terms, members: Members, at: int, *, heard: bool
) -> tuple[DutyStanding, ...]:
    """Every duty of every bound party, in the order of the terms."""
    return tuple(
        duty_standing(state, terms, members, duty, party, at, heard=heard)
        for duty in terms.duties
        for party in bound_by(terms, duty, members)
    )


def duty_standing(
    state: AccordState, terms: Terms, members: Members, duty: Duty, party: Party, at: int, *, heard: bool
) -> DutyStanding:
    """How one duty of one party stands.

    1. Outside force nothing is due; after its end nothing is due any more.
    2. Done, and still so: due again only with ``every``.
    3. Overdue once the deadline and the time to settle are over, or from when what had fulfilled it was taken back.
    """
    if duty.on_request is not None:
        return request_standing(state, terms, members, duty, party, at, heard=heard)
    done = _fulfilment(state, terms, duty, party, at, heard=heard)
    ends = None if duty.until is None else moment_at(duty.until, members.in_force_since)
    due = deadline(members, duty, party)

    def standing(now: DutyState, due_at: int | None, since: int | None = None) -> DutyStanding:
        return DutyStanding(
            duty.id,
            party,
            now,
            None if due_at is None else Instant(due_at),
            None if since is None else Instant(since),
            duty.asks(),
            done.cited,
        )

    if due is None or members.in_force_since is None:  # 1
        return standing("open", None)
    if ends is not None and at >= ends:
        return standing("ended", due)
    if done.at is not None:  # 2
        if duty.every_s is None:
            return standing("fulfilled", None)
        due = max(due, done.at + duty.every_s)
        since = due + terms.mirrors.settle_s
        return standing("fulfilled", due) if at < since else standing("overdue", due, since)
    since = max(due + terms.mirrors.settle_s, done.taken_back or 0)  # 3
    return standing("overdue", due, since) if at >= since else standing("open", due)


def deadline(members: Members, duty: Duty, party: Party) -> int | None:
    """The last instant at which what fulfils the duty for the first time is in time; None while that is not known."""
    by = None if duty.by is None else moment_at(duty.by, members.in_force_since)
    member = members.members.get(party)
    if by is None or member is None:
        return None
    joined = member.since + (duty.by.delay_s if isinstance(duty.by, AfterEntry) else 0)
    return max(by, joined)


def duty_instants(terms: Terms, members: Members, duty: Duty) -> Iterator[int]:
    """The instants at which the mere passing of time may change how the duty stands, if nobody says anything."""
    for party in bound_by(terms, duty, members):
        due = deadline(members, duty, party)
        if due is not None:
            yield due + terms.mirrors.settle_s
    ends = None if duty.until is None else moment_at(duty.until, members.in_force_since)
    if ends is not None:
        yield ends


def told(standing: DutyStanding) -> str:
    """The standing as a sentence."""
    due = "" if standing.due_at is None else f", due by {show_instant(standing.due_at)}"
    since = "" if standing.since is None else f" since {show_instant(standing.since)}"
    return f"{standing.duty} of {standing.party} is {standing.state}{since}{due}: {standing.asks}"


def _fulfilment(
    state: AccordState, terms: Terms, duty: Duty, party: Party, at: int, *, heard: bool
) -> Fulfilment:  # fmt: skip
    if duty.register_above is not None:
        return _registered(state, terms, duty, party, at)
    return _found(state, terms, duty, party, at, heard=heard)


def _registered(state: AccordState, terms: Terms, duty: Duty, party: Party, at: int) -> Fulfilment:
    for item, time in state.latest(facility_topic(party), at):
        body = item.body
        if (
            isinstance(body, Facility)
            and body.complete_above is not None
            and duty.register_above is not None
            and body.complete_above <= duty.register_above
            and time + terms.mirrors.settle_s <= at
        ):
            return Fulfilment(time, (item.id,))
    return Fulfilment(None, ())


def _found(state: AccordState, terms: Terms, duty: Duty, party: Party, at: int, *, heard: bool) -> Fulfilment:
    """Of each inspector whom the terms name the latest word; one that takes back counts on receipt."""
    latest: dict[Party, tuple[bool, int, Digest]] = {}
    back = -1
    for item, time in state.upto(fulfilment_topic(party, duty.id), at, heard=heard):
        body = item.body
        if not isinstance(body, Finding) or item.party == party or not terms.among(item.party, duty.found_by):
            continue
        if body.result == "refuted":
            if latest.pop(item.party, None) is not None:
                back = max(back, time)
        elif (
            body.result == "confirmed"
            and claimed_duty(body.claim) == duty.id
            and item.time is not None
            and item.time + terms.mirrors.settle_s <= at
        ):
            latest[item.party] = (True, time, item.id)
    if latest:
        done = max(latest.values(), key=lambda word: (word[1], word[2]))
        return Fulfilment(done[1], (done[2],))
    return Fulfilment(None, (), back if back >= 0 else None)
