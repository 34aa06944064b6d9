"""Stop notices: an issuer's signed word that permits will be refused, pushed so that nobody waits for a lapse.

Decides whether notices heard so far stop a guard. Leaves out how they are pushed, and stopping (``supervise``).

Rules (``spec/guard.md`` §3): G04 to G06.

1. A notice never permits: the worst that hearing one does is to stop, the worst that losing one does is to wait.
2. A guard stops at f + 1 distinct issuers, of whom one at least is honest; at 1 in solo, where f is 0.
3. Each issuer numbers its notices; one at or below the number in that issuer's latest allowing offer is superseded,
   so that no notice of an earlier pause can be replayed after a lift.
4. A notice that does not cover the guard's party and activity counts for nothing, and takes the place of none that does:
   a pause of somebody else must not make a guard forget its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from detente.base.digest import Digest, parse_digest
from detente.base.errors import Refused, shown
from detente.base.identity import Party, parse_party
from detente.base.strict_json import encode_json
from detente.guard.intent import ACTIVITIES, Activity
from detente.guard.permit import HeadsOffer, check_accord, verify_signers
from detente.guard.trust import IssuerTrust, all_issuers
from detente.guard.wire import REASONS_MAX, TEXT_MAX, listed, members, read, seal, text, unseal, whole
from detente.statement.signing import Signer

NOTICE_TYPE = "application/vnd.detente.notice+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """``scope`` is ``"all"`` or one party; ``cause`` is for people; ``cites`` names the entries behind it."""

    accord: Digest
    issuer: Party
    scope: str
    activities: tuple[Activity, ...]
    sequence: int
    cause: str
    cites: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeBoard:
    """The notices that one guard has heard. ``floors`` is the number superseded per issuer."""

    trust: IssuerTrust
    party: Party
    activity: Activity
    floors: Mapping[Party, int] = field(default_factory=dict)
    heard: Mapping[Party, Notice] = field(default_factory=dict)


def seal_notice(notice: Notice, signer: Signer) -> bytes:
    """Sign a notice with the issuer's permit key."""
    payload = encode_json(
        {
            "accord": notice.accord,
            "issuer": notice.issuer,
            "scope": notice.scope,
            "activities": list(notice.activities),
            "sequence": notice.sequence,
            "cause": notice.cause,
            "cites": list(notice.cites),
        }
    )
    return seal(payload, NOTICE_TYPE, signer)


def parse_notice(data: bytes, trust: IssuerTrust) -> Notice:
    """Read a notice that an issuer signed.

    1. It reads: P01 to P03, and its scope and activities are known ones: G04.
    2. It is of this accord: P08.
    3. An issuer signed it, the one that it names: G05.
    """
    envelope = unseal(data, NOTICE_TYPE)
    names = {"accord", "issuer", "scope", "activities", "sequence", "cause", "cites"}
    value = members(read(envelope.payload), names)
    scope = value["scope"]
    if scope != "all":
        scope = parse_party(scope)
    activities = listed(value, "activities", most=len(ACTIVITIES))
    if not activities or any(activity not in ACTIVITIES for activity in activities):
        raise Refused("G04", "malformed", got=shown(activities), expected="some of " + ", ".join(ACTIVITIES))  # 1
    cites = tuple(parse_digest(cite) for cite in listed(value, "cites", most=REASONS_MAX))
    notice = Notice(
        accord=parse_digest(value["accord"]),
        issuer=parse_party(value["issuer"]),
        scope=scope,
        activities=tuple(activities),
        sequence=whole(value, "sequence", least=1),
        cause=text(value["cause"], "cause", TEXT_MAX),
        cites=cites,
    )
    check_accord(notice.accord, trust.accord)  # 2
    try:
        verify_signers(envelope, {k: party for k, party in all_issuers(trust).items() if party == notice.issuer})
    except Refused as refused:  # 3
        raise Refused(
            "G05", "bad-signature", got=f"{refused.rule}: {refused.got}", expected=f"the permit key of {notice.issuer}"
        ) from None
    return notice


def hear_notice(board: NoticeBoard, data: bytes) -> NoticeBoard:
    """Take one sealed notice; P01 to P08, G04, G05, and G06 for one that is superseded."""
    return take_notice(board, parse_notice(data, board.trust))


def take_notice(board: NoticeBoard, notice: Notice) -> NoticeBoard:
    """Take a notice that ``parse_notice`` has read, once for all guards of a process; G06 for one that is superseded."""
    floor = board.floors.get(notice.issuer, 0)
    if notice.sequence <= floor:
        raise Refused(
            "G06",
            "replayed",
            got=f"notice {notice.sequence} of {notice.issuer}",
            expected=f"one above {floor}, which its later offer superseded",
        )
    if not _covers(board, notice):
        return board
    known = board.heard.get(notice.issuer)
    if known is not None and known.sequence >= notice.sequence:
        return board
    return replace(board, heard={**board.heard, notice.issuer: notice})


def _covers(board: NoticeBoard, notice: Notice) -> bool:
    return notice.scope in {"all", board.party} and board.activity in notice.activities


def supersede(board: NoticeBoard, offer: HeadsOffer) -> NoticeBoard:
    """An offer that allows answers every notice of its issuer up to the number it names."""
    if not offer.allowed:
        return board
    floor = max(offer.notices, board.floors.get(offer.issuer, 0))
    heard = {p: n for p, n in board.heard.items() if p != offer.issuer or n.sequence > floor}
    return replace(board, floors={**board.floors, offer.issuer: floor}, heard=heard)


def stopping(board: NoticeBoard) -> tuple[Notice, ...]:
    """The notices that stop this guard: those that cover it, once f + 1 distinct issuers gave one; else none."""
    covering = tuple(notice for _, notice in sorted(board.heard.items()))
    needed = min((issuers.may_fail for issuers in board.trust.sets.values()), default=0) + 1
    return covering if len(covering) >= needed else ()
