r"""Leave that is posted in a file, for programs that cannot ask: a scheduler decides in milliseconds and must not wait for a network.

Decides how a posted leave is spelled, and whether it is leave now. Leaves out who posts it (``app.slurm.posting``) and how the file
is read (``app.slurm.gate``; the Lua of ``hooks/slurm`` reads the same lines without the signatures). ``spec/slurm.md`` §2, U01 to U06.

The lines say when the permit was asked for and in which boot; the nonce that the issuers signed is bound to exactly that, so a
file whose lines were moved to a later instant, or to another boot, verifies nowhere.

>>> leave = PostedLeave(boot_id="7341aba5-9792-4ee0-a977-c65eb292073b", asked_at_ms=5_000, life_s=60, salt="0" * 32, permit=b"x")
>>> parse_posted(encode_posted(leave)) == leave
True
>>> parse_posted(b"detente-posted-leave 1\nnone a pause is latched\n")
Traceback (most recent call last):
...
detente.base.errors.Refused: U04 paused: got no leave: a pause is latched; expected leave of the accord; `detente status --why` shows what holds it and who can change that
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.identity import PublicKey
from detente.guard.answer import bound_nonce, digest_act
from detente.guard.intent import Intent
from detente.guard.permit import PermitRequest, VerifiedPermit, verify_permit
from detente.guard.trust import IssuerTrust
from detente.statement.envelope import MAX_ENVELOPE_BYTES

POSTED_MAX = 2 * MAX_ENVELOPE_BYTES
"""Bytes. An envelope in base64 is a third longer than it is, and the other lines are short."""
REASON_MAX = 300
_FIRST = "detente-posted-leave 1"
_GIVEN = re.compile(
    r"boot (?P<boot>[0-9a-f-]{36})\nasked (?P<asked>[0-9]{1,15})\nlife (?P<life>[0-9]{1,9})\nsalt (?P<salt>[0-9a-f]{32})\n"
    r"permit (?P<permit>[A-Za-z0-9+/]+={0,2})\n",
    re.ASCII,
)
_NONE = re.compile(r"none (?P<why>[^\n\x00-\x1f\x7f]{1,300})\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedLeave:
    """A permit, and when and in which boot it was asked for (milliseconds of CLOCK_BOOTTIME, rounded down)."""

    boot_id: str
    asked_at_ms: int
    life_s: int
    salt: str
    permit: bytes

    @property
    def lapse_s(self) -> float:
        """Until when it is leave, in seconds of CLOCK_BOOTTIME."""
        return self.asked_at_ms / 1_000 + self.life_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedFor:
    """Whose leave is expected: the standing run of one cluster, and the guard that asks for it."""

    trust: IssuerTrust
    terms: Digest
    guard: PublicKey
    intent: Intent


def posting_act(boot_id: str, asked_at_ms: int) -> Digest:
    """What the nonce of a posted leave is bound to."""
    return digest_act("posted", {"boot": boot_id, "asked_at_ms": asked_at_ms})


def encode_posted(leave: PostedLeave) -> bytes:
    """The bytes of the file while there is leave."""
    permit = base64.b64encode(leave.permit).decode()
    return (
        f"{_FIRST}\nboot {leave.boot_id}\nasked {leave.asked_at_ms}\nlife {leave.life_s}\nsalt {leave.salt}\npermit {permit}\n"
    ).encode()


def encode_none(why: str) -> bytes:
    """The bytes of the file while there is none; what a terminal would obey is left out of ``why``."""
    said = "".join(char if char.isprintable() else " " for char in why).strip()[:REASON_MAX]
    return f"{_FIRST}\nnone {said or 'no reason was given'}\n".encode()


def parse_posted(data: bytes) -> PostedLeave:
    """The leave that the file spells; raises ``Refused``.

    1. At most ``POSTED_MAX`` bytes of UTF-8, its first line the format's: U03.
    2. It says that there is none: U04.
    3. Exactly the five lines of a leave: U03.
    """
    malformed = Refused(
        "U03", "malformed", got=shown(data[:200]), expected="a posted leave, as `detente slurm watch` writes it"
    )
    try:
        first, _, rest = data.decode("utf-8").partition("\n")
    except UnicodeDecodeError:
        raise malformed from None
    if len(data) > POSTED_MAX or first != _FIRST:  # 1
        raise malformed
    if none := _NONE.fullmatch(rest):  # 2
        raise Refused(
            "U04",
            "paused",
            got=f"no leave: {none['why']}",
            expected="leave of the accord",
            todo="`detente status --why` shows what holds it and who can change that",
        )
    given = _GIVEN.fullmatch(rest)
    if given is None:  # 3
        raise malformed
    try:
        permit = base64.b64decode(given["permit"], validate=True)
    except ValueError:
        raise malformed from None
    return PostedLeave(
        boot_id=given["boot"],
        asked_at_ms=int(given["asked"]),
        life_s=int(given["life"]),
        salt=given["salt"],
        permit=permit,
    )


def verify_posted(
    leave: PostedLeave, *, expected: PostedFor, boot_id: str, now_s: float, last_epoch: int
) -> VerifiedPermit:
    """The permit behind a posted leave, if it is leave now; ``now_s`` in seconds of CLOCK_BOOTTIME.

    1. The boot is this one, and its life has not passed since it was asked for: U05.
    2. The permit verifies as if a stranger had brought it, its nonce bound to the instant and the boot of the file, its epoch no
       older than ``last_epoch``: P01 to P16.
    3. Its life is the one that the file says: U06.
    """
    asked_s = leave.asked_at_ms / 1_000
    if boot_id != leave.boot_id or not asked_s <= now_s < leave.lapse_s:  # 1
        raise Refused(
            "U05",
            "expired",
            got=f"leave that lapsed {now_s - leave.lapse_s:.1f} s ago"
            if boot_id == leave.boot_id
            else "leave from before this machine started",
            expected="leave that is renewed",
            todo="look whether `detente slurm watch` runs here and reaches its issuers",
        )
    verified = verify_permit(  # 2
        leave.permit,
        expected=PermitRequest(
            accord=expected.trust.accord,
            terms=expected.terms,
            party=expected.intent.party,
            guard=expected.guard,
            nonce=bound_nonce(posting_act(leave.boot_id, leave.asked_at_ms), leave.salt),
            intent=expected.intent,
        ),
        trust=expected.trust,
        known_heads={},
        last_epoch=max(0, last_epoch - 1),  # The same leave is looked at many times.
        sent_at_s=asked_s,
        now_s=now_s,
    )
    if verified.permit.life_s != leave.life_s:  # 3
        raise Refused(
            "U06",
            "inconsistent",
            got=f"a life of {leave.life_s} s",
            expected=f"the {verified.permit.life_s} s of the permit",
            todo="look who else writes this file",
        )
    return verified
