"""``detente lift``: end a pause, together with those the terms name."""

from __future__ import annotations

from detente.cli.voting import vote_command

lift = vote_command(
    "lift",
    "Vote for the lift of a pause. It takes effect once the quorum of the terms has voted and settled.",
    default="the one that has latched",
    such_as="detente lift --trigger call --reason 'the finding is closed'",
)
