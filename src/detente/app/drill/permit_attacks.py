"""The permits that a guard must refuse, each really made: forged, replayed, copied, expired, of another scope, stale.

Every attack starts from a genuine permit that the issuers signed during calm, or from the keys that the attacker
would have, and goes through the same ``verify_permit`` that every guard uses.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from detente.adapters.clock import SystemClock
from detente.adapters.transport import HttpChannel
from detente.app.guarding import Denied, GuardSession
from detente.app.holding import NoMemory
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import PublicKey
from detente.guard.intent import Intent
from detente.guard.permit import (
    PERMIT_TYPE,
    Head,
    PermitRequest,
    VerifiedPermit,
    encode_permit,
    join_signatures,
    sign_permit_body,
    verify_permit,
)
from detente.guard.trust import IssuerTrust
from detente.statement.envelope import encode_envelope, parse_envelope
from detente.statement.signing import Signer, SoftwareSigner


@dataclass(frozen=True, slots=True)
class Attack:
    """One forged or misused permit, and the rule that must refuse it."""

    name: str
    rule: str
    try_it: Callable[[], VerifiedPermit]


async def fetch_permit(
    *, intent: Intent, trust: IssuerTrust, terms: Digest, signer: Signer, channel: HttpChannel
) -> VerifiedPermit | Denied:
    """A genuine permit from the issuers, or their denial, by the two rounds that every guard goes through."""
    session = GuardSession(
        intent=intent,
        terms=terms,
        trust=trust,
        signer=signer,
        channel=channel,
        clock=SystemClock(),
        memory=NoMemory(),
        entropy=random.SystemRandom(),
    )
    return await session.acquire()


def attacks_on(
    genuine: VerifiedPermit, *, trust: IssuerTrust, other_guard: PublicKey, other_run: Digest, strangers: int = 3
) -> list[Attack]:
    """The attacks that start from ``genuine``; ``other_run`` and ``other_guard`` are the victim's own."""
    permit = genuine.permit
    asked = PermitRequest(
        accord=permit.accord,
        terms=permit.terms,
        party=permit.party,
        guard=permit.guard,
        nonce=permit.nonce,
        intent=permit.intent,
    )
    fresh = replace(asked, nonce=f"{random.SystemRandom().getrandbits(128):032x}")
    body = encode_permit(replace(permit, nonce=fresh.nonce, epoch=permit.epoch + 1))
    forged = join_signatures(
        sign_permit_body(body, SoftwareSigner(random.SystemRandom().randbytes(32))) for _ in range(strangers)
    )
    ahead = {
        head.origin: Head(head.origin, head.size + 1, head.root) for head in permit.heads
    }  # what a guard has seen that was shown one entry more

    def verify(
        envelope: bytes,
        expected: PermitRequest,
        *,
        heads: dict[str, Head] | None = None,
        epoch: int = 0,
        late_s: float = 0,
    ) -> VerifiedPermit:
        return verify_permit(
            envelope,
            expected=expected,
            trust=trust,
            known_heads=heads or {},
            last_epoch=epoch,
            sent_at_s=genuine.lapse_s - permit.life_s,
            now_s=genuine.lapse_s - permit.life_s + late_s,
        )

    real = genuine.envelope
    return [
        Attack("a permit that only two of the issuers signed", "P07", lambda: verify(_shortened(real), asked)),
        Attack("a forged permit, signed by keys of nobody", "P05", lambda: verify(forged, fresh)),
        Attack(
            "a forged permit with genuine signatures of another", "P04", lambda: verify(_grafted(real, body), fresh)
        ),
        Attack("a replayed permit, for a request made later", "P11", lambda: verify(real, fresh)),
        Attack("a copied permit, in another guard", "P10", lambda: verify(real, replace(asked, guard=other_guard))),
        Attack("an expired permit", "P16", lambda: verify(real, asked, late_s=permit.life_s + 1.0)),
        Attack(
            "a permit for another run",
            "P12",
            lambda: verify(real, replace(asked, intent=replace(permit.intent, run=other_run))),
        ),
        Attack("a permit on stale heads", "P14", lambda: verify(real, asked, heads=ahead)),
        Attack("a permit of an old epoch", "P15", lambda: verify(real, asked, epoch=permit.epoch)),
    ]


def _shortened(real: bytes) -> bytes:
    """The genuine permit without the last of its signatures."""
    envelope = parse_envelope(real, payload_type=PERMIT_TYPE)
    return encode_envelope(replace(envelope, signatures=envelope.signatures[:-1]))


def _grafted(real: bytes, body: bytes) -> bytes:
    """The genuine signatures on another body."""
    return encode_envelope(replace(parse_envelope(real, payload_type=PERMIT_TYPE), payload=body))


def refusal_of(attack: Attack) -> Refused | None:
    """How the attack was refused; ``None`` if it was believed."""
    try:
        attack.try_it()
    except Refused as refused:
        return refused
    return None
