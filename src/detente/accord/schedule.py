"""What begins and what ends by itself: the rules of the terms that have a span, as they stand at an instant.

Decides nothing new: it asks each span. ``spec/accord.md`` §9.

- A rule that began by its date restricts from then on, and is no release; one that ended is listed as released by time,
  if there was an instant in force at which it applied.
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.span import ALWAYS, Span
from detente.accord.standing import Scheduled, ScheduleState, TimedRelease
from detente.accord.terms import Terms
from detente.base.instant import Instant


def spanned_rules(terms: Terms) -> Iterator[tuple[str, str, Span]]:
    """Section, id and span of every rule that does not always apply, in the order of the file."""
    for limit in terms.limits:
        yield "limits", limit.id, limit.span
    for hold in terms.hold_points:
        yield "hold_points", hold.id, hold.span
    for checkpoint in terms.checkpoints:
        yield "checkpoints", checkpoint.id, checkpoint.span
    for duty in terms.duties:
        yield "duties", duty.id, Span(None, duty.until)
    for trigger in terms.triggers:
        yield "triggers", trigger.id, trigger.span


def list_schedule(terms: Terms, in_force_since: int | None, at: int) -> tuple[Scheduled, ...]:
    """How every rule with a span stands."""
    return tuple(
        Scheduled(
            section,
            rule,
            _state(span, in_force_since, at),
            _instant(span.begins_at(in_force_since)),
            _instant(span.ends_at(in_force_since)),
            span.spelled(),
        )
        for section, rule, span in spanned_rules(terms)
        if span != ALWAYS
    )


def ended_rules(schedule: tuple[Scheduled, ...], in_force_since: int | None) -> Iterator[TimedRelease]:
    """The rules that bind nobody any more because their time is over."""
    if in_force_since is None:
        return
    for each in schedule:
        if each.state == "ended" and each.ends_at is not None and each.ends_at > in_force_since:
            yield TimedRelease("rule_ended", f"{each.rule} applied {each.span}", each.ends_at, ())


def _state(span: Span, in_force_since: int | None, at: int) -> ScheduleState:
    if span.applies(at, in_force_since):
        return "applies"
    ends = span.ends_at(in_force_since)
    return "ended" if ends is not None and at >= ends else "coming"


def _instant(at: int | None) -> Instant | None:
    return None if at is None else Instant(at)
