"""After a measurement of a repository: is the hook that holds its changes still there, and did it see everything?"""

from __future__ import annotations

from pathlib import Path

import click

from detente.app.config import find_home
from detente.app.ref_moves.installing import inspect
from detente.base.errors import DetenteError


def tell_of_hooks(repository: Path) -> None:
    """Say on stderr what is not as it was installed; nothing where this home has no hook there."""
    home = find_home()
    if not (home / "git").is_dir():
        return
    try:
        findings = inspect(repository, home)
    except DetenteError:
        return
    for each in findings:
        click.echo(f"FINDING {each}", err=True)
    if findings:
        click.echo("`detente hook git status` says more", err=True)
