"""``detente hook loop``: start a self-improvement program so that each generation of it waits for an approval.

Begins a program below an adapter of ``hooks``, as ``detente hook mcp`` begins a process of it: the only import of that room here.
"""

from __future__ import annotations

import click

from detente.app.config import find_home, load_config
from detente.cli import home_option, reports_errors


@click.command(
    epilog="Such as: detente hook loop openevolve -- openevolve-run.py initial.py evaluate.py --config config.yaml",
)
@click.argument("program", type=click.Choice(["openevolve", "shinka", "dgm"]))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--run", default="", metavar="NAME", help="Name of the loop's run in the home. [default: loop-PROGRAM]")
@click.option("--observe", is_flag=True, help="Hold nothing: record what would be answered, and say it on stderr.")
@home_option
@reports_errors
def loop(program: str, command: tuple[str, ...], run: str, *, observe: bool, home: str | None) -> None:
    """Start PROGRAM by COMMAND, its own script, in this process: one generation for each approval."""
    folder = find_home(home).resolve()
    if not observe:
        load_config(folder)
    from detente.hooks.loops.generations import Loop
    from detente.hooks.loops.running import start

    start(Loop(program=program, run=run or f"loop-{program}", home=str(folder), observe=observe), command)
