"""One set of facts through many terms: per clause triggered, held, unknown or silent, and why.

Decides how each clause of each accord comes out by the facts that stand at a date, by the conditions that the fold evaluates, in
Kleene's three values. Leaves out whether an accord applies to anybody, and what follows. Normative text: ``spec/compare.md`` §4 and §5.

- *triggered*: the condition is true. *held*: it is false. *unknown*: the facts do not tell; each missing input is named, with
  who owes it under these terms, if anybody. *silent*: the terms have no clause on a subject.
- Facts about one developer count for terms that name it, and for terms that name none of those that facts are about.
- What terms say about unknown (``holds``, ``silent``) is not asked: here unknown is shown as unknown.

>>> Missing("pace", "anthropic", "nobody", "nobody owes it").as_json()["owed"]
'nobody'
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from detente.accord.checking.inputs import who_owes
from detente.accord.conditions import (
    Atom,
    Breach,
    Compare,
    NoneOpen,
    OpenFinding,
    Overdue,
    Proposer,
    RunActivity,
    Touches,
    Truth,
    Votes,
    atoms,
    evaluate,
)
from detente.accord.facts import ChangeGiven, Fact, Facts, Given, RunGiven, Said, Thing, said_until, spell
from detente.accord.sources import Source
from detente.accord.terms import Terms
from detente.accord.tree_reading import RUN
from detente.accord.vocabulary import Clause, Vocabulary, clauses_of, name_of, subjects_of
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import Interval

State = Literal["triggered", "held", "unknown", "silent"]
Owed = Literal["owed", "nobody", "imprecise"]
"""``owed``: somebody must supply it under these terms; ``nobody``: nobody must; ``imprecise``: a value is there and leaves it open."""
STRICTEST: tuple[State, ...] = ("triggered", "unknown", "held", "silent")


@dataclass(frozen=True, slots=True)
class Missing:
    """What the facts lack: an input, of whom, and who owes it."""

    name: str
    about: str
    owed: Owed
    text: str

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "about": self.about, "owed": self.owed, "text": self.text}


@dataclass(frozen=True, slots=True)
class Case:
    """One clause on one developer, run or change (``about`` empty: on nobody in particular)."""

    about: str
    state: State
    rests_on: tuple[Fact, ...]
    values: tuple[str, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one clause of one accord comes out. The strictest of its cases counts."""

    accord: str
    clause: str
    condition: str
    state: State
    cases: tuple[Case, ...]
    sources: tuple[Source, ...]

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What is missing to those cases that are unknown, if the clause is."""
        return tuple(
            dict.fromkeys(each for case in self.cases if case.state == self.state == "unknown" for each in case.missing)
        )

    @property
    def nobody_owes(self) -> bool:
        """Is it unknown, and does it lack an input that nobody owes?"""
        return any(each.owed == "nobody" for each in self.missing)

    @property
    def rests_on(self) -> tuple[Fact, ...]:
        """The facts that made it come out as it does."""
        return tuple(dict.fromkeys(fact for case in self.cases if case.state == self.state for fact in case.rests_on))

    def as_json(self) -> dict[str, Any]:
        return {
            "accord": self.accord,
            "clause": self.clause,
            "condition": self.condition,
            "state": self.state,
            "cases": [
                {
                    "about": case.about,
                    "state": case.state,
                    "values": list(case.values),
                    "facts": [fact.as_json() for fact in case.rests_on],
                    "missing": [each.as_json() for each in case.missing],
                }
                for case in self.cases
            ],
            "sources": [
                {"of": each.of, "clause": each.clause, "wording": each.wording, "url": each.url}
                for each in self.sources
                if each.of
            ],
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """All clauses of one accord, and the subjects on which it has none."""

    accord: str
    outcomes: tuple[Outcome, ...]
    silent: tuple[str, ...]

    def count(self, state: State) -> int:
        """How many clauses come out so; of ``silent``, on how many subjects no clause applies."""
        if state == "silent":
            return len(self.silent)
        return sum(each.state == state for each in self.outcomes)

    @property
    def nobody_owes(self) -> int:
        """How many clauses are unknown and lack an input that nobody owes."""
        return sum(each.nobody_owes for each in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        return {
            "accord": self.accord,
            "clauses": [each.as_json() for each in self.outcomes],
            "silent": list(self.silent),
            "unknown_owed_by_nobody": self.nobody_owes,
        }


def compare_facts(
    facts: Facts, accords: Sequence[Terms], vocabulary: Vocabulary, *, at: Instant | None = None
) -> tuple[Compared, ...]:
    """Every clause of every accord by the facts that stand at an instant (None: at the end)."""
    said = said_until(facts, at)
    about = frozenset(fact.about for fact in facts.facts if fact.about is not None)
    when = facts.ends_at if at is None else at
    return tuple(_compared(terms, _counting(terms, said, about), vocabulary, when) for terms in accords)


def _counting(
    terms: Terms, said: Mapping[Thing, Said], about: frozenset[Party]
) -> dict[Thing, Said]:  # fmt: skip
    """What counts under these terms: all of it, unless they name some of those that facts are about; then of those alone."""
    named = about & terms.parties.keys()
    return {key: each for key, each in said.items() if not named or key.about is None or key.about in named}


def _compared(terms: Terms, said: Mapping[Thing, Said], vocabulary: Vocabulary, at: Instant) -> Compared:
    outcomes = []
    on: set[str] = set()
    for clause in clauses_of(terms):
        cases: tuple[Case, ...] = (Case("", "silent", (), (f"it applies {clause.span.spelled()}",), ()),)
        if clause.applies(at):
            on |= {subject.id for subject in subjects_of(vocabulary, terms.accord, clause)}
            cases = tuple(_cases(terms, clause, said))
        state = strictest(case.state for case in cases)
        sources = terms.sources.clauses.get(clause.id, ())
        outcomes.append(Outcome(terms.accord, clause.id, clause.when.spelled(), state, cases, sources))
    silent = tuple(subject.title for subject in vocabulary.subjects if subject.id not in on)
    return Compared(terms.accord, tuple(outcomes), silent)


def _cases(terms: Terms, clause: Clause, said: Mapping[Thing, Said]) -> Iterator[Case]:
    """One case for each run, change or developer that facts tell something of; one for nobody where they tell nothing.

    What a clause asks about a run is asked of each run, what it asks about a change of each change.
    """
    asked = tuple(atoms(clause.when))
    wanted = {name_of(atom) for atom in asked} - {""}
    wanted |= {f"overdue {terms.accord} {atom.duty}" for atom in asked if isinstance(atom, Overdue)}
    for kind, prefix in ((RunGiven, "run."), (ChangeGiven, "change.")):
        if any(each.startswith(prefix) for each in wanted):
            things = [(key, each) for key, each in said.items() if isinstance(each.given, kind)]
            for key, each in things:
                of = "" if key.about is None else f" of {key.about}"
                yield _case(terms, clause, said, key.about, f"{each.given.name}{of}", each)
            if not things:
                yield _case(terms, clause, said, None, "", None)
            return
    abouts = sorted({key.about for key in said if key.about is not None and key.name in wanted})
    for about in abouts:
        yield _case(terms, clause, said, about, about, None)
    if not abouts:
        yield _case(terms, clause, said, None, "", None)


def _case(
    terms: Terms,
    clause: Clause,
    said: Mapping[Thing, Said],
    about: Party | None,
    shown: str,
    thing: Said | None,
) -> Case:
    view = _FactsView(terms, clause.id, said, about, thing)
    truth = evaluate(clause.when, view)
    asked = list(dict.fromkeys(atoms(clause.when)))
    state: State = "unknown" if truth is None else "triggered" if truth else "held"
    found = [view.found[atom] for atom in asked if atom in view.found]
    # What made it so: of a condition that came out, the atoms that are known; of one that did not, those that are not.
    decisive = [each for each in found if each.truth is not None]
    missing = tuple(each.missing for each in found if each.missing is not None) if truth is None else ()
    facts = tuple(dict.fromkeys(each.fact for each in (found if truth is None else decisive) if each.fact is not None))
    values = tuple(dict.fromkeys(each.text for each in found if each.text))
    return Case(shown, state, facts, values, missing)


@dataclass(frozen=True, slots=True)
class _Found:
    truth: Truth
    fact: Fact | None = None
    text: str = ""
    missing: Missing | None = None


class _FactsView:
    """Answers atoms from facts. ``found`` keeps what each was answered by."""

    def __init__(
        self, terms: Terms, clause: str, said: Mapping[Thing, Said], about: Party | None, thing: Said | None
    ) -> None:
        self.terms = terms
        self.clause = clause
        self.said = said
        self.about = about
        self.thing = thing
        self.found: dict[Atom, _Found] = {}

    def value(self, atom: Atom, *, restricting: bool) -> Truth:  # noqa: ARG002 - of each thing one value stands
        """The atom's value by the facts."""
        if atom not in self.found:
            self.found[atom] = self._answer(atom)
        return self.found[atom].truth

    def _answer(self, atom: Atom) -> _Found:
        if isinstance(atom, Compare):
            return self._compare(atom)
        if isinstance(atom, Votes):
            return self._counted(atom, f"votes {self.terms.accord} {self.clause}", atom.at_least)
        if isinstance(atom, OpenFinding):
            return self._counted(atom, f"findings {self.terms.accord}", atom.at_least)
        if isinstance(atom, Overdue):
            return self._overdue(atom)
        if isinstance(atom, Breach):
            return self._counted(atom, f"breach {self.terms.accord}", 1)
        if isinstance(atom, NoneOpen):
            counted = self._counted(atom, f"findings {self.terms.accord}", 1)
            return _Found(
                None if counted.truth is None else not counted.truth, counted.fact, counted.text, counted.missing
            )
        return self._thing(atom)

    def _compare(self, atom: Compare) -> _Found:
        interval: Interval | None = None
        fact: Fact | None = None
        if self.thing is not None and isinstance(self.thing.given, RunGiven) and atom.what in RUN:
            fact, interval = self.thing.fact, self.thing.given.figure(atom.what)
        else:
            said = self.said.get(Thing(atom.what, self.about)) or self.said.get(Thing(atom.what, None))
            if said is not None and isinstance(said.given, Given):
                fact, interval = said.fact, said.given.value
        if interval is None or fact is None:
            return _Found(None, missing=who_lacks(self.terms, atom, self.about or ""))
        text = f"{atom.what} is {spell(interval, atom.unit)}"
        truth = atom.of(interval)
        lacks = None
        if truth is None:
            lacks = Missing(
                atom.what, self.about or "", "imprecise", f"{text}: it does not tell whether {atom.spelled()}"
            )
        return _Found(truth, fact, text, lacks)

    def _counted(self, atom: Atom, key: str, least: int) -> _Found:
        said = self.said.get(Thing(key, None))
        if said is None:
            return _Found(None, missing=who_lacks(self.terms, atom, self.about or ""))
        return _Found(said.given.number >= least, said.fact, said.given.spelled())

    def _overdue(self, atom: Overdue) -> _Found:
        said = self.said.get(Thing(f"overdue {self.terms.accord} {atom.duty}", self.about))
        if said is None:
            return _Found(None, missing=who_lacks(self.terms, atom, self.about or ""))
        return _Found(said.given.overdue, said.fact, said.given.spelled())

    def _thing(self, atom: Atom) -> _Found:
        """What touches, proposes, or is for; entry into force is no clause here."""
        given = None if self.thing is None else self.thing.given
        truth: Truth = None
        if isinstance(atom, Touches) and isinstance(given, ChangeGiven) and given.touches is not None:
            truth = not set(given.touches).isdisjoint(atom.parts)
        elif isinstance(atom, Proposer) and isinstance(given, ChangeGiven) and given.proposer is not None:
            truth = given.proposer == atom.kind
        elif isinstance(atom, RunActivity) and isinstance(given, RunGiven) and given.activity is not None:
            truth = given.activity == atom.activity
        if truth is None or self.thing is None:
            return _Found(None, missing=who_lacks(self.terms, atom, self.about or ""))
        return _Found(truth, self.thing.fact, self.thing.given.spelled())


def who_lacks(terms: Terms, atom: Atom, about: str) -> Missing:
    """An input that no fact gives, and who owes it under these terms."""
    named = name_of(atom) or atom.spelled()
    owes, text = who_owes(terms, atom)
    return Missing(named, about, "owed" if owes else "nobody", text)


def strictest(states: Iterable[State]) -> State:
    """Of several states the strictest.

    >>> strictest(["held", "unknown"])
    'unknown'
    """
    found = set(states)
    return next(state for state in STRICTEST if state in found)
