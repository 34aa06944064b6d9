"""A reviewer's own decisions, with what is kept of each: what ``detente hold mine`` and ``GET /v1/reviewers/…`` show.

Decides how statements and notes become what a reviewer sees. Leaves out who may see it (``app.review_notes``).
"""

from __future__ import annotations

from typing import Any

from detente.accord.fold import AccordState
from detente.app.review_notes import ReviewNotes, decisions_of, note_of
from detente.base.identity import Party
from detente.base.instant import show_instant
from detente.measure.review.note import note_as_json
from detente.statement.approval import Approval

RECORDED = (
    "in the log, for good: pseudonym, organisation, decision, proposal, whether it was said to be significant, and the authenticator's key",
    "in erasable storage of this node: your reason, and how long the proposal was open and active, how many files it has and how many were shown",
    "whoever holds this node's files can read them; no interface shows them to anybody but you",
    "`detente hold erase NOTE` erases one for good; the log then still verifies",
)
"""What is recorded about a reviewer, in the words of docs/guides/what-is-recorded.md."""


def review_of(notes: ReviewNotes, state: AccordState, organisation: Party, reviewer: str) -> dict[str, Any]:
    """The reviewer's decisions, in the order in which they were witnessed, with their notes."""
    decisions = []
    for item in decisions_of(state, organisation, reviewer):
        body = item.body
        if isinstance(body, Approval) and item.time is not None:
            digest = note_of(item)
            found = None if digest is None else notes.find(digest)
            decisions.append(
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
        "decisions": decisions,
        "recorded": list(RECORDED),
    }
