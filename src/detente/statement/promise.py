"""Predicate ``commitment``: what an outside actor has publicly promised.

The module is named for what it holds, a promise; ``commitment`` is the cryptographic kind.

Source: contracts §1; ``spec/statement.md`` §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from detente.base.digest import Digest
from detente.base.instant import Instant
from detente.statement.fields import DIGEST, FLAG, INSTANT, Record, choice, nullable, text

PromiseStatus = Literal["open", "kept", "broken", "withdrawn", "unknown"]
PROMISE_STATUSES: Final[tuple[PromiseStatus, ...]] = get_args(PromiseStatus)


@dataclass(frozen=True, slots=True)
class Promise:
    """Who promised what, when it bites, who checks and who judges; ``None`` where the source does not say."""

    promiser: str
    promise: str
    trigger: str | None
    verifier: str | None
    adjudicator: str | None
    consequence: str | None
    lift: str | None
    revocable: bool | None
    deadline: Instant | None
    status: PromiseStatus
    source: Digest


COMMITMENT = Record(
    Promise,
    promiser=text(256),
    promise=text(),
    trigger=nullable(text()),
    verifier=nullable(text(256)),
    adjudicator=nullable(text(256)),
    consequence=nullable(text()),
    lift=nullable(text()),
    revocable=nullable(FLAG),
    deadline=nullable(INSTANT),
    status=choice(PROMISE_STATUSES),
    source=DIGEST,
)
