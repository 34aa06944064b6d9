"""What holds for every log, note and byte: reading inverts writing, and a changed byte never passes unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.base.errors import Refused
from detente.log.checkpoint import Checkpoint, encode_checkpoint, parse_checkpoint, verify_checkpoint, verify_witnessed
from detente.log.equivocation import (
    encode_equivocation,
    find_equivocation,
    parse_equivocation,
    verify_equivocation,
)
from detente.log.merkle import (
    EMPTY_ROOT,
    CompactTree,
    MerkleTree,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
)
from detente.log.mirror import EntryPackage, encode_package, parse_package
from detente.log.note import NoteSignature, SignedNote, encode_note, parse_note
from detente.log.proof import InclusionProof, encode_proof, parse_proof, verify_proof
from detente.log.tiles import check_bundle, encode_bundle, parse_bundle
from detente.log.witness import AddCheckpoint, encode_add_checkpoint, parse_add_checkpoint
from tests.unit.log.logbook import LOG_KEY, PARTIES, book

HASHES = st.binary(min_size=32, max_size=32)
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\n", min_codepoint=32), min_size=1, max_size=40)
NAMES = LINES.filter(lambda name: "+" not in name and not any(c.isspace() for c in name) and len(name.encode()) <= 255)
SIGNATURES = st.builds(NoteSignature, NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80))
TEXTS = st.lists(LINES | st.just(""), min_size=1, max_size=5).map(
    lambda lines: "".join(f"{x}\n" for x in lines).encode()
)
LOGS = book(13)


@given(TEXTS, st.lists(SIGNATURES, min_size=1, max_size=16))
def test_a_note_reads_back(text, signatures):
    """parse(encode(x)) == x, whatever the text and whoever signed."""
    note = SignedNote(text, tuple(signatures))
    assert parse_note(encode_note(note)) == note


@given(LINES, st.integers(1, 2**63 - 1), HASHES, st.lists(LINES, max_size=3))
def test_a_checkpoint_reads_back(origin, size, root, extensions):
    """parse(encode(x)) == x, with any origin and extension lines."""
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert parse_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


@given(st.integers(0, 2**63 - 1), st.lists(HASHES, max_size=63), st.none() | st.binary(max_size=50))
def test_a_proof_and_a_request_read_back(index, hashes, extra):
    """parse(encode(x)) == x for proofs and add-checkpoint requests around any note."""
    proof = InclusionProof(index, tuple(hashes), LOGS.note(), extra)
    assert parse_proof(encode_proof(proof)) == proof
    request = AddCheckpoint(index, tuple(hashes), LOGS.note())
    assert parse_add_checkpoint(encode_add_checkpoint(request)) == request


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20), st.lists(HASHES, max_size=63))
def test_a_bundle_and_a_package_read_back(entries, hashes):
    """parse(encode(x)) == x for entry bundles and mirror packages."""
    assert parse_bundle(encode_bundle(entries), count=len(entries)) == tuple(entries)
    package = EntryPackage(7, tuple(entries), tuple(hashes))
    data = encode_package(package)
    assert parse_package(data, 0, start=7, end=7 + len(entries)) == (package, len(data))


def _changed(data, at, bits):
    at %= len(data)
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


CHANGE = (st.integers(0, 10**6), st.integers(1, 255))
NOTE = LOGS.cosigned()
PROOF = encode_proof(InclusionProof(5, tuple(LOGS.tree.inclusion_proof(5, 13)), NOTE))
BUNDLE = encode_bundle(LOGS.entries)
EQUIVOCATION = encode_equivocation(find_equivocation(LOGS.head(7), book(13, salt=b"!").head(7)))


def _accepts(check, *arguments, **named):
    try:
        return check(*arguments, **named)
    except Refused:
        return None


@given(*CHANGE)
def test_a_changed_byte_of_a_witnessed_note_is_refused(at, bits):
    """Three of three cosignatures are needed, so no line can be turned into a stranger's unnoticed."""
    witnessed = _accepts(verify_witnessed, _changed(NOTE, at, bits), LOG_KEY, mirrors=PARTIES, operator=None, quorum=3)
    assert witnessed is None


@given(*CHANGE)
def test_a_changed_byte_of_a_proof_is_refused(at, bits):
    """Index, path and head are all bound."""
    proof = _accepts(parse_proof, _changed(PROOF, at, bits))
    if proof is not None:
        given = {"log_key": LOG_KEY, "mirrors": PARTIES, "operator": None, "quorum": 3}
        assert _accepts(verify_proof, proof, LOGS.entries[5], **given) is None


@given(*CHANGE)
def test_a_changed_byte_of_a_bundle_is_refused(at, bits):
    """Lengths and contents are both bound by the leaf hashes."""
    entries = _accepts(parse_bundle, _changed(BUNDLE, at, bits), count=13)
    if entries is not None:
        with pytest.raises(Refused) as refused:
            check_bundle(entries, LOGS.tree.leaf_hashes(0, 13))
        assert refused.value.rule == "L43"


@given(*CHANGE)
def test_a_changed_byte_of_an_equivocation_accuses_nobody_else(at, bits):
    """It is refused, or it still shows two heads of one size under a key that signed both."""
    found = _accepts(parse_equivocation, _changed(EQUIVOCATION, at, bits))
    if found is not None and (heads := _accepts(verify_equivocation, found)) is not None:
        assert found.log_key == LOG_KEY
        assert heads[0].root != heads[1].root


@given(st.lists(st.integers(0, 40), max_size=6))
def test_trees_agree_however_they_are_grown(batches):
    """CompactTree, MerkleTree and root_of give one root for any sequence of batches."""
    leaves = [leaf_hash(b"%d" % at) for at in range(sum(batches))]
    compact, tree, done = CompactTree(), MerkleTree(), 0
    for batch in batches:
        compact.extend(leaves[done : done + batch])
        tree.extend(leaves[done : done + batch])
        done += batch
    assert compact.root() == tree.root() == root_of(leaves)


TALL = MerkleTree()
TALL.extend([leaf_hash(b"%d" % at) for at in range(3_000)])


@given(st.integers(1, 3_000), st.integers(0, 2_999), st.integers(0, 2**20))
def test_a_proof_fits_one_place_only(size, at, noise):
    """It verifies where it was made, and at no other index, size or root."""
    index = at % size
    proof, leaf, root = TALL.inclusion_proof(index, size), TALL.node(0, index), TALL.root(size)
    verify_inclusion(leaf, index, size, proof, root)
    wrong = [
        (leaf, noise % size, size, proof, root) if noise % size != index else None,
        (leaf_hash(b"other"), index, size, proof, root),
        (leaf, index, size, proof, EMPTY_ROOT),
        (leaf, index, size, [*proof, root], root),
        (leaf, index, size, proof[:-1], root) if proof else None,
    ]
    for arguments in filter(None, wrong):
        try:
            verify_inclusion(*arguments)
        except Refused:
            continue
        raise AssertionError(f"accepted {arguments[1:3]}")


@given(st.integers(1, 3_000), st.integers(1, 3_000), st.integers(0, 11), st.integers(0, 255))
def test_consistency_holds_between_prefixes_only(one, other, level, at):
    """Any two sizes are consistent, any aligned subtree lies inside; another root never does."""
    old, new = sorted((one, other))
    proof = TALL.consistency_proof(old, new)
    verify_consistency(old, new, TALL.root(old), TALL.root(new), proof)
    start = (at << level) % new >> level << level
    end = min(start + (1 << level), new)
    verify_subtree_consistency(
        start=start,
        end=end,
        size=new,
        subtree_root=TALL.subtree_root(start, end),
        root=TALL.root(new),
        proof=TALL.subtree_consistency_proof(start, end, new),
    )
    for old_root, new_root in ((EMPTY_ROOT, TALL.root(new)), (TALL.root(old), EMPTY_ROOT)):
        try:
            verify_consistency(old, new, old_root, new_root, proof)
        except Refused:
            continue
        raise AssertionError("another root was accepted")


@given(st.binary(max_size=400))
def test_no_bytes_break_a_reader(data):
    """Every reader answers any bytes with a value or a numbered refusal."""
    for reader in (
        parse_note,
        parse_proof,
        parse_equivocation,
        parse_add_checkpoint,
        parse_checkpoint,
        lambda x: parse_bundle(x, count=2),
        lambda x: verify_checkpoint(x, LOG_KEY),
    ):
        _accepts(reader, data)
