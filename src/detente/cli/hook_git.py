"""``detente hook git``: hold moves of refs that touch training, architecture or evaluation until they are approved."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from detente.app.config import find_home, load_config
from detente.app.ref_moves.installing import Finding, inspect, install, observes, remove
from detente.base.errors import Refused
from detente.cli import EXIT_CODES, home_option, json_option, reports_errors
from detente.cli.wording import counted

place = click.argument("repository", type=click.Path(path_type=Path), default=Path())


@click.group()
def git() -> None:
    """Hold moves of git refs that touch training, architecture or evaluation until they are approved."""


@git.command("install", epilog="Such as: detente hook git install .")
@place
@click.option("--observe", is_flag=True, help="Hold nothing: record what would be answered, and say it on stderr.")
@home_option
@json_option
@reports_errors
def install_(repository: Path, *, observe: bool, home: str | None, as_json: bool) -> None:
    """Install into REPOSITORY; a hook that is there already is kept and run first.

    A hook that held before and is installed with --observe is a finding, until it is installed without.
    """
    folder = find_home(home)
    load_config(folder)
    made = install(repository, folder, observe=observe)
    if as_json:
        click.echo(json.dumps({"repository": made.common_dir, "hooks": made.scripts, "enforced": not observe}))
        return
    for name, path in made.scripts.items():
        click.echo(f"installed {name}: {path}")
    click.echo(f"asks the accord of {folder}; what is held: detente-hook.toml of {made.trunk}, or the defaults")
    if observe:
        click.echo(
            f"not enforced: every move is made; what would be answered is in {folder / 'observe.jsonl'}", err=True
        )
    if made.held_before:
        click.echo(
            "FINDING the hook held before: `detente hook git status` and the node say so until it holds again", err=True
        )


@git.command(epilog="Such as: detente hook git status .")
@place
@home_option
@json_option
@reports_errors
def status(repository: Path, home: str | None, as_json: bool) -> None:
    """Say whether the hook is as it was installed and saw every move; each finding makes the exit code non-zero."""
    observing = False
    try:
        found = inspect(repository, find_home(home))
        observing = observes(repository, find_home(home))
    except Refused as refused:
        if refused.rule != "J13":
            raise
        found = [Finding("no hook is installed", refused.got)]
    if observing:
        click.echo("not enforced: the hook was installed to observe, and holds nothing", err=True)
    if as_json:
        said = [{"what": each.what, "where": each.where} for each in found]
        click.echo(json.dumps({"findings": said, "enforced": not observing}))
    elif not found:
        click.echo("the hook is as it was installed, and saw every move")
    for each in found:
        click.echo(f"FINDING {each}", err=as_json)
    if found:
        todo = "`git update-ref REF COMMIT` asks for what is there; `detente hook git install` puts the hook back"
        click.echo(f"{counted(len(found), 'finding')}; {todo}", err=True)
        sys.exit(EXIT_CODES["inconsistent"])


@git.command("remove", epilog="Such as: detente hook git remove .")
@place
@home_option
@json_option
@reports_errors
def remove_(repository: Path, home: str | None, as_json: bool) -> None:
    """Take the hook away and put back what was there before."""
    paths = remove(repository, find_home(home))
    if as_json:
        click.echo(json.dumps({"removed": paths}))
        return
    for path in paths:
        click.echo(f"removed {path}")
