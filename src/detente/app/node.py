"""One party's node: its log, its mirrors' half, its evidence, its permits; everything a node does, without HTTP.

Decides how the parts meet: what is told to whom when a log moved, and when the state is looked at again. Leaves out
transport (``server``), what is so (the pure rooms), and each part's own rules (the modules beside this one).

- ``open_node`` locks the home and refuses a store that is behind its last signed head: C04, C21 to C23.
- ``submit``: admit → sequence → durable → sign → mirrors → publish → acknowledge with a proof (contracts §2).
- ``start`` begins what needs a network; without it the node serves calls of its own process, which is all that one
  organisation on one machine needs.
- Before the first new head is signed, so many mirrors have said how far they hold our log that one honest mirror of any
  earlier quorum is among them: a restored home forks itself otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from detente.accord.fold import AccordState, fold
from detente.accord.reason import Place
from detente.accord.standing import Standing, Status
from detente.accord.status import proposals_waiting, status
from detente.adapters.client import NodeClient, Receipt
from detente.adapters.clock import SystemClock, WallClock
from detente.adapters.content import Content
from detente.adapters.erasable import Erasable
from detente.adapters.files import HeadFile, HomeLock
from detente.adapters.store import Store
from detente.adapters.store_writer import StoreWriter
from detente.app.admission import Rates, check_admission, check_rate
from detente.app.amendments import Amendments
from detente.app.blobs import Blobs
from detente.app.coalition import NO_SUCCESSION, Coalition, coalition_of
from detente.app.config import Config, load_config
from detente.app.decisions import DecisionNews
from detente.app.evidence_feed import EvidenceFeed
from detente.app.following import Follower
from detente.app.health import health_of
from detente.app.hearing import FORWARDS_MAX, Hearing, restricts
from detente.app.issuing import Issuer
from detente.app.log_serving import LogServing
from detente.app.logbook import HeldLog, LogBook
from detente.app.mirroring import Mirror, Witness
from detente.app.notices import Hub, Notices
from detente.app.review_notes import ReviewNotes
from detente.app.reviews import decisions_on, review_of, screening_of
from detente.app.sequencer import Sequencer
from detente.app.upkeep import Upkeep
from detente.app.voice import Voice
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Refused
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.strict_json import encode_json
from detente.guard.decide import Decision, decide
from detente.guard.intent import Intent
from detente.log.proof import InclusionProof, encode_proof
from detente.statement.kinds import Use
from detente.statement.signing import SoftwareSigner
from detente.statement.statement import VerifiedStatement

__all__ = ["Filed", "Node", "Receipt", "open_node"]

FORWARD_S = 2.0
"""How long telling peers of a restricting statement may take; its entry follows by the mirrors anyway."""
_NODE_USES: tuple[Use, ...] = ("mirror", "witness", "permit")
_LOG = logging.getLogger("detente.node")


@dataclass(frozen=True, slots=True)
class Filed:
    """A statement that the node knows: its envelope, where it stands, and when it was witnessed."""

    statement: Digest
    envelope: bytes
    places: tuple[Place, ...]
    witnessed_at: Instant | None


def open_node(
    home: Path,
    *,
    clock: WallClock | None = None,
    store: Callable[[Path], Store] = Store,
    head_file: Callable[[Path, str], HeadFile] = HeadFile,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Node:
    """Lock the home, open its store, check it against the last signed head.

    Raises ``Refused`` C01, C02, C04 to C07, C11, C12, C20 to C23, N01, N02, ``Unavailable``. ``store`` and ``head_file``
    are for tests that let writes fail.
    """
    config = load_config(home)
    founding = config.read_terms()
    lock = HomeLock(home)
    lock.take()
    try:
        opened = store(config.store_path)
        try:
            node = Node(config, founding, clock=clock or SystemClock(), store=opened, transport=transport)
        except BaseException:
            opened.close()
            raise
        try:
            node.load(head_file)
        except BaseException:
            node.abandon()
            raise
    except BaseException:
        lock.release()
        raise
    node.on_closed(lock.release)
    return node


class Node:
    """Opened by ``open_node``; ``start`` begins its tasks, ``close`` ends them. One event loop, one process."""

    def __init__(
        self,
        config: Config,
        founding: bytes,
        *,
        clock: WallClock,
        store: Store,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.config = config
        self.party = config.party
        self.clock = clock
        self.store = store
        self.feed = EvidenceFeed(founding)
        self.evidence = self.feed.evidence
        self._signers = {use: config.signer(use) for use in _NODE_USES if config.has_key(use)}
        self.writer = StoreWriter(store)
        self.coalition: Coalition = coalition_of((self.evidence.founding,))
        self._succession = NO_SUCCESSION
        self.book = LogBook(store, self.writer, self.feed, self.coalition)
        limits = config.limits
        self.blobs = Content(config.home / "blobs", blob_bytes=limits.blob_bytes, all_bytes=limits.blobs_bytes)
        self.review_notes = ReviewNotes(
            Erasable(config.home / "erasable", records=limits.notes),
            node=config.party,
            rates=Rates(per_s=limits.notes_s, burst=20 * limits.notes_s),
            state=self.state,
            now=clock.now,
        )
        self.hub = Hub(clients_max=config.limits.clients, events_max=config.limits.client_events)
        self.logs = LogServing(store, self.book)
        self.peers: dict[Party, NodeClient] = {
            party: NodeClient(url, transport=transport) for party, url in config.peers.items() if party != config.party
        }
        self._keys = Rates(per_s=limits.key_s, burst=10 * limits.key_s)
        self._guards = Rates(per_s=limits.guard_s, burst=10 * limits.guard_s)
        self.amendments = Amendments(feed=self.feed, blobs=self.blobs, peers=self.peers)
        self.blob_shares = Blobs(
            self.blobs,
            all_bytes=limits.blobs_bytes,
            store=store,
            writer=self.writer,
            keys=self.evidence.keys,
            rates=self._keys,
            wanted=lambda: self.amendments.wanted,
        )
        self.hearing = Hearing(
            feed=self.feed,
            store=store,
            writer=self.writer,
            parties=lambda: len(self.coalition.terms.parties),
            on_heard=self.consider,
        )
        self._forwarding: set[asyncio.Future[None]] = set()
        self._started = False
        self._dirty = False
        self._at_close: list[Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.voice = Voice(
            config=config, store=store, writer=self.writer, book=self.book, clock=clock, peers=self.peers
        )
        self.mirror = self._make_mirror()
        self.witness = self._make_witness()
        self.decisions = DecisionNews(self.hub, state=self.state, now=self.clock.now)
        self.notices = Notices(
            accord=self.evidence.accord, party=self.party, signer=self._signer("permit"), store=store
        )
        self.follower = self._make_follower()
        self.issuer = self._make_issuer()
        self.upkeep = Upkeep(self)

    def _make_follower(self) -> Follower:
        return Follower(
            book=self.book,
            writer=self.writer,
            own=self.party,
            peers=self.peers,
            gossip_s=self.config.gossip_s,
            cosign=self.mirror.cosign_stored,
            hear=self.hearing.take_story,
            patience_s=lambda log: 0.5 if self.mirror.mirrors(log) else 0.0,
        )

    def _make_issuer(self) -> Issuer:
        return Issuer(
            party=self.party,
            signer=self._signer("permit"),
            store=self.store,
            writer=self.writer,
            book=self.book,
            clock=self.clock,
            state=self.state,
            notices=lambda: self.notices.sequence,
            fetch=self.follower.fetch,
        )

    def _make_mirror(self) -> Mirror:
        keys = self.evidence.founding.keys.get(self.party)
        return Mirror(
            party=self.party,
            name=keys.mirror.name if keys is not None and keys.mirror is not None else self.party,
            signer=self._signer("mirror"),
            store=self.store,
            writer=self.writer,
            book=self.book,
            clock=self.clock,
        )

    def _make_witness(self) -> Witness:
        keys = self.evidence.founding.keys.get(self.party)
        own = keys.witness if keys is not None else None
        return Witness(
            name=own.name if own is not None else self.party,
            signer=self._signer("witness") if own is not None else None,
            store=self.store,
            writer=self.writer,
            book=self.book,
            clock=self.clock,
        )

    def _signer(self, use: Use) -> SoftwareSigner | None:
        return self._signers.get(use)

    def load(self, head_file: Callable[[Path, str], HeadFile]) -> None:
        """Read the store into memory and evidence, and open the sequencer; see ``open_node``."""
        self.load_logs()
        self.voice.open(head_file)

    def load_logs(self) -> None:
        """Read the store into memory and evidence; nothing can be signed yet."""
        self.book.on_move.append(self._on_move)
        self.book.on_closed.append(self.upkeep.keep_proof)
        self.feed.on_change = self._on_change
        self.notices.prepare()
        self.book.open(self.coalition)
        self.hearing.load()
        while self.amendments.load(fold(self.evidence)):
            pass
        self._refresh(fold(self.evidence))

    @property
    def cleared(self) -> bool:
        """Have enough mirrors said how far they hold this party's log?"""
        return self.voice.cleared.is_set()

    @property
    def sequencer(self) -> Sequencer | None:
        """The sequencer of this party's own log; None where it has none."""
        return self.voice.sequencer

    @property
    def terms_self_witnessed(self) -> bool:
        """Do the terms in force say that the party witnesses itself?"""
        return self.coalition.terms.mirrors.self_witnessed

    def on_closed(self, callback: Callable[[], None]) -> None:
        """Call this at the very end of ``close``."""
        self._at_close.append(callback)

    async def start(self) -> None:
        """Begin everything that needs a network or a clock."""
        self._started = True
        self.follower.start()
        self.voice.start()
        work = (self.upkeep.run(), self.amendments.run())
        self._tasks = [asyncio.create_task(each) for each in work]
        self.consider()

    def abandon(self) -> None:
        """Close the store of a node that could not be loaded; no task of it runs yet."""
        self.voice.release()
        self.writer.close()
        self.feed.close()
        self.amendments.close()
        self.store.close()

    async def close(self) -> None:
        """End every task, finish what is being written, release the home."""
        self._started = False
        self.voice.stop()
        self.hub.close()
        self.decisions.close()
        for task in (*self._tasks, *self._forwarding):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._forwarding, return_exceptions=True)
        await self.follower.close()
        await self.voice.close()
        await self.upkeep.close()
        await self.book.flush()
        await asyncio.gather(*(client.close() for client in self.peers.values()), return_exceptions=True)
        await asyncio.to_thread(self.writer.close)
        self.feed.close()
        self.amendments.close()
        self.store.close()
        for callback in self._at_close:
            callback()

    # Statements

    async def submit(self, envelope: bytes, *, witnessed: bool = True) -> Receipt:
        """Admit, sequence, store durably, sign, have mirrored, acknowledge with a proof.

        ``witnessed`` waits up to ``ack_s`` for a quorum; a receipt without one says so. Raises ``Refused`` S…, B…, N20,
        N22, N27, N30 to N33, M18, C05, C10, C21, ``Unavailable``.
        """
        checked = self.feed.check(envelope)
        if isinstance(checked, Refused):
            raise checked
        verified = self._admit(checked)
        sequencer = await self.voice.ready()
        appending = sequencer.enqueue(verified)
        if restricts(verified):
            # Before it is on our disk: whoever hears it keeps it on theirs, and it binds them at once.
            self._forward(verified.envelope_bytes)
        index = await appending
        log = sequencer.log
        if self.mirror.mirrors(log):
            await self.mirror.cosign_stored(log)
        if witnessed:
            await self._wait_witnessed(log, index)
        return self._receipt(verified.statement.id, log, index)

    async def submit_all(self, envelopes: list[bytes]) -> list[Place | Refused]:
        """``submit`` for many at once: verified on as many processors as there are, no rate per key, no wait for a quorum.

        Gives each its place under a signed head, or its refusal; ``prove`` makes the proof of one.
        """
        checked = await self.feed.check_all(envelopes)
        sequencer = await self.voice.ready()
        check = self._checker()
        outcomes: list[asyncio.Future[int] | Refused] = []
        for found in checked:
            try:
                if isinstance(found, Refused):
                    raise found
                check(found)
                outcomes.append(sequencer.enqueue(found))
            except Refused as refused:
                outcomes.append(refused)
        results: list[Place | Refused] = []
        for outcome in outcomes:
            try:
                results.append(outcome if isinstance(outcome, Refused) else Place(sequencer.log.origin, await outcome))
            except Refused as refused:
                results.append(refused)
        if self.mirror.mirrors(sequencer.log):
            await self.mirror.cosign_stored(sequencer.log)
        return results

    def prove(self, place: Place) -> bytes:
        """A C2SP tlog-proof of an entry under the best head there is: with a quorum, else the log's own.

        Raises ``Refused`` N21, N36.
        """
        log = self.book.find(place.origin)
        witnessed = log.witnessed is not None and log.witnessed.size > place.index
        head = log.witnessed if witnessed else log.stored
        if head is None or not 0 <= place.index < head.size:
            raise Refused("N36", "not-found", got=str(place), expected="an entry under a signed head")
        proof = InclusionProof(place.index, tuple(log.tree.inclusion_proof(place.index, head.size)), head.note)
        return encode_proof(proof)

    async def hear(self, envelope: bytes) -> Digest:
        """Take a statement that stands in no log yet: it counts at once if it restricts, and is kept then.

        Raises ``Refused`` S…, B…, N30 to N33, N40.
        """
        checked = self.feed.check(envelope)
        if isinstance(checked, Refused):
            raise checked
        statement = checked.statement.id
        if not self.hearing.knows(statement) and restricts(verified := self._admit(checked)):
            await self.hearing.take(verified)
        return statement

    def find_statement(self, statement: Digest) -> Filed:
        """A statement by its id; raises ``Refused`` N34."""
        places = self.feed.places.get(statement, ())
        heard = self.feed.heard.get(statement)
        if places:
            log = self.book.find(places[0].origin)
            (data,) = self.book.entries(log, places[0].index, places[0].index + 1)
            times = [time for place in places if (time := self.evidence.place_time(place)) is not None]
            return Filed(statement, data, places, min(times, default=None))
        if heard is not None:
            return Filed(statement, heard.envelope_bytes, (), None)
        raise Refused(
            "N34", "not-found", got=f"statement {statement}", expected="one that this node has stored or heard"
        )

    # Permits and state

    async def quote(self, request: bytes) -> bytes:
        """Round 1 of a permit: a sealed request in, a sealed offer out; raises ``Refused`` P…, N26."""
        return await self.issuer.quote(request)

    async def sign(self, ask: bytes) -> bytes:
        """Round 2 of a permit: a sealed ask in, ``guard.issue.encode_reply`` out; raises ``Refused`` P…, N26."""
        return await self.issuer.sign(ask)

    def state(self) -> AccordState:
        """The fold of everything stored and heard."""
        return fold(self.evidence)

    def status(self, at: Instant | None = None) -> Status:
        """The status now, or at an instant."""
        return status(self.state(), self.clock.now() if at is None else at)

    def decide(self, intent: Intent) -> Decision:
        """What this node would decide now; signs nothing."""
        return decide(self.state(), intent, self.clock.now())

    def proposals(self) -> tuple[tuple[Digest, Party, Standing], ...]:
        """Proposals at hold points: id, party, and what is missing."""
        return proposals_waiting(self.state(), self.clock.now())

    def health(self) -> dict[str, object]:
        """Who this is, and how it fares: see ``app.health``."""
        return health_of(self)

    async def events(self) -> AsyncIterator[bytes]:
        """Events as they go on the wire, for a listener in this process."""
        listener = self.hub.subscribe(catch_up=True)
        try:
            while (data := await listener.next(15.0)) is not None:
                if data:
                    yield data
        finally:
            self.hub.unsubscribe(listener)

    async def receive_blob(self, digest: Digest, signed: str, parts: AsyncIterator[bytes]) -> int:
        """Store a blob for a party: raises ``Refused`` N18, N19, N33, C10, C30, C31. Returns its size."""
        size = await self.blob_shares.receive(digest, signed, parts, state=self.state(), now=self.clock.now())
        self.amendments.wake(digest)
        return size

    async def read_blob(self, digest: Digest, asked: str) -> tuple[bytes, bool]:
        """A blob, and whether it is kept from anybody: raises ``Refused`` N18, N46, N47, C33.

        Reading and hashing it takes a disk's time, and finding who may read it a look at every statement: beside the loop.
        """
        state, now = self.state(), self.clock.now()

        def read() -> tuple[bytes, bool]:
            kept = self.blob_shares.check_reading(digest, asked, state=state, node=self.party, now=now)
            return self.blobs.read(digest), kept

        return await asyncio.to_thread(read)

    async def review(self, organisation: Party, reviewer: str, signed: str) -> dict[str, object]:
        """A reviewer's own figures and notes, for that reviewer: raises ``Refused`` Z08 to Z10."""
        self.review_notes.check_reviewer(organisation, reviewer, signed)
        state, now = self.state(), self.clock.now()
        return await asyncio.to_thread(review_of, self.review_notes, state, organisation, reviewer, now)

    def change(self, change: Digest) -> dict[str, object]:
        """Who put a change, and what was decided on it."""
        return decisions_on(self.state(), change, self.clock.now())

    def screening(self) -> dict[str, object]:
        """What seeded changes have shown so far, of all reviewers together."""
        return screening_of(self.state(), self.clock.now())

    def check_guard_rate(self, guard: object) -> None:
        """Refuse (N35) a guard that asks too often."""
        if not self._guards.take(guard, at_s=time.monotonic()):
            raise Refused(
                "N35", "rate", got="too many messages of one guard", expected=f"{self.config.limits.guard_s} a second"
            )

    # Within

    def _check(self, verified: VerifiedStatement) -> VerifiedStatement:
        return self._checker()(verified)

    def _checker(self) -> Callable[[VerifiedStatement], VerifiedStatement]:
        state, now = self.state(), self.clock.now()
        versions = frozenset(link.terms.version for link in state.chain)
        known = state.book.may_assert
        confidential = state.terms_at(now).confidential
        return partial(
            check_admission,
            accord=state.accord,
            versions=versions,
            now=now,
            is_reviewer=known,
            confidential=confidential,
        )

    def _admit(self, verified: VerifiedStatement) -> VerifiedStatement:
        check_rate(self._check(verified), self._keys, at_s=time.monotonic())
        return verified

    async def _wait_witnessed(self, log: HeldLog, index: int) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.config.ack_s
        while (log.witnessed is None or log.witnessed.size <= index) and (left := deadline - loop.time()) > 0:
            await self.book.wait_move(left)

    def _receipt(self, statement: Digest, log: HeldLog, index: int) -> Receipt:
        witnessed = log.witnessed is not None and log.witnessed.size > index
        place = Place(log.origin, index)
        return Receipt(statement, place, witnessed, self.prove(place))

    def _on_move(self, log: HeldLog) -> None:
        if not self._started:
            return
        if self.voice.pusher is not None and self.sequencer is not None and log is self.sequencer.log:
            self.voice.pusher.tell()
        witnessed = log.witnessed.size if log.witnessed else 0
        self.hub.publish("head", encode_json({"origin": log.origin, "size": log.size, "witnessed": witnessed}))

    def _on_change(self) -> None:
        if self._started and not self._dirty:
            self._dirty = True
            asyncio.get_running_loop().call_soon(self.consider)

    def consider(self) -> None:
        """Look at the state anew, and give notice of what it stops: after a change, and as time passes."""
        self._dirty = False
        state = fold(self.evidence)
        self._refresh(state)
        self.amendments.look(state)
        notices = self.notices.consider(status(state, self.clock.now()))
        for notice in notices:
            self.hub.publish("notice", notice)
        if notices and len(self.hub) and self.voice.pusher is not None:
            self.voice.pusher.hold_back()
        self.hub.hold(self.notices.holding())
        self.decisions.look()

    def _refresh(self, state: AccordState) -> None:
        """Follow the chain of terms: other logs, mirrors, quorum."""
        now = self.clock.now()
        chain = [link.terms for link in state.chain if link.since <= now]
        if chain[-1].digest != self.coalition.terms.digest or state.succession != self._succession:
            self._succession = state.succession
            self.coalition = coalition_of(chain, state.succession)
            self.book.open(self.coalition)
            self.voice.serve_mirrors()
        self.voice.follow()

    def _forward(self, envelope: bytes) -> None:
        """Tell the issuers of a restricting statement at once: it binds them on receipt."""
        if self._started:
            for party, client in self.peers.items():
                if party in self.coalition.mirrors and len(self._forwarding) < FORWARDS_MAX:
                    task = asyncio.ensure_future(_tell(client, envelope))
                    self._forwarding.add(task)
                    task.add_done_callback(self._forwarding.discard)


async def _tell(client: NodeClient, envelope: bytes) -> None:
    with contextlib.suppress(DetenteError, OSError, TimeoutError):
        async with asyncio.timeout(FORWARD_S):
            await client.hear(envelope)
