"""The owner's half of the mirror exchange: bring each mirror up to our newest head and collect its cosignature.

Decides what is sent to whom and when it is tried again. Leaves out what a mirror answers (``log.mirror``) and how
bytes travel (``adapters.client``).

- One task per mirror, all at once: a slow one holds up nobody.
- Only the newest head is sent; heads that were passed over while a mirror was away need no cosignature of their own.
- A mirror that is ahead of us proves it with a checkpoint under our own key, or is not believed: then nothing is
  signed any more (C21).
- What was cosigned is told to every party, shortly after, once for several.
- When guards were just given a notice, mirrors wait for a moment (``QUIET_S``): four exchanges at once would take the
  processor from the guards of the same machine. The issuers were told of the statement itself before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping

from detente.adapters.client import Answer, NodeClient, encode_notes
from detente.app.logbook import HeldLog, LogBook, SeenHead
from detente.base.errors import DetenteError, Refused, Unavailable, shown
from detente.base.identity import Party
from detente.log.checkpoint import verify_checkpoint
from detente.log.mirror import (
    PACKAGES_MAX,
    AddEntries,
    build_packages,
    encode_add_entries_header,
    encode_package,
    parse_mirror_info,
)
from detente.log.note import SignedNote, encode_note, parse_note, parse_signature_lines
from detente.log.witness import AddCheckpoint, Status, encode_add_checkpoint, parse_size_reply

BODY_MAX = 4 * 2**20
"""Bytes of one upload unless a single package is larger: what a small mirror takes without buffering much."""
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 10.0
TELL_AFTER_S = 0.02
"""How long a cosignature waits for others, so that peers hear of a quorum once."""
QUIET_S = 0.1
"""How long guards have the machine for themselves after a notice: twice what the median of them needs to stop."""
EXCHANGES_MAX = 4_096
"""Answers that one exchange may take: 8,192 entries each, more than a log may add in a year."""
_LOG = logging.getLogger("detente.node")


class Pusher:
    """Keeps every mirror at the newest head of one log."""

    def __init__(
        self,
        *,
        book: LogBook,
        log: HeldLog,
        own: Party,
        peers: Mapping[Party, NodeClient],
        on_ahead: Callable[[Refused], None],
    ) -> None:
        self._book = book
        self._log = log
        self._own = own
        self._peers = peers
        self._on_ahead = on_ahead
        self._wake: dict[Party, asyncio.Event] = {}
        self._tell: dict[Party, asyncio.Event] = {}
        self._quiet_until_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin a task for each mirror, and one for each party that is told of cosignatures.

        Called again when the terms name other mirrors: those that are served already go on.
        """
        for party, client in self._peers.items():
            if party in self._book.coalition.mirrors and party != self._own and party not in self._wake:
                self._wake[party] = asyncio.Event()
                self._wake[party].set()
                self._tasks.append(asyncio.create_task(self._keep(party, client)))
            if party not in self._tell:
                self._tell[party] = asyncio.Event()
                self._tasks.append(asyncio.create_task(self._announce(party, client)))

    def wake(self) -> None:
        """There is a new head."""
        for event in self._wake.values():
            event.set()

    def tell(self) -> None:
        """There is a new cosignature."""
        for event in self._tell.values():
            event.set()

    def hold_back(self) -> None:
        """Guards are being told to stop: begin no exchange for a moment."""
        self._quiet_until_s = asyncio.get_running_loop().time() + QUIET_S

    async def close(self) -> None:
        """End the tasks."""
        await end_tasks(self._tasks)

    async def _keep(self, party: Party, client: NodeClient) -> None:
        exchange = Exchange(self._book, self._log, party, client, self._on_ahead)
        wait_s = RETRY_FIRST_S
        while True:
            await self._wake[party].wait()
            await asyncio.sleep(self._quiet_until_s - asyncio.get_running_loop().time())
            self._wake[party].clear()
            try:
                await exchange.bring_up()
                wait_s = RETRY_FIRST_S
            except (DetenteError, OSError) as error:
                _LOG.info("mirror %s is behind: %s", party, shown(str(error), 200))
                # A new head does not make a mirror answer that is away: wait, but not much longer than it is.
                await asyncio.sleep(wait_s * (0.75 + 0.5 * random.random()))  # noqa: S311  # spreads retries
                wait_s = min(wait_s * 2, RETRY_MOST_S)
                self._wake[party].set()

    async def _announce(self, party: Party, client: NodeClient) -> None:
        told = b""
        while True:
            await self._tell[party].wait()
            await asyncio.sleep(TELL_AFTER_S)
            self._tell[party].clear()
            head = self._log.witnessed
            if head is None or head.note == told:
                continue
            note = head.note
            # A peer that misses this asks for it within its gossip interval.
            with contextlib.suppress(DetenteError, OSError):
                await client.add_cosigned(encode_notes([note]))
                told = note


class Exchange:
    """What one mirror is known to have of one log, and the steps that bring it further."""

    def __init__(
        self, book: LogBook, log: HeldLog, party: Party, client: NodeClient, on_ahead: Callable[[Refused], None]
    ) -> None:
        self._book = book
        self._log = log
        self._party = party
        self._client = client
        self._on_ahead = on_ahead
        self._pending = 0
        self._next = 0

    async def bring_up(self) -> None:
        """Send the newest stored head and every entry that the mirror lacks; take its cosignature.

        Raises ``Unavailable`` when the mirror does not answer or not sensibly, ``Refused`` when it refuses.
        """
        head = self._log.stored
        if head is None or self._log.closed or self._party in head.parties:
            return
        await self._send_head(head)
        await self._send_entries(head)

    async def _send_head(self, head: SeenHead) -> None:
        for _ in range(4):
            proof: Iterable[bytes] = ()
            if 0 < self._pending < head.size:
                proof = self._log.tree.consistency_proof(self._pending, head.size)
            request = AddCheckpoint(self._pending, tuple(proof), head.body + b"\n" + head.own)
            answer = await self._client.add_checkpoint(encode_add_checkpoint(request))
            if answer.status == Status.OK:
                self._pending = head.size
                return
            if answer.status != Status.CONFLICT:
                raise self._strange(answer)
            size = parse_size_reply(answer.body)
            if size > self._log.size:
                await self._check_ahead()
                raise self._strange(answer)
            self._pending = size
            if size > head.size:
                return
        raise Unavailable(f"{self._party} states another size every time")

    async def _send_entries(self, head: SeenHead) -> None:
        size = max(head.size, self._pending)
        if size != head.size:
            return  # It has taken in a later head meanwhile; the next round is about that one.
        start = min(self._next, size)
        for _ in range(EXCHANGES_MAX):
            answer = await self._client.add_entries(self._body(start, size))
            if answer.status == Status.OK:
                self._next = size
                await self._take(head, answer.body)
                return
            if answer.status not in {Status.ACCEPTED, Status.CONFLICT}:
                raise self._strange(answer)
            info = parse_mirror_info(answer.body)
            self._next = min(info.next_entry, self._log.size)
            if answer.status == Status.CONFLICT and info.size != size:
                raise Unavailable(f"{self._party} has moved on to size {info.size}")
            if answer.status == Status.CONFLICT and self._next == start:
                raise self._strange(answer)
            start = min(self._next, size)
        raise Unavailable(f"{self._party} takes entries without end")

    def _body(self, start: int, end: int) -> bytes:
        parts = [encode_add_entries_header(AddEntries(self._log.origin, start, end))]
        room = BODY_MAX
        packages = build_packages(self._log.tree, lambda a, b: self._book.entries(self._log, a, b), start, end)
        for number, package in enumerate(packages):
            encoded = encode_package(package)
            if number and (number >= PACKAGES_MAX or len(encoded) > room):
                break
            room -= len(encoded)
            parts.append(encoded)
        return b"".join(parts)

    async def _take(self, head: SeenHead, lines: bytes) -> None:
        """Keep the cosignatures of an answer; those by unknown keys are ignored, as C2SP asks."""
        signatures = parse_signature_lines(lines)
        own = parse_note(head.body + b"\n" + head.own).signatures
        await self._book.take_note(encode_note(SignedNote(head.body, (*own, *signatures))))

    async def _check_ahead(self) -> None:
        """Whether the mirror holds a head of ours that is beyond what we have: proven only under our own key."""
        refused = await find_ahead(self._log, self._client)
        if refused is not None:
            self._on_ahead(refused)
            raise refused

    def _strange(self, answer: Answer) -> Unavailable:
        return Unavailable(f"{self._party} answered {answer.status}: {shown(answer.body, 200)}")


async def find_ahead(log: HeldLog, client: NodeClient) -> Refused | None:
    """The refusal C21 if this peer shows a head of the log, under its key, beyond what we hold; None if it has none.

    Raises ``Unavailable`` when the peer does not answer.
    """
    try:
        note = await client.latest(log.origin)
    except Refused as refused:
        if refused.kind == "not-found":
            return None
        raise
    try:
        head = verify_checkpoint(note, log.about.key)
    except Refused:
        return None  # Anybody can send bytes; only our own signature is proof that we are behind.
    if head.size <= log.size:
        return None
    return Refused(
        "C21",
        "rollback",
        got=f"{log.size} entries of {log.origin}",
        expected=f"at least the {head.size} under a head that was signed with this log's key and that a peer holds",
        todo="this is an old copy: run `detente log recover`, which fetches the rest from the mirrors",
    )


async def end_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for their end."""
    waiting = list(tasks)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
