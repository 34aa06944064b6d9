"""What is shown of a change at hold points: every decision with its label, and the times that run there.

Decides until when an approval counts and a change may pass, by when a proposal must be approved, and that it lapsed, as people and programs
are told. Leaves out what a permit is refused by (``holds``): nothing here is asked for one. Normative text: ``spec/accord.md`` §7.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from detente.accord.approvals import Counting, credential_of, is_same_host, latest_words
from detente.accord.authenticators import Label, label_of
from detente.accord.change import Change, change_of
from detente.accord.cloning import is_cloned
from detente.accord.escalation import Escalated, escalation_of, shown_at
from detente.accord.fold import AccordState
from detente.accord.holds import matching_holds
from detente.accord.lacking import deadline_of, lacking_at, lapse_of
from detente.accord.terms import HoldPoint, Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.approval import Approval

ENDS_MAX = 256
"""Ends of approvals that are looked at for the first at which a change passes no more."""


@dataclass(frozen=True, slots=True)
class SaidOnProposal:
    """One decision on a proposal as people and programs are shown it. ``counts``: it is the reviewer's latest, and no approval

    that still settles, has ``expired`` or was made by a cloned authenticator. ``until``: when an approval counts no more at any hold point
    that the change meets; None where it does not end.
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
    until: int | None = None
    expired: bool = False

    def as_json(self) -> dict[str, Any]:
        """As a flat JSON object."""
        at = {"witnessed_at": shown_at(self.witnessed_at), "until": shown_at(self.until)}
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | at


def said_on(state: AccordState, proposal: Digest, terms: Terms, at: int) -> tuple[SaidOnProposal, ...]:
    """Every decision on the proposal, in fold order, with the label of its authenticator."""
    change = change_of(state, proposal)
    now = Counting(at, heard=True, settle_s=terms.mirrors.settle_s)
    latest = [] if change is None else latest_words(state, change, now)
    standing = {word.item.id for word in latest}
    lasts_s = None if change is None else _longest(terms, change)
    found = []
    for item in state.index.get(("approval", proposal), ()):
        body = item.body
        if isinstance(body, Approval):
            known = credential_of(state, item, body, at)
            until = item.time + lasts_s if body.decision == "approve" and lasts_s and item.time is not None else None
            expired = until is not None and at >= until
            found.append(
                SaidOnProposal(
                    item.id, item.party, body.reviewer, body.decision, body.significant,
                    label_of(known, terms.authenticators), is_same_host(body, known),
                    is_cloned(state, item, at, heard=True), item.id in standing and not expired, item.time, until, expired,
                )
            )  # fmt: skip
    return tuple(found)


def _longest(terms: Terms, change: Change) -> int | None:
    """For how long an approval counts at some hold point that the change meets; None: for good, or at none."""
    lasts = [
        hold.approved_for_s for on in ("version.train", "version.deploy") for hold, _ in matching_holds(terms, change, on)
    ]  # fmt: skip
    known = [each for each in lasts if each is not None]
    return max(known) if known and len(known) == len(lasts) else None


@dataclass(frozen=True, slots=True)
class HoldTimes:
    """The times of one change at a hold point that has any.

    Passed, it stays so ``until`` then, if nobody says more; otherwise it must be approved by the ``deadline``, has ``lapsed`` or was
    ``escalated``.
    """

    hold: str
    until: int | None = None
    deadline: int | None = None
    lapsed: bool = False
    escalated: Escalated | None = None

    def as_json(self) -> dict[str, Any]:
        """As a flat JSON object."""
        return {
            "hold_point": self.hold,
            "approved_until": shown_at(self.until),
            "approve_by": shown_at(self.deadline),
            "lapsed": self.lapsed,
            "escalated": None if self.escalated is None else self.escalated.as_json(),
        }


def times_at_holds(
    state: AccordState, terms: Terms, change: Change, on: str, at: int, *, in_force_since: int | None
) -> Iterator[HoldTimes]:  # fmt: skip
    """The times at each hold point that the change meets, whose span it is and that has any, in the order of the terms."""
    for hold, _ in matching_holds(terms, change, on):
        timed = (hold.approved_for_s, hold.decide_within_s, hold.escalation)
        if timed == (None, None, None) or not hold.span.applies(at, in_force_since):
            continue
        if not lacking_at(state, terms, change, hold, at, heard=True):
            yield HoldTimes(hold.id, until=_passes_until(state, terms, change, hold, at))
            continue
        deadline = deadline_of(state, change, hold)
        if lapse_of(state, terms, change, hold, at) is not None:
            yield HoldTimes(hold.id, deadline=deadline, lapsed=True)
        else:
            open_until = deadline if deadline is not None and at <= deadline else None
            yield HoldTimes(hold.id, deadline=open_until, escalated=escalation_of(state, terms, change, hold, at))


def _passes_until(state: AccordState, terms: Terms, change: Change, hold: HoldPoint, at: int) -> int | None:
    """The first end of an approval at which too few are left, if nobody says more."""
    lasts_s = hold.approved_for_s
    if lasts_s is None:
        return None
    said = state.index.get(("approval", change.proposal or ""), ())
    ends = sorted({item.time + lasts_s for item in said if item.time is not None and item.time + lasts_s > at})
    return next((end for end in ends[:ENDS_MAX] if lacking_at(state, terms, change, hold, end, heard=True)), None)


def times_value(times: Iterable[HoldTimes]) -> dict[str, Any]:
    """The times of a change at all its hold points together, as JSON: the earliest of each, and every escalation."""
    found = tuple(times)
    lapsed = [each.deadline for each in found if each.lapsed and each.deadline is not None]
    by = [each.deadline for each in found if not each.lapsed and each.deadline is not None]
    until = [each.until for each in found if each.until is not None]
    return {
        "approved_until": shown_at(min(until, default=None)),
        "approve_by": shown_at(min(by, default=None)),
        "lapsed_at": shown_at(min(lapsed, default=None)),
        "escalated": [each.escalated.as_json() for each in found if each.escalated is not None],
    }
