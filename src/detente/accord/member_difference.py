"""How one member of terms that differs is told, and whether that tightens or loosens.

Decides the words for numbers, words, conditions and the time of a rule. Leaves which members there are to ``difference`` and
``hold_difference``. ``spec/terms.md`` §5.

>>> [(each.text, each.effect) for each in number("pause", "the time to halt", 900, 600, rise=False)]
[('lowers the time to halt from 900 to 600', 'tightens')]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from detente.accord.condition_difference import Step, compare_conditions
from detente.accord.conditions import Condition
from detente.accord.span import AfterEntry, Moment, Span, show_moment

Effect = Literal["tightens", "loosens", "changes"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: the section of the terms, what changed in words, and what that does to the parties."""

    section: str
    text: str
    effect: Effect

    def as_json(self) -> dict[str, str]:
        return {"section": self.section, "text": self.text, "effect": self.effect}


def effect_of(*, tighter: bool | None) -> Effect:
    """What a difference does; None: it has both sides, or depends on the rest."""
    return "changes" if tighter is None else "tightens" if tighter else "loosens"


def number(
    section: str, what: str, old: Any, new: Any, *, spelled: Any = str, rise: bool | None = None
) -> Iterator[Change]:
    """A number that rose or fell; ``rise`` says whether rising tightens."""
    if old == new:
        return
    up = new > old
    text = f"{'raises' if up else 'lowers'} {what} from {spelled(old)} to {spelled(new)}"
    yield Change(section, text, effect_of(tighter=None if rise is None else up == rise))


def optional(section: str, what: str, old: Any, new: Any, *, spelled: Any, sets: bool | None) -> Iterator[Change]:
    """A member that may be absent; ``sets`` says whether having it, or a smaller one, tightens."""
    if old == new:
        return
    if old is None:
        yield Change(section, f"sets {what} to {spelled(new)}", effect_of(tighter=sets))
    elif new is None:
        yield Change(
            section, f"drops {what}, which was {spelled(old)}", effect_of(tighter=None if sets is None else not sets)
        )
    else:
        yield from number(section, what, old, new, spelled=spelled, rise=None if sets is None else not sets)


def word(section: str, what: str, old: object, new: object, *, tight: object = None) -> Iterator[Change]:
    """A word; ``tight`` names the one that restricts."""
    if old != new:
        tighter = None if tight is None else True if new == tight else False if old == tight else None
        yield Change(section, f"changes {what} from {old} to {new}", effect_of(tighter=tighter))


def condition(section: str, of: str, old: Condition, new: Condition, *, true_restricts: bool) -> Iterator[Change]:
    """A condition, step by step; ``true_restricts`` says what it being true does."""
    for step in compare_conditions(old, new):
        yield Change(section, f"{of}: {step.text}", _of_step(step, true_restricts=true_restricts))


def _of_step(step: Step, *, true_restricts: bool) -> Effect:
    return effect_of(tighter=None if step.easier is None else step.easier == true_restricts)


def span(section: str, key: str, a: Span, b: Span) -> Iterator[Change]:
    """When a rule begins and ends. Less time is looser, and a date cannot be held against a span from entry into force."""
    for what, old, new, later_tightens in (("beginning", a.begins, b.begins, False), ("end", a.ends, b.ends, True)):
        if old == new:
            continue
        if old is None or new is None:
            text = f"gives {key} {_an(what)}, {show_moment(new)}" if new is not None else f"takes the {what} from {key}, which was {show_moment(old)}"  # type: ignore[arg-type]  # fmt: skip
            yield Change(section, text, effect_of(tighter=new is None))
        else:
            text = f"moves the {what} of {key} from {show_moment(old)} to {show_moment(new)}"
            later = is_later(old, new)
            yield Change(section, text, effect_of(tighter=None if later is None else later == later_tightens))


def _an(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"


def is_later(old: Moment, new: Moment) -> bool | None:
    """Does the new moment come later? A date and a span from entry into force cannot be told apart."""
    if isinstance(old, AfterEntry) != isinstance(new, AfterEntry):
        return None
    if isinstance(old, AfterEntry) and isinstance(new, AfterEntry):
        return new.delay_s > old.delay_s
    return new > old  # type: ignore[operator]


def narrower(old: set[str], new: set[str]) -> bool | None:
    """Do fewer parties qualify? An empty set means every party; sets that overlap only in part cannot be told."""
    if not old or (new and new < old):
        return True
    return False if not new or old < new else None


def yes(value: bool) -> str:
    """A flag as it is spelled."""
    return "yes" if value else "no"
