"""Calling a pause and lifting it: one party's vote, for one trigger and one round, until one instant.

Decides which trigger and round a vote is for when its caller does not say. Leaves out whether votes suffice (``accord``).

The reason that a voter gives is for people and is kept beside the home's other files, erasable; no log carries it. A
round is the number of earlier lifts, so a vote for a pause that is lifted is a vote about nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from detente.accord.terms import Terms
from detente.app.door import Door
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.base.identity import Party, parse_party
from detente.base.instant import Instant, show_instant
from detente.statement.vote import Vote, VoteChoice

REASONS = "reasons.jsonl"
REASON_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A vote as it was filed."""

    statement: Digest
    choice: VoteChoice
    trigger: str
    round: int
    scope: str
    party: Party
    expires_at: Instant
    witnessed: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "statement": self.statement,
            "choice": self.choice,
            "trigger": self.trigger,
            "round": self.round,
            "scope": self.scope,
            "party": self.party,
            "expires_at": show_instant(self.expires_at),
            "witnessed": self.witnessed,
        }


async def cast_vote(
    door: Door,
    choice: Literal["pause", "lift"],
    *,
    trigger: str | None,
    party: str | None,
    scope: str | None,
    expires_s: int,
    reason: str,
) -> Cast:
    """Sign and file one vote; raises ``Misuse`` where the caller must say more, and whatever the node refuses."""
    if len(reason) > REASON_MAX:
        raise Misuse(f"a reason of {len(reason)} characters; at most {REASON_MAX}")
    status = await door.status()
    speaker = door.speaker(party)
    chosen = trigger or only_trigger(door.terms, status, choice)
    if door.terms.trigger(chosen) is None:
        raise Misuse(f"got the trigger {chosen!r}; the terms have: {', '.join(t.id for t in door.terms.triggers)}")
    vote = Vote(
        choice=choice,
        trigger=chosen,
        round=round_of(status, chosen, choice),
        scope=scope_of(status, chosen, scope),
        expires_at=Instant(speaker.wall() + expires_s),
    )
    made, envelope = speaker.state("vote", vote)
    receipt = await door.submit(envelope)
    if reason:
        _keep_reason(door.config.home, made, reason)
    return Cast(
        statement=made,
        choice=choice,
        trigger=chosen,
        round=vote.round,
        scope=vote.scope,
        party=speaker.party,
        expires_at=vote.expires_at,
        witnessed=receipt.witnessed,
    )


def only_trigger(terms: Terms, status: Mapping[str, Any], choice: str) -> str:
    """The trigger that is meant when none is named: the one that is latched, or the only one that votes can call."""
    if choice == "lift":
        names = sorted({str(pause["trigger"]) for pause in _latched(status)})
        asked = "lift which? name one with --trigger"
    else:
        names = [trigger.id for trigger in terms.triggers if "votes" in str(trigger.when).lower()]
        asked = "pause by which? name one with --trigger"
    if len(names) != 1:
        raise Misuse(f"{asked}: {', '.join(names) or 'none is latched'}")
    return names[0]


def round_of(status: Mapping[str, Any], trigger: str, choice: str) -> int:
    """The round that a vote on ``trigger`` is for: the one that is latched, else the number of earlier lifts."""
    latched = [int(pause["round"]) for pause in _latched(status) if pause["trigger"] == trigger]
    if latched:
        return max(latched)
    if choice == "lift":
        raise Misuse(f"{trigger} has not latched: there is nothing to lift")
    return 1 + max((int(each["round"]) for each in status.get("ended", ()) if each["trigger"] == trigger), default=-1)


def scope_of(status: Mapping[str, Any], trigger: str, given: str | None) -> Party:
    """``all`` or one party: as given, else that of the pause which is latched, else all."""
    if given is not None:
        return Party("all") if given == "all" else parse_party(given)
    scopes = sorted({str(pause["scope"]) for pause in _latched(status) if pause["trigger"] == trigger})
    if len(scopes) > 1:
        raise Misuse(f"{trigger} has latched for {', '.join(scopes)}: name one with --scope")
    return Party(scopes[0] if scopes else "all")


def _latched(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*status.get("pauses", ()), *status.get("slowdowns", ())]


def _keep_reason(home: Path, statement: Digest, reason: str) -> None:
    with (home / REASONS).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"statement": statement, "reason": reason}) + "\n")
