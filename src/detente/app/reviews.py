"""A reviewer's own decisions and figures, out of the state and the notes kept here: what ``detente hold mine`` and ``GET /v1/reviewers/…`` show.

Decides how statements and notes become what is measured (``measure.review``). Leaves out who may see it (``app.review_notes``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any

from detente.accord.fold import AccordState
from detente.accord.records import Item
from detente.accord.screened import screened_at, seeds_at
from detente.accord.topics import seed_topic
from detente.app.review_notes import ReviewNotes, decisions_of, note_of
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant, show_instant
from detente.measure.review.attention import measure_each
from detente.measure.review.catch import Caught, show_outlook
from detente.measure.review.decision import Decided
from detente.measure.review.figures import figures_of
from detente.measure.review.note import ReviewNote, note_as_json
from detente.statement.approval import Approval
from detente.statement.proposal import Proposal

RECORDED = (
    "in the log, for good: pseudonym, organisation, decision, proposal, whether it was said to be significant, and the authenticator's key",
    "in erasable storage of this node: your reason, and how long the proposal was open and active, how many files it has and how many were shown",
    "whoever holds this node's files can read them; no interface shows them to anybody but you",
    "`detente hold erase NOTE` erases one for good; the log then still verifies",
)
"""What is recorded about a reviewer, in the words of docs/guides/what-is-recorded.md."""
USUAL: tuple[int, Decimal] = (10, Decimal("0.05"))
"""Decisions a week and the share of them that is seeded, for whoever reads figures under terms that say nothing of seeding."""
WEEK_S, WEEKS = 7 * 86_400, 52

Find = Callable[[Digest], ReviewNote | None]


def decided_of(state: AccordState, item: Item, body: Approval, find: Find, seeded: Collection[Digest]) -> Decided:
    """A decision as it is measured; what its note says only where it is kept here. ``seeded`` are decisions on seeds that count."""
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
        seed=item.id in seeded,
    )


def review_of(
    notes: ReviewNotes, state: AccordState, organisation: Party, reviewer: str, at: Instant
) -> dict[str, Any]:
    """The reviewer's decisions, in the order in which they were witnessed, with their notes and figures."""
    everybody: list[Decided] = []
    shown: list[dict[str, Any]] = []
    revealed = {item.id for seed in seeds_at(state, at) for item in seed.said}
    seeded = {item.id for seed in seeds_at(state, at) for item, _ in seed.words}
    for item in decisions_of(state):
        body = item.body
        if not isinstance(body, Approval) or item.time is None:
            continue
        own = (item.party, body.reviewer) == (organisation, reviewer)
        if item.id in seeded or item.id not in revealed:
            everybody.append(decided_of(state, item, body, notes.find if own else _nothing, seeded))
        if own:
            digest = note_of(item)
            found = None if digest is None else notes.find(digest)
            shown.append(
                {
                    "statement": item.id,
                    "proposal": body.proposal,
                    "decision": body.decision,
                    "significant": body.significant,
                    "seeded": item.id in revealed,
                    "witnessed_at": show_instant(item.time),
                    "note": digest,
                    "kept": None if found is None else note_as_json(found),
                }
            )
    own_decisions = [each for each in everybody if each.reviewer == (organisation, reviewer)]
    readings = measure_each(own_decisions)
    for each in shown:
        seen = readings.get(each["statement"])
        each["reading"] = None if seen is None else seen.as_json()
    return {
        "organisation": organisation,
        "reviewer": reviewer,
        "decisions": shown,
        "figures": figures_of(everybody, (organisation, reviewer)).as_json(),
        "outlook": outlook_of(state, at),
        "recorded": list(RECORDED),
    }


def outlook_of(state: AccordState, at: Instant) -> str:
    """How little a year of seeded changes shows, at the rate of the terms, or else at ``USUAL``: said wherever a catch rate stands."""
    rules = state.terms_at(at).screening
    a_week, rate = USUAL if rules is None else (rules.decisions * WEEK_S // rules.per_s, rules.rate)
    return show_outlook(a_week, rate, WEEKS)


def decisions_on(state: AccordState, change: Digest, at: Instant) -> dict[str, Any]:
    """Who put a change, what was decided on it, and whether it was revealed as a seeded one; as everybody may read it in the log."""
    proposals = []
    for item, _ in state.upto(("proposal",), at, heard=True):
        if isinstance(item.body, Proposal) and item.body.change == change:
            decisions = [
                {
                    "statement": said.id,
                    "organisation": said.party,
                    "reviewer": said.body.reviewer,
                    "decision": said.body.decision,
                    "witnessed_at": show_instant(Instant(time)),
                }
                for said, time in state.upto(("approval", item.id), at)
                if isinstance(said.body, Approval)
            ]
            proposals.append({"proposal": item.id, "party": item.party, "decisions": decisions})
    revealed = next((item.id for item, _ in state.upto(seed_topic(change), at, heard=True)), None)
    return {"change": change, "proposals": proposals, "revealed": revealed}


def screening_of(state: AccordState, at: Instant) -> dict[str, Any]:
    """What seeded changes have shown of all reviewers together, and what so few can show; of nobody by name."""
    terms = state.terms_at(at)
    found = screened_at(state, terms, at)
    caught = Caught(found.caught, found.decided)
    rules = terms.screening
    says = [caught.spelled()]
    if found.void:
        says.append(f"{found.void} revealed before anybody decided: void, and not counted")
    if found.open:
        says.append(f"{found.open} committed to and not revealed: whoever reveals chooses which")
    if rules is not None:
        says += [f"the terms: {rules.spelled()}", outlook_of(state, at)]
        if rules.minimum is not None:
            says.append(f"the terms ask that {rules.minimum.spelled()}")
    return {**found.as_json(), "catch_rate": caught.as_json(), "says": says}


def _nothing(_: Digest) -> ReviewNote | None:
    """Another's note is not looked at."""
    return None
