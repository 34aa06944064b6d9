"""Predicate ``keys``, proof of possession, and the ring of every key that was ever enrolled.

A key enters by two gates: it is canonical and of prime order (``base.identity.check_key_strength``), and it has
signed its own enrolment, so nobody enrols somebody else's key. The ring only grows: whether a key is in force at
a statement's place, or revoked, is decided in ``accord.fold``, where places are known.

Rules K01 and B08, B09; ``spec/statement.md`` §5. Source: contracts §1.

>>> from detente.statement.signing import SoftwareSigner
>>> signer, ring = SoftwareSigner(bytes(32)), KeyRing()
>>> party = Party("dev-a")
>>> ring.enrol(party, "statement", signer.public_key, prove_possession(party, "statement", signer))
>>> ring.uses_of(signer.public_key)
(('dev-a', 'statement'),)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, PublicKey, check_key_strength, show_key
from detente.statement.assertion import AUTHENTICATOR_KEY
from detente.statement.credential import CREDENTIAL, CREDENTIALS_MAX, Credential
from detente.statement.fields import (
    DIGEST,
    KEY,
    NAME_MAX,
    Codec,
    Record,
    choice,
    contradiction,
    count,
    is_name,
    listing,
    nullable,
    octets,
    optional,
    record_codec,
    text,
)
from detente.statement.kinds import USES, Use
from detente.statement.signing import Signer, verify_ed25519


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One key, what it is for, and its own signature over that.

    ``name`` is its C2SP name where it needs one, and a reviewer's pseudonym, which a ``reviewer`` key must have.
    """

    use: Use
    key: PublicKey
    proof: bytes
    name: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The ``sequence``-th change of a party's keys; ``previous`` is the statement id of the one before.

    ``credentials`` are passkeys and security keys of its reviewers. ``revoke`` takes keys of any kind out of force.
    """

    sequence: int
    previous: Digest | None
    enrol: tuple[Enrolment, ...]
    revoke: tuple[PublicKey, ...]
    credentials: tuple[Credential, ...] = ()


def _check(body: KeyRotation) -> None:
    if (body.sequence == 1) != (body.previous is None):
        raise contradiction("previous", f"{body.previous} at sequence {body.sequence}", "null exactly at sequence 1")
    for number, enrolment in enumerate(body.enrol):
        if enrolment.use == "reviewer" and not is_name(enrolment.name):
            raise contradiction(f"enrol.{number}.name", shown(enrolment.name), "the name of the reviewer")
    both = ({each.key for each in body.enrol} | {each.key for each in body.credentials}) & set(body.revoke)
    names = [each.key for each in body.credentials] + [each.key for each in body.enrol if each.use == "reviewer"]
    ids = [each.credential_id for each in body.credentials if each.credential_id is not None]
    if len(set(names)) < len(names) or len(set(ids)) < len(ids):
        raise contradiction("credentials", "one credential twice", "each key and each credential id once")
    if both:
        raise contradiction("revoke", show_key(min(both)), "no key that the same statement enrols")


_ENROLMENT: Final = Record(Enrolment, use=choice(USES), key=KEY, proof=octets(64, 64), name=optional(text(NAME_MAX)))


def _present(inner: Codec[tuple[Any, ...]]) -> Codec[tuple[Any, ...]]:
    """A list that is left out where it is empty."""
    maybe = optional(inner)
    return Codec(lambda value: maybe.decode(value) or (), lambda value: maybe.encode(value or None))


KEYS: Final = Record(
    KeyRotation,
    check=_check,
    sequence=count(1),
    previous=nullable(DIGEST),
    enrol=listing(record_codec(_ENROLMENT), most=32, distinct=True),
    revoke=listing(AUTHENTICATOR_KEY, most=32, distinct=True),
    credentials=_present(listing(record_codec(CREDENTIAL), 1, CREDENTIALS_MAX)),
)
"""At most 32 keys at a time: each costs the gate about 2 ms."""


class EnrolledKeys(Protocol):
    """Every key that was *ever* enrolled, by whatever founding terms and ``keys`` statements are known."""

    def uses_of(self, key: PublicKey) -> tuple[tuple[Party, Use], ...]:
        """For whom and for what this key was ever enrolled; empty if never."""
        ...

    def keys_of(self, party: Party) -> tuple[PublicKey, ...]:
        """Every key ever enrolled for ``party``."""
        ...


def possession_message(party: Party, use: Use, key: PublicKey, name: str | None = None) -> bytes:
    """The bytes that ``key`` signs to be enrolled; a reviewer's key signs the pseudonym too."""
    said = f"{use} {name}" if use == "reviewer" else use
    return b"detente-enrol/v1\n" + f"{party}\n{said}\n{show_key(key)}".encode()


def prove_possession(party: Party, use: Use, signer: Signer, name: str | None = None) -> bytes:
    """The proof that ``verify_possession`` accepts."""
    return signer.sign(possession_message(party, use, signer.public_key, name))


def verify_possession(party: Party, use: Use, key: PublicKey, proof: bytes, name: str | None = None) -> None:
    """The whole gate; about 2 ms.

    1. The key is canonical and of prime order: B08, B09. First, because a weak key verifies anything.
    2. The key signed its own enrolment for this party and use, and a reviewer's for this ``name``: K01.
    """
    check_key_strength(key)  # 1
    try:
        verify_ed25519(key, possession_message(party, use, key, name), proof)  # 2
    except Refused:
        raise Refused(
            "K01",
            "bad-signature",
            got=f"a proof that does not verify under {show_key(key)}",
            expected=f"its signature over its enrolment as {use} key of {party}",
            todo="let the holder of the key sign the enrolment",
        ) from None


class KeyRing:
    """``EnrolledKeys`` that only grows. Adding the same key again changes nothing; order does not matter."""

    __slots__ = ("_keys", "_uses")

    def __init__(self) -> None:
        self._uses: dict[PublicKey, tuple[tuple[Party, Use], ...]] = {}
        self._keys: dict[Party, tuple[PublicKey, ...]] = {}

    def enrol(self, party: Party, use: Use, key: PublicKey, proof: bytes) -> None:
        """Add a key for a party and use; raises ``Refused`` B08, B09, K01 and then has added nothing."""
        if (party, use) in self._uses.get(key, ()):
            return
        verify_possession(party, use, key, proof)
        self._uses[key] = tuple(sorted({*self._uses.get(key, ()), (party, use)}))
        self._keys[party] = tuple(sorted({*self._keys.get(party, ()), key}))

    def uses_of(self, key: PublicKey) -> tuple[tuple[Party, Use], ...]:
        """For whom and for what this key was ever enrolled, sorted; empty if never."""
        return self._uses.get(key, ())

    def keys_of(self, party: Party) -> tuple[PublicKey, ...]:
        """Every key ever enrolled for ``party``, sorted."""
        return self._keys.get(party, ())

    def __len__(self) -> int:
        return len(self._uses)

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(sorted(self._uses))
