"""Counting signers: distinct public keys *and* distinct parties, never key ids.

One private key listed under two ids, or enrolled by two parties, is one signatory; one party with ten keys is one
voice. Both libraries that were measured got the first wrong (transparency-log reference §4.2).

``spec/statement.md`` §5.

>>> a, b = PublicKey(bytes(32)), PublicKey(b"b" * 32)
>>> count_distinct([(Party("dev-a"), a), (Party("dev-a"), b)])
1
>>> count_distinct([(Party("dev-a"), a), (Party("dev-b"), a)])
1
>>> count_distinct([(Party("dev-a"), a), (Party("dev-b"), a), (Party("dev-a"), b)])
2
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from detente.base.identity import Party, PublicKey


def count_distinct(signers: Iterable[tuple[Party, PublicKey]]) -> int:
    """The most signatories that can be told apart: pairs in which no party and no key stands twice.

    This is the size of a maximum matching between parties and keys (Kuhn 1955), so the order of ``signers``
    changes nothing.
    """
    keys_of: dict[Party, set[PublicKey]] = {}
    for party, key in signers:
        keys_of.setdefault(party, set()).add(key)
    holder: dict[PublicKey, Party] = {}

    def place(party: Party, tried: set[PublicKey]) -> bool:
        for key in keys_of[party]:
            if key in tried:
                continue
            tried.add(key)
            if key not in holder or place(holder[key], tried):
                holder[key] = party
                return True
        return False

    return sum(place(party, set()) for party in sorted(keys_of))


def count_keys(signers: Iterable[tuple[Party, PublicKey]], party: Party) -> int:
    """How many distinct public keys of one party signed: for the root threshold within a party."""
    return len({key for signer, key in signers if signer == party})


def distinct_speakers(signed: Mapping[Party, Collection[PublicKey]], needed: Mapping[Party, int]) -> tuple[Party, ...]:
    """Parties that each speak by as many keys as they need, no key counted for two of them.

    Of two parties that share a key, the first by name speaks: whoever hands its key to another makes no second voice.
    ``needed`` is a party's own threshold.

    >>> a, b = PublicKey(bytes(32)), PublicKey(b"b" * 32)
    >>> distinct_speakers({Party("dev-a"): [a], Party("dev-b"): [a]}, {Party("dev-a"): 1, Party("dev-b"): 1})
    ('dev-a',)
    >>> distinct_speakers({Party("dev-a"): [a, b], Party("dev-b"): [a]}, {Party("dev-a"): 1, Party("dev-b"): 1})
    ('dev-a', 'dev-b')
    """
    holder: dict[PublicKey, tuple[Party, int]] = {}

    def place(voice: tuple[Party, int], tried: set[PublicKey]) -> bool:
        for key in sorted(signed[voice[0]]):
            if key in tried:
                continue
            tried.add(key)
            if key not in holder or place(holder[key], tried):
                holder[key] = voice
                return True
        return False

    chosen: list[Party] = []
    for party in sorted(signed):
        before = dict(holder)
        if all(place((party, number), set()) for number in range(needed[party])):
            chosen.append(party)
        else:
            holder = before
    return tuple(chosen)
