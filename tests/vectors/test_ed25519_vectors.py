"""Ed25519 and DSSE cases of others: one pinned verdict for each, and the gate that refuses every weak key.

JSON canonicalisation has vectors too; this project canonicalises nothing (bytes are signed as they are), so they test
nothing here.
"""

import base64
import json
from collections import Counter

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from detente.base.errors import Refused
from detente.base.identity import check_key_strength
from detente.statement.envelope import pae, parse_envelope
from detente.statement.signing import verify_ed25519
from tests.shared_data import shared

REFUSED_FOR = {"non_canonical_R", "low_order_residue"}
WEAK_KEY = {"low_order_A", "non_canonical_A", "low_order_component_A"}


def _refusal(call, *arguments):
    try:
        call(*arguments)
    except Refused as refused:
        return refused.rule
    return None


def _accepts(key, message, signature):
    return {None: True, "S10": False}[_refusal(verify_ed25519, key, message, signature)]


def _passes_gate(key):
    return {None: True, "B08": False, "B09": False}[_refusal(check_key_strength, key)]


def _cctv():
    cases = json.loads(shared("tlog/ed25519-cctv/ed25519vectors.json").read_text("utf-8"))
    return [(set(case.pop("flags") or ()), case) for case in cases]


def test_every_edge_case_of_cctv_has_one_decided_verdict():
    """The pinned verifier accepts all but a non-canonical R and what only the cofactored equation accepts."""
    cases = _cctv()
    verdicts = Counter()
    for flags, case in cases:
        accepted = _accepts(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
        assert accepted == (not flags & REFUSED_FOR), (case["number"], flags)
        verdicts[accepted] += 1
    assert verdicts == {True: 208, False: 706}


def test_the_gate_refuses_every_weak_key_of_cctv_and_no_other():
    """Low order, a component of low order, a second encoding: none is ever enrolled."""
    weak = {}
    for flags, case in _cctv():
        weak.setdefault(case["key"], set()).add(bool(flags & WEAK_KEY))
    assert all(len(verdicts) == 1 for verdicts in weak.values())
    assert {key: not _passes_gate(bytes.fromhex(key)) for key in weak} == {
        key: True in said for key, said in weak.items()
    }
    assert Counter(True in said for said in weak.values()) == {True: 21, False: 1}


def test_behind_the_gate_no_signature_of_cctv_verifies_twice_differently():
    """For a key that passes the gate, acceptance follows from the flags of R and of the residue alone."""
    passed = [(flags, case) for flags, case in _cctv() if not flags & WEAK_KEY]
    assert len(passed) == 28
    for flags, case in passed:
        accepted = _accepts(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
        assert accepted == (not flags & REFUSED_FOR)


def test_wycheproof_ed25519():
    """All verdicts of the 151 cases, malleable and truncated signatures among them."""
    groups = json.loads(shared("tlog/wycheproof/ed25519_test.json").read_text("utf-8"))["testGroups"]
    tried = 0
    for group in groups:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            accepted = _accepts(key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert accepted == (case["result"] == "valid"), case["tcId"]
            tried += 1
    assert tried == 151


def test_the_encoding_of_dsse():
    """Our PAE equals the protocol's, its P-256 signature verifies over it, and both base64 alphabets read the same."""
    case = json.loads(shared("tlog/dsse/pae_vector.json").read_text("utf-8"))
    wire, kind = case["envelope"], case["payload_type"]
    envelope = parse_envelope(json.dumps(wire).encode(), payload_type=kind)
    message = pae(envelope.payload_type, envelope.payload)
    assert message == base64.b64decode(case["pae_base64"])
    point = ec.EllipticCurvePublicNumbers(int(case["public_key"]["x"]), int(case["public_key"]["y"]), ec.SECP256R1())
    signature = envelope.signatures[0].sig
    halves = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    point.public_key().verify(encode_dss_signature(*halves), message, ec.ECDSA(hashes.SHA256()))
    urlsafe = {**wire, "signatures": [{"sig": wire["signatures"][0]["sig"].replace("+", "-").replace("/", "_")}]}
    assert parse_envelope(json.dumps(urlsafe).encode(), payload_type=kind) == envelope
