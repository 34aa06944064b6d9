"""Predicate ``approval``: a human's decision on a proposal, with the reviewer's own assertion of it.

The authority of an approval is the reviewer's assertion (``assertion``), not the node's signature around it. Everything that
the approval says is bound in it, with the accord, the nonce of the statement that carries it, and the log that it is for.

This module verifies that the assertion was made over exactly this decision: by a software key, by a passkey whose challenge
is the SHA-256 of the binding, or by a security key with ``ssh-keygen -Y sign -n detente-approval``. Whether the key belongs to a
reviewer whom the terms accept, what its authenticator is worth, and whether enough reviewers decided, is for ``accord``.

Rules S30 to S38; ``spec/statement.md`` §8. Source: contracts §1 and §4.

>>> from detente.statement.signing import SoftwareSigner
>>> place = {"accord": Digest("a" * 64), "nonce": "0" * 32}
>>> unsigned = Approval(Digest("b" * 64), "approve", "reviewer-1", Party("auditor-a"), None, False, "yes")
>>> signed = sign_approval(unsigned, SoftwareSigner(bytes(32)), **place)
>>> verify_approval(signed, **place).assertion.type
'software'
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.identity import Party, show_key
from detente.statement.assertion import ASSERTION, Assertion, SoftwareAssertion
from detente.statement.credential import VerifiedCredential, verify_device
from detente.statement.fields import DIGEST, FLAG, NAME, PARTY, Record, choice, optional, text
from detente.statement.signing import Signer, verify_ed25519

ApprovalDecision = Literal["approve", "reject", "changes", "escalate"]
Significant = Literal["yes", "no", "unknown"]
APPROVAL_DECISIONS: Final[tuple[ApprovalDecision, ...]] = get_args(ApprovalDecision)
SIGNIFICANT: Final[tuple[Significant, ...]] = get_args(Significant)

DOMAIN: Final = b"detente-approval/v2"
NAMESPACE: Final = "detente-approval"
"""Of the signature that a security key makes in a terminal."""


@dataclass(frozen=True, slots=True)
class Approval:
    """``reviewer`` (a pseudonym) of ``organisation`` decided on ``proposal`` (a statement id).

    ``same_host``: the page was served from a host that the guarded party's agents can write. ``significant``:
    did the reviewer really look. ``note``: the salted digest of what is kept apart and can be erased, such as a reason. ``log``:
    the origin of the organisation's log, where it has one. ``assertion`` is ``None`` only while an approval is being made.
    """

    proposal: Digest
    decision: ApprovalDecision
    reviewer: str
    organisation: Party
    assertion: Assertion | None
    same_host: bool
    significant: Significant
    note: Digest | None = None
    log: str | None = None


@dataclass(frozen=True, slots=True)
class VerifiedApproval:
    """An approval whose assertion was checked, and the credential that made it; None for a software key.

    ``same_host``: by its own word, or by that of the root keys about the credential.
    """

    approval: Approval
    assertion: Assertion
    credential: VerifiedCredential | None

    @property
    def same_host(self) -> bool:
        """Could the guarded party's agents write what the reviewer was shown?"""
        return self.approval.same_host or (self.credential is not None and self.credential.credential.same_host)


APPROVAL: Final = Record(
    Approval,
    proposal=DIGEST,
    decision=choice(APPROVAL_DECISIONS),
    reviewer=NAME,
    organisation=PARTY,
    assertion=ASSERTION,
    same_host=FLAG,
    significant=choice(SIGNIFICANT),
    note=optional(DIGEST),
    log=optional(text(255)),
)


def approval_binding(approval: Approval, *, accord: Digest, nonce: str) -> bytes:
    """What the reviewer signs: everything the approval says, the accord, and the statement's nonce.

    Eleven parts, each after its length as eight bytes, big-endian; what is absent is empty. The nonce is that of the statement
    that will carry the approval, so an assertion cannot be lifted out of one statement into another.
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
        (approval.note or "").encode(),
        (approval.log or "").encode(),
    )
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def sign_approval(approval: Approval, signer: Signer, *, accord: Digest, nonce: str) -> Approval:
    """The approval with the reviewer's software assertion in it."""
    signature = signer.sign(approval_binding(approval, accord=accord, nonce=nonce))
    return replace(approval, assertion=SoftwareAssertion("software", signer.public_key, signature))


def verify_approval(
    approval: Approval, *, accord: Digest, nonce: str, credential: VerifiedCredential | None = None
) -> VerifiedApproval:
    """Refuse unless the assertion was made over exactly this decision in this statement.

    1. There is one: S31. That of a passkey or security key is by ``credential``, as it was enrolled: S38.
    2. A software key signed the binding: S31. Otherwise the credential asserted it: S31 to S36.
    3. The authenticator says of itself what it said when it was enrolled: S37.
    """
    assertion = approval.assertion
    if assertion is None:  # 1
        raise Refused("S31", "bad-signature", got="no assertion", expected="the reviewer's own", todo="sign it")
    message = approval_binding(approval, accord=accord, nonce=nonce)
    if isinstance(assertion, SoftwareAssertion):
        try:
            verify_ed25519(assertion.key, message, assertion.signature)  # 2
        except Refused:
            raise Refused(
                "S31",
                "bad-signature",
                got=f"an assertion that does not verify under {show_key(assertion.key)}",
                expected="the reviewer's signature over this decision, accord and nonce",
            ) from None
        return VerifiedApproval(approval, assertion, None)
    if credential is None:  # 1
        raise Refused(
            "S38", "unknown-key", got=show_key(assertion.key), expected="the key of a credential that was enrolled"
        )
    synced = verify_device(credential.credential, assertion, message, NAMESPACE)  # 2
    if synced != credential.synced:  # 3
        raise Refused(
            "S37", "inconsistent", got="a credential that may be backed up now, or no more", expected="as enrolled"
        )
    return VerifiedApproval(approval, assertion, credential)
