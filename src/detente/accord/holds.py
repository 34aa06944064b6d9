"""Hold points: whether a change may pass, and what is missing.

Decides which approvals of a proposal count towards a hold point of the terms. Leaves out what an approval is and that its
assertion verifies (``statement.approval``). Normative text: ``spec/accord.md`` §7.2.

- Humans are distinct enrolled reviewers with distinct authenticator keys; each reviewer's latest decision counts. That a
  reviewer's key was enrolled and in force is decided in ``admission`` (F20).
- The author is the party that proposed the change, with all its reviewers, and whoever the proposal says proposed it.
- An approval counts once it has settled; anything else a reviewer says takes their approval back at once.
- What its authenticator is worth is decided under the terms in effect (``authenticators``), and whether it was cloned
  (``cloning``). An approval is on the same host by its own word, or by that of the root keys about the credential.
- Approvals of what was revealed as a seeded change count for nothing here; where a hold point asks for screened reviewers, they must be shown to
  catch enough (``screened``). How far a version was looked at does not hang on that.
- A hold point holds while its span lasts. Whether humans really looked asks about every hold point, whatever the date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from detente.accord.authenticators import Device, Label, device_at_least, device_of, label_of
from detente.accord.cloning import is_cloned
from detente.accord.conditions import Atom, Proposer, Touches, Truth, evaluate
from detente.accord.fold import AccordState
from detente.accord.reason import Reason
from detente.accord.records import Item
from detente.accord.screened import lacking_minimum, reveal_of
from detente.accord.standing import Standing
from detente.accord.terms import HoldNeed, HoldPoint, Terms
from detente.base.digest import Digest
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant, show_instant
from detente.statement.approval import Approval
from detente.statement.change import TOUCHES, ProposedBy, Touch
from detente.statement.credential import VerifiedCredential
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.threshold import count_distinct
from detente.statement.version import Version

FREE = Standing("free", (), ())
ASIDE_MAX = 4
"""Approvals that are set aside by name in one line."""
EVERYTHING = frozenset(TOUCHES)
"""What a change that declares nothing it touches may have touched."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a hold point is asked about: who proposed it, what it touches, and the proposal that was put to humans.

    ``authors`` are the parties that stated the change and its proposal.
    """

    proposed_by: ProposedBy
    touches: frozenset[Touch]
    proposal: Digest | None
    cited: tuple[Digest, ...]
    authors: frozenset[Party]

    def is_by(self, item: Item, body: Approval) -> bool:
        """Is the approval its author's own?"""
        return item.party in self.authors or body.reviewer == self.proposed_by.id

    def value(self, atom: Atom, *, restricting: bool) -> Truth:  # noqa: ARG002 - one source only
        """The value of an atom of a hold point; what is not declared is unknown."""
        if isinstance(atom, Touches):
            return None if not self.touches else not self.touches.isdisjoint(atom.parts)
        if isinstance(atom, Proposer):
            return None if self.proposed_by.kind == "undeclared" else self.proposed_by.kind == atom.kind
        return None


def change_of(state: AccordState, change: Digest) -> Change | None:
    """The change behind a proposal (statement id), or a version (its digest or the id of its statement).

    A version that names no proposal is taken for the proposal of its run, if that has one.
    """
    item = state.get(change)
    if item is not None and isinstance(item.body, Proposal):
        return Change(item.body.proposed_by, frozenset(item.body.touches), item.id, (item.id,), frozenset({item.party}))
    if item is not None and isinstance(item.body, Version):
        return _of_version(state, item, item.body)
    for stated in state.stated(change):
        if isinstance(stated.body, Version):
            return _of_version(state, stated, stated.body)
    return None


def _of_version(state: AccordState, item: Item, body: Version) -> Change:
    proposal = body.proposal
    if proposal is None and body.run is not None:
        run = state.get(body.run)
        proposal = run.body.proposal if run is not None and isinstance(run.body, Run) else None
    proposed = None if proposal is None else state.get(proposal)
    if proposed is not None and not _is_what_was_put(proposed, item, body):
        proposal = None  # Humans looked at something else: for this change nobody was asked.
    return Change(body.proposed_by, frozenset(body.touches), proposal, (item.id,), frozenset({item.party}))


def _is_what_was_put(proposed: Item, item: Item, body: Version) -> bool:
    """Is the version what its proposal put to humans: the same party's, by the same kind of proposer, touching no more?

    Otherwise one approval of something small, or of another's, would pass whatever names it.
    """
    asked = proposed.body
    return (
        isinstance(asked, Proposal)
        and proposed.party == item.party
        and asked.proposed_by.kind == body.proposed_by.kind
        and (frozenset(body.touches) or EVERYTHING) <= (frozenset(asked.touches) or EVERYTHING)
        and (asked.parent is None or not body.parents or asked.parent in body.parents)
    )


def matching_holds(terms: Terms, change: Change, on: str) -> Iterator[tuple[HoldPoint, Truth]]:
    """The hold points that the change meets, whatever their span: true, or unknown where unknown holds."""
    for hold in terms.hold_points:
        if hold.on == on:
            meets = evaluate(hold.when, change)
            if meets is True or (meets is None and hold.unknown == "holds"):
                yield hold, meets


@dataclass(frozen=True, slots=True)
class HoldAtWork:
    """A hold point that a change has not passed, and what it lacks. ``meets`` None is unknown."""

    hold: HoldPoint
    meets: Truth
    lacking: Lacking
    why: Reason


def holds_at_work(
    state: AccordState, terms: Terms, change: Change, on: str, at: int, *, in_force_since: int | None
) -> Iterator[HoldAtWork]:  # fmt: skip
    """Each hold point that keeps the change, whose span it is, in the order of the terms."""
    matching = (
        (hold, meets) for hold, meets in matching_holds(terms, change, on) if hold.span.applies(at, in_force_since)
    )
    return _at_work(state, terms, change, at, matching, heard=True, screened=True)


def hold_standing(
    state: AccordState, terms: Terms, change: Change, on: str, at: int, *, in_force_since: int | None
) -> Standing:  # fmt: skip
    """Free, or held with what each hold point lacks whose span it is."""
    return _standing(holds_at_work(state, terms, change, on, at, in_force_since=in_force_since))


def _at_work(
    state: AccordState,
    terms: Terms,
    change: Change,
    at: int,
    matching: Iterable[tuple[HoldPoint, Truth]],
    *,
    heard: bool,
    screened: bool,
) -> Iterator[HoldAtWork]:
    """With ``screened``, a hold point may also lack reviewers who catch enough."""
    for hold, meets in matching:
        lacking = _lacking(state, hold.need, terms, change, at, heard=heard)
        shown = lacking_minimum(state, terms, at, hold.need.by) if screened and hold.need.screened else None
        if shown is not None and not lacking.unmeetable:
            lacking = replace(lacking, unmeetable=shown.text, cited=(*lacking.cited, *shown.cites))
        if lacking:
            why = "" if meets else " (what it changes or who proposed it is not declared, and unknown holds)"
            reason = Reason(f"{hold.id} lacks {lacking.spelled()}{why}", (*change.cited, *lacking.cited))
            yield HoldAtWork(hold, meets, lacking, reason)


def _standing(at_work: Iterable[HoldAtWork]) -> Standing:
    found = tuple(at_work)
    if not found:
        return FREE
    return Standing("held", tuple(each.hold.id for each in found), tuple(each.why for each in found))


def standing_approvals(
    state: AccordState, change: Change, at: int, settle_s: int, *, heard: bool
) -> list[tuple[Item, Approval, bool]]:  # fmt: skip
    """Each reviewer's latest decision on the proposal, and whether it is an approval that counts.

    An approval that has not settled does not count yet and takes nothing back; any other decision counts at once, with
    ``heard`` on receipt. An approval by a cloned authenticator is none.
    """
    if change.proposal is None:
        return []
    latest: dict[tuple[Party, str], tuple[Item, Approval]] = {}
    for item, time in state.upto(("approval", change.proposal), at, heard=heard):
        body = item.body
        if isinstance(body, Approval) and (body.decision != "approve" or time + settle_s <= at):
            latest[(item.party, body.reviewer)] = (item, body)
    said = ((item, body, body.decision == "approve") for item, body in latest.values())
    return [each for each in said if not (each[2] and is_cloned(state, each[0], at, heard=heard))]


def credential_of(state: AccordState, item: Item, body: Approval, at: int) -> VerifiedCredential | None:
    """The passkey or security key that made an approval, as it was enrolled then; None for a software key."""
    if body.assertion is None or body.assertion.type == "software":
        return None
    return state.book.credentials.known(body.assertion.key, at if item.time is None else item.time)


@dataclass(frozen=True, slots=True)
class SaidOnProposal:
    """One decision on a proposal as people and programs are shown it. ``counts``: it is the reviewer's latest, and no approval

    that still settles or was made by a cloned authenticator.
    """

    statement: Digest
    organisation: Party
    reviewer: str
    decision: str
    significant: str
    label: Label
    same_host: bool
    cloned: bool
    counts: bool
    witnessed_at: int | None

    def as_json(self) -> dict[str, Any]:
        """As a flat JSON object."""
        witnessed_at = None if self.witnessed_at is None else show_instant(Instant(self.witnessed_at))
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {"witnessed_at": witnessed_at}


def said_on(state: AccordState, proposal: Digest, terms: Terms, at: int) -> tuple[SaidOnProposal, ...]:
    """Every decision on the proposal, in fold order, with the label of its authenticator."""
    change = change_of(state, proposal)
    latest = [] if change is None else standing_approvals(state, change, at, terms.mirrors.settle_s, heard=True)
    counting = {item.id for item, _, _ in latest}
    found = []
    for item in state.index.get(("approval", proposal), ()):
        body = item.body
        if isinstance(body, Approval):
            known = credential_of(state, item, body, at)
            found.append(
                SaidOnProposal(
                    item.id, item.party, body.reviewer, body.decision, body.significant,
                    label_of(known, terms.authenticators), _is_same_host(body, known),
                    is_cloned(state, item, at, heard=True), item.id in counting, item.time,
                )
            )  # fmt: skip
    return tuple(found)


def _is_same_host(body: Approval, known: VerifiedCredential | None) -> bool:
    return body.same_host or (known is not None and known.credential.same_host)


@dataclass(frozen=True, slots=True)
class Lacking:
    """So many humans and organisations are missing at a hold point; ``given`` counted, by (organisation, reviewer).

    ``device`` is what they must decide with; ``aside`` says of approvals that do not count for it why.
    """

    humans: int
    organisations: int
    given: tuple[tuple[Party, str], ...] = ()
    cited: tuple[Digest, ...] = ()
    unmeetable: str = ""
    device: Device = "software"
    aside: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.humans or self.organisations or self.unmeetable)

    def spelled(self) -> str:
        """What is missing, in words.

        >>> Lacking(2, 1).spelled()
        '2 more human approvals and approvals of 1 more organisation(s)'
        """
        lacking = [self.unmeetable] if self.unmeetable else []
        if self.humans:
            kind = {"software": "", "passkey": " by a passkey or security key", "attested": " by an attested passkey"}
            lacking.append(f"{self.humans} more human approval{'s' if self.humans > 1 else ''}{kind[self.device]}")
        if self.organisations:
            lacking.append(f"approvals of {self.organisations} more organisation(s)")
        return " and ".join(lacking) + (f" ({'; '.join(self.aside)})" if self.aside else "")


def _lacking(
    state: AccordState, need: HoldNeed, terms: Terms, change: Change, at: int, *, heard: bool
) -> Lacking:  # fmt: skip
    """What is missing, and the approvals that counted.

    1. Only approvals by whom the hold point accepts, with its kind of authenticator and host.
    2. Never the author; only significant oversight where it is asked for.
    3. Distinct reviewers with distinct keys; distinct organisations.
    """
    if need.device == "attested" and not terms.authenticators:
        return Lacking(0, 0, unmeetable="an attested authenticator, and these terms name none that they believe")
    aside: list[str] = []
    humans: list[tuple[Party, PublicKey]] = []
    organisations: list[tuple[Party, PublicKey]] = []
    given: list[tuple[Party, str]] = []
    cited: list[Digest] = []
    for item, body, approves in standing_approvals(state, change, at, terms.mirrors.settle_s, heard=heard):
        if not approves or (need.author_excluded and change.is_by(item, body)):  # 2
            continue
        said = (item, body)
        mine = _since_refusal(state, change, said, terms, at, heard=heard) if need.confirmed else [said]
        fitting = _fitting(state, need, terms, mine, at)  # 1
        if isinstance(fitting, str):
            aside += [f"{item.party}/{body.reviewer} {fitting}"] if fitting else []
            continue
        humans.append((Party(f"{item.party}/{body.reviewer}"), fitting))
        organisations.append((item.party, fitting))
        given.append((item.party, body.reviewer))
        cited += [each.id for each, _ in mine]
    return Lacking(  # 3
        max(0, need.humans - count_distinct(humans)),
        max(0, need.organisations - count_distinct(organisations)),
        tuple(given),
        tuple(cited),
        device=need.device,
        aside=tuple(sorted(aside)[:ASIDE_MAX]),
    )


Said = tuple[Item, Approval]


def _fitting(
    state: AccordState, need: HoldNeed, terms: Terms, mine: Sequence[Said], at: int
) -> PublicKey | str:  # fmt: skip
    """The key by which one reviewer's approvals count together, or why they do not; empty where nobody asked for them.

    Each is by whom the need accepts, on its host and as significant as it asks. One is by its kind of authenticator. Where it
    asks for confirmation, one was made on a page and one in a terminal.
    """
    known = [(credential_of(state, item, body, at), body) for item, body in mine]
    party = mine[0][0].party
    if (need.by and not terms.among(party, need.by)) or (
        need.significant and any(b.significant != "yes" for _, b in known)
    ):
        return ""
    if need.same_host == "refuse" and any(_is_same_host(body, each) for each, body in known):
        return "decided on the same host"
    strong = [body for each, body in known if device_at_least(device_of(each, terms.authenticators), need.device)]
    if not strong or strong[0].assertion is None:
        return f"used: {label_of(known[-1][0], terms.authenticators)}"
    kinds = {body.assertion.type for _, body in known if body.assertion is not None}
    if need.confirmed and ("webauthn" not in kinds or kinds == {"webauthn"}):
        return "approved, and not both on a page and in a terminal"
    return strong[0].assertion.key


def _since_refusal(
    state: AccordState, change: Change, last: Said, terms: Terms, at: int, *, heard: bool
) -> list[Said]:  # fmt: skip
    """Every approval of one reviewer that counts and that they did not take back, by distinct authenticators."""
    found: dict[PublicKey, Said] = {}
    for item, time in state.upto(("approval", change.proposal or ""), at, heard=heard):
        body = item.body
        if not isinstance(body, Approval) or (item.party, body.reviewer) != (last[0].party, last[1].reviewer):
            continue
        if body.decision != "approve":
            found.clear()
        elif (
            body.assertion is not None
            and time + terms.mirrors.settle_s <= at
            and not is_cloned(state, item, at, heard=heard)
        ):
            found[body.assertion.key] = (item, body)
    return list(found.values())


def significant(state: AccordState, terms: Terms, item: Item, at: int, *, heard: bool) -> bool | None:
    """Was the version approved by a human who really looked? The ``significant`` of ``lineage.Depths``.

    True: an approval that says so, by somebody else than the author, and every hold point that the change meets is
    passed. False: a reviewer refused it or says they did not look. Otherwise unknown: an unrecorded approval is not
    a missing one. With ``heard``, a refusal counts on receipt.
    """
    if not isinstance(item.body, Version):
        return None
    change = _of_version(state, item, item.body)
    if reveal_of(state, change.proposal, at, heard=heard) is not None:
        return False  # Whoever carried it out all the same: no human approved it as what it is.
    matching = list(matching_holds(terms, change, "version.train"))
    on_purpose = any(not hold.need.author_excluded for hold, _ in matching)
    decisions = standing_approvals(state, change, at, terms.mirrors.settle_s, heard=heard)
    looked = [
        body
        for said, body, approves in decisions
        if approves and body.significant == "yes" and (on_purpose or not change.is_by(said, body))
    ]
    if looked and not any(_at_work(state, terms, change, at, matching, heard=heard, screened=False)):
        return True
    refused = any(not approves or body.significant == "no" for _, body, approves in decisions)
    return False if refused else None
