"""Tiles: the paths and widths of the specification's example, and proofs straight from files."""

import pytest

from detente.base.errors import Refused
from detente.log.merkle import build_consistency_proof, build_inclusion_proof, tree_root
from detente.log.tiles import (
    Bundle,
    Tile,
    TileSource,
    bundle_path,
    bundles_for,
    check_bundle,
    encode_bundle,
    encode_tile,
    new_bundles,
    new_tiles,
    parse_bundle,
    parse_tile,
    parse_tile_path,
    read_tile,
    tile_path,
    tiles_for,
)
from tests.unit.log.logbook import book


def test_the_specification_s_example_of_70_000_entries():
    """273 full and one partial tile of width 112, one full and one of 17, one of width 1."""
    tiles = list(tiles_for(70_000))
    assert sum(tile.level == 0 and tile.width == 256 for tile in tiles) == 273
    assert [tile for tile in tiles if tile.width < 256 or tile.level] == [
        Tile(0, 273, 112),
        Tile(1, 0, 256),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert list(tiles_for(256)) == [Tile(0, 0, 256), Tile(1, 0, 1)]
    assert list(tiles_for(0)) == []


def test_growing_makes_exactly_what_is_new():
    """The tiles of the old size and the new ones together are those of the new size, plus partial ones outgrown."""
    for old in (0, 1, 255, 256, 257, 65_535, 65_536, 70_000):
        for new in (old, old + 1, old + 255, old + 256, old + 70_000):
            before, added = set(tiles_for(old)), set(new_tiles(old, new))
            assert not before & added
            assert set(tiles_for(new)) <= before | added
            assert added <= set(tiles_for(new))
            assert set(new_bundles(old, new)) == {Bundle(t.index, t.width) for t in added if t.level == 0}


def test_paths_read_back():
    """The documented spellings, and every tile of a large log."""
    assert tile_path(Tile(0, 1_234_067, 256)) == "tile/0/x001/x234/067"
    assert bundle_path(Bundle(273, 112)) == "tile/entries/273.p/112"
    for tile in tiles_for(300_000):
        assert parse_tile_path(tile_path(tile)) == tile
    for bundle in bundles_for(300_000):
        assert parse_tile_path(bundle_path(bundle)) == bundle


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/1",
        "tile/0/000/000",
        "tile/0/x000/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/entries/../000",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/" + "x999/" * 7 + "999",
        "tile/0/٠٠٠",
    ],
)
def test_another_spelling_is_refused(path):
    """One path for one tile, so that caches and stores agree."""
    with pytest.raises(Refused) as refused:
        parse_tile_path(path)
    assert refused.value.rule == "L40"


def test_proofs_come_straight_from_tiles():
    """Across level 0, 1 and partial tiles: root, inclusion and consistency equal those of the tree in memory."""
    log = book(66_000)
    files = {tile_path(tile): read_tile(log.tree, tile) for tile in tiles_for(66_000)}
    source = TileSource(lambda tile: files[tile_path(tile)], 66_000)
    assert tree_root(source, 66_000) == log.tree.root()
    for index in (0, 255, 256, 65_535, 65_536, 65_999):
        assert build_inclusion_proof(source, index, 66_000) == log.tree.inclusion_proof(index, 66_000)
    for old in (1, 256, 65_536, 65_999):
        assert build_consistency_proof(source, old, 66_000) == log.tree.consistency_proof(old, 66_000)
    with pytest.raises(Refused) as refused:
        source.node(0, 66_000)
    assert refused.value.rule == "L40"


def test_bundles_read_back():
    """Entries of every length that a uint16 can say, empty ones too."""
    entries = (b"", b"x", b"y" * 65_535)
    assert parse_bundle(encode_bundle(entries), count=3) == entries
    hashes = (bytes(32), bytes([1]) * 32)
    assert parse_tile(encode_tile(hashes), width=2) == hashes


BUNDLE = encode_bundle([b"one", b"two"])


@pytest.mark.parametrize(
    ("rule", "attempt"),
    [
        ("L40", lambda: tile_path(Tile(64, 0, 1))),
        ("L40", lambda: tile_path(Tile(0, -1, 1))),
        ("L40", lambda: bundle_path(Bundle(0, 257))),
        ("L41", lambda: parse_bundle(BUNDLE, count=3)),
        ("L41", lambda: parse_bundle(BUNDLE, count=1)),
        ("L41", lambda: parse_bundle(BUNDLE[:-1], count=2)),
        ("L41", lambda: parse_bundle(b"", count=0)),
        ("L41", lambda: encode_bundle([])),
        ("L41", lambda: encode_bundle([b""] * 257)),
        ("L41", lambda: parse_tile(bytes(33), width=1)),
        ("L41", lambda: encode_tile([b"short"])),
        ("L42", lambda: encode_bundle([b"x" * 65_536])),
        ("L43", lambda: check_bundle([b"one"], [bytes(32)])),
        ("L43", lambda: check_bundle([b"one"], [])),
    ],
)
def test_what_is_out_of_form_is_refused(rule, attempt):
    """Counts, widths and lengths are exact."""
    with pytest.raises(Refused) as refused:
        attempt()
    assert refused.value.rule == rule
    assert parse_bundle(BUNDLE, count=2) == (b"one", b"two")
