"""``detente accord join``: a party's root keys bind it to the accord."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from detente.app.door import open_door
from detente.app.joining import Said, prepare_accession, read_condition
from detente.cli import home_option, json_option, reports_errors
from detente.cli.accord.binding import filed_or_kept, filed_too, party_option, root_options, show, speaking


@click.command(epilog="Such as: detente accord join --while-bound 2:dev-b,dev-c")
@click.option(
    "--while-bound", metavar="K:PARTY,…", multiple=True, help="Be bound only while K of these parties are; repeatable."
)
@click.option(
    "--while-halted",
    metavar="K:PARTY,…",
    multiple=True,
    help="Be held by a pause only once K of these parties have halted; repeatable.",
)
@click.option("--confirmed", is_flag=True, help="With --while-halted: an auditor must have found that they halted.")
@root_options
@party_option
@home_option
@json_option
@reports_errors
def join(
    *,
    while_bound: tuple[str, ...],
    while_halted: tuple[str, ...],
    confirmed: bool,
    roots: tuple[Path, ...],
    out: Path | None,
    add_to: Path | None,
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Bind this home's party to the accord: its root keys sign, its node files.

    The example binds it as long as both others are bound.
    """
    conditions = [read_condition(each, halted=False) for each in while_bound]
    conditions += [read_condition(each, halted=True, confirmed=confirmed) for each in while_halted]

    async def work() -> tuple[Said, int]:
        door = await open_door(home)
        if add_to is not None:
            return await filed_too(door, add_to, roots, "accession"), door.terms.mirrors.settle_s
        said = await prepare_accession(
            door, speaking(door, party), conditions=conditions, roots=roots, apart=out is not None
        )
        return await filed_or_kept(door, said, out), door.terms.mirrors.settle_s

    said, settle_s = asyncio.run(work())
    show(said, out=out, command="join", settle_s=settle_s, as_json=as_json)
