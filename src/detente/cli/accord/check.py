"""``detente accord check``: what can be proved or refuted about terms before anybody signs them."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from detente.accord.checking.claim import Claim
from detente.accord.checking.outages import Outages
from detente.app.drafting import Assumed, check_draft, check_drafts
from detente.cli import json_option, reports_errors
from detente.cli.wording import counted

BROKEN = 1
_MARKS = {
    "broken": "✗ broken",
    "not shown": "? not shown",
    "on purpose": "! on purpose",
    "listed": "· listed",
    "holds": "✓ holds",
}


@click.command(epilog="Such as: detente accord check ours.yaml --doubling '128 d'")
@click.argument("files", metavar="FILE [FILE...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--doubling", metavar="DURATION", help="In what time the capability that is limited doubles, such as '128 d'."
)
@click.option("--doubling-source", default="given", show_default=True, help="Where that number comes from.")
@click.option("--outages-a-year", type=click.FloatRange(0, 100_000), default=12.0, show_default=True, help="Of each issuer, and of each guard's link.")  # fmt: skip
@click.option("--outage", "outage_min", type=click.FloatRange(0.1, 100_000), default=30.0, show_default=True, help="How long one lasts on average, in minutes.")  # fmt: skip
@json_option
@reports_errors
def check(
    *,
    files: tuple[Path, ...],
    doubling: str | None,
    doubling_source: str,
    outages_a_year: float,
    outage_min: float,
    as_json: bool,
) -> None:
    """Prove or refute that the terms in FILE are sound; a trace shows how what is broken comes about.

    Every pause can be lifted; nobody alone, and no silence of as many as may fail, starts, prevents or keeps up a pause,
    unless the terms say so on purpose; what triggers ask for is owed; deadlines fit; no rule is dead. Exit code 1 if
    anything is broken.

    Of several files: where they contradict one another for whoever is bound by all. Check each by itself, too.
    """
    started = time.perf_counter()
    outages = Outages(outages_a_year, outage_min * 60)
    assumed = Assumed(outages=outages, doubling=doubling, doubling_source=doubling_source)
    claims = check_draft(files[0], assumed) if len(files) == 1 else check_drafts(files)
    if as_json:
        click.echo(json.dumps({"claims": [claim.as_json() for claim in claims]}, ensure_ascii=False))
    else:
        for claim in claims:
            _show(claim)
        broken = sum(claim.verdict == "broken" for claim in claims)
        click.echo(
            f"{counted(len(claims), 'claim')}, {broken} broken, in {time.perf_counter() - started:.1f} s", err=True
        )
    if any(claim.verdict == "broken" for claim in claims):
        sys.exit(BROKEN)


def _show(claim: Claim) -> None:
    bound = f"  [{claim.bound}]" if claim.bound else ""
    click.echo(f"{_MARKS[claim.verdict]:<12} {claim.section}: {claim.text}{bound}")
    for number, step in enumerate(claim.trace, 1):
        click.echo(f"{'':<12}   {number}. {step}")
