"""Reviewers' passkeys and security keys: which was enrolled for whom, and how, at an instant.

Decides, for ``keychain``, from each party's ``keys`` statements. Leaves out what they are worth (``authenticators``) and whether
the statements count (``keychain``). Normative text: ``spec/accord.md`` §4.

- A credential is its public key. It belongs to one party and one reviewer for good, as a key does (F19); so does its id.
- Enrolled anew for the same reviewer it is what the later statement says from then on, such as another ``same_host``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party, PublicKey
from detente.base.instant import INSTANT_MAX
from detente.statement.credential import Credential, VerifiedCredential, verify_credential

KEPT_MAX = 4_096
"""Credentials whose check is remembered: 16 parties with 64 reviewers and four credentials each."""


@lru_cache(maxsize=KEPT_MAX)
def checked(credential: Credential, accord: Digest, party: Party) -> VerifiedCredential | None:
    """The credential if its proof and registration verify. Its check takes some 5 ms, and chains are built often."""
    try:
        return verify_credential(credential, accord=accord, party=party)
    except Refused:
        return None


class CredentialBook:
    """When which credential was enrolled as what: intervals [from, to) for each key."""

    __slots__ = ("_ids", "_owners", "_spans")

    def __init__(self) -> None:
        self._owners: dict[PublicKey, tuple[Party, str]] = {}
        self._ids: dict[bytes, PublicKey] = {}
        self._spans: dict[PublicKey, list[tuple[int, int, VerifiedCredential]]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._owners

    def taken(self, party: Party, credential: Credential) -> Party | None:
        """Whose it is, or whose its id is, if not this reviewer's."""
        owner = (party, credential.reviewer)
        mine = self._owners.get(credential.key, owner)
        other = self._ids.get(credential.credential_id or b"", credential.key)
        if mine != owner:
            return mine[0]
        return None if other == credential.key else self._owners[other][0]

    def enrol(self, party: Party, known: VerifiedCredential, at: int) -> None:
        """In force from ``at`` on, instead of what it was enrolled as before."""
        credential = known.credential
        self.revoke(party, (credential.key,), at)
        self._owners[credential.key] = (party, credential.reviewer)
        if credential.credential_id is not None:
            self._ids[credential.credential_id] = credential.key
        self._spans.setdefault(credential.key, []).append((at, INSTANT_MAX, known))

    def revoke(self, party: Party, keys: Iterable[PublicKey], at: int) -> None:
        """Out of force from ``at`` on."""
        for key in keys:
            if self._owners.get(key, (None,))[0] == party:
                self._spans[key] = [(first, min(end, at), known) for first, end, known in self._spans[key]]

    def in_force(self, party: Party, reviewer: str, key: PublicKey, at: int) -> VerifiedCredential | None:
        """The credential as it was enrolled for that reviewer of that party at ``at``."""
        return self.known(key, at) if self._owners.get(key) == (party, reviewer) else None

    def known(self, key: PublicKey, at: int) -> VerifiedCredential | None:
        """The credential as it was enrolled at ``at``, for whomever."""
        return next((known for first, end, known in self._spans.get(key, ()) if first <= at < end), None)

    def at(self, at: int) -> Iterator[tuple[Party, VerifiedCredential]]:
        """Every credential in force, in the order of parties, reviewers and keys."""
        for (party, _), key in sorted((owner, key) for key, owner in self._owners.items()):
            known = self.known(key, at)
            if known is not None:
                yield party, known

    def differing(self, other: CredentialBook) -> set[PublicKey]:
        """The keys that were enrolled at other times, as something else or for another, in ``other``."""
        return {
            key
            for key in {*self._owners, *other._owners}
            if (self._owners.get(key), self._spans.get(key)) != (other._owners.get(key), other._spans.get(key))
        }

    def spelled(self) -> list[tuple[str, str, str, int, int]]:
        """Every span, sorted: for the digest of a state."""
        return sorted(
            (self._owners[key][0], f"credential {self._owners[key][1]}", key.hex(), first, end)
            for key, spans in self._spans.items()
            for first, end, _ in spans
        )
