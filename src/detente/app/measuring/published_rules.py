"""The rules with which a run's compute is compared: those of the shipped texts of laws, number, clause and words.

Decides which texts are asked and which of their clauses a run's operations can meet. Leaves out comparing (``measure.compute.rules``).
The texts are the one place where these numbers stand: ``accords/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from detente.accord.conditions import Compare
from detente.accord.terms import Terms, parse_terms
from detente.accord.vocabulary import clauses_of
from detente.app.init import shipped_accord
from detente.measure.compute.rules import QUANTITIES, Rule

LAWS: Final = ("california-sb53", "eu-gpai")
"""Texts in force that compare operations: what a developer promised, or a draft asks for, is no rule."""


@cache
def published_rules() -> tuple[Rule, ...]:
    """Every clause of ``LAWS`` that compares a quantity which a run's declaration gives; raises ``Misuse`` where they are not there."""
    return tuple(rule for name in LAWS for rule in _rules(parse_terms(shipped_accord(f"{name}.yaml"), template=True)))


def _rules(terms: Terms) -> Iterator[Rule]:
    for clause in clauses_of(terms):
        when = clause.when
        if not isinstance(when, Compare) or when.what not in QUANTITIES or when.how != "more_than":
            continue
        for note in terms.sources.clauses.get(clause.id, ()):
            for rule in note.rules:
                yield Rule(
                    name=rule,
                    document=note.of,
                    clause=note.clause,
                    quantity=when.what,
                    bound=when.bound,
                    shown=when.spelled(),
                    says=note.says,
                )
