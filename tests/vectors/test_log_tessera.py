"""A real log written by another implementation (Tessera): 16 signed heads, tiles and bundles, end to end."""

import pytest

from detente.base.errors import Refused
from detente.log.checkpoint import verify_checkpoint
from detente.log.merkle import CompactTree, leaf_hash
from detente.log.note import parse_vkey
from detente.log.tiles import Bundle, Tile, bundle_path, bundles_for, check_bundle, parse_bundle, parse_tile, tile_path
from tests.shared_data import shared

SIZES = range(16)


def _read(log, path):
    # Tessera keeps no partial tile of a size that it passed over, but this log was grown one entry at a time.
    return (log / path).read_bytes()


def _verify(log, key, size, *, note=None, tile=None, bundle=None):
    """Every step from the signature down to the entries; the arguments replace what the log serves."""
    head = verify_checkpoint((log / f"checkpoint.{size}").read_bytes() if note is None else note, key)
    tree = CompactTree()
    for part in bundles_for(head.size):
        data = _read(log, bundle_path(part)) if bundle is None else bundle
        hashes = _read(log, tile_path(Tile(0, part.index, part.width))) if tile is None else tile
        entries = parse_bundle(data, count=part.width)
        leaves = parse_tile(hashes, width=part.width)
        check_bundle(entries, leaves)
        tree.extend(leaves)
    if tree.root() != head.root:
        raise Refused("L04", "inconsistent", got="another root", expected="the head's")
    return head


@pytest.fixture
def log():
    """The folder of the log."""
    return shared("tlog/tessera/log")


@pytest.fixture
def key():
    """The log's published verifier key."""
    return parse_vkey(shared("tlog/tessera/log.vkey").read_text("utf-8").strip())


@pytest.mark.parametrize("size", SIZES)
def test_each_head_verifies_down_to_its_entries(log, key, size):
    """Signature, bundle, tile and root agree for all 16 heads."""
    assert _verify(log, key, size).size == size


@pytest.mark.parametrize("size", [1, 7, 15])
def test_a_changed_byte_anywhere_is_refused(log, key, size):
    """The text, the signature, a tile or a bundle that is changed in one byte fails."""
    note = (log / f"checkpoint.{size}").read_bytes()
    tile = _read(log, tile_path(Tile(0, 0, size)))
    bundle = _read(log, bundle_path(Bundle(0, size)))
    for name, data in {"note": note, "tile": tile, "bundle": bundle}.items():
        for at in range(len(data)):
            changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            with pytest.raises(Refused):
                _verify(log, key, size, **{name: changed})


def test_the_log_keeps_its_word_from_head_to_head(log, key):
    """The head of 15 entries begins with the entries of every smaller head."""
    entries = parse_bundle(_read(log, bundle_path(Bundle(0, 15))), count=15)
    tree = CompactTree()
    for size in range(1, 16):
        tree.append(leaf_hash(entries[size - 1]))
        assert tree.root() == _verify(log, key, size).root
