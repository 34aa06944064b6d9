"""Write ``vectors/approval`` anew: ``python -m tests.vectors.write_approval_vectors``.

Each case is a credential as a ``keys`` statement enrols it, and an approval that it asserts. Keys come from seeds and every
signature is the same each time, so the same bytes come out.
"""

import base64
import hashlib
import json
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from detente.statement.approval import APPROVAL, NAMESPACE, Approval, approval_binding
from detente.statement.cbor import decode
from detente.statement.credential import CREDENTIAL
from detente.testing.authenticator import AAGUID, Maker, Passkey, TerminalKey, encode_cbor

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "approval"
PLACE = {"accord": "a" * 64, "nonce": "0" * 32}
PARTY = "authority-a"
UNSIGNED = Approval(
    "b" * 64, "approve", "reviewer-7", PARTY, None, False, "yes", note="d" * 64, log="authority-a.example/log"
)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256: s and ORDER − s are two spellings of one signature."""


def _case(name, why, credential, approval, **place):
    folder = VECTORS / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(f"{why}\n", "utf-8")
    (folder / "credential.json").write_bytes(_text(credential))
    (folder / "approval.json").write_bytes(_text(PLACE | {"party": PARTY} | place | {"approval": approval}))
    if name.endswith("_fail"):
        (folder / "expect.json").write_bytes(_text({"rule": name.split("-")[0]}))


def _text(value):
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


def _enrolled(key, **said):
    return CREDENTIAL.encode(key.enrol(PLACE["accord"], PARTY, "reviewer-7", **said))


def _approval(assertion, unsigned=UNSIGNED):
    return APPROVAL.encode(replace(unsigned, assertion=assertion))


def _binding(unsigned=UNSIGNED, **place):
    return approval_binding(unsigned, **(PLACE | place))


def _pair(key, assertion, **said):
    return _enrolled(key, **said), _approval(assertion)


def _passes():
    maker = Maker()
    for name, key, why in (
        ("a-passkey-attested", Passkey("a", maker=maker), "A device-bound passkey, attested by a chain up to a root."),
        ("a-passkey-device-bound", Passkey("b"), "A device-bound passkey without attestation."),
        ("a-passkey-synced", Passkey("c", synced=True), "A passkey that may be copied to other devices."),
        ("a-passkey-eddsa", Passkey("d", algorithm="EdDSA"), "A passkey that signs with Ed25519."),
        ("a-passkey-without-counter", Passkey("e", counts=False), "A passkey whose counter stays at 0."),
    ):
        credential = _enrolled(key, format_="packed" if key.maker is None and not key.synced else "")
        _case(name, why, credential, _approval(key.get(_binding())))
    key = Passkey("u2f", maker=maker, aaguid=bytes(16))
    why = "An older security key, attested in the format of U2F up to a root, that verifies its user all the same."
    _case("a-passkey-attested-u2f", why, _enrolled(key, format_="fido-u2f"), _approval(key.get(_binding())))
    _case(
        "a-passkey-high-s", "The other spelling of an ECDSA signature (n − s) is taken: authenticators send either.",
        *_pair(Passkey("f"), _respelled(Passkey("f").get(_binding(), counter=9))),
    )  # fmt: skip
    for algorithm in ("EdDSA", "ES256"):
        key = TerminalKey(algorithm, algorithm=algorithm)
        why = f"A security key in a terminal, {algorithm}."
        _case(f"a-security-key-{algorithm.lower()}", why, _enrolled(key), _approval(key.sign(_binding(), NAMESPACE)))


def _respelled(assertion):
    r, s = decode_dss_signature(assertion.signature)
    return replace(assertion, signature=encode_dss_signature(r, ORDER - s))


def _passkey_fails():
    key = Passkey("g", maker=Maker())
    enrolled = _enrolled(key)
    get, binding = key.get, _binding()
    other = replace(UNSIGNED, proposal="c" * 64)
    for name, why, assertion in (
        ("S31-flipped-bit", "One bit of the signature is another.", _flipped(get(binding))),
        ("S31-malformed-der", "A signature in BER with a length in a longer spelling.", _long_form(get(binding))),
        ("S31-trailing-der", "A byte after the signature.", _longer(get(binding), "signature")),
        ("S32-client-data-twice", "Client data with a member twice: two readers could read two origins.", _twice(get(binding))),
        ("S32-trailing-bytes", "Bytes after the authenticator data that no flag announces.", get(binding, more=b"\0")),
        ("S32-credential-in-assertion", "An assertion that claims to register.", get(binding, flags=0x45)),
        ("S33-registration", "The client data of a registration.", get(binding, ceremony="webauthn.create")),
        ("S34-other-digest", "Asserted over another proposal: a page that showed A and had B asserted.", get(_binding(other))),
        ("S34-other-decision", "Asserted as a rejection.", get(_binding(replace(UNSIGNED, decision="reject")))),
        ("S34-other-statement", "Lifted out of a statement with another nonce.", get(_binding(nonce="1" * 32))),
        ("S34-other-accord", "Asserted under another accord.", get(_binding(accord="c" * 64))),
        ("S34-other-log", "Asserted for another log.", get(_binding(replace(UNSIGNED, log="elsewhere.example/log")))),
        ("S34-other-note", "Asserted with another note.", get(_binding(replace(UNSIGNED, note="e" * 64)))),
        ("S34-other-reviewer", "Asserted as another reviewer.", get(_binding(replace(UNSIGNED, reviewer="reviewer-8")))),
        ("S35-other-origin", "Asserted on another page.", get(binding, origin="http://localhost:9999")),
        ("S35-cross-origin", "Asserted in a frame within another site.", get(binding, crossOrigin=True)),
        ("S35-other-rp", "Asserted for another relying party.", get(binding, rp_id="example.org")),
        ("S36-user-not-verified", "Nobody gave a PIN or a fingerprint.", get(binding, flags=0x01)),
        ("S36-user-not-present", "Nobody touched it.", get(binding, flags=0x04)),
        ("S37-backed-up-and-not-eligible", "Flags that contradict each other.", get(binding, flags=0x15)),
        ("S37-may-be-backed-up-now", "Enrolled as bound to a device, and no longer so.", get(binding, flags=0x0D)),
        ("S38-other-key", "Asserted by a credential that was not enrolled.", Passkey("h").get(binding)),
    ):  # fmt: skip
        _case(f"{name}_fail", why, enrolled, _approval(assertion))
    assertion = TerminalKey("i").sign(binding, NAMESPACE)
    _case("S38-other-type_fail", "A security key's signature for a passkey.", enrolled, _approval(assertion))
    strange = _approval(get(binding))
    strange["assertion"]["type"] = "voice"
    _case("S30-other-type_fail", "A type of assertion that nobody can verify.", enrolled, strange)


def _flipped(assertion):
    return replace(assertion, signature=assertion.signature[:-1] + bytes((assertion.signature[-1] ^ 1,)))


def _long_form(assertion):
    return replace(assertion, signature=b"\x30\x81" + assertion.signature[1:])


def _longer(assertion, member):
    return replace(assertion, **{member: getattr(assertion, member) + b"\0"})


def _twice(assertion):
    return replace(assertion, client_data=assertion.client_data[:-1] + b',"origin":"http://localhost:8700"}')


def _security_key_fails():
    key = TerminalKey("j")
    enrolled, binding = _enrolled(key), _binding()
    for name, why, assertion in (
        ("S31-security-key-other-digest", "Signed over another proposal.",
         key.sign(_binding(replace(UNSIGNED, proposal="c" * 64)), NAMESPACE)),
        ("S31-security-key-other-statement", "Lifted out of a statement with another nonce.",
         key.sign(_binding(nonce="1" * 32), NAMESPACE)),
        ("S32-security-key-trailing", "A byte after the signature.", _longer(key.sign(binding, NAMESPACE), "signature")),
        ("S35-security-key-namespace", "Signed as a file, not as an approval.", key.sign(binding, "file")),
        ("S35-security-key-enrolment", "Signed as an enrolment.", key.sign(binding, "detente-enrol")),
        ("S36-security-key-not-verified", "A key that was made without verify-required.",
         key.sign(binding, NAMESPACE, flags=0x01)),
        ("S36-security-key-not-present", "Nobody touched it.", key.sign(binding, NAMESPACE, flags=0x04)),
    ):  # fmt: skip
        _case(f"{name}_fail", why, enrolled, _approval(assertion))
    other = TerminalKey("j", application="ssh:elsewhere")
    why = "Signed for another application."
    _case("S35-security-key-application_fail", why, enrolled, _approval(other.sign(binding, NAMESPACE)))


def _enrolment_fails():
    key = Passkey("k", maker=Maker())
    approval = _approval(key.get(_binding()))
    enrolled = key.enrol(PLACE["accord"], PARTY, "reviewer-7")
    attestation = base64.b64encode(enrolled.attestation).decode()
    off_curve = "p256:02" + (b"\xff" * 32).hex()
    for name, why, change in (
        ("B08-point-off-the-curve", "A key that is no point of P-256.", {"key": off_curve, "proof": {"key": off_curve}}),
        ("K02-other-reviewer", "A proof for another name.", {"reviewer": "reviewer-8"}),
        ("K02-not-verified", "A proof by an authenticator that verified nobody.", {"proof": _proof(key, flags=0x01)}),
        ("K02-other-registration", "A registration of another credential.",
         {"credential_id": base64.b64encode(b"another id").decode()}),
        ("K03-other-maker", "A chain whose first certificate did not sign.", {"attestation": _forged(key)}),
        ("K03-other-model", "A certificate of another model of authenticator.", {"attestation": _other_model()}),
        ("K04-other-format", "A format of attestation that this version cannot check.",
         {"attestation": _renamed(attestation)}),
        ("S32-attestation-trailing", "Bytes after the attestation object.",
         {"attestation": base64.b64encode(enrolled.attestation + b"\0").decode()}),
        ("S27-origin-elsewhere", "An origin that is not of the relying party.", {"origin": "https://example.org"}),
        ("S27-no-tls", "An origin without TLS that is not this machine.", {"origin": "http://brake.localhost:8700"}),
    ):  # fmt: skip
        value = CREDENTIAL.encode(enrolled)
        if name.startswith("K03-other-model"):
            value |= CREDENTIAL.encode(Passkey("k", maker=Maker(aaguid=AAGUID)).enrol(PLACE["accord"], PARTY, "reviewer-7"))
        for member, changed in change.items():
            value[member] = value[member] | changed if isinstance(changed, dict) else changed
        _case(f"{name}_fail", why, value, approval)


def _u2f_fails():
    key = Passkey("l", maker=Maker(), aaguid=bytes(16))
    approval = _approval(key.get(_binding()))
    enrolled = key.enrol(PLACE["accord"], PARTY, "reviewer-7", format_="fido-u2f")
    other = decode(Passkey("m", maker=Maker(), aaguid=bytes(16)).enrol(
        PLACE["accord"], PARTY, "reviewer-7", format_="fido-u2f").attestation)["attStmt"]["sig"]  # fmt: skip
    made = decode(enrolled.attestation)
    certificates = made["attStmt"]["x5c"]
    for name, why, statement in (
        ("K03-u2f-other-key", "A maker's word on another key.", {"sig": other, "x5c": certificates}),
        ("K03-u2f-authority", "A certificate that may issue others.", made["attStmt"] | {"x5c": [Maker().root]}),
        ("S32-u2f-two-certificates", "Two certificates, where the format has one.", made["attStmt"] | {"x5c": certificates * 2}),
        ("S32-u2f-algorithm", "A member that the format does not have.", {"alg": -7} | made["attStmt"]),
    ):  # fmt: skip
        attestation = encode_cbor(made | {"attStmt": statement})
        _case(f"{name}_fail", why, CREDENTIAL.encode(replace(enrolled, attestation=attestation)), approval)
    key = Passkey("l", maker=Maker(), aaguid=AAGUID)
    why = "A key that names its model, which U2F has no word for."
    _case("K03-u2f-model_fail", why, _enrolled(key, format_="fido-u2f"), _approval(key.get(_binding())))


def _proof(key, **said):
    from detente.statement.assertion import ASSERTION
    from detente.statement.credential import enrolment_binding

    message = enrolment_binding(PLACE["accord"], PARTY, "webauthn", "reviewer-7", key.rp_id, key.origin)
    return ASSERTION.encode(key.get(message, **said))


def _registration(key):
    from detente.statement.credential import enrolment_binding

    message = enrolment_binding(PLACE["accord"], PARTY, "webauthn", "reviewer-7", key.rp_id, key.origin)
    return key.register(message)


def _forged(key):
    """The chain of one maker around the signature of another."""
    liar = Maker("Another Maker")
    liar.leaf = key.maker.leaf
    return base64.b64encode(_registration(Passkey("k", maker=liar))[1]).decode()


def _other_model():
    """A maker's certificate names one model, and the authenticator another."""
    key = Passkey("k", maker=Maker(), aaguid=hashlib.sha256(b"another model").digest()[:16])
    return base64.b64encode(_registration(key)[1]).decode()


def _renamed(attestation):
    old, new = encode_cbor("packed"), encode_cbor("tpmtpm")
    return base64.b64encode(base64.b64decode(attestation).replace(old, new, 1)).decode()


if __name__ == "__main__":
    _passes()
    _passkey_fails()
    _security_key_fails()
    _enrolment_fails()
    _u2f_fails()
