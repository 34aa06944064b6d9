"""``detente accord challenge``: contest a finding, or appeal against what was ruled on it."""

from __future__ import annotations

import asyncio

import click

from detente.app.door import open_door
from detente.app.inspecting import Filed, file_challenge
from detente.cli import home_option, json_option, reports_errors
from detente.cli.accord.binding import party_option, show_filed


@click.command(epilog="Such as: detente accord challenge 3f2a9c11 --grounds 'the chips are registered'")
@click.argument("finding")
@click.option("--grounds", required=True, help="Why it is wrong.")
@party_option
@home_option
@json_option
@reports_errors
def challenge(*, finding: str, grounds: str, party: str | None, home: str | None, as_json: bool) -> None:
    """Challenge FINDING, by 8 or more of its first characters: as the party that it is about, or as its author.

    In time, only rulings from then on count; after a ruling it is an appeal, where the terms have one. What the finding restricts
    it restricts meanwhile.
    """

    async def work() -> Filed:
        return await file_challenge(await open_door(home), finding, grounds=grounds, party=party)

    show_filed(asyncio.run(work()), as_json=as_json)
