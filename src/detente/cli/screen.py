"""``detente hold screen``: make seeded changes, commit to them, put them, reveal them, and see what they show."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import click

from detente.app.door import open_door
from detente.app.screening import commit_seeds, load_seeds, put_change, reveal_decided, store_seeds
from detente.app.seeding import make_seeds
from detente.base.digest import Digest, parse_digest
from detente.cli import home_option, json_option, reports_errors

FOLDER = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
_as = click.option("--as", "party", metavar="PARTY", help="Who speaks. [default: the home's party]")
EVERY_S = 2.0


@click.group()
def screen() -> None:
    """Seeded changes: known-bad ones that somebody else mixes into the queue, to see whether they are caught."""


@screen.command(epilog="Such as: detente hold screen make seeds --repository . --count 12")
@FOLDER
@click.option("--repository", type=click.Path(path_type=Path, exists=True), required=True, help="A git repository.")
@click.option("--at", default="HEAD", show_default=True, help="The newest commit that may be used.")
@click.option("--count", type=click.IntRange(1, 256), default=12, show_default=True, help="How many to make.")
@click.option(
    "--seed", type=int, help="Draw by this number, to draw the same again. [default: by the system's random source]"
)
@json_option
@reports_errors
def make(folder: Path, repository: Path, at: str, count: int, seed: int | None, as_json: bool) -> None:
    """Make seeded changes of a repository's own commits, each spoilt in one place. Nothing of it is executed."""
    source = SystemRandom() if seed is None else Random(seed)  # noqa: S311 - to draw the same again is what --seed is for
    made = make_seeds(repository, count=count, source=source, at=at, progress=_progress)
    store_seeds(folder, made)
    if as_json:
        click.echo(json.dumps({"seeds": [{"flaw": each.flaw, "path": each.path, "line": each.line} for each in made]}))
        return
    for number, each in enumerate(made):
        click.echo(f"{number:03d}  {each.flaw:22} {each.path}:{each.line}")
    click.echo(
        f"{folder}/secret stays with you; a file of {folder}/put goes to whoever files for the developer", err=True
    )


@screen.command(epilog="Such as: detente hold screen commit seeds --as aud-1")
@FOLDER
@_as
@home_option
@json_option
@reports_errors
def commit(folder: Path, party: str | None, home: str | None, as_json: bool) -> None:
    """File commitments to the seeds of FOLDER, before any of them is put."""
    filed = asyncio.run(_commit(folder, party, home))
    if as_json:
        click.echo(json.dumps({"statements": list(filed)}))
    elif not filed:
        click.echo("every seed was committed to before")
    for each in () if as_json else filed:
        click.echo(f"committed; filed {each[:12]}…")


@screen.command(epilog="Such as: detente hold screen put seeds/put/000.json --like 96043043…")
@click.argument("change", type=click.Path(path_type=Path))
@click.option(
    "--like",
    required=True,
    metavar="PROPOSAL",
    help="An earlier proposal of the same party, by its whole id: the seed is filed as that was.",
)
@_as
@home_option
@json_option
@reports_errors
def put(change: Path, like: str, party: str | None, home: str | None, as_json: bool) -> None:
    """File one seeded change as any other proposal of its party."""
    made = asyncio.run(_put(change, parse_digest(like), party, home))
    click.echo(json.dumps({"proposal": made}) if as_json else f"proposed; filed {made[:12]}…")


@screen.command(epilog="Such as: detente hold screen reveal seeds --as aud-1 --watch")
@FOLDER
@click.option("--watch", is_flag=True, help="Go on until every seed of FOLDER is revealed.")
@click.option("--undecided", is_flag=True, help="Reveal those too on which nobody decided; they are void.")
@_as
@home_option
@json_option
@reports_errors
def reveal(folder: Path, watch: bool, undecided: bool, party: str | None, home: str | None, as_json: bool) -> None:
    """Reveal the seeds of FOLDER on which somebody has decided. A reveal must come before an approval settles."""
    asyncio.run(_reveal(folder, party, home, watch=watch, undecided=undecided, as_json=as_json))


@screen.command(epilog="Such as: detente hold screen show")
@home_option
@json_option
@reports_errors
def show(home: str | None, as_json: bool) -> None:
    """What seeded changes have shown so far, of all reviewers together, and how little that is."""
    said = asyncio.run(_show(home))
    if as_json:
        click.echo(json.dumps(said))
        return
    for line in said["says"]:
        click.echo(line)


async def _commit(folder: Path, party: str | None, home: str | None) -> tuple[Digest, ...]:
    return await commit_seeds(await open_door(home), folder, party)


async def _put(change: Path, like: Digest, party: str | None, home: str | None) -> Digest:
    return await put_change(await open_door(home), change, party=party, like=like)


async def _show(home: str | None) -> dict[str, Any]:
    return await (await open_door(home)).screening()


async def _reveal(
    folder: Path, party: str | None, home: str | None, *, watch: bool, undecided: bool, as_json: bool
) -> None:
    load_seeds(folder)
    door = await open_door(home)
    while True:
        done, waiting = await reveal_decided(door, folder, party, undecided=undecided)
        for each in done:
            if as_json:
                click.echo(json.dumps(each.as_json()))
            else:
                how = f"caught by {each.caught} of {each.decided}" if each.decided else "void: nobody had decided"
                click.echo(
                    f"revealed {each.proposal[:12]}… ({each.seed.flaw}, {each.seed.path}:{each.seed.line}): {how}"
                )
        if not watch or not waiting:
            break
        await asyncio.sleep(EVERY_S)
    if waiting and not as_json:
        click.echo(f"{waiting} not put or not decided on yet", err=True)


def _progress(looked: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{looked} commits looked at", nl=False, err=True)
