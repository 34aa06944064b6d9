"""``detente hook claude-code`` and ``detente hook mcp``: the accord's question where a coding agent works.

Each begins a process of ``hooks``, as ``detente node serve`` begins one of ``server``: the only imports of that room here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from detente.cli import home_option, reports_errors


@click.command("claude-code", epilog="Such as: detente hook claude-code --settings > .claude/settings.json")
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Which calls are asked for. [default: agent-policy.toml in the home, or a built-in one]",
)
@click.option("--settings", "show", is_flag=True, help="Print the settings that install it, and read nothing.")
@click.option("--default-policy", is_flag=True, help="Print the built-in policy, to start one's own from.")
@click.option(
    "--within",
    "within_s",
    type=click.FloatRange(1, 600),
    default=8.0,
    show_default=True,
    help="Seconds to wait for the answer; then it is a refusal.",
)
@click.option("--observe", is_flag=True, help="Deny nothing: record what would be answered, and warn the user.")
@home_option
@reports_errors
def claude_code(
    policy: Path | None, home: str | None, *, show: bool, default_policy: bool, within_s: float, observe: bool
) -> None:
    """Answer a coding agent's PreToolUse hook: one call on standard input, a refusal or nothing on standard output."""
    from detente.hooks.claude_code import run, settings
    from detente.hooks.tool_calls import DEFAULT_POLICY

    if default_policy:
        click.echo(DEFAULT_POLICY.decode(), nl=False)
        return
    if show:
        from detente.app.config import find_home, load_config

        folder = find_home(home)
        load_config(folder)
        click.echo(json.dumps(settings(folder, policy=policy, within_s=within_s, observe=observe), indent=2))
        return
    sys.exit(run(home=home, policy=policy, within_s=within_s, observe=observe))


@click.command(epilog="Such as: detente hook mcp --home .detente")
@home_option
@reports_errors
def mcp(home: str | None) -> None:
    """Serve the tools may_i, propose and status to an agent, over standard input and output.

    No tool approves: an answer over this protocol is no evidence of a human.
    """
    from detente.hooks.mcp import run

    run(home)
