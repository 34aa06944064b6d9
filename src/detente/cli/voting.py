"""What ``detente pause``, ``lift``, ``renew`` and ``retract`` share: their options, one vote, and the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import click

from detente.app.door import open_door
from detente.app.pausing import Cast, cast_vote
from detente.base.instant import parse_duration
from detente.cli import home_option, json_option, reports_errors
from detente.statement.vote import VoteChoice


def vote_command(choice: VoteChoice, said: str, *, default: str, such_as: str) -> click.Command:
    """The command that casts one vote of this choice. ``default`` says which trigger is meant where none is named."""

    @click.command(choice, help=said, epilog=f"Such as: {such_as}")
    @vote_options(default)
    @reports_errors
    def command(as_json: bool, **given: str | None) -> None:
        cast = cast_one(choice, **given)
        click.echo(json.dumps(cast.as_json()) if as_json else shown(cast))

    return command


def vote_options(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a vote, which ``cast_one`` takes, and ``--json``."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(
            (
                click.option("--trigger", metavar="ID", help=f"The trigger of the terms. [default: {default}]"),
                click.option("--reason", default="", help="Why, for people; kept here, in no log."),
                click.option(
                    "--as", "party", metavar="PARTY", help="The party that votes, of those whose keys are here."
                ),
                click.option("--scope", metavar="all|PARTY", help="Whom it is for, where the trigger is by party."),
                click.option("--expires", default="7 d", show_default=True, help="How long the vote counts."),
                home_option,
                json_option,
            )
        ):
            command = option(command)
        return command

    return add


def cast_one(
    choice: VoteChoice,
    *,
    trigger: str | None,
    reason: str | None,
    party: str | None,
    scope: str | None,
    expires: str | None,
    home: str | None,
) -> Cast:
    """Cast it; raises as ``cast_vote``."""

    async def work() -> Cast:
        door = await open_door(home)
        expires_s = parse_duration(expires)
        return await cast_vote(
            door, choice, trigger=trigger, party=party, scope=scope, expires_s=expires_s, reason=reason or ""
        )

    return asyncio.run(work())


def shown(cast: Cast) -> str:
    """Two lines for people: the vote, and what came of it."""
    witnessed = "" if cast.witnessed else " (not yet witnessed by a quorum)"
    came = f"NOT COUNTED: {cast.without_effect}" if cast.without_effect else f"it counts; {cast.stands}"
    return (
        f"{cast.party} voted {cast.choice} of {cast.trigger}, round {cast.round}, scope {cast.scope}: "
        f"{cast.statement[:12]}…{witnessed}\n{came}"
    )
