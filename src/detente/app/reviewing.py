"""Reviewers of a home: whose key decides, and how the root key enrols or revokes it.

Decides which of the organisations of a home a reviewer speaks for, and words the ``keys`` statement that makes a key a
reviewer's. Leaves out whether an approval counts (``accord``) and what it says (``app.holding``).

- A reviewer is known by a pseudonym, which the root key binds to the reviewer's key and which the key itself signs.
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
from detente.base.identity import Party, PublicKey, parse_key, parse_party, show_key
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

    def as_json(self) -> dict[str, Any]:
        return {
            "statement": self.statement,
            "organisation": self.party,
            "reviewer": self.reviewer,
            "keys": [show_key(key) for key in self.keys],
            "revokes": self.revokes,
            "signed": [show_key(key) for key in self.signed],
        }


async def enrol_reviewer(
    door: Door, *, party: Party, reviewer: str, key_path: Path | None, revoke: bool
) -> Enrolled:  # fmt: skip
    """File a ``keys`` statement of the party's root key that enrols a reviewer's key, or revokes it.

    A key that is not there is made. Raises ``Misuse`` where the root key is not in this home, or is not enough.
    """
    _check_party(door, party)
    if (threshold := door.terms.keys[party].root.threshold) > 1:
        raise Misuse(
            f"{party} speaks by {threshold} root keys: write the statement with --draft FILE, let the holder of each root "
            "key sign it with --sign FILE, and file it with --submit FILE"
        )
    draft = await draft_enrolment(door, party=party, reviewer=reviewer, key_path=key_path, revoke=revoke)
    receipt = await door.submit(draft.envelope)
    return Enrolled(draft.statement, party, reviewer, draft.keys[0], revoke, receipt.witnessed)


async def draft_enrolment(
    door: Door, *, party: Party, reviewer: str, key_path: Path | None, revoke: bool, roots: Sequence[Path] = ()
) -> Draft:
    """Word the statement and sign it with the root keys given, by default that of this home; files nothing."""
    config = door.config
    _check_party(door, party)
    if not roots and not config.has_key("root", party):
        raise Misuse(f"no root key of {party} at {config.key_path('root', party)}: only its root keys enrol a reviewer")
    signers = [read_key(path) for path in roots or (config.key_path("root", party),)]
    ring = next((each for each in (await door.status())["keys"] if each["party"] == party), None)
    if ring is None:
        raise Misuse(f"{party} is not a party of this accord")
    path = key_path or config.key_path("reviewer", party)
    enrol: tuple[Enrolment, ...] = ()
    keys: tuple[PublicKey, ...] = ()
    if revoke:
        keys = tuple(parse_key(each["key"]) for each in ring["reviewers"] if each["reviewer"] == reviewer)
        if not keys:
            known = ", ".join(sorted({each["reviewer"] for each in ring["reviewers"]})) or "nobody"
            raise Misuse(f"{party} has no reviewer {reviewer} in force; it has: {known}")
    else:
        signer = read_key(path) if path.exists() else make_key(path)
        named = [each["reviewer"] for each in ring["reviewers"] if each["key"] == show_key(signer.public_key)]
        if named:
            raise Misuse(f"{path} is the key of {party}'s reviewer {named[0]} already; give another with --key")
        proof = prove_possession(party, "reviewer", signer, reviewer)
        enrol = (Enrolment("reviewer", signer.public_key, proof, reviewer),)
    last = None if ring["last"] is None else parse_digest(ring["last"])
    body = KeyRotation(int(ring["sequence"]) + 1, last, enrol, keys)
    header = Header(
        accord=config.accord,
        terms=door.terms.version,
        party=party,
        nonce=secrets.token_hex(16),
        made_at=SystemClock().now(),
    )
    return read_draft(encode_envelope(sign_payload(make_payload("keys", header, (), body), *signers)))


def read_draft(data: bytes) -> Draft:
    """What a draft says; raises ``Refused`` S…, and ``Misuse`` for one that is about anything but reviewers' keys.

    Whoever holds a root key must not sign more with this command than its name says.
    """
    envelope = parse_envelope(data)
    statement = parse_statement(envelope)
    body = statement.body
    if not isinstance(body, KeyRotation) or any(each.use != "reviewer" for each in body.enrol):
        raise Misuse("the file is not a statement that enrols or revokes a reviewer's key")
    if bool(body.enrol) == bool(body.revoke) or len(body.enrol) > 1:
        raise Misuse("the file changes several keys at once: this command writes and signs one change")
    return Draft(
        data,
        statement_id(envelope),
        statement.header.party,
        body.enrol[0].name if body.enrol else None,
        tuple(each.key for each in body.enrol) or body.revoke,
        not body.enrol,
        signers_of(envelope),
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
    whose = {each["key"]: str(each["reviewer"]) for ring in rings for each in ring["reviewers"]}
    receipt = await door.submit(draft.envelope)
    name = draft.reviewer or whose.get(show_key(draft.keys[0]), "a key that is no reviewer's in force")
    done = Enrolled(draft.statement, draft.party, name, draft.keys[0], draft.revokes, receipt.witnessed)
    return done, note_on(await door.status(), draft.statement)


def _check_party(door: Door, party: Party) -> None:
    if party not in door.terms.keys:
        raise Misuse(f"{party} is not a party of this accord")
