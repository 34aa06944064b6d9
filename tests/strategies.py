"""Hypothesis strategies for statements: headers and a body for each of the predicates."""

import string
from decimal import Decimal

from hypothesis import strategies as st

from detente.base.quantity import parse_decimal
from detente.statement.accession import Accession, BoundCondition, HaltedCondition
from detente.statement.approval import APPROVAL_DECISIONS, SIGNIFICANT, Approval
from detente.statement.assertion import SoftwareAssertion, SshAssertion, WebauthnAssertion
from detente.statement.audit import Audit, Evaluation
from detente.statement.challenge import Challenge
from detente.statement.change import PROPOSER_KINDS, TOUCHES, ProposedBy
from detente.statement.commitment import Committed
from detente.statement.credential import Credential
from detente.statement.deployment import Deployment
from detente.statement.facility import Facility
from detente.statement.finding import FINDING_RESULTS, Finding
from detente.statement.halted import HALT_REASONS, Halted
from detente.statement.keys import Enrolment, KeyRotation
from detente.statement.kinds import USES
from detente.statement.measurement import About, Measurement
from detente.statement.observation import Observation, Span
from detente.statement.progress import Progress
from detente.statement.promise import PROMISE_STATUSES, Promise
from detente.statement.proposal import Proposal
from detente.statement.resumed import Resumed
from detente.statement.ruling import RULING_OUTCOMES, Ruling
from detente.statement.run import ACTIVITIES, Run
from detente.statement.screening import Reveal, Screening
from detente.statement.statement import Header
from detente.statement.terms import TermsLink
from detente.statement.version import Version
from detente.statement.vote import VOTE_CHOICES, Vote
from detente.statement.withdrawal import Withdrawal

_HEX = "0123456789abcdef"


def _hex(size):
    return st.binary(min_size=size, max_size=size).map(bytes.hex)


digests = _hex(32)
keys = st.binary(min_size=32, max_size=32)
device_keys = keys | st.builds(lambda sign, x: bytes((sign,)) + x, st.sampled_from([2, 3]), keys)
parties = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
names = st.text(string.ascii_letters + string.digits + "._:/@+-", min_size=1, max_size=40).map(lambda s: "n" + s)
instants = st.integers(0, 2**40 - 1)
counts = st.integers(0, 2**53 - 1)
amounts = st.one_of(
    st.integers(0, 10**40 - 1).map(Decimal),
    st.builds(lambda number, exponent: parse_decimal(f"{number}e{exponent}"), st.integers(0, 999), st.integers(0, 60)),
    st.builds(lambda whole, part: parse_decimal(f"{whole}.{part}"), st.integers(0, 9**9), st.integers(0, 9**9)),
)
decimals = amounts | amounts.map(lambda amount: -amount if amount else amount)
texts = st.text(
    st.characters(
        exclude_categories=("Cc", "Cs"),
        exclude_characters="\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    min_size=1,
    max_size=60,
)


def maybe(inner):
    """``None`` or one of these."""
    return st.none() | inner


def tuples(inner, least=0, most=4, *, distinct=False):
    """Short tuples."""
    return st.lists(inner, min_size=least, max_size=most, unique=distinct).map(tuple)


headers = st.builds(
    Header, accord=digests, terms=st.integers(1, 2**31), party=parties, nonce=_hex(16), made_at=instants
)
proposers = st.builds(ProposedBy, st.sampled_from(("model", "human")), maybe(names | digests)) | st.just(
    ProposedBy("undeclared")
)
touched = tuples(st.sampled_from(TOUCHES), most=5, distinct=True)
assert set(PROPOSER_KINDS) == {"model", "human", "undeclared"}


@st.composite
def _conditions(draw):
    of = draw(tuples(parties, 1, 4, distinct=True))
    at_least = draw(st.integers(1, len(of)))
    return BoundCondition(at_least, of) if draw(st.booleans()) else HaltedCondition(at_least, of, draw(st.booleans()))


@st.composite
def _terms(draw):
    digest, previous = draw(st.lists(digests, min_size=2, max_size=2, unique=True))
    return TermsLink(draw(st.integers(2, 2**53 - 1)), digest, previous, draw(texts))


@st.composite
def _rotations(draw):
    sequence = draw(st.integers(1, 9))
    some = draw(tuples(keys, 0, 4, distinct=True))
    split = draw(st.integers(0, len(some)))
    proofs = st.binary(min_size=64, max_size=64)
    uses = [draw(st.sampled_from(USES)) for _ in some[:split]]
    named = [draw(names if use == "reviewer" else maybe(texts)) for use in uses]
    enrol = tuple(Enrolment(use, key, draw(proofs), name) for use, key, name in zip(uses, some, named, strict=False))
    credentials = draw(st.lists(_credentials(), max_size=2, unique_by=lambda each: (each.key, each.credential_id)))
    taken = {*some}
    credentials = tuple(each for each in credentials if each.key not in taken)
    if len({each.key for each in credentials}) < len(credentials):
        credentials = credentials[:1]
    return KeyRotation(sequence, None if sequence == 1 else draw(digests), enrol, some[split:], credentials)


def _asserted(key=None):
    of = device_keys if key is None else st.just(key)
    blobs = st.binary(min_size=1, max_size=100)
    passkey = st.builds(
        WebauthnAssertion, st.just("webauthn"), of, st.binary(min_size=37, max_size=90), blobs, blobs
    )  # fmt: skip
    return passkey | st.builds(SshAssertion, st.just("ssh-sk"), of, blobs)


@st.composite
def _credentials(draw):
    key = draw(device_keys)
    proof = draw(_asserted(key))
    blobs = st.binary(min_size=1, max_size=100)
    reviewer, same_host = draw(names), draw(st.booleans())
    if proof.type == "ssh-sk":
        return Credential("ssh-sk", reviewer, key, "ssh:" + draw(names), same_host, proof)
    place, chain = ("localhost", "http://localhost:8700"), draw(maybe(tuples(blobs, 1, 4, distinct=True)))
    of_passkey = (draw(blobs) for _ in range(3))
    return Credential("webauthn", reviewer, key, place[0], same_host, proof, place[1], *of_passkey, chain)


@st.composite
def _versions(draw):
    version, *parents = draw(st.lists(digests, min_size=1, max_size=4, unique=True))
    return Version(
        version,
        tuple(parents),
        draw(proposers),
        draw(touched),
        draw(maybe(amounts)),
        draw(maybe(counts)),
        draw(maybe(digests)),
        draw(maybe(digests)),
        draw(maybe(decimals)),
    )


@st.composite
def _measurements(draw):
    low, high = draw(maybe(decimals)), draw(maybe(decimals))
    if low is not None and high is not None and low > high:
        low, high = high, low
    about = maybe(st.builds(About, maybe(parties), maybe(digests), maybe(digests)))
    return Measurement(
        draw(names),
        low,
        high,
        draw(texts),
        draw(texts),
        draw(tuples(digests)),
        draw(instants),
        draw(about),
        draw(maybe(names)),
    )


@st.composite
def _audits(draw):
    outcome = draw(st.sampled_from(("pass", "conditional", "fail")))
    evaluations = tuples(st.builds(Evaluation, names, texts))
    conditions = draw(tuples(texts, 1)) if outcome == "conditional" else ()
    certifies = draw(maybe(st.lists(names, max_size=3, unique=True).map(tuple)))
    return Audit(draw(digests), draw(texts), draw(evaluations), conditions, outcome, certifies)


bodies = {
    "terms": _terms(),
    "accession": st.builds(Accession, digests, tuples(_conditions())),
    "withdrawal": st.builds(Withdrawal, texts),
    "keys": _rotations(),
    "facility": st.builds(Facility, names, texts, counts, amounts),
    "run": st.builds(
        Run,
        names,
        st.sampled_from(ACTIVITIES),
        amounts | st.builds(Committed, digests),
        tuples(digests, distinct=True),
        tuples(digests),
        maybe(names),
        maybe(digests),
        maybe(digests),
        maybe(digests),
    ),
    "progress": st.builds(Progress, digests, counts, amounts, digests),
    "halted": st.builds(Halted, digests, counts, digests, amounts, counts, st.sampled_from(HALT_REASONS)),
    "resumed": st.builds(Resumed, digests, counts, digests, counts),
    "version": _versions(),
    "proposal": st.builds(Proposal, digests, maybe(digests), proposers, touched, amounts, texts, maybe(digests)),
    "approval": st.builds(
        Approval,
        digests,
        st.sampled_from(APPROVAL_DECISIONS),
        names,
        parties,
        st.builds(SoftwareAssertion, st.just("software"), keys, st.binary(min_size=64, max_size=64)) | _asserted(),
        st.booleans(),
        st.sampled_from(SIGNIFICANT),
        maybe(digests),
        maybe(texts),
    ),
    "deployment": st.builds(Deployment, digests, texts),
    "measurement": _measurements(),
    "finding": st.builds(
        Finding, parties, texts, st.sampled_from(FINDING_RESULTS), tuples(digests), maybe(digests), maybe(digests)
    ),
    "challenge": st.builds(Challenge, digests, texts),
    "ruling": st.builds(Ruling, digests, parties, st.sampled_from(RULING_OUTCOMES), texts),
    "audit": _audits(),
    "vote": st.builds(Vote, st.sampled_from(VOTE_CHOICES), names, st.integers(0, 2**31), parties, instants),
    "commitment": st.builds(
        Promise,
        texts,
        texts,
        maybe(texts),
        maybe(texts),
        maybe(texts),
        maybe(texts),
        maybe(texts),
        maybe(st.booleans()),
        maybe(instants),
        st.sampled_from(PROMISE_STATUSES),
        digests,
    ),
    "observation": st.builds(
        Observation,
        texts,
        digests,
        st.builds(lambda start, size: Span(start, start + size), st.integers(0, 10**9), st.integers(1, 10**6)),
        texts,
        instants,
    ),
    "screening": st.one_of(
        st.builds(Screening, commits=st.lists(digests, min_size=1, max_size=5, unique=True).map(tuple)),
        st.builds(
            Screening,
            reveal=st.builds(Reveal, digests, digests, digests, st.binary(min_size=32, max_size=32), names),
        ),
    ),
}
"""One strategy for each kind of statement."""
