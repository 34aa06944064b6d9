"""C2SP signed notes: a text, a blank line, signature lines; and the keys that verify them.

Decides whether bytes are a note, and which of the caller's keys signed it. Leaves out what the text means
(``head``) and how many signatures are enough (``checkpoint``, ``policy``).

- A note is UTF-8 without control characters, has 1 to 64 signatures and at most 64 KiB: L10, L11, L12.
- A verifier key names itself, its id and its type: L13, L14.
- A signature by a known key that does not verify refuses the whole note: L15. None by a known key: L16.
- Two different known keys of one name and id cannot be told apart: L17.
- Types 01 (Ed25519) and 04 (Ed25519 cosignature) are understood; others are carried and ignored.

Source: c2sp.org/signed-note@v1.0.0, at revision 5ba5ee83. Section 2 of ``spec/log.md``.

>>> key = parse_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
>>> key.name, key.kind, key.key_id.hex()
('example.com/foo', 1, '530d903a')
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from detente.base.errors import Refused, shown
from detente.base.identity import PublicKey
from detente.base.instant import INSTANT_MAX, Instant
from detente.log.spelling import read_base64, show_base64
from detente.statement.signing import Signer, verify_ed25519

ED25519 = 0x01
ECDSA = 0x02
COSIGNATURE = 0x04
ML_DSA = 0x06
NOTE_MAX = 65_536
"""Bytes: 16 post-quantum signature lines of 3.3 kB, the most that C2SP asks for, fit with room."""
SIGNATURES_MAX = 64
"""C2SP asks for at least 16; 16 mirrors, as many witnesses and two old keys each fit."""
KEY_NAME_MAX = 255
"""Bytes: the bound that the ML-DSA cosignature sets on names."""

_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)\Z")
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier key: ``name``, the signature type byte ``kind``, and the key material (32 bytes for 01 and 04)."""

    name: str
    kind: int
    key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or not 0 < self.kind <= 255:
            raise Refused("L13", "malformed", got=shown(self.name), expected="a key name without spaces or plus signs")
        if self.kind in {ED25519, COSIGNATURE} and len(self.key) != 32:
            raise Refused("L13", "malformed", got=f"{len(self.key)} bytes", expected="32 bytes of Ed25519 key")

    @property
    def key_id(self) -> bytes:
        """4 bytes: a hint which key signed, never an identity."""
        if self.kind == ECDSA:
            return sha256(self.key).digest()[:4]
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:4]


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: who claims to have signed, with which key id, and the bytes after the id."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A note as parsed: nothing in it is believed before ``verify_note``. ``text`` ends in a newline."""

    text: bytes
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that verified under ``key``; ``time_s`` is what a cosignature (04) states, else None."""

    key: NoteKey
    signature: NoteSignature
    time_s: Instant | None


def is_key_name(name: str) -> bool:
    """Non-empty, ≤ 255 bytes, no Unicode space, no plus sign, no control character."""
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= KEY_NAME_MAX
        and "+" not in name
        and all(not c.isspace() and c >= " " and not "\ud800" <= c <= "\udfff" for c in name)
    )


def parse_vkey(text: str) -> NoteKey:
    """``name+hex(key id)+base64(type ‖ key)``; raises ``Refused`` L13 (form) or L14 (the id is another key's)."""
    match = _VKEY.match(text)
    body = read_base64(match[3]) if match else None
    if match is None or body is None or len(body) < 2:
        raise Refused("L13", "malformed", got=shown(text), expected="name+8 hexadecimal digits+base64(type and key)")
    key = NoteKey(match[1], body[0], body[1:])
    if key.key_id.hex() != match[2]:
        raise Refused("L14", "inconsistent", got=f"key id {match[2]}", expected=f"key id {key.key_id.hex()}")
    return key


def encode_vkey(key: NoteKey) -> str:
    """The spelling that ``parse_vkey`` reads."""
    return f"{key.name}+{key.key_id.hex()}+{show_base64(bytes([key.kind]) + key.key)}"


def parse_note(data: bytes) -> SignedNote:
    """Split a note into its text and its signature lines.

    1. At most 64 KiB: L11.
    2. UTF-8, no control character but newline, ends in a newline: L10.
    3. The last blank line parts text and signatures; both are there: L10.
    4. 1 to 64 well-formed signature lines: L11, L12.
    """
    if len(data) > NOTE_MAX:  # 1
        raise Refused("L11", "oversized", got=f"{len(data)} bytes", expected=f"at most {NOTE_MAX}")
    if _CONTROL.search(data) or not data.endswith(b"\n") or not _is_utf8(data):  # 2
        raise Refused(
            "L10", "malformed", got=shown(data, 40), expected="UTF-8 lines without control characters, ended by newline"
        )
    split = data.rfind(b"\n\n")
    if split < 0 or split + 2 == len(data):  # 3
        raise Refused("L10", "malformed", got=shown(data, 40), expected="text, a blank line, signature lines")
    return SignedNote(data[: split + 1], parse_signature_lines(data[split + 2 :]))  # 4


def parse_signature_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """One to 64 lines ``— name base64(key id ‖ signature)``, as a witness answers them; L11, L12."""
    if len(data) > NOTE_MAX:
        raise Refused("L11", "oversized", got=f"{len(data)} bytes", expected=f"at most {NOTE_MAX}")
    lines = data.split(b"\n")
    if lines.pop() or not lines:
        raise Refused("L12", "malformed", got=shown(data, 40), expected="signature lines, each ended by a newline")
    if len(lines) > SIGNATURES_MAX:
        raise Refused("L11", "oversized", got=f"{len(lines)} signatures", expected=f"at most {SIGNATURES_MAX}")
    return tuple(_parse_signature(line) for line in lines)


def encode_signature_line(signature: NoteSignature) -> bytes:
    """The line that ``parse_signature_lines`` reads, with its newline."""
    blob = show_base64(signature.key_id + signature.signature)
    return f"{_DASH}{signature.name} {blob}\n".encode()


def encode_note(note: SignedNote) -> bytes:
    """The bytes that ``parse_note`` reads; raises its refusals for a note that it would refuse."""
    data = note.text + b"\n" + b"".join(encode_signature_line(line) for line in note.signatures)
    if parse_note(data) != note:
        raise Refused("L10", "malformed", got=shown(note.text, 40), expected="a text that ends in a newline")
    return data


def add_signatures(note: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """The same note with these signatures after its own; a line already there is not repeated (L10 to L12)."""
    parsed = parse_note(note)
    merged = dict.fromkeys((*parsed.signatures, *signatures))
    return encode_note(SignedNote(parsed.text, tuple(merged)))


def sign_note(text: bytes, *, name: str, signer: Signer) -> NoteSignature:
    """An Ed25519 signature (type 01) over ``text``, whose final newline is part of what is signed."""
    key = NoteKey(name, ED25519, signer.public_key)
    return NoteSignature(name, key.key_id, signer.sign(text))


def verify_note(note: SignedNote, keys: Iterable[NoteKey]) -> tuple[VerifiedSignature, ...]:
    """Every signature by one of ``keys``, in the note's order; exact repetitions count once.

    1. No two different keys share name and id: L17. Keys of types other than 01 and 04 are left aside.
    2. Signatures by unknown keys are ignored, even if they share a name or an id with a known key.
    3. Every signature by a known key verifies: L15.
    4. There is at least one: L16.

    The caller counts distinct keys and parties; one key may well have signed twice, at different times.
    """
    known: dict[tuple[str, bytes], NoteKey] = {}
    for key in keys:  # 1
        if key.kind not in {ED25519, COSIGNATURE}:
            continue
        if known.setdefault((key.name, key.key_id), key) != key:
            raise Refused("L17", "duplicate-key", got=f"two keys {shown(key.name)}", expected="one key per name and id")
    verified = []
    for signature in dict.fromkeys(note.signatures):
        found = known.get((signature.name, signature.key_id))
        if found is not None:  # 2
            time_s = verify_note_signature(note.text, signature, found)  # 3
            verified.append(VerifiedSignature(found, signature, time_s))
    if not verified:  # 4
        raise Refused("L16", "unknown-key", got="no signature by a known key", expected="at least one")
    return tuple(verified)


def verify_note_signature(text: bytes, signature: NoteSignature, key: NoteKey) -> Instant | None:
    """Refuse (L15) unless ``signature`` is ``key``'s over ``text``; returns the stated time of a cosignature."""
    blob, message, time_s = signature.signature, text, None
    if (signature.name, signature.key_id) != (key.name, key.key_id):
        raise _bad_signature(key)
    if key.kind == COSIGNATURE:
        stated = int.from_bytes(blob[:8], "big")
        # A cosignature without a time, or from beyond every calendar, can carry no witnessed time.
        if len(blob) != 72 or not 0 < stated < INSTANT_MAX:
            raise _bad_signature(key)
        blob, message, time_s = blob[8:], cosigned_message(text, stated), Instant(stated)
    elif key.kind != ED25519:
        raise _bad_signature(key)
    try:
        verify_ed25519(PublicKey(key.key), message, blob)
    except Refused:
        raise _bad_signature(key) from None
    return time_s


def cosigned_message(body: bytes, time_s: int) -> bytes:
    """What an Ed25519 cosignature signs: two lines, then the note's text (c2sp.org/tlog-cosignature)."""
    return b"cosignature/v1\ntime %d\n" % time_s + body


def _parse_signature(line: bytes) -> NoteSignature:
    if not _is_utf8(line):
        raise Refused("L12", "malformed", got=shown(line, 60), expected="UTF-8")
    parts = line.decode("utf-8").split(" ")
    blob = read_base64(parts[2]) if len(parts) == 3 else None
    if blob is None or len(blob) < 5 or parts[0] != _DASH[0] or not is_key_name(parts[1]):
        raise Refused("L12", "malformed", got=shown(line, 60), expected="— name base64(key id and signature)")
    return NoteSignature(parts[1], blob[:4], blob[4:])


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _bad_signature(key: NoteKey) -> Refused:
    return Refused(
        "L15", "bad-signature", got=f"a signature by {shown(key.name)} that does not verify", expected="the key's own"
    )
