"""The approvals that are missing of a run or at a hold point: whose, with what, and how many.

Decides which reviewers could still give them. Leaves out whether that changes anything (``ways``) and what is missing (``lacking``).

- Where a hold point asks for confirmation, each reviewer approves on a page and, the same, in a terminal; of whom one of the two counts
  already, the other alone is missing.
- What was escalated needs one approval more, of those to whom it was; whoever counts for one does not count for the other.
- What has lapsed cannot be approved any more: no way is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from detente.accord.approvals import Counting, Half, halves_of
from detente.accord.authenticators import Device, device_at_least, device_of
from detente.accord.change import Change
from detente.accord.explaining.acts import hands
from detente.accord.explaining.aloud import joined, plural, verb
from detente.accord.explaining.constraint import Act, Hand, Means, Plan
from detente.accord.explaining.supposing import KINDS
from detente.accord.fold import AccordState
from detente.accord.holds import HoldAtWork
from detente.accord.terms import HoldNeed, Terms
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.approval import Approval

HALVES_MAX = 3
"""Reviewers of each kind of half who are tried together to be completed."""


def approval_act(state: AccordState, party: Party, what: Digest, at: int) -> Act:
    """Any reviewer of the party approves the run."""
    names = reviewers_with(state, at, "software").get(party, ())
    eligible = tuple(Hand(party, name) for name in names) if hands(state, (party,), at) else ()
    return Act("approval", eligible, 1, party, verb("approves", "the run"), _approval(what))


def reviewers_with(
    state: AccordState, at: int, device: Device, *, on_other_host: bool = False, means: Means = "any"
) -> dict[Party, list[str]]:
    """Each party's reviewers who have something of that kind that passes for the device; with ``on_other_host``, that decides there."""
    believed = state.terms_at(at).authenticators
    found: dict[Party, list[str]] = {}
    for party in state.terms_at(at).parties:
        fits = [known for owner, known in state.book.credentials.at(at)
                if owner == party and known.credential.type in KINDS[means] and device_at_least(device_of(known, believed), device)
                and not (on_other_host and known.credential.same_host)]  # fmt: skip
        names = [known.credential.reviewer for known in fits]
        if device == "software" and means != "page":
            names += [name for name, _ in state.book.reviewers(at).get(party, ())]
        if names:
            found[party] = sorted(set(names))
    return found


def _approval(what: Digest) -> Approval:
    return Approval(what, "approve", "", Party("nobody"), None, False, "yes")


def review_plans(state: AccordState, terms: Terms, change: Change, found: HoldAtWork, at: int) -> tuple[Plan, ...]:
    """The approvals that a hold point lacks: those that its reviewers could still give, with one of whom it was escalated to."""
    lacking = found.lacking
    if lacking.unmeetable or lacking.lapsed or change.proposal is None:
        return ()
    review = _Review(state, terms, change, found, at)
    ordinary: Sequence[Plan] = ((),)
    if lacking.humans or lacking.organisations:
        ordinary = tuple(review.ordinary())
    answers: Sequence[Plan] = tuple(review.answers()) if lacking.escalated_to else ((),)
    return tuple((*one, *other) for one in ordinary for other in answers if one or other)


@dataclass(frozen=True, slots=True)
class _Review:
    """What is asked of reviewers at one hold point."""

    state: AccordState
    terms: Terms
    change: Change
    found: HoldAtWork
    at: int

    @property
    def need(self) -> HoldNeed:
        return self.found.hold.need

    def ordinary(self) -> Iterator[Plan]:
        """What the need itself lacks: completed by halves, as far as there are some, and by reviewers who have said nothing yet."""
        lacking, given = self.found.lacking, {party for party, _ in self.found.lacking.given}
        if not self.need.confirmed or lacking.organisations > 1 or lacking.humans < 1:
            yield from self._fresh(lacking.humans, lacking.organisations)
            return
        new = given if lacking.organisations else set()
        halves = {
            where: [hand for hand in self._halves(where) if hand.party not in new] for where in ("page", "terminal")
        }
        most = min(lacking.humans, HALVES_MAX)
        for pages in range(min(most, len(halves["page"])) + 1):
            for terminals in range(min(most - pages, len(halves["terminal"])) + 1):
                acts = [self._completing("page", halves["page"], pages)] if pages else []
                acts += [self._completing("terminal", halves["terminal"], terminals)] if terminals else []
                left = lacking.humans - pages - terminals
                if not left:
                    yield tuple(acts)
                for rest in self._fresh(left, 0 if acts else lacking.organisations) if left else ():
                    yield (*acts, *rest)

    def answers(self) -> Iterator[Plan]:
        """One approval of whom it was escalated to."""
        to = self.found.lacking.escalated_to
        out = self.found.lacking.escalated
        able = tuple(hand for hand in self._able() if hand.party in to and (hand.party, hand.reviewer) not in out)
        if able:
            yield self._asked(Act("approval", able, 1, f"1 reviewer of {joined(to, 'or')}", self._does(), self._body()))
        for where in ("page", "terminal") if self.need.confirmed else ():
            half = [hand for hand in self._halves(where) if hand.party in to and (hand.party, hand.reviewer) not in out]
            if half:
                yield (self._completing(where, half, 1),)

    def _fresh(self, humans: int, apart_from: int) -> Iterator[Plan]:
        """So many new organisations first, then any reviewer who is left."""
        given = set(self.found.lacking.given)
        organisations = {party for party, _ in given}
        by = self.need.by
        free = [hand for hand in self._able() if not by or self.terms.among(hand.party, by)]
        spared = [hand for hand in free if hand.party not in self.found.lacking.escalated_to]
        free = spared if len(spared) >= max(humans, apart_from) else free
        new = tuple(hand for hand in free if hand.party not in organisations)
        apart = apart_from if given or apart_from > 1 else 0  # The first reviewer is of one by itself.
        rest = max(humans, apart_from) - apart
        if len(free) < apart + rest or len({hand.party for hand in new}) < apart_from:
            return
        acts: list[Act] = []
        if apart:
            of = " of other organisations" if given and apart > 1 else " of another organisation" if given else ""
            who = plural(apart, "reviewer") + of + (", each of another," if apart > 1 else "")
            acts += self._asked(Act("approval", new, apart, who, self._does(), self._body()))
        if rest:
            who = f"{rest} {'more ' if given or acts else ''}{'reviewer' if rest == 1 else 'reviewers'}"
            acts += self._asked(Act("approval", tuple(free), rest, who, self._does(), self._body(), apart=False))
        yield tuple(acts)

    def _able(self) -> list[Hand]:
        """Reviewers whom the hold point leaves and who have said nothing that counts, with what they need to decide."""
        need, other = self.need, self.need.same_host == "refuse"
        found = reviewers_with(self.state, self.at, need.device, on_other_host=other)
        if need.confirmed:
            pages = reviewers_with(self.state, self.at, "passkey", on_other_host=other, means="page")
            terminals = reviewers_with(self.state, self.at, "software", on_other_host=other, means="terminal")
            found = {
                party: [name for name in names if name in pages.get(party, ()) and name in terminals.get(party, ())]
                for party, names in found.items()
            }
        lacking = self.found.lacking
        spoken = {*lacking.given, *lacking.answered, *((half.party, half.reviewer) for half in self._all_halves())}
        return [
            Hand(party, name)
            for party, names in found.items()
            if not (need.author_excluded and party in self.change.authors) and hands(self.state, (party,), self.at)
            for name in names
            if (party, name) not in spoken and not (need.author_excluded and name == self.change.proposed_by.id)
        ]

    def _all_halves(self) -> list[Half]:
        settle_s, lasts_s = self.terms.mirrors.settle_s, self.found.hold.approved_for_s
        counting = Counting(self.found_at, True, settle_s, lasts_s)
        return halves_of(self.state, self.terms, self.change, self.need, counting) if self.need.confirmed else []

    @property
    def found_at(self) -> int:
        """The instant of asking: acts are supposed a second later."""
        return self.at - 1

    def _halves(self, where: Means) -> list[Hand]:
        """Reviewers of whom what they approved on a page, or in a terminal, counts, and who have what the other one takes."""
        other: Means = "terminal" if where == "page" else "page"
        lacking = self.found.lacking
        spoken = {*lacking.given, *lacking.answered}
        hosts = self.need.same_host == "refuse"
        hand = []
        for half in self._all_halves():
            device: Device = (
                self.need.device if not half.by_device else "software" if other == "terminal" else "passkey"
            )
            able = reviewers_with(self.state, self.at, device, on_other_host=hosts, means=other)
            if (
                half.where == where
                and (half.party, half.reviewer) not in spoken
                and half.reviewer in able.get(half.party, ())
            ):
                hand.append(Hand(half.party, half.reviewer))
        return hand

    def _completing(self, where: Means, halves: Sequence[Hand], count: int) -> Act:
        who = f"{plural(count, 'reviewer')} who approved {'on a page' if where == 'page' else 'in a terminal'}"
        does = (
            verb("confirms", "the proposal in a terminal")
            if where == "page"
            else verb("approves", "the proposal on a page")
        )
        means: Means = "terminal" if where == "page" else "page"
        return Act("approval", tuple(halves), count, who, does, self._body(), apart=False, means=means)

    def _does(self) -> tuple[str, str]:
        return verb("approves", "the proposal on a page" if self.need.confirmed else "the proposal")

    def _body(self) -> Approval:
        return _approval(self.change.proposal or Digest(""))

    def _asked(self, act: Act) -> Plan:
        """The act, and where confirmation is asked for, the same reviewers' in a terminal."""
        if not self.need.confirmed:
            return (act,)
        same = "the same reviewer" if act.count == 1 else "the same reviewers"
        confirms = verb("confirms", "it in a terminal")
        return (
            replace(act, means="page"),
            replace(act, who=same, does=confirms, means="terminal", again=True),
        )
