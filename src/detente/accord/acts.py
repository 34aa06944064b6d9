"""What a party can do in a scenario table: each act as a value.

Decides the shape of acts. Leaves how each is spelled to ``act_reading`` and ``scenario_writing``, who does it when to
``scenario``, and what becomes of it to whoever plays. Normative: ``spec/simulate.md`` §2.

Read as ``acts.Cast``: the names are those of the acts, not of the statements that they make.

>>> Refute("finding-1")
Refute(finding='finding-1')
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from detente.base.identity import Party
from detente.statement.accession import AccessionCondition
from detente.statement.approval import ApprovalDecision, Significant
from detente.statement.audit import AuditOutcome
from detente.statement.change import ProposerKind, Touch
from detente.statement.finding import FindingResult
from detente.statement.halted import HaltReason
from detente.statement.ruling import RulingOutcome
from detente.statement.run import Activity
from detente.statement.vote import VoteChoice

Made = Literal["run", "version", "proposal", "finding", "audit", "seeds"]
"""What an act can make and give a name to."""


@dataclass(frozen=True, slots=True)
class Accede:
    """Agree to the terms, perhaps on conditions."""

    conditions: tuple[AccessionCondition, ...] = ()


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Leave, once the notice has run."""


@dataclass(frozen=True, slots=True)
class Register:
    """State a facility and what it computes, in FLOP per second, perhaps that every larger one than so much is registered."""

    facility: str
    flop_s: Decimal
    complete_above: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cast:
    """Vote on a trigger. ``round`` None is the round at that time; the vote expires ``expires_s`` later."""

    choice: VoteChoice
    trigger: str
    scope: Party | Literal["all"]
    round: int | None
    expires_s: int


@dataclass(frozen=True, slots=True)
class Measure:
    """Report an indicator as an interval; ``about`` a party, or nobody in particular."""

    indicator: str
    low: Decimal | None
    high: Decimal | None
    unit: str
    about: Party | None


@dataclass(frozen=True, slots=True)
class DeclareRun:
    """Declare what will be trained, for how many FLOP, from which versions."""

    name: str
    flop: Decimal
    activity: Activity
    parents: tuple[str, ...]
    proposal: str | None


@dataclass(frozen=True, slots=True)
class Spend:
    """Report how many FLOP a run has spent in all."""

    run: str
    flop: Decimal


@dataclass(frozen=True, slots=True)
class StateVersion:
    """State a version: from which others, by whose proposal, what was touched."""

    name: str
    parents: tuple[str, ...]
    by: ProposerKind
    touches: tuple[Touch, ...]
    flop: Decimal | None
    proposal: str | None
    run: str | None


@dataclass(frozen=True, slots=True)
class Propose:
    """Put a change to humans."""

    name: str
    parent: str | None
    by: ProposerKind
    touches: tuple[Touch, ...]
    flop: Decimal


@dataclass(frozen=True, slots=True)
class Approve:
    """Decide on a proposal or a run, as a reviewer whose key the terms enrol."""

    what: str
    reviewer: str
    decision: ApprovalDecision
    significant: Significant
    same_host: bool


@dataclass(frozen=True, slots=True)
class Seed:
    """Commit to seeded changes, before they are proposed: those that proposals of these names will put."""

    name: str
    proposals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reveal:
    """Say that what a proposal puts was among the seeds, and what is wrong with it."""

    proposal: str
    seeds: str
    flaw: str


@dataclass(frozen=True, slots=True)
class Inspect:
    """Audit a version, a run or a proposal, and certify it, or say that one does not."""

    name: str
    what: str
    certifies: tuple[str, ...]
    outcome: AuditOutcome


@dataclass(frozen=True, slots=True)
class Find:
    """File a finding about a party."""

    name: str
    about: Party
    claim: str
    result: FindingResult
    run: str | None
    audit: str | None = None


@dataclass(frozen=True, slots=True)
class Refute:
    """Take one's own finding back."""

    finding: str


@dataclass(frozen=True, slots=True)
class Confirm:
    """Find that a run has halted, as its developer says."""

    run: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule on a finding."""

    finding: str
    outcome: RulingOutcome


@dataclass(frozen=True, slots=True)
class Dispute:
    """Challenge a finding."""

    finding: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Declare a run halted."""

    run: str
    why: HaltReason


@dataclass(frozen=True, slots=True)
class FallSilent:
    """Witness nothing any more, until it speaks again."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Witness again, first of all whatever it missed."""


@dataclass(frozen=True, slots=True)
class Fork:
    """From here on tell these mirrors another story of one's own log; what is said ``aside`` stands only in that one."""

    to: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class Hide:
    """Show these mirrors nothing more of one's own log."""

    from_: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class Show:
    """Hide nothing any more."""


@dataclass(frozen=True, slots=True)
class Lie:
    """As a mirror, cosign every story of every log, at a time that is ``clock_s`` away from its clock."""

    clock_s: int


Deed: TypeAlias = (
    Accede | Withdraw | Register | Cast | Measure | DeclareRun | Spend | StateVersion | Propose | Approve | Inspect | Find
    | Refute | Confirm | Rule | Dispute | Stop | Seed | Reveal | FallSilent | Speak | Fork | Hide | Show | Lie
)  # fmt: skip

Conduct: TypeAlias = FallSilent | Speak | Fork | Hide | Show | Lie
"""How somebody keeps or witnesses logs: of these no statement is made."""
