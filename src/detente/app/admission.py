"""What a node takes into its own log: whose statement, about which accord, under which terms, and how many.

Decides admission, which is narrower than what the fold can read: a statement that could only become a cited no-op is
refused by name while its author can still mend it. Leaves out signatures (``statement``), the log (``sequencer``) and
everything that depends on the state (``accord``). Any party may speak here: nobody whose own node is down is mute.

1. It verifies under a key ever enrolled: B10 to B14, S….
2. It speaks of this accord: N30. Under a version of the terms that is known: N31.
3. Its own date is not far ahead of our clock: N32. (Otherwise its date is only a claim, and nothing rests on it.)
4. An approval is by a reviewer whose key its organisation has enrolled: N45.
5. It spells out nothing that the terms in effect have committed to: N48.
6. Its key has not said too much in a short time: N33.

>>> rates = Rates(per_s=1, burst=2)
>>> [rates.take("a", at_s=at) for at in (0.0, 0.0, 0.0, 1.0)]
[True, True, False, True]
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import TypeAlias

from detente.accord.confidentiality import Confidentiality, disclosed
from detente.adapters.client import BLOB_HEADER, blob_message, blob_reading_message
from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, PublicKey, parse_key, show_key
from detente.base.instant import Instant, show_instant
from detente.statement.approval import Approval
from detente.statement.signing import verify_ed25519
from detente.statement.statement import VerifiedStatement

IsReviewer: TypeAlias = Callable[[Party, str, PublicKey, int], bool]
AHEAD_MAX_S = 3_600
"""How far a statement's date may be ahead of our clock: clocks of honest machines differ by seconds."""
DIGITS_MAX = 12
"""Digits of a time in seconds: some thirty thousand years."""
NAMES_MAX = 16_384
"""Keys or addresses remembered; the one unused longest is forgotten first."""


class Rates:
    """Token buckets by name: ``per_s`` on average, ``burst`` at once. The clock is the caller's, in seconds."""

    def __init__(self, *, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, name: object, *, at_s: float, count: int = 1) -> bool:
        """Take ``count`` of ``name``'s tokens; false, and nothing taken, when there are not so many."""
        left, since = self._left.pop(name, (self._burst, at_s))
        left = min(self._burst, left + max(0.0, at_s - since) * self._per_s)
        enough = left >= count
        self._left[name] = (left - count if enough else left, at_s)
        if len(self._left) > NAMES_MAX:
            self._left.popitem(last=False)
        return enough


def check_admission(
    verified: VerifiedStatement,
    *,
    accord: Digest,
    versions: Collection[int],
    now: Instant,
    is_reviewer: IsReviewer,
    confidential: Mapping[str, Confidentiality] = MappingProxyType({}),
) -> VerifiedStatement:
    """Steps 2 to 5 of the module; raises ``Refused`` N30, N31, N32, N45, N48."""
    header = verified.statement.header
    if header.accord != accord:  # 2
        raise Refused("N30", "wrong-accord", got=f"accord {header.accord}", expected=f"accord {accord}")
    if header.terms not in versions:
        raise Refused(
            "N31",
            "wrong-terms",
            got=f"version {header.terms} of the terms",
            expected=f"one of {sorted(versions)}",
            todo="fetch the terms in force, and sign the statement under their version",
        )
    if header.made_at > now + AHEAD_MAX_S:  # 3
        raise Refused(
            "N32",
            "future-dated",
            got=f"made at {show_instant(header.made_at)}",
            expected=f"at most {AHEAD_MAX_S} s after {show_instant(now)}",
            todo="set the clock of the machine that signs",
        )
    body = verified.statement.body
    if isinstance(body, Approval) and body.assertion is not None:  # 4
        key = body.assertion.key
        if not is_reviewer(header.party, body.reviewer, key, now):
            raise Refused(
                "N45",
                "key-not-in-force",
                got=f"{show_key(key)} as the key of {header.party}'s reviewer {body.reviewer}",
                expected="a key that the organisation's root keys have enrolled for that reviewer, and not revoked",
                todo=f"`detente hold enrol --as {header.party} --reviewer {body.reviewer}` where its root key is",
            )
    for name in disclosed(confidential, verified.statement.kind, body):  # 5
        raise Refused(
            "N48",
            "wrong-type",
            got=f"{name} spelled out",
            expected="a commitment to it, as the terms ask",
            todo="commit to it with a fresh salt (spec/statement.md §7), and open it to an inspector alone",
        )
    return verified


def check_rate(verified: VerifiedStatement, rates: Rates, *, at_s: float) -> None:
    """Step 6: each signer's key counts; raises ``Refused`` N33."""
    if not all(rates.take(signer.key, at_s=at_s) for signer in verified.signers):
        raise Refused(
            "N33",
            "rate",
            got=f"too many statements signed by one key of {verified.statement.header.party}",
            expected="fewer in a second",
            todo="send it again in a moment",
        )


def verify_blob_header(digest: Digest, signed: str) -> PublicKey:
    """The key that signed leave to store this blob: ``<key> <signature in base64>``; raises ``Refused`` N18."""
    name, _, spelled = signed.partition(" ")
    try:
        key = parse_key(name)
        verify_ed25519(key, blob_message(digest), base64.b64decode(spelled, validate=True))
    except (Refused, ValueError):
        raise Refused(
            "N18",
            "bad-signature",
            got=f"{BLOB_HEADER}: {shown(signed)}" if signed else f"no header {BLOB_HEADER}",
            expected="an enrolled key, a space, and its signature over the digest",
            todo="see docs/reference/http-api.md",
        ) from None
    return key


def verify_blob_reading(digest: Digest, node: Party, asked: str) -> tuple[PublicKey, Instant]:
    """The key and time with which a blob is asked of ``node``: ``<key> <seconds> <signature>``; raises ``Refused`` N18."""
    name, spelled, signature = (*asked.split(" "), "", "", "")[:3]
    try:
        key = parse_key(name)
        at = Instant(int(spelled) if spelled.isascii() and spelled.isdigit() and len(spelled) < DIGITS_MAX else -1)
        verify_ed25519(key, blob_reading_message(digest, node, at), base64.b64decode(signature, validate=True))
    except (Refused, ValueError):
        raise Refused(
            "N18",
            "bad-signature",
            got=f"{BLOB_HEADER}: {shown(asked)}" if asked else f"no header {BLOB_HEADER}",
            expected="an enrolled key, the time in seconds, and the key's signature over digest, node and time",
            todo="the terms keep this for auditors; see docs/reference/http-api.md",
        ) from None
    return key, at


def check_blob_leave(
    digest: Digest, signed: str, *, in_force: Callable[[PublicKey], bool], rates: Rates, at_s: float
) -> None:
    """Refuse to store a blob for anybody but a party.

    1. The header names a key, and its signature of this digest verifies: N18.
    2. The key is in force as statement or guard key of a party: N19. It has not stored too much lately: N33.
    """
    key = verify_blob_header(digest, signed)  # 1
    if not in_force(key):  # 2
        raise Refused(
            "N19",
            "unknown-key",
            got=show_key(key),
            expected="a statement or guard key in force",
            todo="sign with an enrolled key",
        )
    if not rates.take(key, at_s=at_s):
        raise Refused("N33", "rate", got="too many blobs signed by one key", expected="fewer in a second")
