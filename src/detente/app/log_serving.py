"""What a node shows of the logs that it holds: checkpoints, tiles, cosignatures, proofs against a log.

Decides which bytes stand under which path. Leaves out HTTP (``server``). Everything here is public, immutable but for
the newest heads, and believed by nobody without a check.

- ``checkpoint``: the greatest head with a quorum, with every cosignature; before there is one, the greatest stored.
- ``latest``: the greatest head that the log signed and we saw, stored or not: its operator asks for it after a restore.
- ``tile``: any tile or entry bundle of what is stored, at any width that it has or had: N36 beyond.
"""

from __future__ import annotations

from detente.adapters.client import GOSSIP_PAGE
from detente.adapters.store import HeadRow, Store
from detente.app.logbook import HeldLog, LogBook
from detente.base.errors import Refused, shown
from detente.log.tiles import TILE_WIDTH, Bundle, encode_bundle, parse_tile_path, read_tile, tile_width

PAGE = GOSSIP_PAGE


class LogServing:
    """Reads for everybody."""

    def __init__(self, store: Store, book: LogBook) -> None:
        self._store = store
        self._book = book

    def checkpoint(self, name: str) -> bytes:
        """The published note of a log; raises ``Refused`` N21, N24."""
        log = self._book.find_hashed(name)
        head = log.witnessed or log.stored
        if head is None:
            raise _no_head(log)
        return head.note

    def latest(self, name: str) -> bytes:
        """The note of the greatest head seen; raises ``Refused`` N21, N24."""
        log = self._book.find_hashed(name)
        if log.latest is None:
            raise _no_head(log)
        return log.latest.note

    def tile(self, name: str, path: str) -> tuple[bytes, bool]:
        """The bytes of ``tile/…`` and whether the tile is full; raises ``Refused`` N21, N36, L40."""
        log = self._book.find_hashed(name)
        tile = parse_tile_path(path)
        level = 0 if isinstance(tile, Bundle) else tile.level
        if tile.width > tile_width(level, tile.index, log.size):
            raise Refused("N36", "not-found", got=shown(path), expected=f"a tile of the {log.size} entries stored here")
        if isinstance(tile, Bundle):
            first = tile.index * TILE_WIDTH
            return encode_bundle(self._book.entries(log, first, first + tile.width)), tile.width == TILE_WIDTH
        return read_tile(log.tree, tile), tile.width == TILE_WIDTH

    def cosigned(self, name: str, least: int) -> list[bytes]:
        """Heads of at least this size with every cosignature kept, the greatest first, at most 256."""
        log = self._book.find_hashed(name)
        return [head.note for head in self._store.heads(log.number, least=least, most=PAGE)]

    def gossip(self, since: int) -> tuple[int, list[bytes]]:
        """Heads of all logs that got a signature after our number ``since``, and the number to ask with next."""
        following, heads = self._store.heads_since(since, PAGE)
        return following, [_note(head) for head in heads]

    def equivocation(self, name: str) -> bytes:
        """The proof that a log contradicted itself; raises ``Refused`` N21, N37."""
        log = self._book.find_hashed(name)
        proofs = self._store.proofs(log.origin)
        if not proofs:
            raise Refused("N37", "not-found", got=f"no contradiction of {log.origin}", expected="a log that has one")
        return proofs[0]


def _note(head: HeadRow) -> bytes:
    return head.note


def _no_head(log: HeldLog) -> Refused:
    return Refused("N24", "not-found", got=f"no head of {log.origin}", expected="one that was seen here")
