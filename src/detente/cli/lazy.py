"""A group of commands that are imported when they are asked for, so that ``--help`` and a guard start fast."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """``targets`` maps a name to ``module:attribute``. A module that is not there is a command that does not exist."""

    def __init__(self, *args: Any, targets: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click calls it by this name
        return [name for name, target in self._targets.items() if _is_there(target)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        target = self._targets.get(cmd_name)
        if target is None or not _is_there(target):
            return None
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


def _is_there(target: str) -> bool:
    return importlib.util.find_spec(target.partition(":")[0]) is not None
