"""Room ``statement``: who signed, what counts as one signatory, and refusals that need more than one envelope."""

import copy
import json
import pickle
from dataclasses import replace
from decimal import Decimal

import pytest

from detente.base.errors import Misuse, Refused
from detente.base.identity import show_key
from detente.statement.approval import Approval, sign_approval, verify_approval
from detente.statement.change import ProposedBy
from detente.statement.commitment import commit, verify_commitment
from detente.statement.envelope import (
    MAX_SIGNATURES,
    Envelope,
    EnvelopeSignature,
    encode_envelope,
    parse_envelope,
    sign_payload,
)
from detente.statement.fields import FieldsRefused
from detente.statement.keys import Enrolment, KeyRing, KeyRotation, prove_possession
from detente.statement.kinds import KINDS, USES, may_sign
from detente.statement.measurement import Measurement
from detente.statement.observation import Observation, Span
from detente.statement.signing import SoftwareSigner, Tried
from detente.statement.statement import (
    Header,
    VerifiedStatement,
    first_trial,
    make_payload,
    parse_statement,
    read_claim,
    verify_envelope,
)
from detente.statement.terms import TermsLink
from detente.statement.threshold import count_distinct, count_keys
from detente.statement.version import Version
from detente.statement.vote import Vote
from detente.statement.withdrawal import Withdrawal

SIGNERS = [SoftwareSigner(bytes([number]) * 32) for number in range(1, 12)]
PARTY = "authority-a"
HEADER = Header("a" * 64, 1, PARTY, "0" * 32, 1_800_000_000)
VOTE = Vote("pause", "self-depth", 0, "all", 1_800_086_400)
PAYLOAD = make_payload("vote", HEADER, (), VOTE)


def _ring(*rows):
    ring = KeyRing()
    for party, use, signer in rows or ((PARTY, "statement", SIGNERS[0]),):
        ring.enrol(party, use, signer.public_key, prove_possession(party, use, signer))
    return ring


def _rule(call, *arguments, **named):
    with pytest.raises(Refused) as refused:
        call(*arguments, **named)
    return refused.value.rule


def test_only_the_check_builds_a_verified_statement():
    """Nobody else can: not by hand, not by copying through pickle."""
    verified = verify_envelope(sign_payload(PAYLOAD, SIGNERS[0]), _ring())
    with pytest.raises(Misuse):
        VerifiedStatement(verified.statement, verified.signers, verified.envelope_bytes, object())
    with pytest.raises(Misuse):
        pickle.dumps(verified)
    assert copy.deepcopy(verified) is verified
    assert verify_envelope(verified.envelope_bytes, _ring()) == verified


def test_an_envelope_object_and_its_bytes_verify_alike():
    """What a node made itself passes the same check as what came over the wire."""
    envelope = sign_payload(PAYLOAD, SIGNERS[0])
    assert verify_envelope(envelope, _ring()) == verify_envelope(encode_envelope(envelope), _ring())
    assert _rule(verify_envelope, Envelope("text/plain", PAYLOAD, envelope.signatures), _ring()) == "S01"


def test_a_key_signs_only_what_its_use_allows():
    """S13 for every pair of use and predicate that the table of spec §5 does not allow; nothing else decides."""
    for use in USES:
        allowed = {kind for kind in KINDS if may_sign(use, kind)}
        ring = _ring((PARTY, use, SIGNERS[0]))
        for kind, body in (("vote", VOTE), ("withdrawal", Withdrawal("we leave"))):
            envelope = sign_payload(make_payload(kind, HEADER, (), body), SIGNERS[0])
            if kind in allowed:
                assert [signer.use for signer in verify_envelope(envelope, ring).signers] == [use]
            else:
                assert _rule(verify_envelope, envelope, ring) == "S13"
    assert {use for use in USES if may_sign(use, "halted")} == {"statement", "guard"}
    assert {use for use in USES if may_sign(use, "accession")} == {"statement", "root"}


def test_co_signers_of_other_parties_are_kept_and_a_false_one_refuses_the_whole():
    """A co-signed amendment names everybody who signed; a signature that claims an enrolled key and fails is S10."""
    ring = _ring((PARTY, "root", SIGNERS[0]), ("auditor-a", "root", SIGNERS[1]), ("dev-a", "permit", SIGNERS[2]))
    link = TermsLink(2, "b" * 64, "a" * 64, "a longer notice")
    envelope = sign_payload(make_payload("terms", HEADER, (), link), *SIGNERS[:4])
    signers = verify_envelope(envelope, ring).signers
    assert [(signer.party, signer.use) for signer in signers] == [("auditor-a", "root"), (PARTY, "root")]
    false = EnvelopeSignature(show_key(SIGNERS[1].public_key), bytes(64))
    spoilt = Envelope(envelope.payload_type, envelope.payload, (envelope.signatures[0], false))
    assert _rule(verify_envelope, spoilt, ring) == "S10"


def test_a_hint_is_no_identity():
    """A wrong hint, or somebody else's, changes neither the verdict nor the signer."""
    ring = _ring((PARTY, "statement", SIGNERS[0]), ("dev-a", "statement", SIGNERS[1]))
    envelope = sign_payload(PAYLOAD, SIGNERS[0])
    expected = verify_envelope(envelope, ring).signers
    for hint in (None, "", "key 1", show_key(SIGNERS[5].public_key), show_key(SIGNERS[1].public_key)):
        hinted = Envelope(envelope.payload_type, PAYLOAD, (EnvelopeSignature(hint, envelope.signatures[0].sig),))
        assert verify_envelope(encode_envelope(hinted), ring).signers == expected


def test_one_key_under_two_hints_is_one_signer():
    """Both libraries that were measured counted two."""
    envelope = sign_payload(PAYLOAD, SIGNERS[0], SIGNERS[0])
    renamed = EnvelopeSignature("another id", envelope.signatures[1].sig)
    twice = Envelope(envelope.payload_type, PAYLOAD, (envelope.signatures[0], renamed))
    assert len(verify_envelope(twice, _ring()).signers) == 1


def test_a_flood_of_signatures_costs_a_bounded_number_of_trials():
    """S14 after 128 trials: sixteen unhinted signatures against ten keys would be 160."""
    ring = _ring(*((PARTY, "statement", signer) for signer in SIGNERS[:10]))
    junk = tuple(EnvelopeSignature(None, bytes([number]) * 64) for number in range(MAX_SIGNATURES - 1))
    good = sign_payload(PAYLOAD, SIGNERS[0])
    assert _rule(verify_envelope, Envelope(good.payload_type, PAYLOAD, (*junk, *good.signatures)), ring) == "S14"
    assert verify_envelope(good, ring).signers


def test_signatures_of_other_algorithms_are_carried_and_ignored():
    """An ML-DSA-44 signature beside ours changes nothing."""
    good = sign_payload(PAYLOAD, SIGNERS[0])
    other = EnvelopeSignature("ml-dsa-44", bytes(2_420))
    assert verify_envelope(Envelope(good.payload_type, PAYLOAD, (other, *good.signatures)), _ring()).signers


def test_every_error_is_reported_with_its_path():
    """Whoever made the statement repairs it in one go; number and kind are those of the first."""
    value = json.loads(PAYLOAD)
    value["predicate"] |= {"round": "0", "nonce": "xyz", "extra": 1}
    del value["predicate"]["choice"]
    with pytest.raises(FieldsRefused) as refused:
        parse_statement(Envelope("", json.dumps(value).encode(), ()))
    found = {problem.path: problem.rule for problem in refused.value.problems}
    assert found == {
        "predicate.nonce": "S23",
        "predicate.choice": "S22",
        "predicate.round": "S21",
        "predicate.extra": "S20",
    }
    assert refused.value.rule == "S23"
    assert str(copy.copy(refused.value)) == str(refused.value)


def test_an_error_inside_a_list_names_its_place():
    """The second enrolment's proof, and nothing else."""
    good = prove_possession(PARTY, "log", SIGNERS[0])
    rotation = KeyRotation(1, None, tuple(Enrolment("log", signer.public_key, good) for signer in SIGNERS[:2]), ())
    value = json.loads(make_payload("keys", HEADER, (), rotation))
    value["predicate"]["enrol"][1]["proof"] = "AA=="
    with pytest.raises(FieldsRefused) as refused:
        parse_statement(Envelope("", json.dumps(value).encode(), ()))
    assert [problem.path for problem in refused.value.problems] == ["predicate.enrol[1].proof"]
    assert refused.value.rule == "S25"


def _kept_out(kind, body):
    return _rule(make_payload, kind, HEADER, (), body)


def test_bodies_that_contradict_themselves_are_not_even_made():
    """S27: the maker takes the reader's test first."""
    zero, one = b"\x00" * 64, "1" * 64
    assert _kept_out("terms", TermsLink(2, one, one, "same")) == "S27"
    assert _kept_out("keys", KeyRotation(2, None, (), ())) == "S27"
    key = SIGNERS[0].public_key
    assert _kept_out("keys", KeyRotation(1, None, (Enrolment("log", key, zero),), (key,))) == "S27"
    assert _kept_out("observation", Observation("source", one, Span(5, 5), "quote", 0)) == "S27"
    assert _kept_out("version", Version(one, (one,), ProposedBy("human"), (), None)) == "S27"
    upside_down = Measurement("depth", Decimal(2), Decimal(1), "versions", "counting", (), 0)
    assert _kept_out("measurement", upside_down) == "S27"


@pytest.mark.parametrize("text", ["a\x00b", "a\x1b[31mb", "a\u202eb", "a\rb"])
def test_prose_cannot_repaint_a_reviewers_screen(text):
    """Control and bidirectional characters are S23."""
    assert _kept_out("withdrawal", Withdrawal(text)) == "S23"


def test_an_envelope_too_large_for_a_log_is_not_made():
    """S05 says what to do: name the evidence by digest."""
    envelope = sign_payload(b"x" * 60_000, SIGNERS[0], payload_type="text/plain")
    with pytest.raises(Refused) as refused:
        encode_envelope(envelope)
    assert refused.value.rule == "S05"
    assert "digest" in refused.value.todo
    assert _rule(parse_envelope, b" " * 65_536) == "B10"


def test_a_key_is_enrolled_only_by_its_holder():
    """K01: a proof by another key, for another party or use. The ring is as before."""
    ring = _ring()
    before = (list(ring), ring.keys_of(PARTY), len(ring))
    key = SIGNERS[1].public_key
    for proof in (
        prove_possession(PARTY, "statement", SIGNERS[2]),
        prove_possession("dev-a", "statement", SIGNERS[1]),
        prove_possession(PARTY, "root", SIGNERS[1]),
        b"",
    ):
        assert _rule(ring.enrol, PARTY, "statement", key, proof) == "K01"
    assert _rule(ring.enrol, PARTY, "statement", b"\x01" + bytes(31), bytes(64)) == "B09"
    assert (list(ring), ring.keys_of(PARTY), len(ring)) == before
    assert ring.uses_of(key) == ()


def test_a_ring_only_grows_and_forgets_the_order():
    """Adding twice, in any order, for several uses: the same ring."""
    rows = [(PARTY, "statement", SIGNERS[0]), (PARTY, "guard", SIGNERS[0]), ("dev-a", "root", SIGNERS[1])]
    one, other = _ring(*rows), _ring(*rows[::-1], *rows)
    assert list(one) == list(other)
    assert [one.uses_of(key) for key in one] == [other.uses_of(key) for key in other]
    assert len(one) == 2


def test_thresholds_count_keys_and_parties():
    """A key shared by two parties is one signatory; ten keys of one party are one; a matching finds the most."""
    a, b, c = (signer.public_key for signer in SIGNERS[:3])
    assert count_distinct([]) == 0
    assert count_distinct([("dev-a", a), ("dev-b", a), ("dev-c", a)]) == 1
    assert count_distinct([("dev-a", a), ("dev-a", b), ("dev-a", c)]) == 1
    assert count_distinct([("dev-a", a), ("dev-b", a), ("dev-b", b), ("dev-c", b)]) == 2
    assert count_distinct([("dev-a", a), ("dev-b", a), ("dev-b", b), ("dev-c", b), ("dev-c", c)]) == 3
    assert count_keys([("dev-a", a), ("dev-a", a), ("dev-a", b), ("dev-b", c)], "dev-a") == 2


APPROVAL = Approval("b" * 64, "approve", "reviewer-7", PARTY, None, False, "yes")
PLACE = {"accord": HEADER.accord, "nonce": HEADER.nonce}


@pytest.mark.parametrize(
    "change",
    [
        {"proposal": "c" * 64},
        {"decision": "reject"},
        {"reviewer": "reviewer-8"},
        {"organisation": "dev-a"},
        {"same_host": True},
        {"significant": "no"},
        {"note": "c" * 64},
        {"log": "elsewhere.example/log"},
        {"accord": "c" * 64},
        {"nonce": "1" * 32},
    ],
)
def test_an_assertion_is_bound_to_everything_the_approval_says(change):
    """S31 for any other decision, place or word; the node's signature around it adds no authority."""
    signed = sign_approval(APPROVAL, SIGNERS[6], **PLACE)
    assert verify_approval(signed, **PLACE).credential is None
    place = PLACE | {name: value for name, value in change.items() if name in PLACE}
    moved = replace(signed, **{name: value for name, value in change.items() if name not in PLACE})
    assert _rule(verify_approval, moved, **place) == "S31"


def test_an_approval_without_an_assertion_is_neither_made_nor_verified():
    """The reviewer signs first."""
    assert _rule(verify_approval, APPROVAL, **PLACE) == "S31"
    with pytest.raises(Misuse):
        make_payload("approval", HEADER, (), APPROVAL)


@pytest.mark.parametrize(
    "change", [{"accord": "b" * 64}, {"nonce": "1" * 32}, {"field": "flop"}, {"salt": b"1" * 32}, {"value": b"8e24"}]
)
def test_a_commitment_opens_only_in_its_place(change):
    """S40 for another accord, statement, field, salt or value."""
    opening = {**PLACE, "field": "planned_flop", "salt": bytes(32), "value": b"9e24"}
    kept = commit(**opening)
    verify_commitment(kept, **opening)
    assert _rule(verify_commitment, kept, **opening | change) == "S40"


@pytest.mark.parametrize("change", [{"salt": b""}, {"salt": bytes(31)}, {"value": bytes(65_536)}])
def test_a_commitment_needs_a_whole_salt_and_a_short_value(change):
    """S41: a short salt can be guessed."""
    assert _rule(commit, **{**PLACE, "field": "f", "salt": bytes(32), "value": b""} | change) == "S41"


def test_a_seed_shows_nowhere():
    """Neither whole nor in part, and a wrong length is the caller's mistake."""
    assert "0101" not in repr(SIGNERS[0])
    with pytest.raises(Misuse):
        SoftwareSigner(b"short")


def test_a_trial_made_elsewhere_counts_for_itself_alone():
    """An answer about another key, message or signature is not believed; one about this trial is not made again."""
    ring = _ring()
    good = read_claim(encode_envelope(sign_payload(PAYLOAD, SIGNERS[0])))
    forged = read_claim(encode_envelope(Envelope(good.envelope.payload_type, PAYLOAD, (_forged(good),))))
    other = first_trial(good, ring)
    assert _rule(verify_envelope, forged, ring, tried=Tried(other, holds=True)) == "S10"
    assert _rule(verify_envelope, good, ring, tried=Tried(other, holds=False)) == "S10"
    assert verify_envelope(good, ring, tried=Tried(first_trial(forged, ring), holds=False)) == verify_envelope(
        good, ring
    )


def _forged(claim):
    return EnvelopeSignature(claim.envelope.signatures[0].keyid, bytes(64))
