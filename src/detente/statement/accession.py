"""Predicate ``accession``: a party agrees to terms, perhaps only while others verifiably do.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.fields import (
    DIGEST,
    FLAG,
    PARTY,
    Codec,
    Record,
    contradiction,
    count,
    listing,
    record_codec,
    tagged,
)


@dataclass(frozen=True, slots=True)
class BoundCondition:
    """At least ``at_least`` of the parties ``of`` are bound by the accord."""

    at_least: int
    of: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class HaltedCondition:
    """At least ``at_least`` of the parties ``of`` have halted; ``confirmed`` asks for an auditor's finding of it."""

    at_least: int
    of: tuple[Party, ...]
    confirmed: bool


AccessionCondition = BoundCondition | HaltedCondition


@dataclass(frozen=True, slots=True)
class Accession:
    """Agreement to the text ``terms_digest``; every one of ``conditions`` must hold for it to bind."""

    terms_digest: Digest
    conditions: tuple[AccessionCondition, ...]


def _check(condition: AccessionCondition) -> None:
    if condition.at_least > len(condition.of):
        raise contradiction("at_least", str(condition.at_least), f"at most the {len(condition.of)} parties of `of`")


_PARTIES: Final = listing(PARTY, 1, distinct=True)
_CONDITION: Final[Codec[AccessionCondition]] = tagged(
    {
        "bound": record_codec(Record(BoundCondition, check=_check, at_least=count(1), of=_PARTIES)),
        "halted": record_codec(Record(HaltedCondition, check=_check, at_least=count(1), of=_PARTIES, confirmed=FLAG)),
    },
    lambda condition: "bound" if isinstance(condition, BoundCondition) else "halted",
)

ACCESSION = Record(Accession, terms_digest=DIGEST, conditions=listing(_CONDITION, most=16))
