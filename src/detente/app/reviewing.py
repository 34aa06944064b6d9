"""Reviewers of a home: whose key decides, and how the root key enrols or revokes it.

Decides which of the organisations of a home a reviewer speaks for, and words the ``keys`` statement that makes a key a
reviewer's. Leaves out whether an approval counts (``accord``) and what it says (``app.holding``).

- A reviewer is known by a pseudonym, which the root key binds to the reviewer's key and which the key itself signs.
- An enrolment is in force once it is witnessed; until then the node refuses the reviewer's decisions (N45).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detente.adapters.keys import make_key, read_key
from detente.app.door import Door
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Misuse
from detente.base.identity import Party, PublicKey, parse_key, parse_party, show_key
from detente.statement.keys import Enrolment, KeyRotation, prove_possession

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


async def enrol_reviewer(
    door: Door, *, party: Party, reviewer: str, key_path: Path | None, revoke: bool
) -> Enrolled:  # fmt: skip
    """File a ``keys`` statement of the party's root key that enrols a reviewer's key, or revokes it.

    A key that is not there is made. Raises ``Misuse`` where the root key is not in this home.
    """
    config = door.config
    if not config.has_key("root", party):
        raise Misuse(f"no root key of {party} at {config.key_path('root', party)}: only its root keys enrol a reviewer")
    ring = next((each for each in (await door.status())["keys"] if each["party"] == party), None)
    if ring is None:
        raise Misuse(f"{party} is not a party of this accord")
    if (threshold := door.terms.keys[party].root.threshold) > 1:
        raise Misuse(
            f"{party} speaks by {threshold} root keys: this command has one; sign the `keys` statement together"
        )
    path = key_path or config.key_path("reviewer", party)
    enrol: tuple[Enrolment, ...] = ()
    if revoke:
        keys = [parse_key(each["key"]) for each in ring["reviewers"] if each["reviewer"] == reviewer]
        if not keys:
            known = ", ".join(sorted({each["reviewer"] for each in ring["reviewers"]})) or "nobody"
            raise Misuse(f"{party} has no reviewer {reviewer} in force; it has: {known}")
        key = keys[0]
    else:
        signer = read_key(path) if path.exists() else make_key(path)
        key, keys = signer.public_key, []
        named = [each["reviewer"] for each in ring["reviewers"] if each["key"] == show_key(key)]
        if named:
            raise Misuse(f"{path} is the key of {party}'s reviewer {named[0]} already; give another with --key")
        proof = prove_possession(party, "reviewer", signer, reviewer)
        enrol = (Enrolment("reviewer", key, proof, reviewer),)
    last = None if ring["last"] is None else parse_digest(ring["last"])
    body = KeyRotation(int(ring["sequence"]) + 1, last, enrol, tuple(keys))
    speaker = replace(door.speaker(party), signer=config.signer("root", party))
    made, envelope = speaker.state("keys", body)
    receipt = await door.submit(envelope)
    return Enrolled(made, party, reviewer, key, revoke, receipt.witnessed)
