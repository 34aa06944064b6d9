"""``detente pause``: call a pause."""

from __future__ import annotations

import asyncio
import json

import click

from detente.app.door import open_door
from detente.app.pausing import Cast, cast_vote
from detente.base.instant import parse_duration
from detente.cli import home_option, json_option, reports_errors


@click.command(epilog="Such as: detente pause --trigger call --reason 'an evaluation failed'")
@click.option(
    "--trigger", metavar="ID", help="The trigger of the terms. [default: the only one by which votes call a pause]"
)
@click.option("--reason", default="", help="Why, for people; kept here, in no log.")
@click.option("--as", "party", metavar="PARTY", help="The party that votes, of those whose keys are here.")
@click.option("--scope", metavar="all|PARTY", help="Whom it is for, where the trigger is by party.")
@click.option("--expires", default="7 d", show_default=True, help="How long the vote counts.")
@home_option
@json_option
@reports_errors
def pause(
    trigger: str | None,
    reason: str,
    party: str | None,
    scope: str | None,
    expires: str,
    home: str | None,
    as_json: bool,
) -> None:
    """Vote for a pause. It binds guards as soon as their issuers have heard it."""
    cast = asyncio.run(_cast(trigger, reason, party, scope, expires, home))
    click.echo(json.dumps(cast.as_json()) if as_json else shown(cast))


async def _cast(
    trigger: str | None, reason: str, party: str | None, scope: str | None, expires: str, home: str | None
) -> Cast:
    door = await open_door(home)
    return await cast_vote(
        door,
        "pause",
        trigger=trigger,
        party=party,
        scope=scope,
        expires_s=parse_duration(expires),
        reason=reason,
    )


def shown(cast: Cast) -> str:
    """Two lines for people: the vote, and what came of it."""
    witnessed = "" if cast.witnessed else " (not yet witnessed by a quorum)"
    came = f"NOT COUNTED: {cast.without_effect}" if cast.without_effect else f"it counts; {cast.stands}"
    return (
        f"{cast.party} voted {cast.choice} of {cast.trigger}, round {cast.round}, scope {cast.scope}: "
        f"{cast.statement[:12]}…{witnessed}\n{came}"
    )
