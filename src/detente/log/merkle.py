"""RFC 6962 Merkle trees: hashing, proofs built from stored nodes, proofs verified against a root.

Decides whether a proof leads from a leaf, a subtree or an older tree to a root. Leaves out where nodes are
stored (``NodeSource``) and who signed the root (``checkpoint``).

- Every hash is 32 bytes, checked before it is hashed: L01.
- Sizes and indices are below 2**63 and ordered: L02.
- A proof has exactly the length that the sizes fix, and leads to the root: L03, L04, L05.
- A proof from size zero proves nothing and is refused here; only ``witness`` has an exception: L06.
- A subtree ``[start, end)`` is aligned to its own width: L07.

Sources: RFC 6962 §2.1 (hashing), RFC 9162 §2.1.3 (verification), draft-ietf-plants-merkle-tree-certs-02 §4
(subtrees). Section 1 of ``spec/log.md``.

>>> tree = MerkleTree()
>>> tree.extend([leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")])
>>> verify_inclusion(leaf_hash(b"b"), 1, 3, tree.inclusion_proof(1, 3), tree.root())
>>> verify_inclusion(leaf_hash(b"x"), 1, 3, tree.inclusion_proof(1, 3), tree.root())
Traceback (most recent call last):
...
detente.base.errors.Refused: L04 inconsistent: got a proof that leads to another root; expected the root of the tree
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol

from detente.base.errors import Refused

HASH_SIZE = 32
"""Bytes of a SHA-256 hash."""
SIZE_MAX = 2**63 - 1
"""The largest tree: C2SP sizes and times fit a signed 64-bit integer."""
EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves (RFC 6962 §2.1)."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry): RFC 6962 §2.1."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right): RFC 6962 §2.1."""
    return sha256(b"\x01" + left + right).digest()


class NodeSource(Protocol):
    """Where stored hashes come from: memory, tiles, a database."""

    def node(self, level: int, index: int) -> bytes:
        """The root of the complete subtree over leaves ``[index << level, (index + 1) << level)``."""
        ...


class CompactTree:
    """The right edge of a growing tree: enough to append and to know the root, O(log n) hashes."""

    __slots__ = ("_edge", "size")

    def __init__(self) -> None:
        self.size = 0
        # _edge[l] is the root of the complete subtree of height l on the right edge, present iff bit l of size is set.
        self._edge: list[bytes | None] = []

    @classmethod
    def restore(cls, size: int, state: Sequence[bytes]) -> CompactTree:
        """The tree whose ``state()`` was kept; raises ``Refused`` L01 or L02 for a state that fits no such tree."""
        _check_size(size)
        _check_hashes(state)
        if len(state) != size.bit_count():
            raise Refused(
                "L02", "malformed", got=f"{len(state)} hashes for size {size}", expected=f"{size.bit_count()} hashes"
            )
        tree = cls()
        tree.size = size
        largest_first = iter(state)
        for level in reversed(range(size.bit_length())):
            tree._edge.insert(0, next(largest_first) if size >> level & 1 else None)
        return tree

    def state(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees from left to right, one for each set bit of the size."""
        return tuple(hash_ for hash_ in reversed(self._edge) if hash_ is not None)

    def append(self, leaf: bytes) -> None:
        """Append one leaf hash (32 bytes; L01)."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes (32 bytes each; L01, checked before anything changes)."""
        nodes = list(leaves)
        _check_hashes(nodes)
        _check_size(self.size + len(nodes))
        self.size += len(nodes)
        edge, level, hash_ = self._edge, 0, sha256
        while nodes:
            if level == len(edge):
                edge.append(None)
            waiting = edge[level]
            if waiting is not None:
                nodes.insert(0, waiting)
                edge[level] = None
            if len(nodes) & 1:
                edge[level] = nodes.pop()
            nodes = [hash_(b"\x01" + a + b).digest() for a, b in zip(nodes[::2], nodes[1::2], strict=True)]
            level += 1

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        root: bytes | None = None
        for node in self._edge:
            if node is not None:
                root = node if root is None else node_hash(node, root)
        return EMPTY_ROOT if root is None else root

    def copy(self) -> CompactTree:
        """An independent copy: appending to one leaves the other as it was."""
        other = CompactTree()
        other.size = self.size
        other._edge = list(self._edge)
        return other


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes (32 bytes each; L01)."""
    tree = CompactTree()
    tree.extend(leaf_hashes)
    return tree.root()


class MerkleTree:
    """Every complete node in memory, 64 bytes a leaf, for a log that answers many proofs.

    Proofs can be asked for any size up to the present one. The right edge of the size asked last is kept, because
    proofs are nearly always asked for the newest head.
    """

    __slots__ = ("_edge", "_edge_size", "_levels")

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]
        self._edge_size = 0
        self._edge: list[bytes | None] = []

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0]) // HASH_SIZE

    def append(self, leaf: bytes) -> None:
        """Append one leaf hash (32 bytes; L01)."""
        self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes (32 bytes each; L01, checked before anything changes)."""
        batch = list(leaves)
        _check_hashes(batch)
        levels, hash_ = self._levels, sha256
        levels[0] += b"".join(batch)
        level = 0
        while len(levels[level]) >= 2 * HASH_SIZE:
            if level + 1 == len(levels):
                levels.append(bytearray())
            below, above = levels[level], levels[level + 1]
            first, end = len(above) * 2, len(below) // (2 * HASH_SIZE) * (2 * HASH_SIZE)
            above += b"".join(
                [hash_(b"\x01" + below[at : at + 2 * HASH_SIZE]).digest() for at in range(first, end, 2 * HASH_SIZE)]
            )
            level += 1

    def node(self, level: int, index: int) -> bytes:
        """The root of a complete stored subtree (see ``NodeSource``); raises ``Refused`` L02 beyond the tree."""
        if 0 <= level < len(self._levels) and index >= 0:
            found = bytes(self._levels[level][index * HASH_SIZE : (index + 1) * HASH_SIZE])
            if found:
                return found
        raise Refused("L02", "malformed", got=f"node {index} of level {level}", expected=f"a tree of size {self.size}")

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """The leaf hashes of ``[start, end)``; raises ``Refused`` L02 beyond the tree."""
        _check_range(start, end, self.size)
        leaves = self._levels[0]
        return [bytes(leaves[at : at + HASH_SIZE]) for at in range(start * HASH_SIZE, end * HASH_SIZE, HASH_SIZE)]

    def root(self, size: int | None = None) -> bytes:
        """The root at ``size`` (the present one if None); raises ``Refused`` L02 beyond the tree."""
        wanted = self.size if size is None else size
        _check_range(0, wanted, self.size)
        return tree_root(self, wanted)

    def subtree_root(self, start: int, end: int) -> bytes:
        """The root over ``[start, end)``, an aligned subtree (L02, L07)."""
        _check_range(start, end, self.size)
        return build_subtree_root(self, start, end)

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """The audit path of leaf ``index`` in the tree of ``size``, from the leaf upwards (RFC 6962 §2.1.1; L02)."""
        if not 0 <= index < size <= self.size:
            raise _out_of_range(f"index {index} in size {size}", f"index < size ≤ {self.size}")
        if size != self._edge_size:
            self._edge = _right_edge(self, size)
            self._edge_size = size
        proof: list[bytes] = []
        last = size - 1
        for level, nodes in enumerate(self._levels):
            if not last:
                break
            sibling = index ^ 1
            # A sibling left of the last node is complete; the last one may hang over the right edge.
            if sibling < last:
                at = sibling << 5
                proof.append(bytes(nodes[at : at + 32]))
            elif sibling == last:
                proof.append(self._last_node(level, sibling, size))
            index >>= 1
            last >>= 1
        return proof

    def _last_node(self, level: int, index: int, size: int) -> bytes:
        if (index + 1) << level <= size:
            return self.node(level, index)
        partial = self._edge[level]
        if partial is None:
            raise _out_of_range(f"node {index} of level {level}", f"a tree of size {size}")
        return partial

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """RFC 6962 §2.1.2 between two sizes, 0 < old ≤ new ≤ size (L02, L06)."""
        _check_range(0, new, self.size)
        return build_consistency_proof(self, old, new)

    def subtree_consistency_proof(self, start: int, end: int, size: int) -> list[bytes]:
        """From the aligned subtree ``[start, end)`` to the tree of ``size`` (L02, L07)."""
        _check_range(0, size, self.size)
        return build_subtree_consistency_proof(self, start, end, size)


def tree_root(nodes: NodeSource, size: int) -> bytes:
    """The root of the first ``size`` leaves that ``nodes`` holds."""
    _check_size(size)
    return _range_root(nodes, 0, size) if size else EMPTY_ROOT


def build_subtree_root(nodes: NodeSource, start: int, end: int) -> bytes:
    """The root over the aligned subtree ``[start, end)`` (L02, L07)."""
    check_subtree(start, end)
    return _range_root(nodes, start, end)


def build_inclusion_proof(nodes: NodeSource, index: int, size: int) -> list[bytes]:
    """The audit path of leaf ``index`` in the tree of ``size``, from the leaf upwards (RFC 6962 §2.1.1; L02)."""
    if not 0 <= index < size <= SIZE_MAX:
        raise _out_of_range(f"index {index} in size {size}", "index < size")
    proof: list[bytes] = []
    level = 0
    while (1 << level) < size:
        start = ((index >> level) ^ 1) << level
        if start < size:
            proof.append(_range_root(nodes, start, min(start + (1 << level), size)))
        level += 1
    return proof


def build_consistency_proof(nodes: NodeSource, old: int, new: int) -> list[bytes]:
    """RFC 6962 §2.1.2 from ``old`` to ``new``, 0 < old ≤ new (L02, L06)."""
    _check_not_from_zero(old)
    return build_subtree_consistency_proof(nodes, 0, old, new)


def build_subtree_consistency_proof(nodes: NodeSource, start: int, end: int, size: int) -> list[bytes]:
    """From the aligned subtree ``[start, end)`` to the tree of ``size`` (L02, L07).

    Source: draft-ietf-plants-merkle-tree-certs-02 §4.4, SUBTREE_SUBPROOF, unrolled from the root down.
    """
    check_subtree(start, end)
    if end > size:
        raise _out_of_range(f"end {end} in size {size}", "end ≤ size")
    downwards: list[tuple[int, int]] = []
    low, high, known = 0, size, True
    while (start, end) != (low, high):
        split = low + (1 << ((high - low - 1).bit_length() - 1))
        if end <= split:
            downwards.append((split, high))
            high = split
        elif start >= split:
            downwards.append((low, split))
            low = split
        else:
            # The subtree spans the split, so it starts at ``low``; its left half is complete and is sent as a hash.
            downwards.append((low, split))
            low = start = split
            known = False
    if not known:
        downwards.append((low, high))
    return [_range_root(nodes, left, right) for left, right in reversed(downwards)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Refuse unless ``leaf`` (a leaf hash) stands at ``index`` in the tree of ``size`` leaves with ``root``.

    1. All hashes are 32 bytes: L01.
    2. 0 ≤ index < size: L02.
    3. The proof has as many hashes as the path has siblings: L03.
    4. Hashed together they give the root: L04.

    Source: RFC 9162 §2.1.3.2.
    """
    _check_hashes((leaf, root))  # 1
    _check_hashes(proof)
    if not 0 <= index < size <= SIZE_MAX:  # 2
        raise _out_of_range(f"index {index} in size {size}", "0 ≤ index < size")
    fn, sn, result = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:  # 3
            raise _wrong_length(proof)
        if fn & 1 or fn == sn:
            result = node_hash(sibling, result)
            while fn and not fn & 1:
                fn >>= 1
                sn >>= 1
        else:
            result = node_hash(result, sibling)
        fn >>= 1
        sn >>= 1
    if sn:  # 3
        raise _wrong_length(proof)
    if result != root:  # 4
        raise Refused("L04", "inconsistent", got="a proof that leads to another root", expected="the root of the tree")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Refuse unless the tree (old, old_root) is the beginning of the tree (new, new_root).

    1. All hashes of the proof are 32 bytes: L01.
    2. old is not zero, for anything is consistent with nothing: L06.
    3. old ≤ new: L02.
    4. The proof has the length that the sizes fix, and leads to both roots: L03, L05.

    Source: RFC 6962 §2.1.2, RFC 9162 §2.1.4.2.
    """
    _check_hashes(proof)  # 1
    _check_not_from_zero(old)  # 2
    verify_subtree_consistency(  # 3, 4
        start=0, end=old, size=new, subtree_root=old_root, root=new_root, proof=proof
    )


def verify_subtree_inclusion(
    leaf: bytes, index: int, *, start: int, end: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Refuse unless ``leaf`` stands at ``index`` of the log, inside the aligned subtree ``[start, end)``.

    As ``verify_inclusion``, after L02 and L07 for the subtree. Source: draft-ietf-plants-merkle-tree-certs-02 §4.3.
    """
    _check_hashes((leaf, root))
    _check_hashes(proof)
    check_subtree(start, end)
    if not start <= index < end:
        raise _out_of_range(f"index {index} in [{start}, {end})", "an index inside the subtree")
    verify_inclusion(leaf, index - start, end - start, proof, root)


def verify_subtree_consistency(
    *, start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Refuse unless the aligned subtree ``[start, end)`` with ``subtree_root`` lies in the tree (size, root).

    1. All hashes of the proof are 32 bytes: L01.
    2. The subtree lies inside the tree: L02.
    3. The empty subtree lies in every tree, without proof; its root is that of no leaves: L03, L05.
    4. The subtree is aligned: L07.
    5. The whole tree needs no proof: the roots are the same bytes: L03, L05.
    6. Both roots are 32 bytes: L01.
    7. The proof has the length that the sizes fix: L03.
    8. It leads to the subtree's root and to the tree's root: L05.

    In 3 and 5 nothing is hashed, so a root is only compared; its length is the checkpoint's matter (L20).
    Source: draft-ietf-plants-merkle-tree-certs-02 §4.4.
    """
    _check_hashes(proof)  # 1
    _check_range(start, end, size)  # 2
    _check_size(size)
    if start == end or (start, end) == (0, size):  # 3, 5
        if proof:
            raise _wrong_length(proof)
        if subtree_root != (EMPTY_ROOT if start == end else root):
            raise _other_roots()
        return
    check_subtree(start, end)  # 4
    _check_hashes((subtree_root, root))  # 6
    fn, sn, tn = start, end - 1, size - 1
    while fn != sn and (sn == tn or sn & 1):
        # The last leaf's path inside the subtree starts at the highest complete node on the subtree's right edge.
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    path = iter(proof)
    seed = subtree_root if fn == sn else next(path, None)
    if seed is None:  # 7
        raise _wrong_length(proof)
    small = large = seed
    for sibling in path:
        if tn == 0:  # 7
            raise _wrong_length(proof)
        if sn & 1 or sn == tn:
            if fn < sn:
                small = node_hash(sibling, small)
            large = node_hash(sibling, large)
            while not sn & 1:
                fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
        else:
            large = node_hash(large, sibling)
        fn, sn, tn = fn >> 1, sn >> 1, tn >> 1
    if tn:  # 7
        raise _wrong_length(proof)
    if small != subtree_root or large != root:  # 8
        raise _other_roots()


def check_subtree(start: int, end: int) -> None:
    """``start`` is a multiple of the smallest power of two that holds ``end − start`` leaves; L02, L07."""
    _check_size(end)
    if not 0 <= start < end:
        raise _out_of_range(f"[{start}, {end})", "0 ≤ start < end")
    if start & ((1 << (end - start - 1).bit_length()) - 1):
        raise Refused("L07", "malformed", got=f"[{start}, {end})", expected="a start aligned to the subtree's width")


def _range_root(nodes: NodeSource, start: int, end: int) -> bytes:
    """The root of an aligned range: its complete subtrees from the left, folded from the right."""
    parts: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(nodes.node(level, start >> level))
        start += 1 << level
    root = parts.pop()
    while parts:
        root = node_hash(parts.pop(), root)
    return root


def _right_edge(nodes: NodeSource, size: int) -> list[bytes | None]:
    """For each level, the root of the leaves right of the last complete node, or None when there are none."""
    edge: list[bytes | None] = [None]
    partial: bytes | None = None
    for level in range(size.bit_length()):
        if size >> level & 1:
            left = nodes.node(level, (size >> level) - 1)
            partial = left if partial is None else node_hash(left, partial)
        edge.append(partial)
    return edge


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for hash_ in hashes:
        if len(hash_) != HASH_SIZE:
            raise Refused("L01", "malformed", got=f"a hash of {len(hash_)} bytes", expected=f"{HASH_SIZE} bytes")


def _check_size(size: int) -> None:
    if not 0 <= size <= SIZE_MAX:
        raise _out_of_range(f"size {size}", "0 ≤ size < 2**63")


def _check_range(start: int, end: int, size: int) -> None:
    if not 0 <= start <= end <= size:
        raise _out_of_range(f"[{start}, {end})", f"a range within size {size}")


def _check_not_from_zero(old: int) -> None:
    if old == 0:
        raise Refused("L06", "malformed", got="a proof from size 0", expected="0 < old: an empty tree proves nothing")


def _out_of_range(got: str, expected: str) -> Refused:
    return Refused("L02", "malformed", got=got, expected=expected)


def _wrong_length(proof: Sequence[bytes]) -> Refused:
    return Refused("L03", "inconsistent", got=f"{len(proof)} hashes", expected="the length that the sizes fix")


def _other_roots() -> Refused:
    return Refused("L05", "inconsistent", got="a proof that leads to other roots", expected="both given roots")
