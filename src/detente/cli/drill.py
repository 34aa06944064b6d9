"""``detente drill``: a full exercise of a pause on this machine, with real nodes and real training."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from detente.app.drill.plan import WORKLOADS, Options, Workload
from detente.app.drill.run import run_drill
from detente.app.drill.showing import Showing
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
@click.option(
    "--browser", is_flag=True, help="Show it live on a page of this machine, and open that where there is a display."
)
@json_option
@reports_errors
def drill(
    out: Path, *, seed: int, parties: int, jobs: int, workload: Workload, chaos: bool, browser: bool, as_json: bool
) -> None:
    """Exercise a pause from accession to exact resume.

    Three developers, two auditors, two authorities, a provider and a relying party, each a process with its own keys
    and log, on loopback. Writes OUT/report.html and OUT/result.json. Exits with 1 if any line of the story fails.
    """
    # As at Ctrl-C: every process of the drill is ended before this one is.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = Options(seed=seed, parties=parties, jobs=jobs, workload=workload, chaos=chaos)
    try:
        with _shown() if browser else contextlib.nullcontext() as showing:
            record = run_drill(options, out, tell=lambda line: click.echo(line, err=True), showing=showing)
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


@contextlib.contextmanager
def _shown() -> Iterator[Showing]:
    """A page that follows the drill within the block: its address is printed, and opened where somebody would see it."""
    from detente.server.drill_page import serve_drill  # only who watches waits for a server's libraries

    showing = Showing()
    with serve_drill(showing) as address:
        click.echo(f"live at {address}", err=True)
        if has_display(sys.platform, os.environ):
            webbrowser.open(address)
        yield showing


def has_display(platform: str, environment: Mapping[str, str]) -> bool:
    """Would a browser that is opened here be seen? One that draws in the terminal would take it from the drill.

    >>> has_display("linux", {}), has_display("linux", {"DISPLAY": ":0"}), has_display("darwin", {}), has_display("linux", {"CI": "true", "DISPLAY": ":0"})
    (False, True, True, False)
    """
    if "CI" in environment:
        return False
    return platform in {"darwin", "win32"} or any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
