"""Attestation: what a maker says about the authenticator that holds a credential, as far as signatures carry it.

Decides whether an attestation object is well formed and signed, which credential it is for, and up to which certificates
its chain is signed. Leaves out whom to believe: terms list the roots that count (``accord.authenticators``).

- Formats ``none`` (nobody says anything), ``packed`` by the credential itself (which says nothing more), ``packed`` with a
  chain of certificates, and ``fido-u2f`` of older security keys. Others are refused by name (K04), each with what to do:
  what nobody checks must not look attested.
- What ``fido-u2f`` signs has neither flags nor counter in it. They are the credential's own word, which it gives again in the
  assertion by which it is enrolled; a key that cannot verify its user fails there, whoever attests it.
- A chain is a chain of signatures. There is no clock here: a certificate that expired or was revoked since is judged by those
  who list roots, who amend their terms.
- At most 8 certificates, of 4 KiB each; RSA keys of 2,048 to 4,096 bits, P-256 and P-384.

Rules S32, K03 and K04; ``spec/statement.md`` §8.3. Source: Web Authentication Level 3, §6.5.4, §8.2, §8.2.1, §8.6 and §8.7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused, shown
from detente.base.identity import p256_y
from detente.statement.assertion import CERTIFICATE_MAX, CHAIN_MAX
from detente.statement.cbor import decode
from detente.statement.signing import verify_authenticator
from detente.statement.webauthn import EDDSA, ES256, AttestedCredential, AuthenticatorData, parse_authenticator_data

RS256: Final = -257
_AAGUID: Final = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
_PURPOSES: Final = ExtensionOID.EXTENDED_KEY_USAGE
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
_ELSE: Final = {
    "tpm": "a TPM, as Windows Hello has it, makes RSA keys and signs with SHA-1: register a security key",
    "apple": "an anonymous certificate for each key is not checked here: register a security key",
    "android-key": "a key of a phone's keystore is described in a form that is not read here: register a security key",
    "android-safetynet": "its service has ended: register a security key",
}
"""What to do instead, by format."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """What an attestation object says. ``roots`` are the digests of the certificates, beyond the first, that its chain of

    signatures reaches, in their order; empty where nobody but the credential signed, or nobody at all.
    """

    format: str
    said: AuthenticatorData
    credential: AttestedCredential
    roots: tuple[Digest, ...]


def verify_attestation(data: bytes, client_data: bytes, chain: Sequence[bytes] = ()) -> Attestation:
    """Take an attestation object apart and check what is signed in it. ``chain`` is what it leaves out, the root last.

    1. It is strict CBOR with exactly its three members: S32; its authenticator data has a credential in it: S32, B08, B09.
    2. Its format is one of those above: K04.
    3. What it signs is signed, by the credential or by the first certificate: K03. That certificate is one for attestation
       and names the same model: K03.
    4. Each certificate is signed by the next, for as long as it is.
    """
    value = decode(data)  # 1
    if (
        type(value) is not dict
        or value.keys() != {"fmt", "attStmt", "authData"}
        or type(value["authData"]) is not bytes
    ):
        _malformed(shown(value), "fmt, attStmt and authData")
    said = parse_authenticator_data(value["authData"], registering=True)
    if said.credential is None:
        _malformed("no credential", "one")
    statement, kind = value["attStmt"], value["fmt"]
    if kind == "none" and statement == {}:  # 2
        return Attestation(kind, said, said.credential, ())
    if kind not in {"packed", "fido-u2f"} or type(statement) is not dict:
        instead = _ELSE.get(kind) if type(kind) is str else None
        raise Refused(
            "K04",
            "wrong-type",
            got=f"an attestation of format {shown(kind)}",
            expected="none, packed or fido-u2f",
            todo=f"{instead or 'this version cannot verify others: register a security key'}, or register without attestation "
            "where terms take a passkey that is not attested",
        )
    hashed = hashlib.sha256(client_data).digest()
    if kind == "packed":
        certificates = _packed(statement, said.credential, value["authData"] + hashed, chain)  # 3
    else:
        certificates = _u2f(statement, said.credential, said.rp_id_hash + hashed, chain)  # 3
    return Attestation(kind, said, said.credential, _reached(certificates))  # 4


def _packed(
    statement: dict[Any, Any], credential: AttestedCredential, message: bytes, chain: Sequence[bytes]
) -> list[x509.Certificate]:  # fmt: skip
    algorithm, signature = statement.get("alg"), statement.get("sig")
    if type(signature) is not bytes or not statement.keys() <= {"alg", "sig", "x5c"}:
        _malformed(shown(statement), "alg, sig and x5c")
    if "x5c" not in statement:
        if algorithm != (ES256 if len(credential.key) == 33 else EDDSA):
            _unproven(f"algorithm {shown(algorithm)}", "that of the credential")
        try:
            verify_authenticator(credential.key, message, signature)
        except Refused:
            _unproven("an attestation that its own credential did not sign", "its signature")
        return []
    certificates = _listed(statement["x5c"], chain)
    _check_leaf(certificates[0], credential)
    key = certificates[0].public_key()
    try:
        if algorithm == ES256 and isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            key.verify(signature, message, ECDSA(SHA256()))
        elif algorithm == RS256 and isinstance(key, RSAPublicKey) and 2_048 <= key.key_size <= 4_096:
            key.verify(signature, message, PKCS1v15(), SHA256())
        else:
            _unproven(f"algorithm {shown(algorithm)}", "ES256 or RS256, as the key of the certificate")
    except InvalidSignature:
        _unproven("an attestation that its first certificate did not sign", "its signature")
    return certificates


def _u2f(
    statement: dict[Any, Any], credential: AttestedCredential, place: bytes, chain: Sequence[bytes]
) -> list[x509.Certificate]:  # fmt: skip
    """§8.6: one certificate, of a key on P-256, signed where, for what, and which credential of which key; ES256 throughout.

    These certificates need not say what they are for, so that one which says that it is for something else is none.
    """
    signature, listed = statement.get("sig"), statement.get("x5c")
    if statement.keys() != {"sig", "x5c"} or type(signature) is not bytes or type(listed) is not list:
        _malformed(shown(statement), "sig and x5c")
    if len(listed) != 1:
        _malformed(f"{len(listed)} certificates in a statement of U2F", "one")
    if len(credential.key) != 33 or credential.aaguid != bytes(16):
        _unproven(
            "a credential of another algorithm, or one that names its model", "ES256, and no model, as U2F has it"
        )
    certificates = _listed(listed, chain)
    leaf = certificates[0]
    key = leaf.public_key()
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        _unproven("a certificate of another kind of key", "one on P-256")
    if _is_authority(leaf) is True or any(extension.oid == _PURPOSES for extension in leaf.extensions):
        _unproven("a first certificate that may issue others, or is for something else", "one for attestation alone")
    point = b"\x04" + credential.key[1:] + p256_y(credential.key).to_bytes(32, "big")
    try:
        key.verify(signature, b"\0" + place + credential.id + point, ECDSA(SHA256()))
    except InvalidSignature:
        _unproven("an attestation that its certificate did not sign", "its signature")
    return certificates


def _listed(listed: Any, chain: Sequence[bytes]) -> list[x509.Certificate]:
    """The certificates of a statement, and those that it leaves out."""
    if type(listed) is not list or not listed or not all(type(each) is bytes for each in listed):
        _malformed(shown(listed), "certificates")
    certificates = [_certificate(each) for each in (*listed, *chain)]
    if len(certificates) > CHAIN_MAX:
        _malformed(f"{len(certificates)} certificates", f"at most {CHAIN_MAX}")
    return certificates


def _certificate(data: bytes) -> x509.Certificate:
    if len(data) > CERTIFICATE_MAX:
        _malformed(f"a certificate of {len(data)} bytes", f"at most {CERTIFICATE_MAX}")
    try:
        certificate = x509.load_der_x509_certificate(data)
        # Its parts are read late: read now whatever will be asked, so that a broken one is refused here.
        _ = (certificate.extensions, certificate.subject, certificate.issuer, certificate.version)
        certificate.public_key()
        serial = certificate.serial_number
    except Exception as error:  # noqa: BLE001 - it raises a dozen kinds, and none may stop whoever folds the entry
        _malformed(f"a certificate that cannot be read: {shown(str(error))}", "X.509 in DER")
    if serial <= 0:
        # Read today with a warning, refused by later versions of the library: refused here by every one.
        _malformed("a serial number that is not positive", "RFC 5280 §4.1.2.2")
    return certificate


def _check_leaf(certificate: x509.Certificate, credential: AttestedCredential) -> None:
    """§8.2.1: version 3, a subject that says attestation, no authority; the model, where it is named, is the credential's."""
    units = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]
    named = all(
        certificate.subject.get_attributes_for_oid(oid)
        for oid in (NameOID.COUNTRY_NAME, NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    )
    if certificate.version is not x509.Version.v3 or units != ["Authenticator Attestation"] or not named:
        _unproven("a certificate for something else", "one for authenticator attestation")
    if _is_authority(certificate) is not False:
        _unproven("a first certificate that may issue others, or does not say", "one that may not")
    for extension in certificate.extensions:
        if extension.oid == _AAGUID:
            value = extension.value
            octets = value.value if isinstance(value, x509.UnrecognizedExtension) else b""
            if extension.critical or octets != b"\x04\x10" + credential.aaguid:
                _unproven("a certificate of another model of authenticator", f"AAGUID {credential.aaguid.hex()}")


def _is_authority(certificate: x509.Certificate) -> bool | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return None


def _reached(certificates: Sequence[x509.Certificate]) -> tuple[Digest, ...]:
    """The digests of the issuers that the chain reaches: each is an authority, and signed the one before."""
    roots: list[Digest] = []
    for depth, (below, above) in enumerate(pairwise(certificates)):
        if not _issued(above, below, depth):
            break
        roots.append(sha256_hex(above.public_bytes(Encoding.DER)))
    return tuple(roots)


def _issued(above: x509.Certificate, below: x509.Certificate, depth: int) -> bool:
    key = above.public_key()
    try:
        used = below.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    if _is_authority(above) is not True or used is None or used.name not in _HASHES:
        return False
    length = above.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    strong = (isinstance(key, RSAPublicKey) and 2_048 <= key.key_size <= 4_096) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1 | SECP384R1)
    )
    if not strong or (length is not None and length < depth):
        return False
    try:
        below.verify_directly_issued_by(above)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _malformed(got: str, expected: str) -> NoReturn:
    raise Refused("S32", "malformed", got=got, expected=expected)


def _unproven(got: str, expected: str) -> NoReturn:
    raise Refused("K03", "bad-signature", got=got, expected=expected)
