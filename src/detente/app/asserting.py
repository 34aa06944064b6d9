"""A reviewer's decision in a terminal, by a software key or by a security key.

Decides with which of a reviewer's keys a decision is signed, and what stands in the approval. Leaves out what an assertion is
(``statement``) and whether it counts (``accord``). Passkeys decide on a page: ``app.deciding``.

A security key signs what this terminal shows: the summary, digest and decision are those of the node or log that the command
asked, whatever a page somewhere else showed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detente.adapters.ssh_signing import read_security_key, sign_by_ssh
from detente.app.petition import Speaker
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.base.identity import Party, show_key
from detente.statement.approval import (
    NAMESPACE,
    Approval,
    ApprovalDecision,
    Significant,
    approval_binding,
    sign_approval,
)
from detente.statement.assertion import SshAssertion
from detente.statement.credential import NAMESPACE as ENROLMENT
from detente.statement.credential import Credential, enrolment_binding
from detente.statement.signing import Signer
from detente.statement.sshsig import verify_sshsig


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided, by whom; ``log`` is where the organisation speaks."""

    proposal: Digest
    decision: ApprovalDecision
    reviewer: str
    significant: Significant
    same_host: bool
    note: Digest | None = None
    log: str | None = None


def file_signed(
    decision: Decision, speaker: Speaker, assertion: Callable[[Approval, str], Approval]
) -> tuple[Digest, bytes]:
    """An ``approval`` in the organisation's name with what ``assertion`` makes of it inside; id and envelope."""
    nonce = secrets.token_hex(16)
    approval = Approval(
        proposal=decision.proposal,
        decision=decision.decision,
        reviewer=decision.reviewer,
        organisation=speaker.party,
        assertion=None,
        same_host=decision.same_host,
        significant=decision.significant,
        note=decision.note,
        log=decision.log,
    )
    return speaker.state("approval", assertion(approval, nonce), nonce=nonce)


def by_software(key: Signer, accord: Digest) -> Callable[[Approval, str], Approval]:
    """Sign with a software key."""
    return lambda approval, nonce: sign_approval(approval, key, accord=accord, nonce=nonce)


def by_security_key(path: Path, accord: Digest) -> Callable[[Approval, str], Approval]:
    """Sign with the security key at ``path``; raises ``Refused`` S31 to S36 where what it signed would not verify."""
    known = read_security_key(path)

    def assertion(approval: Approval, nonce: str) -> Approval:
        message = approval_binding(approval, accord=accord, nonce=nonce)
        made = SshAssertion("ssh-sk", known.key, sign_by_ssh(path, message, NAMESPACE))
        verify_sshsig(made, message, NAMESPACE, known.application)
        return replace(approval, assertion=made)

    return assertion


def check_enrolled(path: Path, keyrings: list[dict[str, Any]], party: Party, reviewer: str) -> None:
    """Raise ``Misuse`` unless the security key is enrolled for that reviewer, before anybody touches it."""
    key = show_key(read_security_key(path).key)
    enrolled = [each for ring in keyrings if ring["party"] == party for each in ring["credentials"]]
    if not any((each["key"], each["reviewer"]) == (key, reviewer) for each in enrolled):
        raise Misuse(
            f"{path} is no security key of {party}'s reviewer {reviewer} in force: `detente hold enrol --as {party} "
            f"--reviewer {reviewer} --ssh {path}` enrols it where the root key is"
        )


def security_key_credential(path: Path, accord: Digest, party: Party, reviewer: str, *, same_host: bool) -> Credential:
    """The credential of the security key at ``path``, which signs its enrolment for this reviewer."""
    known = read_security_key(path)
    message = enrolment_binding(accord, party, "ssh-sk", reviewer, known.application, None)
    proof = SshAssertion("ssh-sk", known.key, sign_by_ssh(path, message, ENROLMENT))
    return Credential("ssh-sk", reviewer, known.key, known.application, same_host, proof)
