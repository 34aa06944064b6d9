"""``detente accord new``: a commented text to begin with."""

from __future__ import annotations

import json
from pathlib import Path

import click

from detente.app.drafting import STARTERS, write_starter
from detente.cli import json_option, reports_errors


@click.command(epilog="Such as: detente accord new ours.yaml --like coordinated-pause")
@click.argument("file", type=click.Path(path_type=Path), default=Path("accord.yaml"))
@click.option(
    "--like",
    type=click.Choice(STARTERS),
    default="coordinated-pause",
    show_default=True,
    help="Which text to begin with.",
)
@json_option
@reports_errors
def new(*, file: Path, like: str, as_json: bool) -> None:
    """Write commented terms to FILE [default: accord.yaml], to be changed to your own."""
    path = write_starter(file, like=like)
    if as_json:
        click.echo(json.dumps({"file": str(path), "like": like}))
        return
    click.echo(
        f"wrote {path}, like {like}: change parties and numbers, then `detente accord diff` shows what you changed"
    )
