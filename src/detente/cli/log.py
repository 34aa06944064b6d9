"""``detente log``: verify, check, recover and export logs, with or without a node."""

from __future__ import annotations

import json
from pathlib import Path

import click

from detente.app.log_verifying import FolderSource, show_counts, verify_log
from detente.base.errors import Unavailable
from detente.cli import json_option, reports_errors


@click.group()
def log() -> None:
    """Verify a log from its files alone, check a store, recover from mirrors."""


@log.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--terms", type=click.Path(path_type=Path), required=True, help="Founding terms of the accord.")
@json_option
@reports_errors
def verify(folder: Path, *, terms: Path, as_json: bool) -> None:
    """Verify the static files of a log in FOLDER: signatures, quorum, every hash, every statement. Needs no node."""
    try:
        founding = terms.read_bytes()
    except OSError as error:
        raise Unavailable(f"cannot read {terms}: {error.strerror}") from None
    verified = verify_log(FolderSource(folder), founding)
    if as_json:
        click.echo(json.dumps(verified.as_json()))
        return
    witnessed = "itself: no quorum" if verified.self_witnessed else ", ".join(verified.witnesses)
    click.echo(f"{verified.origin}: {verified.size} entries verify, root {verified.root[:16]}…")
    click.echo(f"  cosigned by {witnessed}")
    click.echo(f"  {show_counts(verified.kinds)}")
    for index, why in verified.unread:
        click.echo(f"  entry {index} has no effect: {why}")
