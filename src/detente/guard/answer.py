r"""What is asked once, before one act, and what may be made of the answer.

Decides how a permit is bound to an act (its digest is in the nonce that the issuers sign), and whether an answer may be used
for the act that is about to be done. Leaves out asking (``app.asking``), and the record of what was spent (``adapters.spent``).
Rules J01 to J05 of ``spec/asking.md``.

>>> act = digest_act("example", {"target": "main"})
>>> bound_nonce(act, "0" * 32) == bound_nonce(digest_act("example", {"target": "other"}), "0" * 32)
False
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused
from detente.base.identity import PublicKey
from detente.base.strict_json import encode_json
from detente.guard.permit import (
    PERMIT_TYPE,
    Permit,
    PermitRequest,
    VerifiedPermit,
    parse_permit,
    verify_permit,
)
from detente.guard.trust import IssuerTrust
from detente.guard.wire import unseal

USE_MAX_S = 60
"""An answer is for an act that is about to be done; whoever does it later asks again."""

Verdict = Literal["allow", "hold", "deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A permit for one act: its envelope, the salt that binds it to ``act``, and when and in which boot it was asked for."""

    act: Digest
    salt: str
    permit: bytes
    boot_id: str
    sent_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """``allow`` with its ``allowance``; ``hold`` or ``deny`` with reasons. ``answered``: issuers said so, and not our own failure."""

    verdict: Verdict
    act: Digest
    reasons: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    answered: bool = False
    proposal: Digest | None = None
    allowance: Allowance | None = None

    @property
    def allowed(self) -> bool:
        return self.verdict == "allow" and self.allowance is not None

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons) or ", ".join(self.held_by) or self.verdict

    def as_json(self) -> dict[str, Any]:
        """Without the permit: what a person or a program is told."""
        return {
            "verdict": self.verdict,
            "answered": self.answered,
            "act": self.act,
            "proposal": self.proposal,
            "held_by": list(self.held_by),
            "reasons": list(self.reasons),
        }


def digest_act(asker: str, act: object) -> Digest:
    """The digest of everything that an act depends on; ``act`` is a JSON value without floats."""
    return sha256_hex(b"detente-act/v1\n" + asker.encode() + b"\n" + encode_json(act))


def bound_nonce(act: Digest, salt: str) -> str:
    """The nonce of a request for this act: 32 hexadecimal digits."""
    return sha256_hex(f"detente-asked/v1\n{salt}\n{act}".encode())[:32]


def check_use(
    allowance: Allowance, *, act: Digest, trust: IssuerTrust, guard: PublicKey, boot_id: str, now_s: float
) -> VerifiedPermit:
    """The permit, if ``act`` may be done with it now; ``now_s`` in seconds of CLOCK_BOOTTIME.

    1. The act is the one asked about: J03.
    2. The permit is under terms that are ours now: J04.
    3. Nothing has lapsed: J05.
    4. The permit verifies: P01 to P16.
    """
    permit = parse_permit(unseal(allowance.permit, PERMIT_TYPE).payload)
    if act != allowance.act or permit.nonce != bound_nonce(act, allowance.salt):  # 1
        raise Refused(
            "J03",
            "out-of-scope",
            got=f"the act {act}",
            expected=f"the act {allowance.act} that was asked about, unchanged",
            todo="ask again for what is to be done",
        )
    if permit.terms not in trust.sets:  # 2
        raise Refused(
            "J04",
            "wrong-terms",
            got=f"an answer under terms {permit.terms}",
            expected=" or ".join(trust.sets) or "terms of this home",
            todo="ask again",
        )
    sent_at_s = allowance.sent_at_ms / 1_000
    left_s = min(permit.life_s, USE_MAX_S)
    if boot_id != allowance.boot_id or not sent_at_s <= now_s < sent_at_s + left_s:  # 3
        raise Refused(
            "J05",
            "expired",
            got=f"an answer asked for {now_s - sent_at_s:.1f} s ago"
            if boot_id == allowance.boot_id
            else "an answer from before this machine started",
            expected=f"use within {left_s} s, in the same boot",
            todo="ask again",
        )
    return verify_permit(  # 4
        allowance.permit,
        expected=_request(permit, trust, guard),
        trust=trust,
        known_heads={},
        last_epoch=0,
        sent_at_s=sent_at_s,
        now_s=now_s,
    )


def spent_key(answer: Answer, *, once: bool) -> str:
    """What is spent when the answer is used: its proposal where one approval is for one act, else its nonce."""
    if answer.allowance is None:
        raise Refused("J01", "malformed", got=f"an answer that is {answer.verdict}", expected="one that allows")
    if once and answer.proposal is not None:
        return str(answer.proposal)
    return bound_nonce(answer.act, answer.allowance.salt)


def _request(permit: Permit, trust: IssuerTrust, guard: PublicKey) -> PermitRequest:
    """The request that this permit would answer if it is ours: accord and guard are not taken from it."""
    return PermitRequest(
        accord=trust.accord,
        terms=permit.terms,
        party=permit.party,
        guard=guard,
        nonce=permit.nonce,
        intent=permit.intent,
    )
