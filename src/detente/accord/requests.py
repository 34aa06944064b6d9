"""What a party must let be done when somebody asks for it: a challenge inspection, a clarification, a copy of a checkpoint.

Decides which requests count and which of them nobody has answered in time. Leaves duties by a date to ``duties`` and what an
overdue one starts to triggers. ``spec/accord.md`` §6.9.

- A request is a finding with the claim ``asks <duty>`` of another party whom the terms name. It restricts: it counts on receipt.
- An answer is a settled finding of an inspector whom the terms name, of the claim ``fulfils <duty>``, witnessed after the request. One
  answers every request before it. Nobody asks of, or answers for, themselves.
- What answers in time is witnessed no later than ``within`` after the request; it takes the time to settle until it is seen.
- Requests beyond the number for one party are without effect. That an earlier one uses the number up permits, so it waits
  until that one has settled.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from detente.accord.fold import AccordState
from detente.accord.membership import Members
from detente.accord.records import Item, claimed_duty
from detente.accord.span import moment_at
from detente.accord.standing import DutyStanding, DutyState, FoldNote
from detente.accord.terms import Duty, OnRequest, Terms
from detente.accord.topics import fulfilment_topic, request_topic
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration
from detente.statement.finding import Finding


@dataclass(frozen=True, slots=True)
class _Open:
    """A request that nothing answers: its deadline, from when it is overdue, and its statement."""

    due: int
    since: int
    request: Digest


@dataclass(frozen=True, slots=True)
class _Answers:
    """The times of the answers that stand; of those that were taken back, each with when that was."""

    standing: tuple[tuple[int, Digest], ...]
    taken_back: tuple[tuple[int, int], ...]


def request_standing(
    state: AccordState, terms: Terms, members: Members, duty: Duty, party: Party, at: int, *, heard: bool
) -> DutyStanding:
    """How what may be asked of one party stands.

    1. Outside force, and once it has ended, nothing is asked.
    2. Overdue while any request that nothing answers is; open while there is one that nothing answers.
    3. Otherwise fulfilled, or never asked.
    """

    def standing(
        now: DutyState, due: int | None, cited: tuple[Digest, ...], since: tuple[int, ...] = ()
    ) -> DutyStanding:
        due_at = None if due is None else Instant(due)
        first, last = (Instant(min(since)), Instant(max(since))) if since else (None, None)
        return DutyStanding(duty.id, party, now, due_at, first, duty.asks(), cited, last)

    ends = None if duty.until is None else moment_at(duty.until, members.in_force_since)
    if ends is not None and at >= ends:  # 1
        return standing("ended", None, ())
    counted, _ = _requests(state, terms, members, duty, party, at, heard=heard)
    answers = _answers(state, terms, duty, party, at, heard=heard)
    left = tuple(_unanswered(terms, duty, counted, answers))
    late = tuple(each for each in left if at >= each.since)
    if late:  # 2
        cited = tuple(each.request for each in late)
        return standing("overdue", min(each.due for each in late), cited, tuple(each.since for each in late))
    if left:
        return standing("open", min(each.due for each in left), tuple(each.request for each in left))
    if not counted:  # 3
        return standing("unasked", None, ())
    return standing("fulfilled", None, (max(answers.standing)[1],))


def requests_beyond(
    state: AccordState, terms: Terms, members: Members, at: int, *, heard: bool
) -> Iterator[FoldNote]:  # fmt: skip
    """Requests beyond the number that one party may be asked (F25)."""
    for duty in terms.duties:
        if duty.on_request is None or duty.on_request.most is None:
            continue
        most = duty.on_request.most
        for party in sorted(party for party in members.bound if terms.among(party, duty.of)):
            for item in _requests(state, terms, members, duty, party, at, heard=heard)[1]:
                text = f"{party} had been asked for {duty.id} {most.number} times in {show_duration(most.every_s)}"
                yield FoldNote("F25", item.id, item.place, text)


def askers(terms: Terms, rules: OnRequest, party: Party) -> tuple[Party, ...]:
    """Who may ask it of the party."""
    return tuple(each for each in terms.parties if each != party and terms.among(each, rules.by))


def _requests(
    state: AccordState, terms: Terms, members: Members, duty: Duty, party: Party, at: int, *, heard: bool
) -> tuple[list[tuple[int, Item]], list[Item]]:
    """The requests that count, each with its time, and those beyond the number. ``using_up`` are the times of those that have settled."""
    counted: list[tuple[int, Item]] = []
    beyond: list[Item] = []
    member, rules = members.members.get(party), duty.on_request
    if member is None or rules is None or members.in_force_since is None:
        return counted, beyond
    begun = max(member.since, members.in_force_since)
    may = askers(terms, rules, party)
    using_up: list[int] = []
    for item, time in state.upto(request_topic(party, duty.id), at, heard=heard):
        if time < begun or item.party not in may:
            continue
        if rules.most is not None:
            earlier = len(using_up) - bisect_right(using_up, time - rules.most.every_s)
            if earlier >= rules.most.number:
                beyond.append(item)
                continue
        counted.append((time, item))
        if item.time is not None and item.time + terms.mirrors.settle_s <= at:
            using_up.append(item.time)
    return counted, beyond


def _answers(state: AccordState, terms: Terms, duty: Duty, party: Party, at: int, *, heard: bool) -> _Answers:
    """What inspectors found; one who takes it back takes back every answer of theirs, and that counts on receipt."""
    standing: dict[Party, list[tuple[int, Digest]]] = {}
    taken_back: list[tuple[int, int]] = []
    for item, time in state.upto(fulfilment_topic(party, duty.id), at, heard=heard):
        body = item.body
        if not isinstance(body, Finding) or item.party == party or not terms.among(item.party, duty.found_by):
            continue
        if body.result == "refuted":
            taken_back += [(answered, time) for answered, _ in standing.pop(item.party, [])]
        elif (
            body.result == "confirmed"
            and claimed_duty(body.claim) == duty.id
            and item.time is not None
            and item.time + terms.mirrors.settle_s <= at
        ):
            standing.setdefault(item.party, []).append((time, item.id))
    return _Answers(tuple(sorted(each for said in standing.values() for each in said)), tuple(taken_back))


def _unanswered(
    terms: Terms, duty: Duty, counted: list[tuple[int, Item]], answers: _Answers
) -> Iterator[_Open]:  # fmt: skip
    within_s = 0 if duty.on_request is None else duty.on_request.within_s
    last = max((answered for answered, _ in answers.standing), default=-1)
    for time, item in counted:
        if last > time:
            continue
        due = time + within_s
        back = [when for answered, when in answers.taken_back if answered > time]
        yield _Open(due, max(due + terms.mirrors.settle_s, *back, 0), item.id)
