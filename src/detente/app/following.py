"""Follow the logs of others: hear of heads, fetch the entries below, check them, store them.

Decides which heads are fetched from whom. Leaves out cosigning (``mirroring``) and what entries say.

- Peers are asked every ``gossip_s`` for the heads and cosignatures that they saw since we asked last, so that no
  single party can keep a cosignature from us.
- A head is fetched from whoever told of it, else from its owner, else from any peer: a log whose owner is down can
  still be read.
- Entries are believed when they hash up to a head that the log signed, in steps of ``STEP`` with a consistency proof
  made from the peer's own tiles.
- A head that is signed and does not continue what we hold is the log's second story: its entries are read as merely
  heard (what restricts binds), and the contradiction becomes a proof.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from detente.adapters.client import GOSSIP_PAGE, NodeClient
from detente.adapters.store_writer import StoreWriter
from detente.app.logbook import HeldLog, LogBook, SeenHead, compact_of
from detente.base.errors import DetenteError, Refused, Unavailable, shown
from detente.base.identity import Party
from detente.log.merkle import MerkleTree, build_consistency_proof, leaf_hash, verify_consistency
from detente.log.tiles import (
    TILE_WIDTH,
    Bundle,
    Tile,
    TileSource,
    bundle_path,
    parse_bundle,
    tile_path,
    tile_width,
)

STEP = 16 * TILE_WIDTH
"""Entries fetched, checked and stored at a time: at most 268 MB of the largest entries, normally 4 MB."""
FORK_MAX = 65_536
"""Entries read of a second story: enough for any pause in it, and a bound for whoever invents one."""
FORK_BYTES = 64 * 2**20
"""Bytes of these entries: they are held in memory while they are hashed."""
FORKS_MAX = 8
"""Further stories read of one log: it is closed after the first, and whoever goes on only fills our memory."""
FULL_PAUSE_S = 0.02
"""Between two pages of gossip: a peer that always has another full page must not keep the loop busy."""
BACKOFF_MOST_S = 30.0
_LOG = logging.getLogger("detente.node")


class _Need(Exception):  # a message between two loops, never seen outside this module
    def __init__(self, tile: Tile) -> None:
        super().__init__(tile)
        self.tile = tile


@dataclass(slots=True)
class RemoteLog:
    """A log as one peer serves it: nothing is believed. Tiles are kept for the time of one fetch."""

    client: NodeClient
    origin: str
    tiles: dict[Tile, bytes] = field(default_factory=dict)

    async def entries(self, start: int, end: int, *, most: int | None = None) -> list[bytes]:
        """Entries ``[start, end)`` from the peer's bundles, at most ``most`` bytes of them; raises ``Unavailable``,
        ``Refused`` L41.
        """
        found: list[bytes] = []
        size = 0
        for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
            first = index * TILE_WIDTH
            width = min(TILE_WIDTH, end - first)
            data = await self.client.tile(self.origin, bundle_path(Bundle(index, width)))
            size += len(data)
            if most is not None and size > most:
                raise Unavailable(f"{self.origin} at {self.client.url}: more than {most} bytes of entries")
            bundle = parse_bundle(data, count=width)
            found.extend(bundle[max(0, start - first) :])
        return found

    async def with_nodes(self, size: int, use: Callable[[TileSource], list[bytes]]) -> list[bytes]:
        """Run ``use`` over the peer's tiles, fetching each when it is asked for."""

        def read(tile: Tile) -> bytes:
            if tile not in self.tiles:
                raise _Need(tile)
            return self.tiles[tile]

        while True:
            try:
                return use(TileSource(read, size))
            except _Need as need:
                width = tile_width(need.tile.level, need.tile.index, size)
                tile = Tile(need.tile.level, need.tile.index, width)
                self.tiles[need.tile] = await self.client.tile(self.origin, tile_path(tile))


class Follower:
    """Keeps the node's copies of other parties' logs up to the heads that peers tell of."""

    def __init__(
        self,
        *,
        book: LogBook,
        writer: StoreWriter,
        own: Party,
        peers: Mapping[Party, NodeClient],
        gossip_s: float,
        cosign: Callable[[HeldLog], Awaitable[bool]],
        hear: Callable[[Sequence[bytes]], Awaitable[object]],
        patience_s: Callable[[HeldLog], float],
    ) -> None:
        self._book = book
        self._writer = writer
        self._own = own
        self._peers = peers
        self._gossip_s = gossip_s
        self._cosign = cosign
        self._hear = hear
        self._patience_s = patience_s
        self._since: dict[Party, int] = {}
        self._following: dict[str, asyncio.Task[None]] = {}
        self._claims: dict[str, list[Party]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.heard_of: dict[Party, bool] = {}

    def start(self) -> None:
        """Begin to ask every peer."""
        self._tasks = [asyncio.create_task(self._ask(party, client)) for party, client in self._peers.items()]

    async def close(self) -> None:
        """End the tasks."""
        for task in (*self._tasks, *self._following.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._following.values(), return_exceptions=True)

    # Gossip

    async def _ask(self, party: Party, client: NodeClient) -> None:
        wait_s = 0.0
        while True:
            await asyncio.sleep(wait_s * (0.5 + random.random()))  # noqa: S311  # spreads the asking
            try:
                full = await self._ask_once(party, client)
                self.heard_of[party] = True
                wait_s = FULL_PAUSE_S if full else self._gossip_s
            except (DetenteError, OSError) as error:
                _LOG.debug("no gossip from %s: %s", party, shown(str(error), 200))
                self.heard_of[party] = False
                wait_s = min(BACKOFF_MOST_S, max(self._gossip_s, wait_s * 2))

    async def _ask_once(self, party: Party, client: NodeClient) -> bool:
        page = await client.gossip(self._since.get(party, 0))
        for note in page.notes:
            await self.take_note(note, party)
        full = page.next - self._since.get(party, 0) >= GOSSIP_PAGE
        self._since[party] = page.next
        return full

    async def take_note(self, note: bytes, claimant: Party | None) -> None:
        """Take in a note that a peer tells of, and follow its head where it is ahead. What is wrong is dropped."""
        try:
            taken = await self._book.take_note(note)
        except Refused as refused:
            _LOG.info("a note of %s was refused: %s", claimant, refused)
            return
        if taken.log.operator != self._own and not taken.head.fit:
            self._want(taken.log, claimant)

    def _want(self, log: HeldLog, claimant: Party | None) -> None:
        claims = self._claims.setdefault(log.origin, [])
        if claimant is not None and claimant not in claims:
            claims.append(claimant)
        if log.origin not in self._following:
            task = asyncio.create_task(self._follow_later(log))
            self._following[log.origin] = task

    async def _follow_later(self, log: HeldLog) -> None:
        try:
            # A mirror is sent the entries by the owner; only when that takes long does it fetch them itself.
            await asyncio.sleep(self._patience_s(log))
            while (head := log.wanted(self._book.coalition.is_quorum)) is not None:
                claims = self._claims.pop(log.origin, [])
                try:
                    await self.fetch(log, head, [*claims, log.operator, *self._peers])
                except (DetenteError, OSError) as error:
                    _LOG.info("cannot follow %s: %s", log.origin, shown(str(error), 200))
                    break
            with contextlib.suppress(DetenteError, OSError):
                await self._cosign(log)
        finally:
            self._following.pop(log.origin, None)

    # Fetching

    async def fetch(self, log: HeldLog, head: SeenHead, parties: Iterable[Party]) -> None:
        """Store everything below a signed head, from the first of these parties that can serve it.

        Raises ``Unavailable`` when none can, and then says what each answered.
        """
        said: list[str] = []
        for party in dict.fromkeys(parties):
            client = self._peers.get(party)
            if client is None or party == self._own:
                continue
            try:
                await self._fetch_from(log, head, client)
            except (DetenteError, OSError) as error:
                said.append(f"{party}: {shown(str(error), 200)}")
                continue
            return
        raise Unavailable(f"nobody serves {log.origin} up to {head.size}: {'; '.join(said) or 'no peer is known'}")

    async def _fetch_from(self, log: HeldLog, head: SeenHead, client: NodeClient) -> None:
        remote = RemoteLog(client, log.origin)
        while head.fit is None:
            start = log.size
            end = min(head.size, start + STEP)
            entries = await remote.entries(start, end)
            leaves = [leaf_hash(entry) for entry in entries]
            try:
                await self._check(log, head, start, leaves, remote)
            except Refused:
                await self._read_fork(log, head, remote)
                return
            checked = await self._book.feed.check_all(entries)
            async with log.lock:
                # Somebody else may have stored some of them meanwhile: the hashes say that they are the same.
                known = max(0, log.size - start)
                if log.size >= start and known < len(entries):
                    await self._book.extend(log, log.size, entries[known:], checked=checked[known:])
        if head.fit is False:
            await self._read_fork(log, head, remote)

    async def _check(
        self, log: HeldLog, head: SeenHead, start: int, leaves: Sequence[bytes], remote: RemoteLog
    ) -> None:
        """Do these leaves, after what is held, lead to the head? Raises ``Refused`` L01 to L06 if not."""
        tree = compact_of(log.tree, start)
        tree.extend(leaves)
        end, root = tree.size, tree.root()
        if end == head.size:
            if root != head.root:
                raise Refused("L43", "corrupt", got=f"entries up to {end} with another root", expected=head.root.hex())
            return
        proof = await remote.with_nodes(head.size, lambda nodes: build_consistency_proof(nodes, end, head.size))
        verify_consistency(end, head.size, root, head.root, proof)

    async def _read_fork(self, log: HeldLog, head: SeenHead, remote: RemoteLog) -> None:
        """Read a second story to its end, if it is one: raises ``Refused`` L43 when the peer's bytes are not it."""
        if head.size > FORK_MAX:
            raise Unavailable(f"a second story of {head.size} entries; at most {FORK_MAX} are read")
        if self._book.stories(log) >= FORKS_MAX:
            raise Unavailable(f"{FORKS_MAX} further stories of {log.origin} were read; no more are")
        entries = await remote.entries(0, head.size, most=FORK_BYTES)
        tree = MerkleTree()
        tree.extend([leaf_hash(entry) for entry in entries])
        if tree.root() != head.root:
            raise Refused(
                "L43", "corrupt", got=f"{head.size} entries with another root", expected=f"root {head.root.hex()}"
            )
        if log.fits(head):
            return
        self._book.prove_contradiction(log, head, tree)
        await self._hear(entries)
        await self._writer.write(lambda transaction: transaction.add_fork(log.origin, head.size, head.root))
