"""``detente measure``: how far development has gone towards improving itself without people.

One module per command, imported when it is called. Works with no keys, no node and no set-up.
"""

from __future__ import annotations

import importlib
import importlib.util

import click

MEASURES: dict[str, str] = {
    "report": "detente.cli.measure.report:report",
    "authorship": "detente.cli.measure.authorship:authorship",
    "oversight": "detente.cli.measure.oversight:oversight",
    "changes": "detente.cli.measure.changes:changes",
    "lineage": "detente.cli.measure.lineage:lineage",
    "horizon": "detente.cli.measure.horizon:horizon",
    "acceleration": "detente.cli.measure.acceleration:acceleration",
    "compute": "detente.cli.measure.compute:compute",
}


class _Measures(click.Group):
    """Imports a command when it is asked for; a module that is not there is a command that does not exist."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click calls it by this name
        return [name for name, target in MEASURES.items() if importlib.util.find_spec(target.partition(":")[0])]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # as above
        target = MEASURES.get(cmd_name)
        if target is None or importlib.util.find_spec(target.partition(":")[0]) is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_Measures)
def measure() -> None:
    """Measure AI authorship, human oversight, self-improving lineage, capability and compute."""
