"""What the commands that file share: whose statement it is, root keys, files for those that lie apart, and the answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from detente.app.door import Door
from detente.app.inspecting import Filed
from detente.app.joining import Said, file_statement, keep_statement, sign_also
from detente.base.errors import Misuse
from detente.base.identity import Party, parse_party
from detente.base.instant import show_duration

WORDS = {"accession": "acceded", "withdrawal": "withdrew", "facility": "registered compute"}


def party_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Whose statement it is; arrives as ``party``."""
    return click.option(
        "--as", "party", metavar="PARTY", help="Who says it, of those whose keys are here. [default: the home's]"
    )(command)


def root_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--root``, ``--out`` and ``--sign``; arrive as ``roots``, ``out`` and ``add_to``."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("--sign", "add_to", type=path, help="Sign the statement of --out too, with --root, and file it."),
        click.option("--out", type=path, help="Write the statement here instead of filing it: others must sign too."),
        click.option(
            "--root",
            "roots",
            type=path,
            multiple=True,
            help="A root key's file; several for a threshold. [default: the one in the home]",
        ),
    ):
        command = option(command)
    return command


def speaking(door: Door, party: str | None) -> Party:
    """The party that is meant."""
    return door.config.party if party is None else parse_party(party)


async def filed_or_kept(door: Door, said: Said, out: Path | None) -> Said:
    """File what was prepared, or write it to ``out``."""
    if out is None:
        return await file_statement(door, said)
    keep_statement(out, said)
    return said


async def filed_too(door: Door, add_to: Path, roots: tuple[Path, ...], kind: str) -> Said:
    """Sign another's file of this kind and file it."""
    if not roots:
        raise Misuse("say which root keys sign too: --root FILE")
    said = sign_also(add_to, roots)
    if said.kind != kind:
        raise Misuse(f"{add_to} is a {said.kind}, not the {kind} that this command files")
    return await file_statement(door, said)


def show_filed(filed: Filed, *, as_json: bool) -> None:
    """Print a finding, challenge or ruling, and what came of it."""
    if as_json:
        click.echo(json.dumps(filed.as_json()))
        return
    witnessed = "" if filed.witnessed else " (not yet witnessed by a quorum)"
    click.echo(f"{filed.party} filed a {filed.kind}: {filed.statement[:12]}…{witnessed}")
    click.echo(f"NOT COUNTED: {filed.without_effect}" if filed.without_effect else f"it counts; {filed.stands}")


def show(said: Said, *, out: Path | None, command: str, settle_s: int, as_json: bool) -> None:
    """Print what was said and what came of it."""
    if as_json:
        click.echo(json.dumps(said.as_json()))
        return
    witnessed = "" if said.witnessed or not said.filed else " (not yet witnessed by a quorum)"
    click.echo(f"{said.party} {WORDS[said.kind]}: {said.statement[:12]}…{witnessed}")
    if out is not None:
        click.echo(f"written to {out}, not filed: the others run `detente accord {command} --sign {out} --root FILE`")
    elif said.without_effect:
        click.echo(f"NOT COUNTED: {said.without_effect}")
    else:
        click.echo(
            f"it counts {show_duration(settle_s)} after a quorum has witnessed it; now: phase {said.phase}, "
            f"bound: {', '.join(said.bound) or 'nobody'}"
        )
