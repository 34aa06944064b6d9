"""The one pinned Ed25519 verifier, and what a signer looks like from inside.

Verifiers disagree on edge cases, so exactly one is used everywhere (``cryptography``): it accepts small-order and
non-canonical keys, which the enrolment gate of ``base.identity`` refuses instead, and refuses a non-canonical R
and a signature that only the cofactored equation would accept. Where a private key lives is an adapter's matter:
rooms see only ``Signer``.

Rule S10 of ``spec/statement.md`` §5. Source: RFC 8032; transparency-log reference §4.2 for the measured traps.

>>> signer = SoftwareSigner(bytes(32))
>>> verify_ed25519(signer.public_key, b"message", signer.sign(b"message"))
>>> verify_ed25519(signer.public_key, b"massage", signer.sign(b"message"))
Traceback (most recent call last):
...
detente.base.errors.Refused: S10 bad-signature: got a signature that does not verify; expected one by that key
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from detente.base.errors import Misuse, Refused
from detente.base.identity import PublicKey, show_key


class Signer(Protocol):
    """Holds one Ed25519 private key and signs with it (RFC 8032)."""

    @property
    def public_key(self) -> PublicKey:
        """The 32 bytes under which ``sign`` verifies."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of ``message``."""
        ...


class SoftwareSigner:
    """A signer over a 32-byte seed in memory. Deterministic; the seed shows in no ``repr``."""

    __slots__ = ("_private", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise Misuse(f"a seed has 32 bytes, not {len(seed)}")
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = PublicKey(self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature of ``message``."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"SoftwareSigner({show_key(self.public_key)})"


class Trial(NamedTuple):
    """One signature to be checked under one key."""

    key: PublicKey
    message: bytes
    signature: bytes


class Tried(NamedTuple):
    """What ``verify_ed25519`` said of a trial, perhaps in another process of ours: does the signature hold?"""

    trial: Trial
    holds: bool


@lru_cache(maxsize=1_024)
def _loaded(key: bytes) -> Ed25519PublicKey:
    """A key as the library wants it: a log's entries are signed by few."""
    return Ed25519PublicKey.from_public_bytes(key)


def verify_ed25519(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Refuse (S10) unless ``signature`` is the key's over exactly these bytes."""
    try:
        _loaded(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise Refused(
            "S10", "bad-signature", got="a signature that does not verify", expected="one by that key"
        ) from None


def try_ed25519(trial: Trial) -> bool:
    """Does ``verify_ed25519`` accept the trial?"""
    try:
        verify_ed25519(*trial)
    except Refused:
        return False
    return True


def verify_authenticator(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Refuse (S10) unless ``signature`` is over exactly these bytes: Ed25519, or ECDSA with P-256 and SHA-256 in DER.

    DER has one spelling: anything that would be written otherwise is refused. Both values of s are taken (FIPS 186-5 does not
    ask for the smaller one, and authenticators send either): what a second spelling of a signature could replay is stopped
    by the nonce that it is over.
    """
    if len(key) != 33:
        return verify_ed25519(key, message, signature)
    try:
        if encode_dss_signature(*decode_dss_signature(signature)) != signature:
            raise ValueError
        EllipticCurvePublicKey.from_encoded_point(SECP256R1(), key).verify(signature, message, ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise Refused(
            "S10", "bad-signature", got="a signature that does not verify", expected="one by that key"
        ) from None
    return None
