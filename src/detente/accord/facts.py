"""Facts as values: what is known of the world at a date, each with its source and how good the evidence is.

Decides the shape of facts and which of them stand at a date. Leaves reading a file to ``facts_reading`` and what terms make of
them to ``comparison``. Normative text: ``spec/compare.md`` §1 and §2.

1. A value is an interval with its unit; a side that is not known is open. Nothing is converted.
2. The latest value of a thing stands until a later one of the same thing replaces it.
3. What is said of one developer says nothing of another.

>>> from decimal import Decimal
>>> from detente.base.quantity import exactly
>>> fact = Fact(where="1:1", date=Instant(10), says="it doubled", source="a report", grade="S")
>>> early, late = (Said(fact, Given("pace", exactly(Decimal(n)), "x")) for n in (1, 2))
>>> standing([early, late])[Thing("pace", None)].given.value.low
Decimal('2')
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.base.quantity import Interval, show_decimal

Grade = Literal["P", "P2", "S", "1", "B", "?"]
"""How good the evidence is."""
GRADES: Mapping[str, str] = {
    "P": "primary wording",
    "P2": "primary wording, in two or more independent copies",
    "S": "secondary report",
    "1": "one secondary source only",
    "B": "background knowledge, unverified",
    "?": "uncertain or conflicting",
}


@dataclass(frozen=True, slots=True)
class Given:
    """A value of something that terms may ask for, by its name: an indicator, ``run.planned_flop`` and the like."""

    name: str
    value: Interval
    unit: str

    def spelled(self) -> str:
        """The value with its name and unit."""
        return f"{self.name} {spell(self.value, self.unit)}"


@dataclass(frozen=True, slots=True)
class RunGiven:
    """A training run: its figures by name, each an interval of FLOP, and what it is for (None: not known)."""

    name: str
    figures: tuple[tuple[str, Interval], ...]
    activity: str | None

    def figure(self, what: str) -> Interval | None:
        """One figure. What went into it in all is at least what it takes itself, and unknown above where nobody says."""
        figures = dict(self.figures)
        if what == "run.cumulative_flop" and what not in figures:
            own = [each.low for each in figures.values() if each.low is not None]
            return Interval(max(own), None) if own else None
        return figures.get(what)

    def spelled(self) -> str:
        """The run with its figures."""
        return f"run {self.name}: " + ", ".join(
            f"{what.removeprefix('run.')} {spell(value, 'FLOP')}" for what, value in self.figures
        )


@dataclass(frozen=True, slots=True)
class ChangeGiven:
    """A change to a model or agent: what it touches (None: not known) and who proposed it (None: not known)."""

    name: str
    touches: tuple[str, ...] | None
    proposer: Literal["model", "human"] | None

    def spelled(self) -> str:
        """The change in words."""
        parts = "parts not known" if self.touches is None else ", ".join(self.touches)
        return f"change {self.name}: {parts}; proposed by {self.proposer or 'somebody not known'}"


@dataclass(frozen=True, slots=True)
class VotesGiven:
    """So many of those whom a clause asks stand by a pause under it: also a determination that its line is crossed."""

    accord: str
    clause: str
    number: int

    def spelled(self) -> str:
        """The number of votes."""
        return f"{self.number} vote{'' if self.number == 1 else 's'} under {self.clause} of {self.accord}"


@dataclass(frozen=True, slots=True)
class CaseGiven:
    """Under an accord: so many open findings, or whether a ruling of breach stands."""

    accord: str
    what: Literal["findings", "breach"]
    number: int

    def spelled(self) -> str:
        """The case in words."""
        if self.what == "breach":
            return f"{'a' if self.number else 'no'} ruling of breach under {self.accord}"
        return f"{self.number} open finding{'' if self.number == 1 else 's'} under {self.accord}"


@dataclass(frozen=True, slots=True)
class DutyGiven:
    """Is a duty of an accord overdue, for the developer that the fact is about?"""

    accord: str
    duty: str
    overdue: bool

    def spelled(self) -> str:
        """The duty in words."""
        return f"{self.duty} of {self.accord} is {'' if self.overdue else 'not '}overdue"


GivenAny: TypeAlias = Given | RunGiven | ChangeGiven | VotesGiven | CaseGiven | DutyGiven


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: on which date it was so, in a sentence, where that stands, and how good the evidence is.

    ``about`` is the developer that it is about; ``label`` a few words for a figure; ``gives`` what terms can read of it: nothing at
    all, where it is only part of the story.
    """

    where: str
    date: Instant
    says: str
    source: str
    grade: Grade
    about: Party | None = None
    label: str = ""
    gives: tuple[GivenAny, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "where": self.where,
            "date": show_instant(self.date)[:10],
            "says": self.says,
            "source": self.source,
            "grade": self.grade,
            "about": self.about,
            "gives": [given.spelled() for given in self.gives],
        }


class Said(NamedTuple):
    """A value and the fact that gives it."""

    fact: Fact
    given: Any


class Thing(NamedTuple):
    """What a value is of: its name, and the developer that it is about."""

    name: str
    about: Party | None


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one file, in order of date. ``covers_to`` is the last instant they are known for."""

    name: str
    covers_to: Instant | None
    facts: tuple[Fact, ...]

    def until(self, at: Instant | None) -> Iterator[Fact]:
        """The facts of that instant and before; all of them for None."""
        return (fact for fact in self.facts if at is None or fact.date <= at)

    @property
    def ends_at(self) -> Instant:
        """The last instant of which anything is known: the end of what they cover, else the date of the last fact."""
        last = self.covers_to if self.covers_to is not None else max((fact.date for fact in self.facts), default=0)
        return Instant(last)

    def dates(self) -> tuple[Instant, ...]:
        """Every date on which something is said."""
        return tuple(dict.fromkeys(fact.date for fact in self.facts))


def key_of(given: GivenAny) -> str:
    """What it is a value of, one text for one thing."""
    if isinstance(given, Given):
        return given.name
    if isinstance(given, RunGiven):
        return f"run {given.name}"
    if isinstance(given, ChangeGiven):
        return f"change {given.name}"
    if isinstance(given, VotesGiven):
        return f"votes {given.accord} {given.clause}"
    if isinstance(given, DutyGiven):
        return f"overdue {given.accord} {given.duty}"
    return f"{given.what} {given.accord}"


def standing(said: Iterable[Said]) -> dict[Thing, Said]:
    """What stands of values in order of date: of each thing and developer the latest. Votes and cases are of an accord."""
    return {
        Thing(key_of(each.given), None if isinstance(each.given, VotesGiven | CaseGiven) else each.fact.about): each
        for each in said
    }


def said_until(facts: Facts, at: Instant | None) -> dict[Thing, Said]:
    """What stands at an instant, or at the end."""
    return standing(Said(fact, given) for fact in facts.until(at) for given in fact.gives)


def spell(value: Interval, unit: str) -> str:
    """A value or an interval with its unit, ``?`` for a side that is not known.

    >>> from decimal import Decimal
    >>> spell(Interval(Decimal(1), None), "x"), spell(Interval(Decimal(2), Decimal(2)), "d")
    ('from 1 x', '2 d')
    """
    unit = f" {unit}" if unit else ""
    if value.low is not None and value.low == value.high:
        return f"{show_decimal(value.low)}{unit}"
    if value.low is None:
        return "not known" if value.high is None else f"up to {show_decimal(value.high)}{unit}"
    if value.high is None:
        return f"from {show_decimal(value.low)}{unit}"
    return f"{show_decimal(value.low)} to {show_decimal(value.high)}{unit}"
