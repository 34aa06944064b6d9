"""A coalition on paper: statements placed into logs at chosen witnessed times, for tests of the accord alone."""

import hashlib
from dataclasses import replace
from decimal import Decimal
from functools import cache, lru_cache

from detente.accord.evidence import Evidence, Place
from detente.accord.fold import fold
from detente.accord.key_reading import ProvenKey, spell_keys
from detente.accord.status import status
from detente.statement.accession import Accession
from detente.statement.approval import NAMESPACE, Approval, approval_binding, sign_approval
from detente.statement.change import ProposedBy
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.finding import Finding
from detente.statement.halted import Halted
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.measurement import About, Measurement
from detente.statement.proposal import Proposal
from detente.statement.ruling import Ruling
from detente.statement.run import Run
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, make_payload, verify_envelope
from detente.statement.terms import TermsLink
from detente.statement.version import Version
from detente.statement.vote import Vote
from detente.statement.withdrawal import Withdrawal
from detente.testing.authenticator import TerminalKey

T0 = 1_800_000_000
DAY = 86_400
SETTLE = 60
ROOT_KINDS = {"terms", "keys", "accession", "withdrawal"}

PARTIES = """\
parties:
  dev-a:  {country: US, roles: [developer]}
  dev-b:  {country: GB, roles: [developer]}
  aud-1:  {country: CA, roles: [auditor, mirror, adjudicator]}
  aud-2:  {country: JP, roles: [auditor, mirror]}
  auth-1: {country: US, roles: [authority, mirror, adjudicator]}
  auth-2: {country: CN, roles: [authority, mirror, adjudicator]}
  cloud:  {country: US, roles: [provider]}
  buyer:  {country: DE, roles: [relying_party]}
"""

BODY = """\
accord: on-paper
version: 1
mirrors: {may_fail: 1, witness: 3, issue: 3, settle: 60 s}
entry_into_force:
  when: {acceded: {role: developer, at_least: 2}}
  after_expiry: {training: free, marked: lapsed}
limits:
  - id: report-first
    when: {more_than: [run.cumulative_flop, 1e22 FLOP]}
    need: [declaration, approval_of: [auth-1, auth-2]]
  - id: too-large
    when: {more_than: [run.cumulative_flop, 1e24 FLOP]}
    then: refuse
hold_points:
  - id: self-modification
    on: version.train
    when: {all: [{change.touches: [training, architecture, evaluation]}, {change.proposer: model}]}
    need: {humans: 2, organisations: 1, author_excluded: yes, device: software, same_host: refuse}
indicators:
  doubling: {supplied_by: auditor, every: 90 d, unknown: silent, overdue: silent, unit: d}
  spread: {supplied_by: developer, every: 7 d, unit: x}
triggers:
  - id: unattended
    when: {at_least: [ai_proposed_depth, 3]}
    then: pause
    scope: party
  - id: fast
    when: {at_most: [doubling, 60 d]}
    then: slowdown
    scope: all
  - id: spreading
    when: {at_least: [spread, 5 x]}
    then: pause
    scope: party
  - id: call
    when: {votes: {of: [auditor, authority], at_least: 2}}
    then: pause
    scope: all
pause: {activities: [training, self_improvement], halt_within: 15 min, longest: 180 d}
lift:
  votes: {auditor: 1, authority: 2}
  when: {none_open: finding}
  veto_on_purpose: [auth-1, auth-2]
slowdown: {rate: 10 %}
permits: {life: {calm: 6 h, alert: 10 min}}
consequences:
  - when: {ruling: breach}
    then: [{cloud: refuse_compute}, {buyer: refuse_deployment}, publish]
adjudication: {challenge_within: 72 h, rule_within: 5 d, votes: {adjudicator: 2}}
withdrawal: {notice: 365 d, from_pause: never}
amendment: {votes: {developer: 1, authority: 2}}
"""
NAMES = ("dev-a", "dev-b", "aud-1", "aud-2", "auth-1", "auth-2", "cloud", "buyer")
REVIEWERS = ("r-1", "r-2", "r-3")
MIRRORS = ("aud-1", "aud-2", "auth-1", "auth-2")


@lru_cache(maxsize=4096)
def signer(party, use="statement", number=0):
    """The key of a party for a use: from its name."""
    return SoftwareSigner(hashlib.sha256(f"{party} {use} {number}".encode()).digest())


@cache
def proven(party, use, number=0, name=None):
    key = signer(f"{party}/{name}", use, number) if use == "reviewer" else signer(party, use, number)
    return ProvenKey(use, key.public_key, prove_possession(party, use, key, name), name)


def origin(party):
    return f"{party}.example/log"


@lru_cache(maxsize=64)
def keys_text(names=NAMES, mirrors=MIRRORS, roots=1, threshold=1):
    """The keys section for these parties."""
    keys = {}
    for party in names:
        found = [proven(party, "root", n) for n in range(roots)]
        found += [proven(party, "statement"), proven(party, "guard"), proven(party, "log", 0, origin(party))]
        if party in mirrors:
            found += [proven(party, "mirror", 0, f"{party}.example/mirror"), proven(party, "permit")]
        found += [proven(party, "reviewer", 0, name) for name in REVIEWERS]
        keys[party] = tuple(found)
    return spell_keys(dict.fromkeys(names, threshold), keys)


def founding(body=BODY, parties=PARTIES, **keys):
    """The bytes of founding terms."""
    return (body + parties + keys_text(**keys)).encode()


class Play:
    """Evidence, and a hand that signs, places and cosigns. Each statement gets a log entry of its own time."""

    def __init__(self, terms=None, *, mirrors=MIRRORS):
        self.terms = founding() if terms is None else terms
        self.evidence = Evidence(self.terms)
        self.mirrors = mirrors
        self.sizes = {}
        self.last = {}
        self.nonce = 0
        self.version = 1
        self.log = []

    def sign(self, party, kind, body, *, signers=None, nonce=None):
        """Envelope bytes of a statement."""
        self.nonce += 1
        nonce = nonce or hashlib.sha256(f"{self.nonce}".encode()).hexdigest()[:32]
        header = Header(self.evidence.accord, self.version, party, nonce, T0)
        if signers is None:
            signers = (signer(party, "root" if kind in ROOT_KINDS else "statement"),)
        return encode_envelope(sign_payload(make_payload(kind, header, (), body), *signers))

    def place(self, data, at, *, log=None, mirrors=None):
        """Append to a log; cosigned at ``at`` by ``mirrors`` (default all); ``at`` None: not cosigned. Returns the id.

        Without ``log``, the first whose last entry is not later: a later head would give its time to all below it.
        """
        if log is None:
            log = next(party for party in ("dev-a", "dev-b", "cloud", "buyer") if self.last.get(party, 0) <= (at or 0))
        self.last[log] = max(self.last.get(log, 0), at or 0)
        number = self.sizes.get(log, 0)
        self.sizes[log] = number + 1
        place = Place(origin(log), number)
        self.log.append(("entry", place, data))
        verified = self.evidence.add_entry(place, data)
        if at is not None:
            for mirror in self.mirrors if mirrors is None else mirrors:
                self.cosign(log, mirror, number + 1, at)
        return None if verified is None else verified.statement.id

    def cosign(self, log, mirror, size, at):
        self.log.append(("cosign", origin(log), mirror, size, at))
        self.evidence.add_cosignature(origin(log), mirror, size, at)

    def say(self, party, kind, body, at, *, log=None, **more):
        """Sign and place."""
        return self.place(self.sign(party, kind, body, **more), at, log=log)

    def hear(self, party, kind, body, **more):
        """Received, and in no log."""
        data = self.sign(party, kind, body, **more)
        self.log.append(("hear", data))
        return self.evidence.receive(data).statement.id

    def accede(self, *parties, at=T0, conditions=(), digest=None):
        for party in parties:
            self.say(party, "accession", Accession(digest or self.evidence.accord, tuple(conditions)), at)

    def begin(self, *, supply=True):
        """Both developers accede at T0; in force from T0 + settling."""
        self.accede("dev-a", "dev-b")
        if supply:
            self.measure("dev-a", 1, T0)
            self.measure("dev-b", 1, T0)
        return self

    def measure(self, party, value, at, *, indicator="spread", unit="x", about=None, high=..., **where):
        low = None if value is None else Decimal(value)
        high = low if high is ... else high
        body = Measurement(indicator, low, high, unit, "counted", (), T0, None if about is None else About(about))
        return self.say(party, "measurement", body, at, **where)

    def vote(self, party, choice, at, *, trigger="call", number=0, scope="all", expires=T0 + 900 * DAY, **where):
        body = Vote(choice, trigger, number, scope, expires)
        if at is None and not where:
            return self.hear(party, "vote", body)
        return self.say(party, "vote", body, at, **where)

    def run(self, party, at, *, flop="1e20", name="run-1", parents=(), proposal=None, activity="training"):
        planned = Decimal(flop) if isinstance(flop, str) else flop
        return self.say(party, "run", Run(name, activity, planned, tuple(parents), (), proposal=proposal), at)

    def model(self, party, name, at, *, parents=(), by="model", proposal=None, touches=("training",), flop="1"):
        """A version; its digest is the hash of its name."""
        digest = hashlib.sha256(name.encode()).hexdigest()
        proposer = ProposedBy(by, parents[0] if by == "model" and parents else None)
        body = Version(digest, tuple(parents), proposer, tuple(touches), Decimal(flop), proposal=proposal)
        self.say(party, "version", body, at)
        return digest

    def propose(
        self, party, at, *, parent=None, by="model", touches=("training",), author=None, run=None, asked="1e20"
    ):  # fmt: skip
        change = hashlib.sha256(f"change {self.nonce}".encode()).hexdigest()
        body = Proposal(change, parent, ProposedBy(by, author), tuple(touches), Decimal(asked), "wider layers", run)
        return self.say(party, "proposal", body, at)

    def approve(
        self, party, proposal, at, *, reviewer="r-1", decision="approve", significant="yes", same_host=False,
        organisation=None, key=None, hand=None, spoil=False, device=None, log=..., **said,
    ):  # fmt: skip
        """An approval by a software key, or by ``device``, a passkey or security key that may say otherwise (``said``)."""
        self.nonce += 1
        nonce = hashlib.sha256(f"{self.nonce}".encode()).hexdigest()[:32]
        body = Approval(proposal, decision, reviewer, organisation or party, None, same_host, significant)
        place = {"accord": self.evidence.accord, "nonce": "f" * 32 if spoil else nonce}
        if device is not None:
            body = replace(body, log=origin(party) if log is ... else log)
            binding = approval_binding(body, **place)
            made = (
                device.sign(binding, NAMESPACE, **said)
                if isinstance(device, TerminalKey)
                else device.get(binding, **said)
            )
            signed = replace(body, assertion=made)
        else:
            signed = sign_approval(body, hand or signer(f"{party}/{key or reviewer}", "reviewer"), **place)
        if at is None:
            return self.hear(party, "approval", signed, nonce=nonce)
        return self.say(party, "approval", signed, at, nonce=nonce)

    def find(self, party, about, at, *, claim="trains on", result="confirmed", run=None, confirms=None, **where):
        body = Finding(about, claim, result, (), run, confirms)
        return self.hear(party, "finding", body) if at is None else self.say(party, "finding", body, at, **where)

    def rule(self, party, finding, against, at, *, outcome="breach", **where):
        return self.say(party, "ruling", Ruling(finding, against, outcome, "stop"), at, **where)

    def halt(self, party, run, at, *, why="pause"):
        return self.say(party, "halted", Halted(run, 10, "c" * 64, Decimal("1e10"), 1, why), at)

    def withdraw(self, party, at):
        return self.say(party, "withdrawal", Withdrawal("no longer"), at)

    def rotate(self, party, at, *, sequence=1, previous=None, enrol=(), revoke=(), signers=None):
        """A keys statement; ``enrol`` are (use, number) pairs."""
        enrolments = tuple(Enrolment(use, proven(party, use, n).key, proven(party, use, n).proof) for use, n in enrol)
        return self.say(party, "keys", KeyRotation(sequence, previous, enrolments, tuple(revoke)), at, signers=signers)

    def enrol_device(self, party, device, at, *, reviewer="r-1", sequence=1, previous=None, revoke=(), **said):
        """A keys statement that enrols a passkey or security key of a reviewer."""
        credential = device.enrol(self.evidence.accord, party, reviewer, **said)
        return self.say(party, "keys", KeyRotation(sequence, previous, (), tuple(revoke), (credential,)), at)

    def open_log(self, party, at, *, name, number=1, sequence=1, previous=None, signers=None, log="dev-b"):
        """A keys statement by which ``party`` opens a log: its ``number``-th log key, under the origin of ``name``."""
        key = proven(party, "log", number)
        enrol = (Enrolment("log", key.key, key.proof, None if name is None else origin(name)),)
        return self.say(party, "keys", KeyRotation(sequence, previous, enrol, ()), at, signers=signers, log=log)

    def amend(self, data, at, *, version=2, by=("dev-a", "auth-1", "auth-2"), previous=None, text=True):
        """An amendment signed by the roots of these parties, its text added."""
        digest = hashlib.sha256(data).hexdigest()
        if text:
            self.log.append(("terms", data))
            self.evidence.add_terms(data)
        link = TermsLink(version, digest, previous or self.evidence.accord, "agreed")
        return self.say(by[0], "terms", link, at, signers=tuple(signer(p, "root") for p in by))

    @property
    def state(self):
        return fold(self.evidence)

    def at(self, instant):
        return status(self.state, instant)

    def was(self, instant):
        """Looking back: only what was witnessed by then."""
        return status(self.state, instant, witnessed_only=True)

    def paused(self, instant, party="dev-a", activity="training"):
        """Which triggers pause the party."""
        return tuple(pause.trigger for pause in self.at(instant).pauses_of(party, activity))

    def rules(self):
        """The F numbers of everything noted."""
        return [note.rule for note in self.state.notes]

    def replayed(self, order):
        """The same evidence in another order, in a fresh Evidence."""
        other = Evidence(self.terms)
        for step in order:
            feed(other, step)
        return other


def feed(evidence, step):
    """One recorded step into evidence."""
    kind, *rest = step
    if kind == "entry":
        evidence.add_entry(*rest)
    elif kind == "cosign":
        evidence.add_cosignature(*rest)
    elif kind == "terms":
        evidence.add_terms(*rest)
    else:
        evidence.receive(*rest)


__all__ = ["DAY", "SETTLE", "T0", "Play", "feed", "fold", "founding", "origin", "signer", "verify_envelope"]
