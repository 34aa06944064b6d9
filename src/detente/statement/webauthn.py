"""WebAuthn: what a browser and an authenticator said about one signature, and whether it is the one that was asked for.

Decides that an assertion was made for exactly this challenge, on this origin, for this relying party, by an authenticator
that had its user present and verified. Leaves out which key is whose (``credential``, ``accord``) and attestation
(``attestation``). Everything is checked from bytes that the statement carries, so anybody can check it for ever.

Rules S31 to S37; ``spec/statement.md`` §8.2. Source: W3C Web Authentication Level 3, §5.8.1, §6.1, §6.5.1, §7.1 and §7.2.

>>> challenge_text(b"what is decided")
'hH-ywzoFEKi09gbYOS_ayGWf5lezIGt-D5m21DL_T30'
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, TypeGuard

from detente.base.errors import Refused, shown
from detente.base.identity import PublicKey, check_authenticator_key, p256_y, show_key
from detente.base.strict_json import parse_json
from detente.statement.assertion import CLIENT_DATA_MAX, WebauthnAssertion
from detente.statement.cbor import decode_first
from detente.statement.signing import verify_authenticator

Ceremony = Literal["webauthn.create", "webauthn.get"]

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
"""Bits of the flags: user present, user verified, may be backed up, is backed up, credential included, extensions included."""
CREDENTIAL_ID_MAX: Final = 1_023
ES256, EDDSA = -7, -8


@dataclass(frozen=True, slots=True)
class Expected:
    """Where a signature must have been made: the relying party and the origin as they were enrolled."""

    rp_id: str
    origin: str


@dataclass(frozen=True, slots=True)
class AttestedCredential:
    """What authenticator data says of the credential it was made for; ``aaguid`` names the model of the authenticator."""

    aaguid: bytes
    id: bytes
    key: PublicKey


@dataclass(frozen=True, slots=True)
class AuthenticatorData:
    """The authenticator's own words: for which relying party, with which flags, and its counter, 0 where it has none."""

    rp_id_hash: bytes
    flags: int
    counter: int
    credential: AttestedCredential | None

    @property
    def synced(self) -> bool:
        """May the credential be copied to other devices?"""
        return bool(self.flags & ELIGIBLE)


def challenge_of(message: bytes) -> bytes:
    """The challenge that stands for a message: its SHA-256."""
    return hashlib.sha256(message).digest()


def challenge_text(message: bytes) -> str:
    """The challenge as client data spells it: base64url without padding."""
    return base64.urlsafe_b64encode(challenge_of(message)).rstrip(b"=").decode("ascii")


def verify_client_data(data: bytes, ceremony: Ceremony, message: bytes, expected: Expected) -> None:
    """What the browser said, against what was asked for. Members that are not named here are free, as §5.8.1.2 has it.

    1. It is one JSON object with each member once: S32. Members of the types of this ceremony: S32.
    2. It is of this ceremony: S33.
    3. Its challenge is that of the message: S34.
    4. Its origin is the one enrolled, and no other site framed the page: S35.
    """
    said = _client_data(data)  # 1
    if said["type"] != ceremony:  # 2
        raise Refused("S33", "wrong-type", got=f"client data for {shown(said['type'])}", expected=ceremony)
    if said["challenge"] != challenge_text(message):  # 3
        raise Refused(
            "S34",
            "replayed",
            got=f"the challenge {shown(said['challenge'])}",
            expected=challenge_text(message),
            todo="an assertion is good for one decision in one statement: ask for a new one",
        )
    if said["origin"] != expected.origin or said.get("crossOrigin", False) is not False or "topOrigin" in said:  # 4
        framed = " within another site's page" if said.get("crossOrigin") or "topOrigin" in said else ""
        raise Refused("S35", "out-of-scope", got=f"{shown(said['origin'])}{framed}", expected=expected.origin)


def _client_data(data: bytes) -> Mapping[str, Any]:
    try:
        said = parse_json(data, limit=CLIENT_DATA_MAX)
    except Refused as refused:
        _malformed(refused.got, "client data: one JSON object")
    if type(said) is not dict or any(type(said.get(name)) is not str for name in ("type", "challenge", "origin")):
        _malformed(shown(said), "client data with type, challenge and origin")
    return said


def parse_authenticator_data(data: bytes, *, registering: bool) -> AuthenticatorData:
    """Take authenticator data apart; raises ``Refused`` S32, also for bytes that follow it, and B08 or B09 for a weak key.

    A registration has the credential in it, and an assertion has not.
    """
    if len(data) < 37:
        _malformed(f"{len(data)} bytes", "at least 37 bytes of authenticator data")
    flags, at, credential = data[32], 37, None
    if bool(flags & ATTESTED) != registering:
        _malformed(f"flags {flags:#04x}", f"{'a' if registering else 'no'} credential in the authenticator data")
    if registering:
        credential, at = _credential(data, at)
    if flags & EXTENDED:
        extensions, at = decode_first(data, at)
        if type(extensions) is not dict:
            _malformed("extensions that are no map", "a map")
    if at != len(data):
        _malformed(f"{len(data) - at} bytes after the authenticator data", "none")
    return AuthenticatorData(data[:32], flags, int.from_bytes(data[33:37], "big"), credential)


def _credential(data: bytes, at: int) -> tuple[AttestedCredential, int]:
    size = int.from_bytes(data[at + 16 : at + 18], "big")
    name = data[at + 18 : at + 18 + size]
    if len(data) < at + 18 or len(name) != size or not 0 < size <= CREDENTIAL_ID_MAX:
        _malformed(f"a credential id of {size} bytes", f"1 to {CREDENTIAL_ID_MAX}, all there")
    key, end = decode_first(data, at + 18 + size)
    return AttestedCredential(data[at : at + 16], name, key_of_cose(key)), end


def key_of_cose(value: Any) -> PublicKey:
    """The key of a COSE_Key for ES256 on P-256 or EdDSA with Ed25519; raises ``Refused`` S32, B08, B09."""
    if type(value) is not dict:
        _malformed(shown(value), "a COSE key")
    x, y = value.get(-2), value.get(-3)
    if value == {1: 2, 3: ES256, -1: 1, -2: x, -3: y} and _is_field(x) and _is_field(y):
        return point_of(x, y)
    if value == {1: 1, 3: EDDSA, -1: 6, -2: x} and _is_field(x):
        return check_authenticator_key(PublicKey(x))
    return _malformed(shown(value), "a COSE key for ES256 on P-256, or EdDSA with Ed25519")


def point_of(x: bytes, y: bytes) -> PublicKey:
    """The compressed key of a point of P-256; raises ``Refused`` B08 for one off the curve."""
    key = PublicKey(bytes((2 + (y[-1] & 1),)) + x)
    if p256_y(key) != int.from_bytes(y, "big"):
        raise Refused("B08", "weak-key", got=key.hex(), expected="a point of P-256")
    return key


def _is_field(value: Any) -> TypeGuard[bytes]:
    return type(value) is bytes and len(value) == 32


def check_authenticator(said: AuthenticatorData, expected: Expected) -> None:
    """Whose page, and was a person there.

    1. It is for the relying party: S35.
    2. The user was present, and the authenticator verified them: S36.
    3. Nothing is backed up that cannot be: S37.
    """
    if said.rp_id_hash != hashlib.sha256(expected.rp_id.encode()).digest():  # 1
        raise Refused("S35", "out-of-scope", got="another relying party's", expected=f"one for {expected.rp_id}")
    check_person(said.flags)  # 2
    if said.flags & BACKED_UP and not said.flags & ELIGIBLE:  # 3
        raise Refused("S37", "inconsistent", got="backed up, and not eligible for it", expected="flags that agree")


def check_person(flags: int) -> None:
    """Refuse (S36) flags without user presence and user verification; FIDO's bits are the same in browser and terminal."""
    for bit, word in ((PRESENT, "present"), (VERIFIED, "verified")):
        if not flags & bit:
            raise Refused(
                "S36",
                "held",
                got=f"a user who was not {word}",
                expected="user presence and user verification",
                todo="use an authenticator with a PIN or a fingerprint, and ask for it",
            )


def verify_webauthn(assertion: WebauthnAssertion, message: bytes, expected: Expected) -> AuthenticatorData:
    """Refuse unless the assertion was made for exactly this message, there, by its key; returns what it says of itself.

    1. The browser's words: S32 to S35, see ``verify_client_data``.
    2. The authenticator's: S32, S35 to S37, see ``check_authenticator``.
    3. Its key signed both: S31.
    """
    verify_client_data(assertion.client_data, "webauthn.get", message, expected)  # 1
    said = parse_authenticator_data(assertion.authenticator_data, registering=False)
    check_authenticator(said, expected)  # 2
    signed = assertion.authenticator_data + hashlib.sha256(assertion.client_data).digest()
    try:
        verify_authenticator(assertion.key, signed, assertion.signature)  # 3
    except Refused:
        raise Refused(
            "S31",
            "bad-signature",
            got=f"an assertion that does not verify under {show_key(assertion.key)}",
            expected="the authenticator's signature over it",
        ) from None
    return said


def _malformed(got: str, expected: str) -> NoReturn:
    raise Refused("S32", "malformed", got=got, expected=expected)
