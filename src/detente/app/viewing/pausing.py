"""A pause as people follow it: what is latched, the roll-call of halts, how far a lift has come, and how either is called.

Decides the order of a roll-call: who has not stopped stands first. Leaves out whether votes suffice (``accord``) and casting one: a vote
is signed with a party's key, which no page has, so a page gives the command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from detente.accord.explaining.aloud import quorum, say
from detente.accord.quorum import seats_filled
from detente.accord.standing import Pause
from detente.accord.topics import vote_topic
from detente.accord.voters import list_callers, list_confirmers, list_lifters
from detente.app.viewing.overview import STATES, heading
from detente.app.viewing.sight import Sight, Value, when
from detente.statement.vote import Vote

ROLL_MAX: Final = 512
"""Runs of a roll-call, those that have not stopped first; how many more there are is said."""
_ORDER: Final = {"overdue": 0, "running": 1, "declared": 2, "confirmed": 3}


def view_pause(sight: Sight) -> Value:
    """Everything about pauses: in effect, past, and how one is called."""
    return sight.keep("pause", lambda: _pause(sight))


def _pause(sight: Sight) -> Value:
    now, terms = sight.now, sight.terms
    roll = sorted(now.halts, key=lambda each: (_ORDER[each.state], each.halt_by or 0, each.party, each.name))
    value: Value = {
        **heading(sight),
        "latched": [_latched(sight, each) for each in (*now.pauses, *now.slowdowns, *now.measures)],
        "roll": [each.as_json() for each in roll[:ROLL_MAX]],
        "roll_left_out": max(0, len(roll) - ROLL_MAX),
        "counts": {state: Counter(each.state for each in roll)[state] for state in STATES},
        "halt_within_s": terms.pause.halt_within_s,
        "activities": list(terms.pause.activities),
        "longest_s": terms.pause.longest_s,
        "ways": list(_ways(sight)),
        "lifters": list(list_lifters(terms)),
        "lift_asks": quorum(terms.lift.votes),
        "lift_when": None if terms.lift.when is None else say(terms.lift.when),
        "ended": [each.as_json() for each in reversed(now.ended[-32:])],
    }
    return sight.with_entries(value)


def _latched(sight: Sight, pause: Pause) -> Value:
    """One latched trigger with its lift, seat by seat."""
    terms = sight.terms
    filled = seats_filled(terms.lift.votes, pause.lift.voted, terms.parties)
    return {
        **pause.as_json(),
        "seats": [
            {"role": role, "filled": filled[role], "of": count} for role, count in terms.lift.votes.groups.items()
        ],
        "confirmers": list(list_confirmers(terms, pause.trigger)),
        "command": f"detente lift --trigger {pause.trigger}"
        + ("" if pause.scope == "all" else f" --scope {pause.scope}"),
    }


def _ways(sight: Sight) -> Iterator[Value]:
    """Each trigger: what sets it off, who may call it by a vote, whose votes stand, and the command."""
    for trigger in sight.terms.triggers:
        callers = list_callers(sight.terms, trigger.id)
        yield {
            "trigger": trigger.id,
            "then": trigger.then,
            "scope": trigger.scope,
            "when": say(trigger.when),
            "callers": list(callers),
            "votes": list(_votes(sight, trigger.id)) if callers else [],
            "command": f"detente pause --trigger {trigger.id}" if callers else None,
        }


def _votes(sight: Sight, trigger: str) -> Iterator[Value]:
    """Votes to pause or lift this trigger that have not expired, the newest first."""
    found = [
        {"statement": item.id, "by": item.party, "choice": item.body.choice, "round": item.body.round, "scope": item.body.scope,
         "witnessed_at": when(item.time), "expires_at": when(item.body.expires_at)}
        for scope in ("all", *sight.terms.parties)
        for item in sight.state.index.get(vote_topic(trigger, scope), ())
        if isinstance(item.body, Vote) and sight.at < item.body.expires_at
    ]  # fmt: skip
    yield from sorted(found, key=lambda each: each["witnessed_at"] or "", reverse=True)[:64]
