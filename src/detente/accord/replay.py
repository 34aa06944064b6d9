"""A year of facts through many terms: how each clause comes out at each date, and what changes from one to the next.

Decides which dates are looked at and what a change is. Leaves one date to ``comparison`` and pictures to others. ``spec/compare.md`` §5.

>>> Change("ours", "triggers.call", "held", "triggered").spelled()
'ours triggers.call: held → triggered'
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from detente.accord.comparison import Compared, State, compare_facts
from detente.accord.facts import Fact, Facts, Given
from detente.accord.terms import Terms
from detente.accord.vocabulary import Vocabulary, clauses_of, names_in
from detente.base.instant import Instant, show_instant

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Change:
    """A clause that comes out otherwise than at the date before."""

    accord: str
    clause: str
    before: State
    after: State

    def spelled(self) -> str:
        """The change in a line."""
        return f"{self.accord} {self.clause}: {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class Day:
    """One date: what was said on it, and how everything comes out at its end."""

    at: Instant
    facts: tuple[Fact, ...]
    compared: tuple[Compared, ...]

    @property
    def label(self) -> str:
        """The labels of its facts, for a figure; empty where none has one."""
        return "; ".join(fact.label for fact in self.facts if fact.label)


@dataclass(frozen=True, slots=True)
class Replay:
    """Every date, in order; ``asked`` are the names that some clause asks for. The counts are those of the last date."""

    facts: Facts
    days: tuple[Day, ...]
    asked: frozenset[str]

    def changes(self) -> Iterator[tuple[Day, tuple[Change, ...]]]:
        """For each date what comes out otherwise than at the one before; at the first nothing."""
        if self.days:
            yield self.days[0], ()
        for before, after in pairwise(self.days):
            yield after, tuple(_changed(before, after))

    @property
    def unknown(self) -> int:
        """At the last date, how many clauses are unknown."""
        return sum(each.count("unknown") for each in self.days[-1].compared)

    @property
    def nobody_owes(self) -> int:
        """Of these, how many lack an input that nobody owes."""
        return sum(each.nobody_owes for each in self.days[-1].compared)

    @property
    def unasked(self) -> tuple[str, ...]:
        """What facts give and no clause of any text asks for, in the order in which it was said."""
        given = (each.name for fact in self.facts.facts for each in fact.gives if isinstance(each, Given))
        return tuple(dict.fromkeys(name for name in given if name not in self.asked))

    def as_json(self) -> dict[str, Any]:
        covers_to = self.facts.covers_to
        return {
            "facts": self.facts.name,
            "covers_to": None if covers_to is None else show_instant(covers_to)[:10],
            "days": [
                {
                    "date": show_instant(day.at)[:10],
                    "facts": [fact.as_json() for fact in day.facts],
                    "changes": [change.spelled() for change in changes],
                    "accords": [
                        {
                            "accord": each.accord,
                            **{state: each.count(state) for state in ("triggered", "held", "unknown", "silent")},
                            "unknown_owed_by_nobody": each.nobody_owes,
                        }
                        for each in day.compared
                    ],
                }
                for day, changes in self.changes()
            ],
            "unknown": self.unknown,
            "unknown_owed_by_nobody": self.nobody_owes,
            "asked_by_no_clause": list(self.unasked),
        }


def replay_facts(facts: Facts, accords: Sequence[Terms], vocabulary: Vocabulary) -> Replay:
    """Every date of the facts through every accord."""
    days = []
    for date in facts.dates():
        at = Instant(date + DAY_S - 1)
        said = tuple(fact for fact in facts.facts if fact.date == date)
        days.append(Day(date, said, compare_facts(facts, accords, vocabulary, at=at)))
    asked = frozenset(name for terms in accords for clause in clauses_of(terms) for name in names_in(clause.when))
    return Replay(facts, tuple(days), asked)


def _changed(before: Day, after: Day) -> Iterator[Change]:
    for old, new in zip(before.compared, after.compared, strict=True):
        for one, other in zip(old.outcomes, new.outcomes, strict=True):
            if one.state != other.state:
                yield Change(new.accord, other.clause, one.state, other.state)
