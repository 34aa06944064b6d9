"""Passkeys of a page: what a browser is asked to make, and the file that it gives to the holder of the root keys.

Decides what the page asks ``navigator.credentials`` for, and what a *registration file* says. Leaves out enrolling it, which
takes the organisation's root keys (``app.reviewing``), and what it is worth (``accord``).

- Two touches: one registers (``create``), one proves on the same page that the authenticator verifies its user (``get``). Both
  are over one challenge, the SHA-256 of what the credential agrees to: this accord, party, reviewer, relying party and origin.
- Nothing is kept: whoever has the file knows nothing that helps, and only a statement of the root keys makes it count.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from detente.accord.fold import AccordState
from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant
from detente.base.strict_json import parse_json
from detente.statement.assertion import (
    AUTHENTICATOR_DATA_MAX,
    CERTIFICATE_MAX,
    CHAIN_MAX,
    CLIENT_DATA_MAX,
    SIGNATURE_MAX,
    WebauthnAssertion,
)
from detente.statement.cbor import SIZE_MAX
from detente.statement.credential import Credential, check_place, enrolment_binding
from detente.statement.fields import NAME, PARTY, Codec, Record, choice, record_codec, text
from detente.statement.webauthn import CREDENTIAL_ID_MAX, EDDSA, ES256, challenge_text

FILE_MAX: Final = 65_535
"""Bytes of a registration file: some 6 kB with an attestation."""
TIMEOUT_MS: Final = 300_000
"""How long a browser waits for its user; nothing lapses here."""


def web_bytes(data: bytes) -> str:
    """Base64url without padding, as browsers have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def web_octets(least: int, most: int) -> Codec[bytes]:
    """``least`` to ``most`` bytes in base64url or base64, padded or not; raises ``Refused`` S21, S23, S25."""

    def decode(value: Any) -> bytes:
        if type(value) is not str:
            raise Refused("S21", "wrong-type", got=shown(value), expected="base64url text")
        if len(value) > most * 4 // 3 + 4:
            raise Refused("S25", "oversized", got=f"{len(value)} characters", expected=f"at most {most} bytes")
        plain = value.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            data = binascii.a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
        except (binascii.Error, ValueError):
            raise Refused("S23", "malformed", got=shown(value), expected="base64url") from None
        if not least <= len(data) <= most:
            raise Refused("S25", "oversized", got=f"{len(data)} bytes", expected=f"{least} to {most} bytes")
        return data

    return Codec(decode, web_bytes)


@dataclass(frozen=True, slots=True)
class Asserted:
    """The three members of a browser's assertion."""

    authenticator_data: bytes
    client_data: bytes
    signature: bytes

    def by(self, key: PublicKey) -> WebauthnAssertion:
        """The assertion as a statement has it."""
        return WebauthnAssertion("webauthn", key, self.authenticator_data, self.client_data, self.signature)


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration file: who registered, where, and what browser and authenticator said."""

    type: str
    organisation: Party
    reviewer: str
    rp_id: str
    origin: str
    credential_id: bytes
    client_data: bytes
    attestation: bytes
    proof: Asserted

    def credential(self, *, same_host: bool, chain: tuple[bytes, ...] = ()) -> Credential:
        """What root keys enrol; raises ``Refused`` S27, S32, K03, K04."""
        from detente.statement.attestation import verify_attestation  # as in ``statement.credential``

        check_place(self.rp_id, self.origin)
        found = verify_attestation(self.attestation, self.client_data, chain)
        key = found.credential.key
        return Credential(
            "webauthn", self.reviewer, key, self.rp_id, same_host, self.proof.by(key), self.origin, self.credential_id,
            self.client_data, self.attestation, chain or None,
        )  # fmt: skip


AUTHENTICATOR_DATA: Final = web_octets(37, AUTHENTICATOR_DATA_MAX)
CLIENT_DATA: Final = web_octets(1, CLIENT_DATA_MAX)
SIGNATURE: Final = web_octets(1, SIGNATURE_MAX)
CREDENTIAL_ID: Final = web_octets(1, CREDENTIAL_ID_MAX)
_ASSERTED: Final = Record(Asserted, authenticator_data=AUTHENTICATOR_DATA, client_data=CLIENT_DATA, signature=SIGNATURE)
_REGISTRATION: Final = Record(
    Registration,
    type=choice(("webauthn",)),
    organisation=PARTY,
    reviewer=NAME,
    rp_id=text(253),
    origin=text(300),
    credential_id=CREDENTIAL_ID,
    client_data=CLIENT_DATA,
    attestation=web_octets(1, SIZE_MAX),
    proof=record_codec(_ASSERTED),
)


def read_registration(data: bytes) -> Registration:
    """A registration file; raises ``Refused`` B10 to B14, S20 to S25."""
    return _REGISTRATION.decode(parse_json(data, limit=FILE_MAX))


def encode_registration(registration: Registration) -> dict[str, Any]:
    """The JSON that ``read_registration`` reads."""
    return _REGISTRATION.encode(registration)


def read_certificates(data: bytes) -> tuple[bytes, ...]:
    """Certificates in DER out of a file, PEM or DER, in its order; raises ``Refused`` S32."""
    if b"-----BEGIN CERTIFICATE-----" not in data:
        return (data,)
    parts = [part.split(b"-----END CERTIFICATE-----")[0] for part in data.split(b"-----BEGIN CERTIFICATE-----")[1:]]
    try:
        found = tuple(base64.b64decode(b"".join(part.split()), validate=True) for part in parts)
    except (binascii.Error, ValueError):
        found = ()
    if not 0 < len(found) <= CHAIN_MAX or any(len(each) > CERTIFICATE_MAX for each in found):
        raise Refused("S32", "malformed", got=f"{len(parts)} certificates", expected=f"1 to {CHAIN_MAX} in PEM or DER")
    return found


def registration_options(
    state: AccordState, at: Instant, *, organisation: Party, reviewer: str, rp_id: str, origin: str
) -> dict[str, Any]:
    """What the page needs: ``public_key`` for ``navigator.credentials.create``, ``proof`` for ``get`` after it.

    Both are in the JSON of the WebAuthn standard (§5.1.8, §5.1.9 of Level 3). A reviewer that nobody enrolled yet may register.
    """
    binding = enrolment_binding(Digest(state.accord), organisation, "webauthn", reviewer, rp_id, origin)
    known = [
        known.credential.credential_id
        for party, known in state.book.credentials.at(at)
        if (party, known.credential.reviewer) == (organisation, reviewer) and known.credential.credential_id
    ]
    handle = hashlib.sha256(f"{state.accord}\n{organisation}\n{reviewer}".encode()).digest()
    name = f"{reviewer} of {organisation}"
    return {
        "type": "webauthn",
        "organisation": organisation,
        "reviewer": reviewer,
        "rp_id": rp_id,
        "origin": origin,
        "public_key": {
            "rp": {"id": rp_id, "name": f"Détente: {state.founding.accord}"},
            "user": {"id": web_bytes(handle), "name": name, "displayName": name},
            "challenge": challenge_text(binding),
            "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in (ES256, EDDSA)],
            "authenticatorSelection": {"userVerification": "required", "residentKey": "discouraged"},
            "attestation": "direct",
            "excludeCredentials": [{"type": "public-key", "id": web_bytes(each)} for each in known],
            "timeout": TIMEOUT_MS,
        },
        "proof": {
            "rpId": rp_id,
            "challenge": challenge_text(binding),
            "userVerification": "required",
            "timeout": TIMEOUT_MS,
        },
    }
