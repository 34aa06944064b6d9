"""What changed between two hold points, in words, and whether it tightens or loosens.

Decides how a hold point is told: what it asks of reviewers, how long an approval counts, when a proposal lapses, to whom a change is
escalated. Leaves pairing to ``difference``. ``spec/terms.md`` §5.

- An approval that counts for less time, and a proposal that lapses sooner, tighten. So does an escalation: it can only add to what is needed.
- How soon somebody is told, and has to answer, changes no leave.
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.authenticators import device_at_least
from detente.accord.member_difference import (
    Change,
    condition,
    effect_of,
    narrower,
    number,
    optional,
    span,
    word,
    yes,
)
from detente.accord.terms import EscalationTerms, HoldNeed, HoldPoint
from detente.base.instant import show_duration

SECTION = "hold_points"


def compare_hold_points(key: str, a: HoldPoint, b: HoldPoint) -> Iterator[Change]:
    """Every difference between two hold points of one id."""
    yield from condition(SECTION, key, a.when, b.when, true_restricts=True)
    yield from word(SECTION, f"the place of {key}", a.on, b.on)
    yield from word(SECTION, f"unknown in {key}", a.unknown, b.unknown, tight="holds")
    yield from span(SECTION, key, a.span, b.span)
    yield from _need(key, a.need, b.need)
    for what, old, new in (
        (f"how long an approval counts at {key}", a.approved_for_s, b.approved_for_s),
        (f"the time to approve at {key}", a.decide_within_s, b.decide_within_s),
    ):
        yield from optional(SECTION, what, old, new, spelled=show_duration, sets=True)
    yield from _escalation(key, a.escalation, b.escalation)


def _need(key: str, a: HoldNeed, b: HoldNeed) -> Iterator[Change]:
    yield from number(SECTION, f"the humans {key} needs", a.humans, b.humans, rise=True)
    yield from number(SECTION, f"the organisations {key} needs", a.organisations, b.organisations, rise=True)
    if a.device != b.device:
        text = f"changes the authenticator {key} takes from {a.device} to {b.device}"
        yield Change(SECTION, text, effect_of(tighter=device_at_least(b.device, a.device)))
    yield from word(SECTION, f"a page on the party's own host, in {key},", a.same_host, b.same_host, tight="refuse")
    for asks, name in (("keeps the author out", "author_excluded"), ("asks for significant oversight", "significant"), ("screens reviewers", "screened"), ("asks for a second approval in a terminal", "confirmed")):  # fmt: skip
        yield from word(SECTION, f"whether {key} {asks}", yes(getattr(a, name)), yes(getattr(b, name)), tight="yes")
    if set(a.by) != set(b.by):
        spelled = [", ".join(sorted(by)) or "any party" for by in (a.by, b.by)]
        text = f"changes who may approve at {key} from {spelled[0]} to {spelled[1]}"
        yield Change(SECTION, text, effect_of(tighter=narrower(set(a.by), set(b.by))))


def _escalation(key: str, a: EscalationTerms | None, b: EscalationTerms | None) -> Iterator[Change]:
    if a is None or b is None:
        if b is not None:
            yield Change(SECTION, f"escalates what waits at {key} {b.spelled()}", "tightens")
        elif a is not None:
            yield Change(SECTION, f"no longer escalates what waits at {key}, which was {a.spelled()}", "loosens")
        return
    if set(a.to) != set(b.to):
        spelled = [", ".join(sorted(to)) for to in (a.to, b.to)]
        text = f"changes to whom {key} escalates from {spelled[0]} to {spelled[1]}"
        yield Change(SECTION, text, effect_of(tighter=narrower(set(a.to), set(b.to))))
    yield from number(SECTION, f"the time after which {key} escalates", a.after_s, b.after_s, spelled=show_duration)
    yield from number(
        SECTION, f"the time to answer what {key} escalates", a.within_s, b.within_s, spelled=show_duration
    )
