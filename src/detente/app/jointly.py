"""One job under several accords: it runs only while each of them gives leave, and what it files is filed under each.

Decides how the leaves of several sessions become one, and that `halted` and `resumed` go to every accord under the run that was
declared there. Leaves out how leave is got (``app.guarding``), how answers combine (``guard.joint``) and the job (``app.supervising``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from detente.app.guarding import Leave, Why
from detente.app.petition import Petitioner
from detente.base.digest import Digest
from detente.base.errors import Misuse
from detente.guard.joint import Answer, combine
from detente.statement.halted import Halted
from detente.statement.kinds import Kind
from detente.statement.resumed import Resumed
from detente.statement.statement import Body


def join_leaves(leaves: Mapping[str, Leave]) -> Leave:
    """The leave of all accords together, by their names; the first one's epoch is the job's. That of one is its own."""
    first = next(iter(leaves.values()))
    if len(leaves) == 1:
        return first
    joint = combine(
        [Answer(name, each.given, each.rate, each.until_s, each.held_by, each.reasons) for name, each in leaves.items()]
    )
    if joint.allowed:
        return Leave(until_s=joint.lasts, rate=joint.rate, epoch=first.epoch, reasons=joint.reasons)
    # Who never gave leave says nothing about how it ended; one that took it back does.
    whys = [each.why for each in leaves.values() if not each.given]
    why: Why = next((each for each in whys if each != "none"), "none")
    return Leave(epoch=first.epoch, why=why, held_by=joint.held_by, reasons=joint.reasons)


class JointLeave:
    """Hears the sessions of several accords and tells their joint leave whenever it changes."""

    def __init__(self, names: Sequence[str]) -> None:
        if len(set(names)) != len(names):
            raise Misuse(f"one accord is named twice: {', '.join(names)}")
        self._leaves: dict[str, Leave] = {name: Leave() for name in names}
        self._listeners: list[Callable[[Leave], None]] = []

    @property
    def leave(self) -> Leave:
        """What all of them give now."""
        return join_leaves(self._leaves)

    def hear(self, name: str) -> Callable[[Leave], None]:
        """What the session of one accord is to call."""

        def changed(leave: Leave) -> None:
            before, self._leaves[name] = self.leave, leave
            if self.leave != before:
                for listener in self._listeners:
                    listener(self.leave)

        return changed

    def tell(self, listener: Callable[[Leave], None]) -> None:
        """Call this whenever the joint leave changes."""
        self._listeners.append(listener)

    def silence(self) -> None:
        """Call nobody any more."""
        self._listeners.clear()


@dataclass(frozen=True, slots=True)
class Member:
    """One accord's outbox, the run as it was declared there, and the epoch of its last permit."""

    petitioner: Petitioner
    run: Digest
    epoch: Callable[[], int]


class JointPetitioner:
    """Files a run's statements under each accord; those of the first are given, as is its epoch."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)

    @property
    def trouble(self) -> str:
        """What went wrong with any of them."""
        return "; ".join(member.petitioner.trouble for member in self._members if member.petitioner.trouble)

    @property
    def waiting(self) -> int:
        """How many statements no node has taken yet."""
        return sum(member.petitioner.waiting for member in self._members)

    def prepare(self, kind: Kind, body: Body) -> str:
        """Make a place for such a statement with each; returns why that failed with any."""
        failed = [member.petitioner.prepare(kind, _of(body, member)) for member in self._members]
        return "; ".join(each for each in failed if each)

    async def file(self, kind: Kind, body: Body, *, within_s: float) -> Digest:
        """File with each; returns the id under the first."""
        made = await asyncio.gather(
            self._members[0].petitioner.file(kind, body, within_s=within_s),
            *(member.petitioner.file(kind, _of(body, member), within_s=within_s) for member in self._members[1:]),
        )
        return made[0]


def _of(body: Body, member: Member) -> Body:
    """The same as it is said of the run under another accord."""
    return replace(body, run=member.run, epoch=member.epoch()) if isinstance(body, Halted | Resumed) else body
