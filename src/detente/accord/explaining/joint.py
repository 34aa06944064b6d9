"""Several accords over one party: what each says of the same question, and that the strictest of them is what holds.

Decides which questions are asked of all of them: each activity, and runs just below, at and above every bound that any of them
sets. Leaves a decision on one intent to ``guard.joint``, which combines decisions by the same rule. Normative text:
``spec/accord.md`` §11.

- Together they allow what every one of them allows, at the least rate of any. An accord that does not bind the party, or does
  not have the party, allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from detente.accord.conditions import Atom, Compare, RunActivity, Truth, atoms, evaluate
from detente.accord.explaining.aloud import joined
from detente.accord.explaining.constraint import EFFECTS, Effect, Explanation
from detente.accord.terms import Terms
from detente.base.identity import Party
from detente.base.quantity import exactly, show_decimal

BOUNDS_MAX = 24
"""Bounds of all accords that are compared: more would not be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question: what each accord answers, by its name, and what holds."""

    what: str
    each: Mapping[str, str]
    together: str

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "each": dict(self.each), "together": self.together}


@dataclass(frozen=True, slots=True)
class Joint:
    """What several accords say together about a party."""

    accords: tuple[str, ...]
    rows: tuple[Row, ...]
    text: str

    def as_json(self) -> dict[str, Any]:
        return {"accords": list(self.accords), "rows": [row.as_json() for row in self.rows], "text": self.text}


@dataclass(frozen=True, slots=True)
class _Asked:
    """A run of so many FLOP in all, for one activity."""

    flop: Decimal
    activity: str

    def value(self, atom: Atom, *, restricting: bool) -> Truth:  # noqa: ARG002 - one source only
        """The atoms of a limit."""
        if isinstance(atom, RunActivity):
            return atom.activity == self.activity
        return atom.of(exactly(self.flop)) if isinstance(atom, Compare) else None


def compare_limits(accords: Mapping[str, Terms], party: Party | None) -> Joint:
    """What every accord says of runs around each bound that any of them sets, in force and with nothing approved."""
    bounds = sorted({atom.bound for terms in accords.values() for limit in terms.limits for atom in atoms(limit.when)
                     if isinstance(atom, Compare)})[:BOUNDS_MAX]  # fmt: skip
    rows: list[Row] = []
    for bound in bounds:
        for flop, word in ((bound, "of"), (bound + 1, "of more than")):
            answers = {name: _of_limits(terms, party, flop) for name, terms in accords.items()}
            row = Row(
                f"training {word} {show_decimal(bound)} FLOP in all",
                {n: _said(a) for n, a in answers.items()},
                _strictest(answers),
            )
            if not rows or (row.each, row.together) != (rows[-1].each, rows[-1].together):
                rows.append(row)
    names = tuple(accords)
    whom = "a party" if party is None else party
    text = f"{joined(names)} bind {whom} side by side: what one of them refuses or holds is refused or held, whatever the others allow."
    return Joint(names, tuple(rows), text)


def combine_explanations(explanations: Sequence[tuple[str, Explanation]]) -> Joint:
    """What holds of one subject that several accords explain: the strictest effect, and whose it is."""
    answers = {name: (each.outcome, _clauses(each)) for name, each in explanations}
    subject = str(explanations[0][1].subject)
    row = Row(subject, {name: _said(answer) for name, answer in answers.items()}, _strictest(answers))
    return Joint(tuple(answers), (row,), f"For {subject} {_strictest(answers)}.")


def _clauses(explanation: Explanation) -> tuple[str, ...]:
    return tuple(dict.fromkeys(c.clause.id for c in explanation.constraints if c.effect == explanation.outcome))


def _of_limits(terms: Terms, party: Party | None, flop: Decimal) -> tuple[Effect, tuple[str, ...]]:
    if party is not None and party not in terms.parties:
        return "free", ()
    found: list[tuple[Effect, str]] = [
        ("refused" if limit.refuse or limit.need is None else "held", limit.id)
        for limit in terms.limits
        if evaluate(limit.when, _Asked(flop, "training")) is True
    ]
    outcome: Effect = min((effect for effect, _ in found), key=EFFECTS.index, default="free")
    return outcome, tuple(name for effect, name in found if effect == outcome)


def _said(answer: tuple[Effect, Iterable[str]]) -> str:
    effect, by = answer
    names = joined(by)
    return f"{effect} by {names}" if names and effect not in {"free", "bound"} else effect


def _strictest(answers: Mapping[str, tuple[Effect, tuple[str, ...]]]) -> str:
    """Which effect holds, by which accord, and which others would allow it."""
    effects = {name: "free" if effect == "bound" else effect for name, (effect, _) in answers.items()}
    strictest = min(effects.values(), key=EFFECTS.index)
    if strictest == "free":
        return "free: none of them stands in the way"
    by = [name for name, effect in effects.items() if effect == strictest]
    free = [name for name, effect in effects.items() if effect == "free"]
    text = f"{strictest} by {joined(by)}"
    if free:
        text += f"; {joined(free)} would allow it"
    return text
