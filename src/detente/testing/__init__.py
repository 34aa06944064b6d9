"""A coalition in memory, run by a seed: parties, logs, mirrors, issuers, guards, liars and lost writes.

For tests, ours and others': the package ships it. ``World`` is the door; ``docs/reference/testing-world.md`` shows
how to play it. Everything runs on the real steps of ``log``, ``accord`` and ``guard``; only the network, the disks
and the clocks are imitated, and they misbehave on demand. Leaves out processes, sockets and files.
"""

from detente.testing.disk import Disk
from detente.testing.guard_player import GuardPlayer
from detente.testing.world import World

__all__ = ["Disk", "GuardPlayer", "World"]
