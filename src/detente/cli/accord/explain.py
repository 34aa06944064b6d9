"""``detente accord explain``: what a text would bind, or what binds after a step of a scenario, in words to be read aloud."""

from __future__ import annotations

from pathlib import Path

import click

from detente.app.explaining import Moment, explain_scenario, explain_terms
from detente.base.errors import Misuse
from detente.cli import json_option, reports_errors
from detente.cli.explanation import asked_for, html_option, show_told


@click.command(epilog="Such as: detente accord explain ours.yaml --party dev-a --html why.html")
@click.argument("terms", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--party", metavar="PARTY", help="About one party.")
@click.option("--trigger", metavar="ID", help="About one trigger.")
@click.option("--run", metavar="NAME", help="About one run of the scenario.")
@click.option("--change", metavar="NAME", help="About one proposal or version of the scenario.")
@click.option(
    "--scenario", type=click.Path(path_type=Path), metavar="FILE", help="A table of scenarios, to be played to a step."
)
@click.option("--named", default="", metavar="TEXT", help="Which scenario of the table: its name or a part of it.")
@click.option("--at", "step", default="", metavar="STEP", help="After which step: its number, or a time as in the table, such as '+2 h'. [default: the last]")  # fmt: skip
@html_option
@json_option
@reports_errors
def explain(
    *,
    terms: tuple[Path, ...],
    party: str | None,
    trigger: str | None,
    run: str | None,
    change: str | None,
    scenario: Path | None,
    named: str,
    step: str,
    html: Path | None,
    as_json: bool,
) -> None:
    """Say what TERMS bind: whom, when, until when, and what would change it.

    From TERMS alone it tells what each clause holds ready. With --scenario it tells what binds after a step: by which clause,
    since when, resting on which statements, and every smallest set of acts, or the instant, that would end it. Each of these was
    tried and found enough, and nothing less. Several TERMS are compared: the stricter wins.
    """
    asked = asked_for(party=party, run=run, change=change, trigger=trigger)
    if scenario is None:
        if named or step:
            raise Misuse("--named and --at speak of a scenario: give its table with --scenario")
        told = explain_terms(terms, asked)
    elif len(terms) > 1:
        raise Misuse("a scenario is played under one text of terms")
    else:
        told = explain_scenario(terms[0], Moment(scenario, named, step), asked)
    show_told(told, as_json=as_json, html=html)
