"""``detente measure changes``: which changes touch training or evaluation, whose they are, and who looked."""

from __future__ import annotations

from pathlib import Path

import click

from detente.adapters.scan_cache import choose_cache
from detente.app.measuring.changes import measure_changes
from detente.cli import json_option, reports_errors
from detente.cli.measure.history import Ticker, day, history_options
from detente.cli.measure.hooks_seen import tell_of_hooks
from detente.cli.measure.showing import show_result


@click.command(epilog="Such as: detente measure changes . --forge export --forge-complete")
@history_options
@click.option("--without", metavar="REF", help="Leave out what this branch, tag or commit already has.")
@click.option(
    "--evaluator",
    "evaluators",
    metavar="PATTERN",
    multiple=True,
    help="A path, with * and ?, of what scores the result. Repeat for more.",
)
@click.option(
    "--cache",
    "folder",
    type=click.Path(path_type=Path),
    help="Where scans are kept. [default: the user's cache folder]",
)
@click.option("--no-cache", is_flag=True, help="Keep nothing, and use nothing that was kept.")
@json_option
@reports_errors
def changes(
    repo: Path,
    *,
    ref: str,
    without: str | None,
    forge: Path | None,
    forge_complete: bool,
    evaluators: tuple[str, ...],
    since: str | None,
    until: str | None,
    folder: Path | None,
    no_cache: bool,
    evidence: bool,
    as_json: bool,
) -> None:
    """Measure which changes in REPO touch training, architecture, data, configuration or evaluation.

    Paths first, then what differs inside: Python as a syntax tree, YAML, TOML and JSON as keys, nothing executed. The first number is
    the share of these changes that are AI-made and unreviewed.
    """
    with Ticker() as ticker:
        result = measure_changes(
            repo,
            ref=ref,
            without=without,
            forge=forge,
            forge_complete=forge_complete,
            evaluators=evaluators,
            since=day(since),
            until=day(until),
            cache=None if no_cache else choose_cache(folder),
            progress=ticker.tick,
        )
    show_result(result, as_json=as_json, evidence=evidence)
    tell_of_hooks(repo)
