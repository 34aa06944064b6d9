"""Predicate ``screening``: known-bad changes that are committed to before they are filed, and revealed once somebody decided.

A commitment is SHA-256 over four parts, each after its length as eight bytes, big-endian: ``detente-screening/v1``, accord, a salt of 32 bytes,
the digest of the change. It says nothing until the salt is told: neither which change, nor whether a proposal that waits is one. This module
makes and compares commitments. Who may screen, which reveals count and what follows is for ``accord``.

Source: ``spec/statement.md`` §6, ``spec/review.md`` §5. Rule S42.

>>> made = commit_change(accord=Digest("a" * 64), salt=bytes(32), change=Digest("b" * 64))
>>> made[:8]
'06f1dd3f'
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.statement.commitment import SALT_SIZE
from detente.statement.fields import (
    DIGEST,
    NAME,
    Record,
    contradiction,
    listing,
    octets,
    optional,
    record_codec,
)

DOMAIN: Final = b"detente-screening/v1"


@dataclass(frozen=True, slots=True)
class Reveal:
    """``proposal`` (a statement id) put a seeded ``change``, committed to in ``commitment`` (a statement id) with this ``salt``.

    ``flaw`` is a name for what is wrong with it, such as ``evaluation-disabled``.
    """

    proposal: Digest
    change: Digest
    commitment: Digest
    salt: bytes
    flaw: str


@dataclass(frozen=True, slots=True)
class Screening:
    """Exactly one of the two: so many commitments to seeded changes, or the reveal of one of them."""

    commits: tuple[Digest, ...] | None = None
    reveal: Reveal | None = None


def _check(body: Screening) -> None:
    if (body.commits is None) == (body.reveal is None):
        both = "commits and a reveal" if body.commits is not None else "neither commits nor a reveal"
        raise contradiction("reveal", both, "exactly one of the two")


_REVEAL: Final = Record(
    Reveal,
    proposal=DIGEST,
    change=DIGEST,
    commitment=DIGEST,
    salt=octets(SALT_SIZE, SALT_SIZE),
    flaw=NAME,
)
SCREENING: Final = Record(
    Screening,
    check=_check,
    commits=optional(listing(DIGEST, 1, distinct=True)),
    reveal=optional(record_codec(_REVEAL)),
)


def commit_change(*, accord: Digest, salt: bytes, change: Digest) -> Digest:
    """The commitment to a seeded change; ``salt`` is 32 random bytes, new for each. Raises ``Refused`` S42."""
    if len(salt) != SALT_SIZE:
        raise Refused("S42", "malformed", got=f"a salt of {len(salt)} bytes", expected=f"{SALT_SIZE} bytes")
    digest = hashlib.sha256()
    for part in (DOMAIN, accord.encode(), salt, change.encode()):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return Digest(digest.hexdigest())


def is_opened_by(commits: tuple[Digest, ...], reveal: Reveal, *, accord: Digest) -> bool:
    """Is the revealed change one of those committed to?"""
    return commit_change(accord=accord, salt=reveal.salt, change=reveal.change) in commits
