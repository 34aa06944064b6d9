"""``detente lift``: end a pause, together with those the terms name."""

from __future__ import annotations

import asyncio
import json

import click

from detente.app.door import open_door
from detente.app.pausing import Cast, cast_vote
from detente.base.instant import parse_duration
from detente.cli import home_option, json_option, reports_errors
from detente.cli.pause import shown


@click.command(epilog="Such as: detente lift --trigger call --reason 'the finding is closed'")
@click.option("--trigger", metavar="ID", help="The trigger of the terms. [default: the one that has latched]")
@click.option("--reason", default="", help="Why, for people; kept here, in no log.")
@click.option("--as", "party", metavar="PARTY", help="The party that votes, of those whose keys are here.")
@click.option("--scope", metavar="all|PARTY", help="Whom it is for, where the trigger is by party.")
@click.option("--expires", default="7 d", show_default=True, help="How long the vote counts.")
@home_option
@json_option
@reports_errors
def lift(
    trigger: str | None,
    reason: str,
    party: str | None,
    scope: str | None,
    expires: str,
    home: str | None,
    as_json: bool,
) -> None:
    """Vote for the lift of a pause. It takes effect once the quorum of the terms has voted and settled."""
    cast = asyncio.run(_cast(trigger, reason, party, scope, expires, home))
    click.echo(json.dumps(cast.as_json()) if as_json else shown(cast))


async def _cast(
    trigger: str | None, reason: str, party: str | None, scope: str | None, expires: str, home: str | None
) -> Cast:
    door = await open_door(home)
    return await cast_vote(
        door,
        "lift",
        trigger=trigger,
        party=party,
        scope=scope,
        expires_s=parse_duration(expires),
        reason=reason,
    )
