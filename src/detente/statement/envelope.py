"""The DSSE envelope: exact payload bytes, signatures over their pre-authentication encoding, and the id.

What was signed is kept as bytes and never re-serialised. The id of a statement is the SHA-256 of its PAE, so
copies in another base64 alphabet, with other white space or with further signatures are the same statement.
A ``keyid`` is a hint where to look and never an identity.

Rules S01, S05 and S20 to S25, B10 to B14; ``spec/statement.md`` §1 and §2. Source: DSSE 1.0.2 ``protocol.md``.

>>> pae("http://example.com/HelloWorld", b"hello world")
b'DSSEv1 29 http://example.com/HelloWorld 11 hello world'
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Final

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused, shown
from detente.base.identity import PublicKey, parse_key, show_key
from detente.base.strict_json import encode_json, parse_json
from detente.statement.fields import Codec, Record, listing, octets, optional, record_codec
from detente.statement.signing import Signer, verify_ed25519

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
MAX_ENVELOPE_BYTES: Final = 65_535
"""A log entry's length is 16 bits (C2SP tlog-tiles)."""
MAX_SIGNATURES: Final = 16
MAX_SIGNATURE_BYTES: Final = 4_096
"""Room for an ML-DSA-44 signature (2,420 bytes), which is carried and ignored."""
_KEYID_MAX: Final = 256
_TYPE_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """One signature; ``keyid`` is a hint and proves nothing."""

    keyid: str | None
    sig: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """Payload bytes exactly as they were signed. Nothing here was verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]


def _short_text(most: int) -> Codec[str]:
    def decode(value: Any) -> str:
        if type(value) is not str:
            raise Refused("S21", "wrong-type", got=shown(value), expected="text")
        if len(value) > most:
            raise Refused("S25", "oversized", got=f"{len(value)} characters", expected=f"at most {most}")
        return value

    return Codec(decode, lambda value: value)


_SIGNATURE: Final = Record(
    EnvelopeSignature, keyid=optional(_short_text(_KEYID_MAX)), sig=octets(1, MAX_SIGNATURE_BYTES)
)
_ENVELOPE: Final = Record(
    Envelope,
    payloadType=_short_text(_TYPE_MAX),
    payload=octets(1, MAX_ENVELOPE_BYTES),
    signatures=listing(record_codec(_SIGNATURE), 1, MAX_SIGNATURES),
)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: the bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def statement_id(envelope: Envelope) -> Digest:
    """SHA-256 of the PAE: the same for every copy of a statement, whoever signed it."""
    return sha256_hex(pae(envelope.payload_type, envelope.payload))


def parse_envelope(data: bytes, *, payload_type: str = PAYLOAD_TYPE) -> Envelope:
    """Read an envelope of at most 65,535 bytes; raises ``Refused`` B10 to B14, S01, S20 to S25.

    1. Size, UTF-8, strict JSON, no member twice: B10 to B14.
    2. Exactly the members of DSSE, 1 to 16 signatures, base64 in either alphabet: S20 to S25.
    3. The payload type is the one expected here: S01. One type per meaning keeps a permit from being read as a vote.
    """
    envelope = _ENVELOPE.decode(parse_json(data, limit=MAX_ENVELOPE_BYTES))  # 1, 2
    if envelope.payload_type != payload_type:  # 3
        raise Refused("S01", "wrong-type", got=shown(envelope.payload_type), expected=payload_type)
    return envelope


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope as JSON; raises ``Refused`` S05 when no log could take it."""
    data = encode_json(
        {
            "payloadType": envelope.payload_type,
            "payload": _PAYLOAD_ENCODE(envelope.payload),
            "signatures": [_SIGNATURE.encode(signature) for signature in envelope.signatures],
        }
    )
    if len(data) > MAX_ENVELOPE_BYTES:
        raise Refused(
            "S05",
            "oversized",
            got=f"{len(data)} bytes",
            expected=f"at most {MAX_ENVELOPE_BYTES} bytes",
            todo="store the evidence and name it by digest",
        )
    return data


_PAYLOAD_ENCODE = octets(1, MAX_ENVELOPE_BYTES).encode


def sign_payload(payload: bytes, *signers: Signer, payload_type: str = PAYLOAD_TYPE) -> Envelope:
    """An envelope of ``payload`` with one signature by each signer, each hinting its own key."""
    message = pae(payload_type, payload)
    return Envelope(
        payload_type,
        payload,
        tuple(EnvelopeSignature(show_key(signer.public_key), signer.sign(message)) for signer in signers),
    )


def add_signatures(envelope: Envelope, *signers: Signer) -> Envelope:
    """The same statement with these signers' signatures beside those it has; nobody's stands twice."""
    more = sign_payload(envelope.payload, *signers, payload_type=envelope.payload_type).signatures
    fresh = {signature.keyid for signature in more}
    kept = tuple(signature for signature in envelope.signatures if signature.keyid not in fresh)
    return Envelope(envelope.payload_type, envelope.payload, (*kept, *more))


def signers_of(envelope: Envelope) -> tuple[PublicKey, ...]:
    """The keys whose signatures verify under the key that each hints; whether such a key is anybody's is not asked."""
    message = pae(envelope.payload_type, envelope.payload)
    found = []
    for signature in envelope.signatures:
        with contextlib.suppress(Refused):
            key = parse_key(signature.keyid)
            verify_ed25519(key, message, signature.sig)
            found.append(key)
    return tuple(sorted(set(found)))
