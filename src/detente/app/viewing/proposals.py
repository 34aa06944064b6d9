"""Changes that wait for people: the queue, and one proposal with everything a decision needs.

Decides what a reviewer is shown, and in which order. Leaves out whether decisions suffice (``accord.holds``) and the bytes of the change
(``changes``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from detente.accord.change import change_of
from detente.accord.explaining.aloud import hold_asks, say
from detente.accord.hold_showing import said_on, times_at_holds
from detente.accord.holds import holds_at_work, matching_holds
from detente.accord.records import Item
from detente.accord.standing import Standing
from detente.accord.status import change_standing
from detente.app.viewing.changes import bytes_of, change_value, fetch_change
from detente.app.viewing.held import held_proposals
from detente.app.viewing.lineage import (
    depths,
    line_behind,
    measured_of,
    proposed_by,
    version_row,
    versions_of,
)
from detente.app.viewing.overview import heading
from detente.app.viewing.sight import Sight, Value, when
from detente.app.waiting import times_of
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.quantity import show_decimal
from detente.statement.proposal import Proposal
from detente.statement.run import Run
from detente.statement.version import Version

QUEUE_MAX: Final = 512
"""Proposals that a queue lists, those that wait longest first; the number of all is said."""
PASSED_MAX: Final = 24
"""Proposals listed that passed, and that lapsed, the newest first."""


def view_proposals(sight: Sight) -> Value:
    """What waits at hold points, longest first, what lapsed, and what lately passed."""
    return sight.keep("proposals", lambda: _queue(sight))


def _queue(sight: Sight) -> Value:
    waiting, lapsed = held_proposals(sight)
    held = {proposal for proposal, _, _ in (*waiting, *lapsed)}
    passed = [
        {**_row(sight, item), "party": item.party}
        for item in reversed(sight.state.index.get(("proposal",), [])[-QUEUE_MAX:])
        if item.id not in held
    ]
    value = {
        **heading(sight),
        "proposals": [_row_of_held(sight, *each) for each in waiting[:QUEUE_MAX]],
        "left_out": max(0, len(waiting) - QUEUE_MAX),
        "lapsed": [_row_of_held(sight, *each) for each in lapsed[:PASSED_MAX]],
        "lapsed_left_out": max(0, len(lapsed) - PASSED_MAX),
        "passed": passed[:PASSED_MAX],
    }
    return sight.with_entries(value)


def _row_of_held(sight: Sight, proposal: Digest, party: Party, standing: Standing) -> Value:
    row = _row(sight, sight.find(proposal, "proposal"))
    times = times_of(sight.state, proposal, sight.at)
    return {**row, "party": party, "standing": standing.as_json(), "times": times}


def _row(sight: Sight, item: Item) -> Value:
    body = item.body
    assert isinstance(body, Proposal), "found under its kind"
    return {
        "proposal": item.id,
        "summary": body.summary,
        "proposed_by": proposed_by(body.proposed_by),
        "touches": list(body.touches),
        "asked_flop": show_decimal(body.asked_flop),
        "witnessed_at": when(item.time),
        "waiting_s": None if item.time is None else max(0, sight.at - item.time),
    }


def view_proposal(sight: Sight, proposal: Digest) -> Value:
    """One proposal: who and what proposed it, the chain behind it, its effect as far as measured, what it needs and lacks."""
    item = sight.find(proposal, "proposal")
    body = item.body
    assert isinstance(body, Proposal), "found under its kind"
    successors = list(_successors(sight, proposal))
    parent = None if body.parent is None else version_row(sight, body.parent)
    standing = change_standing(sight.state, proposal, sight.at)
    data = bytes_of(sight, body.change)
    value: Value = {
        **heading(sight),
        **_row(sight, item),
        "party": item.party,
        "change": {"digest": body.change, **data.as_json()},
        "parent": body.parent,
        "for_run": None if body.run is None else {"run": body.run},
        "standing": standing.as_json(),
        "times": times_of(sight.state, proposal, sight.at),
        "holds": list(_holds(sight, proposal)),
        "decisions": list(_decisions(sight, proposal)),
        "passkeys": list(_passkeys(sight)),
        "line": line_behind(sight, body.parent),
        "depths": None if body.parent is None else depths(sight, body.parent),
        "effect": {
            "parent": None if parent is None else {**parent, "measured": measured_of(sight, parent["version"])},
            "successors": [{**row, "measured": measured_of(sight, row["version"])} for row in successors],
        },
    }
    return sight.with_entries(value)


def _successors(sight: Sight, proposal: Digest) -> Iterator[Value]:
    """The versions that say they came of the proposal, or whose run does."""
    for version, items in versions_of(sight).items():
        for item in items:
            body = item.body
            assert isinstance(body, Version), "found under its kind"
            run = None if body.run is None else sight.state.get(body.run)
            of_run = run.body.proposal if run is not None and isinstance(run.body, Run) else None
            if proposal in {body.proposal, of_run}:
                yield version_row(sight, version)
                break


def _holds(sight: Sight, proposal: Digest) -> Iterator[Value]:
    """Each hold point that the change meets: what it asks in words, and what is lacking."""
    change = change_of(sight.state, proposal)
    if change is None:
        return
    since = sight.now.in_force_since
    at_work = {
        each.hold.id: each
        for each in holds_at_work(sight.state, sight.terms, change, "version.train", sight.at, in_force_since=since)
    }
    times = {
        each.hold: each.as_json()
        for each in times_at_holds(sight.state, sight.terms, change, "version.train", sight.at, in_force_since=since)
    }
    for hold, meets in matching_holds(sight.terms, change, "version.train"):
        lacking = at_work.get(hold.id)
        given = lacking.lacking.given if lacking is not None else ()
        yield {
            "hold": hold.id,
            "when": say(hold.when),
            "certain": meets is True,
            "asks": hold_asks(hold),
            "times": times.get(hold.id),
            "humans": hold.need.humans,
            "given": [{"organisation": organisation, "reviewer": reviewer} for organisation, reviewer in given],
            "lacks": "" if lacking is None else lacking.lacking.spelled(),
        }


def _decisions(sight: Sight, proposal: Digest) -> Iterator[Value]:
    """Every decision on the proposal, the latest last, with the label of its authenticator."""
    for each in said_on(sight.state, proposal, sight.terms, sight.at):
        yield each.as_json()


def _passkeys(sight: Sight) -> Iterator[Value]:
    """The reviewers that have a passkey for this node's page, in force."""
    origin = sight.node.config.page_origin
    seen: set[tuple[str, str]] = set()
    for ring in sight.now.keyrings:
        for each, _ in ring.credentials:
            if each.origin == origin and (ring.party, each.reviewer) not in seen:
                seen.add((ring.party, each.reviewer))
                yield {"organisation": ring.party, "reviewer": each.reviewer}


async def fetch_proposal_change(sight: Sight, proposal: Digest) -> None:
    """Have the bytes of the proposal's change at hand."""
    await fetch_change(sight, change_digest(sight, proposal), sight.find(proposal, "proposal").party)


def change_digest(sight: Sight, proposal: Digest) -> Digest:
    """The digest of what is proposed; raises ``Refused`` N61."""
    body = sight.find(proposal, "proposal").body
    assert isinstance(body, Proposal), "found under its kind"
    return body.change


def view_change(sight: Sight, proposal: Digest) -> Value:
    """The change itself, with every line; a page shows it folded."""
    digest = change_digest(sight, proposal)
    return {"proposal": proposal, "digest": digest, **change_value(bytes_of(sight, digest))}
