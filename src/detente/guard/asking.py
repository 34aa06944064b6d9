"""How a guard gathers a permit: offers in, a body out, signatures in, one envelope out; no transport, no clock.

Decides which m issuers to ask to sign what, and what to do when one is silent, lies, or has read more. Leaves out
sending and waiting (the caller), and believing the result (``permit.verify_permit``).

Rules (``spec/permit.md`` §4):

1. The body has the least life and least rate of the m chosen offers, the greatest head of each log, an epoch above
   every epoch offered, and terms that all m offer.
2. The m are chosen for the greatest rate, then life: so f liars that offer little cost nothing.
3. An issuer that is silent, refuses, or signs something else is left out from then on.
4. An issuer that cannot get a head from its claimant is not asked together with that claimant: the head is dropped.
5. A fresh offer replaces the old one, at most ``REOFFERS_MAX`` times per issuer.
6. A head whose note the log did not sign is its claimants' lie; so are two heads of one log in one offer, and more
   heads than a message holds.
7. An epoch more than ``EPOCH_JUMP_MAX`` above what f + 1 issuers confirm is a liar's: that offer is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations

from detente.accord.reason import Reason
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.quantity import ZERO
from detente.guard.decide import LAPSED
from detente.guard.issue import IssueReply, Missing, Reoffer, Signed
from detente.guard.permit import (
    PERMIT_TYPE,
    Head,
    HeadsOffer,
    NamedHead,
    Permit,
    PermitAsk,
    PermitRequest,
    SignedHead,
    encode_permit,
    join_signatures,
    parse_offer,
    verify_signers,
)
from detente.guard.trust import IssuerSet, IssuerTrust, all_issuers
from detente.guard.wire import EPOCH_MAX, HEADS_MAX, unseal
from detente.log.checkpoint import verify_checkpoint
from detente.log.note import NoteKey

REOFFERS_MAX = 8
"""Logs grow between the rounds, so an honest issuer reoffers now and then; eight in one asking is obstruction."""
EPOCH_JUMP_MAX = 2**20
"""How far one liar may push the epoch in one permit: 2**33 of them before the numbers run out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One attempt to get one permit. ``barred`` says per issuer why it is left out."""

    request: PermitRequest
    sealed: bytes
    trust: IssuerTrust
    last_epoch: int
    offers: Mapping[Party, HeadsOffer] = field(default_factory=dict)
    barred: Mapping[Party, str] = field(default_factory=dict)
    conflicts: frozenset[frozenset[Party]] = frozenset()
    kept: frozenset[SignedHead] = frozenset()
    reoffers: Mapping[Party, int] = field(default_factory=dict)
    body: bytes = b""
    asked: tuple[Party, ...] = ()
    named: tuple[NamedHead, ...] = ()
    signed: Mapping[Party, bytes] = field(default_factory=dict)


def hear_offer(asking: Asking, issuer: Party, data: bytes) -> Asking:
    """Take one issuer's sealed offer; one that is wrong bars its sender (rule 3)."""
    try:
        offer = parse_offer(data, asking.trust)
    except Refused as refused:
        return bar(asking, issuer, str(refused))
    if offer.issuer != issuer or offer.request != asking.request.id:
        return bar(asking, issuer, "an offer for another request, or by somebody else")
    if len({signed.head.origin for signed in offer.heads}) != len(offer.heads):
        return bar(asking, issuer, "two heads of one log in one offer")
    for signed in offer.heads:
        log_key = asking.trust.logs.get(signed.head.origin)
        if log_key is not None and not _is_genuine(signed, log_key):
            return bar(asking, issuer, f"a head of {signed.head.origin} that the log did not sign")
    return replace(asking, offers={**asking.offers, issuer: offer})


def bar(asking: Asking, issuer: Party, why: str) -> Asking:
    """Leave an issuer out: it was silent, refused, or lied (rule 3)."""
    return replace(asking, barred={**asking.barred, issuer: why[:1_024]})


def compose(asking: Asking) -> tuple[Asking, PermitAsk | None]:
    """Choose m issuers and the body to put before them; None while no m of the offers heard would do.

    The caller seals the ask, sends it to each of ``asking.asked`` and gives every answer to ``hear_reply``.
    """
    chosen = _choose(asking)
    while chosen is not None and len(named := _union(chosen, asking.kept)) > HEADS_MAX:
        loudest = max(
            chosen, key=lambda offer: (sum(each.claimants == (offer.issuer,) for each in named), offer.issuer)
        )
        asking = bar(asking, loudest.issuer, f"with its heads there are more than {HEADS_MAX}")
        chosen = _choose(asking)
    if chosen is None:
        return replace(asking, body=b"", asked=(), named=(), signed={}), None
    named = _union(chosen, asking.kept)
    epoch = max(asking.last_epoch, *(offer.epoch for offer in chosen)) + 1
    permit = Permit(
        accord=asking.request.accord,
        terms=chosen[0].terms,
        party=asking.request.party,
        guard=asking.request.guard,
        nonce=asking.request.nonce,
        intent=asking.request.intent,
        heads=tuple(each.signed.head for each in named),
        rate=min(offer.rate for offer in chosen),
        epoch=epoch,
        life_s=min(offer.life_s for offer in chosen),
    )
    body = encode_permit(permit)
    asking = replace(
        asking, body=body, asked=tuple(offer.issuer for offer in chosen), named=named, signed={}, last_epoch=epoch - 1
    )
    return asking, PermitAsk(request=asking.sealed, body=body, heads=named)


def hear_reply(asking: Asking, issuer: Party, reply: IssueReply) -> Asking:
    """Take one issuer's answer of round 2. Call ``compose`` again unless ``finished`` gives an envelope."""
    if issuer not in asking.asked:
        return asking
    match reply:
        case Signed(envelope):
            return _hear_signature(asking, issuer, envelope)
        case Missing(heads):
            return _hear_missing(asking, issuer, heads)
        case Reoffer(envelope):
            return _hear_reoffer(asking, issuer, envelope)


def finished(asking: Asking) -> bytes | None:
    """The envelope with all m signatures, once every issuer asked has signed the present body."""
    if not asking.asked or set(asking.signed) != set(asking.asked):
        return None
    return join_signatures(asking.signed[issuer] for issuer in sorted(asking.asked))


def denial(asking: Asking) -> tuple[tuple[str, ...], tuple[Reason, ...]]:
    """What holds the intent and why, by the offers that deny; each thing once, the most often named first."""
    held: dict[str, int] = {}
    why: dict[Reason, int] = {}
    for offer in asking.offers.values():
        if not offer.allowed:
            for name in offer.held_by:
                held[name] = held.get(name, 0) + 1
            for reason in offer.reasons:
                why[reason] = why.get(reason, 0) + 1
    return tuple(sorted(held, key=lambda n: (-held[n], n))), tuple(sorted(why, key=lambda r: (-why[r], r.text)))


def denied_by(asking: Asking) -> tuple[Party, ...]:
    """The issuers whose signed offers deny.

    At f + 1 of them one honest issuer denies: a guard that runs on an older permit stops then, as it would at f + 1
    notices, instead of waiting for the lapse.
    """
    return tuple(sorted(party for party, offer in asking.offers.items() if not offer.allowed))


def lapsed_by(asking: Asking) -> tuple[Party, ...]:
    """The issuers who deny because the proposal has lapsed. At f + 1 of them one honest issuer says so, and no decision will come."""
    return tuple(
        sorted(party for party, offer in asking.offers.items() if not offer.allowed and LAPSED in offer.held_by)
    )


def _choose(asking: Asking) -> tuple[HeadsOffer, ...] | None:
    best: tuple[HeadsOffer, ...] | None = None
    for digest, issuers in asking.trust.sets.items():
        usable = sorted(
            (
                offer
                for party, offer in asking.offers.items()
                if offer.terms == digest and party not in asking.barred and _usable(offer, issuers, asking)
            ),
            key=lambda offer: (-offer.rate, -offer.life_s, offer.issuer),
        )
        group = _best_group(usable, issuers.needed, asking.conflicts)
        # Newer terms win where both could be had: an issuer that has read them no longer signs under the old ones
        # once the changeover ends.
        if group is not None and (best is None or group[0].terms_version > best[0].terms_version):
            best = group
    return best


def _usable(offer: HeadsOffer, issuers: IssuerSet, asking: Asking) -> bool:
    claims = sorted((other.epoch for other in asking.offers.values()), reverse=True)
    confirmed = claims[issuers.may_fail] if len(claims) > issuers.may_fail else 0
    return (
        offer.allowed
        and offer.rate > ZERO
        and 0 < offer.life_s <= issuers.life_max_s
        and offer.issuer in issuers.issuers.values()
        and offer.epoch <= min(max(confirmed, asking.last_epoch) + EPOCH_JUMP_MAX, EPOCH_MAX - 1)
    )


def _best_group(
    ranked: list[HeadsOffer], needed: int, conflicts: frozenset[frozenset[Party]]
) -> tuple[HeadsOffer, ...] | None:
    """The best m offers without a conflict: at most 16 choose 8 = 12,870 groups, and normally the first."""
    for group in combinations(ranked, needed):
        if not any(frozenset((a.issuer, b.issuer)) in conflicts for a, b in combinations(group, 2)):
            return group
    return None


def _union(chosen: Iterable[HeadsOffer], kept: frozenset[SignedHead]) -> tuple[NamedHead, ...]:
    """Per log the greatest head offered, both where two have one size, and those kept for a forked log."""
    claimed: dict[Head, tuple[SignedHead, set[Party]]] = {}
    for offer in chosen:
        for signed in offer.heads:
            claimed.setdefault(signed.head, (signed, set()))[1].add(offer.issuer)
    greatest: dict[str, int] = {}
    for head in claimed:
        greatest[head.origin] = max(head.size, greatest.get(head.origin, 0))
    keep = {signed.head for signed in kept}
    return tuple(
        NamedHead(signed, tuple(sorted(parties)))
        for head, (signed, parties) in sorted(claimed.items())
        if head.size == greatest[head.origin] or head in keep
    )


@lru_cache(maxsize=4_096)
def _is_genuine(signed: SignedHead, log_key: NoteKey) -> bool:
    try:
        checkpoint = verify_checkpoint(signed.note, log_key)
    except Refused:
        return False
    head = signed.head
    return (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) == (head.origin, head.size, head.root)


def _hear_signature(asking: Asking, issuer: Party, data: bytes) -> Asking:
    keys = {key: party for key, party in all_issuers(asking.trust).items() if party == issuer}
    try:
        envelope = unseal(data, PERMIT_TYPE)
        verify_signers(envelope, keys)
    except Refused as refused:
        return bar(asking, issuer, str(refused))
    if envelope.payload != asking.body or len(envelope.signatures) != 1:
        return bar(asking, issuer, "a signature over another body")
    return replace(asking, signed={**asking.signed, issuer: data})


def _hear_missing(asking: Asking, issuer: Party, heads: tuple[Head, ...]) -> Asking:
    claimants = {
        party for each in asking.named if each.signed.head in heads for party in each.claimants if party != issuer
    }
    if not claimants:
        return bar(asking, issuer, "it misses what nobody else named")
    return replace(asking, conflicts=asking.conflicts | {frozenset((issuer, party)) for party in claimants})


def _hear_reoffer(asking: Asking, issuer: Party, data: bytes) -> Asking:
    count = asking.reoffers.get(issuer, 0) + 1
    if count > REOFFERS_MAX:
        return bar(asking, issuer, f"more than {REOFFERS_MAX} fresh offers in one asking")
    asking = hear_offer(replace(asking, reoffers={**asking.reoffers, issuer: count}), issuer, data)
    if issuer in asking.barred:
        return asking
    # A head that the body had "covered" by size and that comes back all the same lies on another branch of a
    # forked log: it must be named beside the greater one.
    sizes: dict[str, int] = {}
    for each in asking.named:
        sizes[each.signed.head.origin] = max(each.signed.head.size, sizes.get(each.signed.head.origin, 0))
    named = {each.signed.head for each in asking.named}
    back = {
        signed
        for signed in asking.offers[issuer].heads
        if signed.head not in named and signed.head.size <= sizes.get(signed.head.origin, -1)
    }
    return replace(asking, kept=asking.kept | back)
