"""Predicate ``approval``: a human's decision on a proposal, with the reviewer's own assertion of it.

The authority of an approval is the reviewer's assertion, not the node's signature around it. This version knows one
type, ``software``: an Ed25519 key that the reviewer holds in software. It proves that somebody with the key decided,
not that a human looked, and everything built on it says *software*. Other types are refused by name (S30) until
a version can verify them: what nobody can check must not look like an approval.

This module verifies that ``assertion.key`` signed exactly this decision. Whether that key belongs to a reviewer whom
the terms accept, and whether enough reviewers decided, is for ``accord``.

Rules S30 and S31; ``spec/statement.md`` §8. Source: contracts §1 and §4.

>>> from detente.statement.signing import SoftwareSigner
>>> place = {"accord": Digest("a" * 64), "nonce": "0" * 32}
>>> unsigned = Approval(Digest("b" * 64), "approve", "reviewer-1", Party("auditor-a"), None, False, "yes")
>>> signed = sign_approval(unsigned, SoftwareSigner(bytes(32)), **place)
>>> verify_approval(signed, **place).label
'software'
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from detente.base.digest import Digest
from detente.base.errors import Misuse, Refused, shown
from detente.base.identity import Party, PublicKey, show_key
from detente.statement.fields import (
    DIGEST,
    FLAG,
    KEY,
    NAME,
    PARTY,
    Codec,
    Record,
    choice,
    octets,
)
from detente.statement.signing import Signer, verify_ed25519

ApprovalDecision = Literal["approve", "reject", "changes", "escalate"]
Significant = Literal["yes", "no", "unknown"]
APPROVAL_DECISIONS: Final[tuple[ApprovalDecision, ...]] = get_args(ApprovalDecision)
SIGNIFICANT: Final[tuple[Significant, ...]] = get_args(Significant)

DOMAIN: Final = b"detente-approval/v1"


@dataclass(frozen=True, slots=True)
class SoftwareAssertion:
    """An Ed25519 signature over ``approval_binding`` by a key held in software."""

    type: Literal["software"]
    key: PublicKey
    signature: bytes


@dataclass(frozen=True, slots=True)
class Approval:
    """``reviewer`` (a pseudonym) of ``organisation`` decided on ``proposal`` (a statement id).

    ``same_host``: the page was served from a host that the guarded party's agents can write. ``significant``:
    did the reviewer really look. ``assertion`` is ``None`` only while an approval is being made.
    """

    proposal: Digest
    decision: ApprovalDecision
    reviewer: str
    organisation: Party
    assertion: SoftwareAssertion | None
    same_host: bool
    significant: Significant


@dataclass(frozen=True, slots=True)
class VerifiedApproval:
    """An approval whose assertion was checked; ``label`` says by what kind of authenticator."""

    approval: Approval
    key: PublicKey
    label: Literal["software"]


_SOFTWARE: Final = Record(SoftwareAssertion, type=choice(("software",)), key=KEY, signature=octets(64, 64))


def _decode_assertion(value: Any) -> SoftwareAssertion:
    if type(value) is dict and type(kind := value.get("type")) is str and kind != "software":
        raise Refused(
            "S30",
            "wrong-type",
            got=f"an assertion of type {shown(kind)}",
            expected="type software",
            todo="this version cannot verify other authenticators",
        )
    return _SOFTWARE.decode(value)


def _encode_assertion(value: SoftwareAssertion | None) -> Any:
    if value is None:
        raise Misuse("an approval is signed with sign_approval before it is stated")
    return _SOFTWARE.encode(value)


APPROVAL: Final = Record(
    Approval,
    proposal=DIGEST,
    decision=choice(APPROVAL_DECISIONS),
    reviewer=NAME,
    organisation=PARTY,
    assertion=Codec(_decode_assertion, _encode_assertion),
    same_host=FLAG,
    significant=choice(SIGNIFICANT),
)


def approval_binding(approval: Approval, *, accord: Digest, nonce: str) -> bytes:
    """What the reviewer signs: everything the approval says, the accord, and the statement's nonce.

    Nine parts, each after its length as eight bytes, big-endian. The nonce is that of the statement that will
    carry the approval, so an assertion cannot be lifted out of one statement into another.
    """
    parts = (
        DOMAIN,
        accord.encode(),
        nonce.encode(),
        approval.proposal.encode(),
        approval.decision.encode(),
        approval.reviewer.encode(),
        approval.organisation.encode(),
        b"same-host" if approval.same_host else b"other-host",
        approval.significant.encode(),
    )
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def sign_approval(approval: Approval, signer: Signer, *, accord: Digest, nonce: str) -> Approval:
    """The approval with the reviewer's software assertion in it."""
    signature = signer.sign(approval_binding(approval, accord=accord, nonce=nonce))
    return replace(approval, assertion=SoftwareAssertion("software", signer.public_key, signature))


def verify_approval(approval: Approval, *, accord: Digest, nonce: str) -> VerifiedApproval:
    """Refuse (S31) unless the assertion's key signed exactly this decision in this statement."""
    assertion = approval.assertion
    if assertion is None:
        raise Refused("S31", "bad-signature", got="no assertion", expected="the reviewer's own", todo="sign it")
    try:
        verify_ed25519(assertion.key, approval_binding(approval, accord=accord, nonce=nonce), assertion.signature)
    except Refused:
        raise Refused(
            "S31",
            "bad-signature",
            got=f"an assertion that does not verify under {show_key(assertion.key)}",
            expected="the reviewer's signature over this decision, accord and nonce",
        ) from None
    return VerifiedApproval(approval, assertion.key, assertion.type)
