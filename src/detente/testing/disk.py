"""A disk that can lose a write, or do it and report it lost: the two ways a crash looks from inside.

Decides nothing about what is written. A member of the world keeps durable state here only, so that dropping
everything else and reading it again is exactly a restart.

>>> disk = Disk()
>>> disk.write("a", 1)
>>> disk.fail(1, how="lost"); disk.write("a", 2)
Traceback (most recent call last):
...
detente.base.errors.Unavailable: the disk reported a failed write of 'a'
>>> disk.read("a", None)
1
>>> disk.fail(1, how="done"); disk.write("a", 3)
Traceback (most recent call last):
...
detente.base.errors.Unavailable: the disk reported a failed write of 'a'
>>> disk.read("a", None)
3
"""

from __future__ import annotations

from typing import Any, Literal

from detente.base.errors import Unavailable

Failure = Literal["lost", "done"]


class Disk:
    """Named values. A value must never be changed in place after it was written."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._failures: dict[int, Failure] = {}
        self.writes = 0

    def fail(self, nth: int, *, how: Failure) -> None:
        """Let the ``nth`` write from now on (1 is the next) fail: ``lost``, or ``done`` but reported lost."""
        self._failures[self.writes + nth] = how

    def write(self, name: str, value: Any) -> None:
        """Write durably, or raise ``Unavailable`` as arranged."""
        self.writes += 1
        how = self._failures.pop(self.writes, None)
        if how != "lost":
            self._values[name] = value
        if how is not None:
            raise Unavailable(f"the disk reported a failed write of {name!r}")

    def read(self, name: str, default: Any) -> Any:
        """The last value that reached the disk."""
        return self._values.get(name, default)

    def names(self, prefix: str) -> tuple[str, ...]:
        """The names written so far that start with ``prefix``."""
        return tuple(sorted(name for name in self._values if name.startswith(prefix)))
