"""What the measures of a repository's history share: options, days, and a count of commits while they are read."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import click

from detente.base.instant import Instant, parse_date
from detente.cli.measure.showing import sign_option


def history_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """REPO, its dates, and an export of its pull requests."""
    path = click.Path(path_type=Path)
    for decorate in (
        sign_option,
        click.option("--evidence", is_flag=True, help="Print the rows below each number too."),
        click.option("--until", metavar="DATE", help="Only what was committed before this day, such as 2026-07-01."),
        click.option("--since", metavar="DATE", help="Only what was committed from this day on, such as 2026-01-01."),
        click.option(
            "--forge-complete",
            is_flag=True,
            help="The export holds every pull request merged in the range: none is missing.",
        ),
        click.option(
            "--forge", metavar="EXPORT", type=path, help="An export of pull requests: file, folder or zip file."
        ),
        click.option(
            "--ref", default="HEAD", metavar="REF", help="Branch, tag or commit to measure.", show_default=True
        ),
        click.argument("repo", type=path, default=Path()),
    ):
        command = decorate(command)
    return command


def day(text: str | None) -> Instant | None:
    """The first second of a day; raises ``Refused`` B02."""
    return None if text is None else parse_date(text)


class Ticker:
    """Shows how many commits are done, on a terminal, once the scan has taken a second."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._next = time.monotonic() + 1.0
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def tick(self, done: int) -> None:
        if self._shows and (now := time.monotonic()) >= self._next:
            self._next = now + 0.2
            self._shown = True
            click.echo(f"\r{done} commits", nl=False, err=True)

    def __exit__(self, *_: object) -> None:
        if self._shown:
            click.echo("\r\033[K", nl=False, err=True)
