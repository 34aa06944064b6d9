"""``detente accord find``: what an inspector found about a party, or what is asked of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from detente.app.door import open_door
from detente.app.inspecting import Claim, Filed, file_finding
from detente.base.digest import Digest, parse_digest
from detente.base.quantity import parse_decimal
from detente.cli import home_option, json_option, reports_errors
from detente.cli.accord.binding import party_option, show_filed
from detente.statement.finding import FINDING_RESULTS, FindingResult


def _id(text: str | None) -> Digest | None:
    return None if text is None else parse_digest(text)


@click.command(epilog="Such as: detente accord find dev-b --claim 'trains on undeclared chips' --evidence report.pdf")
@click.argument("about", metavar="PARTY")
@click.option("--claim", metavar="TEXT", help="What was looked into, in words.")
@click.option("--fulfils", metavar="DUTY", help="Instead: that PARTY did what this duty asks.")
@click.option("--asks", metavar="DUTY", help="Instead: ask PARTY for what it must do on request.")
@click.option("--below", metavar="FLOP", help="Instead: that the run of --run takes no more than this.")
@click.option("--result", type=click.Choice(FINDING_RESULTS), help="[default: confirmed; with --asks inconclusive]")
@click.option("--run", metavar="ID", help="The run that it is about, by its statement id.")
@click.option("--confirms", metavar="ID", help="The `halted` that it confirms, by its statement id.")
@click.option("--audit", metavar="ID", help="The audit that it contests, by its statement id.")
@click.option(
    "--evidence", type=click.Path(path_type=Path), multiple=True, help="A file to keep at the node; repeatable."
)
@party_option
@home_option
@json_option
@reports_errors
def find(
    *,
    about: str,
    claim: str | None,
    fulfils: str | None,
    asks: str | None,
    below: str | None,
    result: FindingResult | None,
    run: str | None,
    confirms: str | None,
    audit: str | None,
    evidence: tuple[Path, ...],
    party: str | None,
    home: str | None,
    as_json: bool,
) -> None:
    """File a finding about PARTY, or ask it for an inspection.

    A confirmed one opens a case, unless it confirms a halt, a bound or a duty done. To take it back, file it again with `--result refuted`.
    """
    said = Claim(text=claim, fulfils=fulfils, asks=asks, below_flop=None if below is None else parse_decimal(below))

    async def work() -> Filed:
        return await file_finding(
            await open_door(home),
            about=about,
            claim=said,
            result=result,
            run=_id(run),
            confirms=_id(confirms),
            audit=_id(audit),
            evidence=evidence,
            party=party,
        )

    show_filed(asyncio.run(work()), as_json=as_json)
