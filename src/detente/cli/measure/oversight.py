"""``detente measure oversight``: what human review AI-made changes got."""

from __future__ import annotations

from pathlib import Path

import click

from detente.app.measuring.oversight import measure_oversight
from detente.cli import json_option, reports_errors
from detente.cli.measure.history import Ticker, day, history_options
from detente.cli.measure.showing import show_result


@click.command(epilog="Such as: detente measure oversight . --forge export --forge-complete")
@history_options
@json_option
@reports_errors
def oversight(
    repo: Path,
    *,
    ref: str,
    forge: Path | None,
    forge_complete: bool,
    since: str | None,
    until: str | None,
    evidence: bool,
    as_json: bool,
) -> None:
    """Measure what human review AI-made changes in REPO got.

    Git alone shows claims: trailers, and the way through a forge's pages. Whether a human other than the maker approved what was
    merged is shown by an export of pull requests, given with --forge; without one it is unknown, which is neither yes nor no.
    """
    with Ticker() as ticker:
        result = measure_oversight(
            repo,
            ref=ref,
            forge=forge,
            forge_complete=forge_complete,
            since=day(since),
            until=day(until),
            progress=ticker.tick,
        )
    show_result(result, as_json=as_json, evidence=evidence)
