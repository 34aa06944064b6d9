"""What must hold at every step of a play, whoever says what and when.

Decides the invariants, each asked of the real fold and the real decision. Leaves what is played to whoever plays it.
Normative: ``spec/simulate.md`` §5.

- *order*: everything that happened, in any order, gives an equal state and status.
- *permit*: no issuers who together hold a witnessed pause, as any m of whom f lie do, allow what it stops.
- *late*: what restricts, whenever it arrives, and what reaches a log late, releases nobody, unless a lift then rests on other votes.
- *latch*: a witnessed pause stays until it has ended; what time ended is marked so.
- *quorum*: what a lift rests on fills the quorum of the terms, counted again from the votes.
- *forgery*: what somebody else signed than it says has no effect.
- *story*: no two stories of one log are witnessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, islice, product
from random import Random
from typing import Literal, get_args

from detente.accord.evidence import Evidence
from detente.accord.fold import AccordState, fold
from detente.accord.records import class_of
from detente.accord.scenario import Step
from detente.accord.standing import Lifted, Pause, Status
from detente.accord.status import status
from detente.accord.terms import Terms
from detente.app.staging import Stage
from detente.app.witnessing import Heard, Holding, Logged
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.guard.decide import decide
from detente.guard.intent import Intent
from detente.statement.run import Run
from detente.statement.vote import Vote

GROUPS_MAX = 16
"""Groups of issuers asked at a step: all of them where four mirrors issue, of whom one may fail."""

Name = Literal["order", "permit", "late", "latch", "quorum", "forgery", "story"]
NAMES: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, in words."""

    invariant: Name
    text: str

    def as_json(self) -> dict[str, str]:
        return {"invariant": self.invariant, "text": self.text}


@dataclass(slots=True)
class Tally:
    """How often there was something to ask: so that a play in which nothing happened does not pass for a test.

    ``ended`` are pauses and slowdowns that ended, ``forged`` statements, ``stories`` forked logs.
    """

    steps: int = 0
    allowed: int = 0
    under_pause: int = 0
    ended: int = 0
    forged: int = 0
    stories: int = 0

    def add(self, other: Tally) -> None:
        """Sum."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_json(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__}


class Watch:
    """Watches one stage: ``perform`` does a step and gives the first invariant that it breaks, or ``only`` this one."""

    def __init__(self, stage: Stage, *, only: Name | None = None) -> None:
        self.stage = stage
        self.names = NAMES if only is None else (only,)
        self.tally = Tally()
        self._views: dict[tuple[object, ...], tuple[Evidence, set[int]]] = {}
        self._before: Status | None = None

    def perform(self, step: Step) -> Breach | None:
        """Do the step; the first invariant it breaks, or None."""
        stage, at = self.stage, Instant(self.stage.start + step.at_s)
        late: Breach | None = None
        if "late" in self.names:
            late = self._late(step, at)
        else:
            stage.perform(step)
        self.tally.steps += 1
        self.tally.forged = len(stage.forged)
        self.tally.stories = sum(log.forked_at is not None for log in stage.logs.logs.values())
        asked: dict[Name, Callable[[Instant], Breach | None]] = {
            "order": self._order,
            "latch": self._latch,
            "quorum": self._quorum,
            "forgery": self._forgery,
            "story": self._story,
            "permit": self._permit,
        }
        found = [late] if late is not None else []
        found += [breach for name, ask in asked.items() if name in self.names and (breach := ask(at)) is not None]
        return found[0] if found else None

    def _late(self, step: Step, at: Instant) -> Breach | None:
        """Do the step in two halves: what reaches a log late, then what is said."""
        stage = self.stage
        before = _held(fold(stage.evidence), at)
        stage.advance(step.at_s)
        reached = _held(fold(stage.evidence), at)
        breach = _loosened(before, reached, "something reached a log late", at)
        known = set(stage.evidence.records)
        stage.perform(step)
        fresh = [record.statement for said, record in stage.evidence.records.items() if said not in known]
        if breach is None and fresh and all(class_of(each.body, each.kind) == "restricting" for each in fresh):
            text = f"{', '.join(step.by)} said at {step.where} what restricts"
            breach = _loosened(reached, _held(fold(stage.evidence), at), text, at)
        return breach

    def _order(self, at: Instant) -> Breach | None:
        events = list(self.stage.logs.followed())
        Random(len(events)).shuffle(events)  # noqa: S311 - an order to be repeated, not to be secret
        other = Evidence(self.stage.troupe.terms)
        for event in events:
            event.feed(other)
        state, again = fold(self.stage.evidence), fold(other)
        if state.digest != again.digest or status(state, at).as_json() != status(again, at).as_json():
            return Breach("order", f"in another order, what happened until {show_instant(at)} means something else")
        return None

    def _latch(self, at: Instant) -> Breach | None:
        """What was latched at the step before still is, or is listed as ended; what time ended is marked."""
        now = status(fold(self.stage.evidence), at, witnessed_only=True)
        before, self._before = self._before, now
        latched = {(pause.trigger, pause.scope) for pause in _latched(now)}
        ended = {(each.trigger, each.scope): each.round for each in now.ended}
        for pause in () if before is None else _latched(before):
            key = (pause.trigger, pause.scope)
            if key not in latched and ended.get(key, -1) < pause.round and now.phase == "in_force":
                text = f"{pause.trigger} for {pause.scope} was latched in round {pause.round}, and at {show_instant(at)} it is neither latched nor ended"
                return Breach("latch", text)
        marked = {each.at for each in now.released_by_time if each.what == "pause_lapsed"}
        for each in now.ended:
            if each.how == "lapse" and each.ended_at not in marked:
                return Breach("latch", f"{each.trigger} for {each.scope} lapsed, and is not marked as released by time")
        if now.phase == "expired" and all(each.what != "accord_expired" for each in now.released_by_time):
            return Breach("latch", "the accord expired, and is not marked as released by time")
        return None

    def _quorum(self, at: Instant) -> Breach | None:
        state = fold(self.stage.evidence)
        for ended in status(state, at, witnessed_only=True).ended:
            if ended.how == "lift" and not _is_lifted(state, state.terms_at(ended.ended_at), ended):
                text = (
                    f"{ended.trigger} for {ended.scope} was lifted at {show_instant(ended.ended_at)} without its quorum"
                )
                return Breach("quorum", text)
        return None

    def _forgery(self, _at: Instant) -> Breach | None:
        state = fold(self.stage.evidence)
        for statement in sorted(self.stage.forged):
            if state.get(statement) is not None:
                return Breach("forgery", f"a forged statement has an effect: {self.stage.said[statement]}")
        return None

    def _story(self, _at: Instant) -> Breach | None:
        doubled = self.stage.logs.doubled
        return Breach("story", f"two stories of the log of {doubled[0]} are witnessed") if doubled else None

    def _permit(self, at: Instant) -> Breach | None:
        state = fold(self.stage.evidence)
        witnessed = status(state, at, witnessed_only=True)
        self.tally.ended = len(witnessed.ended)
        for intent in _intents(state, at):
            if not witnessed.pauses_of(intent.party, intent.activity):
                self.tally.allowed += decide(state, intent, at).allowed
                continue
            self.tally.under_pause += 1
            for group in self._groups():
                if all(decide(fold(view), intent, at).allowed for view in self._seen_by(group)):
                    text = f"{', '.join(group)} allow {intent.party} {intent.activity} at {show_instant(at)} against a witnessed pause"
                    return Breach("permit", text)
        return None

    def _groups(self) -> list[tuple[Party, ...]]:
        """The honest of any m issuers of whom f lie."""
        mirrors = self.stage.troupe.terms.mirrors
        honest = [mirror for mirror in mirrors.parties if mirror not in self.stage.logs.lies]
        return list(islice(combinations(honest, max(1, mirrors.issue - mirrors.may_fail)), GROUPS_MAX))

    def _seen_by(self, group: tuple[Party, ...]) -> Iterator[Evidence]:
        """What each of some mirrors holds once they have read what any of them holds.

        They differ only in which story of a forked log they follow: what stands in the other one they have heard.
        """
        logs = self.stage.logs
        forked = [party for party, log in logs.logs.items() if log.forked_at is not None]
        followed = []
        for party in forked:
            beyond = [
                held.story
                for mirror in group
                if not logs.logs[party].is_common((held := logs.held[mirror].get(party, Holding())).size)
            ]
            followed.append(sorted(set(beyond)) or [0])
        for stories in product(*followed):
            yield self._view(group, dict(zip(forked, stories, strict=True)))

    def _view(self, group: tuple[Party, ...], stories: dict[Party, int]) -> Evidence:
        logs = self.stage.logs
        evidence, fed = self._views.setdefault(
            (group, *stories.items()), (Evidence(self.stage.troupe.terms), set())
        )  # fmt: skip
        reach: dict[tuple[Party, int], int] = {}
        for mirror in group:
            for party, held in logs.held[mirror].items():
                reach[party, held.story] = max(held.size, reach.get((party, held.story), 0))
        for number, event in enumerate(logs.happened):
            if number in fed or isinstance(event, Heard):
                continue
            party = logs.party_of(event)
            if isinstance(event, Logged) and not logs.is_within(event, reach):
                continue
            fed.add(number)
            for seen in logs.seen(event, stories.get(party, 0)):
                seen.feed(evidence)
        return evidence


def _latched(now: Status) -> tuple[Pause, ...]:
    return (*now.pauses, *now.slowdowns, *now.measures)


def _intents(state: AccordState, at: Instant) -> Iterator[Intent]:
    """The first run of each party, to be started or continued."""
    seen: set[Party] = set()
    for item, _ in state.upto(("run",), at):
        if isinstance(item.body, Run) and item.party not in seen:
            seen.add(item.party)
            yield Intent(activity=item.body.activity, party=item.party, run=item.id)


def _is_lifted(state: AccordState, terms: Terms, ended: Lifted) -> bool:
    """Do the cited votes, each to lift this round and settled, fill every seat of the quorum with another party?

    By Hall's theorem (1935): for any roles, as many parties have one of them as these roles have seats.
    """
    voters: set[Party] = set()
    for cited in ended.cited:
        item = state.get(cited)
        vote = None if item is None else item.body
        if item is None or item.time is None or not isinstance(vote, Vote):
            return False
        about = (vote.choice, vote.trigger, vote.scope, vote.round)
        if about != ("lift", ended.trigger, ended.scope, ended.round):
            return False
        if item.time + terms.mirrors.settle_s > ended.ended_at:
            return False
        voters.add(item.party)
    seats = terms.lift.votes.groups
    return all(
        sum(seats[role] for role in roles) <= sum(_has_any(terms, party, roles) for party in voters)
        for count in range(1, len(seats) + 1)
        for roles in combinations(seats, count)
    )


def _has_any(terms: Terms, party: Party, roles: Iterable[str]) -> bool:
    return party in terms.parties and any(role == "any" or role in terms.parties[party].roles for role in roles)


@dataclass(frozen=True, slots=True)
class _Held:
    """Which activities of whom are paused, and which pauses were lifted by which votes."""

    paused: frozenset[tuple[Party, str]]
    lifts: frozenset[tuple[str, str, int, int]]


def _held(state: AccordState, at: Instant) -> _Held:
    now = status(state, at)
    paused = frozenset(
        (party, activity) for pause in now.pauses for party in pause.parties for activity in pause.activities
    )
    lifts = frozenset((e.trigger, e.scope, e.round, e.answered_before) for e in now.ended if e.how == "lift")
    return _Held(paused, lifts)


def _loosened(before: _Held, after: _Held, what: str, at: Instant) -> Breach | None:
    if after.lifts <= before.lifts and not before.paused <= after.paused:
        whom = ", ".join(sorted(f"{activity} of {party}" for party, activity in before.paused - after.paused))
        return Breach("late", f"{what}, and at {show_instant(at)} that releases {whom}")
    return None
