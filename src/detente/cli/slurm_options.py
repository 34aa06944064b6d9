"""The options that commands about a cluster share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

GATE = "/var/lib/detente/slurm"


def gate_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--gate``; arrives as ``folder``."""
    return click.option(
        "--gate",
        "folder",
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=Path(GATE),
        show_default=True,
        envvar="DETENTE_SLURM_GATE",
        help="The gate of a Slurm cluster; jobs' control directories are in it, so every node must see it.",
    )(command)


def within_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--within``; arrives as ``within_s``, ``None`` for what the terms say."""
    return click.option(
        "--within",
        "within_s",
        type=float,
        metavar="S",
        help="Seconds to wait for a cluster's receipts. [default: the terms' halt_within]",
    )(command)
