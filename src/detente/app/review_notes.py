r"""Reviewers' notes of a node: kept before a decision is asserted, given to their reviewer alone, erased on request or when unused.

Decides who may see and erase a note, and when one that nobody uses goes. Leaves out how notes are stored (``adapters.erasable``), what
they say (``measure.review``) and whether a decision counts (``accord``). Rules Z05, Z06, Z08 to Z10 of ``spec/review.md``.

- Anybody who reaches the node may leave a note: the page on which a reviewer decides has no session. So their number, size and rate are
  bounded, and what no ``approval`` names goes after a day.
- A reviewer signs with a key in force as theirs, over organisation, name, node and time: what one node was shown opens no other. Whoever decides with a passkey
  or security key asserts the same with it.
- Only a note that a decision of that reviewer names can be erased by them: nobody erases another's.

>>> review_message("detente-read-review/v1", Party("safety-team"), "reviewer-1", node=Party("dev-a"), at=Instant(7))
b'detente-read-review/v1\nsafety-team\nreviewer-1\ndev-a\n7\n'
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterator

from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.accord.topics import LINEAGE
from detente.adapters.erasable import Erasable
from detente.app.admission import Rates
from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, PublicKey, parse_key, show_key
from detente.base.instant import Instant, show_instant
from detente.base.strict_json import encode_json, parse_json
from detente.measure.review.note import ReviewNote, parse_note
from detente.statement.approval import Approval
from detente.statement.assertion import DEVICE_ASSERTION, DeviceAssertion
from detente.statement.credential import verify_device
from detente.statement.signing import Signer, verify_ed25519

READ: str = "detente-read-review/v1"
ERASE: str = "detente-erase-note/v1"
LEAVE_S = 300
"""A signature that asks counts so long before and after its own time: honest clocks differ by seconds."""
UNUSED_S = 86_400.0
"""A note that no decision names goes after a day: whoever began to decide and left has left no reason behind."""
DIGITS_MAX = 12
NAMESPACE = "detente-review"
"""Of the signature that a security key makes, so that it is no approval."""
ASSERTED = "assertion"
LEAVE_MAX = 16_384
"""Characters of the header: an assertion of the largest authenticator data and client data takes 8,000."""


def review_message(
    domain: str, organisation: Party, reviewer: str, *, node: Party, at: Instant, note: Digest | None = None
) -> bytes:
    """What a reviewer signs to see their own figures, or to erase a ``note``."""
    lines = [domain, *([] if note is None else [note]), organisation, reviewer, node, str(at), ""]
    return "\n".join(lines).encode()


def review_leave(
    domain: str,
    organisation: Party,
    reviewer: str,
    *,
    node: Party,
    at: Instant,
    signer: Signer,
    note: Digest | None = None,
) -> str:
    """The value of the header ``detente-signed`` with which a reviewer asks: the key, the time, and the signature."""
    message = review_message(domain, organisation, reviewer, node=node, at=at, note=note)
    return f"{show_key(signer.public_key)} {at} {base64.b64encode(signer.sign(message)).decode()}"


def asserted_leave(assertion: DeviceAssertion, at: Instant) -> str:
    """The same header with the assertion of a passkey or security key over ``review_message``; a security key's namespace is ``NAMESPACE``."""
    value = encode_json(DEVICE_ASSERTION.encode(assertion))
    return f"{ASSERTED} {at} {base64.b64encode(value).decode()}"


def decisions_of(state: AccordState, organisation: Party | None = None, reviewer: str | None = None) -> Iterator[Item]:
    """Admitted approvals, in fold order: of everybody, of one organisation, or of one reviewer."""
    for item in state.index.get(LINEAGE, ()):
        body = item.body
        if not isinstance(body, Approval) or item.time is None:
            continue
        if organisation in {None, item.party} and reviewer in {None, body.reviewer}:
            yield item


def note_of(item: Item) -> Digest | None:
    """The digest of the note that a decision names."""
    return item.body.note if isinstance(item.body, Approval) else None


class ReviewNotes:
    """The notes of one node. ``state`` is the fold as it stands, ``now`` the wall clock."""

    def __init__(
        self,
        store: Erasable,
        *,
        node: Party,
        rates: Rates,
        state: Callable[[], AccordState],
        now: Callable[[], Instant],
    ) -> None:
        self._store = store
        self._node = node
        self._rates = rates
        self._state = state
        self._now = now

    async def keep(self, data: bytes, *, kind: str, address: str) -> Digest:
        """Keep a note; raises ``Refused`` Z01, Z02, Z05, Z06, Z07, S…, B…, C10. Returns its digest."""
        if kind.partition(";")[0].strip().lower() != "application/json":
            # Another kind would let a page of anybody's make a reviewer's browser leave notes.
            raise Refused("Z05", "malformed", got=f"content-type {shown(kind)}", expected="application/json")
        if not self._rates.take(address, at_s=time.monotonic()):
            raise Refused(
                "Z06", "rate", got="too many notes of one address", expected="fewer", todo="send it again in a moment"
            )
        parse_note(data)
        return await asyncio.to_thread(self._store.keep, data)

    def find(self, digest: Digest) -> ReviewNote | None:
        """What a note says; None where it was erased, was never kept here, or is damaged."""
        try:
            return parse_note(self._store.find(digest))
        except Refused:
            return None

    def check_reviewer(self, organisation: Party, reviewer: str, signed: str) -> None:
        """Refuse (Z08, Z09, Z10) whoever is not that reviewer."""
        self._verify(READ, organisation, reviewer, signed, None)

    async def erase(self, digest: Digest, organisation: Party, reviewer: str, signed: str) -> None:
        """Erase a note of a decision of this reviewer; raises ``Refused`` Z03, Z08, Z09, Z10."""
        self._verify(ERASE, organisation, reviewer, signed, digest)
        if not any(note_of(item) == digest for item in decisions_of(self._state(), organisation, reviewer)):
            raise Refused(
                "Z09",
                "unknown-key",
                got=f"note {digest[:12]}…",
                expected=f"one that a decision of {reviewer} of {organisation} names",
            )
        await asyncio.to_thread(self._store.erase, digest)

    async def forget_unused(self) -> int:
        """Erase what was kept a day ago and no decision names; returns how many."""
        old = await asyncio.to_thread(self._store.older_than, UNUSED_S)
        if not old:
            return 0
        named = {note_of(item) for item in self._state().index.get(LINEAGE, ()) if isinstance(item.body, Approval)}
        unused = [digest for digest in old if digest not in named]
        for digest in unused:
            await asyncio.to_thread(self._store.erase, digest)
        return len(unused)

    def _verify(self, domain: str, organisation: Party, reviewer: str, signed: str, note: Digest | None) -> None:
        key, at, proof = _read_leave(signed)
        message = review_message(domain, organisation, reviewer, node=self._node, at=at, note=note)
        now = self._now()
        if abs(at - now) > LEAVE_S:
            raise Refused(
                "Z10",
                "stale",
                got=f"asked at {show_instant(at)}",
                expected=f"within {LEAVE_S} s of {show_instant(now)}",
                todo="ask anew; set the clock of the machine that signs",
            )
        book = self._state().book
        known = book.credentials.in_force(organisation, reviewer, key, now)
        try:
            if isinstance(proof, bytes):
                verify_ed25519(key, message, proof)
            elif known is not None:
                verify_device(known.credential, proof, message, NAMESPACE)
        except Refused:
            raise _unsigned(signed) from None
        if known is None and not (isinstance(proof, bytes) and book.is_reviewer(organisation, reviewer, key, now)):
            raise Refused(
                "Z09",
                "unknown-key",
                got=f"{show_key(key)} as the key of {organisation}'s reviewer {reviewer}",
                expected="a key in force as that reviewer's: figures are shown to their reviewer alone",
            )


def _read_leave(signed: str) -> tuple[PublicKey, Instant, bytes | DeviceAssertion]:
    """Key, time, and the signature or assertion; raises ``Refused`` Z08."""
    name, spelled, given = (*signed[:LEAVE_MAX].split(" "), "", "", "")[:3]
    try:
        if not (spelled.isascii() and spelled.isdigit() and len(spelled) < DIGITS_MAX):
            raise _unsigned(signed)
        at, data = Instant(int(spelled)), base64.b64decode(given, validate=True)
        if name == ASSERTED:
            assertion: DeviceAssertion = DEVICE_ASSERTION.decode(parse_json(data, limit=LEAVE_MAX))
            return assertion.key, at, assertion
        return parse_key(name), at, data
    except (Refused, ValueError):
        raise _unsigned(signed) from None


def _unsigned(signed: str) -> Refused:
    return Refused(
        "Z08",
        "bad-signature",
        got=f"detente-signed: {shown(signed)}" if signed else "no header detente-signed",
        expected="a reviewer's key, the time in seconds, and its signature; or `assertion`, the time, and an authenticator's assertion",
        todo="see spec/review.md §3; `detente hold mine` signs",
    )
