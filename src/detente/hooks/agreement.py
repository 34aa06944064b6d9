"""How the ranks of one job stop at the same step or not at all, without a collective of their own.

Decides which rank has the leave, the step at which all stop, and when one rank's checkpoint is everybody's. Leaves out the framework: ranks
leave short texts for one another on a board (for PyTorch its ``TCPStore``, ``hooks.torch.ranks``), off the path of a step.

The stop is agreed ahead, as JAX does with its preemption sync point, and costs nothing while nobody asks:

1. A rank whose leave has ended, or that its supervisor asked, posts ``ask``. A thread of each rank looks for it.
2. That thread closes its rank's gate, then posts where the rank is: the boundary at which its loop comes by within
   ``GRACE_S`` and waits, otherwise the end of the step that the loop may be in. The gate is closed before the count is read,
   so no rank is ever beyond what was posted for it.
3. All stop at the greatest of these numbers: each rank goes on to that boundary, and none waits there for the next step of
   another. Then each saves; rank 0 answers once every rank has said that its part is durable; the others wait for that.
4. A rank that has come to the end of its run has nothing to stop: the others go on to the same step, and not beyond it.
5. A rank that says nothing in time ends all of it: nobody saves, nobody answers, and every rank ends. So does a board that
   cannot be read: what a rank cannot hear restricts it.

Ranks must pass the same boundaries, as they do where each step ends in a reduction over all of them.

>>> ranks = Ranks(0, 1, MemoryBoard())
>>> ranks.gather("hello", "me", within_s=1)
['me']
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime
from typing import Any, Protocol

from detente.base.digest import Digest
from detente.base.errors import Unavailable
from detente.hooks.loop import FOREVER_S, Cell, Leader, LoopGuard, Saved, leader_of

_LOG = logging.getLogger("detente.guard")
GRACE_S = 0.05
"""How long a loop may take to come to its next boundary before its thread speaks for it: two steps of 25 ms."""
POLL_S = 0.02
"""How often a rank looks at the board: 64 of them give it 3,200 look-ups a second. Beyond, each looks less often."""
AGREE_WITHIN_S = 30.0
"""How long the others may take to say where they are: their threads answer in some hundredths of a second."""
ANSWER_WITHIN_S = 600.0
"""How long the others, their parts saved, wait while rank 0 hashes what has to be hashed: a launcher ends all when one has left."""
LEAVE_WITHIN_S = 5.0
_GATE, _UNTIL, _RATE = 0, 1, 2


class Board(Protocol):
    """Where ranks leave texts for one another, as PyTorch's stores have it. Any error counts as silence."""

    def set(self, key: str, value: str, /) -> None: ...

    def get(self, key: str, /) -> bytes: ...

    def check(self, keys: list[str], /) -> bool: ...


class MemoryBoard:
    """A board for the threads of one process."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}

    def set(self, key: str, value: str, /) -> None:
        self._texts[key] = value.encode()

    def get(self, key: str, /) -> bytes:
        return self._texts[key]

    def check(self, keys: list[str], /) -> bool:
        return all(key in self._texts for key in keys)


class Ranks:
    """The ranks of one job: this one's number, how many there are, and the board between them."""

    def __init__(self, rank: int, world: int, board: Board) -> None:
        self.rank = rank
        self.world = world
        self._board = board
        self.poll_s = POLL_S * max(1, world // 64)

    def post(self, name: str, text: str) -> None:
        """Leave a text under a name, for everybody."""
        try:
            self._board.set(name, text)
        except Exception as error:
            raise Unavailable(f"the other ranks cannot be told: {error}") from error

    def read(self, name: str) -> str | None:
        """The text under a name, if somebody has left one."""
        try:
            return self._board.get(name).decode() if self._board.check([name]) else None
        except Exception as error:
            raise Unavailable(f"the other ranks cannot be heard: {error}") from error

    def await_text(self, name: str, *, within_s: float, whose: str = "rank 0") -> str:
        """The text under a name once it is there; raises ``Unavailable`` when it does not come in time."""
        end = time.monotonic() + within_s
        while (text := self.read(name)) is None:
            if time.monotonic() >= end:
                raise Unavailable(f"{whose} has said nothing about {name} for {within_s:g} s")
            time.sleep(min(self.poll_s, 0.005))
        return text

    def gather(self, name: str, text: str | None = None, *, within_s: float) -> list[str]:
        """Leave ``text`` under ``name`` in this rank's name; returns every rank's, in order of rank. Raises ``Unavailable``."""
        if text is not None:
            self.post(f"{name}/{self.rank}", text)
        end = time.monotonic() + within_s
        return [
            self.await_text(f"{name}/{rank}", within_s=max(0.0, end - time.monotonic()), whose=f"rank {rank}")
            for rank in range(self.world)
        ]


ALONE = Ranks(0, 1, MemoryBoard())


class StopMeeting:
    """One agreement on where to stop. ``begin`` starts the thread that takes part while the loop is in a step."""

    def __init__(self, ranks: Ranks, *, grace_s: float = GRACE_S, within_s: float = AGREE_WITHIN_S) -> None:
        self.ranks = ranks
        self.failed: Unavailable | None = None
        self._grace_s = grace_s
        self._within_s = within_s
        self._posting = threading.Lock()
        self._posted = threading.Event()
        self._ended = threading.Event()
        self._agreed: int | None = None

    def begin(self, *, steps: Callable[[], int], leave: Cell, cell: Cell) -> None:
        """Mirror ``leave``, what this rank may do by itself, into ``cell``, what its loop looks at; from now on watch."""
        self._mirror(leave, cell)
        watch = threading.Thread(target=self._watch, args=(steps, leave, cell), name="detente-ranks", daemon=True)
        watch.start()

    def end(self, *, finished_at: int | None = None) -> None:
        """Take part no more. ``finished_at``: the step at which this rank's run has ended by itself."""
        self._ended.set()
        if finished_at is not None and self.ranks.world > 1:
            with contextlib.suppress(Unavailable):
                self.ranks.post("over", str(finished_at))

    def stops_here(self, step: int) -> bool:
        """At a boundary with the gate closed: is this where all ranks stop? ``failed`` says whether they agree at all."""
        if self._agreed is None and self.failed is None:
            try:
                self.ranks.post("ask", "1")
                self._post(step)
                self._agreed = self._greatest()
            except (Unavailable, ValueError) as error:
                self.failed = Unavailable(f"the ranks did not agree on a step: {error}")
        return self._agreed is None or step >= self._agreed

    def _greatest(self) -> int:
        """The greatest boundary that a rank has named; one more than the last, where a rank has come to the end of its run."""
        end = time.monotonic() + self._within_s
        while True:
            said = [self.ranks.read(f"at/{rank}") for rank in range(self.ranks.world)]
            if (last := self.ranks.read("over")) is not None:
                # It has left and will save no more. The others may come to the same end, and not beyond it.
                self.failed = Unavailable(f"another rank has finished, at step {last}")
                return int(last) + 1
            steps = [int(step) for step in said if step is not None]
            if len(steps) == self.ranks.world:
                return max(steps)
            if time.monotonic() >= end:
                raise Unavailable(f"rank {said.index(None)} has not said where it is for {self._within_s:g} s")
            time.sleep(min(self.ranks.poll_s, 0.005))

    def _post(self, step: int) -> None:
        with self._posting:
            if not self._posted.is_set():
                self.ranks.post(f"at/{self.ranks.rank}", str(step))
                self._posted.set()

    def _watch(self, steps: Callable[[], int], leave: Cell, cell: Cell) -> None:
        try:
            while not self._ended.wait(self.ranks.poll_s):
                if self._mirror(leave, cell) or self.ranks.read("ask") is not None:
                    cell.set(until_s=0.0)  # Before the count is read: no step begins after this that is not counted.
                    self.ranks.post("ask", "1")
                    if not self._posted.wait(self._grace_s):
                        self._post(steps() + 1)
                    return
        except Unavailable as error:
            self.failed = error
            _LOG.warning("this rank stops: %s", error)
        finally:
            if not self._ended.is_set():
                cell.set(until_s=0.0)

    @staticmethod
    def _mirror(leave: Cell, cell: Cell) -> bool:
        """Copy what ``leave`` says; returns whether it has ended. What a dead thread copied last lapses by itself."""
        gate, until_s, rate = leave.values[_GATE], leave.values[_UNTIL], leave.values[_RATE]
        if clock_gettime(CLOCK_BOOTTIME) >= until_s:
            return True
        if (cell.values[_UNTIL], cell.values[_RATE]) != (until_s, rate):
            cell.set(until_s=until_s, rate=Decimal(str(rate)), look=rate >= 1 and gate == 0)
        return False


class RankLeader:
    """The leader of one rank: its own, ``inner``, gives and ends leave; it halts where all have agreed."""

    def __init__(self, inner: Leader, meeting: StopMeeting) -> None:
        self._inner = inner
        self._meeting = meeting
        self._ranks = meeting.ranks
        self._leave = Cell()
        self._halted = False
        self.steps: Callable[[], int] = lambda: 0

    def start(self, cell: Cell) -> None:
        self._inner.start(self._leave)
        self._meeting.begin(steps=self.steps, leave=self._leave, cell=cell)

    def halt(self, step: int, save: Callable[[], Saved] | None) -> tuple[str, Digest | None]:
        """Save this rank's part. Rank 0 answers once all parts are durable, and the others leave after it."""
        self._halted = True

        def agreed() -> Saved:
            if self._meeting.failed is not None:
                raise self._meeting.failed
            return None if save is None else save()

        if self._ranks.rank == 0:
            answered = False
            try:
                said = self._inner.halt(step, agreed)
                answered = True
            finally:
                with contextlib.suppress(Unavailable):
                    self._ranks.post("answered", "yes" if answered else "no")
            return said
        agreed()
        if self._ranks.await_text("answered", within_s=ANSWER_WITHIN_S) != "yes":
            raise Unavailable("rank 0 could not answer")
        return "rank 0 has answered for all", None

    def look(self, step: int) -> None:
        self._inner.look(step)

    def finish(self, step: int, *, failed: bool) -> None:
        """Rank 0 delivers what it has to say; others leave after it, because a launcher ends all when one has left."""
        self._meeting.end(finished_at=None if failed else step)
        self._inner.finish(step, failed=failed)
        if not self._halted or self._meeting.failed is not None:
            return
        with contextlib.suppress(Unavailable):
            if self._ranks.rank == 0:
                self._ranks.post("left", "1")
            else:
                self._ranks.await_text("left", within_s=LEAVE_WITHIN_S)


class Follower:
    """Leave without end of its own, for ranks whose job has its leave at rank 0: they stop when rank 0 asks them to."""

    def start(self, cell: Cell) -> None:
        cell.set(until_s=FOREVER_S)

    def halt(self, step: int, save: Callable[[], Saved] | None) -> tuple[str, Digest | None]:  # noqa: ARG002
        return "", None

    def look(self, step: int) -> None:
        """Nothing is watched."""

    def finish(self, step: int, *, failed: bool) -> None:
        """Nothing was started."""


class RankedGuard(LoopGuard):
    """``LoopGuard`` for one of several ranks: with the gate closed it goes on to the boundary that all have agreed on."""

    __slots__ = ("_meeting",)

    def __init__(
        self,
        leader: Leader,
        *,
        ranks: Ranks,
        save: Callable[[], Saved] | None,
        at_step: int,
        meeting: StopMeeting | None = None,
    ) -> None:
        self._meeting = meeting or StopMeeting(ranks)
        ranked = RankLeader(leader, self._meeting)
        super().__init__(ranked, save=save, at_step=at_step)
        ranked.steps = lambda: self.steps

    def _attend(self, *, counted: bool) -> None:
        over = clock_gettime(CLOCK_BOOTTIME) >= self._gate[_UNTIL]
        if over and os.getpid() == self._owner and not self._meeting.stops_here(self.steps):
            return
        super()._attend(counted=counted)


def guard_together(
    run: str,
    *,
    ranks: Ranks,
    save: Callable[[], Saved] | None = None,
    at_step: int = 0,
    **how: Any,
) -> RankedGuard:
    """``guard`` for one rank of several; every rank enters it, and calls ``step`` after the same steps.

    Rank 0 has the leave: its supervisor's, or a permit of its own. Below a supervisor every rank also hears the request and its signal,
    whichever of them it reaches. ``save`` is called on every rank at the step that all have agreed on. ``how``: the other arguments of ``guard``.
    """
    leader: Leader
    place = os.environ.get("DETENTE_CONTROL_DIR")
    if ranks.rank == 0:
        leader = leader_of(run, **how)
    elif place and how.get("mode", "auto") == "auto" and not os.environ.get("DETENTE_OBSERVE_DIR"):
        from detente.hooks.supervised import Supervised

        leader = Supervised(Path(place), os.environ.get("DETENTE_RUN") or run, flop_per_step=0)
    else:
        leader = Follower()
    return RankedGuard(leader, ranks=ranks, save=save, at_step=at_step)
