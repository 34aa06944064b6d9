"""Keys: every key ever enrolled, and which of them is in force when.

Decides whether a key was in force at an instant, from founding terms and each party's chain of ``keys`` statements.
Normative text: ``spec/accord.md`` §4.

- A link counts if it is signed by the root threshold in force before it, is the next in sequence and names the one
  before. Of two candidates the first in fold order counts (F06).
- Enrolment and revocation take effect at the link's witnessed time; at that instant a revoked key is out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detente.accord.key_reading import ProvenKey
from detente.accord.records import Item
from detente.accord.standing import FoldNote
from detente.accord.terms import PartyKeys, Terms
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import INSTANT_MAX
from detente.statement.keys import KeyRotation
from detente.statement.kinds import Use


class EverEnrolled:
    """Every key ever enrolled with a proof that was checked. Grows only; ``statement.keys.EnrolledKeys``."""

    __slots__ = ("_keys", "_uses")

    def __init__(self) -> None:
        self._uses: dict[PublicKey, tuple[tuple[Party, Use], ...]] = {}
        self._keys: dict[Party, tuple[PublicKey, ...]] = {}

    def add(self, party: Party, use: Use, key: PublicKey) -> bool:
        """Add a key whose possession was proven; true if it was not known in that use."""
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


class KeyBook:
    """When which key was in force: intervals [from, to) for each (party, use, key)."""

    __slots__ = ("_founded", "_last", "_revoked", "_spans", "notes", "thresholds")

    def __init__(self) -> None:
        self._spans: dict[tuple[Party, Use, PublicKey], list[tuple[int, int]]] = {}
        self._last: dict[Party, tuple[int, Digest | None]] = {}
        self._revoked: dict[tuple[Party, PublicKey], int] = {}
        self._founded: set[Party] = set()
        self.thresholds: dict[Party, int] = {}
        self.notes: list[FoldNote] = []

    def found(self, terms: Terms, since: int) -> None:
        """Enrol the founding keys of every party that is new in ``terms``, from ``since``."""
        for party, keys in terms.keys.items():
            self.thresholds[party] = keys.root.threshold
            if party not in self._founded:
                self._founded.add(party)
                for use, key in keys_by_use(keys):
                    self._spans[(party, use, key)] = [(since, INSTANT_MAX)]

    def in_force(self, party: Party, use: Use, key: PublicKey, at: int) -> bool:
        """Was the key in force at ``at``?"""
        return any(first <= at < end for first, end in self._spans.get((party, use, key), ()))

    def keys(self, party: Party, use: Use, at: int) -> tuple[PublicKey, ...]:
        """The party's keys in force for a use."""
        return tuple(sorted(k for p, u, k in self._spans if (p, u) == (party, use) and self.in_force(p, u, k, at)))

    def revoked(self, party: Party, key: PublicKey, at: int) -> bool:
        """Has the party revoked this key by ``at``? Asked of reviewers' keys, which nobody enrols and their party revokes."""
        since = self._revoked.get((party, key))
        return since is not None and since <= at

    def speaks_from(self, item: Item, party: Party) -> int | None:
        """The instant from which ``party`` says the item by its root threshold of distinct keys; None: not yet.

        A signature counts from the witnessed time of a copy that carries it, so a later copy with more signatures
        moves nothing into the past.
        """
        signed: set[PublicKey] = set()
        for time, signers in sorted(item.copies, key=lambda copy: copy[0]):
            at = max(time, item.time or 0)
            signed |= {s.key for s in signers if s.party == party and s.use == "root"}
            if sum(self.in_force(party, "root", key, at) for key in signed) >= self.thresholds.get(party, 2**31):
                return at
        return None

    def spoke(self, item: Item, at: int) -> bool:
        """Is the item signed by a key of its party that was in force at ``at`` and fits?"""
        return any(s.party == item.party and self.in_force(s.party, s.use, s.key, at) for s in item.signers)

    def link(self, item: Item) -> None:
        """Apply one ``keys`` statement in fold order, or note why it has no effect (F06, F13)."""
        body = item.body
        if not isinstance(body, KeyRotation):
            return
        since = self.speaks_from(item, item.party)
        if since is None:
            self._note("F13", item, "keys without the root threshold of their party")
            return
        sequence, previous = self._last.get(item.party, (0, None))
        if body.sequence != sequence + 1 or body.previous != previous:
            self._note("F06", item, f"keys {body.sequence} does not follow keys {sequence}")
            return
        self._last[item.party] = (body.sequence, item.id)
        for enrolment in body.enrol:
            self._spans.setdefault((item.party, enrolment.use, enrolment.key), []).append((since, INSTANT_MAX))
        for key in body.revoke:
            self._revoked.setdefault((item.party, key), since)
        for span in [span for span in self._spans if span[0] == item.party and span[2] in body.revoke]:
            self._spans[span] = [(first, min(end, since)) for first, end in self._spans[span]]

    def _note(self, rule: str, item: Item, text: str) -> None:
        self.notes.append(FoldNote(rule, item.id, item.place, text))

    def spelled(self) -> list[tuple[str, str, str, int, int]]:
        """Every span, sorted: for the digest of a state."""
        return sorted((p, u, k.hex(), a, b) for (p, u, k), spans in self._spans.items() for a, b in spans)


def proven_keys(keys: Mapping[Party, PartyKeys]) -> Iterable[tuple[Party, Use, PublicKey]]:
    """Every key of founding terms, whose proofs were checked when they were read."""
    for party, of_party in keys.items():
        for use, key in keys_by_use(of_party):
            yield party, use, key


__all__ = ["EverEnrolled", "KeyBook", "ProvenKey", "keys_by_use", "proven_keys"]
