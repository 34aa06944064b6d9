"""``detente accord rule``: an adjudicator's ruling on a finding."""

from __future__ import annotations

import asyncio

import click

from detente.app.door import open_door
from detente.app.inspecting import Filed, file_ruling
from detente.cli import home_option, json_option, reports_errors
from detente.cli.accord.binding import party_option, show_filed
from detente.statement.ruling import RULING_OUTCOMES, RulingOutcome


@click.command(epilog="Such as: detente accord rule 3f2a9c11 --outcome breach --remedy 'register the chips'")
@click.argument("finding")
@click.option("--outcome", type=click.Choice(RULING_OUTCOMES), required=True, help="What the adjudicator holds.")
@click.option("--remedy", required=True, help="What mends it, or why there is nothing to mend.")
@party_option
@home_option
@json_option
@reports_errors
def rule(
    *, finding: str, outcome: RulingOutcome, remedy: str, party: str | None, home: str | None, as_json: bool
) -> None:
    """Rule on FINDING, by 8 or more of its first characters. It takes the quorum of the terms; the latest word of each counts."""

    async def work() -> Filed:
        return await file_ruling(await open_door(home), finding, outcome=outcome, remedy=remedy, party=party)

    show_filed(asyncio.run(work()), as_json=as_json)
