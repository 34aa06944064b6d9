"""``detente measure report``: one page about one repository, with every number leading down to its rows."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from detente.adapters.clock import SystemClock
from detente.adapters.scan_cache import default_cache
from detente.app.measuring.report import Asked, make_report, store_report
from detente.cli import json_option, reports_errors
from detente.cli.measure.hooks_seen import tell_of_hooks
from detente.cli.measure.showing import file_if_asked, show_filed, sign_option
from detente.measure.report.obligations import FORMS

FILE = click.Path(path_type=Path)


@click.command(epilog="Such as: detente measure report . --forge export --runs runs.jsonl")
@click.argument("repository", type=FILE, default=".")
@click.option("--out", type=FILE, default=Path("detente-report"), show_default=True, help="Folder for the page.")
@click.option("--ref", default="HEAD", show_default=True, help="The branch, tag or commit to read.")
@click.option(
    "--name",
    default="",
    metavar="NAME",
    help="What the page calls the repository; OWNER/NAME of GitHub links its commits.",
)
@click.option("--forge", type=FILE, help="An export of pull requests and reviews.")
@click.option(
    "--loop", "loops", multiple=True, metavar="RUN", help="Records of a self-improving loop; may be repeated."
)
@click.option("--runs", type=FILE, multiple=True, help="Runs of agents, or published horizons; may be repeated.")
@click.option(
    "--series", multiple=True, metavar="NAME=FILE", help="A dated series of progress; give two that are independent."
)
@click.option("--compute", type=FILE, multiple=True, help="A declared training run; may be repeated.")
@click.option(
    "--for", "form", type=click.Choice(tuple(FORMS)), help="Add what a report under this text would still need."
)
@click.option("--no-cache", is_flag=True, help="Keep no scan, and use none that was kept in the user's cache folder.")
@sign_option
@json_option
@reports_errors
def report(
    *,
    repository: Path,
    out: Path,
    ref: str,
    name: str,
    forge: Path | None,
    loops: tuple[str, ...],
    runs: tuple[Path, ...],
    series: tuple[str, ...],
    compute: tuple[Path, ...],
    form: str | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Measure REPOSITORY and write one page with every number, its interval and the rows below it.

    Needs no set-up and no network. What cannot be measured is on the page with the reason.
    """
    asked = Asked(
        path=repository,
        ref=ref,
        name=name,
        forge=forge,
        loops=loops,
        runs=runs,
        progress=series,
        compute=compute,
        form=form,
        cache=None if no_cache else default_cache(),
        command="detente measure report "
        + shlex.join(sys.argv[3:] if sys.argv[1:3] == ["measure", "report"] else ["."]),
    )
    made = make_report(asked, taken_at=SystemClock().now(), say=_say)
    page = store_report(made, out)
    tell_of_hooks(repository)
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    filed = file_if_asked(made.results)
    if as_json:
        more = {} if filed is None else {"filed": filed.as_json()}
        click.echo(json.dumps({**made.as_json(), "page": str(page), **more}, ensure_ascii=False))
        return
    click.echo(f"{made.subject}: {', '.join(made.facts)}")
    lines = made.headlines()
    width = max((len(label) for _, label, _ in lines), default=0)
    for measure, label, value in lines:
        click.echo(f"  {measure:<12} {label:<{width}}  {value}")
    alarms = [remark.text for result in made.results for remark in result.remarks if remark.weight == "alarm"]
    for text in alarms:
        click.echo(f"  ‼ alarm: {text}")
    for measure, error in made.refused:
        click.echo(f"  {measure:<12} refused: {error}")
    for measure, why in made.absent:
        click.echo(f"  {measure:<12} not measured: {why}")
    click.echo(f"page: {page}")
    if filed is not None:
        show_filed(filed)


def _say(step: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[Kmeasuring {step} …", err=True, nl=False)
