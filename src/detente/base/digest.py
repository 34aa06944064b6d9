"""SHA-256 digests as lower-case hexadecimal text, the one spelling used in statements and terms.

>>> sha256_hex(b"")[:16]
'e3b0c44298fc1c14'
"""

from __future__ import annotations

import hashlib
import re
from typing import NewType

from detente.base.errors import Refused, shown

Digest = NewType("Digest", str)
"""64 lower-case hexadecimal characters."""

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


def sha256_hex(data: bytes) -> Digest:
    """The SHA-256 of ``data``, as 64 lower-case hexadecimal characters."""
    return Digest(hashlib.sha256(data).hexdigest())


def parse_digest(text: object) -> Digest:
    """Check the spelling of a digest; raises ``Refused`` B01.

    >>> parse_digest("00")
    Traceback (most recent call last):
    ...
    detente.base.errors.Refused: B01 malformed: got '00'; expected 64 lower-case hexadecimal characters
    """
    if not isinstance(text, str) or not _DIGEST.match(text):
        raise Refused("B01", "malformed", got=shown(text), expected="64 lower-case hexadecimal characters")
    return Digest(text)


def digest_bytes(digest: Digest) -> bytes:
    """The 32 bytes that a digest spells."""
    return bytes.fromhex(digest)
