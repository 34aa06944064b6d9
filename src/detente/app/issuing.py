"""The issuer's half of a node: quote heads, fetch what others named, sign, keep every permit.

Decides the order of effects around the pure steps of ``guard.issue``: the issuer's new state and the permit are durable
*before* the signature is sent. Leaves out the decision (``guard.decide``) and what the steps check.

- A head that somebody named and that is not stored here is fetched from its claimants, then from its owner; one that
  nobody serves in time is answered as missing, and the guard leaves it out.
- One guard key is served one message at a time, so that two bodies of one epoch cannot both be signed.
- Permits are kept; ``hourly_root`` is what is logged of them once an hour (contracts §4).

A node whose party issues nothing answers N26.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from weakref import WeakValueDictionary

from detente.accord.fold import AccordState
from detente.adapters.clock import WallClock
from detente.adapters.store import Store, Transaction
from detente.adapters.store_writer import StoreWriter
from detente.app.logbook import HeldLog, LogBook, SeenHead
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Refused
from detente.base.identity import Party, PublicKey
from detente.guard.issue import (
    Issued,
    IssueReply,
    IssuerState,
    Missing,
    Signed,
    encode_reply,
    merkle_root_of_permits,
    quote_heads,
    sign_permit,
)
from detente.guard.permit import Head, NamedHead, PermitAsk, parse_ask, parse_request
from detente.log.checkpoint import verify_checkpoint
from detente.statement.signing import Signer

FETCH_S = 5.0
"""How long one asking may be held up by fetching: guards wait 10 s for an answer."""
HOUR_S = 3_600

Fetch = Callable[[HeldLog, SeenHead, Iterable[Party]], Awaitable[None]]


class Issuer:
    """Answers guards. ``state`` gives the fold of everything stored, ``notices`` the last sequence given."""

    def __init__(
        self,
        *,
        party: Party,
        signer: Signer | None,
        store: Store,
        writer: StoreWriter,
        book: LogBook,
        clock: WallClock,
        state: Callable[[], AccordState],
        notices: Callable[[], int],
        fetch: Fetch,
    ) -> None:
        self._party = party
        self._signer = signer
        self._store = store
        self._writer = writer
        self._book = book
        self._clock = clock
        self._state = state
        self._notices = notices
        self._fetch = fetch
        self._locks: WeakValueDictionary[PublicKey, asyncio.Lock] = WeakValueDictionary()

    async def quote(self, request: bytes) -> bytes:
        """Round 1: a sealed request in, a sealed offer out; raises ``Refused`` P…, N26."""
        signer = self._issues()
        guard = parse_request(request).guard
        _, offer = quote_heads(
            self._load(guard),
            request,
            party=self._party,
            signer=signer,
            state=self._state(),
            at=self._clock.now(),
            holdings=self._book,
        )
        return offer

    async def sign(self, ask: bytes) -> bytes:
        """Round 2: a sealed ask in, an encoded reply out; raises ``Refused`` P…, N26.

        1. The step; if heads are missing, fetch them from whoever named them, and step again.
        2. The issuer's new state and the permit are durable.
        3. Only then the answer.
        """
        signer = self._issues()
        request, parsed, permit = parse_ask(ask)
        lock = self._locks.setdefault(request.guard, asyncio.Lock())
        async with lock:
            before = self._load(request.guard)
            after, reply = self._step(before, ask, signer)  # 1
            if isinstance(reply, Missing):
                await self._fetch_named(parsed, reply.heads)
                after, reply = self._step(before, ask, signer)
            if isinstance(reply, Signed) and after != before:
                issued = after.last[request.guard]
                at = self._clock.now()

                def keep(transaction: Transaction) -> None:  # 2
                    transaction.put_issued(request.guard, permit.epoch, issued.body)
                    transaction.add_permit(issued.body, at, reply.envelope)

                await self._writer.write(keep)
        return encode_reply(reply)  # 3

    def hourly_root(self, hour: int) -> tuple[Digest, int] | None:
        """The Merkle root over the permits signed in an hour (hours since the Epoch), and their number; None for none."""
        bodies: Sequence[Digest] = self._store.permits(hour * HOUR_S, (hour + 1) * HOUR_S)
        return (merkle_root_of_permits(bodies), len(bodies)) if bodies else None

    def first_hour(self, since: int) -> int | None:
        """The first hour from ``since`` on in which a permit was signed."""
        at = self._store.first_permit(since * HOUR_S)
        return None if at is None else at // HOUR_S

    def _step(self, before: IssuerState, ask: bytes, signer: Signer) -> tuple[IssuerState, IssueReply]:
        return sign_permit(
            before,
            ask,
            party=self._party,
            signer=signer,
            state=self._state(),
            at=self._clock.now(),
            holdings=self._book,
        )

    def _load(self, guard: PublicKey) -> IssuerState:
        stored = self._store.issued(guard)
        last = {} if stored is None else {guard: Issued(*stored)}
        return IssuerState(last=last, notices=self._notices())

    def _issues(self) -> Signer:
        if self._signer is None or self._party not in self._book.coalition.mirrors:
            raise Refused(
                "N26",
                "unknown-role",
                got=f"{self._party}, which issues no permits",
                expected="a mirror with a permit key",
                todo="ask the issuers that the terms name",
            )
        return self._signer

    async def _fetch_named(self, ask: PermitAsk, missing: Iterable[Head]) -> None:
        wanted = set(missing)
        work = [self._fetch_one(named) for named in ask.heads if named.signed.head in wanted]
        try:
            async with asyncio.timeout(FETCH_S):
                await asyncio.gather(*work, return_exceptions=True)
        except TimeoutError:
            return  # What is still missing is said to be missing.

    async def _fetch_one(self, named: NamedHead) -> None:
        try:
            log = self._book.find(named.signed.head.origin)
            signed = verify_checkpoint(named.signed.note, log.about.key)
            if signed.size != named.signed.head.size or signed.root.hex() != named.signed.head.root:
                return
            taken = await self._book.take_note(signed.note)
            await self._fetch(log, taken.head, (*named.claimants, log.operator))
        except DetenteError:
            return  # A head that its claimant cannot serve is answered as missing.


__all__ = ["FETCH_S", "HOUR_S", "Issuer"]
