"""Print a ``Result`` for people, or as JSON."""

from __future__ import annotations

import json

import click

from detente.measure.indicator import Result
from detente.measure.report.wording import show_value

_MARKS = {"note": "·", "warning": "!", "alarm": "‼"}


def show_result(result: Result, *, as_json: bool, evidence: bool = False) -> None:
    """The result on stdout; exclusions and remarks stand with the numbers, never only in a log.

    With ``evidence`` every ledger is printed below.
    """
    if as_json:
        click.echo(json.dumps(result.as_json(), ensure_ascii=False))
        return
    click.echo(f"{result.measure} of {result.subject}")
    for name, value in result.inputs.items():
        click.echo(f"  read        {name} {value}")
    width = max((len(indicator.label or indicator.name) for indicator in result.indicators), default=0)
    for indicator in result.indicators:
        n = "" if indicator.n is None else f", n = {indicator.n}"
        click.echo(
            f"  {indicator.label or indicator.name:<{width}}  {show_value(indicator):>24}  [{indicator.evidence_class}{n}]"
        )
    for remark in result.remarks:
        click.echo(f"  {_MARKS[remark.weight]} {remark.weight}: {remark.text}")
    for exclusion in result.exclusions:
        named = f" ({', '.join(exclusion.examples)})" if exclusion.examples else ""
        click.echo(f"  left out: {exclusion.count} {exclusion.what}: {exclusion.why}{named}")
    if evidence:
        for ledger in result.ledgers:
            click.echo(f"\n{ledger.title} ({len(ledger.rows)} rows, sha256 {ledger.digest()})")
            click.echo("\t".join(ledger.columns))
            for row in ledger.rows:
                click.echo("\t".join("" if cell is None else str(cell) for cell in row))
