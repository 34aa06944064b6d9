"""What waits for whom: the proposals that an organisation's reviewers could still decide on.

Decides for whom a proposal waits, and how little is said of it. Leaves out whether it passes (``accord.holds``) and how people are told (``app.webhooks``,
``app.watching``). ``spec/review.md`` §6.

- It waits for an organisation if one of its reviewers, who has not decided yet, could help a hold point that keeps it: not the author's where the author is excluded,
  and only those whom the hold point accepts.
- It waits for whom it was escalated to while they owe an answer, or an approval of theirs is missing.
- What has lapsed waits for nobody: it must be proposed anew.
- Said are ids, the proposer, the hold points, since when, by when and to whom escalated: what stands in logs that every party reads. Summary, change and reasons are
  for who opens it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from detente.accord.change import Change, change_of
from detente.accord.escalation import Escalated
from detente.accord.fold import AccordState
from detente.accord.hold_showing import HoldTimes, times_at_holds, times_value
from detente.accord.holds import HoldAtWork, holds_at_work
from detente.accord.status import proposals_waiting, status
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant


@dataclass(frozen=True, slots=True)
class Waiting:
    """One proposal that waits for an organisation at these hold points, witnessed ``since``; None while it is only heard.

    ``times`` are those that run there, and to whom it was escalated.
    """

    proposal: Digest
    party: Party
    holds: tuple[str, ...]
    since: Instant | None
    times: tuple[HoldTimes, ...] = ()

    def as_json(self) -> dict[str, Any]:
        times = times_value(self.times)
        return {
            "proposal": self.proposal,
            "party": self.party,
            "hold_points": list(self.holds),
            "since": None if self.since is None else show_instant(self.since),
            "approve_by": times["approve_by"],
            "escalated": [{name: each[name] for name in each if name != "by"} for each in times["escalated"]],
        }

    def told(self, organisation: Party) -> set[str]:
        """What of it is news to an organisation, each by a name of its own: that it waits, and each time that it was escalated to them."""
        escalated = {f"{self.proposal} {each.hold} {each.since}" for each in _escalated_to(self.times, organisation)}
        return {str(self.proposal), *escalated}


def waiting_for(state: AccordState, at: Instant, organisation: Party | None = None) -> tuple[Waiting, ...]:
    """What waits for one organisation, or for anybody at all, the longest first."""
    terms = state.terms_at(at)
    since = status(state, at).in_force_since
    names = _reviewers(state, at)
    found = []
    for proposal, party, standing in proposals_waiting(state, at):
        change = change_of(state, proposal)
        item = state.get(proposal)
        if change is None or item is None:
            continue
        times = tuple(times_at_holds(state, terms, change, "version.train", at, in_force_since=since))
        if any(each.lapsed for each in times):
            continue
        if organisation is None:
            holds: tuple[str, ...] = standing.held_by
        else:
            owed = {each.hold for each in _escalated_to(times, organisation)}
            at_work = holds_at_work(state, terms, change, "version.train", at, in_force_since=since)
            holds = tuple(
                each.hold.id
                for each in at_work
                if each.hold.id in owed or _can_help(terms, change, each, organisation, names)
            )
        if holds:
            witnessed = item.time if item.time is not None and item.time <= at else None
            found.append(Waiting(proposal, party, holds, witnessed, times))
    return tuple(sorted(found, key=lambda each: (2**62 if each.since is None else each.since, each.proposal)))


def times_of(state: AccordState, proposal: Digest, at: Instant) -> dict[str, Any]:
    """The times that run for a proposal at the hold points that it meets, together, as JSON."""
    change = change_of(state, proposal)
    since = status(state, at).in_force_since
    terms = state.terms_at(at)
    return times_value(
        () if change is None else times_at_holds(state, terms, change, "version.train", at, in_force_since=since)
    )


def lapsed_among(state: AccordState, proposals: Iterable[Digest], at: Instant) -> frozenset[Digest]:
    """Those of the proposals that have lapsed, and must be proposed anew."""
    if all(hold.decide_within_s is None for hold in state.terms_at(at).hold_points):
        return frozenset()
    return frozenset(each for each in proposals if times_of(state, each, at)["lapsed_at"] is not None)


def _escalated_to(times: Iterable[HoldTimes], organisation: Party) -> list[Escalated]:
    """The escalations that the organisation has not answered."""
    found = [each.escalated for each in times if each.escalated is not None]
    return [each for each in found if organisation in each.to and each.state != "answered"]


def _reviewers(state: AccordState, at: int) -> dict[Party, set[str]]:
    names: dict[Party, set[str]] = {
        party: {name for name, _ in found} for party, found in state.book.reviewers(at).items()
    }
    for party, known in state.book.credentials.at(at):
        names.setdefault(party, set()).add(known.credential.reviewer)
    return names


def _can_help(
    terms: Terms, change: Change, held: HoldAtWork, organisation: Party, names: dict[Party, set[str]]
) -> bool:
    need, lacking = held.hold.need, held.lacking
    asked = bool(lacking.humans or lacking.organisations) and (not need.by or terms.among(organisation, need.by))
    if not (asked or organisation in lacking.escalated_to):
        return False
    if need.author_excluded and organisation in change.authors:
        return False
    given = (*lacking.given, *lacking.answered, *(() if asked else lacking.escalated))
    left = names.get(organisation, set()) - {name for party, name in given if party == organisation}
    return bool(left - ({change.proposed_by.id} if need.author_excluded else set()))
