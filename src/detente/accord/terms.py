"""The terms of an accord as values: what a reader of the YAML file agreed to, and nothing that is computed.

Decides the shape of terms. Leaves out how the file is read (``reading``, by way of ``parse_terms``), what conditions
mean (``conditions``) and when terms apply (``fold``). Normative text: ``spec/terms.md``.

- An accord's id is the digest of the exact bytes of its founding terms.
- Durations are seconds (``_s``), shares and rates are exact decimals from 0 to 1.

>>> RoleQuorum({"authority": 2}).spelled()
'2 authority'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from detente.accord.authenticators import Authenticators, Device
from detente.accord.conditions import Condition
from detente.accord.confidentiality import Confidentiality
from detente.accord.screening import ScreeningTerms
from detente.accord.sources import Sources
from detente.accord.span import ALWAYS, Moment, Span, show_moment
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant, show_duration
from detente.base.quantity import show_compute_rate

Role = Literal[
    "developer", "auditor", "authority", "adjudicator", "mirror", "provider", "relying_party", "witness",
    "research", "safety",
]  # fmt: skip
"""``research`` and ``safety`` are the two sides of one organisation under ``accords/solo.yaml``."""
INSPECTORS = ("auditor", "authority")
"""The roles that may file findings."""

Activity = Literal["training", "self_improvement", "compute", "deployment"]
Policy = Literal["free", "refuse"]
OnUnknown = Literal["holds", "silent"]


@dataclass(frozen=True, slots=True)
class RootKeys:
    """``threshold`` of these distinct keys speak for the party where root authority is asked for."""

    threshold: int
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A key with its name: a log's origin, a mirror's or witness's name in signed notes, a reviewer's pseudonym."""

    name: str
    key: PublicKey


@dataclass(frozen=True, slots=True)
class PartyKeys:
    """The founding keys of one party, each enrolled with a proof of possession that was checked."""

    root: RootKeys
    statement: tuple[PublicKey, ...]
    guard: tuple[PublicKey, ...] = ()
    log: NamedKey | None = None
    mirror: NamedKey | None = None
    witness: NamedKey | None = None
    permit: PublicKey | None = None
    reviewers: tuple[NamedKey, ...] = ()


@dataclass(frozen=True, slots=True)
class PartyTerms:
    """One party: two capital letters of its country, and its roles."""

    country: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class RoleQuorum:
    """So many distinct parties of each role; one party counts for one role only.

    >>> RoleQuorum({"auditor": 1, "authority": 2}).spelled()
    '1 auditor and 2 authority'
    """

    groups: Mapping[str, int]

    def spelled(self) -> str:
        """The quorum as a phrase."""
        return " and ".join(f"{count} {role}" for role, count in self.groups.items())


@dataclass(frozen=True, slots=True)
class ClosedCosignature:
    """One cosignature that was counted when an epoch closed."""

    mirror: Party
    size: int
    time_s: Instant


@dataclass(frozen=True, slots=True)
class ClosedLog:
    """Head of one log at the close of an epoch; entries below keep the time these cosignatures give them."""

    origin: str
    size: int
    root: Digest
    cosigned: tuple[ClosedCosignature, ...]


@dataclass(frozen=True, slots=True)
class MirrorTerms:
    """Who mirrors and how many of them it takes.

    ``may_fail`` f of n = len(parties) may lie or be silent, ``witness`` q cosignatures give an entry its time,
    ``issue`` m issuers a permit. q + m > n + f, 2q − n > f, and q, m ≤ n − f, unless ``self_witnessed``: then n = q = m = 1,
    f = 0, the one party witnesses itself, and every page says so. ``day_entries`` and ``day_bytes`` cap each log per day.
    """

    parties: tuple[Party, ...]
    may_fail: int
    witness: int
    issue: int
    settle_s: int
    self_witnessed: bool = False
    day_entries: int = 100_000
    day_bytes: int = 2**30
    closes: tuple[ClosedLog, ...] = ()


@dataclass(frozen=True, slots=True)
class EntryIntoForce:
    """When the accord binds, and what is free before and after."""

    when: Condition
    before: Mapping[str, Policy]
    after_expiry: Mapping[str, Policy]


@dataclass(frozen=True, slots=True)
class Need:
    """What lets something pass: a declaration, and approvals of every party named."""

    declaration: bool
    approval_of: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on a run. Exactly one of ``refuse`` and ``need`` says what happens above it; ``span`` when it applies.

    With ``during`` it binds only whom that trigger covers, and only while it is latched.
    """

    id: str
    on: Literal["run.start"]
    when: Condition
    refuse: bool
    need: Need | None
    unknown: OnUnknown = "holds"
    span: Span = ALWAYS
    during: str | None = None


@dataclass(frozen=True, slots=True)
class HoldNeed:
    """What a hold point asks: so many humans of so many organisations.

    ``author_excluded``, the default, leaves out the reviewers of the party that proposed, and the proposer by name.

    ``device`` is the weakest authenticator that is taken (``authenticators``). ``by`` narrows the approvers to
    roles or parties; empty means any party of the accord. ``significant`` asks that each approval was significant oversight;
    ``screened`` that the reviewers who may approve catch as many seeded changes as ``screening.minimum`` says;
    ``confirmed`` that each reviewer approved on a page and again in a terminal.
    """

    humans: int
    organisations: int
    author_excluded: bool
    device: Device
    same_host: Literal["accept", "refuse"]
    by: tuple[str, ...] = ()
    significant: bool = False
    screened: bool = False
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class EscalationTerms:
    """Before whom a change is put that nobody decided on within ``after_s``, or that a reviewer escalates.

    ``to`` are roles or parties, who owe an answer ``within_s`` after that. They pass nothing: once a reviewer escalated it, an approval
    of theirs is needed besides the others.
    """

    to: tuple[str, ...]
    after_s: int
    within_s: int

    def spelled(self) -> str:
        """To whom, when and how long they have, as a phrase."""
        within = show_duration(self.within_s)
        return f"to {' or '.join(self.to)} after {show_duration(self.after_s)}, to be answered within {within}"


@dataclass(frozen=True, slots=True)
class HoldPoint:
    """A place that cannot be passed without a human decision, while its ``span`` lasts.

    An approval counts for ``approved_for_s`` after it was witnessed (None: for good). A proposal that was not approved within
    ``decide_within_s`` after it was witnessed lapses (None: never).
    """

    id: str
    on: Literal["version.train", "version.deploy"]
    when: Condition
    need: HoldNeed
    unknown: OnUnknown = "holds"
    span: Span = ALWAYS
    approved_for_s: int | None = None
    decide_within_s: int | None = None
    escalation: EscalationTerms | None = None


@dataclass(frozen=True, slots=True)
class CertificationNeed:
    """Which properties must be certified, each by ``count`` distinct parties among ``by`` (roles or parties)."""

    certifications: tuple[str, ...]
    by: tuple[str, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A capability checkpoint: whoever meets ``when`` within ``span`` goes on only with the certifications of ``need``."""

    id: str
    on: Literal["run.start", "version.train", "version.deploy"]
    when: Condition
    need: CertificationNeed
    unknown: OnUnknown = "holds"
    span: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class Indicator:
    """A measured quantity: who supplies it, how often, of what, and what silence means.

    ``about`` ``party``: each bound party of a supplying role owes its own; ``world``: any supplier's will do.
    """

    name: str
    supplied_by: tuple[str, ...]
    every_s: int | None
    about: Literal["party", "world"]
    unknown: OnUnknown
    overdue: OnUnknown
    unit: str = ""


@dataclass(frozen=True, slots=True)
class AtMost:
    """So many times in any so many seconds."""

    number: int
    every_s: int

    def spelled(self) -> str:
        """The number as a phrase."""
        return f"{self.number} in {show_duration(self.every_s)}"


@dataclass(frozen=True, slots=True)
class OnRequest:
    """A duty that begins when one of ``by`` asks for it, and is due ``within_s`` after that; of one party no more often than ``most``."""

    by: tuple[str, ...]
    within_s: int
    most: AtMost | None = None

    def spelled(self) -> str:
        """When it is due, as a phrase."""
        most = "" if self.most is None else f", at most {self.most.spelled()}"
        return f"within {show_duration(self.within_s)} of a request by {' or '.join(self.by)}{most}"


@dataclass(frozen=True, slots=True)
class Duty:
    """What each party among ``of`` must have done by then: exactly one of ``register_above`` and ``found_by`` says what.

    ``register_above``: registered every facility that does more FLOP/s; ``found_by``: been found to have done it by one of
    these. With ``every_s`` again so long after the last time. From ``until`` on it is no duty any more. Exactly one of ``by`` and
    ``on_request`` says when.
    """

    id: str
    of: tuple[str, ...]
    by: Moment | None
    register_above: Decimal | None
    found_by: tuple[str, ...]
    every_s: int | None = None
    until: Moment | None = None
    on_request: OnRequest | None = None

    def due(self) -> str:
        """By when, as a phrase."""
        if self.on_request is not None:
            return self.on_request.spelled()
        return "" if self.by is None else f"by {show_moment(self.by)}"

    def asks(self) -> str:
        """What it asks, as a phrase."""
        if self.register_above is None:
            asked = "" if self.on_request is None else f" within {show_duration(self.on_request.within_s)} of a request"
            return f"{', '.join(self.found_by)} found that it is done{asked}"
        return f"every facility of more than {show_compute_rate(self.register_above)} is registered"

    def spelled(self) -> str:
        """Who must have done what by when."""
        every = "" if self.every_s is None else f", then every {show_duration(self.every_s)}"
        until = "" if self.until is None else f", until {show_moment(self.until)}"
        return f"{', '.join(self.of)}: {self.asks()}, {self.due()}{every}{until}"


@dataclass(frozen=True, slots=True)
class Lapse:
    """An emergency: what a trigger starts ends after ``after_s`` unless ``unless`` confirmed it (None: nobody can).

    After that the trigger starts nothing for ``again_after_s``.
    """

    after_s: int
    unless: RoleQuorum | None
    again_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a pause or a slowdown, or brings limits into effect that name it, and for whom.

    ``alone_on_purpose`` names parties that can start it by themselves by design, ``veto_on_purpose`` those without whom it
    cannot start: the checker objects to both unless they are said. Outside its ``span`` it starts nothing; what it began goes on.
    """

    id: str
    when: Condition
    then: Literal["pause", "slowdown", "limits"]
    scope: Literal["party", "all"]
    unknown: OnUnknown = "holds"
    alone_on_purpose: tuple[Party, ...] = ()
    veto_on_purpose: tuple[Party, ...] = ()
    span: Span = ALWAYS
    lapse: Lapse | None = None


@dataclass(frozen=True, slots=True)
class PauseTerms:
    """What a pause stops, within how long, and after how long it lapses unless renewed (None: never)."""

    activities: tuple[str, ...]
    halt_within_s: int
    longest_s: int | None


@dataclass(frozen=True, slots=True)
class LiftTerms:
    """Who lifts together, and on what condition.

    ``veto_on_purpose`` names parties that can block it by design, ``alone_on_purpose`` those that can lift by themselves.
    """

    votes: RoleQuorum
    when: Condition | None
    veto_on_purpose: tuple[Party, ...] = ()
    alone_on_purpose: tuple[Party, ...] = ()


@dataclass(frozen=True, slots=True)
class PermitTerms:
    """How long a permit lives while nothing is latched, and while something is or may soon be."""

    calm_s: int
    alert_s: int


@dataclass(frozen=True, slots=True)
class Consequence:
    """After a ruling of breach: ``party`` does ``act`` to the party in breach (``publish`` needs no party)."""

    act: Literal["refuse_compute", "refuse_deployment", "publish"]
    party: Party | None


@dataclass(frozen=True, slots=True)
class Adjudication:
    """How long a finding may be challenged and a ruling may take, and how many adjudicators rule.

    ``unruled``: whether a finding on which they do not rule in time stands or falls. ``appeal_within_s``: how long what a
    ruling permits waits for an appeal.
    """

    challenge_within_s: int
    rule_within_s: int
    votes: RoleQuorum
    unruled: Literal["stands", "falls"] = "stands"
    appeal_within_s: int = 0


SUNSET: Final = "accord"
"""What a vote to renew names that is about the whole accord; no trigger is called so where the accord can be renewed."""


@dataclass(frozen=True, slots=True)
class Reciprocity:
    """A breach by a party among ``of`` that is not cured for ``uncured_s`` releases the others from what is latched for all."""

    of: tuple[str, ...]
    uncured_s: int


@dataclass(frozen=True, slots=True)
class RenewalTerms:
    """By whose votes the sunset moves by ``length_s``, at most so many times."""

    length_s: int
    at_most: int
    votes: RoleQuorum


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of the terms, exactly as agreed. ``digest`` is of the file's bytes."""

    digest: Digest
    accord: str
    version: int
    review_by: Instant | None
    expires: Instant | None
    renewal: RenewalTerms | None
    parties: Mapping[Party, PartyTerms]
    keys: Mapping[Party, PartyKeys]
    mirrors: MirrorTerms
    entry_into_force: EntryIntoForce
    limits: tuple[Limit, ...]
    hold_points: tuple[HoldPoint, ...]
    indicators: Mapping[str, Indicator]
    duties: tuple[Duty, ...]
    triggers: tuple[Trigger, ...]
    pause: PauseTerms
    lift: LiftTerms
    slowdown_rate: Decimal
    permits: PermitTerms
    consequences: tuple[Consequence, ...]
    adjudication: Adjudication | None
    reciprocity: Reciprocity | None
    withdrawal_notice_s: int | None
    amendment: RoleQuorum
    checkpoints: tuple[Checkpoint, ...] = ()
    screening: ScreeningTerms | None = None
    confidential: Mapping[str, Confidentiality] = field(default_factory=dict)
    authenticators: Authenticators = field(default_factory=Authenticators)
    sources: Sources = field(default_factory=Sources)
    _kept: dict[tuple[str, ...], tuple[Party, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Who is among some names, for ``suppliers``: asked at every instant of every trigger, and the same for ever."""
    _by_id: dict[tuple[str, str], Trigger | Duty] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Triggers and duties by their ids, the first of each id: asked for as often, of thousands of clauses."""

    def with_role(self, role: str) -> tuple[Party, ...]:
        """The parties that hold ``role``, in the file's order."""
        return tuple(party for party, about in self.parties.items() if role in about.roles)

    def among(self, party: Party, names: tuple[str, ...]) -> bool:
        """Is ``party`` one of ``names``, each a role or a party?"""
        about = self.parties.get(party)
        return about is not None and (party in names or not about.roles.isdisjoint(names))

    def supplies(self, author: Party, indicator: Indicator, subject: Party | None) -> bool:
        """May ``author`` measure the indicator of ``subject`` (None: of the world)?

        Of each party: itself, and of anybody whom the terms name for it by name or by a role that is not measured
        itself. So developers who each supply their own figure say nothing about one another.
        """
        if subject is None or author == subject:
            return self.among(author, indicator.supplied_by)
        return self.among(author, tuple(name for name in indicator.supplied_by if name != "developer"))

    def suppliers(self, indicator: Indicator, subject: Party | None) -> tuple[Party, ...]:
        """Who ``supplies`` the indicator of ``subject``, the subject first if it is one of them, then in the file's order."""
        names = indicator.supplied_by
        if subject is not None:
            names = tuple(name for name in names if name != "developer")
        if names not in self._kept:
            self._kept[names] = tuple(party for party in self.parties if self.among(party, names))
        found = self._kept[names]
        if subject is None or subject in found or not self.among(subject, indicator.supplied_by):
            return found
        return (subject, *found)

    def duty(self, duty_id: str) -> Duty | None:
        """The duty of that id, if these terms have one."""
        found = self._clause("duty", duty_id)
        return found if isinstance(found, Duty) else None

    def trigger(self, trigger_id: str) -> Trigger | None:
        """The trigger of that id, if these terms have one."""
        found = self._clause("trigger", trigger_id)
        return found if isinstance(found, Trigger) else None

    def _clause(self, kind: str, clause_id: str) -> Trigger | Duty | None:
        if not self._by_id:
            self._by_id.update({("duty", duty.id): duty for duty in reversed(self.duties)})
            self._by_id.update({("trigger", trigger.id): trigger for trigger in reversed(self.triggers)})
        return self._by_id.get((kind, clause_id))


def parse_terms(data: bytes, *, template: bool = False) -> Terms:
    """Read terms; every error carries line and column. A ``template`` may lack the ``keys`` section.

    Raises ``reading.TermsRefused``, a ``Refused`` with the T number of the first error in the file and all of them in
    ``all``. Results are kept: the same bytes are read once.
    """
    from detente.accord.reading import read_terms

    return read_terms(data, template=template)
