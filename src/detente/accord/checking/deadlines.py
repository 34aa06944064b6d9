"""Can the deadlines be met, and are the controls quicker than what they control? ``spec/check.md`` §6.

A control ages: terms that take a year to amend and a month to notice say little about a capability that doubles in four
months. The interval of doubling is given by whoever asks, with its source; nothing here assumes one.
"""

from __future__ import annotations

from collections.abc import Iterator

from detente.accord.checking.claim import Claim
from detente.accord.conditions import Compare, NoneOpen, atoms
from detente.accord.terms import Terms
from detente.base.instant import Instant, show_duration, show_instant

DAY_S: int = 86_400


def check_deadlines(terms: Terms) -> Iterator[Claim]:
    """Deadlines against one another."""
    pause, life = terms.pause, terms.permits
    slowest = life.calm_s + pause.halt_within_s
    yield Claim(
        "stops-within",
        "permits",
        "listed",
        f"a guard that hears nothing stops within {_about(slowest)}: a permit of {show_duration(life.calm_s)}, "
        f"then {show_duration(pause.halt_within_s)} to save",
    )
    if terms.review_by is not None and terms.expires is not None and terms.review_by > terms.expires:
        yield _broken(
            "review_by",
            f"the review, {show_instant(terms.review_by)}, comes after the sunset, {show_instant(terms.expires)}",
        )
    if not terms.mirrors.self_witnessed and life.alert_s <= terms.mirrors.settle_s:
        yield _broken("permits", f"a permit in alert lives {show_duration(life.alert_s)}, no longer than what permits takes to settle, {show_duration(terms.mirrors.settle_s)}")  # fmt: skip
    yield from _emergencies(terms)
    if pause.longest_s is not None:
        yield from _against_longest(terms, pause.longest_s)


def _emergencies(terms: Terms) -> Iterator[Claim]:
    """What lapses unless confirmed must leave time to halt, and to confirm what was seen."""
    longest_s, mirrors = terms.pause.longest_s, terms.mirrors
    for trigger in terms.triggers:
        if trigger.lapse is None:
            continue
        after = f"{trigger.id} lapses after {show_duration(trigger.lapse.after_s)}"
        if trigger.then == "pause" and trigger.lapse.after_s <= terms.pause.halt_within_s:
            yield _broken("triggers", f"{after}, before jobs must have halted")
        if not mirrors.self_witnessed and trigger.lapse.after_s <= mirrors.settle_s:
            yield _broken("triggers", f"{after}, before anything could settle")
        if longest_s is not None and longest_s <= trigger.lapse.after_s:
            yield _broken("triggers", f"{after}, and every pause after {show_duration(longest_s)}, confirmed or not")


def _against_longest(terms: Terms, longest_s: int) -> Iterator[Claim]:
    pause, rules = terms.pause, terms.adjudication
    if pause.halt_within_s >= longest_s:
        yield _broken("pause", f"a pause lapses after {show_duration(longest_s)}, before jobs must have halted")
    asks = [] if terms.lift.when is None else list(atoms(terms.lift.when))
    if rules is not None and any(isinstance(atom, NoneOpen) for atom in asks):
        needed = rules.challenge_within_s + rules.rule_within_s + rules.appeal_within_s
        if needed >= longest_s:
            yield _broken("adjudication", f"a finding may take {_about(needed)} to be ruled on; the pause lapses after {show_duration(longest_s)}")  # fmt: skip
    for atom in asks:
        indicator = terms.indicators.get(atom.what) if isinstance(atom, Compare) else None
        if indicator is not None and indicator.every_s is not None and indicator.every_s >= longest_s:
            yield _broken("lift", f"the lift asks for {indicator.name}, which is due every {show_duration(indicator.every_s)}; the pause lapses after {show_duration(longest_s)}")  # fmt: skip


def check_ageing(terms: Terms, *, doubling_s: int, source: str, at: Instant | None) -> Iterator[Claim]:
    """Discovery to halt, amendment and review against the interval in which the measured capability doubles."""
    doubling = f"{show_duration(doubling_s)} ({source})"
    slowest = max((i.every_s or 0 for i in terms.indicators.values() if i.supplied_by), default=0)
    halt = slowest + terms.mirrors.settle_s + terms.permits.calm_s + terms.pause.halt_within_s
    yield _aged("discovery-to-halt", "indicators", f"from a change to the last halt, measurements included: {_about(halt)}", halt, doubling_s, doubling)  # fmt: skip
    amend = terms.mirrors.settle_s + terms.permits.calm_s
    yield _aged("amendment-time", "amendment", f"from the last signature to new terms in effect: {_about(amend)}, beside negotiating them", amend, doubling_s, doubling)  # fmt: skip
    if terms.review_by is None:
        yield Claim("review-in-time", "review_by", "broken", f"no review date; the capability doubles in {doubling}")
    elif at is not None:
        left = terms.review_by - at
        yield _aged("review-in-time", "review_by", f"the review is due {'in ' + _days(left) if left >= 0 else _days(-left) + ' ago'}", left, doubling_s, doubling)  # fmt: skip


def _aged(what: str, section: str, text: str, takes_s: int, doubling_s: int, doubling: str) -> Claim:
    fits = 0 <= takes_s <= doubling_s
    return Claim(what, section, "holds" if fits else "broken", f"{text}; the capability doubles in {doubling}")


def _broken(section: str, text: str) -> Claim:
    return Claim("deadline-feasible", section, "broken", text)


def _about(seconds: int) -> str:
    """A sum of durations as a person says it: the two largest units."""
    for (unit, size), (part, rest) in (
        (("d", DAY_S), ("h", 3_600)),
        (("h", 3_600), ("min", 60)),
    ):
        if seconds >= size:
            left = seconds % size // rest
            return f"{seconds // size} {unit}" + (f" {left} {part}" if left else "")
    return show_duration(seconds)


def _days(seconds: int) -> str:
    return f"{seconds // DAY_S} d"
