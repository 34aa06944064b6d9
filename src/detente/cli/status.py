"""``detente status``: what is so now, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from detente.app.door import Door, open_door
from detente.app.explaining import explain_home, explain_homes
from detente.base.errors import Misuse
from detente.cli import home_option, json_option, reports_errors
from detente.cli.explanation import asked_for, html_option, show_told


@click.command(epilog="Such as: detente status --why --run q")
@click.option(
    "--why", is_flag=True, help="Say on which entries of which logs each line rests, and what would change it."
)
@click.option("--party", metavar="PARTY", help="With --why: what binds one party.")
@click.option("--run", metavar="NAME", help="With --why: what binds one run, by its name or the beginning of its id.")
@click.option(
    "--version",
    "change",
    metavar="ID",
    help="With --why: what binds a version or proposal, by the beginning of its id.",
)
@click.option("--trigger", metavar="ID", help="With --why: one trigger.")
@click.option(
    "--also", metavar="DIR", multiple=True, help="With --why: another home, of another accord over the same party."
)
@html_option
@home_option
@json_option
@reports_errors
def status(
    *,
    why: bool,
    party: str | None,
    run: str | None,
    change: str | None,
    trigger: str | None,
    also: tuple[str, ...],
    html: Path | None,
    home: str | None,
    as_json: bool,
) -> None:
    """Show the accord's phase, pauses, halts, findings and consequences as this node sees them.

    With --why and a party, run, version or trigger: which clauses bind it, since when, resting on which entries, and every
    smallest set of acts, or the instant, that would end it.
    """
    asked = asked_for(party=party, run=run, change=change, trigger=trigger)
    if asked.kind is not None or also or html is not None:
        if not why:
            raise Misuse("what binds one party, run, version or trigger is told with --why")
        told = explain_homes([asyncio.run(explain_home(each, asked)) for each in (home, *also)])
        show_told(told, as_json=as_json, html=html)
        return
    door, said = asyncio.run(_status(home, why=why))
    if as_json:
        click.echo(json.dumps(said, indent=2))
        return
    for line in lines(said, served=door.served, why=why):
        click.echo(line)


async def _status(home: str | None, *, why: bool) -> tuple[Door, dict[str, Any]]:
    door = await open_door(home)
    return door, await door.status(why=why)


def lines(said: Mapping[str, Any], *, served: str, why: bool) -> Iterator[str]:
    """A status for people, a line each; nothing is said by colour."""
    terms, phase = said["terms"], said["phase"]
    witnessed = ", self-witnessed: no quorum" if terms["self_witnessed"] else ""
    yield f"accord {said['name']} ({said['accord'][:12]}…), terms version {terms['version']}{witnessed}"
    yield f"phase  {phase['now']}" + (f" since {phase['since']}" if phase["since"] else "")
    if phase["now"] != "in_force":
        yield f"       {phase['why']['text']}"
    bound = [each["party"] for each in said["bindings"] if each["bound"]]
    yield f"bound  {', '.join(bound) or 'nobody'}"
    yield from _latched(said)
    for halt in said["halts"]:
        by = f" (by {halt['halt_by']})" if halt["halt_by"] else ""
        yield f"halt   {halt['party']} {halt['name']}: {halt['state']}{by}"
    for finding in said["findings"]:
        yield f"finding {finding['finding'][:12]}… about {finding['about']}: {finding['state']}: {finding['claim']}"
    for sanction in said["sanctions"]:
        yield f"consequence {sanction['act']} by {sanction['by'] or 'everybody'} against {sanction['against']}"
    for duty in said.get("duties", ()):
        if duty["state"] == "overdue":
            yield f"OVERDUE {duty['duty']} of {duty['party']} since {duty['since']}: {duty['asks']}"
        elif duty["state"] == "open":
            yield f"due    {duty['duty']} of {duty['party']} by {duty['due_at']}: {duty['asks']}"
    for rule in said.get("schedule", ()):
        if rule["state"] != "ended":
            yield f"{'later ' if rule['state'] == 'coming' else 'ends  '} {rule['rule']}: {rule['span']}"
    for release in said["released_by_time"]:
        yield f"released by the passing of time: {release['text']} ({release['at']})"
    for each in said.get("oversight", ()):
        yield f"depth  {each['party']}: {_depths(each)}"
        yield f"       since the last significant approval: {_since(each['since_approval'])}"
    if why:
        yield ""
        for reason in said.get("why", ()):
            places = ", ".join(reason.get("places", ()))
            cites = ", ".join(f"{cite[:12]}…" for cite in reason.get("cites", ()))
            yield f"why    {reason['text']}" + (f"  [{places or cites}]" if places or cites else "")
    yield f"as seen by {served or 'the store of this home, opened directly'}"


def _latched(said: Mapping[str, Any]) -> Iterator[str]:
    """What stops, slows and limits, and what it would take to end or keep it."""
    for pause in said["pauses"]:
        yield f"PAUSED by {pause['trigger']}, round {pause['round']}, scope {pause['scope']}, since {pause['since']}"
        yield f"       stops {', '.join(pause['activities'])} of {', '.join(pause['parties']) or 'nobody'}"
        yield f"       to lift: {pause['lift']['missing'] or 'nothing is missing'}"
        if pause["lift"]["effective_at"]:
            yield f"       the lift takes effect at {pause['lift']['effective_at']}"
    for slow in said["slowdowns"]:
        yield f"SLOWED by {slow['trigger']} to {slow['rate']} of full speed, since {slow['since']}"
    for measure in said.get("measures", ()):
        yield f"LIMITS of {measure['trigger']} in effect for {', '.join(measure['parties']) or 'nobody'}, since {measure['since']}"
    for latched in (*said["pauses"], *said["slowdowns"], *said.get("measures", ())):
        confirm = latched.get("confirm")
        if confirm and not confirm["confirmed_at"]:
            yield f"       {latched['trigger']} lapses at {latched['lapses_at']} unless confirmed: {confirm['missing']}"
    if not said["pauses"] and not said["slowdowns"] and not said.get("measures"):
        yield f"nothing is latched; permits live {said['permit_life_s']} s"


def _depths(each: Mapping[str, Any]) -> str:
    named = (("AI-proposed", each["ai_proposed_depth"]), ("self", each["self_depth"]))
    return ", ".join(f"{name} {_range(depth['low'], depth['high'])}" for name, depth in named)


def _since(amounts: Mapping[str, Any]) -> str:
    time_s = {end: None if value is None else f"{int(value) // 3_600} h" for end, value in amounts["time_s"].items()}
    return ", ".join(
        (
            _range(time_s["low"], time_s["high"]),
            f"{_range(**amounts['flop'])} FLOP",
            f"{_range(**amounts['changed_lines'])} changed lines",
        )
    )


def _range(low: object, high: object) -> str:
    if high is None:
        return "unknown" if str(low) in {"0", "0 h"} else f"at least {low}"
    return f"{low}" if low == high else f"{low} to {high}"
