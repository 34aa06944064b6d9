"""``detente measure authorship``: which share of the merged code is known to be AI's, and how much nobody can tell."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from detente.base.errors import DetenteError, Refused
from detente.cli import json_option, reports_errors, show_error
from detente.cli.measure.history import Ticker
from detente.cli.measure.showing import is_to_be_filed, printable, show_result, sign_option
from detente.cli.wording import counted
from detente.measure.indicator import Result

DAY = click.DateTime(["%Y-%m-%d"])
_HALVES, _AREAS = 8, 8
_REPOSITORIES = click.Path(path_type=Path)


@click.command(epilog="Such as: detente measure authorship --since 2026-01-01 ../other-repository")
@click.argument("repositories", nargs=-1, type=_REPOSITORIES, metavar="[REPO]...")
@click.option("--ref", default="HEAD", show_default=True, help="Whose history: a branch, tag or commit.")
@click.option("--since", type=DAY, help="Commits of this day and later, by the committer's date in UTC.")
@click.option("--until", type=DAY, help="Commits before this day.")
@click.option("--notes-ref", default="refs/notes/ai", show_default=True, help="Where Git AI notes lie.")
@click.option("--evidence", is_flag=True, help="Print the rows below the numbers.")
@click.option("--cache", "folder", type=_REPOSITORIES, help="Where scans are kept. [default: the user's cache folder]")
@click.option("--no-cache", is_flag=True, help="Keep nothing, and use nothing that was kept.")
@click.option("--jobs", type=click.IntRange(1), help="Processes, for several repositories. [default: all cores]")
@sign_option
@json_option
@reports_errors
def authorship(
    *,
    repositories: tuple[Path, ...],
    ref: str,
    since: datetime | None,
    until: datetime | None,
    notes_ref: str,
    evidence: bool,
    folder: Path | None,
    no_cache: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Measure AI authorship in each REPO, by default the one that holds the current folder.

    Shares are intervals: at least what marks and ledgers show, at most all that no ledger attests to a human. Nothing that a
    repository names is run, nothing is fetched. With several, each --json line is one repository, in the order given, and one
    that cannot be measured is listed and does not stop the others.
    """
    from detente.adapters.scan_cache import choose_cache
    from detente.app.measuring.authorship import Question, measure_authorship

    question = Question(
        ref=ref,
        since_s=_seconds(since),
        until_s=_seconds(until),
        notes_ref=notes_ref,
        cache=None if no_cache else choose_cache(folder),
        rows=as_json or evidence or is_to_be_filed(),
    )
    if len(repositories) <= 1:
        with Ticker() as ticker:
            result = measure_authorship(repositories[0] if repositories else Path(), question, progress=ticker.tick)
        _show(result, as_json=as_json, evidence=evidence)
        return
    from functools import partial

    from detente.app.measuring.many import measure_each

    refused: list[tuple[Path, DetenteError]] = []
    measured = measure_each(repositories, partial(measure_authorship, question=question), jobs=jobs)
    for number, (path, outcome) in enumerate(measured):
        if isinstance(outcome, Result):
            if number and not as_json:
                click.echo()
            _show(outcome, as_json=as_json, evidence=evidence)
        else:
            refused.append((path, outcome))
            if as_json:
                click.echo(json.dumps({"measure": "authorship", "subject": str(path), **_why(outcome)}))
    for path, error in refused:
        click.echo(f"not measured: {printable(str(path))}: {error}", err=True)
    if refused:
        sys.exit(show_error(refused[0][1], as_json=False))


def _show(result: Result, *, as_json: bool, evidence: bool) -> None:
    show_result(result, as_json=as_json, evidence=evidence)
    if as_json or evidence:
        return
    for name, title, last in (("half_years", "half-year", _HALVES), ("areas", "folder", _AREAS)):
        for line in _table(result, name, title, last):
            click.echo(line)


def _table(result: Result, name: str, title: str, last: int) -> Iterator[str]:
    ledger = result.ledger(name)
    if ledger is None or not ledger.rows:
        return
    rows = [dict(zip(ledger.columns, row, strict=True)) for row in ledger.rows]
    shown = rows[-last:] if name == "half_years" else rows[:last]
    marked = "   marked" if name == "half_years" else ""
    yield f"\n  {title:<16}{'lines':>10}   AI share of lines{marked}"
    for row in shown:
        first = printable(str(row[ledger.columns[0]]))
        lines = _number(row["lines"])
        share = _interval(_number(row["ai_lines_low"]), _number(row["ai_lines_high"]), lines)
        of_commits = f"   {row['ai_marked']} of {counted(_number(row['commits']), 'commit')}" if marked else ""
        yield f"  {first:<16.40}{lines:>10}   {share:>17}{of_commits}"
    if len(rows) > len(shown):
        yield f"  and {len(rows) - len(shown)} more: --evidence"


def _interval(low: int, high: int, whole: int) -> str:
    return f"{low / whole:.1%} to {high / whole:.1%}" if whole else "no lines"


def _number(cell: object) -> int:
    return cell if isinstance(cell, int) else 0


def _why(error: DetenteError) -> dict[str, object]:
    return {"refused": error.as_json()} if isinstance(error, Refused) else {"unavailable": str(error)}


def _seconds(day: datetime | None) -> int | None:
    return None if day is None else int(day.replace(tzinfo=UTC).timestamp())
