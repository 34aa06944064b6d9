"""The commands: ``detente``.

Decides which commands there are, how errors become messages and exit codes, and nothing else. The only room that
prints or exits. Each command lives in a module of its own, imported when it is called, so that ``detente --help`` and a
guard start fast.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import wraps
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ParamSpec, TypeVar, get_args

import click

from detente.base.errors import DetenteError, Misuse, RefusalKind, Refused, Unavailable
from detente.cli.lazy import LazyGroup

__all__ = ["EXIT_CODES", "MISUSE", "UNAVAILABLE", "main", "reports_errors", "show_error"]

P = ParamSpec("P")
R = TypeVar("R")

MISUSE, UNAVAILABLE = 2, 3
PAUSED = 75
"""What a paused job exits with: EX_TEMPFAIL of sysexits.h, try again later."""
EXIT_CODES: dict[RefusalKind, int] = {kind: 10 + number for number, kind in enumerate(get_args(RefusalKind))}
"""Every kind of refusal has its own exit code, from 10 on, in the order of ``base.errors.RefusalKind``."""

COMMANDS: dict[str, str] = {
    "init": "detente.cli.init:init",
    "guard": "detente.cli.guard:guard",
    "hook": "detente.cli.hook:hook",
    "gate": "detente.cli.gate:gate",
    "hold": "detente.cli.hold:hold",
    "pause": "detente.cli.pause:pause",
    "lift": "detente.cli.lift:lift",
    "renew": "detente.cli.renew:renew",
    "retract": "detente.cli.retract:retract",
    "slurm": "detente.cli.slurm:slurm",
    "status": "detente.cli.status:status",
    "accord": "detente.cli.accord:accord",
    "measure": "detente.cli.measure:measure",
    "log": "detente.cli.log:log",
    "node": "detente.cli.node:node",
    "drill": "detente.cli.drill:drill",
}
"""Name → module:attribute. A module that is not there is a command that does not exist."""


def show_error(error: DetenteError, *, as_json: bool) -> int:
    """Say what went wrong on stderr (as JSON on stdout when asked) and return the exit code for it."""
    # A file of terms is refused with everything that is wrong in it, each with its line and column.
    found: tuple[DetenteError, ...] = getattr(error, "all", (error,))
    said: dict[str, Any]
    if isinstance(error, Refused):
        code, said = EXIT_CODES[error.kind], {"refused": error.as_json()}
        if len(found) > 1:
            said["all"] = [each.as_json() for each in found if isinstance(each, Refused)]
    elif isinstance(error, Unavailable):
        code, said = UNAVAILABLE, {"unavailable": str(error)}
    else:
        code, said = MISUSE, {"misuse": str(error)}
    if as_json:
        click.echo(json.dumps({**said, "exit": code}))
    for each in found:
        click.echo(f"detente: {each}", err=True)
    return code


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the package's errors into a message and an exit code. ``as_json`` among the arguments asks for JSON."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (Refused, Unavailable, Misuse) as error:
            sys.exit(show_error(error, as_json=bool(kwargs.get("as_json"))))

    return run


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--json`` that every command has; arrives as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def home_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--home``; arrives as ``home`` (text or None), for ``app.config.find_home``."""
    return click.option("--home", metavar="DIR", help="The node's home. [default: $DETENTE_HOME or ./.detente]")(
        command
    )


def package_version() -> str:
    """The release of this package."""
    try:
        return version("detente")
    except PackageNotFoundError:
        return "unknown"


@click.group(cls=LazyGroup, targets=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_version(), prog_name="detente")
def main() -> None:
    """The brake that AI developers can share."""
