"""The issuer's two steps: say what you have stored, then sign only after reading everything that anybody named.

Decides what an issuer answers in each round. Leaves out fetching (the caller does it when the answer is
``Missing``), keeping (the caller stores the new ``IssuerState`` durably *before* it sends the answer), and the
decision itself (``decide``).

Why two rounds (``spec/permit.md`` §3): of two votes that together pause, one issuer may hold the first and another
the second. Each would sign alone. A restricting statement that is witnessed is stored by at least q − f honest
mirrors, and q + m > n + f puts one of those among any m issuers; that one signs only a body that covers its own
heads, and every other honest signer only after reading up to them. So every honest signer has read it.

The guard composes the body and is not trusted with it: each issuer checks the coverage of *its own* heads itself.

>>> merkle_root_of_permits([]) == sha256_hex(b"")
True
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from detente.accord.fold import AccordState
from detente.base.digest import Digest, digest_bytes, sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party, PublicKey, show_key
from detente.base.instant import Instant
from detente.base.strict_json import encode_json
from detente.guard.decide import Decision, decide
from detente.guard.permit import (
    Head,
    HeadsOffer,
    Permit,
    PermitRequest,
    SignedHead,
    check_accord,
    decoded,
    parse_ask,
    parse_head,
    parse_request,
    seal_offer,
    sign_permit_body,
)
from detente.guard.wire import HEADS_MAX, listed, malformed, members, read
from detente.log.merkle import leaf_hash, root_of
from detente.statement.signing import Signer


class Holdings(Protocol):
    """What an issuer has stored and read, as its mirror half knows it. Answers must be of durable data."""

    def heads(self) -> tuple[SignedHead, ...]:
        """Per log of the accord, the greatest head signed by that log below which everything is stored and folded."""
        ...

    def root_at(self, origin: str, size: int) -> Digest | None:
        """The root of the stored log at this size; None where it is not stored that far."""
        ...

    def has_read(self, head: Head) -> bool:
        """Whether everything below this head was fetched, checked against its root, and given to the evidence.

        True also for a branch that contradicts the stored one: its entries were given as merely heard.
        """
        ...


@dataclass(frozen=True, slots=True)
class Issued:
    """The last body signed for one guard."""

    epoch: int
    body: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerState:
    """What an issuer remembers: the last body per guard key, the permits of this hour, its notice sequence.

    May be loaded for the one guard that asks; nothing here looks at other guards.
    """

    last: Mapping[PublicKey, Issued] = field(default_factory=dict)
    issued: tuple[Digest, ...] = ()
    notices: int = 0


@dataclass(frozen=True, slots=True)
class Signed:
    """The issuer's signature over the body, as an envelope."""

    envelope: bytes


@dataclass(frozen=True, slots=True)
class Missing:
    """Heads that the issuer has not read up to: fetch them from their claimants, then run the step again."""

    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class Reoffer:
    """A fresh offer: the body does not cover this issuer's heads, or goes further than it would."""

    envelope: bytes


IssueReply = Signed | Missing | Reoffer


def quote_heads(
    issuer: IssuerState,
    request: bytes,
    *,
    party: Party,
    signer: Signer,
    state: AccordState,
    at: Instant,
    holdings: Holdings,
) -> tuple[IssuerState, bytes]:
    """Round 1: answer a sealed request with a sealed ``HeadsOffer``. ``at`` is the issuer's own clock.

    1. The request reads and its guard signed it: P01 to P05.
    2. It is of this accord: P08.
    3. The key is enrolled and in force as a guard of that party, which is also the party that acts: P10, P17.
    4. The decision on all evidence held; a denial is an offer of rate 0 that says why.
    """
    parsed = parse_request(request)  # 1
    _check_asker(parsed, state, at)  # 2, 3
    decision = decide(state, parsed.intent, at)  # 4
    offer = _offer(issuer, parsed, decision, party=party, state=state, at=at, holdings=holdings)
    return issuer, seal_offer(offer, signer)


def sign_permit(
    issuer: IssuerState,
    ask: bytes,
    *,
    party: Party,
    signer: Signer,
    state: AccordState,
    at: Instant,
    holdings: Holdings,
) -> tuple[IssuerState, IssueReply]:
    """Round 2: sign the body, or answer what stands in the way.

    1. The ask reads, the guard signed it, the body answers the request inside: P01 to P05, P08, P10 to P12, P18.
    2. The asker is a guard of that party: P10, P17.
    3. Everything below every named head was read: else ``Missing``.
    4. The body covers each of this issuer's own heads, on this issuer's own branch: else ``Reoffer``.
    5. The terms are in force, or the others of a changeover: else ``Reoffer``.
    6. ``decide`` allows, with a rate and a life not below the body's: else ``Reoffer``.
    7. The epoch is above the last signed for this guard, or it is that very body again: else ``Reoffer``.
    """
    request, parsed, permit = parse_ask(ask)  # 1
    _check_asker(request, state, at)  # 2
    missing = tuple(head for head in permit.heads if not _was_read(head, holdings))  # 3
    if missing:
        return issuer, Missing(missing)
    decision = decide(state, request.intent, at)
    last = issuer.last.get(request.guard)
    signed = Issued(permit.epoch, sha256_hex(parsed.body))
    again = last == signed
    if not (
        _covers(permit, holdings)  # 4
        and permit.terms in state.acceptable_terms(at)  # 5
        and decision.allowed  # 6
        and permit.rate <= decision.rate
        and permit.life_s <= decision.life_s
        and (again or last is None or permit.epoch > last.epoch)  # 7
    ):
        offer = _offer(issuer, request, decision, party=party, state=state, at=at, holdings=holdings)
        return issuer, Reoffer(seal_offer(offer, signer))
    if not again:
        last_signed = {**issuer.last, request.guard: signed}
        issuer = replace(issuer, last=last_signed, issued=(*issuer.issued, signed.body))
    return issuer, Signed(sign_permit_body(parsed.body, signer))


def merkle_root_of_permits(bodies: Iterable[Digest]) -> Digest:
    """The RFC 6962 root over the distinct digests of permit bodies in ascending order: logged hourly.

    Ascending, so that the root depends on which permits were issued and not on who asked first.
    """
    return Digest(root_of([leaf_hash(digest_bytes(body)) for body in sorted(set(bodies))]).hex())


def close_hour(issuer: IssuerState) -> tuple[IssuerState, Digest]:
    """Begin a new hour: the root of what was issued in the one that ends, and a state without it."""
    return replace(issuer, issued=()), merkle_root_of_permits(issuer.issued)


def encode_reply(reply: IssueReply) -> bytes:
    """An answer of round 2 as JSON: exactly one of ``signed``, ``missing``, ``reoffer``."""
    match reply:
        case Signed(envelope):
            return encode_json({"signed": base64.b64encode(envelope).decode()})
        case Missing(heads):
            return encode_json({"missing": [head.as_json() for head in heads]})
        case Reoffer(envelope):
            return encode_json({"reoffer": base64.b64encode(envelope).decode()})


def parse_reply(data: bytes) -> IssueReply:
    """Read what ``encode_reply`` wrote; P01 to P03. What is inside is checked by ``asking``."""
    value = read(data)
    if not isinstance(value, dict) or len(value) != 1:
        raise malformed("a reply", value, "an object with one member: signed, missing or reoffer")
    name = next(iter(value))
    fields = members(value, {name} & {"signed", "missing", "reoffer"})
    if name == "missing":
        return Missing(tuple(parse_head(item) for item in listed(fields, name, most=HEADS_MAX)))
    envelope = decoded(fields[name], name)
    return Signed(envelope) if name == "signed" else Reoffer(envelope)


def _check_asker(request: PermitRequest, state: AccordState, at: Instant) -> None:
    check_accord(request.accord, state.accord)
    if request.intent.party != request.party:
        raise Refused(
            "P10",
            "out-of-scope",
            got=f"{request.party} asking for {request.intent.party}",
            expected="a party asking for itself; a provider names the other in on_behalf_of",
        )
    if not state.key_in_force(request.guard, request.party, "guard", at):
        raise Refused(
            "P17",
            "key-not-in-force",
            got=show_key(request.guard),
            expected=f"a guard key of {request.party} that is enrolled and not revoked",
            todo="enrol it with a `keys` statement, and wait until that is witnessed and settled",
        )


def _offer(
    issuer: IssuerState,
    request: PermitRequest,
    decision: Decision,
    *,
    party: Party,
    state: AccordState,
    at: Instant,
    holdings: Holdings,
) -> HeadsOffer:
    last = issuer.last.get(request.guard)
    terms = state.terms_at(at)
    return HeadsOffer(
        request=request.id,
        accord=request.accord,
        terms=terms.digest,
        terms_version=terms.version,
        issuer=party,
        heads=tuple(sorted(signed for signed in holdings.heads() if signed.head.size)),
        allowed=decision.allowed,
        rate=decision.rate,
        life_s=decision.life_s,
        epoch=0 if last is None else last.epoch,
        notices=issuer.notices,
        held_by=decision.held_by,
        reasons=decision.reasons,
    )


def _was_read(head: Head, holdings: Holdings) -> bool:
    return holdings.root_at(head.origin, head.size) == head.root or holdings.has_read(head)


def _covers(permit: Permit, holdings: Holdings) -> bool:
    """Whether each own head stands below a named head *of the same branch*: a greater fork covers nothing."""
    return all(
        any(
            named.origin == own.head.origin
            and named.size >= own.head.size
            and holdings.root_at(named.origin, named.size) == named.root
            for named in permit.heads
        )
        for own in holdings.heads()
        if own.head.size
    )
