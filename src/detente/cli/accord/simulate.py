"""``detente accord simulate``: scenario tables as tests of terms, and random play."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from detente.accord.reason import Reason
from detente.app.drawing import HABITS
from detente.app.playing import Plays, play_at_random, save_table
from detente.app.simulating import Played
from detente.app.simulating import simulate as play
from detente.base.errors import Misuse
from detente.base.instant import show_instant
from detente.cli import json_option, reports_errors
from detente.cli.wording import counted

FAILED = 1


@click.command(epilog="Such as: detente accord simulate ours.yaml --scenario ours.scenarios.yaml")
@click.argument("terms", type=click.Path(path_type=Path))
@click.option("--scenario", "files", type=click.Path(path_type=Path), multiple=True, metavar="FILE", help="A table of scenarios; may be given several times.")  # fmt: skip
@click.option("--watch", is_flag=True, help="Check the invariants of random play at every step of the tables too.")
@click.option("--play", "plays", type=click.IntRange(0, 1_000_000), is_flag=False, flag_value=100, default=0, help="Play at random, so many times; 100 if no number follows.")  # fmt: skip
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
    in TERMS are not needed. With --play, parties that are honest, crashed, late, lying or colluding say anything at any
    time, and at every step it is checked that nobody permits against a witnessed pause, that the order in which evidence
    arrives changes nothing, that what restricts and comes late releases nobody, that a pause stays until it is lifted by
    its quorum or marked as lapsed, and that no forgery or second story of a log has an effect; the first play that breaks
    one of these is made small and told as a table. Exit code 1 if an expectation is not met or an invariant is broken.
    """
    if not files and not plays:
        raise Misuse("nothing to play: give --scenario FILE or --play")
    told = []
    for played in play(terms, files, seed=seed, watch=watch):
        told.append(played)
        if not as_json:
            _show_scenario(played)
        _count(len(told), "scenarios", counts=as_json or not sys.stdout.isatty())
    drawn = play_at_random(terms, plays=plays, steps=steps, seed=seed, told=_count_plays) if plays else None
    if sys.stderr.isatty() and (drawn is not None or as_json or not sys.stdout.isatty()):
        click.echo("", err=True)
    broken = None if drawn is None else drawn.broken
    if broken is not None and save is not None:
        save_table(save, broken.table)
    if as_json:
        found = {
            "scenarios": [played.as_json() for played in told],
            "plays": None if drawn is None else drawn.as_json(),
        }
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        _sum_up(told, drawn)
    if broken is not None or not all(played.passed for played in told):
        sys.exit(FAILED)


def _count_plays(number: int) -> None:
    _count(number, "plays", counts=True)


def _count(number: int, what: str, *, counts: bool) -> None:
    """Progress, on a terminal where nothing else moves."""
    if counts and sys.stderr.isatty():
        click.echo(f"\r{number} {what}", err=True, nl=False)


def _sum_up(told: list[Played], drawn: Plays | None) -> None:
    if told:
        failed = sum(not played.passed for played in told)
        asked = sum(len(played.judged) for played in told)
        click.echo(f"{failed} of {counted(len(told), 'scenario')} failed, {counted(asked, 'expectation')}", err=True)
    if drawn is None:
        return
    if drawn.broken is not None:
        breach = drawn.broken.breach
        habits = ", ".join(f"{party} {habit}" for party, habit in drawn.broken.habits.items())
        click.echo(f"✗ broken  play {drawn.played} ({habits})\n  {breach.invariant}: {breach.text}")
        click.echo(drawn.broken.table)
    tally = drawn.tally
    habits = ", ".join(f"{drawn.habits[habit]} {habit}" for habit in HABITS if drawn.habits[habit])
    click.echo(
        f"{'1' if drawn.broken else 'none'} of {counted(drawn.played, 'play')} broke something; "
        f"{counted(tally.steps, 'step')} of parties of which {habits}; {counted(tally.allowed, 'run')} might go on and "
        f"{tally.under_pause} were under a witnessed pause; {counted(tally.ended, 'pause')} ended; "
        f"{counted(tally.forged, 'forged statement')}, {counted(tally.stories, 'forked log')}",
        err=True,
    )


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
