"""Calling a pause, lifting it, putting its end off, and taking back: one party's vote, for one trigger and one round, until one instant.

Decides which trigger, round and voter are meant when the caller does not say, and says what came of the vote. Leaves out
whether votes suffice (``accord``).

A home may hold the keys of several parties of one organisation. The voter is then the first of them whose vote the terms
count; a vote that the terms would not count is refused before it is signed, with who could cast it. Terms may have been
amended since the founding that this home pins: so the node is asked afterwards whether the vote has an effect.

A vote to renew puts off the lapse of a pause, or the sunset of the accord (then its trigger is ``accord``); a retraction takes
back a vote to lift before that takes effect, or a vote to renew the accord. What has latched, or can be renewed, is meant
where nothing is named.

The reason that a voter gives is for people and is kept beside the home's other files, erasable; no log carries it. A
round is the number of earlier lifts, so a vote for a pause that is lifted is a vote about nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.accord.terms import SUNSET, Terms
from detente.accord.voters import list_callers, list_confirmers, list_lifters, list_renewers
from detente.app.door import Door
from detente.app.petition import Speaker
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.base.identity import Party, parse_party
from detente.base.instant import Instant, parse_instant, show_instant
from detente.statement.vote import Vote, VoteChoice

REASONS = "reasons.jsonl"
REASON_MAX = 1_000
LATCH_LOOKS, LATCH_LOOK_S = 30, 0.1
"""At most three seconds: a clock that is further behind than that gains nothing by waiting."""


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
    without_effect: str
    """Why the node holds the vote to be without effect; empty when it counts."""
    stands: str
    """What it has come to: what is latched, or what is still missing."""

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
            "counts": not self.without_effect,
            "without_effect": self.without_effect,
            "stands": self.stands,
        }


async def cast_vote(
    door: Door,
    choice: VoteChoice,
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
    chosen = trigger or only_trigger(door.terms, status, choice)
    _known(door.terms, status, choice, chosen)
    voters = voters_of(door.terms, choice, chosen)
    amended = int(status["terms"]["version"]) != door.terms.version
    speaker = door.speaker(party if party or amended else choose_voter(door.voices(), voters, choice, chosen))
    # Who may lift may also vote to pause while it is latched: that cancels a lift of theirs which has not settled.
    withdraws = choice == "pause" and _is_latched(status, chosen) and speaker.party in list_lifters(door.terms)
    if speaker.party not in voters and not amended and not withdraws:
        raise Misuse(f"{speaker.party} has no vote to {choice} {chosen}: {_who_can(voters, door.terms, choice)}")
    if choice == "lift":
        await _after_latch(status, chosen, speaker)
    vote = Vote(
        choice=choice,
        trigger=chosen,
        round=_renewal(status, chosen)["round"] if chosen == SUNSET else round_of(status, chosen, choice),
        scope=Party("all") if chosen == SUNSET else scope_of(status, chosen, scope),
        expires_at=Instant(speaker.wall() + expires_s),
    )
    made, envelope = speaker.state("vote", vote)
    receipt = await door.submit(envelope)
    if reason:
        _keep_reason(door.config.home, made, reason)
    after = await door.status()
    return Cast(
        statement=made,
        choice=choice,
        trigger=chosen,
        round=vote.round,
        scope=vote.scope,
        party=speaker.party,
        expires_at=vote.expires_at,
        witnessed=receipt.witnessed,
        without_effect=note_on(after, made),
        stands=_standing(after, vote),
    )


def voters_of(terms: Terms, choice: str, trigger: str) -> tuple[Party, ...]:
    """Whose vote of that choice the terms count, in their order."""
    if trigger == SUNSET:
        return list_renewers(terms)
    if choice == "pause":
        return list_callers(terms, trigger)
    able = {*list_lifters(terms), *(list_confirmers(terms, trigger) if choice == "renew" else ())}
    return tuple(party for party in terms.parties if party in able)


def choose_voter(here: Sequence[Party], voters: Sequence[Party], choice: str, trigger: str) -> str:
    """The first party of this home whose vote counts; raises ``Misuse`` with who could vote when none of them may."""
    for party in here:
        if party in voters:
            return party
    named = ", ".join(voters) or "nobody: no vote calls it"
    raise Misuse(
        f"no party of this home ({', '.join(here) or 'it has no statement key'}) has a vote to {choice} {trigger}; "
        f"the terms give it to {named}: run this where its keys are"
    )


def note_on(status: Mapping[str, Any], statement: Digest) -> str:
    """Why the node holds this statement to be without effect; empty when it is not so."""
    notes = [note for note in status.get("notes", ()) if note["statement"] == statement]
    return "; ".join(f"{note['rule']}: {note['text']}" for note in notes)


def only_trigger(terms: Terms, status: Mapping[str, Any], choice: str) -> str:
    """The trigger that is meant when none is named: the one that is latched, or the only one by which votes call a pause."""
    if choice == "pause":
        called = [trigger for trigger in terms.triggers if list_callers(terms, trigger.id)]
        names = [trigger.id for trigger in called if trigger.then == "pause"] or [trigger.id for trigger in called]
        none = "no vote calls one"
    else:
        names = sorted({str(pause["trigger"]) for pause in _latched(status)})
        names += [SUNSET] if choice != "lift" and status["phase"]["renewal"] is not None else []
        none = "none is latched" if choice == "lift" else "none is latched, and the accord cannot be renewed"
    asked = f"{choice} {'by ' if choice == 'pause' else ''}which? name one with --trigger"
    if len(names) != 1:
        raise Misuse(f"{asked}: {', '.join(names) or none}")
    return names[0]


def round_of(status: Mapping[str, Any], trigger: str, choice: str) -> int:
    """The round that a vote on ``trigger`` is for: the one that is latched, else the number of earlier lifts."""
    latched = [int(pause["round"]) for pause in _latched(status) if pause["trigger"] == trigger]
    if latched:
        return max(latched)
    if choice != "pause":
        raise Misuse(f"{trigger} has not latched: there is nothing to {'take back' if choice == 'retract' else choice}")
    return 1 + max((int(each["round"]) for each in status.get("ended", ()) if each["trigger"] == trigger), default=-1)


def scope_of(status: Mapping[str, Any], trigger: str, given: str | None) -> Party:
    """``all`` or one party: as given, else that of the pause which is latched, else all."""
    if given is not None:
        return Party("all") if given == "all" else parse_party(given)
    scopes = sorted({str(pause["scope"]) for pause in _latched(status) if pause["trigger"] == trigger})
    if len(scopes) > 1:
        raise Misuse(f"{trigger} has latched for {', '.join(scopes)}: name one with --scope")
    return Party(scopes[0] if scopes else "all")


async def _after_latch(status: Mapping[str, Any], trigger: str, speaker: Speaker) -> None:
    """Wait out the second in which it latched: of one instant permitting statements fold first, and this one would be lost."""
    since = max((parse_instant(p["since"]) for p in _latched(status) if p["trigger"] == trigger), default=Instant(0))
    for _ in range(LATCH_LOOKS):
        if speaker.wall() > since:
            return
        await asyncio.sleep(LATCH_LOOK_S)


def _known(terms: Terms, status: Mapping[str, Any], choice: str, trigger: str) -> None:
    """Is there such a thing to vote on?"""
    can_be_renewed = terms.renewal is not None or status["phase"]["renewal"] is not None
    if trigger == SUNSET and choice in {"renew", "retract"} and can_be_renewed:
        _renewal(status, trigger)
    elif terms.trigger(trigger) is None:
        raise Misuse(f"got the trigger {trigger!r}; the terms have: {', '.join(t.id for t in terms.triggers)}")


def _renewal(status: Mapping[str, Any], trigger: str) -> Mapping[str, Any]:
    """The renewal that can be voted on now."""
    renewal: Mapping[str, Any] | None = status["phase"]["renewal"]
    if renewal is None:
        raise Misuse(f"the {trigger} cannot be renewed now: it has expired, or was renewed as often as the terms allow")
    return renewal


def _who_can(voters: Sequence[Party], terms: Terms, choice: str) -> str:
    if voters:
        return f"the terms give it to {', '.join(voters)}; say --as {voters[0]} where its keys are"
    if choice != "pause":
        return "they give it to nobody"
    called = ", ".join(trigger.id for trigger in terms.triggers if list_callers(terms, trigger.id))
    return f"no vote calls it; votes call {called or 'none of the terms'}"


def _standing(status: Mapping[str, Any], vote: Vote) -> str:
    """In words, where a trigger stands after a vote."""
    if vote.trigger == SUNSET:
        return _sunset(status, vote.round)
    asked = (vote.trigger, vote.scope, vote.round)
    for pause in _latched(status):
        if (pause["trigger"], pause["scope"], pause["round"]) == asked:
            if vote.choice == "renew":
                return _end_of(pause)
            if pause["lift"]["missing"]:
                return f"latched; to lift: {pause['lift']['missing']}"
            at = pause["lift"]["effective_at"]
            return f"latched; the lift takes effect at {at}" if at else "latched"
    for ended in status.get("ended", ()):
        if (ended["trigger"], ended["scope"], ended["round"]) == asked:
            return f"ended by {ended['how']}"
    return "not latched: more votes are needed"


def _end_of(pause: Mapping[str, Any]) -> str:
    """When it lapses by itself, and what would confirm it."""
    confirm = pause["confirm"] or {}
    lacks = f"; to confirm it: {confirm['missing']}" if confirm.get("missing") else ""
    return f"latched; it lapses at {pause['lapses_at']}{lacks}" if pause["lapses_at"] else "latched; it does not lapse"


def _sunset(status: Mapping[str, Any], round_: int) -> str:
    expires, renewal = status["phase"]["expires"], status["phase"]["renewal"]
    if renewal is None or renewal["round"] != round_:
        return f"the accord expires at {expires}"
    lacks = renewal["missing"] or "nothing"
    return f"the accord expires at {expires}; to renew it until {renewal['until']}, without votes that have yet to settle: {lacks}"


def _latched(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*status.get("pauses", ()), *status.get("slowdowns", ()), *status.get("measures", ())]


def _is_latched(status: Mapping[str, Any], trigger: str) -> bool:
    return any(pause["trigger"] == trigger for pause in _latched(status))


def _keep_reason(home: Path, statement: Digest, reason: str) -> None:
    with (home / REASONS).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"statement": statement, "reason": reason}) + "\n")
