"""``detente measure``: how far development has gone towards improving itself without people.

One module per command, imported when it is called. Works with no keys, no node and no set-up.
"""

from __future__ import annotations

import click

from detente.cli.lazy import LazyGroup

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


@click.group(cls=LazyGroup, targets=MEASURES)
def measure() -> None:
    """Measure AI authorship, human oversight, self-improving lineage, capability and compute."""
