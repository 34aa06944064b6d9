"""What a verified tree head is: signed by its log, and witnessed by enough mirrors of other parties.

A log's signature alone proves nothing against a log that shows two faces; q mirrors of distinct parties, none of
them the operator, do. Decides exactly that. Leaves out when the head was witnessed (``accord``) and whether it
fits an older one (``witness``, ``mirror``).

- The note is signed by the log's key and its origin is that key's name: L15, L16, L22.
- Distinct keys and distinct parties are counted, never key ids, never the operator: L24.
- A table of mirrors that lists one public key twice is refused: L25. Its keys are of type 04: L26.

Sources: c2sp.org/tlog-checkpoint@v1.0.0, c2sp.org/tlog-cosignature@v1.0.1. Sections 3 and 5 of ``spec/log.md``.

>>> verify_checkpoint(b"not a note", NoteKey("dev-a.example/log", 1, bytes(32)))
Traceback (most recent call last):
...
detente.base.errors.Refused: L10 malformed: got b'not a note'; expected UTF-8 lines without control characters, \
ended by newline
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from detente.base.errors import Misuse, Refused, shown
from detente.base.identity import Party
from detente.log.cosignature import Cosignature, collect_cosignatures
from detente.log.head import Checkpoint, encode_checkpoint, parse_checkpoint
from detente.log.note import COSIGNATURE, NoteKey, SignedNote, encode_note, parse_note, sign_note, verify_note
from detente.statement.signing import Signer

__all__ = [
    "Checkpoint",
    "SignedCheckpoint",
    "WitnessedCheckpoint",
    "encode_checkpoint",
    "parse_checkpoint",
    "sign_checkpoint",
    "verify_checkpoint",
    "verify_witnessed",
]

_SEAL = object()


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A head that its log signed. Only ``verify_checkpoint`` builds one; ``note`` is the whole note as received."""

    checkpoint: Checkpoint
    note: bytes
    log_key: NoteKey
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_seal(self._seal, "verify_checkpoint")

    @property
    def origin(self) -> str:
        """The log's origin line."""
        return self.checkpoint.origin

    @property
    def size(self) -> int:
        """How many entries the head covers."""
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        """The Merkle root, 32 bytes."""
        return self.checkpoint.root

    @property
    def body(self) -> bytes:
        """The note's text: the bytes that log and cosigners sign."""
        return encode_checkpoint(self.checkpoint)


@dataclass(frozen=True, slots=True)
class WitnessedCheckpoint:
    """A signed head with a quorum. Only ``verify_witnessed`` builds one; ``cosignatures`` are those that count."""

    signed: SignedCheckpoint
    cosignatures: tuple[Cosignature, ...]
    parties: frozenset[Party]
    _seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_seal(self._seal, "verify_witnessed")


def sign_checkpoint(checkpoint: Checkpoint, *, signer: Signer) -> bytes:
    """The note of a head, signed by its log under the key name that is its origin.

    The caller has made the entries durable and won the compare-and-swap of the head first.
    """
    text = encode_checkpoint(checkpoint)
    return encode_note(SignedNote(text, (sign_note(text, name=checkpoint.origin, signer=signer),)))


def verify_checkpoint(note: bytes, log_key: NoteKey) -> SignedCheckpoint:
    """Refuse unless ``note`` is a checkpoint of the log that ``log_key`` belongs to.

    1. It is a note: L10, L11, L12.
    2. Its text is a checkpoint: L20, L21.
    3. The origin is the key's name: L22.
    4. The log's signature is there and verifies: L15, L16.
    """
    parsed = parse_note(note)  # 1
    checkpoint = parse_checkpoint(parsed.text)  # 2
    if checkpoint.origin != log_key.name:  # 3
        raise Refused("L22", "out-of-scope", got=f"origin {shown(checkpoint.origin)}", expected=shown(log_key.name))
    verify_note(parsed, (log_key,))  # 4
    return SignedCheckpoint(checkpoint, note, log_key, _SEAL)


def verify_witnessed(
    note: bytes,
    log_key: NoteKey,
    *,
    mirrors: Mapping[NoteKey, Party],
    operator: Party | None,
    quorum: int,
) -> WitnessedCheckpoint:
    """Refuse unless ``quorum`` mirrors of distinct parties other than ``operator`` cosigned a head of the log.

    1. The head is the log's own: see ``verify_checkpoint``.
    2. The mirrors' keys are cosigner keys, pairwise distinct and not the log's; the quorum is at least 1: L26, L25.
    3. Every cosignature by a mirror's key verifies: L15.
    4. Without the operator's, they come from at least ``quorum`` distinct parties: L24.

    ``operator`` is None only where the terms say that a party witnesses itself, which they show everywhere.
    """
    signed = verify_checkpoint(note, log_key)  # 1
    check_mirrors(mirrors, log_key)  # 2
    if quorum < 1:
        raise Refused("L26", "malformed", got=f"a quorum of {quorum}", expected="at least 1")
    seen = collect_cosignatures(note, mirrors)  # 3
    counted = tuple(one for one in seen if mirrors[one.key] != operator)  # 4
    parties = frozenset(mirrors[one.key] for one in counted)
    if len(parties) < quorum:
        raise Refused(
            "L24",
            "quorum",
            got=f"cosignatures of {len(parties)} parties: {', '.join(sorted(parties)) or 'none'}",
            expected=f"{quorum} parties other than {operator or 'nobody'}",
            todo="ask the mirrors that are missing",
        )
    return WitnessedCheckpoint(signed, counted, parties, _SEAL)


def check_mirrors(mirrors: Mapping[NoteKey, Party], log_key: NoteKey) -> None:
    """Each key is a cosigner's (L26) and stands once, whatever its name (L25): a key listed twice would count twice."""
    seen = {log_key.key}
    for key in mirrors:
        if key.kind != COSIGNATURE:
            raise Refused("L26", "malformed", got=f"a mirror key of type {key.kind}", expected="type 4")
        if key.key in seen:
            raise Refused("L25", "duplicate-key", got=f"{shown(key.name)} repeats a public key", expected="each once")
        seen.add(key.key)


def _check_seal(seal: object, builder: str) -> None:
    if seal is not _SEAL:
        raise Misuse(f"only {builder} builds this: it is the proof that somebody checked")
