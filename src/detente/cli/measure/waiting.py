"""What a measurement with statistics needs before it starts, and a line of progress while it runs."""

from __future__ import annotations

import importlib.util
import sys
import time

import click

from detente.base.errors import Misuse

_AFTER_S = 1.0
"""Shorter waits need no word."""


def need_numpy() -> None:
    """Say what to install; raises ``Misuse``."""
    if importlib.util.find_spec("numpy") is None:
        raise Misuse("this measure needs NumPy: pip install 'detente[measure]'")


class Progress:
    """A line on stderr, on a terminal only, once a second has passed: ``what`` and how much of it is done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._start = time.monotonic()
        self._shown = False

    def __call__(self, done: int, of: int) -> None:
        """Show that ``done`` of ``of`` are done; the last call clears the line."""
        if not sys.stderr.isatty():
            return
        if done >= of:
            if self._shown:
                click.echo("\r\x1b[K", nl=False, err=True)
        elif time.monotonic() - self._start > _AFTER_S:
            click.echo(f"\r{self._what}: {done * 100 // of} %", nl=False, err=True)
            self._shown = True
