"""``detente hook``: what asks the accord where people and programs work: git, a coding agent, an agent's tools."""

from __future__ import annotations

import click

from detente.cli.lazy import LazyGroup

HOOKS: dict[str, str] = {
    "git": "detente.cli.hook_git:git",
    "claude-code": "detente.cli.hook_agent:claude_code",
    "mcp": "detente.cli.hook_agent:mcp",
    "kubernetes": "detente.cli.hook_kubernetes:kubernetes",
}


@click.group(cls=LazyGroup, targets=HOOKS)
def hook() -> None:
    """Put the accord's question where changes and acts pass: git, a coding agent, an agent's tools."""
