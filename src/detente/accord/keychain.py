"""Keys: every key ever enrolled, and which of them is in force when.

Decides whether a key was in force at an instant, from founding terms and each party's chain of ``keys`` statements.
Normative text: ``spec/accord.md`` §4.

- A link counts if it is signed by the root threshold in force at its place (F13), is the next in sequence and names the
  one before. Of two candidates the one whose signatures sufficed first counts (F06).
- Enrolment and revocation take effect at the instant at which the link's signatures suffice; at that instant a revoked
  key is out. A threshold that an amendment changes counts from the instant at which the amendment takes effect.
- A key belongs to one party, one use and, as a reviewer's, one name, for good (F19). Passkeys and security keys of reviewers are
  kept apart (``credentials``), under the same rule.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from detente.accord.credentials import CredentialBook, checked
from detente.accord.key_reading import ProvenKey
from detente.accord.records import Item
from detente.accord.standing import FoldNote
from detente.accord.terms import PartyKeys, Terms
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey, show_key
from detente.base.instant import INSTANT_MAX
from detente.statement.credential import VerifiedCredential
from detente.statement.keys import KeyRotation
from detente.statement.kinds import Use
from detente.statement.threshold import distinct_speakers


class EverEnrolled:
    """Every key ever enrolled with a proof that was checked. Grows only; ``statement.keys.EnrolledKeys``."""

    __slots__ = ("_keys", "_uses")

    def __init__(self) -> None:
        self._uses: dict[PublicKey, tuple[tuple[Party, Use], ...]] = {}
        self._keys: dict[Party, tuple[PublicKey, ...]] = {}

    def add(self, party: Party, use: Use, key: PublicKey) -> bool:
        """Add a key whose possession was proven; true if it was not known in that use.

        A reviewer's key signs assertions and no envelope, so it is none of those that envelopes are tried under.
        """
        if use == "reviewer":
            return False
        if (party, use) in self._uses.get(key, ()):
            return False
        self._uses[key] = tuple(sorted({*self._uses.get(key, ()), (party, use)}))
        self._keys[party] = tuple(sorted({*self._keys.get(party, ()), key}))
        return True

    def uses_of(self, key: PublicKey) -> tuple[tuple[Party, Use], ...]:
        """For whom and for what the key was ever enrolled."""
        return self._uses.get(key, ())

    def keys_of(self, party: Party) -> tuple[PublicKey, ...]:
        """Every key ever enrolled for the party."""
        return self._keys.get(party, ())


def keys_by_use(keys: PartyKeys) -> Iterable[tuple[Use, PublicKey]]:
    """Every founding key of a party with its use."""
    yield from (("root", key) for key in keys.root.keys)
    yield from (("statement", key) for key in keys.statement)
    yield from (("guard", key) for key in keys.guard)
    for use, named in (("log", keys.log), ("mirror", keys.mirror), ("witness", keys.witness)):
        if named is not None:
            yield use, named.key  # type: ignore[misc]
    if keys.permit is not None:
        yield "permit", keys.permit
    yield from (("reviewer", named.key) for named in keys.reviewers)


class KeyBook:
    """When which key was in force: intervals [from, to) for each (party, use, key)."""

    __slots__ = ("_accord", "_bound", "_founded", "_last", "_spans", "_thresholds", "credentials")

    def __init__(self, accord: Digest) -> None:
        self._accord = accord
        self.credentials = CredentialBook()
        self._spans: dict[tuple[Party, Use, PublicKey], list[tuple[int, int]]] = {}
        self._bound: dict[PublicKey, _Owner] = {}
        self._last: dict[Party, tuple[int, Digest | None]] = {}
        self._founded: set[Party] = set()
        self._thresholds: dict[Party, list[tuple[int, int]]] = {}

    def found(self, terms: Terms, since: int) -> None:
        """From ``since``: the root thresholds of ``terms``, and the founding keys of every party that is new in them."""
        for party, keys in terms.keys.items():
            self._thresholds.setdefault(party, []).append((since, keys.root.threshold))
            if party not in self._founded:
                self._founded.add(party)
                for key, owner in _owners(party, keys):
                    self._bound.setdefault(key, owner)
                    self._spans[(party, owner[1], key)] = [(since, INSTANT_MAX)]

    def taken(self, terms: Terms) -> PublicKey | None:
        """A founding key of a party that is new in ``terms`` and that belongs to somebody or something else already."""
        new = (party for party in terms.keys if party not in self._founded)
        clashes = (key for party in new for key, owner in _owners(party, terms.keys[party]) if key in self._bound)
        new_keys = (
            key for party in terms.keys if party not in self._founded for key, _ in _owners(party, terms.keys[party])
        )
        return min((*clashes, *(key for key in new_keys if key in self.credentials)), default=None)

    def threshold(self, party: Party, at: int) -> int:
        """How many root keys speak for the party at ``at``; more than anybody has before its first terms."""
        steps = self._thresholds.get(party, [])
        number = bisect_right(steps, at, key=lambda step: step[0])
        return steps[number - 1][1] if number else 2**31

    def in_force(self, party: Party, use: Use, key: PublicKey, at: int) -> bool:
        """Was the key in force at ``at``?"""
        return any(first <= at < end for first, end in self._spans.get((party, use, key), ()))

    def keys(self, party: Party, use: Use, at: int) -> tuple[PublicKey, ...]:
        """The party's keys in force for a use."""
        return tuple(sorted(k for p, u, k in self._spans if (p, u) == (party, use) and self.in_force(p, u, k, at)))

    def is_reviewer(self, party: Party, name: str, key: PublicKey, at: int) -> bool:
        """Was the key in force at ``at`` as that of the reviewer whom ``party`` calls ``name``?"""
        return self._bound.get(key) == (party, "reviewer", name) and self.in_force(party, "reviewer", key, at)

    def may_assert(self, party: Party, name: str, key: PublicKey, at: int) -> bool:
        """Was it in force at ``at`` as a key, or as a passkey or security key, of that reviewer?"""
        return self.is_reviewer(party, name, key, at) or self.credentials.in_force(party, name, key, at) is not None

    def reviewers(self, at: int) -> dict[Party, tuple[tuple[str, PublicKey], ...]]:
        """Each party's reviewers at ``at``: pseudonym and key."""
        found: dict[Party, list[tuple[str, PublicKey]]] = {}
        for party, use, key in self._spans:
            if use == "reviewer" and self.in_force(party, use, key, at):
                found.setdefault(party, []).append((self._bound[key][2] or "", key))
        return {party: tuple(sorted(names)) for party, names in found.items()}

    def hands(self, party: Party, name: str, at: int) -> Iterator[PublicKey | VerifiedCredential]:
        """What the reviewer may decide with at ``at``: software keys, then passkeys and security keys."""
        for each, key in self.reviewers(at).get(party, ()):
            if each == name:
                yield key
        for owner, known in self.credentials.at(at):
            if (owner, known.credential.reviewer) == (party, name):
                yield known

    def last(self, party: Party) -> tuple[int, Digest | None]:
        """Sequence and statement of the party's last ``keys`` that count; 0 and None before the first."""
        return self._last.get(party, (0, None))

    def differing(self, other: KeyBook) -> frozenset[PublicKey]:
        """The keys that were in force at other times, or for another, in ``other``."""
        spans = {*self._spans, *other._spans}
        found = {span[2] for span in spans if self._spans.get(span) != other._spans.get(span)}
        owned = {*self._bound, *other._bound}
        found |= {key for key in owned if self._bound.get(key) != other._bound.get(key)}
        return frozenset(found | self.credentials.differing(other.credentials))

    def has_roots_of(self, other: KeyBook) -> bool:
        """Are the root keys and the thresholds those of ``other``, at all times?"""
        return self._thresholds == other._thresholds and self._roots() == other._roots()

    def _roots(self) -> dict[tuple[Party, Use, PublicKey], list[tuple[int, int]]]:
        return {span: times for span, times in self._spans.items() if span[1] == "root"}

    def speaks_from(self, item: Item, party: Party) -> int | None:
        """The instant from which ``party`` says the item by its root threshold of distinct keys; None: not yet.

        A signature counts from the witnessed time of a copy that carries it, so a later copy with more signatures
        moves nothing into the past. Keys and threshold are those in force at that instant.
        """
        for at in said_at(item):
            if len(self._signed(item, party, at)) >= self.threshold(party, at):
                return at
        return None

    def speakers(self, item: Item, parties: Iterable[Party], at: int) -> tuple[Party, ...]:
        """Those of ``parties`` who say the item at ``at`` by their root thresholds, no key counted for two of them."""
        signed = {party: keys for party in parties if (keys := self._signed(item, party, at))}
        return distinct_speakers(signed, {party: self.threshold(party, at) for party in signed})

    def _signed(self, item: Item, party: Party, at: int) -> set[PublicKey]:
        signers = (signer for time, copy in item.copies if time <= at for signer in copy)
        keys = {signer.key for signer in signers if signer.party == party and signer.use == "root"}
        return {key for key in keys if self.in_force(party, "root", key, at)}

    def spoke(self, item: Item, at: int) -> bool:
        """Is the item signed by a key of its party that was in force at ``at`` and fits?"""
        return any(s.party == item.party and self.in_force(s.party, s.use, s.key, at) for s in item.signers)

    def link(self, item: Item, at: int, *, proven: bool) -> FoldNote | None:
        """Apply one ``keys`` statement whose signatures are judged at ``at``, or say why it has no effect.

        1. Its party's root threshold signed it: F13.
        2. It follows the party's last one: F06.
        3. Every key and credential that it enrols signed its own enrolment (``proven``): F21.
        4. It enrols none that belongs to somebody or something else: F19.
        """
        body = item.body
        if not isinstance(body, KeyRotation) or len(self._signed(item, item.party, at)) < self.threshold(
            item.party, at
        ):
            return FoldNote("F13", item.id, item.place, "keys without the root threshold of their party")  # 1
        sequence, previous = self.last(item.party)
        if body.sequence != sequence + 1 or body.previous != previous:  # 2
            return FoldNote("F06", item.id, item.place, f"keys {body.sequence} does not follow keys {sequence}")
        known = [checked(each, self._accord, item.party) for each in body.credentials]
        if not proven or None in known:  # 3
            return FoldNote("F21", item.id, item.place, "a key without a proof that verifies")
        clash = self._clash(item.party, body)
        if clash:  # 4
            return FoldNote("F19", item.id, item.place, clash)
        owners: dict[PublicKey, _Owner] = {}
        for each in body.enrol:  # 4
            owner = (item.party, each.use, each.name if each.use == "reviewer" else None)
            if owners.setdefault(each.key, self._bound.get(each.key, owner)) != owner:
                return FoldNote(
                    "F19", item.id, item.place, f"{show_key(each.key)} belongs to {owners[each.key][0]} already"
                )
        self._last[item.party] = (body.sequence, item.id)
        self._bound |= owners
        for each in body.enrol:
            self._spans.setdefault((item.party, each.use, each.key), []).append((at, INSTANT_MAX))
        for span in [span for span in self._spans if span[0] == item.party and span[2] in body.revoke]:
            self._spans[span] = [(first, min(end, at)) for first, end in self._spans[span]]
        for credential in known:
            if credential is not None:
                self.credentials.enrol(item.party, credential, at)
        self.credentials.revoke(item.party, body.revoke, at)
        return None

    def _clash(self, party: Party, body: KeyRotation) -> str:
        """What a statement enrols as a credential although it is another's, or as a key although it is a credential."""
        for credential in body.credentials:
            whose = self.credentials.taken(party, credential)
            if whose is None and credential.key in self._bound:
                whose = self._bound[credential.key][0]
            if whose is not None:
                return f"{show_key(credential.key)} belongs to {whose} already"
        taken = [each.key for each in body.enrol if each.key in self.credentials]
        return f"{show_key(taken[0])} is a credential already" if taken else ""

    def spelled(self) -> list[tuple[str, str, str, int, int]]:
        """Every span, sorted: for the digest of a state."""
        keys = ((p, u, k.hex(), a, b) for (p, u, k), spans in self._spans.items() for a, b in spans)
        return sorted((*keys, *self.credentials.spelled()))


_Owner: TypeAlias = tuple[Party, Use, str | None]
"""Whose a key is, for what, and of which reviewer."""


def _owners(party: Party, keys: PartyKeys) -> Iterable[tuple[PublicKey, _Owner]]:
    names = {named.key: named.name for named in keys.reviewers}
    return ((key, (party, use, names.get(key))) for use, key in keys_by_use(keys))


def said_at(item: Item) -> list[int]:
    """The instants at which more signatures of the item count: the witnessed times of its copies, none before its own."""
    return sorted({max(time, item.time or 0) for time, _ in item.copies})


def proven_keys(keys: Mapping[Party, PartyKeys]) -> Iterable[tuple[Party, Use, PublicKey]]:
    """Every key of founding terms, whose proofs were checked when they were read."""
    for party, of_party in keys.items():
        for use, key in keys_by_use(of_party):
            yield party, use, key


__all__ = ["EverEnrolled", "KeyBook", "ProvenKey", "keys_by_use", "proven_keys", "said_at"]
