"""What reviewers said of a proposal, and which of their approvals count at an instant.

Decides each reviewer's latest word, from when and until when an approval counts, and whether it is by whom, with what and where a
hold point asks. Leaves out how many are needed (``lacking``) and that an assertion verifies (``statement.approval``). Normative text:
``spec/accord.md`` §7.2.

- Humans are distinct enrolled reviewers with distinct authenticator keys; each reviewer's latest decision counts. That a
  reviewer's key was enrolled and in force is decided in ``admission`` (F20).
- An approval counts once it has settled, and where the hold point says for how long, no longer than that after it was witnessed. Anything
  else a reviewer says takes their approval back at once.
- What its authenticator is worth is decided under the terms in effect (``authenticators``), and whether it was cloned
  (``cloning``). An approval is on the same host by its own word, or by that of the root keys about the credential.

>>> week = Counting(at=700, heard=False, settle_s=60, lasts_s=600)
>>> [week.counts(witnessed) for witnessed in (100, 101, 640, 641)]
[False, True, True, False]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from detente.accord.authenticators import device_at_least, device_of, label_of
from detente.accord.change import Change
from detente.accord.cloning import is_cloned
from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.accord.terms import HoldNeed, Terms
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant, show_instant
from detente.statement.approval import Approval
from detente.statement.credential import VerifiedCredential

Said: TypeAlias = tuple[Item, Approval]


@dataclass(frozen=True, slots=True)
class Counting:
    """Which approvals count at ``at``: those witnessed ``settle_s`` ago or earlier, and less than ``lasts_s`` ago (None: for good).

    With ``heard``, decisions that do not approve count on receipt.
    """

    at: int
    heard: bool
    settle_s: int
    lasts_s: int | None = None

    def counts(self, witnessed: int) -> bool:
        """Does an approval that was witnessed then count?"""
        return witnessed + self.settle_s <= self.at and not self.is_over(witnessed)

    def is_over(self, witnessed: int) -> bool:
        """Does an approval that was witnessed then count no more?"""
        return self.lasts_s is not None and self.at >= witnessed + self.lasts_s


@dataclass(frozen=True, slots=True)
class Word:
    """A reviewer's latest decision on a proposal, and whether it is an approval that counts; ``expired_at``: since when it does no more."""

    item: Item
    body: Approval
    approves: bool
    expired_at: int | None = None


def latest_words(state: AccordState, change: Change, counting: Counting) -> list[Word]:
    """Each reviewer's latest decision on the proposal.

    An approval that has not settled does not count yet and takes nothing back; one that expired counts no more, and brings no earlier
    word back. Any other decision counts at once. An approval by a cloned authenticator is none.
    """
    if change.proposal is None:
        return []
    latest: dict[tuple[Party, str], tuple[Item, Approval, int]] = {}
    for item, time in state.upto(("approval", change.proposal), counting.at, heard=counting.heard):
        body = item.body
        if isinstance(body, Approval) and (body.decision != "approve" or time + counting.settle_s <= counting.at):
            latest[(item.party, body.reviewer)] = (item, body, time)
    words = []
    for item, body, time in latest.values():
        over = body.decision == "approve" and counting.is_over(time)
        approves = body.decision == "approve" and not over
        if approves and is_cloned(state, item, counting.at, heard=counting.heard):
            approves = False
        words.append(Word(item, body, approves, time + (counting.lasts_s or 0) if over else None))
    return words


@dataclass(frozen=True, slots=True)
class Counted:
    """A reviewer whose approvals count for a need: who it is, by which key, by which statements, the earliest witnessed ``since``."""

    party: Party
    reviewer: str
    key: PublicKey
    cited: tuple[Digest, ...]
    since: int

    @property
    def human(self) -> Party:
        """The reviewer as one who can be told apart from others."""
        return Party(f"{self.party}/{self.reviewer}")


def count_approvals(
    state: AccordState, terms: Terms, change: Change, need: HoldNeed, counting: Counting
) -> tuple[list[Counted], list[str]]:  # fmt: skip
    """The reviewers whose approvals count, and why others' do not.

    1. Never the author; only significant oversight where it is asked for.
    2. Only approvals by whom the need accepts, with its kind of authenticator and host.
    """
    counted: list[Counted] = []
    aside: list[str] = []
    for word in latest_words(state, change, counting):
        item, body = word.item, word.body
        if not may_decide(terms, need, change, item, body):  # 1
            continue
        who = f"{item.party}/{body.reviewer}"
        if word.expired_at is not None:
            aside.append(f"{who}: approval expired at {show_instant(Instant(word.expired_at))}")
        if not word.approves:
            continue
        mine = _since_refusal(state, change, (item, body), counting) if need.confirmed else [(item, body)]
        fitting = _fitting(state, need, terms, mine, counting.at)  # 2
        if isinstance(fitting, str):
            aside += [f"{who} {fitting}"] if fitting else []
            continue
        since = min(counting.at if each.time is None else each.time for each, _ in mine)
        counted.append(Counted(item.party, body.reviewer, fitting, tuple(each.id for each, _ in mine), since))
    return counted, aside


@dataclass(frozen=True, slots=True)
class Half:
    """A reviewer of whom one approval of the two that confirm each other counts, and where it was made.

    ``by_device``: it is by the kind of authenticator that is asked for, so that the other may be by any.
    """

    party: Party
    reviewer: str
    where: Literal["page", "terminal"]
    by_device: bool


def halves_of(
    state: AccordState, terms: Terms, change: Change, need: HoldNeed, counting: Counting
) -> list[Half]:  # fmt: skip
    """The reviewers who have approved on a page alone, or in a terminal alone, as the need asks but for its confirmation."""
    found = []
    for word in latest_words(state, change, counting):
        item, body = word.item, word.body
        if not word.approves:
            continue
        mine = _since_refusal(state, change, (item, body), counting)
        kinds = {each.assertion.type == "webauthn" for _, each in mine if each.assertion is not None}
        one = replace(need, confirmed=False, device="software")
        if len(kinds) == 1 and not isinstance(_fitting(state, one, terms, mine, counting.at), str):
            asked = _fitting(state, replace(need, confirmed=False), terms, mine, counting.at)
            where: Literal["page", "terminal"] = "page" if kinds == {True} else "terminal"
            found.append(Half(item.party, body.reviewer, where, not isinstance(asked, str)))
    return found


def may_decide(terms: Terms, need: HoldNeed, change: Change, item: Item, body: Approval) -> bool:
    """Is the decision by a reviewer whom the need accepts, whatever they used?"""
    if need.author_excluded and change.is_by(item, body):
        return False
    return not need.by or terms.among(item.party, need.by)


def decided_otherwise(
    state: AccordState, terms: Terms, change: Change, need: HoldNeed, counting: Counting
) -> Iterator[tuple[Item, Approval, int]]:  # fmt: skip
    """Every decision that does not approve, by a reviewer whom the need accepts, with when it counts from."""
    for item, time in state.upto(("approval", change.proposal or ""), counting.at, heard=counting.heard):
        body = item.body
        if isinstance(body, Approval) and body.decision != "approve" and may_decide(terms, need, change, item, body):
            yield item, body, time


def credential_of(state: AccordState, item: Item, body: Approval, at: int) -> VerifiedCredential | None:
    """The passkey or security key that made an approval, as it was enrolled then; None for a software key."""
    if body.assertion is None or body.assertion.type == "software":
        return None
    return state.book.credentials.known(body.assertion.key, at if item.time is None else item.time)


def is_same_host(body: Approval, known: VerifiedCredential | None) -> bool:
    """Was it decided on a host that the guarded party's agents can write?"""
    return body.same_host or (known is not None and known.credential.same_host)


def _fitting(
    state: AccordState, need: HoldNeed, terms: Terms, mine: Sequence[Said], at: int
) -> PublicKey | str:  # fmt: skip
    """The key by which one reviewer's approvals count together, or why they do not; empty where nobody asked for them.

    Each is on the host and as significant as the need asks. One is by its kind of authenticator. Where it
    asks for confirmation, one was made on a page and one in a terminal.
    """
    known = [(credential_of(state, item, body, at), body) for item, body in mine]
    if not known or (need.significant and any(body.significant != "yes" for _, body in known)):
        return ""
    if need.same_host == "refuse" and any(is_same_host(body, each) for each, body in known):
        return "decided on the same host"
    strong = [body for each, body in known if device_at_least(device_of(each, terms.authenticators), need.device)]
    if not strong or strong[0].assertion is None:
        return f"used: {label_of(known[-1][0], terms.authenticators)}"
    kinds = {body.assertion.type for _, body in known if body.assertion is not None}
    if need.confirmed and ("webauthn" not in kinds or kinds == {"webauthn"}):
        return "approved, and not both on a page and in a terminal"
    return strong[0].assertion.key


def _since_refusal(state: AccordState, change: Change, last: Said, counting: Counting) -> list[Said]:
    """Every approval of one reviewer that counts and that they did not take back, by distinct authenticators."""
    found: dict[PublicKey, Said] = {}
    for item, time in state.upto(("approval", change.proposal or ""), counting.at, heard=counting.heard):
        body = item.body
        if not isinstance(body, Approval) or (item.party, body.reviewer) != (last[0].party, last[1].reviewer):
            continue
        if body.decision != "approve":
            found.clear()
        elif (
            body.assertion is not None
            and counting.counts(time)
            and not is_cloned(state, item, counting.at, heard=counting.heard)
        ):
            found[body.assertion.key] = (item, body)
    return list(found.values())
