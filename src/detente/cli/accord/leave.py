"""``detente accord leave``: a party gives notice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from detente.app.door import open_door
from detente.app.joining import Said, prepare_withdrawal
from detente.cli import home_option, json_option, reports_errors
from detente.cli.accord.binding import filed_or_kept, filed_too, party_option, root_options, show, speaking


@click.command(epilog="Such as: detente accord leave --reason 'the accord has done its work'")
@click.option("--reason", required=True, help="Why. It stands in the log, for everybody.")
@root_options
@party_option
@home_option
@json_option
@reports_errors
def leave(
    *,
    reason: str,
    roots: tuple[Path, ...],
    out: Path | None,
    add_to: Path | None,
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Give notice of leaving the accord: its root keys sign, its node files.

    The party stays bound until the notice of the terms has run, and until a pause that latched before has ended.
    """

    async def work() -> tuple[Said, int]:
        door = await open_door(home)
        notice_s = max(door.terms.withdrawal_notice_s or 0, door.terms.mirrors.settle_s)
        if add_to is not None:
            return await filed_too(door, add_to, roots, "withdrawal"), notice_s
        said = await prepare_withdrawal(door, speaking(door, party), reason=reason, roots=roots, apart=out is not None)
        return await filed_or_kept(door, said, out), notice_s

    said, notice_s = asyncio.run(work())
    show(said, out=out, command="leave", settle_s=notice_s, as_json=as_json)
