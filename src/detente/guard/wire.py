"""How the guard's messages are read: strict JSON, exact members, stated bounds, one spelling of the envelope.

Decides only form. Every refusal here is P01 (form), P02 (size) or P03 (members) of ``spec/permit.md`` §2.

>>> members({"a": 1, "b": 2}, {"a"})
Traceback (most recent call last):
...
detente.base.errors.Refused: P03 unknown-field: got members a, b; expected exactly a
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from detente.base.errors import Refused, shown
from detente.base.identity import show_key
from detente.base.strict_json import INT_MAX, parse_json
from detente.statement.envelope import (
    MAX_ENVELOPE_BYTES,
    Envelope,
    EnvelopeSignature,
    encode_envelope,
    pae,
    parse_envelope,
)
from detente.statement.signing import Signer

HEADS_MAX = 64
"""Heads in one message: what an envelope of 65,535 bytes has room for with their notes, in base64 twice over."""
NOTE_MAX = 2_048
"""Bytes of a checkpoint note with the log's signature alone: origin, size, root and one line are below 600."""
ORIGIN_MAX = 255
REASONS_MAX = 16
TEXT_MAX = 1_024
LIFE_MAX_S = 400 * 86_400
"""A permit that outlives a year is no lease; the terms set far less."""
EPOCH_MAX = INT_MAX

_NONCE = re.compile(r"[0-9a-f]{32}\Z", re.ASCII)


def malformed(name: str, got: object, expected: str) -> Refused:
    """The refusal P01 for one member."""
    return Refused("P01", "malformed", got=f"{name} {shown(got)}", expected=expected)


def read(payload: bytes) -> object:
    """Strict JSON within the bound of an envelope; B10 to B14."""
    value: object = parse_json(payload, limit=MAX_ENVELOPE_BYTES)
    return value


def members(value: object, names: set[str]) -> Mapping[str, Any]:
    """``value`` as an object with exactly these members; P01, P03."""
    if not isinstance(value, dict):
        raise malformed("a value", value, "an object")
    if set(value) != names:
        got = ", ".join(sorted(map(str, value)))[:300]
        raise Refused("P03", "unknown-field", got=f"members {got}", expected="exactly " + ", ".join(sorted(names)))
    return value


def whole(value: Mapping[str, Any], name: str, *, least: int = 0, most: int = INT_MAX) -> int:
    """A whole number within bounds; P01."""
    number = value[name]
    if type(number) is not int or not least <= number <= most:
        raise malformed(name, number, f"a whole number from {least} to {most}")
    return number


def text(value: object, name: str, most: int) -> str:
    """A string of at most ``most`` characters; P01."""
    if not isinstance(value, str) or len(value) > most:
        raise malformed(name, value, f"text of at most {most} characters")
    return value


def listed(value: Mapping[str, Any], name: str, *, most: int) -> list[Any]:
    """A list of at most ``most`` items; P01, P02."""
    items = value[name]
    if not isinstance(items, list):
        raise malformed(name, items, "a list")
    if len(items) > most:
        raise Refused("P02", "oversized", got=f"{len(items)} {name}", expected=f"at most {most}")
    return items


def nonce_text(value: object) -> str:
    """32 lower-case hexadecimal characters; P01."""
    if not isinstance(value, str) or not _NONCE.match(value):
        raise malformed("nonce", value, "32 lower-case hexadecimal characters")
    return value


def seal(payload: bytes, payload_type: str, signer: Signer) -> bytes:
    """An envelope with one signature, whose key id spells the whole key."""
    signature = EnvelopeSignature(keyid=show_key(signer.public_key), sig=signer.sign(pae(payload_type, payload)))
    return encode_envelope(Envelope(payload_type=payload_type, payload=payload, signatures=(signature,)))


def unseal(data: bytes, payload_type: str) -> Envelope:
    """The envelope, if it is of this type (S01) and in the one spelling that ``encode_envelope`` gives; P01, P02.

    One spelling, so that no byte of a permit can change without its being refused.
    """
    if len(data) > MAX_ENVELOPE_BYTES:
        raise Refused("P02", "oversized", got=f"{len(data)} bytes", expected=f"at most {MAX_ENVELOPE_BYTES}")
    envelope = parse_envelope(data, payload_type=payload_type)
    if encode_envelope(envelope) != data:
        raise malformed("the envelope", data, "its one spelling, as encoded by the signer")
    return envelope
