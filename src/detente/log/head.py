"""C2SP checkpoints as text: origin, size, root. Nothing here is believed; ``checkpoint`` verifies.

- At least three non-empty lines, each ended by a newline; size in plain decimal below 2**63; root of 32 bytes: L20.
- A tree of size zero has the root of no leaves: L21.

Extension lines are carried, because signatures cover them, and mean nothing.
Source: c2sp.org/tlog-checkpoint@v1.0.0, at revision 5ba5ee83. Section 3 of ``spec/log.md``.

>>> parse_checkpoint(encode_checkpoint(Checkpoint("dev-a.example/log", 0, EMPTY_ROOT))).size
0
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.base.errors import Refused, shown
from detente.log.merkle import EMPTY_ROOT, HASH_SIZE, SIZE_MAX
from detente.log.spelling import read_decimal, read_hash, show_base64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head that somebody claims: the log ``origin`` had ``size`` entries, whose Merkle root is ``root``."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Read a note's text as a checkpoint; raises ``Refused`` L20 or L21."""
    try:
        lines = text.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise _malformed(shown(text, 40)) from None
    if lines.pop() or len(lines) < 3 or not all(map(_is_line, lines)):
        raise _malformed(shown(text, 40))
    size, root = read_decimal(lines[1]), read_hash(lines[2])
    if size is None or root is None:
        raise _malformed(shown(text, 40))
    if size == 0 and root != EMPTY_ROOT:
        raise Refused("L21", "inconsistent", got="size 0 with another root", expected="the root of the empty tree")
    return Checkpoint(lines[0], size, root, tuple(lines[3:]))


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The note text that ``parse_checkpoint`` reads; raises its refusals for a value that it would refuse."""
    if not 0 <= checkpoint.size <= SIZE_MAX or len(checkpoint.root) != HASH_SIZE:
        raise _malformed(f"size {checkpoint.size}, root of {len(checkpoint.root)} bytes")
    lines = (checkpoint.origin, str(checkpoint.size), show_base64(checkpoint.root), *checkpoint.extensions)
    if not all(map(_is_line, lines)):
        raise _malformed(shown(checkpoint.origin))
    text = "".join(f"{line}\n" for line in lines).encode()
    parse_checkpoint(text)
    return text


def _is_line(line: str) -> bool:
    # U+0085 and the like are text here: only an ASCII newline ends a line of a note.
    return bool(line) and all(c >= " " and not "\ud800" <= c <= "\udfff" for c in line)


def _malformed(got: str) -> Refused:
    return Refused("L20", "malformed", got=got, expected="lines: origin, decimal size, base64 root of 32 bytes")
