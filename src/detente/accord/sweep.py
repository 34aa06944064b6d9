"""All triggers through time, in order: at each instant that may change something, those that it may change.

Decides in which order instants are worked through, and keeps snapshots so that later evidence costs only what comes
after it. Leaves each trigger to ``tracks``. Normative text: ``spec/accord.md`` §7.

- What a trigger is at an instant depends on evidence witnessed up to then, never on how or when it was learnt.
- Evidence that was heard and not witnessed counts only at the instant of asking: ``at`` puts it on top of a finished sweep
  and throws the result away.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from copy import copy
from dataclasses import dataclass, replace
from itertools import takewhile

from detente.accord.ancestry import Ancestry
from detente.accord.conditions import Compare, Votes, atoms
from detente.accord.fold import AccordState
from detente.accord.halts import Roll
from detente.accord.membership import Members, members_at
from detente.accord.sunset import is_expired, sunset_instants
from detente.accord.terms import Terms, Trigger
from detente.accord.topics import FINDING, LINEAGE, MEMBER, Topic, measure_topic, vote_topic
from detente.accord.tracks import Track, advance, timers
from detente.accord.tree_reading import LINEAGE as LINEAGE_INDICATORS
from detente.accord.view import View
from detente.base.identity import Party

TrackKey = tuple[str, str]
_MEMBERS: TrackKey = ("", "")
"""Sorts before every trigger, so that who is bound is known before any trigger looks."""
SNAPSHOT_EVERY = 64
"""Instants between snapshots: late evidence replays at most so many more than it must."""


@dataclass(frozen=True, slots=True)
class Standpoint:
    """Everything the triggers are at ``at``, with who is bound and what each trigger saw."""

    at: int
    heard: bool
    members: Members
    tracks: dict[TrackKey, Track]
    bound_history: tuple[tuple[int, frozenset[str]], ...]


class Sweep:
    """Works forward through the instants of one state."""

    def __init__(self, state: AccordState) -> None:
        self.state = state
        self.position = -1
        self.members = Members(-1, frozenset(), frozenset(), {}, None)
        self.history: list[tuple[int, frozenset[str]]] = []
        self.tracks: dict[TrackKey, Track] = {}
        self.topics: dict[TrackKey, tuple[Topic, ...]] = {}
        self.ancestry = Ancestry(state, heard_at=None)
        self.roll = Roll()
        self._heard: tuple[int, Ancestry] | None = None
        self._queue: list[tuple[int, TrackKey]] = []
        self._snapshots: list[tuple[int, Members, int, dict[TrackKey, Track]]] = []
        self._steps = 0
        self._marks = _fixed_instants(state)
        for terms in (link.terms for link in state.chain):
            for trigger in terms.triggers:
                for scope in ("all",) if trigger.scope == "all" else tuple(terms.parties):
                    key = (trigger.id, scope)
                    topics = {MEMBER, *_topics(terms, trigger, scope), *self.topics.get(key, ())}
                    self.topics[key] = tuple(sorted(topics))
                    self.tracks.setdefault(key, Track())
        self._schedule_all()

    def is_kept(self) -> bool:
        """Does its state still keep this sweep, and not a later one?"""
        return self.state.keep.get("sweep") is self

    def carry(self, state: AccordState, horizon: int) -> None:
        """Go on with a newer state of the same governance, which differs only from ``horizon`` on."""
        older, self.state = self.state, state
        self._heard = None
        again = horizon <= self.position
        if again:
            while self._snapshots and self._snapshots[-1][0] >= horizon:
                self._snapshots.pop()
            if self._snapshots:
                self.position, self.members, length, tracks = self._snapshots[-1]
                self.tracks = dict(tracks)
                del self.history[length:]
            else:
                self.position, self.history = -1, []
                self.members = Members(-1, frozenset(), frozenset(), {}, None)
                self.tracks = dict.fromkeys(self.tracks, Track())
        if again or horizon <= self.ancestry.at:
            # It has seen what is now to come again, or what is no longer so.
            self.ancestry = Ancestry(state, heard_at=None)
        if again:
            self._schedule_all()
        else:
            self._schedule_changed(older)

    def fork(self, state: AccordState, since: int) -> Sweep:
        """Another sweep, over a state that differs from ours only from ``since`` on; ours stays where it is."""
        if since <= self.position:
            return Sweep(state)
        other = copy(self)
        other.state = state
        other.history, other.tracks, other._snapshots = list(self.history), dict(self.tracks), []
        other.ancestry, other._heard = Ancestry(state, heard_at=None), None
        other._marks = _fixed_instants(state)
        other._schedule_all()
        return other

    def run_before(self, at: int) -> None:
        """Work through every instant before ``at``."""
        while self._queue and self._queue[0][0] < at:
            instant = self._queue[0][0]
            due: set[TrackKey] = set()
            while self._queue and self._queue[0][0] == instant:
                due.add(heapq.heappop(self._queue)[1])
            self.ancestry.advance(self.state, instant)
            for key in sorted(due):
                if key == _MEMBERS:
                    self.members = members_at(self.state, instant, self.members)
                    if not self.history or self.history[-1][1] != self.members.bound:
                        self.history.append((instant, self.members.bound))
                else:
                    self.tracks[key] = self._step(
                        key, self.tracks[key], instant, self.members, self.ancestry, heard=False
                    )
            self.position = instant
            for key in due:
                self._schedule(key, instant)
            self._steps += 1
            if self._steps % SNAPSHOT_EVERY == 0:
                self._snapshots.append((instant, self.members, len(self.history), dict(self.tracks)))

    def at(self, at: int, *, heard: bool) -> Standpoint:
        """Everything at ``at``, with ``heard`` what is not witnessed by then on top; the sweep stays just before ``at``."""
        if at <= self.position:
            return Sweep(self.state).at(at, heard=heard)
        self.run_before(at)
        members = members_at(self.state, at, self.members)
        history = list(self.history)
        if not history or history[-1][1] != members.bound:
            history.append((at, members.bound))
        ancestry = self.ancestry_at(at, heard=heard)
        tracks = dict(self.tracks)
        for key in self._moving_at(at, heard=heard):
            tracks[key] = self._step(key, tracks[key], at, members, ancestry, heard=heard)
        if heard:
            self._mark_heard(tracks, at, members)
        return Standpoint(at, heard, members, tracks, tuple(history))

    def _moving_at(self, at: int, *, heard: bool) -> list[TrackKey]:
        """The tracks that may change at ``at``: those that wake then, and with ``heard`` those of which more is held."""
        waking = {key for instant, key in self._queue if instant == at}
        topics = {topic for topics in self.topics.values() for topic in topics} if heard else set()
        open_topics = {topic for topic in topics if self.state.holds_more(topic, at)}
        return [key for key in self.tracks if key in waking or not open_topics.isdisjoint(self.topics[key])]

    def _mark_heard(self, tracks: dict[TrackKey, Track], at: int, members: Members) -> None:
        """Mark what latched at ``at`` and would not have without what is only heard."""
        for key, track in tracks.items():
            before = self.tracks[key]
            if track.latch is not None and (before.latch is None or before.round != track.round):
                ancestry = self.ancestry_at(at, heard=False)
                alone = self._step(key, before, at, members, ancestry, heard=False)
                if alone.latch is None or alone.round != track.round:
                    tracks[key] = replace(track, latch=replace(track.latch, witnessed=False))

    def view(self, key: TrackKey, point: Standpoint) -> View | None:
        """What the trigger sees at a standpoint; None if the terms no longer have it."""
        terms = self.state.terms_at(point.at)
        trigger = terms.trigger(key[0])
        if trigger is None:
            return None
        ancestry = self.ancestry_at(point.at, heard=point.heard)
        track = point.tracks[key]
        return _view(self.state, terms, trigger, track, key[1], point.at, point.members, ancestry, heard=point.heard)

    def ancestry_at(self, at: int, *, heard: bool = True) -> Ancestry:
        """The lineage at ``at``, with ``heard`` versions and refusals included that are not witnessed by then."""
        if heard and self._hears_of_lineage(at):
            if self._heard is None or self._heard[0] != at:
                ancestry = Ancestry(self.state, heard_at=at)
                ancestry.advance(self.state, at)
                self._heard = (at, ancestry)
            return self._heard[1]
        if self.ancestry.at > at:
            past = Ancestry(self.state, heard_at=None)
            past.advance(self.state, at)
            return past
        self.ancestry.advance(self.state, at)
        return self.ancestry

    def _hears_of_lineage(self, at: int) -> bool:
        """Is a version, or a word of a reviewer that is no approval, held that was not witnessed by ``at``?"""
        unwitnessed = takewhile(
            lambda item: item.time is None or item.time > at, reversed(self.state.index.get(LINEAGE, ()))
        )
        return any(item.restricting and item.kind in {"version", "approval"} for item in unwitnessed)

    def _step(
        self, key: TrackKey, track: Track, at: int, members: Members, ancestry: Ancestry, *, heard: bool
    ) -> Track:  # fmt: skip
        terms = self.state.terms_at(at)
        trigger_id, scope = key
        governed = phase_at(self.state, terms, members, at) == "in_force" and (
            scope == "all" or scope in members.bound or track.latch is not None
        )

        def make_view(terms: Terms, trigger: Trigger, track: Track) -> View:
            return _view(self.state, terms, trigger, track, scope, at, members, ancestry, heard=heard)

        trigger = terms.trigger(trigger_id)
        return advance(track, terms, trigger, make_view, scope=scope, governed=governed, at=at)

    def _schedule_all(self) -> None:
        self._queue = []
        for key in (_MEMBERS, *self.tracks):
            self._schedule(key, self.position)

    def _schedule_changed(self, older: AccordState) -> None:
        """As ``_schedule_all``, where nothing of ours changed: only what reads a topic whose instants did looks anew."""
        changed = {
            key
            for key in (_MEMBERS, *self.tracks)
            if any(self.state.wakes.get(topic) is not older.wakes.get(topic) for topic in self._topics_of(key))
        }
        self._queue = [(instant, key) for instant, key in self._queue if key not in changed]
        heapq.heapify(self._queue)
        for key in changed:
            self._schedule(key, self.position)

    def _topics_of(self, key: TrackKey) -> tuple[Topic, ...]:
        return (MEMBER,) if key == _MEMBERS else self.topics[key]

    def _schedule(self, key: TrackKey, after: int) -> None:
        found = [self.state.next_wake(self._topics_of(key), after)]
        mark = bisect_right(self._marks, after)
        if mark < len(self._marks):
            found.append(self._marks[mark])
        if key != _MEMBERS and after >= 0:
            terms = self.state.terms_at(after)
            trigger = terms.trigger(key[0])
            if trigger is not None:
                view = _view(
                    self.state,
                    terms,
                    trigger,
                    self.tracks[key],
                    key[1],
                    after,
                    self.members,
                    self.ancestry,
                    heard=False,
                )
                found += [instant for instant in timers(self.tracks[key], view) if instant > after]
        instants = [instant for instant in found if instant is not None]
        if instants:
            heapq.heappush(self._queue, (min(instants), key))


def phase_at(state: AccordState, terms: Terms, members: Members, at: int) -> str:
    """``before``, ``in_force`` or ``expired``."""
    if members.in_force_since is None:
        return "before"
    return "expired" if is_expired(state, terms, at) else "in_force"


def sweep_of(state: AccordState) -> Sweep:
    """The state's sweep: carried on from the state before it where only later evidence came in."""
    kept: Sweep | None = state.keep.get("sweep")
    if kept is not None:
        return kept
    older, horizon = state.keep.pop("inherited", (None, -1))
    sweep = older if isinstance(older, Sweep) else None
    if sweep is not None and sweep.is_kept():
        # The older state gives its sweep away and makes another should anybody ask it again.
        sweep.state.keep.pop("sweep")
        sweep.carry(state, horizon)
    else:
        sweep = Sweep(state)
    state.keep["sweep"] = sweep
    return sweep


def _fixed_instants(state: AccordState) -> list[int]:
    instants = set()
    for link in state.chain:
        instants |= {link.settled, link.since}
        instants.update(sunset_instants(link.terms))
    return sorted(instants)


def _topics(terms: Terms, trigger: Trigger, scope: str) -> set[Topic]:
    topics: set[Topic] = {vote_topic(trigger.id, scope)}
    conditions = [trigger.when] + ([terms.lift.when] if terms.lift.when is not None else [])
    for condition in conditions:
        for atom in atoms(condition):
            if isinstance(atom, Compare):
                indicator = terms.indicators.get(atom.what)
                # A trigger over one party asks only how that party was measured, unless the whole world was.
                of_party = scope != "all" and indicator is not None and indicator.about != "world"
                topics.add(measure_topic(atom.what, scope if of_party else ""))
                nobody = scope != "all" and indicator is not None and not terms.suppliers(indicator, Party(scope))
                if atom.what in LINEAGE_INDICATORS or nobody:
                    topics.add(LINEAGE)
            elif not isinstance(atom, Votes):
                topics.add(FINDING)
    return topics


def _view(
    state: AccordState,
    terms: Terms,
    trigger: Trigger,
    track: Track,
    scope: str,
    at: int,
    members: Members,
    ancestry: Ancestry,
    *,
    heard: bool,
) -> View:
    return View(
        state, terms, trigger, scope, track.round, track.cut, track.started, at, heard, members, ancestry
    )  # fmt: skip
