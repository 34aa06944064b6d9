"""``detente accord simulate``: scenario tables as tests of terms, and random play."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from detente.accord.reason import Reason
from detente.app.invariants import Tally
from detente.app.playing import RandomPlay, play_at_random, save_table
from detente.app.simulating import Played
from detente.app.simulating import simulate as play
from detente.base.errors import Misuse
from detente.base.instant import show_instant
from detente.cli import json_option, reports_errors
from detente.cli.wording import counted

FAILED = 1
T = TypeVar("T")


@click.command(epilog="Such as: detente accord simulate ours.yaml --scenario ours.scenarios.yaml")
@click.argument("terms", type=click.Path(path_type=Path))
@click.option("--scenario", "files", type=click.Path(path_type=Path), multiple=True, metavar="FILE", help="A table of scenarios; may be given several times.")  # fmt: skip
@click.option("--watch", is_flag=True, help="Check the invariants of random play at every step of the tables too.")
@click.option("--plays", type=click.IntRange(0, 1_000_000), default=0, help="How many random plays.")
@click.option("--steps", type=click.IntRange(1, 1_000), default=40, show_default=True, help="Of each random play, at most.")  # fmt: skip
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE", help="Where to write the table of a random play that breaks something.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63), default=0, show_default=True, help="From which keys are made and plays are drawn.")  # fmt: skip
@json_option
@reports_errors
def simulate(
    *,
    terms: Path,
    files: tuple[Path, ...],
    watch: bool,
    plays: int,
    steps: int,
    save: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Play scenario tables under TERMS and say for each expectation what was got, and why.

    Statements are signed with keys made on the spot and judged by the same rules that every party runs. Keys that stand
    in TERMS are not needed. With --plays, parties that are honest, silent, lying or late say anything at any time, and at
    every step it is checked that nobody permits against a witnessed pause, that the order in which evidence arrives
    changes nothing, and that what restricts and comes late releases nobody; the first play that breaks one of these is
    cut down to a table. Exit code 1 if an expectation is not met or an invariant is broken.
    """
    if not files and not plays:
        raise Misuse("nothing to play: give --scenario FILE or --plays NUMBER")
    shown: Callable[[Any], None] = (lambda _: None) if as_json else _show
    told = _counted(play(terms, files, seed=seed, watch=watch), "scenarios", shown, as_json=as_json)
    drawn = _counted(
        _to_first_broken(play_at_random(terms, plays=plays, steps=steps, seed=seed)), "plays", shown, as_json=as_json
    )
    failed = sum(not played.passed for played in told)
    broken = [each for each in drawn if each.breach is not None]
    for each in broken:
        if save is not None and each.table is not None:
            save_table(save, each.table)
    if as_json:
        scenarios = [played.as_json() for played in told]
        click.echo(
            json.dumps({"scenarios": scenarios, "plays": [each.as_json() for each in drawn]}, ensure_ascii=False)
        )
    else:
        _sum_up(told, failed, drawn, len(broken))
    if failed or broken:
        sys.exit(FAILED)


def _counted(found: Iterable[T], what: str, show: Callable[[T], None], *, as_json: bool) -> list[T]:
    """Everything found, shown as it comes; counted on a terminal where nothing else moves."""
    told: list[T] = []
    counts = sys.stderr.isatty() and (as_json or not sys.stdout.isatty() or what == "plays")
    for each in found:
        told.append(each)
        show(each)
        if counts:
            click.echo(f"\r{len(told)} {what}", err=True, nl=False)
    if counts and told:
        click.echo("", err=True)
    return told


def _to_first_broken(plays: Iterable[RandomPlay]) -> Iterable[RandomPlay]:
    for each in plays:
        yield each
        if each.breach is not None:
            return


def _sum_up(told: list[Played], failed: int, drawn: list[RandomPlay], broken: int) -> None:
    if told:
        asked = sum(len(played.judged) for played in told)
        click.echo(f"{failed} of {counted(len(told), 'scenario')} failed, {counted(asked, 'expectation')}", err=True)
    if drawn:
        tally = Tally()
        for each in drawn:
            tally.add(each.tally)
        click.echo(
            f"{broken} of {counted(len(drawn), 'play')} broke something; {counted(tally.steps, 'step')}, at which {counted(tally.allowed, 'run')} might "
            f"go on and {tally.under_pause} were under a witnessed pause; {counted(tally.ended, 'pause')} ended",
            err=True,
        )


def _show(played: Played | RandomPlay) -> None:
    if isinstance(played, Played):
        _show_scenario(played)
    elif played.breach is not None:
        habits = ", ".join(f"{party} {habit}" for party, habit in played.habits.items())
        click.echo(f"✗ broken  play {played.number} ({habits})\n  {played.breach.invariant}: {played.breach.text}")
        click.echo(played.table or "")


def _show_scenario(played: Played) -> None:
    click.echo(f"{'✓ passed' if played.passed else '✗ failed'}  {played.scenario.name}")
    if played.breach is not None:
        click.echo(f"  ✗ broken   {played.breach.invariant}: {played.breach.text}")
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
