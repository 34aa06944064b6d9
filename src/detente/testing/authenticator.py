"""Authenticators in memory: a passkey in a browser, a security key in a terminal, and a maker who attests them.

For tests, vectors and demonstrations alone: keys come from seeds, and nobody is present. Each can also be told to lie, in the
ways in which an authenticator, a browser or a page may be wrong: another origin, a user who was not verified, a counter that
stands still. What it makes has the format of the real thing, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from detente.base.digest import Digest, sha256_hex
from detente.base.identity import Party, PublicKey, p256_y
from detente.base.strict_json import encode_json
from detente.statement.assertion import SshAssertion, WebauthnAssertion
from detente.statement.credential import NAMESPACE, Credential, enrolment_binding
from detente.statement.sshsig import ECDSA as SK_ECDSA
from detente.statement.sshsig import ED25519 as SK_ED25519
from detente.statement.sshsig import MAGIC, SecurityKey, key_blob, put, signed_data
from detente.statement.webauthn import ATTESTED, EDDSA, ELIGIBLE, ES256, PRESENT, VERIFIED, challenge_text

AAGUID: Final = bytes.fromhex("d37e47e0" * 4)
RP_ID, ORIGIN = "localhost", "http://localhost:8700"
_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LATER: Final = datetime(2056, 1, 1, tzinfo=UTC)


def encode_cbor(value: Any) -> bytes:
    """What ``statement.cbor`` reads; a map keeps the order of its members."""
    if value is True or value is False or value is None:
        return bytes((0xF6 if value is None else 0xF5 if value else 0xF4,))
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, Mapping):
        items = (encode_cbor(key) + encode_cbor(each) for key, each in value.items())
        return _head(5, len(value)) + b"".join(items)
    return _head(4, len(value)) + b"".join(map(encode_cbor, value))


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    width = next(width for width in (1, 2, 4, 8) if number < 1 << 8 * width)
    return bytes((major << 5 | 24 + width.bit_length() - 1,)) + number.to_bytes(width, "big")


class _Hand:
    """A private key from a seed, of either algorithm, that signs as authenticators do."""

    def __init__(self, seed: str, algorithm: str) -> None:
        secret = hashlib.sha256(f"authenticator {algorithm} {seed}".encode()).digest()
        self.curve: EllipticCurvePrivateKey | None = None
        if algorithm == "EdDSA":
            self.edwards = Ed25519PrivateKey.from_private_bytes(secret)
            self.key = PublicKey(self.edwards.public_key().public_bytes_raw())
        else:
            self.curve = derive_private_key(int.from_bytes(secret, "big") >> 1, SECP256R1())
            self.key = PublicKey(self.curve.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint))

    def sign(self, message: bytes) -> bytes:
        """Ed25519, or ECDSA in DER; the same each time."""
        if self.curve is None:
            return self.edwards.sign(message)
        return self.curve.sign(message, ECDSA(SHA256(), deterministic_signing=True))

    def cose(self) -> dict[int, Any]:
        """The public key as a COSE_Key."""
        if self.curve is None:
            return {1: 1, 3: EDDSA, -1: 6, -2: self.key}
        return {1: 2, 3: ES256, -1: 1, -2: self.key[1:], -3: p256_y(self.key).to_bytes(32, "big")}


class Maker:
    """Somebody who makes authenticators of one model and says so: a root, and a certificate of the model."""

    def __init__(self, name: str = "Example Maker", *, aaguid: bytes = AAGUID) -> None:
        self.aaguid = aaguid
        self._model = derive_private_key(_number(f"model of {name}"), SECP256R1())
        root = derive_private_key(_number(f"root of {name}"), SECP256R1())
        self.root = _certificate(name, "Root", root, root, name, ca=True, aaguid=None)
        self.leaf = _certificate(name, "Authenticator Attestation", self._model, root, name, ca=False, aaguid=aaguid)
        self.u2f_leaf = _certificate(name, "U2F", self._model, root, name, ca=None, aaguid=None)

    @property
    def root_digest(self) -> Digest:
        """What terms list."""
        return sha256_hex(self.root)

    def attest(self, message: bytes) -> dict[str, Any]:
        """The attestation statement, without the root, as makers leave it out."""
        signature = self._model.sign(message, ECDSA(SHA256(), deterministic_signing=True))
        return {"alg": ES256, "sig": signature, "x5c": [self.leaf]}

    def attest_u2f(self, place: bytes, name: bytes, key: PublicKey) -> dict[str, Any]:
        """The statement of an older security key: where (the relying party's and the client data's hashes), and which key."""
        point = b"\x04" + key[1:] + p256_y(key).to_bytes(32, "big")
        return {"sig": self.attest(b"\0" + place + name + point)["sig"], "x5c": [self.u2f_leaf]}


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big") >> 1


def _certificate(
    name: str, unit: str, key: EllipticCurvePrivateKey, issuer: EllipticCurvePrivateKey, by: str, *, ca: bool | None,
    aaguid: bytes | None,
) -> bytes:  # fmt: skip
    def named(who: str, part: str) -> x509.Name:
        parts = ((NameOID.COUNTRY_NAME, "CH"), (NameOID.ORGANIZATION_NAME, who),
                 (NameOID.ORGANIZATIONAL_UNIT_NAME, part), (NameOID.COMMON_NAME, f"{who} {part}"))  # fmt: skip
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])

    builder = (
        x509.CertificateBuilder().subject_name(named(name, unit)).issuer_name(named(by, "Root"))
        .public_key(key.public_key()).serial_number(_number(f"{name} {unit}") >> 100)
        .not_valid_before(_EPOCH).not_valid_after(_LATER)
    )  # fmt: skip
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if aaguid is not None:
        model = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4"), b"\x04\x10" + aaguid)
        builder = builder.add_extension(model, critical=False)
    return builder.sign(issuer, SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


class Passkey:
    """A passkey: registers and asserts. ``synced`` may be copied; ``maker`` attests it, ``None`` leaves it unattested.

    With ``format_`` "fido-u2f" the maker attests as for an older security key, which names no model: ``aaguid`` of zeros.

    ``counter`` rises with each signature; at 0 and ``counts`` false it stays there, as that of most passkeys does.
    """

    def __init__(
        self, seed: str = "passkey", *, algorithm: str = "ES256", maker: Maker | None = None, synced: bool = False,
        aaguid: bytes | None = None, rp_id: str = RP_ID, origin: str = ORIGIN, counts: bool = True,
    ) -> None:  # fmt: skip
        self._hand = _Hand(seed, algorithm)
        self.key = self._hand.key
        self.id = hashlib.sha256(b"credential id" + self.key).digest()[:20]
        self.maker = maker
        self.aaguid = aaguid if aaguid is not None else maker.aaguid if maker else bytes(16)
        self.synced = synced
        self.rp_id, self.origin = rp_id, origin
        self.counter = 0
        self._counts = counts

    def _data(self, rp_id: str, flags: int, more: bytes, counter: int | None) -> bytes:
        if counter is None:
            self.counter += self._counts
            counter = self.counter
        return hashlib.sha256(rp_id.encode()).digest() + bytes((flags,)) + counter.to_bytes(4, "big") + more

    def register(self, message: bytes, *, format_: str = "", **said: Any) -> tuple[bytes, bytes]:
        """Client data and attestation object for the challenge of ``message``."""
        client_data = client_data_of("webauthn.create", message, said.pop("origin", self.origin), **said)
        flags = PRESENT | VERIFIED | ATTESTED | (ELIGIBLE if self.synced else 0)
        credential = self.aaguid + len(self.id).to_bytes(2, "big") + self.id + encode_cbor(self._hand.cose())
        data = self._data(self.rp_id, flags, credential, None)
        signed = data + hashlib.sha256(client_data).digest()
        statement: dict[str, Any] = {}
        if format_ == "fido-u2f" and self.maker is not None:
            statement = self.maker.attest_u2f(data[:32] + hashlib.sha256(client_data).digest(), self.id, self.key)
        elif format_ != "none" and self.maker is not None:
            statement = self.maker.attest(signed)
        elif format_ == "packed":
            statement = {"alg": ES256 if len(self.key) == 33 else EDDSA, "sig": self._hand.sign(signed)}
        kind = format_ if format_ == "fido-u2f" else "packed"
        object_ = {"fmt": kind if statement else "none", "attStmt": statement, "authData": data}
        return client_data, encode_cbor(object_)

    def get(
        self, message: bytes, *, ceremony: str = "webauthn.get", origin: str = "", rp_id: str = "",
        flags: int | None = None, counter: int | None = None, more: bytes = b"", **said: Any,
    ) -> WebauthnAssertion:  # fmt: skip
        """An assertion over the challenge of ``message``; everything that it says can be said otherwise."""
        client_data = client_data_of(ceremony, message, origin or self.origin, **said)
        if flags is None:
            flags = PRESENT | VERIFIED | (ELIGIBLE if self.synced else 0)
        data = self._data(rp_id or self.rp_id, flags, more, counter)
        signature = self._hand.sign(data + hashlib.sha256(client_data).digest())
        return WebauthnAssertion("webauthn", self.key, data, client_data, signature)

    def enrol(
        self, accord: Digest, party: Party, reviewer: str, *, same_host: bool = False, format_: str = ""
    ) -> Credential:  # fmt: skip
        """The credential as the party's root keys enrol it."""
        message = enrolment_binding(accord, party, "webauthn", reviewer, self.rp_id, self.origin)
        client_data, attestation = self.register(message, format_=format_)
        chain = (self.maker.root,) if self.maker is not None and format_ != "none" else None
        return Credential(
            "webauthn", reviewer, self.key, self.rp_id, same_host, self.get(message), self.origin, self.id, client_data,
            attestation, chain,
        )  # fmt: skip


def client_data_of(ceremony: str, message: bytes, origin: str, **said: Any) -> bytes:
    """Client data as a browser writes it, with further members or other ones."""
    value = {"type": ceremony, "challenge": challenge_text(message), "origin": origin, "crossOrigin": False}
    return encode_json(value | said)


class TerminalKey:
    """A FIDO security key for a terminal: signs as ``ssh-keygen -Y sign`` does with one."""

    def __init__(self, seed: str = "terminal", *, algorithm: str = "EdDSA", application: str = "ssh:") -> None:
        self._hand = _Hand(f"ssh {seed}", algorithm)
        self.key = self._hand.key
        self.application = application
        self.counter = 0

    @property
    def public_line(self) -> str:
        """The line of the ``.pub`` file."""
        from detente.statement.fields import encode_base64

        kind = SK_ECDSA if len(self.key) == 33 else SK_ED25519
        return f"{kind.decode()} {encode_base64(key_blob(SecurityKey(self.key, self.application)))} test"

    def sign(
        self, message: bytes, namespace: str, *, flags: int = PRESENT | VERIFIED, counter: int | None = None,
        algorithm: bytes = b"sha512",
    ) -> SshAssertion:  # fmt: skip
        """A signature in the format SSHSIG."""
        if counter is None:
            self.counter += 1
            counter = self.counter
        said = bytes((flags,)) + counter.to_bytes(4, "big")
        wrapped = signed_data(message, namespace, algorithm)
        signature = self._hand.sign(
            hashlib.sha256(self.application.encode()).digest() + said + hashlib.sha256(wrapped).digest()
        )
        if len(self.key) == 33:
            signature = b"".join(put(_positive(number)) for number in decode_dss_signature(signature))
        kind = SK_ECDSA if len(self.key) == 33 else SK_ED25519
        blob = MAGIC + (1).to_bytes(4, "big") + put(key_blob(SecurityKey(self.key, self.application)))
        blob += put(namespace.encode()) + put(b"") + put(algorithm) + put(put(kind) + put(signature) + said)
        return SshAssertion("ssh-sk", self.key, blob)

    def enrol(self, accord: Digest, party: Party, reviewer: str, *, same_host: bool = False) -> Credential:
        """The credential as the party's root keys enrol it."""
        message = enrolment_binding(accord, party, "ssh-sk", reviewer, self.application, None)
        return Credential("ssh-sk", reviewer, self.key, self.application, same_host, self.sign(message, NAMESPACE))


def _positive(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")
