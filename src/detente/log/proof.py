r"""C2SP log proofs: one entry was logged, at this index, under this head; checked without any network.

Decides whether an entry is included in a head that its log signed, and that a quorum witnessed. Leaves out what
the entry says.

- The text has one form: L50. Its head is at most a note, its path at most 63 hashes, its extra at most 64 KiB: L51.

``extra`` is not authenticated: nothing here reads it.
Source: c2sp.org/tlog-proof at revision 5ba5ee83. Section 7 of ``spec/log.md``.

>>> parse_proof(b"c2sp.org/tlog-proof@v1\nindex 07\n\nnote")
Traceback (most recent call last):
...
detente.base.errors.Refused: L50 malformed: got 'index 07'; expected an index in plain decimal
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detente.base.errors import Refused, shown
from detente.base.identity import Party
from detente.log.checkpoint import SignedCheckpoint, WitnessedCheckpoint, verify_checkpoint, verify_witnessed
from detente.log.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from detente.log.note import NOTE_MAX, NoteKey
from detente.log.spelling import read_base64, read_decimal, read_hash, show_base64

PATH_MAX = 63
"""Hashes: the height of the tallest tree, of 2**63 leaves."""
EXTRA_MAX = 65_536
"""Bytes of unauthenticated extra data: one entry and some words."""
PROOF_MAX = NOTE_MAX + 2 * EXTRA_MAX + PATH_MAX * 45 + 128
"""Bytes of a whole proof: what the parts may take in base64, and the fixed words."""

_FIRST = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A proof as read: ``checkpoint`` is the bytes of a note, nothing of which is believed yet."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


@dataclass(frozen=True, slots=True)
class IncludedEntry:
    """An entry shown to stand at ``index`` under a signed head; ``witnessed`` is None on the log's word alone."""

    entry: bytes
    index: int
    checkpoint: SignedCheckpoint
    witnessed: WitnessedCheckpoint | None


def parse_proof(data: bytes) -> InclusionProof:
    """Read the text of a proof; the head inside stays bytes, verbatim. Raises ``Refused`` L50, L51."""
    if len(data) > PROOF_MAX:
        raise _oversized(f"{len(data)} bytes")
    head, blank, note = data.partition(b"\n\n")
    if not blank or not note:
        raise _malformed(shown(data, 40), "lines, a blank line, a checkpoint")
    try:
        lines = iter(head.decode("ascii").split("\n"))
    except UnicodeDecodeError:
        raise _malformed(shown(head, 40), "ASCII before the checkpoint") from None
    if (first := next(lines)) != _FIRST:
        raise _malformed(shown(first), _FIRST)
    line, extra = next(lines, ""), None
    if line.startswith("extra "):
        extra = read_base64(line.removeprefix("extra "))
        if extra is None:
            raise _malformed(shown(line), "extra data in base64")
        line = next(lines, "")
    index = read_decimal(line.removeprefix("index ")) if line.startswith("index ") else None
    if index is None:
        raise _malformed(shown(line), "an index in plain decimal")
    hashes = []
    for line in lines:
        if (hash_ := read_hash(line)) is None:
            raise _malformed(shown(line), "a hash in base64")
        hashes.append(hash_)
    proof = InclusionProof(index, tuple(hashes), note, extra)
    _check_bounds(proof)
    return proof


def encode_proof(proof: InclusionProof) -> bytes:
    """The text that ``parse_proof`` reads; raises its refusals for a proof that it would refuse."""
    _check_bounds(proof)
    if any(len(hash_) != HASH_SIZE for hash_ in proof.hashes) or proof.index < 0 or not proof.checkpoint:
        raise _malformed(f"index {proof.index}, {len(proof.hashes)} hashes", "an index, hashes of 32 bytes, a note")
    extra = [] if proof.extra is None else [f"extra {show_base64(proof.extra)}"]
    lines = [_FIRST, *extra, f"index {proof.index}", *map(show_base64, proof.hashes), "", ""]
    return "\n".join(lines).encode() + proof.checkpoint


def verify_logged(proof: InclusionProof, entry: bytes, *, log_key: NoteKey) -> IncludedEntry:
    """Refuse unless the log itself says that it holds ``entry`` at ``proof.index``.

    1. The head is signed by the log: see ``verify_checkpoint``.
    2. The path leads from the entry's hash to the head's root: L02, L03, L04.

    The log's word alone: enough to acknowledge, never enough to permit.
    """
    signed = verify_checkpoint(proof.checkpoint, log_key)  # 1
    verify_inclusion(leaf_hash(entry), proof.index, signed.size, proof.hashes, signed.root)  # 2
    return IncludedEntry(entry, proof.index, signed, None)


def verify_proof(
    proof: InclusionProof,
    entry: bytes,
    *,
    log_key: NoteKey,
    mirrors: Mapping[NoteKey, Party],
    operator: Party | None,
    quorum: int,
) -> IncludedEntry:
    """Refuse unless ``entry`` stands at ``proof.index`` under a head with a quorum.

    1. The head is signed by the log and witnessed by ``quorum`` parties: see ``verify_witnessed``.
    2. The path leads from the entry's hash to the head's root: L02, L03, L04.
    """
    witnessed = verify_witnessed(  # 1
        proof.checkpoint, log_key, mirrors=mirrors, operator=operator, quorum=quorum
    )
    head = witnessed.signed
    verify_inclusion(leaf_hash(entry), proof.index, head.size, proof.hashes, head.root)  # 2
    return IncludedEntry(entry, proof.index, head, witnessed)


def _check_bounds(proof: InclusionProof) -> None:
    if len(proof.hashes) > PATH_MAX:
        raise _oversized(f"{len(proof.hashes)} hashes")
    if len(proof.checkpoint) > NOTE_MAX:
        raise _oversized(f"a checkpoint of {len(proof.checkpoint)} bytes")
    if proof.extra is not None and len(proof.extra) > EXTRA_MAX:
        raise _oversized(f"extra data of {len(proof.extra)} bytes")


def _malformed(got: str, expected: str) -> Refused:
    return Refused("L50", "malformed", got=got, expected=expected)


def _oversized(got: str) -> Refused:
    expected = f"≤ {PATH_MAX} hashes, ≤ {NOTE_MAX} bytes of checkpoint, ≤ {EXTRA_MAX} of extra data"
    return Refused("L51", "oversized", got=got, expected=expected)
