"""Room ``statement``: what is made is what is read, and no byte can be changed in passing."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.statement.commitment import commit
from detente.statement.envelope import Envelope, encode_envelope, parse_envelope, sign_payload, statement_id
from detente.statement.keys import KeyRing, prove_possession
from detente.statement.kinds import KINDS
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import Header, Subject, make_payload, parse_statement, verify_envelope
from detente.statement.threshold import count_distinct
from detente.statement.vote import Vote
from tests.strategies import bodies, digests, headers

SIGNER, OTHER = SoftwareSigner(bytes([1]) * 32), SoftwareSigner(bytes([2]) * 32)


def _ring(party="authority-a"):
    ring = KeyRing()
    for signer in (SIGNER, OTHER):
        ring.enrol(party, "statement", signer.public_key, prove_possession(party, "statement", signer))
    return ring


RING = _ring()
HEADER = Header("a" * 64, 1, "authority-a", "0" * 32, 1_800_000_000)
PAYLOAD = make_payload("vote", HEADER, (), Vote("lift", "self-depth", 0, "all", 1_800_086_400))
ENVELOPE = sign_payload(PAYLOAD, SIGNER, OTHER)
DATA = encode_envelope(ENVELOPE)


def test_every_predicate_has_a_strategy():
    """A predicate that nobody generates is not tested below."""
    assert set(bodies) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_is_what_is_read(kind):
    """Making and parsing lose nothing, for every predicate."""

    @settings(max_examples=25)
    @given(header=headers, body=bodies[kind])
    def check(header, body):
        payload = make_payload(kind, header, (), body)
        statement = parse_statement(parse_envelope(encode_envelope(sign_payload(payload, SIGNER))))
        assert (statement.kind, statement.header, statement.body) == (kind, header, body)
        assert make_payload(kind, statement.header, statement.subjects, statement.body) == payload

    check()


@given(name=st.none() | st.just("weights"), digest=digests)
def test_subjects_survive(name, digest):
    """Names and digests of subjects are read back."""
    payload = make_payload("vote", HEADER, (Subject(name, digest),), Vote("pause", "t", 0, "all", 0))
    assert parse_statement(Envelope("", payload, ())).subjects == (Subject(name, digest),)


@settings(max_examples=1500)
@given(at=st.integers(0, len(DATA) - 1), bits=st.integers(1, 255))
def test_a_mutated_byte_is_refused_or_names_the_identical_statement(at, bits):
    """Nothing but another base64 spelling, or another hint, survives; and it verifies to the same id and payload."""
    mutated = bytearray(DATA)
    mutated[at] ^= bits
    try:
        verified = verify_envelope(bytes(mutated), RING)
    except Refused:
        return
    assert verified.statement == parse_statement(ENVELOPE)
    assert parse_envelope(bytes(mutated)).payload == PAYLOAD


def test_every_byte_of_the_payload_and_the_signatures_is_bound():
    """Exhaustively, at the level of bytes and not of their spelling: one flipped bit anywhere is refused."""
    for at in range(len(PAYLOAD)):
        changed = bytearray(PAYLOAD)
        changed[at] ^= 1
        with pytest.raises(Refused):
            verify_envelope(Envelope(ENVELOPE.payload_type, bytes(changed), ENVELOPE.signatures), RING)
    wire = json.loads(DATA)
    for number, at in ((n, i) for n in range(2) for i in range(64)):
        sig = bytearray(ENVELOPE.signatures[number].sig)
        sig[at] ^= 1
        changed_wire = json.loads(DATA)
        changed_wire["signatures"][number]["sig"] = base64.b64encode(bytes(sig)).decode()
        with pytest.raises(Refused) as refused:
            verify_envelope(json.dumps(changed_wire).encode(), RING)
        assert refused.value.rule == "S10"
    assert verify_envelope(json.dumps(wire).encode(), RING).statement.id == statement_id(ENVELOPE)


@given(st.permutations(range(2)), st.sampled_from(("\n", " ", "\t \r\n")))
def test_copies_are_the_same_statement(order, space):
    """White space, the order of members and of signatures, and the alphabet of base64 change no id and no signer."""
    wire = json.loads(DATA)
    wire["signatures"] = [wire["signatures"][number] for number in order]
    wire["payload"] = base64.urlsafe_b64encode(PAYLOAD).decode()
    copy = json.dumps(dict(reversed(wire.items())), indent=space).encode()
    verified = verify_envelope(copy, RING)
    original = verify_envelope(DATA, RING)
    assert (verified.statement, verified.signers) == (original.statement, original.signers)


@given(
    *(st.tuples(st.text("ab", max_size=3), st.text("ab", max_size=3), st.binary(max_size=3)) for _ in range(2)),
)
def test_commitments_to_different_things_differ(first, second):
    """Lengths before the parts: no two triples of nonce, field and value run together to the same bytes."""
    first_commitment, second_commitment = (
        commit(accord="a" * 64, nonce=nonce, field=field, salt=bytes(32), value=value)
        for nonce, field, value in (first, second)
    )
    assert (first_commitment == second_commitment) == (first == second)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([b"1", b"2", b"3", b"4"])), max_size=10))
def test_counting_never_exceeds_keys_or_parties(signers):
    """At most as many signatories as there are parties, and as there are keys; order and repetition do not matter."""
    counted = count_distinct(signers)
    assert counted <= min(len({party for party, _ in signers}), len({key for _, key in signers}))
    assert counted == count_distinct([*reversed(signers), *signers])
    assert (counted == 0) == (not signers)
