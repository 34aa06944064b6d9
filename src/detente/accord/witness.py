"""When a quorum of mirrors had cosigned a checkpoint that includes an entry: the only time that counts.

Decides the witnessed time of entries from cosignatures. Leaves out whether a cosignature verifies (``log``) and what
the time means (``fold``). Normative text: ``spec/accord.md`` §2.

- For each mirror, t_w is the least time among its cosignatures over checkpoints that cover the entry.
- Witnessed time is the q-th smallest t_w over distinct parties other than the log's operator.
- Self-witnessed terms take the operator's own cosignature, and pages say so.

>>> log = LogTimes()
>>> for mirror, size, time in (("a", 5, 10), ("b", 5, 12), ("a", 9, 20), ("b", 5, 11)):
...     _ = log.add(Party(mirror), size, Instant(time))
>>> rule = Witnesses((Party("a"), Party("b")), 2, self_witnessed=False)
>>> log.time_of(4, rule, None), log.time_of(5, rule, None)
(11, None)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from detente.base.identity import Party
from detente.base.instant import Instant


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Whose cosignatures count under some terms, and how many it takes."""

    parties: tuple[Party, ...]
    quorum: int
    self_witnessed: bool


class LogTimes:
    """The cosignatures over one log. Grows only.

    Per mirror a staircase of (size, time), both rising: a cosignature that is over no more entries and no earlier than
    another says nothing new. So t_w of an entry is one bisection, and a new head touches only the last step.
    """

    __slots__ = ("_sizes", "_times")

    def __init__(self) -> None:
        self._sizes: dict[Party, list[int]] = {}
        self._times: dict[Party, list[Instant]] = {}

    def add(self, mirror: Party, size: int, time_s: Instant) -> tuple[int, int] | None:
        """Keep one cosignature; returns the entries [first, end) whose t_w it lowered, None if it says nothing new."""
        sizes = self._sizes.setdefault(mirror, [])
        times = self._times.setdefault(mirror, [])
        at = bisect_left(sizes, size)
        if at < len(sizes) and times[at] <= time_s:
            return None
        keep = bisect_left(times, time_s, 0, at)
        end = at + 1 if at < len(sizes) and sizes[at] == size else at
        sizes[keep:end] = [size]
        times[keep:end] = [time_s]
        return (sizes[keep - 1] if keep else 0, size)

    def least(self, mirror: Party, index: int) -> Instant | None:
        """t_w: the least time of a cosignature of ``mirror`` that covers entry ``index``."""
        sizes = self._sizes.get(mirror)
        if not sizes:
            return None
        at = bisect_right(sizes, index)
        return self._times[mirror][at] if at < len(sizes) else None

    def time_of(self, index: int, rule: Witnesses, operator: Party | None) -> Instant | None:
        """Witnessed time of an entry, or None while too few have cosigned."""
        if rule.self_witnessed:
            return None if operator is None else self.least(operator, index)
        found = sorted(
            time for party in rule.parties if party != operator and (time := self.least(party, index)) is not None
        )
        return found[rule.quorum - 1] if len(found) >= rule.quorum else None

    def mirrors(self) -> tuple[Party, ...]:
        """Whose cosignatures are here."""
        return tuple(self._sizes)

    def spelled(self) -> list[tuple[str, int, int]]:
        """Every step, sorted: for the digest of a state."""
        return sorted(
            (mirror, size, time)
            for mirror, sizes in self._sizes.items()
            for size, time in zip(sizes, self._times[mirror], strict=True)
        )
