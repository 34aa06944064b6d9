"""One trigger over one scope through time: latched, lifted, lapsed, round after round.

Decides when a trigger latches, when a lift takes effect and what it answers, and when a pause lapses. Leaves what the
trigger sees to ``view`` and the order of instants to ``sweep``. Normative text: ``spec/accord.md`` §7.

- A trigger latches at the first entry or instant of its span at which its condition is not false. What it latched outlasts the span.
- A lift needs the quorum of the terms from distinct parties, each vote settled, standing and not taken back, and its
  condition true. It answers the evidence witnessed before its last vote; the next round sees only later evidence. A vote
  to lift that was witnessed before the pause latched, or at that second, is about no evidence of it and does not count.
- A voter's pause or retraction, witnessed no earlier than their lift, cancels it, up to the instant it takes effect.
- A pause lapses ``longest`` after the last evidence that would have latched it or the last renewal. A lapse answers the
  evidence up to then, ends the round like a lift, and is listed as released by time.
- What a trigger with ``lapses`` starts ends so long after it began, whatever evidence comes, unless the quorum that it names
  confirmed it by votes to renew, witnessed no later than that. Then it is a pause like others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from detente.accord.conditions import Overdue, atoms, evaluate
from detente.accord.quorum import missing
from detente.accord.reason import Place, Reason
from detente.accord.records import Item
from detente.accord.standing import Confirmation, Lifted, LiftProgress
from detente.accord.terms import Terms, Trigger
from detente.accord.view import View, distinct_voices
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant

ENDED_MAX = 256
"""Ended rounds that a status lists; older ones are in the logs."""


@dataclass(frozen=True, slots=True)
class Latch:
    """A latched trigger. ``witnessed``: not only by what is heard. ``last`` is the time of the latest evidence that would have latched it, or of a renewal.

    ``confirmed`` is when a quorum confirmed what lapses otherwise.
    """

    since: int
    last: int
    witnessed: bool
    cited: tuple[Digest, ...]
    why: Reason
    confirmed: int | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """Where a trigger over a scope stands: its round, what earlier rounds answered, and whether it is latched.

    Before ``again_at`` it starts nothing: it lapsed, and nobody had confirmed it.
    """

    round: int = 0
    cut: int = 0
    started: int = 0
    latch: Latch | None = None
    ended: tuple[Lifted, ...] = ()
    again_at: int = 0


MakeView = Callable[[Terms, Trigger, Track], View]


def advance(
    track: Track, terms: Terms, trigger: Trigger | None, make_view: MakeView, *, scope: str, governed: bool, at: int
) -> Track:
    """The track at ``at``, from the track just before.

    1. Outside force, or without the trigger in the terms, nothing is latched.
    2. A lift that takes effect ends the round; so does a lapse.
    3. A trigger whose condition is not false in its span is latched, or stays so and notes the latest evidence.
    """
    latch = track.latch
    if trigger is None or not governed:  # 1
        if latch is None:
            return track
        return _end(track, latch, trigger_id=trigger.id if trigger else "", scope=scope, at=at, cut=track.cut,
                    how="amendment" if trigger is None else "expiry", cited=())  # fmt: skip
    view = make_view(terms, trigger, track)
    if latch is not None:
        ended = _lifted(track, latch, view, at)  # 2
        if ended is None:
            latch = _refreshed(latch, view, at)
            ended = _lapsed(track, latch, view, at)
        if ended is None:
            return track if latch is track.latch else replace(track, latch=latch)
        track = ended
        view = make_view(terms, trigger, track)
    if at < track.again_at or not trigger.span.applies(at, view.members.in_force_since):
        return track
    value = evaluate(trigger.when, view)  # 3
    if value is False or (value is None and trigger.unknown == "silent"):
        return track
    return replace(track, latch=_latched(trigger, view, at, certain=value is True))


def timers(track: Track, view: View) -> Iterator[int]:
    """The instants at which the mere passing of time may change the track."""
    if track.latch is not None:
        lapses = lapse_of(track.latch, view.terms, view.trigger)
        if lapses is not None:
            yield lapses
    if track.again_at:
        yield track.again_at
    begins = view.trigger.span.begins_at(view.members.in_force_since)
    if begins is not None:
        yield begins
    if any(
        isinstance(atom, Overdue) or getattr(atom, "what", None) in view.terms.indicators
        for atom in atoms(view.trigger.when)
    ):
        yield from view.next_due()


def lapse_of(latch: Latch, terms: Terms, trigger: Trigger | None) -> int | None:
    """When what is latched ends by itself, if nothing more is said; None: it does not."""
    ends = [] if terms.pause.longest_s is None else [latch.last + terms.pause.longest_s]
    if trigger is not None and trigger.lapse is not None and latch.confirmed is None:
        ends.append(latch.since + trigger.lapse.after_s)
    return min(ends, default=None)


def _latched(trigger: Trigger, view: View, at: int, *, certain: bool) -> Latch:
    cited = tuple(dict.fromkeys(statement for statement, _ in view.cited))
    marks = f" ({'; '.join(dict.fromkeys(view.marks))})" if view.marks else ""
    said = "" if certain else " is not known to be false, and unknown holds"
    text = f"{trigger.id}: {trigger.when.spelled()}{said}{marks}"
    return Latch(at, at, True, cited, Reason(text, cited, _places(view, cited)))


def _places(view: View, cited: tuple[Digest, ...]) -> tuple[Place, ...]:
    items = (view.state.get(statement) for statement in cited)
    return tuple(item.place for item in items if item is not None and item.place is not None)


def _refreshed(latch: Latch, view: View, at: int) -> Latch:
    """The latch with the latest evidence that would have latched it, or the latest renewal by a lifting quorum."""
    last = latch.last
    in_span = view.trigger.span.applies(at, view.members.in_force_since)
    if in_span and evaluate(view.trigger.when, view) is not False:
        last = max([last, *(time for _, time in view.cited), *view.moments])
    standing = _renewals(view)
    voices = distinct_voices(item for item, _ in standing.values())
    confirmed = latch.confirmed
    unless = None if view.trigger.lapse is None else view.trigger.lapse.unless
    if unless is not None and confirmed is None and voices and not missing(unless, voices, view.terms.parties):
        confirmed = max(standing[party][1] for party in voices)
        last = max(last, confirmed)
    if voices and not missing(view.terms.lift.votes, voices, view.terms.parties):
        last = max([last, *(standing[party][1] for party in voices)])
    return (
        latch if (last, confirmed) == (latch.last, latch.confirmed) else replace(latch, last=last, confirmed=confirmed)
    )


def _renewals(view: View) -> dict[Party, tuple[Item, int]]:
    """Each party's latest vote to renew in this round that has not expired."""
    said = view.votes("renew")
    return {item.party: (item, time) for item, body, time in said if view.at < body.expires_at}


def confirmation(view: View, latch: Latch) -> Confirmation | None:
    """Who has confirmed what would lapse and what is missing; None where the trigger does not lapse so."""
    lapse = view.trigger.lapse
    if lapse is None:
        return None
    if latch.confirmed is not None:
        return Confirmation((), "", Instant(latch.confirmed))
    voices = distinct_voices(item for item, _ in _renewals(view).values())
    lacking = "nobody can confirm it" if lapse.unless is None else missing(lapse.unless, voices, view.terms.parties)
    return Confirmation(voices, lacking, None)


def _lifted(track: Track, latch: Latch, view: View, at: int) -> Track | None:
    """The track after a lift at ``at``; None where there is none."""
    lifted = lift_at(view, at, since=latch.since)
    if lifted is None:
        return None
    cut, cited = lifted
    return _end(track, latch, trigger_id=view.trigger.id, scope=view.scope, at=at, cut=cut, how="lift", cited=cited)


def _lapsed(track: Track, latch: Latch, view: View, at: int) -> Track | None:
    """The track after a lapse at ``at``, of a latch that notes the latest evidence; None while it holds."""
    lapses = lapse_of(latch, view.terms, view.trigger)
    if lapses is None or at < lapses:
        return None
    ended = _end(
        track, latch, trigger_id=view.trigger.id, scope=view.scope, at=at, cut=latch.last + 1, how="lapse", cited=()
    )
    lapse = view.trigger.lapse
    if lapse is not None and latch.confirmed is None:
        return replace(ended, again_at=at + lapse.again_after_s)
    return ended


def _end(
    track: Track,
    latch: Latch,
    *,
    trigger_id: str,
    scope: str,
    at: int,
    cut: int,
    how: Literal["lift", "lapse", "amendment", "expiry"],
    cited: tuple[Digest, ...],
) -> Track:  # fmt: skip
    ended = Lifted(
        trigger_id,
        track.round,
        Party(scope),
        Instant(latch.since),
        Instant(at),
        how,
        Instant(max(cut, track.cut)),
        cited,
    )
    return Track(track.round + 1, max(cut, track.cut), at, None, (*track.ended, ended)[-ENDED_MAX:])


def standing_lifts(view: View, *, since: int) -> dict[Party, tuple[Item, int, int]]:
    """Each party's earliest lift vote, of a pause since ``since``, that it has not taken back: statement, time, expiry.

    Of a lift and a pause or retraction at the same time, the one that restricts has the last word.
    """
    lifts: dict[Party, tuple[Item, int, int]] = {}
    if next(view.votes("lift"), None) is None:
        return lifts
    said = [*view.late_votes(), *view.votes("lift", "pause", "retract")]
    for item, body, time in sorted(said, key=lambda each: (each[2], each[0].restricting, each[0].id)):
        if body.choice != "lift":
            lifts.pop(item.party, None)
        elif view.at < body.expires_at and item.time is not None and time > since:
            lifts.setdefault(item.party, (item, time, body.expires_at))
    return lifts


def lift_at(view: View, at: int, *, since: int) -> tuple[int, tuple[Digest, ...]] | None:
    """What a lift in effect at ``at`` answers: evidence before the time of its last vote, and the votes.

    The smallest such time counts: later votes answer nothing more.
    """
    settle_s = view.terms.mirrors.settle_s
    lifts = {p: found for p, found in standing_lifts(view, since=since).items() if found[1] + settle_s <= at}
    for cut in sorted({time for _, time, _ in lifts.values()}):
        voices = distinct_voices(item for item, time, _ in lifts.values() if time <= cut)
        if not missing(view.terms.lift.votes, voices, view.terms.parties):
            break
    else:
        return None
    if not _lift_condition_holds(view):
        return None
    return cut, tuple(sorted(lifts[party][0].id for party in voices))


def _lift_condition_holds(view: View) -> bool:
    """Is the condition of the lift true? What is not known does not permit, whatever the terms let pass in silence."""
    condition = view.terms.lift.when
    return condition is None or evaluate(condition, replace(view, lifting=True), restricting=False) is True


def lift_progress(view: View, *, since: int) -> LiftProgress:
    """Who has voted to lift a pause since ``since``, what is missing, and from when it would be in effect."""
    lifts = standing_lifts(view, since=since)
    voices = distinct_voices(item for item, _, _ in lifts.values())
    lacking = missing(view.terms.lift.votes, voices, view.terms.parties)
    condition = view.terms.lift.when
    if condition is not None and not _lift_condition_holds(view):
        lacking = f"{lacking}; and that {condition.spelled()}" if lacking else f"that {condition.spelled()}"
    if lacking:
        return LiftProgress(voices, lacking, None)
    for cut in sorted({time for _, time, _ in lifts.values()}):
        early = distinct_voices(item for item, time, _ in lifts.values() if time <= cut)
        if not missing(view.terms.lift.votes, early, view.terms.parties):
            return LiftProgress(voices, "", Instant(cut + view.terms.mirrors.settle_s))
    return LiftProgress(voices, "", None)
