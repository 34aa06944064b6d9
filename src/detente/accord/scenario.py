"""A scenario table as values: who does what when under some terms, and what must hold then.

Decides the shape of steps and expectations and how each is told. Leaves acts to ``acts``, reading a table to
``scenario_reading``, judging an expectation to ``scenario_checking``, and making and signing statements to whoever holds keys. Normative: ``spec/simulate.md``.

- Times are seconds from the table's start. A step is done, or asked, after every step that stands before it.
- Things that an act makes (runs, versions, proposals, findings) have names, by which later steps speak of them.

>>> Bound(where="3:5", party=Party("dev-a"), holds=False).spelled()
'dev-a is not bound'
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from detente.accord import acts
from detente.accord.acts import Deed
from detente.base.identity import Party
from detente.base.instant import Instant, show_duration
from detente.base.quantity import show_decimal


@dataclass(frozen=True, slots=True)
class PhaseIs:
    """The phase of the accord."""

    where: str
    phase: str

    def spelled(self) -> str:
        return f"the phase is {self.phase}"


@dataclass(frozen=True, slots=True)
class Bound:
    """Is a party bound?"""

    where: str
    party: Party
    holds: bool

    def spelled(self) -> str:
        return f"{self.party} is {'' if self.holds else 'not '}bound"


@dataclass(frozen=True, slots=True)
class Restricted:
    """Is an activity of a party paused, or slowed down; by which trigger, since when, and why?"""

    where: str
    effect: Literal["pause", "slowdown"]
    party: Party
    activity: str
    holds: bool
    trigger: str | None = None
    since_s: int | None = None
    round: int | None = None
    rate: Decimal | None = None
    because: str | None = None

    def spelled(self) -> str:
        text = f"{self.activity} of {self.party} is {'' if self.holds else 'not '}"
        text += "paused" if self.effect == "pause" else "slowed"
        text += "" if self.rate is None else f" to {show_decimal(self.rate * 100)} %"
        text += "" if self.trigger is None else f" by {self.trigger}"
        text += "" if self.round is None else f" in round {self.round}"
        text += "" if self.since_s is None else f" since +{show_duration(self.since_s)}"
        return text + ("" if self.because is None else f" because {self.because!r}")


@dataclass(frozen=True, slots=True)
class Stands:
    """How a run stands to the limits, a change to the hold points, a version to those before release."""

    where: str
    what: Literal["run", "change", "release"]
    name: str
    outcome: Literal["free", "held", "refused"]
    rule: str | None
    because: str | None

    def spelled(self) -> str:
        text = f"{self.what} {self.name} is {self.outcome}" + ("" if self.rule is None else f" by {self.rule}")
        return text + ("" if self.because is None else f" because {self.because!r}")


@dataclass(frozen=True, slots=True)
class Ended:
    """Has a pause or slowdown ended, and how?"""

    where: str
    trigger: str
    scope: Party | Literal["all"]
    how: Literal["lift", "lapse", "expiry"]
    round: int | None
    holds: bool

    def spelled(self) -> str:
        text = f"{self.trigger} for {self.scope}" + ("" if self.round is None else f" round {self.round}")
        return f"{text} has {'' if self.holds else 'not '}ended by {self.how}"


@dataclass(frozen=True, slots=True)
class DutyIs:
    """How a duty of a party stands."""

    where: str
    duty: str
    party: Party
    state: str

    def spelled(self) -> str:
        return f"{self.duty} of {self.party} is {self.state}"


@dataclass(frozen=True, slots=True)
class LatchedIs:
    """Is a trigger latched, whatever it starts?"""

    where: str
    trigger: str
    scope: Party | Literal["all"]
    round: int | None
    holds: bool

    def spelled(self) -> str:
        text = f"{self.trigger} for {self.scope} is {'' if self.holds else 'not '}latched"
        return text + ("" if self.round is None else f" in round {self.round}")


@dataclass(frozen=True, slots=True)
class LiftLacks:
    """A latched trigger has no lift yet, and this is among what it lacks."""

    where: str
    trigger: str
    scope: Party | Literal["all"]
    because: str

    def spelled(self) -> str:
        return f"the lift of {self.trigger} for {self.scope} lacks {self.because!r}"


@dataclass(frozen=True, slots=True)
class HaltIs:
    """How far a run has stopped under a pause."""

    where: str
    run: str
    state: str

    def spelled(self) -> str:
        return f"under the pause, run {self.run} is {self.state}"


@dataclass(frozen=True, slots=True)
class FindingIs:
    """How a finding stands."""

    where: str
    finding: str
    state: str

    def spelled(self) -> str:
        return f"the finding {self.finding} is {self.state}"


@dataclass(frozen=True, slots=True)
class SeedsShow:
    """What reviewers made of seeded changes so far; a number that is not given may be any."""

    where: str
    caught: int | None
    decided: int | None
    void: int | None
    open: int | None

    def spelled(self) -> str:
        asked = {"caught": self.caught, "decided": self.decided, "void": self.void, "open": self.open}
        told = ", ".join(f"{name} {count}" for name, count in asked.items() if count is not None)
        return f"of seeded changes: {told}"


@dataclass(frozen=True, slots=True)
class Sanctioned:
    """Does a breach have this consequence for a party?"""

    where: str
    party: Party
    act: str
    by: Party | None
    holds: bool

    def spelled(self) -> str:
        whose = "" if self.by is None else f" by {self.by}"
        return f"{self.act}{whose} against {self.party} is {'' if self.holds else 'not '}in effect"


@dataclass(frozen=True, slots=True)
class ReleasedByTime:
    """Is it listed as ended because time passed?"""

    where: str
    what: str
    holds: bool

    def spelled(self) -> str:
        return f"{self.what} is {'' if self.holds else 'not '}listed as released by time"


@dataclass(frozen=True, slots=True)
class WithoutEffect:
    """Is a statement of the party stored without effect, under this number?"""

    where: str
    rule: str
    by: Party

    def spelled(self) -> str:
        return f"something that {self.by} said is without effect under {self.rule}"


@dataclass(frozen=True, slots=True)
class PolicyIs:
    """What the phase says of an activity."""

    where: str
    activity: str
    policy: str

    def spelled(self) -> str:
        return f"the phase lets {self.activity} be {self.policy}"


@dataclass(frozen=True, slots=True)
class AlertIs:
    """Do permits have the short life?"""

    where: str
    holds: bool

    def spelled(self) -> str:
        return f"permits live as in {'alert' if self.holds else 'calm'}"


@dataclass(frozen=True, slots=True)
class EscalationIs:
    """How the escalation of a change stands at a hold point that keeps it; ``none``: it was not escalated, or waits no more."""

    where: str
    name: str
    state: str
    to: Party | None

    def spelled(self) -> str:
        to = "" if self.to is None else f" to {self.to}"
        return f"the escalation of {self.name}{to} is {self.state}"


Expectation: TypeAlias = (
    PhaseIs | Bound | Restricted | Stands | Ended | LiftLacks | HaltIs | FindingIs | Sanctioned | ReleasedByTime
    | WithoutEffect | PolicyIs | AlertIs | LatchedIs | DutyIs | SeedsShow | EscalationIs
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """At one time either an act by each of ``by``, or expectations.

    ``heard``: handed over, and in no log; with ``logged_s``, in one from then on. ``aside``: in the second story of one's own
    log. ``forged_by``: signed by that party, in whose log it then stands, in the name of ``by``.
    """

    where: str
    at_s: int
    by: tuple[Party, ...] = ()
    deed: Deed | None = None
    heard: bool = False
    logged_s: int | None = None
    aside: bool = False
    forged_by: Party | None = None
    expected: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One course of events."""

    name: str
    where: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Scenarios under the same terms from the same start."""

    start: Instant
    scenarios: tuple[Scenario, ...]

    def reviewers(self) -> dict[Party, tuple[str, ...]]:
        """The reviewers by whom anybody decides in any scenario: their keys must stand in the terms."""
        found: dict[Party, dict[str, None]] = {}
        for scenario in self.scenarios:
            for step in scenario.steps:
                if isinstance(step.deed, acts.Approve):
                    for party in step.by:
                        found.setdefault(party, {})[step.deed.reviewer] = None
        return {party: tuple(names) for party, names in found.items()}
