"""The messages that lead to a permit, their bytes, and the check a guard makes before it believes one.

Decides whether a permit in an envelope is leave for *this* request of *this* guard, now. Leaves out whether leave
should be given (``decide``), what an issuer must have read first (``issue``), how a guard gathers signatures
(``asking``) and how long it may run on it (``lease``).

Four messages, each strict JSON in a DSSE envelope with its own payload type (``spec/permit.md`` §2):

* ``PermitRequest``, round 1, signed by the guard: I want to do this, here is a fresh nonce.
* ``HeadsOffer``, its answer, signed by one issuer: what I have stored, and how far I would go.
* ``PermitAsk``, round 2, signed by the guard: sign exactly these bytes; these are the heads they name.
* ``Permit``: those bytes, signed by m issuers.

Refusals P01 to P16. The example shows a permit's bytes and that nothing else reads as them.

>>> permit = Permit(accord=Digest("a" * 64), terms=Digest("b" * 64), party=Party("dev-a"), guard=PublicKey(bytes(32)),
...     nonce="0" * 32, intent=Intent(activity="training", party=Party("dev-a"), run=Digest("c" * 64)),
...     heads=(Head("log.example/dev-a", 3, Digest("d" * 64)),), rate=Decimal(1), epoch=1, life_s=600)
>>> parse_permit(encode_permit(permit)) == permit
True
>>> parse_permit(encode_permit(permit).replace(b'"epoch":1', b'"epoch":0'))
Traceback (most recent call last):
...
detente.base.errors.Refused: P01 malformed: got epoch 0; expected a whole number from 1 to 9007199254740991
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from detente.accord.reason import Reason
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, PublicKey, parse_key, parse_party, show_key
from detente.base.quantity import ZERO, parse_decimal, show_decimal
from detente.base.strict_json import encode_json
from detente.guard.intent import Intent, parse_intent
from detente.guard.trust import IssuerTrust, all_issuers
from detente.guard.wire import (
    HEADS_MAX,
    LIFE_MAX_S,
    NOTE_MAX,
    ORIGIN_MAX,
    REASONS_MAX,
    TEXT_MAX,
    listed,
    malformed,
    members,
    nonce_text,
    read,
    seal,
    text,
    unseal,
    whole,
)
from detente.statement.envelope import Envelope, encode_envelope, pae, statement_id
from detente.statement.signing import Signer, verify_ed25519

REQUEST_TYPE = "application/vnd.detente.permit-request+json"
OFFER_TYPE = "application/vnd.detente.heads+json"
ASK_TYPE = "application/vnd.detente.permit-ask+json"
PERMIT_TYPE = "application/vnd.detente.permit+json"

ONE = Decimal(1)
UNSEALED = Digest("")
"""The id of a request that was not sealed yet."""


@dataclass(frozen=True, slots=True, order=True)
class Head:
    """A log's tree of ``size`` entries with this root."""

    origin: str
    size: int
    root: Digest

    def as_json(self) -> dict[str, Any]:
        return {"origin": self.origin, "size": self.size, "root": self.root}


@dataclass(frozen=True, slots=True, order=True)
class SignedHead:
    """A head with the checkpoint note that the log signed: whoever reads it can fetch and check what is below."""

    head: Head
    note: bytes

    def as_json(self) -> dict[str, Any]:
        return {**self.head.as_json(), "note": base64.b64encode(self.note).decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRequest:
    """Round 1. ``id`` is the SHA-256 of its PAE, known once it is sealed."""

    accord: Digest
    terms: Digest
    party: Party
    guard: PublicKey
    nonce: str
    intent: Intent
    id: Digest = UNSEALED


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadsOffer:
    """One issuer's answer: its greatest stored heads, and the most that it would sign on them.

    ``rate`` 0 and ``life_s`` 0 when it would not sign at all; ``epoch`` is the last it signed for this guard;
    ``notices`` the sequence of its last stop notice, which this answer, if it allows, supersedes.
    """

    request: Digest
    accord: Digest
    terms: Digest
    terms_version: int
    issuer: Party
    heads: tuple[SignedHead, ...]
    allowed: bool
    rate: Decimal
    life_s: int
    epoch: int
    notices: int
    held_by: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to act: the same bytes under every issuer's signature. ``life_s`` counts from sending the request."""

    accord: Digest
    terms: Digest
    party: Party
    guard: PublicKey
    nonce: str
    intent: Intent
    heads: tuple[Head, ...]
    rate: Decimal
    epoch: int
    life_s: int


@dataclass(frozen=True, slots=True)
class NamedHead:
    """A head of a permit with its note and the issuers that claim to have stored it."""

    signed: SignedHead
    claimants: tuple[Party, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitAsk:
    """Round 2. ``body`` is the permit's exact payload; ``request`` the sealed request it answers."""

    request: bytes
    body: bytes
    heads: tuple[NamedHead, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPermit:
    """A permit that ``verify_permit`` accepted, who signed it, and when it lapses (CLOCK_BOOTTIME seconds)."""

    permit: Permit
    issuers: tuple[Party, ...]
    lapse_s: float
    envelope: bytes


def seal_request(request: PermitRequest, signer: Signer) -> tuple[PermitRequest, bytes]:
    """Sign a request with the guard's key; returns it with its id, and the envelope bytes to send."""
    payload = encode_json(
        {
            "accord": request.accord,
            "terms": request.terms,
            "party": request.party,
            "guard": show_key(request.guard),
            "nonce": request.nonce,
            "intent": request.intent.as_json(),
        }
    )
    sealed = seal(payload, REQUEST_TYPE, signer)
    return parse_request(sealed), sealed


def parse_request(data: bytes) -> PermitRequest:
    """Read a request and check the signature of the guard it names: P01 to P05.

    That the key is enrolled as a guard of that party is the issuer's next check, in ``issue``.
    """
    envelope = unseal(data, REQUEST_TYPE)
    value = members(read(envelope.payload), {"accord", "terms", "party", "guard", "nonce", "intent"})
    request = PermitRequest(
        accord=parse_digest(value["accord"]),
        terms=parse_digest(value["terms"]),
        party=parse_party(value["party"]),
        guard=parse_key(value["guard"]),
        nonce=nonce_text(value["nonce"]),
        intent=parse_intent(value["intent"]),
        id=statement_id(envelope),
    )
    verify_signers(envelope, {request.guard: request.party})
    return request


def seal_offer(offer: HeadsOffer, signer: Signer) -> bytes:
    """Sign an offer with the issuer's permit key."""
    payload = encode_json(
        {
            "request": offer.request,
            "accord": offer.accord,
            "terms": offer.terms,
            "terms_version": offer.terms_version,
            "issuer": offer.issuer,
            "heads": [head.as_json() for head in offer.heads],
            "allowed": offer.allowed,
            "rate": show_decimal(offer.rate),
            "life_s": offer.life_s,
            "epoch": offer.epoch,
            "notices": offer.notices,
            "held_by": list(offer.held_by[:REASONS_MAX]),
            "reasons": [reason_json(reason) for reason in offer.reasons[:REASONS_MAX]],
        }
    )
    return seal(payload, OFFER_TYPE, signer)


def parse_offer(data: bytes, trust: IssuerTrust) -> HeadsOffer:
    """Read an offer and check that an issuer of the accord signed it: P01 to P05, P08."""
    envelope = unseal(data, OFFER_TYPE)
    names = {"request", "accord", "terms", "terms_version", "issuer", "heads", "allowed", "rate", "life_s", "epoch"}
    value = members(read(envelope.payload), names | {"notices", "held_by", "reasons"})
    if not isinstance(value["allowed"], bool):
        raise malformed("allowed", value["allowed"], "true or false")
    offer = HeadsOffer(
        request=parse_digest(value["request"]),
        accord=parse_digest(value["accord"]),
        terms=parse_digest(value["terms"]),
        terms_version=whole(value, "terms_version", least=1),
        issuer=parse_party(value["issuer"]),
        heads=tuple(parse_signed_head(item) for item in listed(value, "heads", most=HEADS_MAX)),
        allowed=value["allowed"],
        rate=fraction(value["rate"]),
        life_s=whole(value, "life_s", most=LIFE_MAX_S),
        epoch=whole(value, "epoch"),
        notices=whole(value, "notices"),
        held_by=tuple(text(item, "held_by", TEXT_MAX) for item in listed(value, "held_by", most=REASONS_MAX)),
        reasons=tuple(parse_reason(item) for item in listed(value, "reasons", most=REASONS_MAX)),
    )
    check_accord(offer.accord, trust.accord)
    verify_signers(envelope, {key: party for key, party in all_issuers(trust).items() if party == offer.issuer})
    return offer


def encode_permit(permit: Permit) -> bytes:
    """The payload bytes of a permit: what every issuer signs."""
    return encode_json(
        {
            "accord": permit.accord,
            "terms": permit.terms,
            "party": permit.party,
            "guard": show_key(permit.guard),
            "nonce": permit.nonce,
            "intent": permit.intent.as_json(),
            "heads": [head.as_json() for head in permit.heads],
            "rate": show_decimal(permit.rate),
            "epoch": permit.epoch,
            "life_s": permit.life_s,
        }
    )


def parse_permit(payload: bytes) -> Permit:
    """Read the payload of a permit; P01 to P03. One permit has one spelling: any other is refused (P01)."""
    names = {"accord", "terms", "party", "guard", "nonce", "intent", "heads", "rate", "epoch", "life_s"}
    value = members(read(payload), names)
    heads = tuple(parse_head(item) for item in listed(value, "heads", most=HEADS_MAX))
    if any(first >= second for first, second in pairwise(heads)):
        raise malformed("heads", "an order that is not rising", "each head once, by origin, size and root")
    permit = Permit(
        accord=parse_digest(value["accord"]),
        terms=parse_digest(value["terms"]),
        party=parse_party(value["party"]),
        guard=parse_key(value["guard"]),
        nonce=nonce_text(value["nonce"]),
        intent=parse_intent(value["intent"]),
        heads=heads,
        rate=fraction(value["rate"]),
        epoch=whole(value, "epoch", least=1),
        life_s=whole(value, "life_s", least=1, most=LIFE_MAX_S),
    )
    if encode_permit(permit) != payload:
        raise malformed("the payload", payload, "the one spelling of its permit: sorted members, no spaces")
    return permit


def sign_permit_body(body: bytes, signer: Signer) -> bytes:
    """One issuer's signature over the exact bytes, as an envelope; ``issue.sign_permit`` decides whether to."""
    return seal(body, PERMIT_TYPE, signer)


def join_signatures(envelopes: Iterable[bytes]) -> bytes:
    """One envelope with the signatures of several over the same payload; P18 when the payloads differ."""
    parsed = [unseal(data, PERMIT_TYPE) for data in envelopes]
    if not parsed:
        raise Refused("P07", "quorum", got="no signature", expected="those of the issuers")
    first = parsed[0]
    if any(other.payload != first.payload for other in parsed):
        raise Refused("P18", "conflict", got="signatures over different bytes", expected="the same bytes from each")
    together = Envelope(
        payload_type=PERMIT_TYPE,
        payload=first.payload,
        signatures=tuple(signature for envelope in parsed for signature in envelope.signatures),
    )
    return encode_envelope(together)


def verify_permit(
    data: bytes,
    *,
    expected: PermitRequest,
    trust: IssuerTrust,
    known_heads: Mapping[str, Head],
    last_epoch: int,
    sent_at_s: float,
    now_s: float,
) -> VerifiedPermit:
    """Believe a permit, or say by number why not. ``sent_at_s`` and ``now_s`` are CLOCK_BOOTTIME seconds.

    1. The envelope and the payload read, in their one spelling: P01, P02, P03.
    2. The accord is ours: P08.
    3. The terms are ones we accept, the one in force or at a changeover either: P09.
    4. Every signature verifies, and by an issuer of those terms: P04, P05.
    5. No key and no party signs twice: P06. At least m distinct parties sign: P07.
    6. It names our party and our guard key, or it was copied: P10.
    7. It names the nonce of our request, or it is replayed: P11.
    8. It names exactly what we asked leave for: P12.
    9. Its life is within the terms, its rate above 0: P13.
    10. No head is below one that we have seen: P14.
    11. Its epoch is above the last one: P15.
    12. Its life, counted from sending the request, has not passed: P16.
    """
    envelope = unseal(data, PERMIT_TYPE)  # 1
    permit = parse_permit(envelope.payload)
    check_accord(permit.accord, trust.accord)  # 2
    issuers = trust.sets.get(permit.terms)
    if issuers is None:  # 3
        raise Refused(
            "P09",
            "wrong-terms",
            got=f"terms {permit.terms}",
            expected=" or ".join(trust.sets) or "no terms at all",
            todo="fetch the amendment that made these terms, or tell the issuers which terms are in force",
        )
    parties = verify_signers(envelope, issuers.issuers)  # 4, 5
    if len(parties) < issuers.needed:  # 5
        raise Refused("P07", "quorum", got=f"{len(parties)} issuers", expected=f"{issuers.needed} distinct issuers")
    _check_answers(permit, expected)  # 6, 7, 8
    if not ZERO < permit.rate <= ONE or permit.life_s > issuers.life_max_s:  # 9
        raise Refused(
            "P13",
            "limit",
            got=f"rate {permit.rate}, life {permit.life_s} s",
            expected=f"a rate above 0 and at most 1, a life of at most {issuers.life_max_s} s",
        )
    check_fresh_heads(permit.heads, known_heads)  # 10
    if permit.epoch <= last_epoch:  # 11
        raise Refused("P15", "rollback", got=f"epoch {permit.epoch}", expected=f"an epoch above {last_epoch}")
    lapse_s = sent_at_s + permit.life_s
    if not sent_at_s <= now_s < lapse_s:  # 12
        raise Refused(
            "P16",
            "expired",
            got=f"{now_s - sent_at_s:.3f} s after sending",
            expected=f"less than its life of {permit.life_s} s",
            todo="ask again",
        )
    return VerifiedPermit(permit=permit, issuers=parties, lapse_s=lapse_s, envelope=data)


def verify_signers(envelope: Envelope, keys: Mapping[PublicKey, Party]) -> tuple[Party, ...]:
    """The distinct parties that signed. Every signature must count: a permit has no room for a stranger's.

    P05: the key id names no key of ``keys``. P06: one key or one party twice. P04: it does not verify.
    """
    if not envelope.signatures:
        raise Refused("P07", "quorum", got="no signature", expected="at least one")
    message = pae(envelope.payload_type, envelope.payload)
    by_name = {show_key(key): key for key in keys}
    parties: list[Party] = []
    for signature in envelope.signatures:
        key = by_name.get(signature.keyid or "")
        if key is None:
            raise Refused(
                "P05", "unknown-key", got=f"key id {shown(signature.keyid)}", expected="a key that may sign this"
            )
        if keys[key] in parties:
            raise Refused("P06", "duplicate-key", got=f"two signatures of {keys[key]}", expected="each party once")
        try:
            verify_ed25519(key, message, signature.sig)
        except Refused:
            raise Refused(
                "P04", "bad-signature", got=f"a signature of {keys[key]} that does not verify", expected="a genuine one"
            ) from None
        parties.append(keys[key])
    return tuple(parties)


def check_accord(got: Digest, expected: Digest) -> None:
    """P08 unless both are the same accord id."""
    if got != expected:
        raise Refused("P08", "wrong-accord", got=f"accord {got}", expected=f"accord {expected}")


def check_fresh_heads(heads: Iterable[Head], known: Mapping[str, Head]) -> None:
    """P14 unless, for each log known, some head is greater than the known one, or is that one."""
    named: dict[str, list[Head]] = {}
    for head in heads:
        named.setdefault(head.origin, []).append(head)
    for origin, seen in sorted(known.items()):
        if not any(head.size > seen.size or head == seen for head in named.get(origin, ())):
            sizes = [head.size for head in named.get(origin, ())]
            raise Refused(
                "P14",
                "stale",
                got=f"{origin} at {sizes or 'no size'}",
                expected=f"the head of size {seen.size} already seen, or a greater one",
                todo="ask again: the issuers were shown an old state",
            )


def heads_after(heads: Iterable[Head], known: Mapping[str, Head]) -> dict[str, Head]:
    """The greatest head seen of each log, after seeing these; of two of one size the first seen stays."""
    greatest = dict(known)
    for head in heads:
        if head.origin not in greatest or head.size > greatest[head.origin].size:
            greatest[head.origin] = head
    return greatest


def seal_ask(ask: PermitAsk, signer: Signer) -> bytes:
    """Sign round 2 with the guard's key."""
    payload = encode_json(
        {
            "request": base64.b64encode(ask.request).decode(),
            "body": base64.b64encode(ask.body).decode(),
            "heads": [{**named.signed.as_json(), "claimants": list(named.claimants)} for named in ask.heads],
        }
    )
    return seal(payload, ASK_TYPE, signer)


def parse_ask(data: bytes) -> tuple[PermitRequest, PermitAsk, Permit]:
    """Read round 2: the request inside with its own signature, the body, and notes for exactly the body's heads.

    P01 to P05; P18 when the heads are not those of the body or the body does not answer the request.
    """
    envelope = unseal(data, ASK_TYPE)
    value = members(read(envelope.payload), {"request", "body", "heads"})
    sealed, body = decoded(value["request"], "request"), decoded(value["body"], "body")
    request = parse_request(sealed)
    verify_signers(envelope, {request.guard: request.party})
    heads = tuple(_parse_named(item) for item in listed(value, "heads", most=HEADS_MAX))
    permit = parse_permit(body)
    if tuple(named.signed.head for named in heads) != permit.heads:
        raise Refused("P18", "conflict", got="notes for other heads", expected="one note for each head of the body")
    _check_answers(permit, request)
    return request, PermitAsk(request=sealed, body=body, heads=heads), permit


def _check_answers(permit: Permit, request: PermitRequest) -> None:
    """P08, P10, P11, P12: the permit is the one that this request asked for."""
    check_accord(permit.accord, request.accord)
    if (permit.party, permit.guard) != (request.party, request.guard):
        raise Refused(
            "P10",
            "out-of-scope",
            got=f"a permit of {permit.party}, guard {show_key(permit.guard)}",
            expected=f"{request.party}, guard {show_key(request.guard)}",
            todo="each guard asks with its own key",
        )
    if permit.nonce != request.nonce:
        raise Refused("P11", "replayed", got=f"nonce {permit.nonce}", expected=f"nonce {request.nonce}")
    if permit.intent != request.intent:
        raise Refused(
            "P12",
            "out-of-scope",
            got=shown(permit.intent.as_json(), 300),
            expected=shown(request.intent.as_json(), 300),
        )


def parse_head(item: object) -> Head:
    """A head from parsed JSON; P01, P03."""
    value = members(item, {"origin", "size", "root"})
    return Head(text(value["origin"], "origin", ORIGIN_MAX), whole(value, "size"), parse_digest(value["root"]))


def parse_signed_head(item: object) -> SignedHead:
    """A head with its note from parsed JSON; P01, P03."""
    value = members(item, {"origin", "size", "root", "note"})
    note = decoded(value["note"], "note")
    if len(note) > NOTE_MAX:
        raise Refused("P02", "oversized", got=f"a note of {len(note)} bytes", expected=f"at most {NOTE_MAX}")
    return SignedHead(parse_head({name: value[name] for name in ("origin", "size", "root")}), note)


def _parse_named(item: object) -> NamedHead:
    value = members(item, {"origin", "size", "root", "note", "claimants"})
    claimants = tuple(parse_party(party) for party in listed(value, "claimants", most=16))
    return NamedHead(parse_signed_head({k: v for k, v in value.items() if k != "claimants"}), claimants)


def reason_json(reason: Reason) -> dict[str, Any]:
    """A reason, cut to the bounds of an offer."""
    return {"text": reason.text[:TEXT_MAX], "cites": list(reason.cites[:REASONS_MAX])}


def parse_reason(item: object) -> Reason:
    """A reason from parsed JSON; P01, P03."""
    value = members(item, {"text", "cites"})
    cites = tuple(parse_digest(cite) for cite in listed(value, "cites", most=REASONS_MAX))
    return Reason(text(value["text"], "text", TEXT_MAX), cites)


def fraction(value: object) -> Decimal:
    """A decimal string from 0 to 1; P01."""
    number = parse_decimal(value)
    if not ZERO <= number <= ONE:
        raise malformed("rate", value, "a decimal from 0 to 1")
    return number


def decoded(value: object, name: str) -> bytes:
    """Standard base64 with padding, in its one spelling; P01."""
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
        except ValueError:
            data = b""
        if base64.b64encode(data).decode() == value:
            return data
    raise malformed(name, value, "base64")
