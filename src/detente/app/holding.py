"""Hold points: propose a change, wait until humans have decided, and decide as one of them.

Decides how a proposal, a version and an approval are put into words and filed. Leaves out whether approvals satisfy the
terms (``accord``): a guard passes a hold point only with a permit for the proposal, and a permit says exactly that.

An approval made here is signed with a software key and says so; terms may refuse that kind.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from decimal import Decimal

from detente.accord.terms import Terms
from detente.app.asserting import Decision, by_software, file_signed
from detente.app.guarding import Channel, Clock, Denied, GuardSession
from detente.app.petition import Speaker
from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import DetenteError, Misuse, Refused, Unavailable
from detente.base.identity import Party
from detente.base.quantity import parse_decimal
from detente.guard.intent import Intent
from detente.guard.permit import Head, VerifiedPermit
from detente.guard.trust import IssuerTrust, all_issuers
from detente.statement.approval import ApprovalDecision, Significant
from detente.statement.change import PROPOSER_KINDS, TOUCHES, ProposedBy, ProposerKind, Touch
from detente.statement.proposal import Proposal
from detente.statement.signing import Signer
from detente.statement.version import Version

ASK_FIRST_S, ASK_MOST_S = 0.2, 2.0
"""Humans take minutes; the first asking is soon, for a proposal that is at no hold point at all. News comes before either."""
ASK_LEAST_S = 0.02
"""Between two askings, whatever the news: four issuers tell of one decision within some milliseconds."""

Proposer = tuple[ProposerKind, str | None]


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as filed: its statement id and what it says."""

    id: Digest
    body: Proposal


class NoMemory:
    """A guard's memory for one question: the nonce alone keeps the answer fresh."""

    def load(self) -> tuple[dict[str, Head], int]:
        return {}, 0

    def store(self, heads: object, epoch: int) -> None:
        """Nothing outlives the question."""


def digest_of(artefact: str | bytes) -> Digest:
    """The digest of an artefact given as bytes, or the one that was given."""
    return sha256_hex(artefact) if isinstance(artefact, bytes) else parse_digest(artefact)


def made_proposal(
    change: str | bytes,
    *,
    touches: Iterable[str],
    summary: str,
    proposed_by: Proposer = ("undeclared", None),
    asked_flop: str | Decimal = "0",
    parent: str | None = None,
    run: Digest | None = None,
) -> Proposal:
    """The body of a ``proposal``; raises ``Misuse`` for a word that the vocabulary lacks."""
    return Proposal(
        change=digest_of(change),
        parent=None if parent is None else parse_digest(parent),
        proposed_by=_proposer(proposed_by),
        touches=_touches(touches),
        asked_flop=asked_flop if isinstance(asked_flop, Decimal) else parse_decimal(asked_flop),
        summary=summary,
        run=run,
    )


def made_version(
    artefact: str | bytes,
    *,
    parents: Iterable[str] = (),
    proposed_by: Proposer = ("undeclared", None),
    touches: Iterable[str] = (),
    own_flop: str | Decimal | None = None,
    changed_lines: int | None = None,
    proposal: str | None = None,
    score: str | Decimal | None = None,
    run: Digest | None = None,
) -> Version:
    """The body of a ``version``; raises ``Misuse`` for a word that the vocabulary lacks."""
    return Version(
        version=digest_of(artefact),
        parents=tuple(parse_digest(parent) for parent in parents),
        proposed_by=_proposer(proposed_by),
        touches=_touches(touches),
        own_flop=parse_decimal(own_flop) if isinstance(own_flop, str) else own_flop,
        changed_lines=changed_lines,
        run=run,
        proposal=None if proposal is None else parse_digest(proposal),
        score=parse_decimal(score) if isinstance(score, str) else score,
    )


async def await_decision(
    *,
    intent: Intent,
    terms: Digest,
    trust: IssuerTrust,
    signer: Signer,
    channel: Channel,
    clock: Clock,
    timeout_s: float | None,
) -> VerifiedPermit:
    """Ask for a permit for the proposal that ``intent`` names until there is one.

    Raises ``Refused`` G44 when ``timeout_s`` passes first, with what is still missing, and G45 once the proposal has lapsed.
    A rejection is not final: the same reviewer may think again, so without ``timeout_s`` a loop waits on.
    """
    session = GuardSession(
        intent=intent, terms=terms, trust=trust, signer=signer, channel=channel, clock=clock, memory=NoMemory()
    )
    loop = asyncio.get_running_loop()
    deadline = None if timeout_s is None else loop.time() + timeout_s
    wait_s = ASK_FIRST_S
    missing = "no issuer has answered"
    async with _news_of(intent.proposal, trust, channel) as news:
        while True:
            news.clear()
            try:
                outcome = await session.acquire()
            except (Unavailable, OSError) as error:
                missing = str(error)
            else:
                if isinstance(outcome, VerifiedPermit):
                    return outcome
                missing = _missing(outcome)
                if outcome.lapsed:
                    raise Refused(
                        "G45",
                        "expired",
                        got=f"a proposal that has lapsed: {missing}",
                        expected="the approvals that the terms ask for, in the time that they give",
                        todo="propose it anew: nothing that anybody says lets this one pass",
                    )
            if deadline is not None and loop.time() + wait_s > deadline:
                raise Refused(
                    "G44",
                    "held",
                    got=f"no decision within {timeout_s:.0f} s: {missing}",
                    expected="the approvals that the terms ask for",
                    todo="`detente hold list` shows what waits, `detente hold decide` decides",
                )
            await asyncio.sleep(ASK_LEAST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await news.wait()
            wait_s = min(wait_s * 1.5, ASK_MOST_S)


@contextlib.asynccontextmanager
async def _news_of(
    proposal: Digest | None, trust: IssuerTrust, channel: Channel
) -> AsyncIterator[asyncio.Event]:  # fmt: skip
    """An event that is set whenever an issuer says that a decision may have come. News only makes a guard ask at once."""
    news = asyncio.Event()
    issuers = sorted(set(all_issuers(trust).values())) if proposal is not None else []
    listeners = [asyncio.create_task(_listen(channel, issuer, proposal, news)) for issuer in issuers if proposal]
    try:
        yield news
    finally:
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


async def _listen(channel: Channel, issuer: Party, proposal: Digest, news: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(DetenteError, OSError):
            await channel.listen_decisions(issuer, proposal, news.set)
        await asyncio.sleep(ASK_MOST_S)


def signed_approval(
    proposal: Digest,
    decision: ApprovalDecision,
    *,
    reviewer: str,
    reviewer_key: Signer,
    speaker: Speaker,
    same_host: bool,
    significant: Significant,
    note: Digest | None = None,
    log: str | None = None,
) -> tuple[Digest, bytes]:
    """An ``approval`` in the organisation's name with the reviewer's own software signature inside; id and envelope."""
    said = Decision(
        proposal=proposal,
        decision=decision,
        reviewer=reviewer,
        significant=significant,
        same_host=same_host,
        note=note,
        log=log,
    )
    return file_signed(said, speaker, by_software(reviewer_key, speaker.accord))


def hold_point_notes(terms: Terms) -> tuple[str, ...]:
    """What the hold points of the terms ask, one line each, for people."""
    return tuple(
        f"{point.id}: {point.need.humans} human{'s' if point.need.humans != 1 else ''} of "
        f"{point.need.organisations} organisation{'s' if point.need.organisations != 1 else ''}"
        for point in terms.hold_points
    )


def _missing(denied: Denied) -> str:
    return "; ".join(dict.fromkeys(reason.text for reason in denied.reasons)) or ", ".join(denied.held_by)


def _proposer(given: Proposer) -> ProposedBy:
    kind, name = given
    if kind not in PROPOSER_KINDS:
        raise Misuse(f"got the proposer {kind!r}; expected one of {', '.join(PROPOSER_KINDS)}")
    return ProposedBy(kind, name)


def _touches(given: Iterable[str]) -> tuple[Touch, ...]:
    touches = tuple(given)
    if wrong := [touch for touch in touches if touch not in TOUCHES]:
        raise Misuse(f"got {wrong[0]!r}; expected some of {', '.join(TOUCHES)}")
    return touches  # type: ignore[return-value]


__all__ = [
    "Party",
    "Proposed",
    "Proposer",
    "await_decision",
    "digest_of",
    "hold_point_notes",
    "made_proposal",
    "made_version",
    "signed_approval",
]
