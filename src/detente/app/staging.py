"""A coalition in memory that plays the steps of a scenario table: what each act becomes, as signed statements.

Decides how an act of a table becomes statements, and in whose logs they stand. Leaves keys to ``troupe``, stories and
cosignatures to ``witnessing``, what it all means to the fold and what must hold to ``accord.scenario_checking``.
Normative: ``spec/simulate.md`` §4.

- The same seed, terms and table give the same statements.
- Each party keeps a log, under self-witnessed terms the one that develops; a mirror's statements are carried to another
  party's log too, since a mirror does not witness its own.
- What is logged late is handed over at its step, and stands in a log from then on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from detente.accord import acts
from detente.accord.acts import Deed
from detente.accord.evidence import Evidence
from detente.accord.fold import fold
from detente.accord.records import ROOT_KINDS
from detente.accord.scenario import Step
from detente.accord.scenario_checking import Scene
from detente.accord.status import status
from detente.accord.terms import SUNSET
from detente.app.troupe import Troupe
from detente.app.witnessing import Logs
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
from detente.statement.envelope import encode_envelope, sign_payload, statement_id
from detente.statement.facility import Facility
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.kinds import Kind
from detente.statement.measurement import About, Measurement
from detente.statement.progress import Progress
from detente.statement.proposal import Proposal
from detente.statement.ruling import Ruling
from detente.statement.run import Run
from detente.statement.screening import Reveal, Screening, commit_change
from detente.statement.statement import Header, make_payload
from detente.statement.version import Version
from detente.statement.vote import Vote
from detente.statement.withdrawal import Withdrawal

WEIGHTS = sha256_hex(b"weights")
"""Checkpoints and weights of a table's runs: no rule looks at them."""


class Stage:
    """One course of events: what was said so far, and what it means. Steps come in order of time.

    ``logs`` is everything as evidence. ``forged`` are statements that somebody else signed than they say.
    """

    def __init__(self, troupe: Troupe, start: Instant) -> None:
        self.troupe = troupe
        self.start = start
        self.logs = Logs(troupe)
        self.named: dict[str, Digest] = {}
        self.said: dict[Digest, str] = {}
        self.forged: set[Digest] = set()
        self._halts: dict[str, Digest] = {}
        self._findings: dict[str, acts.Find] = {}
        self._authors: dict[str, Party] = {}
        self._count = 0
        self._late: list[tuple[int, int, Party, bytes]] = []
        self._carrier = next((p for p in troupe.operators if p not in self.logs.speaking), None)

    @property
    def evidence(self) -> Evidence:
        """What everybody holds who follows what is witnessed."""
        return self.logs.evidence

    def perform(self, step: Step) -> None:
        """Do the act of a step, by each of its parties; raises ``Refused`` for what no statement can say."""
        self.advance(step.at_s)
        if step.deed is None:
            return
        at = Instant(self.start + step.at_s)
        for party in step.by:
            if isinstance(step.deed, acts.Conduct):
                self.logs.conduct(party, step.deed, at)
                continue
            kind, body, name = _BODIES[type(step.deed)](self, step.deed, party, at)
            statement = self._say(party, kind, body, at, step)
            forged = "" if step.forged_by is None else f", forged by {step.forged_by}"
            self.said[statement] = f"{party}: {kind} ({step.where}){forged}"
            if name is not None:
                self.named[name] = body.version if isinstance(body, Version) else statement
                self._authors[name] = party
            if isinstance(step.deed, acts.Stop):
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

    def _say(self, party: Party, kind: Kind, body: Any, at: Instant, step: Step) -> Digest:
        nonce = self._nonce()
        self._count += 1
        terms = self.troupe.terms
        hand = step.forged_by or party
        if isinstance(body, Approval):
            body = sign_approval(
                body, self.troupe.signer(hand, "reviewer", body.reviewer), accord=terms.digest, nonce=nonce
            )
        header = Header(terms.digest, terms.version, party, nonce, at)
        signer = self.troupe.signer(hand, "root" if kind in ROOT_KINDS else "statement")
        envelope = sign_payload(make_payload(kind, header, (), body), signer)
        statement, data = statement_id(envelope), encode_envelope(envelope)
        if step.forged_by is not None:
            self.forged.add(statement)
        if step.heard:
            if step.logged_s is not None:
                self._late.append((step.logged_s, self._count, hand, data))
            self.logs.hear(data)
        elif step.aside:
            self.logs.place_aside(hand, data, at)
        else:
            self._place(hand, data, at)
        return statement

    def _nonce(self) -> str:
        """The nonce of the statement that is made next."""
        return hashlib.sha256(f"{self.troupe.seed} {self._count + 1}".encode()).hexdigest()[:32]

    def _place(self, party: Party, data: bytes, at: Instant) -> None:
        logs = [party if party in self.troupe.operators else self.troupe.operators[0]]
        if party in self.logs.speaking and self._carrier is not None:
            logs.append(self._carrier)
        self.logs.place(logs, data, at)

    # What an act says: the kind of statement, its body, and the name of what it makes.

    def _accede(self, deed: acts.Accede, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "accession", Accession(self.troupe.terms.digest, deed.conditions), None

    def _withdraw(self, _deed: acts.Withdraw, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "withdrawal", Withdrawal("as the scenario says"), None

    def _register(self, deed: acts.Register, party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        country = self.troupe.terms.parties[party].country
        return "facility", Facility(deed.facility, country, 1, deed.flop_s, deed.complete_above), None

    def _vote(self, deed: acts.Cast, _party: Party, at: Instant) -> tuple[Kind, Any, str | None]:
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

    def _measure(self, deed: acts.Measure, _party: Party, at: Instant) -> tuple[Kind, Any, str | None]:
        about = None if deed.about is None else About(party=deed.about)
        return "measurement", Measurement(
            deed.indicator, deed.low, deed.high, deed.unit, "as the scenario says", (), at, about
        ), None  # fmt: skip

    def _run(self, deed: acts.DeclareRun, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
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

    def _spend(self, deed: acts.Spend, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "progress", Progress(self.named[deed.run], 1, deed.flop, WEIGHTS), None

    def _version(self, deed: acts.StateVersion, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
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

    def _propose(self, deed: acts.Propose, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        parent = None if deed.parent is None else self.named[deed.parent]
        body = Proposal(
            _change(deed.name), parent, _proposer(deed.by, parent), deed.touches, deed.flop, "as the scenario says"
        )
        return "proposal", body, deed.name

    def _approve(self, deed: acts.Approve, party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        what = self.named[deed.what]
        return "approval", Approval(
            what, deed.decision, deed.reviewer, party, None, deed.same_host, deed.significant
        ), None  # fmt: skip

    def _seed(self, deed: acts.Seed, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        accord = self.troupe.terms.digest
        commits = tuple(
            commit_change(accord=accord, salt=self._salt(deed.name, each), change=_change(each))
            for each in dict.fromkeys(deed.proposals)
        )
        return "screening", Screening(commits=commits), deed.name

    def _reveal(self, deed: acts.Reveal, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        change, salt = _change(deed.proposal), self._salt(deed.seeds, deed.proposal)
        said = Reveal(self.named[deed.proposal], change, self.named[deed.seeds], salt, deed.flaw)
        return "screening", Screening(reveal=said), None

    def _salt(self, seeds: str, proposal: str) -> bytes:
        """That of one of several seeds; nobody else draws it."""
        return hashlib.sha256(f"salt {self.troupe.seed} {seeds} {proposal}".encode()).digest()

    def _audit(self, deed: acts.Inspect, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        conditions = ("as the scenario says",) if deed.outcome == "conditional" else ()
        what = self.named[deed.what]
        return "audit", Audit(what, "as the scenario says", (), conditions, deed.outcome, deed.certifies), deed.name

    def _find(self, deed: acts.Find, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        self._findings[deed.name] = deed
        run = None if deed.run is None else self.named[deed.run]
        audit = None if deed.audit is None else self.named[deed.audit]
        return "finding", Finding(deed.about, deed.claim, deed.result, (), run, audit=audit), deed.name

    def _refute(self, deed: acts.Refute, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        said = self._findings[deed.finding]
        run = None if said.run is None else self.named[said.run]
        audit = None if said.audit is None else self.named[said.audit]
        return "finding", Finding(said.about, said.claim, "refuted", (), run, audit=audit), None

    def _confirm(self, deed: acts.Confirm, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        if deed.run not in self._halts:
            raise Misuse(f"nobody said that run {deed.run} has halted, so nobody can confirm it")
        about = self._authors[deed.run]
        return "finding", Finding(about, "halted", "confirmed", (), None, self._halts[deed.run]), None

    def _rule(self, deed: acts.Rule, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        against = self._findings[deed.finding].about
        return "ruling", Ruling(self.named[deed.finding], against, deed.outcome, "as the scenario says"), None

    def _challenge(self, deed: acts.Dispute, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "challenge", Challenge(self.named[deed.finding], "as the scenario says"), None

    def _halt(self, deed: acts.Stop, _party: Party, _at: Instant) -> tuple[Kind, Any, str | None]:
        return "halted", Halted(self.named[deed.run], 1, WEIGHTS, ZERO, 1, deed.why), None


_BODIES: Mapping[type[Deed], Callable[[Stage, Any, Party, Instant], tuple[Kind, Any, str | None]]] = {
    acts.Accede: Stage._accede,
    acts.Withdraw: Stage._withdraw,
    acts.Register: Stage._register,
    acts.Cast: Stage._vote,
    acts.Measure: Stage._measure,
    acts.DeclareRun: Stage._run,
    acts.Spend: Stage._spend,
    acts.StateVersion: Stage._version,
    acts.Propose: Stage._propose,
    acts.Approve: Stage._approve,
    acts.Seed: Stage._seed,
    acts.Reveal: Stage._reveal,
    acts.Inspect: Stage._audit,
    acts.Find: Stage._find,
    acts.Refute: Stage._refute,
    acts.Confirm: Stage._confirm,
    acts.Rule: Stage._rule,
    acts.Dispute: Stage._challenge,
    acts.Stop: Stage._halt,
}


def _change(proposal: str) -> Digest:
    """What a proposal of that name puts: known before it is put, to whoever seeds it."""
    return sha256_hex(f"change {proposal}".encode())


def _proposer(kind: ProposerKind, parent: Digest | None) -> ProposedBy:
    return ProposedBy(kind, parent if kind == "model" else None)
