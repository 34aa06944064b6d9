"""Predicate ``finding``: what an inspection came to. Confirmed, it opens an issue or confirms a halt.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.fields import DIGEST, PARTY, Record, choice, listing, optional, text

FindingResult = Literal["confirmed", "refuted", "inconclusive"]
FINDING_RESULTS: Final[tuple[FindingResult, ...]] = get_args(FindingResult)


@dataclass(frozen=True, slots=True)
class Finding:
    """The claim about ``about`` was confirmed, refuted, or left open.

    ``confirms`` is the statement id of a ``halted``: with result ``confirmed``, that halt is confirmed and no
    issue opens. ``audit`` is the statement id of an audit of ``about``: what it certifies does not count while the case
    that the finding opens is open or ruled a breach.
    """

    about: Party
    claim: str
    result: FindingResult
    evidence: tuple[Digest, ...]
    run: Digest | None = None
    confirms: Digest | None = None
    audit: Digest | None = None


FINDING = Record(
    Finding,
    about=PARTY,
    claim=text(),
    result=choice(FINDING_RESULTS),
    evidence=listing(DIGEST),
    run=optional(DIGEST),
    confirms=optional(DIGEST),
    audit=optional(DIGEST),
)
