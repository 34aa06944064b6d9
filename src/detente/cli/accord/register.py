"""``detente accord register``: a party says which compute it has."""

from __future__ import annotations

import asyncio

import click

from detente.app.door import open_door
from detente.app.joining import Said, register_facility
from detente.base.quantity import parse_decimal
from detente.cli import home_option, json_option, reports_errors
from detente.cli.accord.binding import party_option, show, speaking


@click.command(epilog="Such as: detente accord register main --chips 1000 --peak-flop-s 1e19")
@click.argument("facility")
@click.option("--chips", type=click.IntRange(0), required=True, help="How many accelerators it has.")
@click.option("--peak-flop-s", metavar="X", required=True, help="What they do together, such as 1e20.")
@party_option
@home_option
@json_option
@reports_errors
def register(
    *, facility: str, chips: int, peak_flop_s: str, party: str | None, home: str | None, as_json: bool
) -> None:
    """Register the compute of FACILITY: terms may count shares of it for entry into force.

    A later registration under the same name replaces it.
    """
    peak = parse_decimal(peak_flop_s)

    async def work() -> tuple[Said, int]:
        door = await open_door(home)
        said = await register_facility(door, speaking(door, party), facility=facility, chips=chips, peak_flop_s=peak)
        return said, door.terms.mirrors.settle_s

    said, settle_s = asyncio.run(work())
    show(said, out=None, command="register", settle_s=settle_s, as_json=as_json)
