r"""C2SP Ed25519 cosignatures: a mirror or witness states that, at a time, this was the largest consistent head.

Decides whether a line is a given key's cosignature of a checkpoint. For a mirror of an accord it says more: every
entry below was stored first (``mirror``). Who counts, and how many, is decided in ``checkpoint``.

- The key is of type 04; the signature is 8 bytes of time and 64 of Ed25519; the time is not zero: L30, L15.

The Ed25519 form does not bind the cosigner's name, so one key must never serve two cosigners.
Source: c2sp.org/tlog-cosignature@v1.0.1, at revision 5ba5ee83. Section 4 of ``spec/log.md``.

>>> cosigned_message(b"dev-a.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", 1_700_000_000)[:32]
b'cosignature/v1\ntime 1700000000\nd'
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detente.base.errors import Refused
from detente.base.instant import INSTANT_MAX, Instant
from detente.log.head import Checkpoint, parse_checkpoint
from detente.log.note import (
    COSIGNATURE,
    NoteKey,
    NoteSignature,
    SignedNote,
    cosigned_message,
    parse_note,
    verify_note,
    verify_note_signature,
)
from detente.statement.signing import Signer

__all__ = [
    "Cosignature",
    "collect_cosignatures",
    "cosigned_message",
    "cosigner_key",
    "sign_cosignature",
    "verify_cosignature",
]


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified cosignature: at ``time_s`` (POSIX seconds), ``key`` saw the log at this head."""

    mirror_name: str
    key: NoteKey
    origin: str
    size: int
    root: bytes
    time_s: Instant


def cosigner_key(name: str, public_key: bytes) -> NoteKey:
    """The verifier key (type 04) of a cosigner."""
    return NoteKey(name, COSIGNATURE, public_key)


def sign_cosignature(checkpoint_body: bytes, *, time_s: int, name: str, signer: Signer) -> NoteSignature:
    """Cosign a checkpoint's text at ``time_s``; L20, L21 for another text, L30 for no time.

    ``encode_signature_line`` gives the line to send. The caller has checked, stored and persisted first.
    """
    parse_checkpoint(checkpoint_body)
    if not 0 < time_s < INSTANT_MAX:
        raise Refused("L30", "malformed", got=f"time {time_s}", expected="POSIX seconds, more than 0, below 2**40")
    key = cosigner_key(name, signer.public_key)
    blob = time_s.to_bytes(8, "big") + signer.sign(cosigned_message(checkpoint_body, time_s))
    return NoteSignature(name, key.key_id, blob)


def verify_cosignature(checkpoint_body: bytes, signature: NoteSignature, key: NoteKey) -> Cosignature:
    """Refuse unless ``signature`` is the cosignature of ``key`` on this checkpoint text.

    1. The text is a checkpoint: L20, L21.
    2. The key is of type 04: L30.
    3. Name and id are the key's, the time is sane, the signature verifies: L15.
    """
    checkpoint = parse_checkpoint(checkpoint_body)  # 1
    if key.kind != COSIGNATURE:  # 2
        raise Refused("L30", "malformed", got=f"a key of type {key.kind}", expected="type 4, an Ed25519 cosigner")
    time_s = verify_note_signature(checkpoint_body, signature, key)  # 3
    return _cosignature(checkpoint, key, Instant(time_s or 0))


def collect_cosignatures(note: bytes, keys: Iterable[NoteKey]) -> tuple[Cosignature, ...]:
    """Every cosignature by one of ``keys`` (type 04) that the note carries, perhaps none.

    A known key that fails refuses the note: L15. Signatures by other keys are ignored.
    """
    parsed = parse_note(note)
    checkpoint = parse_checkpoint(parsed.text)
    cosigners = [key for key in keys if key.kind == COSIGNATURE]
    ids = {(key.name, key.key_id) for key in cosigners}
    lines = tuple(line for line in parsed.signatures if (line.name, line.key_id) in ids)
    if not lines:
        return ()
    verified = verify_note(SignedNote(parsed.text, lines), cosigners)
    return tuple(_cosignature(checkpoint, one.key, Instant(one.time_s or 0)) for one in verified)


def _cosignature(checkpoint: Checkpoint, key: NoteKey, time_s: Instant) -> Cosignature:
    return Cosignature(
        mirror_name=key.name,
        key=key,
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        time_s=time_s,
    )
