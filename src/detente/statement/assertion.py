"""What a reviewer's authenticator says: the three types of assertion, as they stand in statements.

Decides their members. Leaves out whether one verifies: ``webauthn`` and ``sshsig`` check the signature of their kind, over
what ``approval`` or ``credential`` says was to be signed.

- ``software``: an Ed25519 key held in software. It proves that somebody with the key decided, not that a human looked.
- ``webauthn``: a passkey or security key in a browser, which verified its user.
- ``ssh-sk``: a FIDO security key in a terminal (``ssh-keygen -Y sign``), which verified its user.

Other types are refused by name (S30) until a version can verify them: what nobody can check must not look like an
approval. ``spec/statement.md`` §8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from detente.base.errors import Misuse, Refused, shown
from detente.base.identity import PublicKey, parse_authenticator_key, show_key
from detente.statement.fields import KEY, Codec, Record, choice, octets

CLIENT_DATA_MAX: Final = 2_048
"""Bytes: a browser's client data has some 150, and an origin at most 255."""
AUTHENTICATOR_DATA_MAX: Final = 1_024
"""Bytes in an assertion: 37 and what extensions add."""
SIGNATURE_MAX: Final = 128
"""Bytes: 64, or 72 in DER."""
CHAIN_MAX: Final = 8
CERTIFICATE_MAX: Final = 4_096
"""Certificates of an attestation, and bytes of each: makers' chains have two or three, of 1 kB."""
SSHSIG_MAX: Final = 1_024
"""Bytes: some 250, with the application's name twice in them at most."""

AUTHENTICATOR_KEY: Final[Codec[PublicKey]] = Codec(parse_authenticator_key, show_key)


@dataclass(frozen=True, slots=True)
class SoftwareAssertion:
    """An Ed25519 signature by a key held in software."""

    type: Literal["software"]
    key: PublicKey
    signature: bytes


@dataclass(frozen=True, slots=True)
class WebauthnAssertion:
    """A WebAuthn assertion: the exact bytes that the browser gave. ``key`` is the credential's public key."""

    type: Literal["webauthn"]
    key: PublicKey
    authenticator_data: bytes
    client_data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SshAssertion:
    """An SSHSIG of a FIDO security key; ``signature`` is the binary form of what ``ssh-keygen -Y sign`` writes."""

    type: Literal["ssh-sk"]
    key: PublicKey
    signature: bytes


DeviceAssertion: TypeAlias = WebauthnAssertion | SshAssertion
Assertion: TypeAlias = SoftwareAssertion | WebauthnAssertion | SshAssertion


def counter_of(assertion: Assertion | None) -> int:
    """The counter of an authenticator that was checked, which rises with each of its signatures; 0 where it has none."""
    if isinstance(assertion, WebauthnAssertion):
        return int.from_bytes(assertion.authenticator_data[33:37], "big")
    return int.from_bytes(assertion.signature[-4:], "big") if isinstance(assertion, SshAssertion) else 0


_RECORDS: Final[Mapping[str, Record[Any]]] = {
    "software": Record(SoftwareAssertion, type=choice(("software",)), key=KEY, signature=octets(64, 64)),
    "webauthn": Record(
        WebauthnAssertion,
        type=choice(("webauthn",)),
        key=AUTHENTICATOR_KEY,
        authenticator_data=octets(37, AUTHENTICATOR_DATA_MAX),
        client_data=octets(1, CLIENT_DATA_MAX),
        signature=octets(1, SIGNATURE_MAX),
    ),
    "ssh-sk": Record(SshAssertion, type=choice(("ssh-sk",)), key=AUTHENTICATOR_KEY, signature=octets(1, SSHSIG_MAX)),
}


def _decode(value: Any) -> Assertion:
    kind = value.get("type") if type(value) is dict else None
    if type(kind) is str and kind not in _RECORDS:
        raise Refused(
            "S30",
            "wrong-type",
            got=f"an assertion of type {shown(kind)}",
            expected="one of " + " | ".join(_RECORDS),
            todo="this version cannot verify other authenticators",
        )
    found: Assertion = _RECORDS[kind if type(kind) is str else "software"].decode(value)
    return found


def _decode_device(value: Any) -> DeviceAssertion:
    found = _decode(value)
    if isinstance(found, SoftwareAssertion):
        raise Refused("S30", "wrong-type", got="an assertion of type 'software'", expected="one by an authenticator")
    return found


def _encode(value: Assertion | None) -> Any:
    if value is None:
        raise Misuse("an approval is signed before it is stated")
    return _RECORDS[value.type].encode(value)


ASSERTION: Final[Codec[Any]] = Codec(_decode, _encode)
DEVICE_ASSERTION: Final[Codec[Any]] = Codec(_decode_device, _encode)
