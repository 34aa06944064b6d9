"""``detente accord schema``: what an editor needs to complete and check terms while one writes them."""

from __future__ import annotations

import json

import click

from detente.accord.schema import terms_schema
from detente.cli import reports_errors


@click.command(epilog="Such as: detente accord schema")
@reports_errors
def schema() -> None:
    """Write the JSON Schema (2020-12) of terms to stdout, for editors.

    It says what a member may hold and where; that sections agree with one another is what `detente accord check` says.
    """
    click.echo(json.dumps(terms_schema(), indent=1, ensure_ascii=False))
