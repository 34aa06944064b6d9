"""``detente slurm``: a cluster under the accord: its gate, its leave, and the pause and lift of all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

import click

from detente.adapters.slurm import Slurm
from detente.app.slurm.gate import Gate
from detente.app.slurm.installing import inspect, install
from detente.app.slurm.keeping import Keeper, summary
from detente.app.slurm.lifting import lift
from detente.app.slurm.pausing import Pausing, Report
from detente.app.slurm.posting import STANDING, declare_standing, keep_posted
from detente.app.slurm.record import RecordFile
from detente.base.errors import DetenteError
from detente.cli import EXIT_CODES, home_option, json_option, reports_errors
from detente.cli.slurm_options import gate_option, within_option
from detente.cli.wording import counted

name_option = click.option(
    "--run", "name", default=STANDING, show_default=True, help="Name of the standing run that leave is asked for."
)


@click.group()
def slurm() -> None:
    """Put a Slurm cluster under the accord: its gate, its leave, and the pause and lift of all of it."""


@slurm.command("install", epilog="Such as: detente slurm install --conf-dir /etc/slurm")
@gate_option
@click.option(
    "--conf-dir",
    type=click.Path(path_type=Path),
    default=Path("/etc/slurm"),
    show_default=True,
    help="Where slurm.conf is.",
)
@click.option("--slurm-user", default="slurm", show_default=True, help="SlurmUser of slurm.conf.")
@name_option
@home_option
@json_option
@reports_errors
def install_(folder: Path, conf_dir: Path, slurm_user: str, name: str, home: str | None, as_json: bool) -> None:
    """Write the gate's folder and job_submit.lua, and say which lines slurm.conf needs."""
    outfit, run = asyncio.run(declare_standing(home, name))
    made = install(folder, conf_dir, outfit, run, slurm_user=slurm_user)
    if as_json:
        click.echo(
            json.dumps({"folder": made.folder, "lua": made.lua, "run": made.run, "slurm_conf": list(made.lines)})
        )
        return
    click.echo(f"installed {made.lua} and {made.folder}; slurm.conf needs these lines, and slurmctld a restart:")
    for line in made.lines:
        click.echo(f"  {line}")


@slurm.command(epilog="Such as: detente slurm watch")
@gate_option
@name_option
@home_option
@reports_errors
def watch(folder: Path, name: str, home: str | None) -> None:
    """Post leave for the cluster and keep it fresh, until ended. What was posted last then lapses."""

    async def work() -> None:
        over = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        posting = asyncio.create_task(keep_posted(Gate(folder), home, name=name, say=say))
        ending = asyncio.create_task(over.wait())
        await asyncio.wait([posting, ending], return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not posting.done():
            posting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await posting

    asyncio.run(work())


@slurm.command(epilog="Such as: detente slurm keep --lift")
@gate_option
@within_option
@click.option("--lift", "lifts", is_flag=True, help="Lift what this paused as soon as there is leave again.")
@click.option("--observe", "observes", is_flag=True, help="Write into observe.jsonl what would be done; stop nothing.")
@reports_errors
def keep(folder: Path, within_s: float | None, lifts: bool, observes: bool) -> None:
    """Pause the cluster as soon as the posted leave ends or lapses, until ended. Needs no network."""
    over: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: over.append(got))
    gate = Gate(folder)
    deadline_s = float(gate.terms().pause.halt_within_s) if within_s is None else within_s
    Keeper(gate, Slurm(), within_s=deadline_s, lifts=lifts, observes=observes, say=say, over=lambda: bool(over)).run()


@slurm.command(epilog="Such as: detente slurm pause --within 120")
@gate_option
@within_option
@click.option("--reason", default="paused by the operator", show_default=True, help="The line that users are told.")
@json_option
@reports_errors
def pause(folder: Path, within_s: float | None, reason: str, as_json: bool) -> None:
    """Stop the whole cluster: close admission, ask the jobs to save, hold the saved, suspend the rest, and look."""
    report = pause_cluster(folder, within_s, reason)
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        show_paused(report)
    if not report.paused:
        sys.exit(EXIT_CODES["inconsistent"])


def pause_cluster(folder: Path, within_s: float | None, reason: str) -> Report:
    """Pause; a gate that does not read must not keep a cluster from being stopped: what listens has a minute then."""
    gate = Gate(folder)
    if within_s is None:
        try:
            within_s = float(gate.terms().pause.halt_within_s)
        except DetenteError as error:
            say(f"{error}; receipts are awaited for 60 s")
            within_s = 60.0
    return Pausing(gate, Slurm(), within_s=within_s, say=say).run(" ".join(reason.split())[:300])


def show_paused(report: Report) -> None:
    """What a person reads: one line about all, one about each job."""
    click.echo(summary(report.as_json()))
    for job, treated in sorted(report.jobs.items(), key=lambda each: int(each[0])):
        at = f" at step {treated.step}, checkpoint {treated.checkpoint[:12]}…" if treated.checkpoint else ""
        click.echo(f"  job {job}: {treated.outcome}{at}{f' ({treated.why})' if treated.why else ''}")
    for line in report.said:
        say(line)


@slurm.command("lift", epilog="Such as: detente slurm lift")
@gate_option
@json_option
@reports_errors
def lift_(folder: Path, as_json: bool) -> None:
    """Lift the cluster's pause in reverse. Refused without the accord's leave."""
    lifted = lift(Gate(folder), Slurm(), say=say)
    if as_json:
        click.echo(json.dumps(lifted.as_json()))
    else:
        click.echo(
            f"lifted: {len(lifted.released)} released, {len(lifted.resumed)} resumed, {len(lifted.left)} left as they are"
        )
    for line in lifted.said:
        say(line)


@slurm.command(epilog="Such as: detente slurm status")
@gate_option
@json_option
@reports_errors
def status(folder: Path, as_json: bool) -> None:
    """Say whether the gate stands, whether jobs may start, and what a pause has done; findings make the exit code non-zero."""
    gate, cluster = Gate(folder), Slurm()
    findings = inspect(folder, cluster.show_config())
    shut = gate.shut_by()
    record = RecordFile(gate).load()
    running = [job.id for job in cluster.list_jobs() if job.runs]
    if gate.closed.exists():
        findings += [f"job {job} runs in a paused cluster" for job in running if record.phase == "paused"]
        if not cluster.is_reserved():
            findings.append("the reservation that closes a paused cluster is gone")
    if as_json:
        jobs = {job: each.as_json() for job, each in record.jobs.items()}
        click.echo(
            json.dumps(
                {
                    "admits": not shut,
                    "why": shut,
                    "phase": record.phase,
                    "jobs": jobs,
                    "running": running,
                    "findings": findings,
                }
            )
        )
    else:
        click.echo(f"admits jobs: {f'no: {shut}' if shut else 'yes'}")
        click.echo(f"pause: {record.phase}; {counted(len(running), 'job')} running")
        for finding in findings:
            click.echo(f"FINDING {finding}")
    if findings:
        sys.exit(EXIT_CODES["inconsistent"])


def say(line: str) -> None:
    """On stderr; that nobody reads it any more changes nothing."""
    with contextlib.suppress(OSError):
        click.echo(f"detente: {line}", err=True)
