"""Credentials of reviewers: passkeys and security keys, as an organisation's root keys enrol them.

Decides that whoever holds a credential agreed to be enrolled as this reviewer of this party, and what its registration says
of the authenticator. Leaves out whether it is in force and what it is worth (``accord``).

- The credential itself signs its enrolment, on the page or in the terminal where it will decide: so nobody enrols somebody
  else's, and what cannot verify its user is found before it is relied on.
- A passkey's registration is kept whole, so that its attestation can be checked from the log alone, for ever.
- ``same_host`` says whether agents of a guarded party can write the host that serves the page. The root keys say it.

Rules S27, S31 to S37, B08, B09, K02 to K04; ``spec/statement.md`` §5.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, PublicKey, check_authenticator_key, show_key
from detente.statement.assertion import (
    AUTHENTICATOR_KEY,
    CERTIFICATE_MAX,
    CLIENT_DATA_MAX,
    DEVICE_ASSERTION,
    DeviceAssertion,
    SshAssertion,
    WebauthnAssertion,
)
from detente.statement.cbor import SIZE_MAX
from detente.statement.fields import (
    FLAG,
    NAME,
    Record,
    choice,
    contradiction,
    listing,
    octets,
    optional,
    text,
)
from detente.statement.sshsig import verify_sshsig
from detente.statement.webauthn import (
    CREDENTIAL_ID_MAX,
    Expected,
    check_authenticator,
    verify_client_data,
    verify_webauthn,
)

CredentialType = Literal["webauthn", "ssh-sk"]
DOMAIN: Final = b"detente-enrol/v2"
NAMESPACE: Final = "detente-enrol"
"""Of the signature by which a security key agrees to its enrolment."""
CREDENTIALS_MAX: Final = 8
"""In one statement: each costs some 5 ms to check, and an envelope holds about as many with their attestations."""
_ORIGIN = re.compile(r"(https://|http://)([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::[1-9][0-9]{0,4})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credential:
    """One passkey (``webauthn``) or security key for a terminal (``ssh-sk``) of one reviewer.

    ``rp_id`` is the relying party, or the application of a security key (``ssh:``). The members from ``origin`` on are a
    passkey's alone: ``chain`` are certificates that its attestation leaves out, the root last.
    """

    type: CredentialType
    reviewer: str
    key: PublicKey
    rp_id: str
    same_host: bool
    proof: DeviceAssertion
    origin: str | None = None
    credential_id: bytes | None = None
    client_data: bytes | None = None
    attestation: bytes | None = None
    chain: tuple[bytes, ...] | None = None


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """A credential whose proof and registration were checked. Only ``verify_credential`` makes one in earnest.

    ``synced``: it may be copied to other devices (of a security key nobody says). ``aaguid``: the model of the authenticator
    by its own word, None for a security key. ``roots``: digests of the certificates that its attestation is signed up to.
    """

    credential: Credential
    synced: bool
    aaguid: bytes | None
    roots: tuple[Digest, ...]


def _check(body: Credential) -> None:
    if body.proof.type != body.type or body.proof.key != body.key:
        raise contradiction("proof", f"{body.proof.type} by {show_key(body.proof.key)}", "one by the credential itself")
    of_passkey = (body.origin, body.credential_id, body.client_data, body.attestation)
    if body.type == "ssh-sk":
        if any(each is not None for each in (*of_passkey, body.chain)):
            raise contradiction("type", "ssh-sk with a member of a passkey", "none")
        if not body.rp_id.startswith("ssh:"):
            raise contradiction("rp_id", shown(body.rp_id), "an application that begins with ssh:")
        return
    if any(each is None for each in of_passkey):
        raise contradiction("type", "webauthn", "origin, credential_id, client_data and attestation with it")
    check_place(body.rp_id, body.origin or "")


def check_place(rp_id: str, origin: str) -> None:
    """Refuse (S27) an origin that is not of the relying party, or one without TLS elsewhere than on the same machine.

    >>> check_place("example.org", "https://brake.example.org:8443")
    >>> check_place("localhost", "http://localhost:8700")
    """
    match = _ORIGIN.match(origin)
    if match is None or (match[1] == "http://" and match[2] != "localhost"):
        raise contradiction(
            "origin", shown(origin), "https://HOST or http://localhost, with a port or without, no path"
        )
    if match[2] != rp_id and not match[2].endswith(f".{rp_id}"):
        raise contradiction("rp_id", shown(rp_id), f"the host of {origin}, or a domain that it is in")


CREDENTIAL: Final = Record(
    Credential,
    check=_check,
    type=choice(("webauthn", "ssh-sk")),
    reviewer=NAME,
    key=AUTHENTICATOR_KEY,
    rp_id=text(253),
    same_host=FLAG,
    proof=DEVICE_ASSERTION,
    origin=optional(text(300)),
    credential_id=optional(octets(1, CREDENTIAL_ID_MAX)),
    client_data=optional(octets(1, CLIENT_DATA_MAX)),
    attestation=optional(octets(1, SIZE_MAX)),
    chain=optional(listing(octets(1, CERTIFICATE_MAX), 1, 4, distinct=True)),
)


def enrolment_binding(
    accord: Digest, party: Party, type_: CredentialType, reviewer: str, rp_id: str, origin: str | None
) -> bytes:  # fmt: skip
    """What a credential signs to be enrolled: seven parts, each after its length as eight bytes, big-endian.

    Whose it becomes, and where it will decide. A passkey's registration has the same challenge, in another ceremony.
    """
    parts = (DOMAIN, accord.encode(), party.encode(), type_.encode(), reviewer.encode(), rp_id.encode(),
             (origin or "").encode())  # fmt: skip
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def verify_credential(credential: Credential, *, accord: Digest, party: Party) -> VerifiedCredential:
    """The whole gate, some 5 ms; raises ``Refused``.

    1. The key is a canonical point, Ed25519's of prime order: B08, B09.
    2. The credential signed its enrolment as this reviewer of this party in this accord, with its user verified: K02.
    3. A passkey's registration is one of this credential, for the same: S32 to S37, K02; its attestation holds: K03, K04.
    """
    check_authenticator_key(credential.key)  # 1
    message = enrolment_binding(
        accord, party, credential.type, credential.reviewer, credential.rp_id, credential.origin
    )
    try:
        said = verify_device(credential, credential.proof, message, NAMESPACE)  # 2
    except Refused as refused:
        raise Refused(
            "K02",
            "bad-signature",
            got=f"a proof by {show_key(credential.key)} that is refused: {refused}",
            expected=f"its signature over its enrolment as {party}'s reviewer {credential.reviewer}",
            todo="let the holder of the authenticator register it again",
        ) from None
    if isinstance(credential.proof, SshAssertion):
        return VerifiedCredential(credential, synced=False, aaguid=None, roots=())
    return _registered(credential, message, synced=said)  # 3


def _registered(credential: Credential, message: bytes, *, synced: bool) -> VerifiedCredential:
    from detente.statement.attestation import verify_attestation  # X.509 is for enrolments, which are rare

    expected = Expected(credential.rp_id, credential.origin or "")
    client_data = credential.client_data or b""
    verify_client_data(client_data, "webauthn.create", message, expected)
    found = verify_attestation(credential.attestation or b"", client_data, credential.chain or ())
    check_authenticator(found.said, expected)
    if (found.credential.key, found.credential.id) != (credential.key, credential.credential_id):
        raise Refused(
            "K02", "bad-signature", got="a registration of another credential", expected=show_key(credential.key)
        )
    if found.said.synced != synced:
        raise Refused(
            "S37", "inconsistent", got="a credential that may be backed up now, or no more", expected="as registered"
        )
    return VerifiedCredential(credential, synced, found.credential.aaguid, found.roots)


def verify_device(credential: Credential, assertion: Any, message: bytes, namespace: str) -> bool:
    """Refuse unless the credential made the assertion over this message; returns whether it says it may be backed up.

    Raises ``Refused`` S31 to S37, and S38 for an assertion of another type or key than the credential's.
    """
    if assertion.type != credential.type or assertion.key != credential.key:
        raise Refused(
            "S38",
            "unknown-key",
            got=f"a {assertion.type} assertion by {show_key(assertion.key)}",
            expected=f"{credential.type} by {show_key(credential.key)}",
        )
    if isinstance(assertion, WebauthnAssertion):
        expected = Expected(credential.rp_id, credential.origin or "")
        return verify_webauthn(assertion, message, expected).synced
    verify_sshsig(assertion, message, namespace, credential.rp_id)
    return False
