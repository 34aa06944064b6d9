"""A reviewer's own decisions and figures, out of the state and the notes kept here: what ``detente hold mine`` and ``GET /v1/reviewers/…`` show.

Decides how statements and notes become what is measured (``measure.review``). Leaves out who may see it (``app.review_notes``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.app.review_notes import ReviewNotes, decisions_of, note_of
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import show_instant
from detente.measure.review.decision import Decided
from detente.measure.review.figures import figures_of
from detente.measure.review.note import ReviewNote, note_as_json
from detente.statement.approval import Approval

RECORDED = (
    "in the log, for good: pseudonym, organisation, decision, proposal, whether it was said to be significant, and the authenticator's key",
    "in erasable storage of this node: your reason, and how long the proposal was open and active, how many files it has and how many were shown",
    "whoever holds this node's files can read them; no interface shows them to anybody but you",
    "`detente hold erase NOTE` erases one for good; the log then still verifies",
)
"""What is recorded about a reviewer, in the words of docs/guides/what-is-recorded.md."""

Find = Callable[[Digest], ReviewNote | None]


def decided_of(state: AccordState, item: Item, body: Approval, find: Find) -> Decided:
    """A decision as it is measured; what its note says only where it is kept here."""
    digest = note_of(item)
    note = None if digest is None else find(digest)
    proposal = state.get(body.proposal)
    return Decided(
        statement=item.id,
        proposal=body.proposal,
        reviewer=(item.party, body.reviewer),
        decision=body.decision,
        at_s=item.time or 0,
        reading=None if note is None else note.reading,
        of_author=proposal is not None and proposal.party == item.party,
    )


def review_of(notes: ReviewNotes, state: AccordState, organisation: Party, reviewer: str) -> dict[str, Any]:
    """The reviewer's decisions, in the order in which they were witnessed, with their notes and figures."""
    everybody, shown = [], []
    for item in decisions_of(state):
        body = item.body
        if not isinstance(body, Approval) or item.time is None:
            continue
        own = (item.party, body.reviewer) == (organisation, reviewer)
        everybody.append(decided_of(state, item, body, notes.find if own else _nothing))
        if own:
            digest = note_of(item)
            found = None if digest is None else notes.find(digest)
            shown.append(
                {
                    "statement": item.id,
                    "proposal": body.proposal,
                    "decision": body.decision,
                    "significant": body.significant,
                    "witnessed_at": show_instant(item.time),
                    "note": digest,
                    "kept": None if found is None else note_as_json(found),
                }
            )
    return {
        "organisation": organisation,
        "reviewer": reviewer,
        "decisions": shown,
        "figures": figures_of(everybody, (organisation, reviewer)).as_json(),
        "recorded": list(RECORDED),
    }


def _nothing(_: Digest) -> ReviewNote | None:
    """Another's note is not looked at."""
    return None
