"""What a node does as time goes by: look at the clock, log the hour's permits.

Decides when these are done. Leaves out what they mean. Nothing that waits for a peer is done here.

- Every second the status is looked at again: what time alone stops is told as well.
- Once an hour is over, the Merkle root of the permits signed in it is filed as an ``observation`` of the issuer
  (``spec/node.md`` §6): ``source`` is ``urn:detente:permits:<party>:<hour>``, ``digest`` the root, ``span`` 0 to their number.
- What was heard and has got a place in a log is forgotten apart from it.
- Once an hour, reviewers' notes that no decision came to name are erased (``app.review_notes``).
- Every minute the git hooks that this home installed are looked at: one that is gone, changed or passed by is logged, once, and stands
  in the node's health until it is mended (``app.ref_moves``).
- Organisations are told at their own addresses what waits for their reviewers (``app.webhooks``).
- A proof that a log contradicted itself is also kept as a file of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from typing import TYPE_CHECKING

from detente.adapters.files import store_file
from detente.app.issuing import HOUR_S
from detente.app.logbook import HeldLog
from detente.app.ref_moves.installing import inspect_all
from detente.app.webhooks import Webhooks
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import DetenteError
from detente.base.instant import Instant, show_instant
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.observation import Observation, Span
from detente.statement.statement import Header, make_payload

if TYPE_CHECKING:
    from detente.app.node import Node

TICK_S = 1.0
HOOKS_LOOK_S = 60
_LOGGED = "permits-logged"
_LOG = logging.getLogger("detente.node")


class Upkeep:
    """The tasks of one node that follow the clock."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._files: set[asyncio.Future[None]] = set()
        self._notes_hour = -1
        self._hooks_minute = -1
        self.hook_findings: tuple[str, ...] = ()
        config = node.config
        self.webhooks = Webhooks(
            config.webhooks,
            memory=config.home / "told.json",
            node=config.party,
            signer=config.signer("statement") if config.webhooks and config.has_key("statement") else None,
            state=node.state,
            now=node.clock.now,
        )

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            with contextlib.suppress(DetenteError, OSError):
                self._node.notices.prepare()
                self._node.consider()
                await self._node.hearing.forget_placed()
                await self.log_permits()
                await self.forget_notes()
                await self.look_at_hooks()
                self.webhooks.look()

    async def close(self) -> None:
        """Wait for files that are being written; give up notices that are being sent."""
        await self.webhooks.close()
        await asyncio.gather(*self._files, return_exceptions=True)

    async def forget_notes(self) -> None:
        """Once an hour, erase the notes that nobody used."""
        hour = self._node.clock.now() // HOUR_S
        if hour != self._notes_hour:
            self._notes_hour = hour
            await self._node.review_notes.forget_unused()

    async def look_at_hooks(self) -> None:
        """Once a minute, look whether the git hooks of this home stand and saw everything."""
        minute = self._node.clock.now() // HOOKS_LOOK_S
        if minute == self._hooks_minute:
            return
        self._hooks_minute = minute
        seen = await asyncio.to_thread(inspect_all, self._node.config.home)
        found = tuple(f"{place}: {each}" for place, findings in seen.items() for each in findings)
        for each in found:
            if each not in self.hook_findings:
                _LOG.error("FINDING %s", each)
        self.hook_findings = found

    # Permits

    async def log_permits(self) -> int:
        """File the root of each hour that is over and has permits; returns how many were filed."""
        node = self._node
        stored = node.store.meta(_LOGGED)
        following = int(stored) + 1 if stored else 0
        filed = 0
        while (hour := node.issuer.first_hour(following)) is not None and hour < node.clock.now() // HOUR_S:
            found = node.issuer.hourly_root(hour)
            if found is not None and node.sequencer is not None and node.config.has_key("statement"):
                await node.submit(self._observation(hour, *found), witnessed=False)
                filed += 1
            done = b"%d" % hour
            await node.writer.write(lambda transaction, done=done: transaction.put_meta(_LOGGED, done))  # type: ignore[misc]
            following = hour + 1
        return filed

    def _observation(self, hour: int, root: Digest, count: int) -> bytes:
        node = self._node
        start = show_instant(Instant(hour * HOUR_S))
        body = Observation(
            source=f"urn:detente:permits:{node.party}:{start}",
            digest=root,
            span=Span(0, count),
            quote=f"{count} permits signed in the hour from {start}",
            seen_at=node.clock.now(),
        )
        header = Header(
            accord=node.evidence.accord,
            terms=node.coalition.terms.version,
            party=node.party,
            nonce=secrets.token_hex(16),
            made_at=node.clock.now(),
        )
        return encode_envelope(
            sign_payload(make_payload("observation", header, (), body), node.config.signer("statement"))
        )

    # Proofs

    def keep_proof(self, log: HeldLog, proof: bytes) -> None:
        """Write a proof of equivocation beside the store; it is served as well."""
        name = f"{sha256_hex(log.origin.encode())[:16]}-{sha256_hex(proof)[:16]}.txt"
        path = self._node.config.home / "equivocations" / name
        _LOG.error("%s contradicted itself; the proof is %s", log.origin, path)
        task = asyncio.ensure_future(asyncio.to_thread(store_file, path, proof))
        self._files.add(task)
        task.add_done_callback(self._files.discard)
