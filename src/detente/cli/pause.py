"""``detente pause``: call a pause."""

from __future__ import annotations

from detente.cli.voting import vote_command

pause = vote_command(
    "pause",
    "Vote for a pause. It binds guards as soon as their issuers have heard it.",
    default="the only one by which votes call a pause",
    such_as="detente pause --trigger call --reason 'an evaluation failed'",
)
