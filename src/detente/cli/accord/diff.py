"""``detente accord diff``: what one text changes in another, in words."""

from __future__ import annotations

import json
from pathlib import Path

import click

from detente.app.drafting import compare_drafts
from detente.cli import json_option, reports_errors


@click.command(epilog="Such as: detente accord diff old.yaml new.yaml")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@json_option
@reports_errors
def diff(*, old: Path, new: Path, as_json: bool) -> None:
    """Say what the terms in NEW change in those in OLD, and whether each change tightens or loosens.

    Comments, order and spelling are nothing: two files that mean the same have no difference.
    """
    changes = compare_drafts(old, new)
    if as_json:
        click.echo(json.dumps({"changes": [change.as_json() for change in changes]}, ensure_ascii=False))
        return
    if not changes:
        click.echo("no difference in meaning")
    for change in changes:
        click.echo(f"{change.effect:<9} {change.section}: {change.text}")
