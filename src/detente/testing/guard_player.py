"""A guard in memory: its key, its clock since boot, its lease, what it has seen; asks by the real two rounds.

Decides what a guard of the node would: whether it may run now. ``may_run`` is what a training loop reads each step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from detente.accord.terms import parse_terms
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.guard.asking import Asking, bar, compose, denial, finished, hear_offer, hear_reply
from detente.guard.intent import Intent
from detente.guard.issue import IssueReply
from detente.guard.lease import Lease, next_lease
from detente.guard.notice import NoticeBoard, hear_notice, stopping, supersede
from detente.guard.permit import (
    Head,
    HeadsOffer,
    NamedHead,
    PermitRequest,
    VerifiedPermit,
    heads_after,
    seal_ask,
    seal_request,
    verify_permit,
)
from detente.guard.trust import trust_of
from detente.testing.coalition import Coalition

ROUNDS_MAX = 40
"""Bodies tried in one asking: every issuer may reoffer eight times, and nobody needs more than a few."""

Offer = Callable[[Party, bytes], bytes | None]
Answer = Callable[[Party, bytes, tuple[NamedHead, ...]], IssueReply | None]


class GuardPlayer:
    """One guard of ``party``. ``boot_s`` is its CLOCK_BOOTTIME; the world moves it, ``reboot`` restarts it."""

    def __init__(self, coalition: Coalition, party: Party, index: int = 0) -> None:
        self.coalition = coalition
        self.party = party
        self.signer = coalition.signer(party, "guard", index)
        self.trust = trust_of(coalition.accord, parse_terms(coalition.founding))
        self.terms = next(iter(self.trust.sets))
        self.boots = 1
        self.boot_s = 1_000.0
        self.lease: Lease | None = None
        self.permit: VerifiedPermit | None = None
        self.known: dict[str, Head] = {}
        self.last_epoch = 0
        self.board: NoticeBoard | None = None
        self.refused: list[Refused] = []
        self.last_denial: tuple[tuple[str, ...], tuple[object, ...]] = ((), ())
        self.barred: dict[Party, str] = {}
        self._nonces = 0
        self._offers: Mapping[Party, HeadsOffer] = {}

    @property
    def boot_id(self) -> str:
        """The id of this boot."""
        return f"boot-{self.boots}"

    def reboot(self) -> None:
        """A new boot: another boot id, and the clock since boot begins again."""
        self.boots += 1
        self.boot_s = 1.0

    def may_run(self) -> bool:
        """Whether a step may begin now: a lease is held and no f + 1 issuers said stop."""
        held = self.lease is not None and self.lease.at(self.boot_s, self.boot_id) != "lapsed"
        return held and not (self.board is not None and stopping(self.board))

    def request(self, intent: Intent) -> tuple[PermitRequest, bytes]:
        """A fresh request, with a nonce never used before."""
        self._nonces += 1
        seed = f"{self.coalition.seed} {self.signer.public_key.hex()} {self._nonces}"
        request = PermitRequest(
            accord=self.coalition.accord,
            terms=self.terms,
            party=self.party,
            guard=self.signer.public_key,
            nonce=hashlib.sha256(seed.encode()).hexdigest()[:32],
            intent=intent,
        )
        return seal_request(request, self.signer)

    def ask(self, intent: Intent, issuers: Iterable[Party], *, offer: Offer, answer: Answer) -> VerifiedPermit | None:
        """Both rounds over a transport given as two calls; the permit if there is one, and then it is held."""
        request, sealed = self.request(intent)
        sent_at_s = self.boot_s
        asking = Asking(request=request, sealed=sealed, trust=self.trust, last_epoch=self.last_epoch)
        for issuer in issuers:
            offered = offer(issuer, sealed)
            if offered is not None:
                asking = hear_offer(asking, issuer, offered)
        data = self._second_round(asking, answer)
        if data is None:
            return None
        return self.hold(data, request, sent_at_s)

    def _second_round(self, asking: Asking, answer: Answer) -> bytes | None:
        for _ in range(ROUNDS_MAX):
            asking, ask = compose(asking)
            self.last_denial, self.barred = denial(asking), dict(asking.barred)
            if ask is None:
                return None
            sealed = seal_ask(ask, self.signer)
            for issuer in asking.asked:
                reply = answer(issuer, sealed, ask.heads)
                asking = bar(asking, issuer, "silent") if reply is None else hear_reply(asking, issuer, reply)
            data = finished(asking)
            if data is not None:
                self._offers = asking.offers
                return data
        return None

    def hold(self, data: bytes, request: PermitRequest, sent_at_s: float) -> VerifiedPermit | None:
        """Check a permit and hold it; a refusal is kept in ``refused`` and changes nothing else."""
        try:
            permit = verify_permit(
                data,
                expected=request,
                trust=self.trust,
                known_heads=self.known,
                last_epoch=self.last_epoch,
                sent_at_s=sent_at_s,
                now_s=self.boot_s,
            )
        except Refused as refused:
            self.refused.append(refused)
            return None
        self.permit = permit
        self.known = heads_after(permit.permit.heads, self.known)
        self.last_epoch = permit.permit.epoch
        lease = Lease(boot_id=self.boot_id, sent_at_s=sent_at_s, life_s=permit.permit.life_s, epoch=permit.permit.epoch)
        self.lease = next_lease(self.lease, lease)
        board = self.board or NoticeBoard(trust=self.trust, party=self.party, activity=request.intent.activity)
        for issuer in permit.issuers:
            if issuer in self._offers:
                board = supersede(board, self._offers[issuer])
        self.board = board
        return permit

    def hear(self, notice: bytes, intent: Intent) -> None:
        """Take one pushed notice; a refused one is kept in ``refused``."""
        board = self.board or NoticeBoard(trust=self.trust, party=self.party, activity=intent.activity)
        try:
            self.board = hear_notice(board, notice)
        except Refused as refused:
            self.refused.append(refused)
