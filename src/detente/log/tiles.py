"""C2SP tiles and entry bundles: a log as static, immutable files from which every proof can be computed.

Decides paths, widths and bytes. Leaves out who serves the files and whether they belong to a signed head: that
is checked by hashing them up to its root (``check_bundle``, ``merkle``).

- A path has one spelling; level 0 to 63, width 1 to 256: L40.
- A tile is exactly its width of 32-byte hashes; a bundle exactly its count of entries: L41.
- An entry is at most 65,535 bytes, because its length is a uint16: L42.
- The entries of a bundle hash to the leaves of its tile: L43.

Source: c2sp.org/tlog-tiles at revision 5ba5ee83, without pruning. Section 6 of ``spec/log.md``.

>>> tile_path(Tile(level=0, index=1234067, width=256)), tile_path(Tile(level=1, index=0, width=17))
('tile/0/x001/x234/067', 'tile/1/000.p/17')
>>> [(tile.level, tile.index, tile.width) for tile in tiles_for(70_000)][-4:]
[(0, 273, 112), (1, 0, 256), (1, 1, 17), (2, 0, 1)]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from detente.base.errors import Refused, shown
from detente.log.merkle import HASH_SIZE, SIZE_MAX, NodeSource, leaf_hash, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 256
ENTRY_MAX = 65_535
"""Bytes of an entry: the length prefix is a uint16."""

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """``width`` hashes of ``level`` starting at hash ``index * 256``; full at 256."""

    level: int
    index: int
    width: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """``width`` entries starting at entry ``index * 256``; full at 256."""

    index: int
    width: int


def tile_path(tile: Tile) -> str:
    """``tile/<level>/<index>[.p/<width>]``; raises ``Refused`` L40 for a tile that cannot be."""
    if not 0 <= tile.level <= 63:
        raise _bad_path(f"level {tile.level}")
    return f"tile/{tile.level}/{_index_path(tile.index, tile.width)}"


def bundle_path(bundle: Bundle) -> str:
    """``tile/entries/<index>[.p/<width>]``; raises ``Refused`` L40."""
    return f"tile/entries/{_index_path(bundle.index, bundle.width)}"


def parse_tile_path(path: str) -> Tile | Bundle:
    """Read a path as a tile or an entry bundle; only the one right spelling is accepted: L40."""
    match = _PATH.match(path)
    if match is None:
        raise _bad_path(shown(path))
    index = int(match[2].replace("x", "").replace("/", "") + match[3])
    width = int(match[4]) if match[4] else TILE_WIDTH
    found = Bundle(index, width) if match[1] == "entries" else Tile(int(match[1]), index, width)
    spelled = bundle_path(found) if isinstance(found, Bundle) else tile_path(found)
    if spelled != path:
        raise _bad_path(shown(path))
    return found


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each after its length as a big-endian uint16: L41 (1 to 256 of them), L42."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise _bad_bundle(f"{len(entries)} entries")
    return b"".join(encode_entry(entry) for entry in entries)


def encode_entry(entry: bytes) -> bytes:
    """One entry after its length as a big-endian uint16; L42."""
    if len(entry) > ENTRY_MAX:
        raise Refused("L42", "oversized", got=f"an entry of {len(entry)} bytes", expected=f"at most {ENTRY_MAX}")
    return len(entry).to_bytes(2, "big") + entry


def parse_bundle(data: bytes, *, count: int) -> tuple[bytes, ...]:
    """Exactly ``count`` entries and not a byte more: L41."""
    if not 1 <= count <= TILE_WIDTH:
        raise _bad_bundle(f"a count of {count}")
    entries: list[bytes] = []
    at = 0
    for _ in range(count):
        found = read_entry(data, at)
        if found is None:
            raise _bad_bundle(f"{len(entries)} whole entries of {count} in {len(data)} bytes")
        entry, at = found
        entries.append(entry)
    if at != len(data):
        raise _bad_bundle(f"{len(data) - at} bytes after {count} entries")
    return tuple(entries)


def read_entry(data: bytes, at: int) -> tuple[bytes, int] | None:
    """The length-prefixed entry at offset ``at`` and the offset after it; None if it is cut off."""
    start = at + 2
    if start > len(data):
        return None
    end = start + int.from_bytes(data[at:start], "big")
    return (data[start:end], end) if end <= len(data) else None


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """1 to 256 hashes of 32 bytes, joined: L41."""
    if not 1 <= len(hashes) <= TILE_WIDTH or any(len(hash_) != HASH_SIZE for hash_ in hashes):
        raise _bad_bundle(f"{len(hashes)} hashes, or one that is not {HASH_SIZE} bytes")
    return b"".join(hashes)


def parse_tile(data: bytes, *, width: int) -> tuple[bytes, ...]:
    """Exactly ``width`` hashes: L41."""
    if not 1 <= width <= TILE_WIDTH or len(data) != width * HASH_SIZE:
        raise _bad_bundle(f"{len(data)} bytes for a tile of width {width}")
    return tuple(data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE))


def check_bundle(entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
    """Refuse (L43) unless the entries hash to these leaves, one to one."""
    if len(entries) != len(leaves):
        raise _corrupt(f"{len(entries)} entries for {len(leaves)} leaves")
    for at, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
        if leaf_hash(entry) != leaf:
            raise _corrupt(f"entry {at} of the bundle has another hash")


def tiles_for(size: int) -> Iterator[Tile]:
    """Every tile of a tree of ``size``, level by level, partial ones last in their level."""
    return new_tiles(0, size)


def new_tiles(old: int, new: int) -> Iterator[Tile]:
    """The tiles of a tree of ``new`` entries that a tree of ``old`` did not have, or had narrower."""
    level = 0
    while new:
        first, (full, width) = old // TILE_WIDTH, divmod(new, TILE_WIDTH)
        for index in range(first, full):
            yield Tile(level, index, TILE_WIDTH)
        if width and (full > first or width > old % TILE_WIDTH):
            yield Tile(level, full, width)
        old, new, level = first, full, level + 1


def bundles_for(size: int) -> Iterator[Bundle]:
    """Every entry bundle of a log of ``size`` entries, the partial one last."""
    return new_bundles(0, size)


def new_bundles(old: int, new: int) -> Iterator[Bundle]:
    """The bundles of a log of ``new`` entries that a log of ``old`` did not have, or had narrower."""
    for tile in new_tiles(old, new):
        if tile.level:
            return
        yield Bundle(tile.index, tile.width)


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes tile ``index`` of ``level`` has in a tree of ``size``: 0 to 256."""
    return max(0, min(TILE_WIDTH, (size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH))


def read_tile(nodes: NodeSource, tile: Tile) -> bytes:
    """The bytes of a tile, from stored nodes."""
    height, first = tile.level * TILE_HEIGHT, tile.index * TILE_WIDTH
    return encode_tile([nodes.node(height, at) for at in range(first, first + tile.width)])


class TileSource:
    """Nodes out of tiles: proofs straight from static files. Keeps each tile read, so make one per task.

    ``read`` gives the bytes of a tile; what it gives is believed only as far as the proof made from it verifies.
    """

    __slots__ = ("_read", "_seen", "size")

    def __init__(self, read: Callable[[Tile], bytes], size: int) -> None:
        self._read = read
        self._seen: dict[Tile, tuple[bytes, ...]] = {}
        self.size = size

    def node(self, level: int, index: int) -> bytes:
        """See ``NodeSource``; raises ``Refused`` L41 for a tile of another width, L40 for a node beyond ``size``."""
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile_index, at = divmod(first, TILE_WIDTH)
        width = tile_width(tile_level, tile_index, self.size)
        if index < 0 or at + (1 << height) > width:
            raise _bad_path(f"node {index} of level {level} in size {self.size}")
        tile = Tile(tile_level, tile_index, width)
        hashes = self._seen.get(tile)
        if hashes is None:
            hashes = self._seen[tile] = parse_tile(self._read(tile), width=width)
        row = list(hashes[at : at + (1 << height)])
        while len(row) > 1:
            row = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=True)]
        return row[0]


def _index_path(index: int, width: int) -> str:
    if not 0 <= index <= SIZE_MAX // TILE_WIDTH or not 1 <= width <= TILE_WIDTH:
        raise _bad_path(f"index {index}, width {width}")
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03}")
    path = "/".join(reversed(groups))
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def _bad_path(got: str) -> Refused:
    return Refused("L40", "malformed", got=got, expected="a tile: tile/<0…63 or entries>/<x000/…/000>[.p/<1…255>]")


def _bad_bundle(got: str) -> Refused:
    return Refused("L41", "malformed", got=got, expected="exactly the stated number of entries or hashes, 1 to 256")


def _corrupt(got: str) -> Refused:
    return Refused("L43", "corrupt", got=got, expected="entries that hash to the leaves of the tile")
