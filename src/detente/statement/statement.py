"""What a statement says, and the one function that turns bytes into a verified statement.

``parse_statement`` reads an in-toto Statement v1 with one of our predicates; its result is only what somebody
claims. ``verify_envelope`` is the only builder of ``VerifiedStatement``, which means: signed by a key that was
*ever* enrolled for the speaking party, for a use that may say this. Whether the key was in force at the
statement's place, whether the role fits, and thresholds are decided in ``accord``.

Rules S02 to S04 and S10 to S14; ``spec/statement.md`` §3 to §5.

>>> from detente.statement.envelope import encode_envelope, sign_payload
>>> from detente.statement.keys import KeyRing, prove_possession
>>> from detente.statement.signing import SoftwareSigner
>>> from detente.statement.vote import Vote
>>> signer, ring, party = SoftwareSigner(bytes(32)), KeyRing(), Party("authority-a")
>>> ring.enrol(party, "statement", signer.public_key, prove_possession(party, "statement", signer))
>>> header = Header(accord=Digest("a" * 64), terms=1, party=party, nonce="0" * 32, made_at=Instant(1_800_000_000))
>>> vote = Vote("pause", "self-depth", 0, Party("all"), Instant(1_800_086_400))
>>> data = encode_envelope(sign_payload(make_payload("vote", header, (), vote), signer))
>>> verified = verify_envelope(data, ring)
>>> verified.statement.kind, verified.statement.body == vote, verified.signers[0].party
('vote', True, 'authority-a')
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeAlias

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Refused, shown
from detente.base.identity import Party, PublicKey, parse_key, show_key
from detente.base.instant import Instant
from detente.base.strict_json import encode_json, parse_json
from detente.statement.accession import ACCESSION, Accession
from detente.statement.approval import APPROVAL, Approval
from detente.statement.audit import AUDIT, Audit
from detente.statement.challenge import CHALLENGE, Challenge
from detente.statement.deployment import DEPLOYMENT, Deployment
from detente.statement.envelope import (
    MAX_ENVELOPE_BYTES,
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    encode_envelope,
    pae,
    parse_envelope,
)
from detente.statement.facility import FACILITY, Facility
from detente.statement.fields import (
    DIGEST,
    INSTANT,
    NONCE,
    PARTY,
    Codec,
    FieldsRefused,
    Record,
    at_path,
    count,
    joined,
    listing,
    optional,
    record_codec,
    text,
)
from detente.statement.finding import FINDING, Finding
from detente.statement.halted import HALTED, Halted
from detente.statement.keys import KEYS, EnrolledKeys, KeyRotation
from detente.statement.kinds import Kind, Use, may_sign
from detente.statement.measurement import MEASUREMENT, Measurement
from detente.statement.observation import OBSERVATION, Observation
from detente.statement.progress import PROGRESS, Progress
from detente.statement.promise import COMMITMENT, Promise
from detente.statement.proposal import PROPOSAL, Proposal
from detente.statement.resumed import RESUMED, Resumed
from detente.statement.ruling import RULING, Ruling
from detente.statement.run import RUN, Run
from detente.statement.screening import SCREENING, Screening
from detente.statement.signing import Trial, Tried, try_ed25519
from detente.statement.terms import TERMS, TermsLink
from detente.statement.version import VERSION, Version
from detente.statement.vote import VOTE, Vote
from detente.statement.withdrawal import WITHDRAWAL, Withdrawal

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
SUBJECTS_MAX: Final = 16
TRIALS_MAX: Final = 128
"""Most signature checks that one envelope may cost, about 12 ms: a flood of unhinted signatures buys no more."""

Body: TypeAlias = (
    TermsLink
    | Accession
    | Withdrawal
    | KeyRotation
    | Facility
    | Run
    | Progress
    | Halted
    | Resumed
    | Version
    | Proposal
    | Approval
    | Deployment
    | Measurement
    | Finding
    | Challenge
    | Ruling
    | Audit
    | Vote
    | Promise
    | Observation
    | Screening
)


@dataclass(frozen=True, slots=True)
class Header:
    """What every statement says: under which accord and terms version, who speaks, a nonce, and a claimed date."""

    accord: Digest
    terms: int
    party: Party
    nonce: str
    made_at: Instant


@dataclass(frozen=True, slots=True)
class Subject:
    """An artefact that the statement is about, matched purely by digest."""

    name: str | None
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Statement:
    """What an envelope says. A claim: nothing about its signatures is known."""

    id: Digest
    kind: Kind
    header: Header
    subjects: tuple[Subject, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class Claim:
    """An envelope that parsed. Nothing about its signatures is known.

    ``message`` is what they should be over, ``data`` what a log stores.
    """

    data: bytes
    envelope: Envelope
    statement: Statement
    message: bytes


@dataclass(frozen=True, slots=True)
class SignerOf:
    """One key that validly signed, for whom and for what it was enrolled."""

    party: Party
    key: PublicKey
    use: Use


_ONLY_HERE: Final = object()


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement signed by a key ever enrolled for its party. Only ``verify_envelope`` builds one.

    ``signers`` are all fitting enrolled signers, of any party, sorted and each once; ``envelope_bytes`` is what a
    log stores.
    """

    statement: Statement
    signers: tuple[SignerOf, ...]
    envelope_bytes: bytes
    _built_by: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self._built_by is not _ONLY_HERE:
            raise Misuse("only verify_envelope builds a VerifiedStatement")

    def __deepcopy__(self, memo: dict[int, object]) -> VerifiedStatement:
        return self  # Nothing in it can change.

    def __reduce__(self) -> NoReturn:
        raise Misuse("a VerifiedStatement is not pickled: hand envelope_bytes over and verify again")


_HEADER: Final = Record(Header, accord=DIGEST, terms=count(1, 2**31), party=PARTY, nonce=NONCE, made_at=INSTANT)
_BODIES: Final[dict[Kind, Record[Any]]] = {
    "terms": TERMS,
    "accession": ACCESSION,
    "withdrawal": WITHDRAWAL,
    "keys": KEYS,
    "facility": FACILITY,
    "run": RUN,
    "progress": PROGRESS,
    "halted": HALTED,
    "resumed": RESUMED,
    "version": VERSION,
    "proposal": PROPOSAL,
    "approval": APPROVAL,
    "deployment": DEPLOYMENT,
    "measurement": MEASUREMENT,
    "finding": FINDING,
    "challenge": CHALLENGE,
    "ruling": RULING,
    "audit": AUDIT,
    "vote": VOTE,
    "commitment": COMMITMENT,
    "observation": OBSERVATION,
    "screening": SCREENING,
}
_PREDICATES: Final[dict[str, tuple[Kind, Record[tuple[Header, Any]]]]] = {
    f"urn:detente:{kind}:v1": (kind, joined(_HEADER, body)) for kind, body in _BODIES.items()
}


@dataclass(frozen=True, slots=True)
class _DigestSet:
    sha256: Digest


_DIGEST_SET: Final = Record(_DigestSet, sha256=DIGEST)
_SUBJECT: Final[Record[Subject]] = Record(
    Subject,
    name=optional(text(256)),
    digest=Codec(lambda value: _DIGEST_SET.decode(value).sha256, lambda digest: {"sha256": digest}),
)


def _decode_any(value: Any) -> Any:
    return value


def _decode_type(value: Any) -> str:
    if value != STATEMENT_TYPE:
        raise Refused("S02", "malformed", got=shown(value), expected=STATEMENT_TYPE)
    return STATEMENT_TYPE


def _decode_predicate_type(value: Any) -> tuple[Kind, Record[tuple[Header, Any]]]:
    found = _PREDICATES.get(value) if type(value) is str else None
    if found is None:
        raise Refused("S03", "malformed", got=shown(value), expected="urn:detente:<name>:v1 with a name of §3")
    return found


_OBJECT: Final[Codec[Any]] = Codec(_decode_any, _decode_any)
_STATEMENT: Final[Record[Any]] = Record(
    lambda *members: members,  # type: ignore[arg-type]
    _type=Codec(_decode_type, _decode_any),
    subject=listing(record_codec(_SUBJECT), 1, SUBJECTS_MAX),
    predicateType=Codec(_decode_predicate_type, _decode_any),
    predicate=_OBJECT,
)


def parse_statement(envelope: Envelope) -> Statement:
    """What the envelope says, unverified; raises ``Refused``.

    1. The payload is strict JSON: B10 to B14.
    2. It is an in-toto Statement v1, with 1 to 16 subjects, and one of our predicates: S02, S03, S20 to S25.
    3. Header and predicate have exactly their members, each in its spelling: B01 to B07, S20 to S27, S30.
    4. A statement about an artefact has it as its subject: S04.
    """
    return _parse_statement(envelope, pae(envelope.payload_type, envelope.payload))


def _parse_statement(envelope: Envelope, message: bytes) -> Statement:
    value = parse_json(envelope.payload, limit=MAX_ENVELOPE_BYTES)  # 1
    _, subjects, (kind, record), predicate = _STATEMENT.decode(value)  # 2
    try:
        header, body = record.decode(predicate)  # 3
    except Refused as refused:
        raise FieldsRefused(at_path("predicate", refused)) from None
    artefact = _artefact_of(body)
    if artefact is not None and (len(subjects) != 1 or subjects[0].sha256 != artefact):  # 4
        raise Refused(
            "S04",
            "inconsistent",
            got=f"{len(subjects)} subjects, the first {subjects[0].sha256}",
            expected=f"one subject, {artefact}, as the predicate names",
        )
    return Statement(sha256_hex(message), kind, header, subjects, body)


def make_payload(kind: Kind, header: Header, subjects: tuple[Subject, ...], body: Body) -> bytes:
    """The payload bytes to sign; raises ``Refused`` for what ``parse_statement`` would refuse.

    Without ``subjects``, the artefact that the body is about, or else the accord, becomes the subject.
    """
    if not subjects:
        subjects = (Subject(None, _artefact_of(body) or header.accord),)
    predicate = _HEADER.encode(header) | _BODIES[kind].encode(body)
    payload = encode_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_encode_subject(subject) for subject in subjects],
            "predicateType": f"urn:detente:{kind}:v1",
            "predicate": predicate,
        }
    )
    # Whatever is signed must be readable by everybody, so the maker takes the reader's test first.
    parse_statement(Envelope("", payload, ()))
    return payload


def _encode_subject(subject: Subject) -> dict[str, Any]:
    digest = {"digest": {"sha256": subject.sha256}}
    return digest if subject.name is None else {"name": subject.name, **digest}


def _artefact_of(body: Body) -> Digest | None:
    if isinstance(body, Version):
        return body.version
    if isinstance(body, Proposal):
        return body.change
    if isinstance(body, TermsLink):
        return body.digest
    return None


def read_claim(data: bytes) -> Claim:
    """Step 1 of ``verify_envelope``: parse an envelope and what it says; raises ``Refused``."""
    envelope = parse_envelope(data)
    return _claim_of(data, envelope)


def _claim_of(data: bytes, envelope: Envelope) -> Claim:
    message = pae(envelope.payload_type, envelope.payload)
    return Claim(data, envelope, _parse_statement(envelope, message), message)


def first_trial(claim: Claim, keys: EnrolledKeys) -> Trial | None:
    """The check of a signature that ``verify_envelope`` begins with, to be made elsewhere; None if there is none.

    For nearly every envelope it is the only one. What it said is given back as ``tried``.
    """
    signature = claim.envelope.signatures[0]
    candidates, _ = _candidates(signature, keys.keys_of(claim.statement.header.party), keys)
    return Trial(candidates[0], claim.message, signature.sig) if candidates else None


def verify_envelope(
    data: bytes | Envelope | Claim, keys: EnrolledKeys, *, tried: Tried | None = None
) -> VerifiedStatement:
    """The only way to a ``VerifiedStatement``; raises ``Refused``.

    1. The envelope and what it says parse: see ``parse_envelope`` and ``parse_statement``.
    2. The party that it says speaks was ever enrolled: S11.
    3. Each signature is tried under the key it hints at, if ever enrolled, else under the keys of the party; one
       that hints at an enrolled key and verifies under none refuses the whole: S10. One by nobody known is
       ignored, as DSSE asks. At most 128 trials: S14. A trial that was ``tried`` is not made again.
    4. At least one signature is by a key of the party: S12, for a use that may say this: S13.
    """
    claim = _claim(data)  # 1
    statement = claim.statement
    party, kind = statement.header.party, statement.kind
    own_keys = keys.keys_of(party)
    if not own_keys:  # 2
        raise Refused("S11", "unknown-party", got=party, expected="a party with an enrolled key", todo="enrol a key")
    signing_keys = _signing_keys(claim, own_keys, keys, tried)  # 3
    uses = [SignerOf(party_, key, use) for key in signing_keys for party_, use in keys.uses_of(key)]
    own = [signer for signer in uses if signer.party == party]
    if not own:  # 4
        raise Refused(
            "S12",
            "unknown-key",
            got=f"no signature by a key of {party}",
            expected=f"one by a key ever enrolled for {party}",
            todo="enrol the key first, or sign with an enrolled one",
        )
    if not any(may_sign(signer.use, kind) for signer in own):  # 4
        raise Refused(
            "S13",
            "unknown-role",
            got=f"{kind} signed by the {own[0].use} key {show_key(own[0].key)}",
            expected=f"a use of the key that may sign {kind}",
        )
    signers = tuple(sorted((signer for signer in uses if may_sign(signer.use, kind)), key=_signer_order))
    stored = encode_envelope(data) if isinstance(data, Envelope) else claim.data
    return VerifiedStatement(statement, signers, stored, _ONLY_HERE)


def _claim(data: bytes | Envelope | Claim) -> Claim:
    if isinstance(data, Claim):
        return data
    if isinstance(data, Envelope):
        if data.payload_type != PAYLOAD_TYPE:
            raise Refused("S01", "wrong-type", got=shown(data.payload_type), expected=PAYLOAD_TYPE)
        return _claim_of(b"", data)
    return read_claim(data)


def _signer_order(signer: SignerOf) -> tuple[Party, PublicKey, Use]:
    return (signer.party, signer.key, signer.use)


def _signing_keys(
    claim: Claim, own_keys: tuple[PublicKey, ...], keys: EnrolledKeys, tried: Tried | None
) -> list[PublicKey]:
    """The distinct enrolled keys under which a signature of the envelope verifies (step 3)."""
    found: list[PublicKey] = []
    trials = 0
    for number, signature in enumerate(claim.envelope.signatures):
        candidates, known = _candidates(signature, own_keys, keys)
        for key in candidates:
            trials += 1
            if trials > TRIALS_MAX:
                raise Refused(
                    "S14",
                    "limit",
                    got=f"signature {number} after {TRIALS_MAX} trials",
                    expected=f"at most {TRIALS_MAX} trials of a signature under a key",
                    todo="put the signing key into keyid",
                )
            trial = Trial(key, claim.message, signature.sig)
            holds = tried.holds if tried is not None and tried.trial == trial else try_ed25519(trial)
            if holds:
                if key not in found:
                    found.append(key)
                break
        else:
            if known:
                raise Refused(
                    "S10",
                    "bad-signature",
                    got=f"signature {number}, said to be by {show_key(candidates[0])}, does not verify",
                    expected="a signature over these exact bytes",
                )
    return found


def _candidates(
    signature: EnvelopeSignature, own_keys: tuple[PublicKey, ...], keys: EnrolledKeys
) -> tuple[list[PublicKey], bool]:
    """The keys to try a signature under, and whether the first is an enrolled one that it hints at."""
    hinted = _hinted(signature.keyid)
    if hinted is not None and keys.uses_of(hinted):
        return [hinted, *(key for key in own_keys if key != hinted)], True
    # Of another algorithm, by nobody known: carried and ignored.
    return (list(own_keys) if len(signature.sig) == 64 else []), False


@lru_cache(maxsize=1_024)
def _hinted(keyid: str | None) -> PublicKey | None:
    """The key that a hint spells, if it spells one: a log's entries are signed by few."""
    if keyid is None:
        return None
    try:
        return parse_key(keyid)
    except Refused:
        return None
