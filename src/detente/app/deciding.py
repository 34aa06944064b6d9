"""Decisions by passkey: what a browser is asked to assert, and the approval that the node files for it.

Decides what stands in the approval and that its assertion verifies before it is filed. Leaves out whether it counts
(``accord``) and the page (``server``).

- Stateless: the nonce comes back with the assertion, which is over it. There is no session to fix, and nothing to time out.
- The node's statement key around the approval adds no authority; whoever reaches the node can file what a reviewer asserted, and
  nothing else.
- Refused here with its number what the fold would set aside later: N70 to N72, S31 to S37.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from detente.accord.authenticators import label_of
from detente.accord.fold import AccordState
from detente.adapters.client import Receipt
from detente.app.node import Node
from detente.app.petition import Speaker
from detente.app.registering import (
    AUTHENTICATOR_DATA,
    CLIENT_DATA,
    CREDENTIAL_ID,
    SIGNATURE,
    TIMEOUT_MS,
    Asserted,
    web_bytes,
)
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.strict_json import parse_json
from detente.statement.approval import (
    APPROVAL_DECISIONS,
    SIGNIFICANT,
    Approval,
    ApprovalDecision,
    Significant,
    approval_binding,
    verify_approval,
)
from detente.statement.credential import VerifiedCredential
from detente.statement.fields import (
    DIGEST,
    MISSING,
    NAME,
    NONCE,
    PARTY,
    Codec,
    Record,
    choice,
    record_codec,
)
from detente.statement.webauthn import challenge_text

DECISION_MAX: Final = 16_384
"""Bytes of a posted decision: an assertion is at most 4 kB in base64."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is decided, by whom; ``note`` is the digest of what is kept apart."""

    proposal: Digest
    decision: ApprovalDecision
    organisation: Party
    reviewer: str
    significant: Significant
    note: Digest | None

    def approval(self, log: str | None) -> Approval:
        """The approval to be asserted. Whether its page can be written by agents is the root keys' word, not this one's."""
        return Approval(
            proposal=self.proposal,
            decision=self.decision,
            reviewer=self.reviewer,
            organisation=self.organisation,
            assertion=None,
            same_host=False,
            significant=self.significant,
            note=self.note,
            log=log,
        )


@dataclass(frozen=True, slots=True)
class PageAssertion:
    """What the page gives back: which credential, and the browser's assertion."""

    credential_id: bytes
    authenticator_data: bytes
    client_data: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Posted(Asked):
    """A posted decision: what was asked, the nonce that came with the options, and the browser's assertion."""

    nonce: str
    assertion: PageAssertion


_MAYBE: Final[Codec[Digest | None]] = Codec(
    lambda value: None if value is MISSING or value is None else DIGEST.decode(value),
    lambda value: MISSING if value is None else value,
)
_WHAT: Final[Mapping[str, Any]] = {
    "proposal": DIGEST,
    "decision": choice(APPROVAL_DECISIONS),
    "organisation": PARTY,
    "reviewer": NAME,
    "significant": choice(SIGNIFICANT),
    "note": _MAYBE,
}
_ASKED: Final = Record(Asked, **_WHAT)
_ASSERTION: Final = Record(
    PageAssertion,
    credential_id=CREDENTIAL_ID,
    authenticator_data=AUTHENTICATOR_DATA,
    client_data=CLIENT_DATA,
    signature=SIGNATURE,
)
_POSTED: Final = Record(Posted, **_WHAT, nonce=NONCE, assertion=record_codec(_ASSERTION))


def read_asked(query: dict[str, str]) -> Asked:
    """The parameters of a question; raises ``Refused`` S20 to S23, B01, B06."""
    return _ASKED.decode(query)


def read_posted(data: bytes) -> Posted:
    """A posted decision; raises ``Refused`` B10 to B14, S20 to S25, B01, B06."""
    return _POSTED.decode(parse_json(data, limit=DECISION_MAX))


def decision_options(node: Node, asked: Asked) -> dict[str, Any]:
    """What ``navigator.credentials.get`` needs for this decision, and the nonce that comes back with it.

    Raises ``Refused`` N70, N71.
    """
    state, now = node.state(), node.clock.now()
    _check_proposal(state, asked.proposal)
    allowed = passkeys_here(node, state, asked.organisation, asked.reviewer, now)
    nonce = secrets.token_hex(16)
    log = state.log_of(asked.organisation, now)
    binding = approval_binding(asked.approval(log), accord=Digest(state.accord), nonce=nonce)
    challenge, ids = challenge_text(binding), [web_bytes(each.credential.credential_id or b"") for each in allowed]
    return {
        "nonce": nonce,
        "challenge": challenge,
        "rp_id": node.config.page_rp_id,
        "allow": ids,
        "binding_digest": sha256_hex(binding),
        "log": log,
        "public_key": {
            "rpId": node.config.page_rp_id,
            "challenge": challenge,
            "allowCredentials": [{"type": "public-key", "id": each} for each in ids],
            "userVerification": "required",
            "timeout": TIMEOUT_MS,
        },
    }


async def file_decision(node: Node, posted: Posted) -> tuple[Digest, Receipt, str]:
    """File the approval that the reviewer asserted; its id, the receipt, and the label of the authenticator.

    1. The proposal is held: N71. The credential is the reviewer's, enrolled for this page, in force: N70.
    2. The assertion is over exactly this: S31 to S37.
    3. This node speaks for the organisation: N72. Then as any statement.
    """
    state, now = node.state(), node.clock.now()
    _check_proposal(state, posted.proposal)  # 1
    known = passkeys_here(node, state, posted.organisation, posted.reviewer, now, posted.assertion.credential_id)[0]
    made = posted.assertion
    assertion = Asserted(made.authenticator_data, made.client_data, made.signature).by(known.credential.key)
    approval = replace(posted.approval(state.log_of(posted.organisation, now)), assertion=assertion)
    verify_approval(approval, accord=Digest(state.accord), nonce=posted.nonce, credential=known)  # 2
    if not node.config.has_key("statement", posted.organisation):  # 3
        raise Refused(
            "N72",
            "unknown-role",
            got=f"a decision for {posted.organisation}",
            expected="an organisation whose statement key lies in this node's home",
            todo=f"decide on the page of {posted.organisation}'s own node",
        )
    speaker = Speaker(
        accord=Digest(state.accord),
        terms_version=state.terms_at(now).version,
        party=posted.organisation,
        signer=node.config.signer("statement", posted.organisation),
        wall=node.clock.now,
    )
    statement, envelope = speaker.state("approval", approval, nonce=posted.nonce)
    label = label_of(known, state.terms_at(now).authenticators)
    return statement, await node.submit(envelope), label


def _check_proposal(state: AccordState, proposal: Digest) -> None:
    item = state.get(proposal)
    if item is None or item.kind not in {"proposal", "run"}:
        raise Refused("N71", "not-found", got=proposal, expected="a proposal or run that is held and counts")


def passkeys_here(
    node: Node, state: AccordState, organisation: Party, reviewer: str, at: Instant, wanted: bytes | None = None
) -> list[VerifiedCredential]:
    """The reviewer's passkeys in force that were enrolled for this node's page, or the one that is wanted; raises N70."""
    place = (node.config.page_rp_id, node.config.page_origin)
    found = [
        known
        for party, known in state.book.credentials.at(at)
        if (party, known.credential.reviewer) == (organisation, reviewer)
        and (known.credential.rp_id, known.credential.origin) == place
        and wanted in {None, known.credential.credential_id}
    ]
    if not found:
        raise Refused(
            "N70",
            "key-not-in-force",
            got=f"no passkey of {organisation}'s reviewer {reviewer} for {place[1]}",
            expected="one that the organisation's root keys enrolled for this page, and did not revoke",
            todo=f"register one at {place[1]}/enrol, then `detente hold enrol --as {organisation} --passkey FILE`",
        )
    return found
