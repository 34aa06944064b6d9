"""A statement's body as one clause for people: who reads a list of entries wants to know which is which.

Decides the words. Leaves out what follows from a statement.

>>> from detente.statement.vote import Vote
>>> from detente.base.identity import Party
>>> from detente.base.instant import Instant
>>> tell(Vote("pause", "call", 0, Party("all"), Instant(1_800_000_000)))
'votes to pause: call, round 0, scope all'
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from detente.accord.explaining.aloud import joined
from detente.base.quantity import Interval, show_decimal
from detente.statement.accession import Accession
from detente.statement.approval import Approval
from detente.statement.audit import Audit
from detente.statement.challenge import Challenge
from detente.statement.change import ProposedBy
from detente.statement.commitment import Committed
from detente.statement.deployment import Deployment
from detente.statement.facility import Facility
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.keys import KeyRotation
from detente.statement.measurement import Measurement
from detente.statement.progress import Progress
from detente.statement.proposal import Proposal
from detente.statement.resumed import Resumed
from detente.statement.ruling import Ruling
from detente.statement.run import Run
from detente.statement.statement import Body
from detente.statement.terms import TermsLink
from detente.statement.version import Version
from detente.statement.vote import Vote
from detente.statement.withdrawal import Withdrawal

DECISIONS: Final = {"approve": "approves", "reject": "rejects", "changes": "asks for changes", "escalate": "escalates"}


def tell(body: Body) -> str:
    """What the statement says, as a clause whose subject is its party; empty where its kind says all."""
    words = _WORDS.get(type(body))
    return "" if words is None else words(body)


def proposer(by: ProposedBy) -> str:
    """Who proposed a change, in words."""
    if by.kind == "undeclared":
        return "nobody said who"
    return by.kind if by.id is None else f"{by.kind} {by.id if len(by.id) < 64 else by.id[:12] + '…'}"


def _run(body: Run) -> str:
    planned = "a committed amount" if isinstance(body.planned_flop, Committed) else f"{show_decimal(body.planned_flop)}"
    return f"declares {body.activity.replace('_', '-')} run {body.run} of {planned} FLOP"


def _version(body: Version) -> str:
    score = "" if body.score is None else f", score {show_decimal(body.score)}"
    return f"states version {body.version[:12]}…, proposed by {proposer(body.proposed_by)}{score}"


def _proposal(body: Proposal) -> str:
    touched = f", touching {joined(body.touches)}" if body.touches else ""
    return f"proposes a change of {proposer(body.proposed_by)}{touched}: {body.summary}"


def _approval(body: Approval) -> str:
    return f"{body.reviewer} of {body.organisation} {DECISIONS[body.decision]}; really looked: {body.significant}"


def _measurement(body: Measurement) -> str:
    return f"measures {body.indicator} at {Interval(body.low, body.high)} {body.unit}".rstrip()


def _keys(body: KeyRotation) -> str:
    parts = [f"enrols {len(body.enrol)}"] if body.enrol else []
    parts += [f"revokes {len(body.revoke)}"] if body.revoke else []
    return f"{joined(parts)} keys" if parts else ""


def _audit(body: Audit) -> str:
    return f"audited version {body.version[:12]}…: {body.outcome}"


_WORDS: Final[dict[type, Callable[[Any], str]]] = {
    Vote: lambda body: f"votes to {body.choice}: {body.trigger}, round {body.round}, scope {body.scope}",
    Accession: lambda body: "accedes" + (f" on {len(body.conditions)} conditions" if body.conditions else ""),
    Withdrawal: lambda _: "gives notice that it leaves",
    TermsLink: lambda body: f"puts terms version {body.version} forward",
    KeyRotation: _keys,
    Facility: lambda body: f"registers the facility {body.facility}",
    Run: _run,
    Progress: lambda body: f"reports {show_decimal(body.flop)} FLOP after {body.step} steps",
    Halted: lambda body: f"stopped after {body.step} steps ({body.why}), checkpoint {body.checkpoint[:12]}…",
    Resumed: lambda body: f"resumed from checkpoint {body.checkpoint[:12]}…",
    Version: _version,
    Proposal: _proposal,
    Approval: _approval,
    Deployment: lambda body: f"deploys version {body.version[:12]}…",
    Measurement: _measurement,
    Finding: lambda body: f"finds about {body.about}, {body.claim!r}: {body.result}",
    Challenge: lambda body: f"challenges finding {body.finding[:12]}…",
    Ruling: lambda body: f"rules on finding {body.finding[:12]}…: {body.outcome}",
    Audit: _audit,
}
