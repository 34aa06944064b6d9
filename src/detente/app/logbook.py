"""Every log that a node holds: entries and hashes, heads that were seen, cosignatures, and proofs against a log.

Decides what is kept of a log and which head is its stored, witnessed and latest one. Leaves out how entries come here
(``sequencer``, ``mirroring``, ``following``) and what they say (``evidence_feed``).

- *Latest*: the greatest head that the log signed and we saw. *Stored*: the greatest below which we hold every entry.
  *Witnessed*: the greatest stored one with a quorum; the one that is published.
- Nothing is believed before its signature verified, and nothing is told before it is durable.
- A cosignature counts as evidence once our own entries have the root that it signed: over another root it speaks of
  another branch, and is only kept.
- Two heads that contradict each other are kept as a portable proof, and close the log: N20. It keeps what had a quorum, and
  so much of it is still fetched and counted by whoever lacks it. A log that its operator's root keys closed is treated alike.

Contracts §2; ``spec/node.md`` §3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from detente.accord.reason import Place
from detente.adapters.store import HeadRow, Store, Transaction
from detente.adapters.store_writer import StoreWriter
from detente.app.batch_checking import Checked
from detente.app.coalition import Coalition, LogOf
from detente.app.evidence_feed import EvidenceFeed
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused, shown
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.guard.permit import Head, SignedHead
from detente.log.checkpoint import SignedCheckpoint, verify_checkpoint
from detente.log.cosignature import verify_cosignature
from detente.log.equivocation import Equivocation, encode_equivocation, find_equivocation
from detente.log.head import parse_checkpoint
from detente.log.merkle import EMPTY_ROOT, CompactTree, MerkleTree, NodeSource, leaf_hash
from detente.log.note import NoteKey, SignedNote, encode_note, encode_signature_line, parse_note

SEEN_MAX = 256
"""Heads of one log kept in memory besides those that matter; all stay in the store."""
LOAD_HEADS = 64


@dataclass(slots=True, eq=False)
class SeenHead:
    """A head that its log signed. ``own`` is that signature's line, ``lines`` the cosignatures by line."""

    signed: SignedCheckpoint
    own: bytes
    lines: dict[bytes, tuple[Party, Instant]] = field(default_factory=dict)
    body: bytes = b""
    """The text that everybody signs, spelled once: it is looked at for every receipt."""
    fit: bool | None = None
    """Is everything below it held, with its root? None while it is ahead of what is held."""

    def __post_init__(self) -> None:
        self.body = self.signed.body

    @property
    def size(self) -> int:
        """Entries below it."""
        return self.signed.size

    @property
    def root(self) -> bytes:
        """Its root."""
        return self.signed.root

    @property
    def note(self) -> bytes:
        """The note with every signature that verified."""
        return self.body + b"\n" + self.own + b"".join(self.lines)

    @property
    def parties(self) -> frozenset[Party]:
        """Who cosigned it."""
        return frozenset(party for party, _ in self.lines.values())

    @property
    def head(self) -> Head:
        """As permits name it."""
        return Head(self.signed.origin, self.size, Digest(self.root.hex()))

    @property
    def signed_head(self) -> SignedHead:
        """As offers carry it: the log's own signature alone."""
        return SignedHead(self.head, self.body + b"\n" + self.own)


class HeldLog:
    """One log as held here. ``lock`` is taken by whoever appends to it or moves its mirror's state."""

    def __init__(self, number: int, about: LogOf) -> None:
        self.number = number
        self.about = about
        self.tree = MerkleTree()
        self.seen: dict[bytes, SeenHead] = {}
        self.ahead: dict[bytes, SeenHead] = {}
        self.latest: SeenHead | None = None
        self.stored: SeenHead | None = None
        self.witnessed: SeenHead | None = None
        self.closed = False
        self.lock = asyncio.Lock()

    @property
    def origin(self) -> str:
        """The log's origin line."""
        return self.about.origin

    @property
    def operator(self) -> Party:
        """Whose log it is."""
        return self.about.operator

    @property
    def size(self) -> int:
        """Entries held."""
        return self.tree.size

    def root_at(self, size: int) -> bytes | None:
        """The root of what is held, None where it is not held that far."""
        if size > self.tree.size:
            return None
        return self.tree.root(size) if size else EMPTY_ROOT

    def wanted(self, is_quorum: Callable[[Iterable[Party], Party], bool]) -> SeenHead | None:
        """The greatest head whose entries are to be fetched: the latest, and of a closed log the last with a quorum."""
        if not self.closed:
            return self.latest if self.latest is not None and self.latest.fit is None else None
        ahead = [head for head in self.ahead.values() if is_quorum(head.parties, self.operator)]
        return max(ahead, key=lambda head: head.size, default=None)

    def fits(self, head: SeenHead | SignedCheckpoint) -> bool:
        """Is everything below this head held, with its root?"""
        return self.root_at(head.size) == head.root


@dataclass(frozen=True, slots=True)
class Taken:
    """What a note brought: its log and head, whether the head was new, and how many cosignatures were."""

    log: HeldLog
    head: SeenHead
    fresh: bool
    cosigned: int


Line = tuple[bytes, Party, Instant]
"""A cosignature line that was verified, whose it is, and the time that it states."""


class LogBook:
    """All logs of an accord. One event loop; every write goes through the one writer."""

    def __init__(self, store: Store, writer: StoreWriter, feed: EvidenceFeed, coalition: Coalition) -> None:
        self._store = store
        self._writer = writer
        self.feed = feed
        feed.read = self._read
        self.coalition = coalition
        self.logs: dict[str, HeldLog] = {}
        self._by_hash: dict[str, HeldLog] = {}
        self._moved = asyncio.Event()
        self._cosigners: dict[tuple[str, bytes], tuple[NoteKey, Party]] = {}
        self._writing: set[asyncio.Future[None]] = set()
        self.on_move: list[Callable[[HeldLog], None]] = []
        self.on_closed: list[Callable[[HeldLog, bytes], None]] = []

    # Opening

    def open(self, coalition: Coalition) -> None:
        """Load the logs of these terms that are not open yet, and feed what they hold to the evidence."""
        self.coalition = coalition
        self._cosigners = {(key.name, key.key_id): (key, party) for key, party in coalition.cosigners.items()}
        for origin, about in coalition.logs.items():
            if origin not in self.logs:
                self._load(about)
        for origin in coalition.closed:
            self.logs[origin].closed = True

    def _load(self, about: LogOf) -> None:
        row = self._store.transact(lambda transaction: transaction.open_log(about.origin))
        log = HeldLog(row.id, about)
        log.tree.extend(self._store.leaves(row.id, 0, row.size))
        if log.tree.size != row.size:
            raise Refused(
                "C20",
                "corrupt",
                got=f"{log.tree.size} entries of {about.origin} without a gap",
                expected=f"{row.size}",
                todo="run `detente log fsck`, then `detente log recover`",
            )
        log.closed = bool(self._store.proofs(about.origin))
        self.logs[about.origin] = log
        self._by_hash[sha256_hex(about.origin.encode())] = log
        for start in range(0, row.size, 8192):
            self.feed.feed(about.origin, start, self._store.entries(row.id, start, min(row.size, start + 8192)))
        loaded = [self._remember(log, head) for head in reversed(self._store.heads(row.id, most=LOAD_HEADS))]
        # Older heads are not kept in memory, but the times that their cosignatures give are evidence.
        for sighting in self._store.cosignatures(row.id):
            if log.root_at(sighting.size) == sighting.root:
                self.feed.add_cosignature(about.origin, sighting.mirror, sighting.size, sighting.time_s)
        self._settle(log, loaded)

    def _remember(self, log: HeldLog, row: HeadRow) -> SeenHead:
        own_ids = (log.about.key.name, log.about.key.key_id)
        parsed = parse_note(row.note)
        own = next(s for s in parsed.signatures if (s.name, s.key_id) == own_ids)
        signed = verify_checkpoint(encode_note(SignedNote(parsed.text, (own,))), log.about.key)
        head = SeenHead(signed, encode_signature_line(own))
        for signature in parsed.signatures:
            found = self._cosigners.get((signature.name, signature.key_id))
            if signature != own and found is not None:
                time_s = Instant(int.from_bytes(signature.signature[:8], "big"))
                head.lines[encode_signature_line(signature)] = (found[1], time_s)
        log.seen[head.body] = head
        return head

    # Looking

    def find(self, origin: str) -> HeldLog:
        """The log of an origin; raises ``Refused`` N21."""
        log = self.logs.get(origin)
        if log is None:
            raise _unknown_log(shown(origin))
        return log

    def find_hashed(self, name: str) -> HeldLog:
        """The log whose origin has this SHA-256; raises ``Refused`` N21."""
        log = self._by_hash.get(name)
        if log is None:
            raise _unknown_log(shown(name))
        return log

    def entries(self, log: HeldLog, start: int, end: int) -> list[bytes]:
        """Entries ``[start, end)`` from the store."""
        return self._store.entries(log.number, start, end)

    def stories(self, log: HeldLog) -> int:
        """How many heads of further stories of this log were read to their end."""
        return self._store.forks(log.origin)

    def _read(self, place: Place) -> bytes:
        return self.entries(self.find(place.origin), place.index, place.index + 1)[0]

    async def wait_move(self, timeout_s: float) -> None:
        """Return when a head of any log moved, or after ``timeout_s``."""
        moved = self._moved
        try:
            async with asyncio.timeout(timeout_s):
                await moved.wait()
        except TimeoutError:
            return

    # Guard's holdings (``guard.issue.Holdings``)

    def heads(self) -> tuple[SignedHead, ...]:
        """Per log the greatest head below which everything is stored and was given to the evidence."""
        return tuple(log.stored.signed_head for log in self.logs.values() if log.stored is not None)

    def root_at(self, origin: str, size: int) -> Digest | None:
        """The root of the stored log at this size."""
        log = self.logs.get(origin)
        root = None if log is None else log.root_at(size)
        return None if root is None else Digest(root.hex())

    def has_read(self, head: Head) -> bool:
        """Was everything below this head read, on the stored branch or on another?"""
        if self.root_at(head.origin, head.size) == head.root:
            return True
        return self._store.is_fork(head.origin, head.size, bytes.fromhex(head.root))

    # Growing

    async def extend(
        self,
        log: HeldLog,
        start: int,
        entries: Sequence[bytes],
        *,
        beside: Callable[[Transaction], None] | None = None,
        checked: Sequence[Checked | None] | None = None,
    ) -> None:
        """Store entries durably at ``start`` (with ``beside`` in the same transaction), then hash and feed them.

        ``log.lock`` is held. After a failure the log is read again, so that a write that was done and reported lost
        is known.
        """
        leaves = [leaf_hash(entry) for entry in entries]

        def work(transaction: Transaction) -> None:
            transaction.append(log.number, start, entries, leaves)
            if beside is not None:
                beside(transaction)

        try:
            await self._writer.write(work)
        except BaseException:
            self.reread(log)
            raise
        self.grow(log, leaves, entries, checked)

    def grow(
        self,
        log: HeldLog,
        leaves: Sequence[bytes],
        entries: Sequence[bytes],
        checked: Sequence[Checked | None] | None,
    ) -> None:
        """Take into memory what the store holds already."""
        start = log.size
        log.tree.extend(leaves)
        self.feed.feed(log.origin, start, entries, checked)
        self._settle(log, ())

    def reread(self, log: HeldLog) -> None:
        """Take in entries that the store holds and memory does not: a write that was done and reported lost."""
        stored = next(row for row in self._store.logs() if row.id == log.number)
        if stored.size > log.size:
            leaves = self._store.leaves(log.number, log.size, stored.size)
            self.grow(log, leaves, self._store.entries(log.number, log.size, stored.size), None)

    # Heads and cosignatures

    def read_note(self, note: bytes) -> tuple[HeldLog, SeenHead, list[Line]]:
        """Verify a note; returns its log, its head, and the cosignature lines that were not known.

        1. It is a note of a checkpoint of a log of the accord: L10 to L12, L20, N21.
        2. Its log signed it: L15, L16 (not again for a head that is known).
        3. Every line of a mirror that is not known verifies: L15. Others are ignored.
        """
        parsed = parse_note(note)  # 1
        log = self.find(parse_checkpoint(parsed.text).origin)
        head = log.seen.get(parsed.text)
        if head is None:  # 2
            head = self.head_of(log, verify_checkpoint(note, log.about.key))
        fresh = []
        for signature in parsed.signatures:  # 3
            found = self._cosigners.get((signature.name, signature.key_id))
            if found is None or (line := encode_signature_line(signature)) in head.lines:
                continue
            cosignature = verify_cosignature(head.body, signature, found[0])
            fresh.append((line, found[1], cosignature.time_s))
        return log, head, fresh

    def head_of(self, log: HeldLog, signed: SignedCheckpoint) -> SeenHead:
        """A verified head with the log's own signature line alone, the known one where it is known."""
        known = log.seen.get(signed.body)
        if known is not None:
            return known
        key = log.about.key
        own = next(
            line for line in parse_note(signed.note).signatures if (line.name, line.key_id) == (key.name, key.key_id)
        )
        return SeenHead(signed, encode_signature_line(own))

    async def take_note(self, note: bytes) -> Taken:
        """Verify a note, keep durably what is new in it, and count it. Raises as ``read_note``."""
        log, head, lines = self.read_note(note)
        fresh = head.body not in log.seen
        if fresh or lines:
            await self._writer.write(lambda transaction: write_head(transaction, log.number, head, lines))
            self.count(log, head, lines)
        return Taken(log, log.seen[head.body], fresh, len(lines))

    def count(self, log: HeldLog, head: SeenHead, lines: Iterable[Line] = ()) -> SeenHead:
        """Take a head and its new lines into memory and evidence, and tell whoever waits for a move."""
        head = log.seen.setdefault(head.body, head)
        for line, party, time_s in lines:
            if line not in head.lines:
                head.lines[line] = (party, time_s)
                if head.fit:
                    self.feed.add_cosignature(log.origin, party, head.size, time_s)
        self._settle(log, (head,))
        return head

    def _settle(self, log: HeldLog, touched: Iterable[SeenHead]) -> None:
        """Find the latest, stored and witnessed head anew after these heads, or the entries, changed."""
        touched = list(touched)
        before = (log.stored, log.witnessed, log.latest)
        for head in touched:
            if log.latest is None or head.size > log.latest.size:
                log.latest = head
            if head.fit is None:
                log.ahead[head.body] = head
        for head in sorted(log.ahead.values(), key=lambda head: head.size):
            if head.size > log.size:
                break
            del log.ahead[head.body]
            head.fit = log.root_at(head.size) == head.root
            touched.append(head)
            if head.fit:
                # Cosignatures that came before the entries did count from now on.
                for party, time_s in head.lines.values():
                    self.feed.add_cosignature(log.origin, party, head.size, time_s)
                if log.stored is None or head.size > log.stored.size:
                    log.stored = head
        for head in touched:
            self._look_for_contradiction(log, head)
            if (
                head.fit
                and (log.witnessed is None or head.size > log.witnessed.size)
                and self.coalition.is_quorum(head.parties, log.operator)
            ):
                log.witnessed = head
        self._forget(log)
        if touched or before != (log.stored, log.witnessed, log.latest):
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
            for callback in self.on_move:
                callback(log)

    @staticmethod
    def _forget(log: HeldLog) -> None:
        if len(log.seen) <= 2 * SEEN_MAX:
            return
        keep = {id(head) for head in (log.stored, log.witnessed, log.latest)}
        for head in sorted(log.seen.values(), key=lambda head: head.size)[:SEEN_MAX]:
            if id(head) not in keep:
                del log.seen[head.body]
                log.ahead.pop(head.body, None)

    # Contradictions

    def _look_for_contradiction(self, log: HeldLog, head: SeenHead) -> None:
        others = [other for other in log.seen.values() if other.size == head.size and other.root != head.root]
        found: Equivocation | None = None
        if others:
            found = find_equivocation(head.signed, others[0].signed)
        elif head.fit is False and log.stored is not None and log.stored.size > head.size:
            found = find_equivocation(head.signed, log.stored.signed, nodes=log.tree)
        if found is not None:
            self.close_log(log, found)

    def prove_contradiction(self, log: HeldLog, larger: SeenHead, nodes: NodeSource) -> None:
        """Look whether a head that is ahead contradicts ours; ``nodes`` hash the entries below it, as somebody gave them."""
        if log.stored is not None and log.stored.size <= larger.size:
            found = find_equivocation(log.stored.signed, larger.signed, nodes=nodes)
            if found is not None:
                self.close_log(log, found)

    def close_log(self, log: HeldLog, found: Equivocation) -> None:
        """Keep the proof; the log keeps what had a quorum and gets nothing more: N20."""
        if log.closed:
            return
        log.closed = True
        proof = encode_equivocation(found)

        self.write_later(lambda transaction: transaction.add_proof(log.origin, proof))
        for callback in self.on_closed:
            callback(log, proof)

    def write_later(self, work: Callable[[Transaction], None]) -> None:
        """Write what can be made again after a crash: nobody waits for it but ``flush``."""
        task = asyncio.ensure_future(self._writer.write(work))
        self._writing.add(task)
        task.add_done_callback(self._forget_write)

    def _forget_write(self, task: asyncio.Future[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # Looked at, so that a full disk is not reported twice: whoever must know was told.

    async def flush(self) -> None:
        """Wait for what is still being written."""
        while self._writing:
            await asyncio.gather(*self._writing, return_exceptions=True)


def check_open(log: HeldLog) -> None:
    """Refuse (N20) to append to a log that contradicted itself, or to cosign it."""
    if log.closed:
        witnessed = log.witnessed.size if log.witnessed else 0
        raise Refused(
            "N20",
            "inconsistent",
            got=f"a head of {log.origin}, which is closed: it contradicted itself, or its operator's root keys closed it",
            expected=f"nothing beyond its last head with a quorum, of size {witnessed}",
            todo="file it in any other log; `detente log succeed` opens a successor",
        )


def write_head(transaction: Transaction, log: int, head: SeenHead, lines: Iterable[Line]) -> None:
    """Keep a head with the log's own line, and these cosignatures."""
    number = transaction.add_head(log, head.size, head.root, head.body)
    transaction.add_line(number, "", 0, head.own)
    for line, party, time_s in lines:
        transaction.add_line(number, party, time_s, line)


def _unknown_log(got: str) -> Refused:
    return Refused("N21", "not-found", got=f"log {got}", expected="a log of the accord")


def compact_of(tree: MerkleTree, size: int) -> CompactTree:
    """The right edge of a tree at a size."""
    at, state = 0, []
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            state.append(tree.node(level, at >> level))
            at += 1 << level
    return CompactTree.restore(size, state)
