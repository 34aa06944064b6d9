"""``detente accord simulate``: scenario tables as tests of terms."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from detente.accord.reason import Reason
from detente.app.simulating import Played
from detente.app.simulating import simulate as play
from detente.base.instant import show_instant
from detente.cli import json_option, reports_errors

FAILED = 1


@click.command()
@click.argument("terms", type=click.Path(path_type=Path))
@click.option(
    "--scenario", "files", type=click.Path(path_type=Path), multiple=True, required=True, metavar="FILE",
    help="A table of scenarios; may be given several times.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63), default=0, show_default=True, help="From which keys are made.")
@json_option
@reports_errors
def simulate(*, terms: Path, files: tuple[Path, ...], seed: int, as_json: bool) -> None:
    """Play scenario tables under TERMS and say for each expectation what was got, and why.

    Statements are signed with keys made on the spot and judged by the same rules that every party runs. Keys that stand
    in TERMS are not needed. Exit code 1 if an expectation is not met.
    """
    told: list[Played] = []
    progress = sys.stderr.isatty() and (as_json or not sys.stdout.isatty())
    for played in play(terms, files, seed=seed):
        told.append(played)
        if not as_json:
            _show(played)
        if progress:
            click.echo(f"\r{len(told)} scenarios", err=True, nl=False)
    if progress:
        click.echo("", err=True)
    failed = sum(not played.passed for played in told)
    if as_json:
        click.echo(json.dumps({"scenarios": [played.as_json() for played in told]}, ensure_ascii=False))
    else:
        asked = sum(len(played.judged) for played in told)
        click.echo(f"{failed} of {len(told)} scenarios failed, {asked} expectations", err=True)
    if failed:
        sys.exit(FAILED)


def _show(played: Played) -> None:
    click.echo(f"{'✓ passed' if played.passed else '✗ failed'}  {played.scenario.name}")
    for judged in played.judged:
        mark = "✓ met" if judged.met else "✗ not met"
        place = f"{played.file}:{judged.expectation.where}"
        click.echo(f"  {mark:<10} {show_instant(judged.at)}  {judged.expectation.spelled()}")
        if not judged.met:
            click.echo(f"  {'':<10} got: {judged.got}  [{place}]")
        for reason in judged.reasons:
            click.echo(f"  {'':<10} {_reason(reason, played)}")


def _reason(reason: Reason, played: Played) -> str:
    cites = [played.said.get(cite, cite[:12]) for cite in reason.cites]
    return f"because {reason.text}" + (f" — {'; '.join(cites)}" if cites else "")
