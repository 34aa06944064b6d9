"""``detente measure compute``: how many operations a training run took, and what the law compares with that."""

from __future__ import annotations

from pathlib import Path

import click

from detente.app.measuring.compute import measure_run
from detente.cli import json_option, reports_errors
from detente.cli.measure.showing import show_result, sign_option


@click.command(epilog="Such as: detente measure compute config.json --tokens 15e12 --context 8192 --dtype bf16")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--tokens", metavar="N", help="Tokens trained on, each pass counted, where RUN is a config.json.")
@click.option("--context", metavar="N", help="Tokens in a sequence.")
@click.option("--dtype", metavar="NAME", help="Number format of the matrix work, such as bf16.")
@click.option("--recompute", metavar="WHAT", help="none, attention or full.")
@click.option("--device", metavar="NAME", help="Such as h100-sxm, for a second opinion from device time.")
@click.option("--devices", metavar="N", help="How many of them.")
@click.option("--hours", metavar="H", help="How long each ran.")
@click.option(
    "--utilisation",
    metavar="U",
    help="Share of the peak, such as 0.4 or 0.35,0.45. Without it device time is only a ceiling.",
)
@click.option("--evidence", is_flag=True, help="Print the rows below each number too.")
@sign_option
@json_option
@reports_errors
def compute(run: Path, evidence: bool, as_json: bool, **options: str | None) -> None:
    """Measure the FLOP of RUN: a declaration (YAML or JSON) or a Hugging Face config.json.

    The result is an interval over every method that was given: configuration, counters, device time. Where they disagree it
    says so. With parents declared, it is cumulative, and compared with the EU's and California's numbers.
    """
    given = {name: value for name, value in options.items() if value is not None}
    show_result(measure_run(run, given), as_json=as_json, evidence=evidence)
