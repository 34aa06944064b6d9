"""``detente retract``: take back a vote to lift, or to renew the accord."""

from __future__ import annotations

from detente.cli.voting import vote_command

retract = vote_command(
    "retract",
    "Take back a vote to lift before it takes effect or, with `--trigger accord`, one to renew the accord.",
    default="what has latched, or `accord`",
    such_as="detente retract --trigger call --reason 'not yet'",
)
