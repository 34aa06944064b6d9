"""Statements as the fold sees them: whether they restrict or permit, what they name, and when they count.

Decides the class of every statement (contracts §2, *asymmetry*). Leaves out who may say it and what follows from it.
Normative text: ``spec/accord.md`` §3.

- Restricting: counts at its witnessed time and, heard but not witnessed, at the instant of asking.
- Permitting: counts from its witnessed time plus the settling time.
- Neutral: no decision rests on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from detente.accord.reason import Place
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.statement.approval import Approval
from detente.statement.audit import Audit
from detente.statement.challenge import Challenge
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.resumed import Resumed
from detente.statement.ruling import Ruling
from detente.statement.run import Run
from detente.statement.screening import Screening
from detente.statement.statement import Body, SignerOf, Statement
from detente.statement.version import Version
from detente.statement.vote import Vote

Class: TypeAlias = Literal["restricting", "permitting", "neutral"]

NEUTRAL = frozenset({"deployment", "commitment", "observation"})
GOVERNING = frozenset({"terms", "keys"})
"""What changes the chain, the clock, the logs or the keys, and so perhaps how everything else is judged."""
ROOT_KINDS = frozenset({"terms", "keys", "accession", "withdrawal"})
"""These speak only with the root threshold of a party."""
_PERMITTING = ROOT_KINDS | {"halted", "resumed", "challenge", "facility"}
BOUND = re.compile(r"below (\S{1,64}) FLOP\Z", re.ASCII)
"""The claim by which an inspector satisfies a limit over a committed value."""
FULFILS = re.compile(r"fulfils ([a-z0-9][a-z0-9_.-]{0,62})\Z", re.ASCII)
"""The claim by which an inspector says that a party did what a duty asks."""

ASKS = re.compile(r"asks ([a-z0-9][a-z0-9_.-]{0,62})\Z", re.ASCII)
"""The claim by which somebody asks for what a party must do on request."""


def claimed_duty(claim: str) -> str | None:
    """The id of the duty that a claim says is fulfilled.

    >>> claimed_duty("fulfils consolidate"), claimed_duty("trains on")
    ('consolidate', None)
    """
    match = FULFILS.match(claim)
    return None if match is None else match[1]


def requested_duty(body: Body) -> str | None:
    """The id of the duty that a finding asks for; what refutes such a claim asks for nothing."""
    match = ASKS.match(body.claim) if isinstance(body, Finding) and body.result != "refuted" else None
    return None if match is None else match[1]


def class_of(body: Body, kind: str) -> Class:
    """Does the statement restrict, permit, or neither?

    What may do both (a measurement shows danger and fulfils a duty) is restricting here, and its fulfilling side waits
    for settling where that side is read.
    """
    if isinstance(body, Audit):
        if not body.certifies:
            return "neutral"
        return "permitting" if body.outcome == "pass" else "restricting"
    if kind in NEUTRAL or kind == "progress":
        return "neutral"
    if isinstance(body, Screening):
        return "neutral" if body.reveal is None else "restricting"
    if isinstance(body, Vote):
        return "permitting" if body.choice == "lift" else "restricting"
    if isinstance(body, Approval):
        return "permitting" if body.decision == "approve" else "restricting"
    if isinstance(body, Finding):
        if body.result == "refuted" and (BOUND.match(body.claim) or FULFILS.match(body.claim)):
            return "restricting"  # It takes back what a limit or a duty rests on.
        if requested_duty(body) is not None:
            return "restricting"
        return "restricting" if body.result == "confirmed" and body.confirms is None else "permitting"
    if isinstance(body, Ruling):
        return "restricting" if body.outcome == "breach" else "permitting"
    return "permitting" if kind in _PERMITTING else "restricting"


def named(body: Body) -> tuple[Digest, ...]:
    """The statement ids that a statement names; it never folds before them."""
    if isinstance(body, Approval):
        return (body.proposal,)
    if isinstance(body, Challenge | Ruling):
        return (body.finding,)
    if isinstance(body, Halted | Resumed):
        return (body.run,)
    if isinstance(body, Finding):
        return tuple(name for name in (body.run, body.confirms, body.audit) if name is not None)
    if isinstance(body, Run):
        return (body.proposal,) if body.proposal is not None else ()
    if isinstance(body, Version):
        return tuple(name for name in (body.run, body.proposal) if name is not None)
    if isinstance(body, Screening):
        return () if body.reveal is None else (body.reveal.proposal, body.reveal.commitment)
    return ()


def needs_named(body: Body) -> bool:
    """Is the statement nothing without what it names? (A run or version stands by itself.)"""
    if isinstance(body, Screening):
        return body.reveal is not None
    return isinstance(body, Approval | Challenge | Ruling | Halted | Resumed)


@dataclass(slots=True)
class Record:
    """One statement with every copy of it: place (None: heard only) and who signed that copy."""

    statement: Statement
    kind_class: Class
    copies: dict[Place | None, frozenset[SignerOf]] = field(default_factory=dict)

    @property
    def signers(self) -> frozenset[SignerOf]:
        """Everybody who signed any copy."""
        return frozenset().union(*self.copies.values())


@dataclass(frozen=True, slots=True)
class Item:
    """A statement in fold order. ``time`` is None while it is not witnessed; then only a restricting one counts."""

    id: Digest
    kind: str
    party: Party
    body: Body
    nonce: str
    restricting: bool
    time: Instant | None
    place: Place | None
    terms_version: int
    signers: frozenset[SignerOf]
    copies: tuple[tuple[Instant, frozenset[SignerOf]], ...] = ()

    @property
    def order(self) -> tuple[int, int, str]:
        """Fold order: witnessed time; at a tie permitting first; then statement id. Not witnessed: last."""
        return (2**62 if self.time is None else self.time, int(self.restricting), self.id)

    def counts_from(self, settle_s: int) -> int | None:
        """The instant from which it counts, None while unwitnessed."""
        if self.time is None:
            return None
        return self.time if self.restricting else self.time + settle_s
