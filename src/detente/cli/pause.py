"""``detente pause``: call a pause, and with ``--slurm`` stop a cluster first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from detente.base.errors import DetenteError
from detente.cli import EXIT_CODES, reports_errors, show_error
from detente.cli.slurm_options import gate_option, within_option
from detente.cli.voting import cast_one, shown, vote_options


@click.command(
    "pause",
    help="Vote for a pause. It binds guards as soon as their issuers have heard it.",
    epilog="Such as: detente pause --trigger call --reason 'an evaluation failed'",
)
@vote_options("the only one by which votes call a pause")
@click.option(
    "--slurm",
    "cluster",
    is_flag=True,
    help="Stop the Slurm cluster that this machine controls first: see `detente slurm pause`.",
)
@gate_option
@within_option
@reports_errors
def pause(as_json: bool, cluster: bool, folder: Path, within_s: float | None, **given: Any) -> None:
    """One vote; the cluster is stopped whatever becomes of it: to stop needs nobody's leave."""
    if not cluster:
        cast = cast_one("pause", **given)
        click.echo(json.dumps(cast.as_json()) if as_json else shown(cast))
        return
    from detente.cli.slurm import pause_cluster, show_paused

    report = pause_cluster(folder, within_s, given["reason"] or "a pause was called here")
    if not as_json:
        show_paused(report)
    try:
        vote = cast_one("pause", **given)
    except DetenteError as error:
        if as_json:
            click.echo(json.dumps({"cluster": report.as_json(), "vote": None, "error": str(error)}))
        sys.exit(show_error(error, as_json=False))
    click.echo(json.dumps({"cluster": report.as_json(), "vote": vote.as_json()}) if as_json else shown(vote))
    if not report.paused:
        sys.exit(EXIT_CODES["inconsistent"])
