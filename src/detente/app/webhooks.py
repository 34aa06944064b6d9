"""Tell organisations, at addresses of their own, that something waits for their reviewers: signed, quiet, once.

Decides when a notice is sent and that it is sent once. Leaves out what waits (``app.waiting``) and the sending (``adapters.webhook``). ``spec/review.md`` §6.

- Sent when something waits, or was escalated to the recipient, that was not told before, at most once in ``QUIET_S``: what comes meanwhile is told together. Nothing is repeated while nothing is new.
- What was told is remembered across restarts, so that none of them wakes anybody.
- Only the recipient's own queue is in it, and of each proposal no more than its log shows to every party.
- A notice that cannot be delivered is given up, with a line in the node's log; the node waits for nobody.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import httpx

from detente.accord.fold import AccordState
from detente.adapters.files import store_file
from detente.adapters.webhook import check_address, post_notice, webhook_header
from detente.app.waiting import waiting_for
from detente.base.errors import DetenteError, Unavailable
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.base.strict_json import encode_json
from detente.statement.signing import Signer

QUIET_S: Final = 60
WAITING_MAX: Final = 100
"""Proposals in one notice, the longest waiting first; ``more`` says how many others there are."""
_LOG = logging.getLogger("detente.node")


class Webhooks:
    """One node's notices. ``look`` is called as time passes; ``signer`` None: nothing is sent."""

    def __init__(
        self,
        addresses: Mapping[Party, str],
        *,
        memory: Path,
        node: Party,
        signer: Signer | None,
        state: Callable[[], AccordState],
        now: Callable[[], Instant],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._addresses = {party: check_address(url) for party, url in addresses.items()}
        self._memory = memory
        self._node = node
        self._signer = signer
        self._state = state
        self._now = now
        self._transport = transport
        self._sent_at: dict[Party, int] = {}
        self._sending: dict[Party, asyncio.Task[None]] = {}
        self._told = self._read() if self._addresses else {}

    def look(self) -> None:
        """Send what is new to whoever was not told in the last ``QUIET_S``; waits for nobody."""
        if self._signer is None:
            return
        for party, url in self._addresses.items():
            task = self._sending.get(party)
            now = self._now()
            if (task is not None and not task.done()) or now < self._sent_at.get(party, -QUIET_S) + QUIET_S:
                continue
            body, fresh, still = self._notice(party, now)
            if fresh:
                self._sent_at[party] = now
                header = webhook_header(party, now, body, self._signer)
                self._sending[party] = asyncio.create_task(self._send(party, url, header, body, still))

    async def close(self) -> None:
        """Give up what is being sent."""
        for task in self._sending.values():
            task.cancel()
        await self.settle()

    async def settle(self) -> None:
        """Wait for what is being sent."""
        await asyncio.gather(*(task for task in self._sending.values() if not task.done()), return_exceptions=True)

    def _notice(self, party: Party, now: Instant) -> tuple[bytes, set[str], set[str]]:
        waiting = waiting_for(self._state(), now, party)
        still = {news for each in waiting for news in each.told(party)}
        value = {
            "type": "urn:detente:waiting:v1",
            "accord": self._state().accord,
            "from": self._node,
            "for": party,
            "at": show_instant(now),
            "waiting": [each.as_json() for each in waiting[:WAITING_MAX]],
            "more": max(0, len(waiting) - WAITING_MAX),
        }
        return encode_json(value), still - self._told.get(party, set()), still

    async def _send(self, party: Party, url: str, header: str, body: bytes, still: set[str]) -> None:
        try:
            await post_notice(url, header, body, transport=self._transport)
        except Unavailable as error:
            _LOG.warning("the notice for %s was given up: %s", party, error)
        # Told or given up: the same news is not sent again, and what comes next tells everything that waits.
        self._told[party] = still
        try:
            await asyncio.to_thread(self._store)
        except DetenteError as error:
            _LOG.warning("%s", error)

    def _read(self) -> dict[Party, set[str]]:
        try:
            value = json.loads(self._memory.read_text("utf-8"))
            return {Party(party): {str(each) for each in told} for party, told in value.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}  # At worst something is told twice.

    def _store(self) -> None:
        store_file(self._memory, json.dumps({party: sorted(told) for party, told in self._told.items()}).encode())
