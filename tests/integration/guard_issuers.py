"""Four issuers with real keys, in this process, as a guard's channel sees them."""

import asyncio
import dataclasses
from collections.abc import Callable
from decimal import Decimal

from detente.base.digest import Digest
from detente.base.errors import Unavailable
from detente.base.identity import Party
from detente.guard.issue import Signed, encode_reply
from detente.guard.notice import Notice, seal_notice
from detente.guard.permit import HeadsOffer, parse_ask, parse_request, seal_offer, sign_permit_body
from tests.unit.guard import messages as m

LIFE_S = 600


class Issuers:
    """Four issuers with real keys, in this process; each does what the test has told it."""

    asks_on_event = False

    def __init__(self, life_s: int = LIFE_S) -> None:
        self.life_s = life_s
        self.sequence = 0
        self.offers: dict[str, dict] = {}
        self.silent: set[str] = set()
        self.epochs: dict[str, int] = {}
        self.quoted = 0
        self.streams: dict[str, asyncio.Queue] = {}
        self.decided: dict[tuple[str, str], asyncio.Queue] = {}
        self.before_signing = lambda issuer: None

    async def quote(self, issuer: Party, request: bytes) -> bytes:
        self.quoted += 1
        if issuer in self.silent:
            raise Unavailable(f"{issuer} is silent")
        await asyncio.sleep(0)
        asked = parse_request(request)
        base = HeadsOffer(
            request=asked.id,
            accord=m.ACCORD,
            terms=m.TERMS,
            terms_version=1,
            issuer=issuer,
            heads=(m.signed_head(7),),
            allowed=True,
            rate=Decimal(1),
            life_s=self.life_s,
            epoch=self.epochs.get(issuer, 0),
            notices=0,
        )
        return seal_offer(dataclasses.replace(base, **self.offers.get(issuer, {})), m.ISSUERS[issuer])

    async def sign(self, issuer: Party, ask: bytes) -> bytes:
        _, parsed, permit = parse_ask(ask)
        self.before_signing(issuer)
        self.epochs[issuer] = permit.epoch
        return encode_reply(Signed(sign_permit_body(parsed.body, m.ISSUERS[issuer])))

    async def listen(self, issuer: Party, hear: Callable[[bytes], None]) -> None:
        queue = self.streams.setdefault(issuer, asyncio.Queue())
        while True:
            hear(await queue.get())

    async def listen_decisions(self, issuer: Party, proposal: Digest, hear: Callable[[], None]) -> None:
        queue = self.decided.setdefault((issuer, proposal), asyncio.Queue())
        while True:
            await queue.get()
            hear()

    async def submit(self, _envelope: bytes) -> None:
        raise Unavailable("no node")

    async def close(self) -> None:
        pass

    def push(self, issuer: str, sequence: int = 1, **changes) -> None:
        notice = Notice(
            accord=m.ACCORD,
            issuer=Party(issuer),
            scope="all",
            activities=("training",),
            sequence=sequence,
            cause="call",
        )
        data = seal_notice(dataclasses.replace(notice, **changes), m.ISSUERS[Party(issuer)])
        self.streams[issuer].put_nowait(data)

    def deny(self) -> None:
        """A pause has latched: deny from now on, and say so to those who listen."""
        self.sequence += 1
        for name in m.ISSUERS:
            self.offers[name] = {"allowed": False, "rate": Decimal(0), "life_s": 0, "held_by": ("call",)}
            if name in self.streams:
                self.push(name, self.sequence)

    def allow(self) -> None:
        """The pause is lifted: allow again, which answers the notices so far."""
        for name in m.ISSUERS:
            self.offers[name] = {"notices": self.sequence}
            if name in self.streams:
                self.streams[name].put_nowait(b"")
