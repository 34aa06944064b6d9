"""The texts of amendments: found among the blobs or asked of peers, read beside the event loop, given to the evidence.

Decides which texts a node fetches and reads, and how fast. Leaves out whether an amendment counts (``accord``).

- Only a text that could become a link of the chain is fetched or read at all (``accord.amending``): one key of one party
  makes nobody read 4 MiB.
- It is read in a thread of its own, one at a time: the node answers meanwhile. Each party that asked for it pays for
  the reading from its own ``Rates``; what is over waits, and is not lost.
- A text that does not read as terms is tried once: the fold notes its amendment (F07).
- Nothing here holds up what the clock brings about: it is a task of its own.
- When a node opens, what it holds is read at once: no permit is signed on terms that were replaced long ago.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from detente.accord.amending import texts_wanted
from detente.accord.document import BYTES_MAX
from detente.accord.fold import AccordState
from detente.accord.keychain import KeyBook
from detente.accord.terms import Terms, parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.content import Content
from detente.app.admission import Rates
from detente.app.evidence_feed import EvidenceFeed
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import DetenteError, Refused
from detente.base.identity import Party

ASK_AGAIN_S = 2.0
"""How often peers are asked again for a text that nobody had."""
FETCH_S = 20.0
"""How long one peer may take over 4 MiB: 1.7 Mbit/s."""
READ_PER_S, READ_BURST = 1 / 60, 8
"""Texts read for one party: an accord is amended a few times a year, and eight at once allow for tries in a drill."""
UNREADABLE_MAX = 1_024
"""Texts remembered as unreadable. Each was asked for by parties that could amend the terms, so nobody fills this."""
_LOG = logging.getLogger("detente.node")


class Amendments:
    """Keeps the evidence supplied with the texts that the chain of terms may need."""

    def __init__(self, *, feed: EvidenceFeed, blobs: Content, peers: Mapping[Party, NodeClient]) -> None:
        self._feed = feed
        self._blobs = blobs
        self._peers = peers
        self._rates = Rates(per_s=READ_PER_S, burst=READ_BURST)
        self._unreadable: dict[Digest, None] = {}
        self._book: KeyBook | None = None
        self._wake = asyncio.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="detente-terms")
        self.wanted: dict[Digest, tuple[Party, ...]] = {}

    def close(self) -> None:
        """End the thread; a text that is being read is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def look(self, state: AccordState) -> None:
        """Find out which texts are wanted, if anything that governs the accord has changed since."""
        if state.book is self._book:
            return
        self._book = state.book
        evidence = self._feed.evidence
        records = (record for record in evidence.records.values() if record.statement.kind == "terms")
        found = texts_wanted(state, records, evidence.texts)
        self.wanted = {digest: parties for digest, parties in found.items() if digest not in self._unreadable}
        if self.wanted:
            self._wake.set()

    def load(self, state: AccordState) -> bool:
        """Read what is held, at once, before anything is answered; true if the evidence has got a text."""
        self.look(state)
        before = len(self._feed.evidence.texts)
        for digest in list(self.wanted):
            with contextlib.suppress(Refused):
                self._keep(digest, parse_terms(self._blobs.read(digest)))
        return len(self._feed.evidence.texts) > before

    def wake(self, digest: Digest) -> None:
        """A blob was stored: it may be a text that is wanted."""
        if digest in self.wanted:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN_S if self.wanted else None):
                    await self._wake.wait()
            self._wake.clear()
            for digest, parties in list(self.wanted.items()):
                with contextlib.suppress(DetenteError, OSError):
                    await self._supply(digest, parties)

    async def _supply(self, digest: Digest, parties: tuple[Party, ...]) -> None:
        if digest not in self.wanted:  # The evidence changed while another was read.
            return
        data = await self._held(digest) or await self._fetch(digest)
        if data is None:
            return
        now = time.monotonic()
        if not all(self._rates.take(party, at_s=now) for party in parties):
            _LOG.info("text %s waits: %s had many read lately", digest, ", ".join(parties))
            return
        try:
            terms = await asyncio.get_running_loop().run_in_executor(self._pool, parse_terms, data)
        except Refused as refused:
            _LOG.info("text %s does not read as terms: %s", digest, refused)
            self._forget(digest)
            return
        self._keep(digest, terms)

    async def _held(self, digest: Digest) -> bytes | None:
        if not self._blobs.has(digest):
            return None
        data = await asyncio.to_thread(self._blobs.read, digest)
        return data if len(data) <= BYTES_MAX else None

    async def _fetch(self, digest: Digest) -> bytes | None:
        for client in self._peers.values():
            try:
                async with asyncio.timeout(FETCH_S):
                    data = await client.find_blob(digest, most=BYTES_MAX)
            except (DetenteError, OSError, TimeoutError):
                continue
            if sha256_hex(data) == digest:
                await asyncio.to_thread(self._blobs.store, data, reserved=True)
                return data
        return None

    def _keep(self, digest: Digest, terms: Terms) -> None:
        self.wanted.pop(digest, None)
        self._feed.add_terms(terms)

    def _forget(self, digest: Digest) -> None:
        self.wanted.pop(digest, None)
        self._unreadable[digest] = None
        while len(self._unreadable) > UNREADABLE_MAX:
            del self._unreadable[next(iter(self._unreadable))]
