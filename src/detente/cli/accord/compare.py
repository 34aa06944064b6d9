"""``detente accord compare``: one set of facts through many terms, clause by clause."""

from __future__ import annotations

import json
from pathlib import Path

import click

from detente.accord.comparison import Compared, Outcome, State
from detente.app.comparing import Comparison
from detente.app.comparing import compare as run
from detente.app.comparing_page import show_page
from detente.base.instant import Instant, parse_date, show_instant
from detente.cli import json_option, reports_errors

MARKS: dict[State, str] = {
    "triggered": "■ triggered",
    "unknown": "? unknown",
    "held": "○ held",
    "silent": "– silent",
}


@click.command(epilog="Such as: detente accord compare facts.yaml ours.yaml --at 2026-06-01")
@click.argument("facts", type=click.Path(path_type=Path))
@click.argument("terms", nargs=-1, type=click.Path(path_type=Path))
@click.option("--at", "date", metavar="DATE", help="Leave out what was said after this date.")
@click.option("--html", "as_html", is_flag=True, help="Print one HTML page.")
@json_option
@reports_errors
def compare(*, facts: Path, terms: tuple[Path, ...], date: str | None, as_html: bool, as_json: bool) -> None:
    """Run FACTS through TERMS, or through every shipped accord, and say how each clause comes out.

    triggered: what the clause asks for is so. held: it is not. unknown: the facts do not tell; what is missing is named, and
    who owes it, if anybody. silent: the terms have no clause on that subject. Each fact has a source and a grade.
    """
    compared = run(facts, terms, at=None if date is None else _end_of_day(date))
    if as_json:
        said = {
            "facts": compared.facts.name,
            "at": date,
            "covers_to": None if compared.facts.covers_to is None else show_instant(compared.facts.covers_to)[:10],
            "accords": [each.as_json() for each in compared.compared],
        }
        click.echo(json.dumps(said, ensure_ascii=False))
    elif as_html:
        click.echo(show_page(compared))
    else:
        _show(compared)


def _end_of_day(date: str) -> Instant:
    return Instant(parse_date(date) + 86_399)


def _show(compared: Comparison) -> None:
    for each in compared.compared:
        click.echo(f"{each.accord}: {sum_up(each)}")
        for outcome in each.outcomes:
            _clause(outcome)
        if each.silent:
            click.echo(f"  {MARKS['silent']:<12} {'; '.join(each.silent)}")
    click.echo(f"facts: {compared.facts.name}, {covered(compared)}", err=True)


def covered(compared: Comparison) -> str:
    """How many facts stand, and until when they are known."""
    facts = compared.facts
    until = "" if facts.covers_to is None else f", known to {show_instant(facts.covers_to)[:10]}"
    return f"{sum(1 for _ in facts.until(compared.at))} of {len(facts.facts)} facts{until}"


def sum_up(each: Compared) -> str:
    """The counts in a line."""
    said = [f"{each.count(state)} {state}" for state in ("triggered", "held", "unknown") if each.count(state)]
    if each.nobody_owes:
        said.append(f"{each.nobody_owes} of these because nobody owes the input")
    return ", ".join(said) or "no clause that facts can meet"


def _clause(outcome: Outcome) -> None:
    click.echo(f"  {MARKS[outcome.state]:<12} {outcome.clause}: {outcome.condition}")
    for note in outcome.sources:
        if note.of:
            click.echo(f"{'':<15}{note.of}, {note.clause} ({note.wording})")
    for case in outcome.cases:
        if case.state != outcome.state:
            continue
        about = f"{case.about}: " if case.about else ""
        for value in case.values:
            click.echo(f"{'':<15}{about}{value}")
        for fact in case.rests_on:
            click.echo(f"{'':<15}[{fact.grade}] {show_instant(fact.date)[:10]} {fact.says}; {fact.source}")
        for missing in case.missing:
            if missing.owed != "imprecise":
                click.echo(f"{'':<15}{about}{missing.name} is missing: {missing.text}")
