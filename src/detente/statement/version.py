"""Predicate ``version``: a model or agent generation, what it came from and who proposed the change.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from detente.base.digest import Digest
from detente.statement.change import PROPOSED_BY, TOUCHED, ProposedBy, Touch
from detente.statement.fields import AMOUNT, DECIMAL, DIGEST, Record, contradiction, count, listing, nullable, optional


@dataclass(frozen=True, slots=True)
class Version:
    """``version`` is the digest of the artefact, also the statement's subject; ``own_flop`` what it alone cost.

    ``own_flop`` of ``None`` says in so many words that it is not known. ``run`` and ``proposal`` are statement ids.
    """

    version: Digest
    parents: tuple[Digest, ...]
    proposed_by: ProposedBy
    touches: tuple[Touch, ...]
    own_flop: Decimal | None
    changed_lines: int | None = None
    run: Digest | None = None
    proposal: Digest | None = None
    score: Decimal | None = None


def _check(body: Version) -> None:
    if body.version in body.parents:
        raise contradiction("parents", "the version itself", "versions that it came from")


VERSION = Record(
    Version,
    check=_check,
    version=DIGEST,
    parents=listing(DIGEST, distinct=True),
    proposed_by=PROPOSED_BY,
    touches=TOUCHED,
    own_flop=nullable(AMOUNT),
    changed_lines=optional(count()),
    run=optional(DIGEST),
    proposal=optional(DIGEST),
    score=optional(DECIMAL),
)
