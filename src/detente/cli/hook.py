"""``detente hook``: what asks the accord where people and programs work: git, an agent, a cluster, a model's registry and its server."""

from __future__ import annotations

import click

from detente.cli.lazy import LazyGroup

HOOKS: dict[str, str] = {
    "git": "detente.cli.hook_git:git",
    "claude-code": "detente.cli.hook_agent:claude_code",
    "mcp": "detente.cli.hook_agent:mcp",
    "kubernetes": "detente.cli.hook_kubernetes:kubernetes",
    "mlflow": "detente.cli.hook_promotion:mlflow",
    "hf-upload": "detente.cli.hook_promotion:hf_upload",
    "serving": "detente.cli.hook_serving:serving",
    "loop": "detente.cli.hook_loop:loop",
}


@click.group(cls=LazyGroup, targets=HOOKS)
def hook() -> None:
    """Put the accord's question where changes and acts pass: git, an agent's tools, a cluster, a registry."""
