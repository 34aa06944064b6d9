"""``detente guard -- COMMAND``: run a job only while it is permitted, or observe it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Literal

import click

from detente.app.commanding import Order, enforce, observe
from detente.app.observing import Observation
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.cli import home_option, reports_errors
from detente.cli.wording import counted


@click.command(
    context_settings={"ignore_unknown_options": False},
    epilog="Such as: detente guard --run lm --planned-flop 1e15 --hold -- python train.py",
)
@click.option("--run", metavar="NAME", help="Name of the run; the same name is the same run. [default: this folder's]")
@click.option(
    "--activity",
    type=click.Choice(["training", "self_improvement"]),
    default="training",
    show_default=True,
    help="What the permit is for; terms may treat the two differently.",
)
@click.option("--planned-flop", metavar="X", help="FLOP that the run plans, such as 1e18. Needed unless observing.")
@click.option("--parent", "parents", metavar="VERSION", multiple=True, help="Digest of a version it starts from.")
@click.option("--proposal", metavar="ID", help="The proposal that this run carries out.")
@click.option("--observe", "observing", is_flag=True, help="Record what would be done; stop nothing. Needs no set-up.")
@click.option("--hold/--exit", default=False, help="After a pause, wait for the lift and go on; or exit 75.")
@click.option("--wait", "wait_s", default=30.0, show_default=True, help="Seconds to wait for the first permit.")
@click.option(
    "--freeze-after",
    "still_after_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="At a pause, freeze every process that long after a request for a checkpoint without an answer. [default: never]",
)
@click.option(
    "--also", metavar="DIR", multiple=True, help="A home of another accord: the job runs only while each permits it."
)
@home_option
@click.option("--json", "as_json", is_flag=True, help="Print a refusal, or what --observe saw, as one line of JSON.")
@click.argument("command", nargs=-1, required=True)
@reports_errors
def guard(
    command: tuple[str, ...],
    run: str | None,
    activity: Literal["training", "self_improvement"],
    planned_flop: str | None,
    parents: tuple[str, ...],
    proposal: str | None,
    observing: bool,
    hold: bool,
    wait_s: float,
    still_after_s: float | None,
    also: tuple[str, ...],
    home: str | None,
    as_json: bool,
) -> None:
    """Run COMMAND only while it is permitted.

    Refuses to start without a permit. At a pause asks COMMAND to save, waits for its receipt, stops it, files `halted`;
    at the terms' deadline kills every process of it. Exits with COMMAND's own code, or 75 when it was paused.
    """
    order = Order(
        command=command,
        run=run or _folder_name(),
        activity=activity,
        planned_flop=planned_flop,
        parents=parents,
        proposal=proposal,
        hold=hold,
        wait_s=wait_s,
        still_after_s=still_after_s,
    )
    if observing and also:
        raise Misuse("--observe looks at one home")
    if observing:
        sys.exit(_observe(order, home, as_json=as_json))
    if planned_flop is None:
        raise Misuse("say how many FLOP the run plans, such as --planned-flop 1e18: limits are checked against it")
    sys.exit(asyncio.run(enforce(order, home=home, report=_say, also=also)))


def _observe(order: Order, home: str | None, *, as_json: bool) -> int:
    observation, run = asyncio.run(observe(order, home=home, report=_say))
    if as_json:
        click.echo(json.dumps({**observation.as_json(), "run": run}))
    else:
        for line in summary(observation, run, run_name=order.run):
            click.echo(line, err=True)
    return observation.exit_code


def summary(seen: Observation, run: Digest | None, *, run_name: str) -> list[str]:
    """What a person reads after ``--observe``, a line each."""
    command = shlex.join(seen.command)
    if seen.steps.count:
        gaps = f"{_time(seen.steps.mean_gap_s)} apart, longest gap {_time(seen.steps.longest_gap_s)}"
        steps = f"{seen.steps.count} seen, {gaps}"
    else:
        steps = "none seen: `from detente import guard`, then g.step() after each, lets a pause save first"
    would = [f"at {_time(each.at_s)}: {each.what} ({each.why})" for each in seen.would]
    if not would:
        would = [
            f"nothing: it was permitted throughout ({counted(seen.permits, 'permit')})"
            if seen.permits
            else "unknown: no permit was had before it ended"
        ]
    rows = [
        ("command", f"{command} → exit {seen.exit_code} after {_time(seen.wall_s)}"),
        ("processes", f"at most {seen.processes_most}, {_time(seen.cpu_s)} of CPU"),
        ("steps", steps),
        ("would have", would[0]),
        *(("", each) for each in would[1:]),
        *(("trouble", each) for each in seen.troubles),
        ("record", f"{seen.record}" + (f", run {run[:12]}…" if run else "")),
        ("to enforce", f"detente guard --run {shlex.quote(run_name)} --planned-flop 1e15 -- {command}"),
    ]
    return ["", "detente guard --observe: not enforced", *(f"  {name:<11} {text}" for name, text in rows)]


def _time(seconds: float) -> str:
    if seconds < 0.0995:
        return f"{seconds * 1_000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _folder_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path.cwd().name).strip("-._")[:60] or "run"


def _say(line: str) -> None:
    """Tell whoever listens. That nobody does any more (a closed terminal) changes nothing about the job."""
    with contextlib.suppress(OSError):
        click.echo(f"detente: {line}", err=True)
