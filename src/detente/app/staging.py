"""A coalition in memory that plays the steps of a scenario table: keys, logs and mirrors made on the spot.

Decides how an act of a table becomes signed statements at places in logs with cosignatures. Leaves what they mean to the
fold and what must hold to ``accord.scenario_checking``. Normative: ``spec/simulate.md`` §4.

- Every key comes from the seed: the same seed, terms and table give the same statements.
- Each party keeps a log, under self-witnessed terms the one that develops; a mirror's statements are carried to another
  party's log too, since a mirror does not witness its own.
- What is logged late is handed over at its step, and stands in a log from then on.
- A mirror that speaks cosigns every log whenever one grew; one that fell silent does so again when it speaks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from detente.accord.act_reading import REVIEWER
from detente.accord.document import read_document
from detente.accord.evidence import Evidence, Place
from detente.accord.fold import fold
from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.scenario import (
    Accede,
    Approve,
    Cast,
    Confirm,
    DeclareRun,
    Deed,
    Dispute,
    FallSilent,
    Find,
    Inspect,
    Measure,
    Propose,
    Refute,
    Register,
    Rule,
    Speak,
    Spend,
    StateVersion,
    Step,
    Stop,
    Withdraw,
)
from detente.accord.scenario_checking import Scene
from detente.accord.status import status
from detente.accord.terms import SUNSET, Terms, parse_terms
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import ZERO, show_decimal
from detente.statement.accession import Accession
from detente.statement.approval import Approval, sign_approval
from detente.statement.audit import Audit
from detente.statement.challenge import Challenge
from detente.statement.change import ProposedBy, ProposerKind
from detente.statement.commitment import Committed, commit
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.facility import Facility
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.keys import prove_possession
from detente.statement.kinds import Kind, Use
from detente.statement.measurement import About, Measurement
from detente.statement.progress import Progress
from detente.statement.proposal import Proposal
from detente.statement.ruling import Ruling
from detente.statement.run import Run
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload
from detente.statement.version import Version
from detente.statement.vote import Vote
from detente.statement.withdrawal import Withdrawal

_ROOT_KINDS: frozenset[Kind] = frozenset({"accession", "withdrawal"})
WEIGHTS = sha256_hex(b"weights")
"""Checkpoints and weights of a table's runs: no rule looks at them."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry at its place."""

    place: Place
    data: bytes

    def feed(self, evidence: Evidence) -> None:
        """Give it to somebody's evidence."""
        evidence.add_entry(self.place, self.data)


@dataclass(frozen=True, slots=True)
class Heard:
    """A statement handed over, in no log."""

    data: bytes

    def feed(self, evidence: Evidence) -> None:
        """Give it to somebody's evidence."""
        evidence.receive(self.data)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A mirror's cosignature over so many entries of a log."""

    origin: str
    mirror: Party
    size: int
    at: Instant

    def feed(self, evidence: Evidence) -> None:
        """Give it to somebody's evidence."""
        evidence.add_cosignature(self.origin, self.mirror, self.size, self.at)


Event = Logged | Heard | Cosigned
"""What happened on a stage, as evidence: any of it may reach anybody in any order."""


class Troupe:
    """Everybody's keys, from a seed, and the founding terms that enrol them."""

    def __init__(self, text: bytes, *, seed: int, reviewers: Mapping[Party, Sequence[str]]) -> None:
        """``text`` are terms with keys or without; keys that stand in it are replaced by made ones."""
        self.seed = seed
        shape = parse_terms(text, template=True)
        self.operators = _operators(shape)
        keys = {
            party: self._keys(shape, party, (REVIEWER, *(n for n in reviewers.get(party, ()) if n != REVIEWER)))
            for party in shape.parties
        }
        bare = _without_keys(text)
        section = spell_keys(dict.fromkeys(keys, 1), keys)
        self.founding = bare.rstrip(b"\n") + b"\n\n" + section.encode()
        self.terms = parse_terms(self.founding)

    def signer(self, party: Party, use: Use, name: str = "") -> SoftwareSigner:
        """The key of a party for a use; each reviewer has one."""
        return SoftwareSigner(hashlib.sha256(f"{self.seed} {party} {use} {name}".encode()).digest())

    def _keys(self, shape: Terms, party: Party, reviewers: Sequence[str]) -> tuple[ProvenKey, ...]:
        asked: list[tuple[Use, str | None]] = [("root", None), ("statement", None), ("guard", None)]
        if party in self.operators:
            asked.append(("log", origin_of(party)))
        if party in (self.operators if shape.mirrors.self_witnessed else shape.mirrors.parties):
            asked += [("mirror", f"{party}.example/mirror"), ("permit", None)]
        asked += [("reviewer", name) for name in reviewers]
        proven = []
        for use, name in asked:
            signer = self.signer(party, use, name or "" if use == "reviewer" else "")
            proven.append(ProvenKey(use, signer.public_key, prove_possession(party, use, signer, name), name))
        return tuple(proven)


class Stage:
    """One course of events: what was said so far, and what it means. Steps come in order of time.

    ``happened`` is all of it as evidence; ``held`` how much of each log each mirror holds.
    """

    def __init__(self, troupe: Troupe, start: Instant) -> None:
        self.troupe = troupe
        self.start = start
        self.evidence = Evidence(troupe.founding)
        self.speaking: dict[Party, bool] = dict.fromkeys(troupe.terms.mirrors.parties, True)
        self.named: dict[str, Digest] = {}
        self.said: dict[Digest, str] = {}
        self._halts: dict[str, Digest] = {}
        self._findings: dict[str, Find] = {}
        self._authors: dict[str, Party] = {}
        self._sizes: dict[Party, int] = {}
        self._count = 0
        self._cosigned: set[tuple[Party, Party, int]] = set()
        self._late: list[tuple[int, int, Party, bytes]] = []
        self.happened: list[Event] = []
        self.held: dict[Party, dict[Party, int]] = {mirror: {} for mirror in self.speaking}
        self._carrier = next((p for p in troupe.operators if p not in self.speaking), None)

    def perform(self, step: Step) -> None:
        """Do the act of a step, by each of its parties; raises ``Refused`` for what no statement can say."""
        self.advance(step.at_s)
        if step.deed is None:
            return
        at = Instant(self.start + step.at_s)
        for party in step.by:
            if isinstance(step.deed, FallSilent | Speak):
                self._set_speaking(party, at, speaks=isinstance(step.deed, Speak))
                continue
            kind, body, name = _BODIES[type(step.deed)](self, step.deed, party, at)
            statement = self._say(party, kind, body, at, heard=step.heard, logged_s=step.logged_s)
            self.said[statement] = f"{party}: {kind} ({step.where})"
            if name is not None:
                self.named[name] = body.version if isinstance(body, Version) else statement
                self._authors[name] = party
            if isinstance(step.deed, Stop):
                self._halts[step.deed.run] = statement

    def advance(self, at_s: int) -> None:
        """Put into a log whatever comes late and is due."""
        for due_s, _, party, data in sorted(late for late in self._late if late[0] <= at_s):
            self._place(party, data, Instant(self.start + due_s))
        self._late = [late for late in self._late if late[0] > at_s]

    def scene(self, at_s: int) -> Scene:
        """What has been said, at that instant."""
        self.advance(at_s)
        return Scene(fold(self.evidence), Instant(self.start + at_s), self.start, self.named)

    def _set_speaking(self, party: Party, at: Instant, *, speaks: bool) -> None:
        if party not in self.speaking:
            raise Misuse(f"{party} is no mirror of these terms: only a mirror's silence is heard")
        self.speaking[party] = speaks
        if speaks:
            self._cosign(at)

    def _say(self, party: Party, kind: Kind, body: Any, at: Instant, *, heard: bool, logged_s: int | None) -> Digest:
        nonce = self._nonce()
        self._count += 1
        terms = self.troupe.terms
        if isinstance(body, Approval):
            hand = self.troupe.signer(party, "reviewer", body.reviewer)
            body = sign_approval(body, hand, accord=terms.digest, nonce=nonce)
        header = Header(terms.digest, terms.version, party, nonce, at)
        signer = self.troupe.signer(party, "root" if kind in _ROOT_KINDS else "statement")
        data = encode_envelope(sign_payload(make_payload(kind, header, (), body), signer))
        if heard:
            if logged_s is not None:
                self._late.append((logged_s, self._count, party, data))
            self.happened.append(Heard(data))
            return self.evidence.receive(data).statement.id
        return self._place(party, data, at)

    def _nonce(self) -> str:
        """The nonce of the statement that is made next."""
        return hashlib.sha256(f"{self.troupe.seed} {self._count + 1}".encode()).hexdigest()[:32]

    def _place(self, party: Party, data: bytes, at: Instant) -> Digest:
        logs = [party if party in self.troupe.operators else self.troupe.operators[0]]
        if party in self.speaking and self._carrier is not None:
            logs.append(self._carrier)
        statement = None
        for log in logs:
            size = self._sizes.get(log, 0)
            entry = Logged(Place(origin_of(log), size), data)
            self.happened.append(entry)
            verified = self.evidence.add_entry(entry.place, data)
            self._sizes[log] = size + 1
            if log in self.held:
                self.held[log][log] = size + 1
            statement = None if verified is None else verified.statement.id
        self._cosign(at)
        if statement is None:
            raise Misuse(f"a statement of {party} that its own reader does not read")
        return statement

    def _cosign(self, at: Instant) -> None:
        for log, size in self._sizes.items():
            for mirror, speaks in self.speaking.items():
                if speaks and (log, mirror, size) not in self._cosigned:
                    self._cosigned.add((log, mirror, size))
                    self.held[mirror][log] = size
                    self.happened.append(Cosigned(origin_of(log), mirror, size, at))
                    self.evidence.add_cosignature(origin_of(log), mirror, size, at)

    # What an act says: the kind of statement, its body, and the name of what it makes.

    def _accede(self, deed: Accede, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "accession", Accession(self.troupe.terms.digest, deed.conditions), None

    def _withdraw(self, _deed: Withdraw, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "withdrawal", Withdrawal("as the scenario says"), None

    def _register(self, deed: Register, party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        country = self.troupe.terms.parties[party].country
        return "facility", Facility(deed.facility, country, 1, deed.flop_s, deed.complete_above), None

    def _vote(self, deed: Cast, _party: Party, at: Instant) -> tuple[Kind, Any, str | None]:
        round_now = deed.round
        if round_now is None:
            now = status(fold(self.evidence), at)
            renewal = 0 if now.renewal is None else now.renewal.round
            ended = now.ended
            round_now = (
                renewal
                if deed.trigger == SUNSET
                else sum((each.trigger, each.scope) == (deed.trigger, deed.scope) for each in ended)
            )
        expires = Instant(at + deed.expires_s)
        return "vote", Vote(deed.choice, deed.trigger, round_now, Party(deed.scope), expires), None

    def _measure(self, deed: Measure, _party: Party, at: Instant) -> tuple[Kind, Any, str | None]:
        about = None if deed.about is None else About(party=deed.about)
        return "measurement", Measurement(
            deed.indicator, deed.low, deed.high, deed.unit, "as the scenario says", (), at, about
        ), None  # fmt: skip

    def _run(self, deed: DeclareRun, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        parents = tuple(self.named[name] for name in deed.parents)
        proposal = None if deed.proposal is None else self.named[deed.proposal]
        flop: Decimal | Committed = deed.flop
        if self.troupe.terms.confidential.get("run.planned_flop") == "committed":
            value = show_decimal(deed.flop).encode()
            salt = hashlib.sha256(f"salt {self._nonce()}".encode()).digest()
            flop = commit(
                accord=self.troupe.terms.digest, nonce=self._nonce(), field="planned_flop", salt=salt, value=value
            )
        return "run", Run(deed.name, deed.activity, flop, parents, (), proposal=proposal), deed.name

    def _spend(self, deed: Spend, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "progress", Progress(self.named[deed.run], 1, deed.flop, WEIGHTS), None

    def _version(self, deed: StateVersion, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        parents = tuple(self.named[name] for name in deed.parents)
        body = Version(
            sha256_hex(f"version {deed.name}".encode()),
            parents,
            _proposer(deed.by, parents[0] if parents else None),
            deed.touches,
            deed.flop,
            run=None if deed.run is None else self.named[deed.run],
            proposal=None if deed.proposal is None else self.named[deed.proposal],
        )
        return "version", body, deed.name

    def _propose(self, deed: Propose, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        parent = None if deed.parent is None else self.named[deed.parent]
        change = sha256_hex(f"change {deed.name}".encode())
        body = Proposal(change, parent, _proposer(deed.by, parent), deed.touches, deed.flop, "as the scenario says")
        return "proposal", body, deed.name

    def _approve(self, deed: Approve, party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        what = self.named[deed.what]
        return "approval", Approval(
            what, deed.decision, deed.reviewer, party, None, deed.same_host, deed.significant
        ), None  # fmt: skip

    def _audit(self, deed: Inspect, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        conditions = ("as the scenario says",) if deed.outcome == "conditional" else ()
        what = self.named[deed.what]
        return "audit", Audit(what, "as the scenario says", (), conditions, deed.outcome, deed.certifies), deed.name

    def _find(self, deed: Find, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        self._findings[deed.name] = deed
        run = None if deed.run is None else self.named[deed.run]
        audit = None if deed.audit is None else self.named[deed.audit]
        return "finding", Finding(deed.about, deed.claim, deed.result, (), run, audit=audit), deed.name

    def _refute(self, deed: Refute, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        said = self._findings[deed.finding]
        run = None if said.run is None else self.named[said.run]
        audit = None if said.audit is None else self.named[said.audit]
        return "finding", Finding(said.about, said.claim, "refuted", (), run, audit=audit), None

    def _confirm(self, deed: Confirm, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        if deed.run not in self._halts:
            raise Misuse(f"nobody said that run {deed.run} has halted, so nobody can confirm it")
        about = self._authors[deed.run]
        return "finding", Finding(about, "halted", "confirmed", (), None, self._halts[deed.run]), None

    def _rule(self, deed: Rule, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        against = self._findings[deed.finding].about
        return "ruling", Ruling(self.named[deed.finding], against, deed.outcome, "as the scenario says"), None

    def _challenge(self, deed: Dispute, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "challenge", Challenge(self.named[deed.finding], "as the scenario says"), None

    def _halt(self, deed: Stop, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "halted", Halted(self.named[deed.run], 1, WEIGHTS, ZERO, 1, deed.why), None


_BODIES: Mapping[type[Deed], Callable[[Stage, Any, Party, Instant], tuple[Kind, Any, str | None]]] = {
    Accede: Stage._accede,
    Withdraw: Stage._withdraw,
    Register: Stage._register,
    Cast: Stage._vote,
    Measure: Stage._measure,
    DeclareRun: Stage._run,
    Spend: Stage._spend,
    StateVersion: Stage._version,
    Propose: Stage._propose,
    Approve: Stage._approve,
    Inspect: Stage._audit,
    Find: Stage._find,
    Refute: Stage._refute,
    Confirm: Stage._confirm,
    Rule: Stage._rule,
    Dispute: Stage._challenge,
    Stop: Stage._halt,
}


def origin_of(party: Party) -> str:
    """The origin of a party's log on a stage."""
    return f"{party}.example/log"


def _proposer(kind: ProposerKind, parent: Digest | None) -> ProposedBy:
    return ProposedBy(kind, parent if kind == "model" else None)


def _operators(shape: Terms) -> tuple[Party, ...]:
    """Who keeps a log: everybody, and under self-witnessed terms the one that develops."""
    if not shape.mirrors.self_witnessed:
        return tuple(shape.parties)
    return tuple(sorted(shape.parties, key=lambda party: ("developer" not in shape.parties[party].roles, party)))[:1]


def _without_keys(text: bytes) -> bytes:
    """The terms without their ``keys`` section, line by line."""
    places = read_document(text).keys
    if "keys" not in places:
        return text
    first = places["keys"][0]
    following = sorted(line for line, _ in places.values() if line > first)
    if any(line == first for name, (line, _) in places.items() if name != "keys"):
        raise Misuse("terms whose keys stand on one line with other members cannot be given other keys")
    lines = text.splitlines(keepends=True)
    end = following[0] - 1 if following else len(lines)
    return b"".join(lines[: first - 1] + lines[end:])
