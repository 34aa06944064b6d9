"""``detente renew``: put off the lapse of a pause, or the sunset of the accord."""

from __future__ import annotations

from detente.cli.voting import vote_command

renew = vote_command(
    "renew",
    "Vote to renew: a pause that would lapse or, with `--trigger accord`, the accord before its sunset.",
    default="what has latched, or `accord`",
    such_as="detente renew --trigger accord --reason 'another year'",
)
