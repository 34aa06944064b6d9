"""Reviewers of a home: whose key decides, and how the root key enrols or revokes it.

Decides which of the organisations of a home a reviewer speaks for, and words the ``keys`` statement that makes a key a
reviewer's. Leaves out whether an approval counts (``accord``) and what it says (``app.holding``).

- A reviewer is known by a pseudonym, which the root key binds to the reviewer's key and which the key itself signs. Passkeys and
  security keys are enrolled alike, as credentials; the root keys also say whether agents can write the host of their page.
- Where the threshold takes several root keys that lie apart, the statement travels as a file: each holder reads what it
  says and adds a signature, and whoever has it last files it. Several signatures, one envelope.
- An enrolment is in force once it is witnessed; until then the node refuses the reviewer's decisions (N45).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.adapters.clock import SystemClock
from detente.adapters.keys import make_key, read_key
from detente.app.door import Door
from detente.app.pausing import note_on
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Misuse
from detente.base.identity import Party, PublicKey, parse_authenticator_key, parse_party, show_key
from detente.statement.credential import Credential, verify_credential
from detente.statement.envelope import (
    add_signatures,
    encode_envelope,
    parse_envelope,
    sign_payload,
    signers_of,
    statement_id,
)
from detente.statement.keys import Enrolment, KeyRotation, prove_possession
from detente.statement.statement import Header, make_payload, parse_statement

REVIEWER = "reviewer-1"
"""The pseudonym of the one reviewer whose key ``init`` makes."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What was filed: the ``keys`` statement, and which key of which reviewer it enrols, or revokes."""

    statement: Digest
    party: Party
    reviewer: str
    key: PublicKey
    revoked: bool
    witnessed: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "statement": self.statement,
            "organisation": self.party,
            "reviewer": self.reviewer,
            "key": show_key(self.key),
            "revoked": self.revoked,
            "witnessed": self.witnessed,
        }


def organisation_of(door: Door, party: str | None) -> Party:
    """The organisation whose reviewer decides: as given, else the one of this home that has a reviewer's key."""
    if party is not None:
        return parse_party(party)
    config = door.config
    with_key = [each for each in (config.party, *config.parties) if config.has_key("reviewer", each)]
    return with_key[0] if len(with_key) == 1 else config.party


@dataclass(frozen=True, slots=True)
class Draft:
    """A ``keys`` statement about one reviewer's key that nobody has filed: its envelope, with the signatures so far."""

    envelope: bytes
    statement: Digest
    party: Party
    reviewer: str | None
    """None where it only revokes: the statement names keys, and whose they are stands in the log."""
    keys: tuple[PublicKey, ...]
    revokes: bool
    signed: tuple[PublicKey, ...]
    credential: Credential | None = None

    def as_json(self) -> dict[str, Any]:
        said = None
        if self.credential is not None:
            each = self.credential
            said = {"type": each.type, "rp_id": each.rp_id, "origin": each.origin, "same_host": each.same_host}
        return {
            "statement": self.statement,
            "organisation": self.party,
            "reviewer": self.reviewer,
            "keys": [show_key(key) for key in self.keys],
            "revokes": self.revokes,
            "signed": [show_key(key) for key in self.signed],
            "credential": said,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What the root keys are to say: enrol a software key, or a passkey or security key, or revoke keys of a reviewer.

    Exactly one of ``key_path`` (None: the home's), ``credential`` and ``revoke``. ``only`` narrows what is revoked to keys whose
    spelling begins so.
    """

    reviewer: str
    key_path: Path | None = None
    credential: Credential | None = None
    revoke: bool = False
    only: str = ""


async def enrol_reviewer(
    door: Door,
    *,
    party: Party,
    reviewer: str,
    key_path: Path | None = None,
    credential: Credential | None = None,
    revoke: bool = False,
    only: str = "",
) -> Enrolled:
    """As ``enrol_change``, from its parts."""
    return await enrol_change(door, party=party, change=Change(reviewer, key_path, credential, revoke, only))


async def enrol_change(door: Door, *, party: Party, change: Change) -> Enrolled:
    """File a ``keys`` statement of the party's root key that enrols what a reviewer decides with, or revokes it.

    A software key that is not there is made. Raises ``Misuse`` where the root key is not in this home, or is not enough.
    """
    _check_party(door, party)
    if (threshold := door.terms.keys[party].root.threshold) > 1:
        raise Misuse(
            f"{party} speaks by {threshold} root keys: write the statement with --draft FILE, let the holder of each root "
            "key sign it with --sign FILE, and file it with --submit FILE"
        )
    draft = await draft_enrolment(door, party=party, change=change)
    receipt = await door.submit(draft.envelope)
    return Enrolled(draft.statement, party, change.reviewer, draft.keys[0], change.revoke, receipt.witnessed)


async def draft_enrolment(door: Door, *, party: Party, change: Change, roots: Sequence[Path] = ()) -> Draft:
    """Word the statement and sign it with the root keys given, by default that of this home; files nothing.

    Raises ``Refused`` K02 to K04, S31 to S37 for a credential that nobody would accept.
    """
    config = door.config
    _check_party(door, party)
    if not roots and not config.has_key("root", party):
        raise Misuse(f"no root key of {party} at {config.key_path('root', party)}: only its root keys enrol a reviewer")
    signers = [read_key(path) for path in roots or (config.key_path("root", party),)]
    ring = next((each for each in (await door.status())["keys"] if each["party"] == party), None)
    if ring is None:
        raise Misuse(f"{party} is not a party of this accord")
    enrol: tuple[Enrolment, ...] = ()
    keys: tuple[PublicKey, ...] = ()
    if change.revoke:
        keys = _revoked(ring, party, change)
    elif change.credential is not None:
        verify_credential(change.credential, accord=config.accord, party=party)
    else:
        enrol = (_enrolment(ring, party, change, change.key_path or config.key_path("reviewer", party)),)
    last = None if ring["last"] is None else parse_digest(ring["last"])
    credentials = () if change.credential is None else (change.credential,)
    body = KeyRotation(int(ring["sequence"]) + 1, last, enrol, keys, credentials)
    header = Header(
        accord=config.accord,
        terms=door.terms.version,
        party=party,
        nonce=secrets.token_hex(16),
        made_at=SystemClock().now(),
    )
    return read_draft(encode_envelope(sign_payload(make_payload("keys", header, (), body), *signers)))


def _enrolment(ring: dict[str, Any], party: Party, change: Change, path: Path) -> Enrolment:
    signer = read_key(path) if path.exists() else make_key(path)
    named = [each["reviewer"] for each in ring["reviewers"] if each["key"] == show_key(signer.public_key)]
    if named:
        raise Misuse(f"{path} is the key of {party}'s reviewer {named[0]} already; give another with --key")
    proof = prove_possession(party, "reviewer", signer, change.reviewer)
    return Enrolment("reviewer", signer.public_key, proof, change.reviewer)


def _revoked(ring: dict[str, Any], party: Party, change: Change) -> tuple[PublicKey, ...]:
    in_force = [*ring["reviewers"], *ring["credentials"]]
    keys = [
        each["key"] for each in in_force if each["reviewer"] == change.reviewer and each["key"].startswith(change.only)
    ]
    if not keys:
        known = ", ".join(sorted({each["reviewer"] for each in in_force})) or "nobody"
        what = f" with a key that begins {change.only}" if change.only else ""
        raise Misuse(f"{party} has no reviewer {change.reviewer}{what} in force; it has: {known}")
    return tuple(parse_authenticator_key(key) for key in keys)


def read_draft(data: bytes) -> Draft:
    """What a draft says; raises ``Refused`` S…, and ``Misuse`` for one that is about anything but reviewers' keys.

    Whoever holds a root key must not sign more with this command than its name says.
    """
    envelope = parse_envelope(data)
    statement = parse_statement(envelope)
    body = statement.body
    if not isinstance(body, KeyRotation) or any(each.use != "reviewer" for each in body.enrol):
        raise Misuse("the file is not a statement that enrols or revokes a reviewer's key")
    enrolled = [each.key for each in body.enrol] + [each.key for each in body.credentials]
    if bool(enrolled) == bool(body.revoke) or len(enrolled) > 1:
        raise Misuse("the file changes several keys at once: this command writes and signs one change")
    return Draft(
        data,
        statement_id(envelope),
        statement.header.party,
        next((each.name for each in body.enrol), None) or next((each.reviewer for each in body.credentials), None),
        tuple(enrolled) or body.revoke,
        not enrolled,
        signers_of(envelope),
        body.credentials[0] if body.credentials else None,
    )


def sign_draft(draft: Draft, roots: Sequence[Path]) -> Draft:
    """The same statement with the signatures of these root keys too; needs no node. Raises ``Refused`` C01, C02."""
    signers = [read_key(path) for path in roots]
    return read_draft(encode_envelope(add_signatures(parse_envelope(draft.envelope), *signers)))


async def submit_draft(door: Door, draft: Draft) -> tuple[Enrolled, str]:
    """File a draft; returns what was filed, and why it has no effect, empty where it has. Raises ``Misuse`` below the threshold."""
    _check_party(door, draft.party)
    threshold = door.terms.keys[draft.party].root.threshold
    if len(draft.signed) < threshold:
        raise Misuse(
            f"{len(draft.signed)} of {threshold} root keys have signed: the holders of others sign with --sign FILE"
        )
    rings = [each for each in (await door.status())["keys"] if each["party"] == draft.party]
    whose = {
        each["key"]: str(each["reviewer"]) for ring in rings for each in (*ring["reviewers"], *ring["credentials"])
    }
    receipt = await door.submit(draft.envelope)
    name = draft.reviewer or whose.get(show_key(draft.keys[0]), "a key that is no reviewer's in force")
    done = Enrolled(draft.statement, draft.party, name, draft.keys[0], draft.revokes, receipt.witnessed)
    return done, note_on(await door.status(), draft.statement)


def _check_party(door: Door, party: Party) -> None:
    if party not in door.terms.keys:
        raise Misuse(f"{party} is not a party of this accord")
