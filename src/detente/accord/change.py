"""What a hold point is asked about: who proposed a change, what it touches, and the proposal that was put to humans.

Decides which proposal stands behind a change, and that a version is what its proposal put. Leaves out what reviewers said of it
(``approvals``) and what holds it (``holds``). Normative text: ``spec/accord.md`` §7.2.

- The author is the party that proposed the change, with all its reviewers, and whoever the proposal says proposed it.
- A version is judged by the proposal that it names, or that of its run, if it is what was put to humans.
"""

from __future__ import annotations

from dataclasses import dataclass

from detente.accord.conditions import Atom, Proposer, Touches, Truth
from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.statement.approval import Approval
from detente.statement.change import TOUCHES, ProposedBy, Touch
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.version import Version

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
        return of_version(state, item, item.body)
    for stated in state.stated(change):
        if isinstance(stated.body, Version):
            return of_version(state, stated, stated.body)
    return None


def of_version(state: AccordState, item: Item, body: Version) -> Change:
    """The change that one statement of a version says it is."""
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
