"""All claims about terms, in the order in which a person should read them. ``spec/check.md`` §1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detente.accord.checking.claim import Claim
from detente.accord.checking.deadlines import check_ageing, check_deadlines
from detente.accord.checking.disclosure import check_disclosure
from detente.accord.checking.hold_times import check_hold_times
from detente.accord.checking.inputs import check_inputs
from detente.accord.checking.outages import Outages, list_halts
from detente.accord.checking.powers import check_powers
from detente.accord.checking.quorums import check_quorums
from detente.accord.checking.releases import list_beginnings, list_reciprocity, list_releases
from detente.accord.checking.rules import check_rules
from detente.accord.checking.screening import check_screening
from detente.accord.terms import Terms
from detente.base.instant import Instant

ORDER = {"broken": 0, "not shown": 1, "on purpose": 2, "listed": 3, "holds": 4}


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a check is told and does not find out: outages, the interval in which a capability doubles, and today."""

    outages: Outages
    doubling_s: int | None = None
    doubling_source: str = "given"
    at: Instant | None = None


def check_terms(terms: Terms, assumptions: Assumptions) -> tuple[Claim, ...]:
    """Every claim, what is broken first."""
    return tuple(sorted(_claims(terms, assumptions), key=lambda claim: ORDER[claim.verdict]))


def _claims(terms: Terms, assumptions: Assumptions) -> Iterator[Claim]:
    yield from check_quorums(terms)
    yield from check_powers(terms)
    yield from check_inputs(terms)
    yield from check_deadlines(terms)
    yield from check_rules(terms)
    yield from check_hold_times(terms)
    yield from check_disclosure(terms)
    yield from check_screening(terms)
    if assumptions.doubling_s is not None:
        yield from check_ageing(
            terms, doubling_s=assumptions.doubling_s, source=assumptions.doubling_source, at=assumptions.at
        )
    yield from list_beginnings(terms)
    yield from list_releases(terms)
    yield from list_reciprocity(terms)
    yield from list_halts(terms, assumptions.outages)
