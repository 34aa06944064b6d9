"""What waits for whom: the proposals that an organisation's reviewers could still decide on.

Decides for whom a proposal waits, and how little is said of it. Leaves out whether it passes (``accord.holds``) and how people are told (``app.webhooks``,
``app.watching``). ``spec/review.md`` §6.

- It waits for an organisation if one of its reviewers, who has not decided yet, could help a hold point that keeps it: not the author's where the author is excluded,
  and only those whom the hold point accepts.
- Said are ids, the proposer, the hold points and since when: what stands in logs that every party reads. Summary, change and reasons are for who opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detente.accord.fold import AccordState
from detente.accord.holds import Change, HoldAtWork, change_of, holds_at_work
from detente.accord.status import proposals_waiting, status
from detente.accord.terms import Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant


@dataclass(frozen=True, slots=True)
class Waiting:
    """One proposal that waits for an organisation at these hold points, witnessed ``since``; None while it is only heard."""

    proposal: Digest
    party: Party
    holds: tuple[str, ...]
    since: Instant | None

    def as_json(self) -> dict[str, Any]:
        return {
            "proposal": self.proposal,
            "party": self.party,
            "hold_points": list(self.holds),
            "since": None if self.since is None else show_instant(self.since),
        }


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
        if organisation is None:
            holds: tuple[str, ...] = standing.held_by
        else:
            at_work = holds_at_work(state, terms, change, "version.train", at, in_force_since=since)
            holds = tuple(each.hold.id for each in at_work if _can_help(terms, change, each, organisation, names))
        if holds:
            witnessed = item.time if item.time is not None and item.time <= at else None
            found.append(Waiting(proposal, party, holds, witnessed))
    return tuple(sorted(found, key=lambda each: (2**62 if each.since is None else each.since, each.proposal)))


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
    if not (lacking.humans or lacking.organisations) or (need.by and not terms.among(organisation, need.by)):
        return False
    if need.author_excluded and organisation in change.authors:
        return False
    left = names.get(organisation, set()) - {name for party, name in lacking.given if party == organisation}
    return bool(left - ({change.proposed_by.id} if need.author_excluded else set()))
