r"""A notice as it is posted to somebody's address, signed, and how its receiver checks it.

Decides what is signed, how a notice is sent and when sending is given up. Leaves out what it says (``app.webhooks``). Rules Z20 to Z22 of ``spec/review.md`` §6.

- Signed is the body's digest with the recipient and the time, by the node's statement key: in ``detente-signed``, as other requests are.
- Sent over TLS, except to one's own machine. No redirect is followed, no answer's body is read.
- Tried again after 1, 2, 4 and 8 s, then given up: the next change is told anyway, with everything that waits.

>>> webhook_message(Party("aud-1"), Instant(7), b"{}")[:27]
b'detente-webhook/v1\naud-1\n7\n'
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx

from detente.base.errors import Refused, Unavailable, shown
from detente.base.identity import Party, PublicKey, show_key
from detente.base.instant import Instant, show_instant
from detente.statement.signing import Signer, verify_ed25519

HEADER: Final = "detente-signed"
PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
ANSWER_S: Final = 10.0
NEAR_S: Final = 300
_OWN: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def check_address(url: str) -> str:
    """The address, if notices may be sent there; raises ``Refused`` Z20."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _OWN):
        return url
    raise Refused(
        "Z20",
        "malformed",
        got=shown(url),
        expected="an address with https://, or http:// of this machine",
        todo="correct [webhooks] in config.toml",
    )


def webhook_message(recipient: Party, at: Instant, body: bytes) -> bytes:
    """What is signed: domain, recipient, time, and the body's SHA-256, a line each."""
    return f"detente-webhook/v1\n{recipient}\n{at}\n{hashlib.sha256(body).hexdigest()}\n".encode()


def webhook_header(recipient: Party, at: Instant, body: bytes, signer: Signer) -> str:
    """The value of ``detente-signed``: key, time and signature."""
    signature = base64.b64encode(signer.sign(webhook_message(recipient, at, body))).decode()
    return f"{show_key(signer.public_key)} {at} {signature}"


def verify_webhook(header: str, body: bytes, *, recipient: Party, keys: Sequence[PublicKey], now: Instant) -> None:
    """For a receiver: refuse (Z21, Z22) what none of ``keys`` signed for this recipient at about this time."""
    name, spelled, signature = (*header.split(" "), "", "", "")[:3]
    known = next((key for key in keys if show_key(key) == name), None)
    timely = spelled.isascii() and spelled.isdigit() and len(spelled) < 12
    try:
        if known is None or not timely:
            raise ValueError(name)
        verify_ed25519(
            known, webhook_message(recipient, Instant(int(spelled)), body), base64.b64decode(signature, validate=True)
        )
    except (Refused, ValueError):
        raise Refused(
            "Z21",
            "bad-signature",
            got=f"{HEADER}: {shown(header)}" if header else f"no header {HEADER}",
            expected=f"a signature of the node's statement key over this body, for {recipient}",
        ) from None
    if abs(int(spelled) - now) > NEAR_S:
        raise Refused(
            "Z22",
            "stale",
            got=f"signed at {show_instant(Instant(int(spelled)))}",
            expected=f"within {NEAR_S} s of {show_instant(now)}",
        )


async def post_notice(
    url: str,
    header: str,
    body: bytes,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    pauses_s: Sequence[float] = PAUSES_S,
) -> None:
    """Post until it is taken (2xx); raises ``Unavailable`` once every try has failed, or at a 4xx other than 408 and 429."""
    said = ""
    async with httpx.AsyncClient(
        timeout=ANSWER_S, transport=transport, follow_redirects=False, trust_env=False
    ) as http:
        for pause_s in (0.0, *pauses_s):
            await asyncio.sleep(pause_s)
            try:
                async with http.stream(
                    "POST", url, content=body, headers={"content-type": "application/json", HEADER: header}
                ) as answer:
                    code = answer.status_code
            except httpx.HTTPError as error:
                said = type(error).__name__
                continue
            if 200 <= code < 300:
                return
            said = f"answered {code}"
            if 400 <= code < 500 and code not in {408, 429}:
                break
    raise Unavailable(f"{urlsplit(url).hostname} {said}")
