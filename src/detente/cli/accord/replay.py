"""``detente accord replay``: a year of facts through the shipped accords, date by date."""

from __future__ import annotations

import json
from pathlib import Path

import click

from detente.accord.replay import Replay
from detente.app.comparing import replay as run
from detente.base.instant import show_instant
from detente.cli import json_option, reports_errors
from detente.cli.accord.compare import sum_up


@click.command(epilog="Such as: detente accord replay facts.yaml ours.yaml --figure replay.svg")
@click.argument("facts", type=click.Path(path_type=Path))
@click.argument("terms", nargs=-1, type=click.Path(path_type=Path))
@click.option("--figure", type=click.Path(path_type=Path), metavar="FILE", help="Draw it to FILE, .svg or .png.")
@json_option
@reports_errors
def replay(*, facts: Path, terms: tuple[Path, ...], figure: Path | None, as_json: bool) -> None:
    """Run FACTS through TERMS, or through every shipped accord, at every date, and say what changes.

    At the end stands how each text comes out, and how many clauses are unknown because nobody owes the input.
    """
    played = run(facts, terms, figure=figure)
    if as_json:
        click.echo(json.dumps(played.as_json(), ensure_ascii=False))
    else:
        _show(played)
    if figure is not None:
        click.echo(f"figure: {figure}", err=True)


def _show(played: Replay) -> None:
    for day, changes in played.changes():
        for fact in day.facts:
            click.echo(f"{show_instant(day.at)[:10]}  [{fact.grade}] {fact.says}; {fact.source}")
        for change in changes:
            click.echo(f"{'':<12}→ {change.spelled()}")
    until = played.facts.covers_to
    click.echo(
        f"as of {show_instant(played.days[-1].at)[:10]}"
        + ("" if until is None else f", facts known to {show_instant(until)[:10]}")
    )
    for each in played.days[-1].compared:
        click.echo(f"  {each.accord:<22} {sum_up(each)}")
    click.echo(f"{played.unknown} clauses unknown, {played.nobody_owes} of these because nobody owes the input")
    if played.unasked:
        click.echo(f"asked for by no clause: {', '.join(played.unasked)}")
