"""A reviewer's own figures by passkey: what a browser is asked to assert so that they are shown, or a note is erased.

Decides the challenge. Leaves out whether an assertion opens anything (``app.review_notes``) and what is then shown (``app.reviews``).

- The challenge is the SHA-256 of ``review_message``: a domain of its own, the organisation, the reviewer, the node and the time. An approval is over another
  domain, so what was asserted to see figures decides nothing, and no decision opens figures.
- Stateless, as decisions are: the time comes back with the assertion, which is over it, and is good for ``LEAVE_S``.
- Whoever asks learns only what stands in the log: which credentials the root keys enrolled for this page. N70 where there is none.
"""

from __future__ import annotations

from typing import Any

from detente.app.deciding import passkeys_here
from detente.app.node import Node
from detente.app.registering import TIMEOUT_MS, web_bytes
from detente.app.review_notes import ERASE, READ, review_message
from detente.base.digest import Digest
from detente.base.identity import Party, show_key
from detente.statement.webauthn import challenge_text


def leave_options(node: Node, organisation: Party, reviewer: str, note: Digest | None = None) -> dict[str, Any]:
    """What ``navigator.credentials.get`` needs to ask for one's own figures, or to erase one's ``note``; raises ``Refused`` N70.

    ``at`` and one of the ``passkeys``' keys come back in the header ``detente-signed`` (``spec/review.md`` §3).
    """
    state, at = node.state(), node.clock.now()
    allowed = passkeys_here(node, state, organisation, reviewer, at)
    domain = READ if note is None else ERASE
    message = review_message(domain, organisation, reviewer, node=node.config.party, at=at, note=note)
    keys = {web_bytes(each.credential.credential_id or b""): show_key(each.credential.key) for each in allowed}
    challenge = challenge_text(message)
    return {
        "at": int(at),
        "challenge": challenge,
        "rp_id": node.config.page_rp_id,
        "passkeys": [{"id": name, "key": key} for name, key in keys.items()],
        "public_key": {
            "rpId": node.config.page_rp_id,
            "challenge": challenge,
            "allowCredentials": [{"type": "public-key", "id": name} for name in keys],
            "userVerification": "required",
            "timeout": TIMEOUT_MS,
        },
    }
