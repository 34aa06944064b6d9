"""Statements that stand in no log yet: how much of them a node keeps, and until when.

Decides the bounds. Leaves out who may speak (``admission``) and what restricts (``accord``). ``spec/node.md`` §5.

- Only what restricts is kept: it binds on receipt. The rest waits for its log.
- Each party that the terms name has an equal share of ``HEARD_MAX`` bytes; what is over is refused: N40. Its author puts it in
  a log, any log, and nothing is lost.
- What has got a place in a log since is dropped from the table: the log keeps it.
- The entries of a log's second story (``following``) are not refused one by one, whatever their date and number: an issuer
  says that it has read a head only when everything that restricts below it binds it. They are bounded by the story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from detente.accord.records import class_of
from detente.adapters.store import Store
from detente.adapters.store_writer import StoreWriter
from detente.app.evidence_feed import EvidenceFeed
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.statement.statement import VerifiedStatement

HEARD_MAX = 64 * 2**20
"""Bytes of all envelopes heard: some hundred thousand votes, and what a small node can hold in memory."""

FORWARDS_MAX = 1_024
"""Tellings of issuers under way, each of two seconds at most. Beyond it the entry itself, which mirrors get anyway, tells."""


def restricts(verified: VerifiedStatement) -> bool:
    """Does it bind on receipt?"""
    return class_of(verified.statement.body, verified.statement.kind) == "restricting"


class Hearing:
    """What one node has heard outside any log. ``on_heard`` is called before a write is waited for."""

    def __init__(
        self, *, feed: EvidenceFeed, store: Store, writer: StoreWriter, parties: Callable[[], int], on_heard: Callable[[], None]
    ) -> None:  # fmt: skip
        self._feed = feed
        self._store = store
        self._writer = writer
        self._parties = parties
        self._on_heard = on_heard

    def load(self) -> None:
        """Give the evidence what was heard before and stands in no log yet."""
        for data in self._store.heard():
            checked = self._feed.check(data)
            if isinstance(checked, VerifiedStatement):
                if checked.statement.id in self._feed.places:
                    self._feed.placed.add(checked.statement.id)
                else:
                    self._feed.receive(checked)

    def knows(self, statement: Digest) -> bool:
        """Is it in a log, or heard?"""
        return statement in self._feed.places or statement in self._feed.heard

    async def take(self, verified: VerifiedStatement) -> None:
        """Keep one statement that restricts; raises ``Refused`` N40, C10."""
        party = verified.statement.header.party
        share = HEARD_MAX // max(1, self._parties())
        if self._feed.heard_bytes.get(party, 0) + len(verified.envelope_bytes) > share:
            raise Refused(
                "N40",
                "rate",
                got=f"more than {share} bytes of {party} that stand in no log",
                expected="statements in a log",
                todo="file it in the log of any party: there it binds without a bound",
            )
        await self._keep([verified])

    async def take_story(self, entries: Sequence[bytes]) -> None:
        """Keep whatever restricts among the entries of a log's second story."""
        checked = await self._feed.check_all(entries)
        accord = self._feed.evidence.accord
        await self._keep(
            [
                found
                for found in checked
                if isinstance(found, VerifiedStatement)
                and found.statement.header.accord == accord
                and restricts(found)
                and not self.knows(found.statement.id)
            ]
        )

    async def forget_placed(self) -> None:
        """Drop from the table what the logs keep by now."""
        placed, self._feed.placed = self._feed.placed, set()
        if placed:
            await self._writer.write(lambda transaction: transaction.drop_heard(placed))

    async def _keep(self, fresh: Iterable[VerifiedStatement]) -> None:
        kept = list({verified.statement.id: verified for verified in fresh}.values())
        if not kept:
            return
        for verified in kept:
            self._feed.receive(verified)
        self._on_heard()
        await self._writer.write(
            lambda transaction: [transaction.add_heard(each.statement.id, each.envelope_bytes) for each in kept]
        )


__all__ = ["FORWARDS_MAX", "HEARD_MAX", "Hearing", "restricts"]
