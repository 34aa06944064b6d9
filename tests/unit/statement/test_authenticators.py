"""Passkeys and security keys: what they must have said, checked against the programs that others use for it."""

import base64
import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.identity import PublicKey, check_authenticator_key, parse_authenticator_key, show_key
from detente.statement.approval import NAMESPACE, Approval, approval_binding, verify_approval
from detente.statement.assertion import SshAssertion, WebauthnAssertion
from detente.statement.attestation import verify_attestation
from detente.statement.cbor import decode
from detente.statement.credential import CREDENTIAL, enrolment_binding, verify_credential
from detente.statement.keys import KEYS, KeyRotation
from detente.statement.sshsig import parse_armour, parse_public_key, show_armour, verify_sshsig
from detente.statement.webauthn import (
    Expected,
    challenge_of,
    check_authenticator,
    parse_authenticator_data,
    verify_client_data,
    verify_webauthn,
)
from detente.testing.authenticator import ORIGIN, RP_ID, Maker, Passkey, TerminalKey, encode_cbor

PLACE = {"accord": "a" * 64, "nonce": "0" * 32}
PARTY, REVIEWER = "authority-a", "reviewer-7"
UNSIGNED = Approval("b" * 64, "approve", REVIEWER, PARTY, None, False, "yes")
BINDING = approval_binding(UNSIGNED, **PLACE)
HERE = Expected(RP_ID, ORIGIN)


def rule(call, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    return refused.value.rule


def enrolled(key, **said):
    return verify_credential(key.enrol(PLACE["accord"], PARTY, REVIEWER, **said), accord=PLACE["accord"], party=PARTY)


# What an assertion is over


@pytest.mark.parametrize(
    "key", [Passkey(), TerminalKey(), TerminalKey(algorithm="ES256")], ids=lambda key: key.__class__
)
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
def test_an_authenticator_asserts_everything_the_approval_says(key, change):
    """Any other word, place or log is another decision: S34 for a passkey's challenge, S31 for a signature over a message."""
    known = enrolled(key)
    passkey = isinstance(key, Passkey)
    made = key.get(BINDING) if passkey else key.sign(BINDING, NAMESPACE)
    signed = replace(UNSIGNED, assertion=made)
    assert verify_approval(signed, **PLACE, credential=known).credential is known
    place = PLACE | {name: value for name, value in change.items() if name in PLACE}
    moved = replace(signed, **{name: value for name, value in change.items() if name not in PLACE})
    assert rule(verify_approval, moved, **place, credential=known) == ("S34" if passkey else "S31")


def test_an_authenticator_needs_its_enrolment():
    """S38: without the credential nobody knows the relying party, and what nobody enrolled decides nothing."""
    signed = replace(UNSIGNED, assertion=Passkey().get(BINDING))
    assert rule(verify_approval, signed, **PLACE) == "S38"


def test_the_page_is_on_the_same_host_if_the_root_keys_say_so():
    """Either word suffices: the approval's own, or that of the enrolment."""
    for of_page in (False, True):
        for of_approval in (False, True):
            key = Passkey()
            unsigned = replace(UNSIGNED, same_host=of_approval)
            signed = replace(unsigned, assertion=key.get(approval_binding(unsigned, **PLACE)))
            found = verify_approval(signed, **PLACE, credential=enrolled(key, same_host=of_page))
            assert found.same_host == (of_page or of_approval)


@given(st.integers(0), st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_no_bit_of_an_assertion_is_free(at, bit):
    """Whatever bit is turned in what an authenticator or a browser said, the assertion is refused."""
    assertion = Passkey("bits").get(BINDING)
    names = ("authenticator_data", "client_data", "signature")
    whole = b"".join(getattr(assertion, name) for name in names)
    at %= len(whole)
    turned, parts = bytearray(whole), {}
    turned[at] ^= 1 << bit
    start = 0
    for name in names:
        end = start + len(getattr(assertion, name))
        parts[name] = bytes(turned[start:end])
        start = end
    assert rule(verify_webauthn, replace(assertion, **parts), BINDING, HERE) in {
        f"S3{number}" for number in range(1, 8)
    }


@given(st.integers(0), st.integers(0, 7), st.sampled_from(["EdDSA", "ES256"]))
@settings(max_examples=150, deadline=None)
def test_no_bit_of_a_security_keys_signature_is_free(at, bit, algorithm):
    """The same for what ``ssh-keygen`` writes."""
    assertion = TerminalKey("bits", algorithm=algorithm).sign(BINDING, NAMESPACE)
    turned = bytearray(assertion.signature)
    turned[at % len(turned)] ^= 1 << bit
    said = replace(assertion, signature=bytes(turned))
    assert rule(verify_sshsig, said, BINDING, NAMESPACE, "ssh:") in {"S31", "S32", "S35", "S36", "B08", "B09"}


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_noise_is_refused_by_number(data):
    """Whatever bytes come, the answer is a refusal and no other error."""
    for read in (
        lambda: parse_authenticator_data(data, registering=False),
        lambda: parse_authenticator_data(data + bytes(60), registering=True),
        lambda: verify_client_data(data, "webauthn.get", BINDING, HERE),
        lambda: verify_sshsig(SshAssertion("ssh-sk", TerminalKey().key, data), BINDING, NAMESPACE, "ssh:"),
        lambda: verify_webauthn(WebauthnAssertion("webauthn", Passkey().key, data, data, data), BINDING, HERE),
    ):
        try:
            read()
        except Refused:
            continue


cbor_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=30) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.integers(-9, 9) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(cbor_values)
def test_cbor_reads_what_was_written_and_nothing_after_it(value):
    """Both directions agree, and a further byte is refused."""
    data = encode_cbor(value)
    assert decode(data) == value
    assert rule(decode, data + b"\0") == "S32"


@pytest.mark.parametrize(
    "data",
    [
        "1800",
        "190001",
        "5f41004100ff",
        "c000",
        "f90000",
        "a2010001",
        "a201000100",
        "a1410000",
        "9f00ff",
        "f814",
        "61ff",
    ],
)
def test_cbor_in_another_spelling_is_refused(data):
    """Long numbers, indefinite lengths, tags, floats, keys twice or of another kind, text that is none."""
    assert rule(decode, bytes.fromhex(data)) == "S32"


# Keys


def test_a_key_of_p256_has_one_spelling():
    """Compressed, in hexadecimal, a point of the curve: B07 and B08."""
    key = Passkey().key
    assert parse_authenticator_key(show_key(key)) == check_authenticator_key(key)
    assert rule(parse_authenticator_key, show_key(key).replace("p256:0", "p256:4")) == "B07"
    for broken in (b"\x02" + bytes(31) + b"\x01", b"\x02" + b"\xff" * 32, b"\x05" + key[1:]):
        assert rule(check_authenticator_key, PublicKey(broken)) == "B08"


def test_a_point_off_the_curve_registers_nothing():
    """B08: authenticator data whose key has another coordinate than its curve gives it."""
    client_data, attestation = Passkey().register(BINDING)
    value = decode(attestation)
    bent = bytearray(value["authData"])
    bent[-1] ^= 2
    assert rule(parse_authenticator_data, bytes(bent), registering=True) == "B08"
    assert client_data


# Enrolment


@pytest.mark.parametrize("format_", ["none", "packed"])
def test_what_its_registration_says_of_a_passkey(format_):
    """A chain reaches its root only where a maker signed it; a credential that attests itself has none."""
    maker = Maker()
    attested = enrolled(Passkey(maker=maker))
    assert (attested.roots, attested.aaguid, attested.synced) == ((maker.root_digest,), maker.aaguid, False)
    alone = enrolled(Passkey(synced=True), format_=format_)
    assert (alone.roots, alone.synced) == ((), True)
    assert enrolled(TerminalKey()).aaguid is None


def test_a_chain_without_its_root_is_attested_by_nobody():
    """The digest of a root is no root: without its bytes nothing was signed by it."""
    credential = replace(Passkey(maker=Maker()).enrol(PLACE["accord"], PARTY, REVIEWER), chain=None)
    assert verify_credential(credential, accord=PLACE["accord"], party=PARTY).roots == ()
    stranger = replace(credential, chain=(Maker("Another Maker").root,))
    assert verify_credential(stranger, accord=PLACE["accord"], party=PARTY).roots == ()


@pytest.mark.parametrize("key", [Passkey(), TerminalKey()], ids=["passkey", "security key"])
def test_a_credential_agrees_to_whose_it_becomes(key):
    """K02 for another party, reviewer or accord than the credential signed for."""
    credential = key.enrol(PLACE["accord"], PARTY, REVIEWER)
    assert rule(verify_credential, credential, accord=PLACE["accord"], party="dev-a") == "K02"
    assert rule(verify_credential, credential, accord="c" * 64, party=PARTY) == "K02"
    assert rule(verify_credential, replace(credential, reviewer="r-2"), accord=PLACE["accord"], party=PARTY) == "K02"


def test_an_approval_enrols_nothing_and_an_enrolment_approves_nothing():
    """The two messages begin with other words, and a terminal's with other namespaces."""
    assert enrolment_binding(PLACE["accord"], PARTY, "ssh-sk", REVIEWER, "ssh:", None)[:24] != BINDING[:24]


@pytest.mark.parametrize(
    "twice", [lambda key, other: (key, key), lambda key, other: (key, replace(other, credential_id=key.credential_id))]
)
def test_a_credential_stands_once_in_a_statement(twice):
    """S27: one key, or one credential id, twice."""
    pair = [Passkey(seed).enrol(PLACE["accord"], PARTY, REVIEWER) for seed in ("one", "two")]
    body = KEYS.encode(KeyRotation(1, None, (), (), tuple(pair)))
    assert KEYS.decode(body).credentials == tuple(pair)
    body["credentials"] = [CREDENTIAL.encode(each) for each in twice(*pair)]
    assert rule(KEYS.decode, body) == "S27"


def test_a_statement_without_credentials_has_no_member_for_them():
    """What was stated before there were any reads as before; an empty list has no spelling."""
    body = KEYS.encode(KeyRotation(1, None, (), ()))
    assert "credentials" not in body
    assert rule(KEYS.decode, body | {"credentials": []}) == "S25"


# Older security keys


def u2f(seed="u2f", **said):
    maker = said.pop("maker", None) or Maker()
    return maker, Passkey(seed, maker=maker, aaguid=said.pop("aaguid", bytes(16)), **said)


def spoilt(attestation, **changes):
    """The attestation with other members of its statement."""
    value = decode(attestation)
    value["attStmt"] = {name: each for name, each in (value["attStmt"] | changes).items() if each is not None}
    return encode_cbor(value)


def test_an_older_security_key_is_attested_by_its_maker():
    """``fido-u2f``: up to the maker's root, without a model; the terms decide as of any other what that is worth."""
    maker, key = u2f()
    found = enrolled(key, format_="fido-u2f")
    assert (found.roots, found.aaguid, found.synced) == ((maker.root_digest,), bytes(16), False)


def test_whoever_cannot_verify_its_user_is_not_enrolled_whatever_is_attested():
    """What a maker signs in this format has no flags in it; the proof that the key itself signs has, and they decide."""
    _, key = u2f()
    credential = key.enrol(PLACE["accord"], PARTY, REVIEWER, format_="fido-u2f")
    message = enrolment_binding(PLACE["accord"], PARTY, "webauthn", REVIEWER, RP_ID, ORIGIN)
    present = replace(credential, proof=key.get(message, flags=0x01))
    assert rule(verify_credential, present, accord=PLACE["accord"], party=PARTY) == "K02"


U2F_SPOILT = {
    "another's signature": ("K03", lambda a, other: spoilt(a, sig=decode(other)["attStmt"]["sig"])),
    "another maker's certificate": ("K03", lambda a, _: spoilt(a, x5c=[Maker("Another Maker").u2f_leaf])),
    "a root as certificate": ("K03", lambda a, _: spoilt(a, x5c=[Maker().root])),
    "two certificates": ("S32", lambda a, _: spoilt(a, x5c=decode(a)["attStmt"]["x5c"] * 2)),
    "no certificate": ("S32", lambda a, _: spoilt(a, x5c=[])),
    "no list": ("S32", lambda a, _: spoilt(a, x5c=b"")),
    "no bytes": ("S32", lambda a, _: spoilt(a, x5c=["text"])),
    "no signature": ("S32", lambda a, _: spoilt(a, sig=None)),
    "an algorithm beside it": ("S32", lambda a, _: spoilt(a, alg=-7)),
}


@pytest.mark.parametrize(("expected", "spoil"), U2F_SPOILT.values(), ids=U2F_SPOILT.keys())
def test_an_older_security_keys_attestation_is_exactly_that(expected, spoil):
    """One certificate, one signature, over this registration of this key, and nothing else."""
    maker, key = u2f()
    client_data, attestation = key.register(BINDING, format_="fido-u2f")
    _, another = u2f("other", maker=maker)[1].register(BINDING, format_="fido-u2f")
    assert verify_attestation(attestation, client_data, (maker.root,)).roots == (maker.root_digest,)
    assert rule(verify_attestation, spoil(attestation, another), client_data, (maker.root,)) == expected


def test_an_older_security_key_has_no_model_and_one_algorithm():
    """K03: a credential that names a model, and none for another algorithm, did not come from one."""
    client_data, attestation = u2f(aaguid=b"m" * 16)[1].register(BINDING, format_="fido-u2f")
    assert rule(verify_attestation, attestation, client_data) == "K03"
    client_data, attestation = Passkey("edwards", algorithm="EdDSA").register(BINDING)
    value = decode(attestation) | {"fmt": "fido-u2f", "attStmt": {"sig": b"s", "x5c": [Maker().u2f_leaf]}}
    assert rule(verify_attestation, encode_cbor(value), client_data) == "K03"


def test_a_certificate_for_something_else_attests_no_security_key():
    """K03: a certificate of the maker's for a web server is none for its devices."""
    from cryptography import x509

    maker = Maker()
    purposes = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    maker.u2f_leaf = resigned(maker, purposes)
    client_data, attestation = Passkey("server", maker=maker, aaguid=bytes(16)).register(BINDING, format_="fido-u2f")
    assert rule(verify_attestation, attestation, client_data, (maker.root,)) == "K03"


def resigned(maker, extension):
    """The maker's certificate for older keys, with one more extension, signed by its root."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    from detente.testing.authenticator import _number

    old = x509.load_der_x509_certificate(maker.u2f_leaf)
    builder = x509.CertificateBuilder(
        old.issuer, old.subject, old.public_key(), old.serial_number, old.not_valid_before_utc, old.not_valid_after_utc
    )
    root = derive_private_key(_number("root of Example Maker"), SECP256R1())
    return builder.add_extension(extension, critical=False).sign(root, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("kind", ["tpm", "apple", "android-key", "android-safetynet", "compound", 7])
def test_a_format_that_nobody_checks_is_refused_by_name_with_what_to_do(kind):
    """K04: what is not verified must not look attested, and whoever stands there hears what to register instead."""
    client_data, attestation = Passkey().register(BINDING)
    value = decode(attestation) | {"fmt": kind, "attStmt": {}}
    with pytest.raises(Refused) as refused:
        verify_attestation(encode_cbor(value), client_data)
    assert (refused.value.rule, str(kind) in refused.value.got) == ("K04", True)
    assert "register a security key" in refused.value.todo
    assert "without attestation" in refused.value.todo


@pytest.mark.parametrize(
    "spoil", [None, "signature", "flags", "credential", "model"], ids=lambda spoil: spoil or "as made"
)
def test_py_webauthn_agrees_on_older_security_keys(spoil):
    """The maker's word on a key, its flags aside: those are asked for by both."""
    peer = pytest.importorskip("webauthn")
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate

    maker, key = u2f(aaguid=b"m" * 16 if spoil == "model" else bytes(16))
    client_data, attestation = key.register(BINDING, format_="fido-u2f")
    value = decode(attestation)
    if spoil == "signature":
        value["attStmt"]["sig"] = u2f("other")[1].maker.attest(b"else")["sig"]
    if spoil == "flags":
        value["authData"] = value["authData"][:32] + b"\x41" + value["authData"][33:]
    if spoil == "credential":
        value["authData"] = value["authData"][:55] + b"\xff" + value["authData"][56:]
    attestation = encode_cbor(value)
    try:
        check_authenticator(verify_attestation(attestation, client_data, (maker.root,)).said, HERE)
        ours = True
    except Refused:
        ours = False
    pem = load_der_x509_certificate(maker.root).public_bytes(Encoding.PEM)
    name = value["authData"][55:75]
    try:
        peer.verify_registration_response(
            credential=_json(name, clientDataJSON=client_data, attestationObject=attestation),
            expected_challenge=challenge_of(BINDING), expected_rp_id=RP_ID, expected_origin=ORIGIN,
            require_user_verification=True,
            pem_root_certs_bytes_by_fmt={peer.helpers.structs.AttestationFormat.FIDO_U2F: [pem]},
        )  # fmt: skip
        theirs = True
    except Exception:  # noqa: BLE001 - it has several roots of errors, and any of them is a refusal
        theirs = False
    assert ours == theirs == (spoil is None)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_no_certificate_is_anything_but_read_or_refused(data):
    """Whatever is in a chain, the answer is a refusal by number or an attestation that reaches no other root."""
    maker = Maker()
    client_data, attestation = Passkey("certificates", maker=maker).register(BINDING)
    value = decode(attestation)
    of_root = data.draw(st.booleans())
    broken = bytearray(maker.root if of_root else maker.leaf)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    if not of_root:
        value["attStmt"]["x5c"] = [bytes(broken)]
    try:
        found = verify_attestation(encode_cbor(value), client_data, (bytes(broken) if of_root else maker.root,))
    except Refused as refused:
        assert refused.rule in {"S32", "K03"}  # noqa: PT017 - either answer is right
    else:
        assert set(found.roots) <= {maker.root_digest, sha256_hex(bytes(broken))}


# The programs that others use


def _json(credential_id, **response):
    name = base64.urlsafe_b64encode(credential_id).rstrip(b"=").decode()
    spelled = {member: base64.urlsafe_b64encode(value).rstrip(b"=").decode() for member, value in response.items()}
    return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": spelled})


OTHERWISE = {
    "as asked": {},
    "other origin": {"origin": "https://example.org"},
    "other relying party": {"rp_id": "example.org"},
    "not verified": {"flags": 0x01},
    "not present": {"flags": 0x04},
    "registration": {"ceremony": "webauthn.create"},
    "backed up and not eligible": {"flags": 0x15},
    "other challenge": {"challenge": "AAAA"},
}


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.parametrize("said", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_py_webauthn_agrees_on_assertions(algorithm, said):
    """What we take it takes, what we refuse it refuses, with user verification asked for."""
    peer = pytest.importorskip("webauthn")
    key = Passkey(algorithm=algorithm)
    assertion = key.get(BINDING, **said)
    try:
        verify_webauthn(assertion, BINDING, HERE)
        ours = True
    except Refused:
        ours = False
    response = _json(
        key.id, authenticatorData=assertion.authenticator_data, clientDataJSON=assertion.client_data,
        signature=assertion.signature,
    )  # fmt: skip
    try:
        peer.verify_authentication_response(
            credential=response, expected_challenge=challenge_of(BINDING), expected_rp_id=RP_ID, expected_origin=ORIGIN,
            credential_public_key=encode_cbor(key._hand.cose()), credential_current_sign_count=0,
            require_user_verification=True,
        )  # fmt: skip
        theirs = True
    except Exception:  # noqa: BLE001 - it has several roots of errors, and any of them is a refusal
        theirs = False
    assert ours == theirs == (not said)


@pytest.mark.parametrize("maker", [None, Maker()], ids=["itself", "a maker"])
@pytest.mark.parametrize("spoil", [False, True])
def test_py_webauthn_agrees_on_registrations(maker, spoil):
    """Packed attestation, by the credential itself or by a maker's certificate, up to the maker's root."""
    peer = pytest.importorskip("webauthn")
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate

    key = Passkey(maker=maker)
    client_data, attestation = key.register(BINDING, format_="packed")
    if spoil:
        value = decode(attestation)
        value["authData"] = value["authData"][:33] + b"\xff" + value["authData"][34:]
        attestation = encode_cbor(value)
    roots = load_der_x509_certificate(maker.root).public_bytes(Encoding.PEM) if maker else b""
    try:
        found = verify_attestation(attestation, client_data, () if maker is None else (maker.root,))
        check_authenticator(found.said, HERE)
        ours = True
    except Refused:
        ours = False
    try:
        peer.verify_registration_response(
            credential=_json(key.id, clientDataJSON=client_data, attestationObject=attestation),
            expected_challenge=challenge_of(BINDING), expected_rp_id=RP_ID, expected_origin=ORIGIN,
            require_user_verification=True,
            pem_root_certs_bytes_by_fmt={peer.helpers.structs.AttestationFormat.PACKED: [roots]} if maker else None,
        )  # fmt: skip
        theirs = True
    except Exception:  # noqa: BLE001 - see above
        theirs = False
    assert ours == theirs == (not spoil)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen on PATH: Debian's openssh-client has it")
@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
@pytest.mark.parametrize("said", [{}, {"algorithm": b"sha256"}, {"message": b"other"}, {"namespace": "file"}])
def test_ssh_keygen_agrees_on_signatures(tmp_path, algorithm, said):
    """``ssh-keygen -Y verify`` takes what we take, and refuses another message and another namespace."""
    key = TerminalKey(algorithm=algorithm)
    made = key.sign(
        said.get("message", BINDING), said.get("namespace", NAMESPACE), algorithm=said.get("algorithm", b"sha512")
    )
    (tmp_path / "sig").write_text(show_armour(made.signature), "ascii")
    (tmp_path / "allowed").write_text(f"{REVIEWER} {key.public_line}\n", "ascii")
    done = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", REVIEWER, "-n", NAMESPACE, "-s", tmp_path / "sig"],
        input=BINDING, capture_output=True, check=False,
    )  # fmt: skip
    try:
        verify_sshsig(made, BINDING, NAMESPACE, "ssh:")
        ours = True
    except Refused:
        ours = False
    assert ours == (done.returncode == 0) == (not said or "algorithm" in said)


def test_what_ssh_keygen_writes_is_read():
    """Armour and the line of a public key, there and back; S32 for what is neither."""
    key = TerminalKey()
    made = key.sign(BINDING, NAMESPACE)
    assert parse_armour(show_armour(made.signature)) == made.signature
    assert parse_public_key(key.public_line).key == key.key
    for text in ("", "ssh-ed25519 AAAA", key.public_line.replace("sk-ssh-ed25519", "sk-ecdsa-sha2-nistp256")[:60]):
        assert rule(parse_public_key, text) == "S32"
    assert rule(parse_armour, "-----BEGIN SSH SIGNATURE-----\nAAAA") == "S32"
