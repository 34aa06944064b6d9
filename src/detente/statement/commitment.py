"""Commitments: a field whose value is kept back, bound by a salted digest and opened to whom it concerns.

A commitment is the SHA-256 of six parts, each after its length as eight bytes, big-endian::

    "detente-commitment/v1" ‖ accord ‖ statement nonce ‖ field ‖ salt (32 bytes) ‖ value

The lengths make the six parts unambiguous; accord, nonce and field keep an opening from being moved to another
statement; the salt keeps a guessable value (there are few round FLOP figures) from being found by trial.
This module decides nothing about limits: ``accord`` treats a committed value as unknown until an inspector whom
the terms name has found it within the limit.

Rules S40 and S41 of ``spec/statement.md`` §7.

>>> accord, nonce = Digest("a" * 64), "0" * 32
>>> kept = commit(accord=accord, nonce=nonce, field="planned_flop", salt=bytes(32), value=b"9e24")
>>> verify_commitment(kept, accord=accord, nonce=nonce, field="planned_flop", salt=bytes(32), value=b"9e24")
>>> verify_commitment(kept, accord=accord, nonce=nonce, field="planned_flop", salt=bytes(32), value=b"9e23")
Traceback (most recent call last):
...
detente.base.errors.Refused: S40 inconsistent: got another value, salt or place; expected what was committed to
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.statement.fields import AMOUNT, DIGEST, Codec, Record

DOMAIN: Final = b"detente-commitment/v1"
SALT_SIZE: Final = 32
VALUE_MAX: Final = 65_535
"""Longest committed value in bytes; larger evidence is committed to by its digest."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Stands where the value would: ``{"commitment": "<64 hex>"}``."""

    commitment: Digest


COMMITTED: Final = Record(Committed, commitment=DIGEST)


def commit(*, accord: Digest, nonce: str, field: str, salt: bytes, value: bytes) -> Committed:
    """Commit to ``value`` in ``field`` of the statement with this accord and nonce; raises ``Refused`` S41.

    ``salt`` is 32 random bytes, drawn by the caller, new for each field, and kept with the value.
    """
    if len(salt) != SALT_SIZE:
        raise Refused("S41", "malformed", got=f"a salt of {len(salt)} bytes", expected=f"{SALT_SIZE} bytes")
    if len(value) > VALUE_MAX:
        raise Refused("S41", "malformed", got=f"a value of {len(value)} bytes", expected=f"at most {VALUE_MAX} bytes")
    digest = hashlib.sha256()
    for part in (DOMAIN, accord.encode(), nonce.encode(), field.encode(), salt, value):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return Committed(Digest(digest.hexdigest()))


def verify_commitment(
    committed: Committed, *, accord: Digest, nonce: str, field: str, salt: bytes, value: bytes
) -> None:
    """Refuse (S40, S41) unless ``committed`` was made from exactly these."""
    if commit(accord=accord, nonce=nonce, field=field, salt=salt, value=value) != committed:
        raise Refused("S40", "inconsistent", got="another value, salt or place", expected="what was committed to")


def _decode(value: Any) -> Decimal | Committed:
    return COMMITTED.decode(value) if type(value) is dict else AMOUNT.decode(value)


def _encode(value: Decimal | Committed) -> Any:
    return COMMITTED.encode(value) if isinstance(value, Committed) else AMOUNT.encode(value)


AMOUNT_OR_COMMITTED: Final[Codec[Decimal | Committed]] = Codec(_decode, _encode)
