"""What is so at an instant, as values that any page or program can show.

Decides the shape of a status and the questions it answers at once. Leaves out how it is computed (``status``).
Normative text: ``spec/accord.md`` §9.

- Every value has ``as_json``; every restriction carries reasons that cite the entries it rests on.
- What was released by the mere passing of time is listed in ``released_by_time``.

>>> Standing("held", ("report-first",), (Reason("the declaration is missing"),)).as_json()["outcome"]
'held'
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from detente.accord.authenticators import Label
from detente.accord.reason import Place, Reason
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey, show_key
from detente.base.instant import Instant, show_instant
from detente.base.quantity import show_decimal
from detente.statement.credential import Credential
from detente.statement.fields import encode_base64

Phase = Literal["before", "in_force", "expired"]
CaseState = Literal["open", "breach", "no_breach", "cured", "refuted", "fallen"]
DutyState = Literal["open", "fulfilled", "overdue", "ended", "unasked"]
ScheduleState = Literal["coming", "applies", "ended"]
HaltState = Literal["running", "declared", "confirmed", "overdue"]
ONE = Decimal(1)


def _when(at: Instant | None) -> str | None:
    return None if at is None else show_instant(at)


@dataclass(frozen=True, slots=True)
class FoldNote:
    """A statement or entry that is stored, cited, and without effect. ``rule`` is an F number of ``spec/accord.md``."""

    rule: str
    statement: Digest | None
    place: Place | None
    text: str

    def as_json(self) -> dict[str, Any]:
        place = None if self.place is None else str(self.place)
        return {"rule": self.rule, "statement": self.statement, "place": place, "text": self.text}


@dataclass(frozen=True, slots=True)
class PartyKeyring:
    """A party's reviewers in force (pseudonym and key), and the last of its ``keys`` statements, which the next follows.

    ``credentials`` are their passkeys and security keys in force, each with its label.
    """

    party: Party
    sequence: int
    last: Digest | None
    reviewers: tuple[tuple[str, PublicKey], ...]
    credentials: tuple[tuple[Credential, Label], ...] = ()
    log: str | None = None
    """Origin of the log in which the party speaks."""

    def as_json(self) -> dict[str, Any]:
        reviewers = [{"reviewer": name, "key": show_key(key)} for name, key in self.reviewers]
        credentials = [
            {
                "reviewer": each.reviewer,
                "type": each.type,
                "key": show_key(each.key),
                "label": label,
                "rp_id": each.rp_id,
                "origin": each.origin,
                "same_host": each.same_host,
                "credential_id": None if each.credential_id is None else encode_base64(each.credential_id),
            }
            for each, label in self.credentials
        ]
        return {
            "party": self.party,
            "sequence": self.sequence,
            "last": self.last,
            "reviewers": reviewers,
            "credentials": credentials,
            "log": self.log,
        }


@dataclass(frozen=True, slots=True)
class LiftProgress:
    """Who has voted to lift, what is missing, and when the lift takes effect if nobody takes it back (None: open)."""

    voted: tuple[Party, ...]
    missing: str
    effective_at: Instant | None

    def as_json(self) -> dict[str, Any]:
        return {"voted": list(self.voted), "missing": self.missing, "effective_at": _when(self.effective_at)}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Of something that lapses unless it is confirmed: who has, what is missing, and when it was (None: not yet)."""

    voted: tuple[Party, ...]
    missing: str
    confirmed_at: Instant | None

    def as_json(self) -> dict[str, Any]:
        return {"voted": list(self.voted), "missing": self.missing, "confirmed_at": _when(self.confirmed_at)}


@dataclass(frozen=True, slots=True)
class Pause:
    """One latched trigger: (accord, trigger, round) and, where the scope is a party, that party.

    ``since`` is the witnessed time or instant at which it latched; where it rests on evidence that was heard and not
    yet witnessed, the instant of asking, and ``witnessed`` is false. ``rate`` is 0 for a pause, the cap for a slowdown. Where
    only limits come into effect, ``rate`` is 1 and ``activities`` are none. ``released`` are parties until others have halted,
    ``freed`` those that an uncured breach of another releases; neither are among ``parties``.
    """

    trigger: str
    round: int
    scope: Party | Literal["all"]
    effect: Literal["pause", "slowdown", "limits"]
    rate: Decimal
    activities: tuple[str, ...]
    since: Instant
    witnessed: bool
    halt_by: Instant
    lapses_at: Instant | None
    parties: tuple[Party, ...]
    released: tuple[Party, ...]
    cited: tuple[Digest, ...]
    why: tuple[Reason, ...]
    lift: LiftProgress
    confirm: Confirmation | None = None
    freed: tuple[Party, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "trigger": self.trigger,
            "round": self.round,
            "scope": self.scope,
            "effect": self.effect,
            "rate": show_decimal(self.rate),
            "activities": list(self.activities),
            "since": _when(self.since),
            "witnessed": self.witnessed,
            "halt_by": _when(self.halt_by),
            "lapses_at": _when(self.lapses_at),
            "parties": list(self.parties),
            "released": list(self.released),
            "freed": list(self.freed),
            "cited": list(self.cited),
            "why": [reason.as_json() for reason in self.why],
            "lift": self.lift.as_json(),
            "confirm": None if self.confirm is None else self.confirm.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Binding:
    """Whether a party is bound, since when, when it leaves, and why."""

    party: Party
    bound: bool
    since: Instant | None
    leaves_at: Instant | None
    why: Reason

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.party,
            "bound": self.bound,
            "since": _when(self.since),
            "leaves_at": _when(self.leaves_at),
            "why": self.why.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Halt:
    """One declared run under a pause: still running, declared halted, confirmed by an auditor, or overdue.

    ``declared`` is only what the developer said; ``confirmed`` needs an auditor's finding of it.
    """

    run: Digest
    name: str
    party: Party
    state: HaltState
    halt_by: Instant | None
    cited: tuple[Digest, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "name": self.name,
            "party": self.party,
            "state": self.state,
            "halt_by": _when(self.halt_by),
            "cited": list(self.cited),
        }


@dataclass(frozen=True, slots=True)
class FindingStanding:
    """A confirmed finding: open until the adjudicators rule on it, or its author refutes it. ``cured``: a breach that was mended.

    ``fallen``: nobody ruled in time, and the terms let it fall then.
    """

    finding: Digest
    by: Party
    about: Party
    claim: str
    state: CaseState
    since: Instant
    challenged: bool
    cited: tuple[Digest, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "finding": self.finding,
            "by": self.by,
            "about": self.about,
            "claim": self.claim,
            "state": self.state,
            "since": _when(self.since),
            "challenged": self.challenged,
            "cited": list(self.cited),
        }


@dataclass(frozen=True, slots=True)
class Sanction:
    """A consequence in effect: ``by`` does ``act`` to ``against`` since ``since`` (``by`` None: everybody, publish)."""

    act: Literal["refuse_compute", "refuse_deployment", "publish"]
    by: Party | None
    against: Party
    since: Instant
    finding: Digest
    why: Reason

    def as_json(self) -> dict[str, Any]:
        return {
            "act": self.act,
            "by": self.by,
            "against": self.against,
            "since": _when(self.since),
            "finding": self.finding,
            "why": self.why.as_json(),
        }


@dataclass(frozen=True, slots=True)
class TimedRelease:
    """Something that ended because time passed, and not because anybody decided."""

    what: Literal["pause_lapsed", "accord_expired", "vote_expired", "rule_ended", "others_released", "finding_fell"]
    text: str
    at: Instant
    cited: tuple[Digest, ...]

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "text": self.text, "at": _when(self.at), "cited": list(self.cited)}


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A rule that begins or ends by itself. ``begins_at`` and ``ends_at`` None: it has none, or none is known yet."""

    section: str
    rule: str
    state: ScheduleState
    begins_at: Instant | None
    ends_at: Instant | None
    span: str

    def as_json(self) -> dict[str, Any]:
        return {
            "section": self.section,
            "rule": self.rule,
            "state": self.state,
            "begins_at": _when(self.begins_at),
            "ends_at": _when(self.ends_at),
            "span": self.span,
        }


@dataclass(frozen=True, slots=True)
class DutyStanding:
    """One duty of one party: when it is due (None: not yet known, or never again), since when overdue, what it asks.

    ``last`` is since when the latest of several requests is overdue.
    """

    duty: str
    party: Party
    state: DutyState
    due_at: Instant | None
    since: Instant | None
    asks: str
    cited: tuple[Digest, ...]
    last: Instant | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "duty": self.duty,
            "party": self.party,
            "state": self.state,
            "due_at": _when(self.due_at),
            "since": _when(self.since),
            "asks": self.asks,
            "cited": list(self.cited),
        }


@dataclass(frozen=True, slots=True)
class Renewal:
    """A renewal of the accord that would put its sunset off ``until``: its round, who has voted, and what is missing."""

    round: int
    voted: tuple[Party, ...]
    missing: str
    until: Instant

    def as_json(self) -> dict[str, Any]:
        return {"round": self.round, "voted": list(self.voted), "missing": self.missing, "until": _when(self.until)}


@dataclass(frozen=True, slots=True)
class Lifted:
    """A pause that ended: by a lift of that quorum, by a lapse, or by terms that no longer have its trigger."""

    trigger: str
    round: int
    scope: Party | Literal["all"]
    since: Instant
    ended_at: Instant
    how: Literal["lift", "lapse", "amendment", "expiry"]
    answered_before: Instant
    cited: tuple[Digest, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "trigger": self.trigger,
            "round": self.round,
            "scope": self.scope,
            "since": _when(self.since),
            "ended_at": _when(self.ended_at),
            "how": self.how,
            "answered_before": _when(self.answered_before),
            "cited": list(self.cited),
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """How one run or change stands: ``free``, ``held`` until something is supplied, or ``refused``.

    ``held_by`` names the limits or hold points at work.
    """

    outcome: Literal["free", "held", "refused"]
    held_by: tuple[str, ...]
    reasons: tuple[Reason, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "held_by": list(self.held_by),
            "reasons": [reason.as_json() for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that is so at ``at``. ``acceptable`` are the terms digests a guard may accept in a permit."""

    at: Instant
    accord: Digest
    name: str
    terms_version: int
    terms_digest: Digest
    acceptable: tuple[Digest, ...]
    self_witnessed: bool
    phase: Phase
    in_force_since: Instant | None
    phase_since: Instant | None
    expires: Instant | None
    renewal: Renewal | None
    review_by: Instant | None
    activities: tuple[tuple[str, str], ...]
    bindings: tuple[Binding, ...]
    pauses: tuple[Pause, ...]
    slowdowns: tuple[Pause, ...]
    measures: tuple[Pause, ...]
    ended: tuple[Lifted, ...]
    halts: tuple[Halt, ...]
    findings: tuple[FindingStanding, ...]
    sanctions: tuple[Sanction, ...]
    released_by_time: tuple[TimedRelease, ...]
    schedule: tuple[Scheduled, ...]
    duties: tuple[DutyStanding, ...]
    alert: bool
    life_s: int
    keyrings: tuple[PartyKeyring, ...]
    notes: tuple[FoldNote, ...]
    why_phase: Reason

    @property
    def bound(self) -> tuple[Party, ...]:
        """The parties bound now."""
        return tuple(binding.party for binding in self.bindings if binding.bound)

    @property
    def open_findings(self) -> tuple[FindingStanding, ...]:
        """Confirmed findings that nobody has ruled on."""
        return tuple(finding for finding in self.findings if finding.state == "open")

    @property
    def covered(self) -> frozenset[tuple[str, Party]]:
        """Which latched trigger covers which party."""
        latched = (*self.pauses, *self.slowdowns, *self.measures)
        return frozenset((pause.trigger, party) for pause in latched for party in pause.parties)

    def policy(self, activity: str) -> Literal["free", "refuse", "governed"]:
        """What the phase says of an activity: free or refused outside force, governed by everything else within."""
        if self.phase == "in_force":
            return "governed"
        return "refuse" if dict(self.activities).get(activity, "free") == "refuse" else "free"

    def pauses_of(self, party: Party, activity: str) -> tuple[Pause, ...]:
        """The pauses that stop this activity of this party now."""
        return tuple(p for p in self.pauses if activity in p.activities and party in p.parties)

    def rate_of(self, party: Party, activity: str) -> Decimal:
        """1, or the least cap of the slowdowns that cover this activity of this party."""
        return min((s.rate for s in self.slowdowns if activity in s.activities and party in s.parties), default=ONE)

    def sanctions_by(self, party: Party, against: Party) -> tuple[Sanction, ...]:
        """What ``party`` must refuse ``against``."""
        return tuple(s for s in self.sanctions if s.by == party and s.against == against)

    def as_json(self) -> dict[str, Any]:
        return {
            "at": show_instant(self.at),
            "accord": self.accord,
            "name": self.name,
            "terms": {
                "version": self.terms_version,
                "digest": self.terms_digest,
                "acceptable": list(self.acceptable),
                "self_witnessed": self.self_witnessed,
                "review_by": _when(self.review_by),
            },
            "phase": {
                "now": self.phase,
                "since": _when(self.phase_since),
                "in_force_since": _when(self.in_force_since),
                "expires": _when(self.expires),
                "renewal": None if self.renewal is None else self.renewal.as_json(),
                "activities": dict(self.activities),
                "why": self.why_phase.as_json(),
            },
            "bindings": [binding.as_json() for binding in self.bindings],
            "pauses": [pause.as_json() for pause in self.pauses],
            "slowdowns": [slowdown.as_json() for slowdown in self.slowdowns],
            "measures": [measure.as_json() for measure in self.measures],
            "ended": [ended.as_json() for ended in self.ended],
            "halts": [halt.as_json() for halt in self.halts],
            "findings": [finding.as_json() for finding in self.findings],
            "sanctions": [sanction.as_json() for sanction in self.sanctions],
            "released_by_time": [release.as_json() for release in self.released_by_time],
            "schedule": [rule.as_json() for rule in self.schedule],
            "duties": [duty.as_json() for duty in self.duties],
            "alert": self.alert,
            "permit_life_s": self.life_s,
            "keys": [keyring.as_json() for keyring in self.keyrings],
            "notes": [note.as_json() for note in self.notes],
        }
