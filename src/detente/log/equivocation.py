r"""Portable proof that a log told two stories: two heads under its own key that cannot both be true.

Decides whether such a proof holds. Leaves out what follows from it (the terms: a breach; the log closes at its
last quorum head).

- Two heads of one size with different roots prove it by themselves.
- Two heads of different size need more: a consistency proof from *another* root at the smaller size to the larger
  head. The larger head thereby fixes what the log's first entries were, and the smaller head contradicts it. Whoever
  holds the entries under the larger head can make it; nobody can for heads that fit.
- A larger head whose entries nobody has seen proves nothing yet: that is withholding, and no mirror cosigns it.
- The text has its form: L70. The heads contradict each other: L71.

Source: RFC 6962 §2.1.2; the argument is in section 9 of ``spec/log.md``.

>>> parse_equivocation(b"nothing")
Traceback (most recent call last):
...
detente.base.errors.Refused: L70 malformed: got b'nothing'; expected detente-equivocation@v1 and its lines
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.base.errors import Refused, shown
from detente.log.checkpoint import SignedCheckpoint, verify_checkpoint
from detente.log.merkle import NodeSource, build_consistency_proof, tree_root, verify_consistency
from detente.log.note import NOTE_MAX, NoteKey, encode_vkey, parse_vkey
from detente.log.proof import PATH_MAX
from detente.log.spelling import read_decimal, read_hash, show_base64

EQUIVOCATION_MAX = 2 * NOTE_MAX + (PATH_MAX + 1) * 45 + 1024
"""Bytes: two notes, a consistency proof, a key and the fixed words."""

_FIRST = "detente-equivocation@v1"


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two notes of heads of the log of ``log_key``, the smaller first.

    ``prefix_root`` and ``proof`` are given for different sizes only: what the larger head says the smaller was.
    """

    log_key: NoteKey
    first: bytes
    second: bytes
    prefix_root: bytes | None = None
    proof: tuple[bytes, ...] = ()


def find_equivocation(
    one: SignedCheckpoint, other: SignedCheckpoint, *, nodes: NodeSource | None = None
) -> Equivocation | None:
    """The proof that these heads of one log contradict each other, or None where none can be made.

    ``nodes`` holds the hashes of the entries under the larger head (its root is checked here); without it, only
    heads of equal size can be proven to contradict.
    """
    if one.log_key != other.log_key:
        return None
    first, second = sorted((one, other), key=lambda head: head.size)
    if first.size == second.size:
        same = first.root == second.root
        return None if same else Equivocation(first.log_key, first.note, second.note)
    if nodes is None or first.size == 0 or tree_root(nodes, second.size) != second.root:
        return None
    prefix_root = tree_root(nodes, first.size)
    if prefix_root == first.root:
        return None
    proof = tuple(build_consistency_proof(nodes, first.size, second.size))
    return Equivocation(first.log_key, first.note, second.note, prefix_root, proof)


def verify_equivocation(equivocation: Equivocation) -> tuple[SignedCheckpoint, SignedCheckpoint]:
    """Both heads, or a refusal when they do not contradict each other. The caller trusts the log's key.

    1. Both are heads under the log's key: see ``verify_checkpoint``.
    2. Equal sizes: the roots differ, and nothing else is given: L71.
    3. Rising sizes: the proof leads from ``prefix_root`` at the smaller size to the larger head (L01 to L06), and
       ``prefix_root`` is not the root that the smaller head states: L71.
    """
    first = verify_checkpoint(equivocation.first, equivocation.log_key)  # 1
    second = verify_checkpoint(equivocation.second, equivocation.log_key)
    prefix_root = equivocation.prefix_root
    if first.size == second.size:  # 2
        if first.root == second.root or prefix_root is not None or equivocation.proof:
            raise _no_contradiction(f"two heads of size {first.size}", "different roots and no proof")
        return first, second
    if prefix_root is None or first.size > second.size:  # 3
        raise _no_contradiction(f"sizes {first.size} and {second.size}", "rising sizes, and the root between them")
    verify_consistency(first.size, second.size, prefix_root, second.root, equivocation.proof)
    if prefix_root == first.root:
        raise _no_contradiction("a larger head that contains the smaller", "one that does not")
    return first, second


def encode_equivocation(equivocation: Equivocation) -> bytes:
    """A text: the key, the root between, the proof, then both notes verbatim, their lengths stated."""
    prefix = [] if equivocation.prefix_root is None else [f"prefix {show_base64(equivocation.prefix_root)}"]
    lines = [
        _FIRST,
        f"key {encode_vkey(equivocation.log_key)}",
        f"first {len(equivocation.first)}",
        f"second {len(equivocation.second)}",
        *prefix,
        *map(show_base64, equivocation.proof),
    ]
    data = "\n".join([*lines, "", ""]).encode() + equivocation.first + equivocation.second
    if parse_equivocation(data) != equivocation:
        raise _malformed(data)
    return data


def parse_equivocation(data: bytes) -> Equivocation:
    """Read the text of ``encode_equivocation``; raises ``Refused`` L70 (and L13, L14 for the key)."""
    head, blank, notes = data[:EQUIVOCATION_MAX].partition(b"\n\n")
    try:
        lines = head.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise _malformed(data) from None
    if not blank or len(data) > EQUIVOCATION_MAX or len(lines) < 4 or lines[0] != _FIRST:
        raise _malformed(data)
    words = [line.partition(" ") for line in lines[1:4]]
    first, second = read_decimal(words[1][2]), read_decimal(words[2][2])
    if [word[0] for word in words] != ["key", "first", "second"] or first is None or second is None:
        raise _malformed(data)
    rest, prefix_root = lines[4:], None
    if rest and rest[0].startswith("prefix "):
        prefix_root = read_hash(rest.pop(0).removeprefix("prefix "))
        if prefix_root is None:
            raise _malformed(data)
    proof = tuple(hash_ for hash_ in map(read_hash, rest) if hash_ is not None)
    if len(proof) != len(rest) or len(proof) > PATH_MAX or first + second != len(notes):
        raise _malformed(data)
    return Equivocation(parse_vkey(words[0][2]), notes[:first], notes[first:], prefix_root, proof)


def _no_contradiction(got: str, expected: str) -> Refused:
    return Refused("L71", "inconsistent", got=got, expected=expected)


def _malformed(data: bytes) -> Refused:
    return Refused("L70", "malformed", got=shown(data, 40), expected=f"{_FIRST} and its lines")
