r"""How numbers and hashes are spelled in the C2SP text formats. Every reader returns None for another spelling.

Each format raises its own numbered refusal, so nothing is refused here. A value has exactly one spelling: no
leading zeroes, no line breaks, no stray bits after the last base64 character. Source: RFC 4648 §4, §3.5.

>>> read_decimal("0"), read_decimal("007"), read_base64("AA=="), read_base64("AB==")
(0, None, b'\x00', None)
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, b2a_base64

from detente.log.merkle import HASH_SIZE, SIZE_MAX

_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")


def read_decimal(text: str) -> int | None:
    """A whole number below 2**63 in ASCII decimal."""
    if not _DECIMAL.match(text):
        return None
    number = int(text)
    return number if number <= SIZE_MAX else None


def read_base64(text: str) -> bytes | None:
    """Standard base64 with padding, in its only canonical spelling."""
    try:
        value = a2b_base64(text.encode("ascii"), strict_mode=True)
    except (Error, ValueError):
        return None
    return value if show_base64(value) == text else None


def read_hash(text: str) -> bytes | None:
    """32 bytes in base64."""
    value = read_base64(text)
    return value if value is not None and len(value) == HASH_SIZE else None


def show_base64(value: bytes) -> str:
    """The spelling that ``read_base64`` reads."""
    return b2a_base64(value, newline=False).decode("ascii")
