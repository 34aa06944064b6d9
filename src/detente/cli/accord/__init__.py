"""``detente accord``: the text of an accord, before and while it binds.

One module per command, imported when it is called. Those from ``join`` on sign and file; all others work with no keys, no node
and no set-up.
"""

from __future__ import annotations

import click

from detente.cli.lazy import LazyGroup

ACCORD: dict[str, str] = {
    "new": "detente.cli.accord.new:new",
    "check": "detente.cli.accord.check:check",
    "diff": "detente.cli.accord.diff:diff",
    "explain": "detente.cli.accord.explain:explain",
    "simulate": "detente.cli.accord.simulate:simulate",
    "compare": "detente.cli.accord.compare:compare",
    "replay": "detente.cli.accord.replay:replay",
    "schema": "detente.cli.accord.schema:schema",
    "join": "detente.cli.accord.join:join",
    "leave": "detente.cli.accord.leave:leave",
    "register": "detente.cli.accord.register:register",
    "find": "detente.cli.accord.find:find",
    "challenge": "detente.cli.accord.challenge:challenge",
    "rule": "detente.cli.accord.rule:rule",
}


@click.group(cls=LazyGroup, targets=ACCORD)
def accord() -> None:
    """Write the terms of an accord, prove them sound, see what they do, and join it."""
