"""A guard's session with its issuers: gets a permit, renews it, hears notices, and says until when the job may run.

Decides when to ask, when leave has ended, and why. Leaves out the messages and their checks (``guard.asking``,
``guard.permit``, ``guard.notice``), how bytes travel (a ``Channel``), and what is done to the job (``app.supervising``,
``hooks.loop``).

Rules (contracts §4, ``spec/guard.md``):

1. Leave is a permit that ``verify_permit`` accepted, and it lasts until its lease lapses on CLOCK_BOOTTIME.
2. Heads and epoch of a permit are durable before the job may use it, so that a stale or replayed one is refused after
   a restart as well.
3. Leave ends early when more than f distinct issuers say so: by a notice, or by denying a renewal. One of them is
   honest then.
4. A renewal that merely fails matters only when the lease lapses.
5. Renewal is due at a third of the life. A failure is followed by a pause that doubles, with jitter, and never reaches
   the lapse by itself.
6. No wall clock is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal, Protocol

from detente.accord.explain import Reason
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.identity import Party
from detente.guard.asking import Asking, bar, compose, denial, denied_by, finished, hear_offer, hear_reply, lapsed_by
from detente.guard.intent import Intent
from detente.guard.issue import parse_reply
from detente.guard.lease import Lease, next_lease
from detente.guard.notice import Notice, NoticeBoard, parse_notice, stopping, supersede, take_notice
from detente.guard.permit import (
    Head,
    PermitRequest,
    VerifiedPermit,
    heads_after,
    seal_ask,
    seal_request,
    verify_permit,
)
from detente.guard.trust import IssuerTrust, all_issuers
from detente.statement.signing import Signer

QUOTE_MAX_S = 10.0
"""One answer of one issuer. Honest ones take 20 ms; one that fetches a missing log first took 2 s."""
STRAGGLERS_S = 0.05
"""Once m offers would do, how long the others may still improve on them."""
ROUNDS_MAX = 24
"""Bodies composed in one asking: 8 fresh offers of each of 3 liars, and nobody honest needs more."""
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.1, 15.0
RECONNECT_FIRST_S, RECONNECT_MOST_S = 0.05, 5.0
NOTICES_KEPT = 256
"""Each issuer has one notice in force; 16 issuers leave room for sixteen pauses."""
HEED_FIRST_S, HEED_S = 0.2, 0.5
"""While there is no leave an event makes a guard ask again, but not sooner than this after it last asked or was stopped,
and twice as late after each denial: four hundred guards that are stopped together must not ask at once, in the way of the
notices that stop the others, nor ask for each entry that a long pause brings."""
RETRY_HELD_S = 5.0
"""How often leave is asked for while it is denied; an event of an issuer makes it at once."""

Why = Literal["none", "pause", "lapse", "denied"]


class Channel(Protocol):
    """How bytes reach issuers and the guard's own node. Failures raise ``Unavailable``; refusals ``Refused``.

    ``asks_on_event``: this channel carries no notices, so that a guard *with* leave asks again at any event.
    """

    @property
    def asks_on_event(self) -> bool: ...

    async def quote(self, issuer: Party, request: bytes) -> bytes:
        """Round 1: a sealed request in, a sealed offer out."""
        ...

    async def sign(self, issuer: Party, ask: bytes) -> bytes:
        """Round 2: a sealed ask in, an encoded reply out."""
        ...

    async def listen(self, issuer: Party, hear: Callable[[bytes], None]) -> None:
        """``hear`` sealed notices as the issuer makes them, and empty bytes for any other event; ends when it goes."""
        ...

    async def listen_decisions(self, issuer: Party, proposal: Digest, hear: Callable[[], None]) -> None:
        """``hear`` when a decision on the proposal may be news at the issuer, also once it has settled; ends when it goes."""
        ...

    async def submit(self, envelope: bytes) -> None:
        """File a statement with the guard's own node."""
        ...

    async def store_blob(self, data: bytes, signer: Signer) -> Digest:
        """Keep bytes at the guard's own node, in the name of an enrolled key; returns their digest."""
        ...

    async def close(self) -> None: ...


class Clock(Protocol):
    """Seconds since boot, through suspends, and which boot it is."""

    def boottime_s(self) -> float: ...

    def boot_id(self) -> str: ...


class Memory(Protocol):
    """What a guard keeps across restarts. ``store`` returns when it is durable."""

    def load(self) -> tuple[dict[str, Head], int]: ...

    def store(self, heads: Mapping[str, Head], epoch: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Until when the job may run (CLOCK_BOOTTIME seconds; 0 for not at all), how fast, and why it ended."""

    until_s: float = 0.0
    rate: Decimal = Decimal(0)
    epoch: int = 0
    why: Why = "none"
    held_by: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def given(self) -> bool:
        return self.until_s > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """No m issuers would sign. ``deniers`` said so themselves; the others were silent or wrong, as ``failed`` says.

    ``lapsed``: more than f of them say that the proposal has lapsed, so that waiting for a decision is of no use.
    """

    deniers: tuple[Party, ...]
    held_by: tuple[str, ...]
    reasons: tuple[Reason, ...]
    failed: Mapping[Party, str] = field(default_factory=dict)
    lapsed: bool = False


class NoticeReader:
    """``parse_notice`` for many guards in one process: the same bytes are verified once, not once a guard."""

    def __init__(self, trust: IssuerTrust) -> None:
        self.trust = trust
        self._read: dict[bytes, Notice] = {}

    def __call__(self, data: bytes, trust: IssuerTrust) -> Notice:
        if trust is not self.trust:
            return parse_notice(data, trust)
        if (known := self._read.get(data)) is not None:
            return known
        notice = parse_notice(data, trust)
        if len(self._read) >= NOTICES_KEPT:
            self._read.clear()
        self._read[data] = notice
        return notice


class GuardSession:
    """One guard, one intent. ``run`` keeps leave for as long as issuers give it; ``leave`` is the present one.

    ``nonce`` gives a fresh one for each asking, where it is not to be random alone (``guard.answer``).
    """

    def __init__(
        self,
        *,
        intent: Intent,
        terms: Digest,
        trust: IssuerTrust,
        signer: Signer,
        channel: Channel,
        clock: Clock,
        memory: Memory,
        entropy: random.SystemRandom | random.Random | None = None,
        on_change: Callable[[Leave], None] | None = None,
        read_notice: Callable[[bytes, IssuerTrust], Notice] = parse_notice,
        gate: asyncio.Semaphore | None = None,
        nonce: Callable[[], str] | None = None,
    ) -> None:
        self._intent = intent
        self._terms = terms
        self._trust = trust
        self._signer = signer
        self._channel = channel
        self._clock = clock
        self._memory = memory
        self._random = entropy or random.SystemRandom()
        self._on_change = on_change or (lambda _leave: None)
        self._read_notice = read_notice
        self._gate = gate or asyncio.Semaphore(1)
        self._nonce = nonce or (lambda: self._random.getrandbits(128).to_bytes(16, "big").hex())
        self._denials = 0
        self._unread: list[bytes] = []
        self._heads, self._epoch = memory.load()
        self._lease: Lease | None = None
        self._board = NoticeBoard(trust=trust, party=intent.party, activity=intent.activity)
        self._wake = asyncio.Event()
        self._stopped = False
        self._changed = asyncio.Event()
        self.leave = Leave()
        self.permit: VerifiedPermit | None = None
        self.permits_seen = 0

    @property
    def may_fail(self) -> int:
        """f, under the terms that the guard asks by."""
        issuers = self._trust.sets.get(self._terms)
        return (
            max((each.may_fail for each in self._trust.sets.values()), default=0)
            if issuers is None
            else issuers.may_fail
        )

    async def acquire(self) -> VerifiedPermit | Denied:
        """One asking, both rounds; raises ``Unavailable`` when too few issuers answered to say yes or no.

        1. Seal a request with a fresh nonce; note the time *before* sending.
        2. Ask every issuer at once; go on as soon as m offers would do.
        3. Put the body before m issuers; compose anew while answers change it.
        4. Verify the result as if a stranger had sent it; keep heads and epoch durably; only then is it leave.
        """
        nonce = self._nonce()
        request, sealed = seal_request(  # 1
            PermitRequest(
                accord=self._trust.accord,
                terms=self._terms,
                party=self._intent.party,
                guard=self._signer.public_key,
                nonce=nonce,
                intent=self._intent,
            ),
            self._signer,
        )
        sent_at_s = self._clock.boottime_s()
        asking = Asking(request=request, sealed=sealed, trust=self._trust, last_epoch=self._epoch)
        asking = await self._gather_offers(asking)  # 2
        asking, envelope = await self._gather_signatures(asking)  # 3
        if envelope is None:
            return self._denied(asking)
        verified = verify_permit(  # 4
            envelope,
            expected=request,
            trust=self._trust,
            known_heads=self._heads,
            last_epoch=self._epoch,
            sent_at_s=sent_at_s,
            now_s=self._clock.boottime_s(),
        )
        self._accept(verified, asking, sent_at_s)
        return verified

    async def run(self) -> None:
        """Keep leave until cancelled: renew, listen, and ask again after a stop."""
        listeners = [
            asyncio.create_task(self._listen(issuer)) for issuer in sorted(set(all_issuers(self._trust).values()))
        ]
        try:
            await self._keep()
        finally:
            for listener in listeners:
                listener.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)

    async def wait_change(self) -> Leave:
        """The next leave that differs from the one before."""
        self._changed.clear()
        await self._changed.wait()
        return self.leave

    def ask_now(self) -> None:
        """Do not wait for the next renewal: something has happened that may change the answer."""
        self._wake.set()

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                async with self._gate:
                    outcome = await self.acquire()
            except (TimeoutError, Unavailable, Refused, OSError) as error:
                outcome = None
                failure = str(error)
                failures += 1
            else:
                failure, failures = "", 0
            self._denials = self._denials + 1 if isinstance(outcome, Denied) else 0
            if isinstance(outcome, Denied):
                self._heed_denial(outcome)
            elif outcome is None and not self.leave.given:
                self._set(replace(self.leave, held_by=("no answer",), reasons=(Reason(failure[:1_024], ()),)))
            await self._rest(failures)

    async def _rest(self, failures: int) -> None:
        """Sleep until the next asking is due, watching the lapse, which comes first if it must."""
        begin = self._clock.boottime_s()
        if self._lease is not None and failures == 0 and self.leave.given:
            # Earlier than a third by up to a tenth of it, so that a thousand guards do not ask in one second.
            third = self._lease.life_s / 3
            due = self._lease.sent_at_s + third * (1 - 0.1 * self._random.random())
        elif failures == 0:
            due = begin + RETRY_HELD_S * (0.5 + self._random.random())
        else:
            most = min(BACKOFF_MOST_S, self._lease.life_s / 6) if self._lease is not None else BACKOFF_MOST_S
            due = begin + min(BACKOFF_FIRST_S * 2 ** min(failures, 12), most) * (0.5 + 0.5 * self._random.random())
        heed = begin + self._spacing_s()
        while (now := self._clock.boottime_s()) < due:
            self._check_lapse(now)
            if self._stopped:
                self._stopped, heed = False, now + self._spacing_s()
                due = max(heed, min(due, now + RETRY_HELD_S))
            until = min(due, self._lease.lapse_s) if self._lease is not None and self.leave.given else due
            # At most a second at a time: asyncio's clock stands still while the machine is suspended, ours does not.
            with contextlib.suppress(asyncio.TimeoutError):
                async with asyncio.timeout(max(0.001, min(1.0, until - now))):
                    await self._wake.wait()
            if self._wake.is_set():
                self._wake.clear()
                if self._stopped:
                    continue
                if self.leave.given:
                    return
                due = min(due, max(heed, now))
        self._check_lapse(self._clock.boottime_s())

    def _spacing_s(self) -> float:
        """How soon after asking, or being stopped, an event may make this guard ask again."""
        least = HEED_S if self.permits_seen else HEED_FIRST_S
        return min(RETRY_HELD_S, least * 2.0 ** min(self._denials, 8)) * (0.5 + self._random.random())

    def _check_lapse(self, now_s: float) -> None:
        if self.leave.given and (self._lease is None or self._lease.at(now_s, self._clock.boot_id()) == "lapsed"):
            self._stop("lapse", ("permit lapsed",), (Reason("no m issuers renewed the permit within its life", ()),))

    async def _gather_offers(self, asking: Asking) -> Asking:
        tasks = {
            asyncio.create_task(self._channel.quote(issuer, asking.sealed)): issuer
            for issuer in sorted(set(all_issuers(self._trust).values()))
        }
        loop = asyncio.get_running_loop()
        deadline = loop.time() + QUOTE_MAX_S
        pending = set(tasks)
        try:
            while pending and (left := deadline - loop.time()) > 0:
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    asking = _take(asking, tasks[task], task, hear_offer)
                if self._is_denied(asking, open_answers=len(pending)):
                    break  # Whatever the others say, there are no m: a silent issuer must not delay the stop.
                if pending and compose(asking)[1] is not None:
                    deadline = min(deadline, loop.time() + STRAGGLERS_S)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        for task in pending:
            asking = bar(asking, tasks[task], "no answer in time")
        return asking

    def _is_denied(self, asking: Asking, *, open_answers: int) -> bool:
        """Have more than f issuers denied, and could the answers still open not make up m?"""
        allowing = sum(offer.allowed for offer in asking.offers.values())
        needed = min((each.needed for each in asking.trust.sets.values()), default=0)
        return len(asking.offers) - allowing > self.may_fail and allowing + open_answers < needed

    async def _gather_signatures(self, asking: Asking) -> tuple[Asking, bytes | None]:
        for _ in range(ROUNDS_MAX):
            asking, ask = compose(asking)
            if ask is None:
                return asking, None
            sealed = seal_ask(ask, self._signer)
            asked = asking.asked
            answers = await asyncio.gather(*(self._sign(issuer, sealed) for issuer in asked))
            for issuer, answer in zip(asked, answers, strict=True):
                if isinstance(answer, str):
                    asking = bar(asking, issuer, answer)
                    continue
                try:
                    asking = hear_reply(asking, issuer, parse_reply(answer))
                except Refused as refused:
                    asking = bar(asking, issuer, str(refused))
            if (envelope := finished(asking)) is not None:
                return asking, envelope
        return asking, None

    async def _sign(self, issuer: Party, sealed: bytes) -> bytes | str:
        try:
            async with asyncio.timeout(QUOTE_MAX_S):
                return await self._channel.sign(issuer, sealed)
        except TimeoutError:
            return "no answer in time"
        except (DetenteError, OSError) as error:
            return str(error)

    def _denied(self, asking: Asking) -> Denied:
        deniers = denied_by(asking)
        if len(deniers) <= self.may_fail:
            said = "; ".join(f"{party}: {why}" for party, why in sorted(asking.barred.items()))
            raise Unavailable(f"too few issuers answered: {said or 'none is named by the terms'}")
        held_by, reasons = denial(asking)
        lapsed = len(lapsed_by(asking)) > self.may_fail
        return Denied(deniers=deniers, held_by=held_by, reasons=reasons, failed=asking.barred, lapsed=lapsed)

    def _accept(self, verified: VerifiedPermit, asking: Asking, sent_at_s: float) -> None:
        permit = verified.permit
        heads = heads_after(permit.heads, self._heads)
        self._memory.store(heads, permit.epoch)
        self._heads, self._epoch = heads, permit.epoch
        lease = Lease(boot_id=self._clock.boot_id(), sent_at_s=sent_at_s, life_s=permit.life_s, epoch=permit.epoch)
        self._lease = next_lease(self._lease, lease)
        self.permit = verified
        self.permits_seen += 1
        unread, self._unread = self._unread, []
        for data in unread:
            self._take_notice(data)
        for offer in asking.offers.values():
            self._board = supersede(self._board, offer)
        if stopping(self._board):
            return  # More than f issuers stopped us while two rounds went on; the next asking will settle it.
        self._set(
            Leave(
                until_s=self._lease.lapse_s,
                rate=permit.rate,
                epoch=permit.epoch,
                why="none",
            )
        )

    def _heed_denial(self, denied: Denied) -> None:
        if self.leave.given:
            self._stop("denied", denied.held_by, denied.reasons)
        else:
            self._set(replace(self.leave, held_by=denied.held_by, reasons=denied.reasons))

    async def _listen(self, issuer: Party) -> None:
        wait_s = RECONNECT_FIRST_S
        while True:
            begin = self._clock.boottime_s()
            with contextlib.suppress(DetenteError, OSError):
                await self._channel.listen(issuer, self._hear)
            if self._clock.boottime_s() - begin > RECONNECT_MOST_S:
                wait_s = RECONNECT_FIRST_S
            await asyncio.sleep(wait_s * (0.5 + self._random.random()))
            wait_s = min(wait_s * 2, RECONNECT_MOST_S)

    def _hear(self, event: bytes) -> None:
        if event:
            self._hear_notice(event)
        elif self._channel.asks_on_event or not self.leave.given:
            self.ask_now()  # Something moved at an issuer: perhaps a lift.

    def _hear_notice(self, data: bytes) -> None:
        if not self.leave.given and len(self._unread) < NOTICES_KEPT:
            self._unread.append(data)  # There is nothing to stop: it is read before there is leave again.
            return
        self._take_notice(data)
        notices = stopping(self._board)
        if notices and self.leave.given:
            causes = tuple(sorted({notice.cause for notice in notices}))
            self._stop("pause", causes, tuple(Reason(f"{n.issuer}: {n.cause}", n.cites) for n in notices))

    def _take_notice(self, data: bytes) -> None:
        # A forged or superseded notice stops nobody; its sender gains nothing.
        with contextlib.suppress(Refused):
            self._board = take_notice(self._board, self._read_notice(data, self._trust))

    def _stop(self, why: Why, held_by: tuple[str, ...], reasons: tuple[Reason, ...]) -> None:
        self._lease = None
        self._stopped = True
        self._wake.set()
        self._set(Leave(epoch=self._epoch, why=why, held_by=held_by, reasons=reasons))

    def _set(self, leave: Leave) -> None:
        if leave == self.leave:
            return
        self.leave = leave
        self._changed.set()
        self._on_change(leave)


def _take(
    asking: Asking, issuer: Party, task: asyncio.Task[bytes], hear: Callable[[Asking, Party, bytes], Asking]
) -> Asking:
    error = task.exception()
    if error is None:
        return hear(asking, issuer, task.result())
    if isinstance(error, DetenteError | OSError | asyncio.TimeoutError):
        return bar(asking, issuer, str(error) or type(error).__name__)
    raise error
