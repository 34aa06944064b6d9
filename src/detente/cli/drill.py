"""``detente drill``: a full exercise of a pause on this machine, with real nodes and real training."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import click

from detente.app.drill.plan import WORKLOADS, Options, Workload
from detente.app.drill.run import run_drill
from detente.cli import json_option, reports_errors


@click.command(epilog="Such as: detente drill --out drill --seed 1")
@click.option("--out", default="drill", show_default=True, type=click.Path(path_type=Path), help="Made anew each time.")
@click.option("--seed", default=0, show_default=True, help="Draws the way in which one developer hides.")
@click.option(
    "--parties", default=3, show_default=True, help="Developers (3 to 8); six other parties are always there."
)
@click.option("--jobs", default=2, show_default=True, help="Jobs of each developer (2 to 4), one of them a loop.")
@click.option("--workload", type=click.Choice(WORKLOADS), default="numpy", show_default=True, help="What trains.")
@click.option("--chaos", is_flag=True, help="Kill nodes, drop and delay messages, skew clocks.")
@json_option
@reports_errors
def drill(out: Path, *, seed: int, parties: int, jobs: int, workload: Workload, chaos: bool, as_json: bool) -> None:
    """Exercise a pause from accession to exact resume.

    Three developers, two auditors, two authorities, a provider and a relying party, each a process with its own keys
    and log, on loopback. Writes OUT/report.html and OUT/result.json. Exits with 1 if any line of the story fails.
    """
    # As at Ctrl-C: every process of the drill is ended before this one is.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = Options(seed=seed, parties=parties, jobs=jobs, workload=workload, chaos=chaos)
    try:
        record = run_drill(options, out, tell=lambda line: click.echo(line, err=True))
    finally:
        signal.signal(signal.SIGTERM, before)
    failed = [check for check in record.checks if not check.ok]
    if as_json:
        click.echo(json.dumps(record.as_json(), default=str))
    else:
        verdict = "passed" if record.passed else "FAILED"
        click.echo(
            f"drill {verdict}: {len(record.checks) - len(failed)} of {len(record.checks)} checks held "
            f"in {record.facts['wall_s']:.0f} s; see {out / 'report.html'}"
        )
        for check in failed:
            click.echo(f"  FAILED {check.stage}: {check.title}: {check.detail}")
    sys.exit(0 if record.passed else 1)
