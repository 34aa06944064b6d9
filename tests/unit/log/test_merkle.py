"""Trees: the incremental, the stored and the recursive definition agree; proofs built are proofs accepted."""

from hashlib import sha256

import pytest

from detente.base.errors import Refused
from detente.log.merkle import (
    EMPTY_ROOT,
    CompactTree,
    MerkleTree,
    build_inclusion_proof,
    check_subtree,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

LEAVES = [leaf_hash(b"%d" % at) for at in range(40)]


def _mth(leaves):
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(_mth(leaves[:split]), _mth(leaves[split:]))


def _path(index, leaves):
    """RFC 6962 §2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*_path(index, leaves[:split]), _mth(leaves[split:])]
    return [*_path(index - split, leaves[split:]), _mth(leaves[:split])]


def _subproof(old, leaves, known):
    """RFC 6962 §2.1.2, word for word."""
    if old == len(leaves):
        return [] if known else [_mth(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*_subproof(old, leaves[:split], known), _mth(leaves[split:])]
    return [*_subproof(old - split, leaves[split:], False), _mth(leaves[:split])]


def _tree(size=40):
    tree = MerkleTree()
    tree.extend(LEAVES[:size])
    return tree


def test_every_tree_has_the_root_of_the_definition():
    """Compact, stored and one-shot trees give RFC 6962's root at every size, however they were grown."""
    compact, stored = CompactTree(), MerkleTree()
    for size in range(len(LEAVES) + 1):
        expected = _mth(LEAVES[:size])
        assert compact.root() == root_of(LEAVES[:size]) == stored.root() == _tree().root(size) == expected
        assert CompactTree.restore(compact.size, compact.state()).root() == expected
        if size < len(LEAVES):
            compact.append(LEAVES[size])
            stored.append(LEAVES[size])
    assert CompactTree().root() == EMPTY_ROOT


def test_every_proof_is_the_definition_s_and_verifies():
    """For all sizes to 40: inclusion of each leaf, consistency with each older size."""
    tree = _tree()
    for size in range(1, len(LEAVES) + 1):
        root = tree.root(size)
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            assert proof == build_inclusion_proof(tree, index, size) == _path(index, LEAVES[:size])
            verify_inclusion(LEAVES[index], index, size, proof, root)
        for old in range(1, size + 1):
            proof = tree.consistency_proof(old, size)
            assert proof == _subproof(old, LEAVES[:size], True)
            verify_consistency(old, size, tree.root(old), root, proof)


def test_every_aligned_subtree_proves_into_every_tree():
    """For all sizes to 24 and all aligned subtrees: the proof verifies, and not with another subtree's root."""
    tree = _tree()
    for size in range(1, 25):
        for end in range(1, size + 1):
            for start in range(end):
                try:
                    check_subtree(start, end)
                except Refused:
                    continue
                proof = tree.subtree_consistency_proof(start, end, size)
                given = {"start": start, "end": end, "size": size, "root": tree.root(size), "proof": proof}
                verify_subtree_consistency(subtree_root=tree.subtree_root(start, end), **given)
                with pytest.raises(Refused):
                    verify_subtree_consistency(subtree_root=leaf_hash(b"other"), **given)


def test_a_leaf_is_proven_inside_its_subtree():
    """The index is the log's; outside the subtree it is refused."""
    inner = MerkleTree()
    inner.extend(LEAVES[8:13])
    proof = inner.inclusion_proof(3, 5)
    verify_subtree_inclusion(LEAVES[11], 11, start=8, end=13, proof=proof, root=inner.root())
    with pytest.raises(Refused) as refused:
        verify_subtree_inclusion(LEAVES[11], 13, start=8, end=13, proof=proof, root=inner.root())
    assert refused.value.rule == "L02"


def test_extending_equals_appending():
    """A batch and single steps leave the same nodes, whatever the tree held before."""
    for before in range(10):
        for batch in range(10):
            one, other, compact = _tree(before), _tree(before), CompactTree()
            one.extend(LEAVES[before : before + batch])
            for leaf in LEAVES[before : before + batch]:
                other.append(leaf)
            compact.extend(LEAVES[:before])
            compact.extend(LEAVES[before : before + batch])
            assert one._levels == other._levels
            assert compact.root() == one.root()


def test_a_copy_grows_alone():
    """Appending to a copy leaves the original as it was."""
    tree = CompactTree()
    tree.extend(LEAVES[:5])
    before, copy = tree.root(), tree.copy()
    copy.append(LEAVES[5])
    assert (tree.size, tree.root()) == (5, before)
    assert copy.root() == _mth(LEAVES[:6])


@pytest.mark.parametrize(
    ("rule", "attempt"),
    [
        ("L01", lambda tree: tree.append(b"short")),
        ("L01", lambda tree: tree.extend([LEAVES[0], b""])),
        ("L02", lambda tree: tree.inclusion_proof(5, 5)),
        ("L02", lambda tree: tree.inclusion_proof(0, 6)),
        ("L02", lambda tree: tree.root(6)),
        ("L02", lambda tree: tree.node(0, 5)),
        ("L02", lambda tree: tree.node(0, -1)),
        ("L02", lambda tree: tree.leaf_hashes(3, 6)),
        ("L02", lambda tree: tree.consistency_proof(4, 3)),
        ("L02", lambda tree: tree.consistency_proof(4, 6)),
        ("L06", lambda tree: tree.consistency_proof(0, 3)),
        ("L07", lambda tree: tree.subtree_root(1, 3)),
        ("L02", lambda tree: CompactTree.restore(3, [LEAVES[0]])),
        ("L02", lambda tree: CompactTree.restore(-1, [])),
    ],
)
def test_a_request_outside_the_tree_is_refused(rule, attempt):
    """The tree is as it was afterwards."""
    tree = _tree(5)
    before = tree.root()
    with pytest.raises(Refused) as refused:
        attempt(tree)
    assert refused.value.rule == rule
    assert (tree.size, tree.root()) == (5, before)
