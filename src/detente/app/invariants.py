"""What must hold at every step of a play, whoever says what and when.

Decides three invariants, each asked of the real fold and the real decision. Leaves what is played to whoever plays it.
Normative: ``spec/simulate.md`` §5.

- *order*: everything that happened, in any order, gives an equal state and status.
- *permit*: no issuers who together hold a witnessed pause, as any m of whom f lie do, allow what it stops.
- *late*: what restricts, whenever it arrives, and what reaches a log late, releases nobody, unless a lift then rests on other votes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from random import Random
from typing import Literal

from detente.accord.evidence import Evidence
from detente.accord.fold import AccordState, fold
from detente.accord.records import class_of
from detente.accord.scenario import Step
from detente.accord.status import status
from detente.app.staging import Cosigned, Logged, Stage, origin_of
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.guard.decide import decide
from detente.guard.intent import Intent
from detente.statement.run import Run

GROUPS_MAX = 16
"""Groups of issuers asked at a step: all of them where four mirrors issue, of whom one may fail."""

Name = Literal["order", "permit", "late"]


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, in words."""

    invariant: Name
    text: str

    def as_json(self) -> dict[str, str]:
        return {"invariant": self.invariant, "text": self.text}


@dataclass(slots=True)
class Tally:
    """How often there was something to ask: so that a play in which nothing happened does not pass for a test."""

    steps: int = 0
    allowed: int = 0
    under_pause: int = 0
    ended: int = 0

    def add(self, other: Tally) -> None:
        """Sum."""
        self.steps += other.steps
        self.allowed += other.allowed
        self.under_pause += other.under_pause
        self.ended += other.ended

    def as_json(self) -> dict[str, int]:
        return {"steps": self.steps, "allowed": self.allowed, "under_pause": self.under_pause, "ended": self.ended}


class Watch:
    """Watches one stage: ``perform`` does a step and gives the first invariant that it breaks, or ``only`` this one."""

    def __init__(self, stage: Stage, *, only: Name | None = None) -> None:
        self.stage = stage
        self.only = only
        self.tally = Tally()
        terms = stage.troupe.terms
        m = terms.mirrors
        groups = combinations(m.parties, max(1, m.issue - m.may_fail))
        self._groups = [(group, Evidence(stage.troupe.founding)) for group in islice(groups, GROUPS_MAX)]
        self._fed: list[set[int]] = [set() for _ in self._groups]

    def perform(self, step: Step) -> Breach | None:
        """Do the step; the first invariant it breaks, or None."""
        stage, at = self.stage, Instant(self.stage.start + step.at_s)
        before = _held(fold(stage.evidence), at)
        stage.advance(step.at_s)
        reached = _held(fold(stage.evidence), at)
        breach = _loosened(before, reached, "something reached a log late", at)
        said = len(stage.evidence.records)
        stage.perform(step)
        if breach is None and len(stage.evidence.records) > said and self._restricts(said):
            text = f"{', '.join(step.by)} said at {step.where} what restricts"
            breach = _loosened(reached, _held(fold(stage.evidence), at), text, at)
        self.tally.steps += 1
        if breach is None or self.only not in {None, "late"}:
            breach = self._order(at) if self.only in {None, "order"} else None
        if breach is None and self.only in {None, "permit"}:
            breach = self._permit(at)
        return breach

    def _restricts(self, said: int) -> bool:
        fresh = list(self.stage.evidence.records.values())[said:]
        return all(class_of(record.statement.body, record.statement.kind) == "restricting" for record in fresh)

    def _order(self, at: Instant) -> Breach | None:
        events = list(self.stage.happened)
        Random(len(events)).shuffle(events)  # noqa: S311 - an order to be repeated, not to be secret
        other = Evidence(self.stage.troupe.founding)
        for event in events:
            event.feed(other)
        state, again = fold(self.stage.evidence), fold(other)
        if state.digest != again.digest or status(state, at).as_json() != status(again, at).as_json():
            return Breach("order", f"in another order, what happened until {show_instant(at)} means something else")
        return None

    def _permit(self, at: Instant) -> Breach | None:
        state = fold(self.stage.evidence)
        witnessed = status(state, at, witnessed_only=True)
        self.tally.ended = len(witnessed.ended)
        for intent in _intents(state, at):
            if not witnessed.pauses_of(intent.party, intent.activity):
                self.tally.allowed += decide(state, intent, at).allowed
                continue
            self.tally.under_pause += 1
            for number, (group, _) in enumerate(self._groups):
                if decide(fold(self._view(number)), intent, at).allowed:
                    text = f"{', '.join(group)} allow {intent.party} {intent.activity} at {show_instant(at)} against a witnessed pause"
                    return Breach("permit", text)
        return None

    def _view(self, number: int) -> Evidence:
        """What a group of mirrors holds together: the logs as far as any of them cosigned or keeps them."""
        group, evidence = self._groups[number]
        fed = self._fed[number]
        held = {
            origin_of(log): max(self.stage.held[mirror].get(log, 0) for mirror in group)
            for log in self.stage.troupe.operators
        }
        for index, event in enumerate(self.stage.happened):
            if index not in fed and (
                isinstance(event, Cosigned)
                or (isinstance(event, Logged) and event.place.index < held[event.place.origin])
            ):
                event.feed(evidence)
                fed.add(index)
        return evidence


def _intents(state: AccordState, at: Instant) -> Iterator[Intent]:
    """The first run of each party, to be started or continued."""
    seen: set[Party] = set()
    for item, _ in state.upto(("run",), at):
        if isinstance(item.body, Run) and item.party not in seen:
            seen.add(item.party)
            yield Intent(activity=item.body.activity, party=item.party, run=item.id)


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
