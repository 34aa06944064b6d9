"""Ranks as threads: they stop at one step or not at all, whoever asks, and whatever one of them is doing."""

import threading
from contextlib import nullcontext

import pytest

from detente.base.errors import Unavailable
from detente.hooks import agreement
from detente.hooks.agreement import Follower, MemoryBoard, RankedGuard, RankLeader, Ranks, StopMeeting
from detente.hooks.loop import Paused
from tests.unit.hooks.test_loop import Leader

WITHIN_S = 60.0


class Job:
    """As many ranks as asked for, each a thread whose steps end in a barrier, as a step of DDP ends in a reduction."""

    def __init__(
        self, world: int, *, asking: int, at: int, deaf: int | None = None, within_s: float = WITHIN_S
    ) -> None:
        self.board = MemoryBoard()
        self.reduction = threading.Barrier(world)
        self.leaders = [Leader() if rank == 0 else Follower() for rank in range(world)]
        self.asking, self.at, self.deaf = asking, at, deaf
        self.within_s = within_s
        self.saved: dict[int, int] = {}
        self.ended: dict[int, Paused] = {}
        self.threads = [threading.Thread(target=self._rank, args=(rank, world), daemon=True) for rank in range(world)]

    def run(self) -> None:
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join(WITHIN_S)
            assert not thread.is_alive()

    def _rank(self, rank: int, world: int) -> None:
        ranks = Ranks(rank, world, _Deaf(self.board) if rank == self.deaf else self.board)
        meeting = StopMeeting(ranks, within_s=self.within_s)
        guard = RankedGuard(
            self.leaders[rank],
            ranks=ranks,
            save=lambda: self.saved.__setitem__(rank, guard.steps),
            at_step=0,
            meeting=meeting,
        )
        try:
            with guard as g:
                while True:
                    self.reduction.wait(WITHIN_S)
                    if (rank, g.steps) == (self.asking, self.at):
                        self._end_leave(rank, g)
                    g.step()
        except Paused as paused:
            self.ended[rank] = paused
            if self.deaf is not None:
                self.reduction.abort()  # as a rank that has gone breaks the reduction of those that wait for it
        except threading.BrokenBarrierError:
            pass

    def _end_leave(self, rank: int, guard: RankedGuard) -> None:
        if rank == 0:
            self.leaders[0].cell.set(until_s=0.0)
        else:
            guard._leader._leave.set(until_s=0.0)


class _Deaf(MemoryBoard):
    """A board whose reader cannot be reached from one rank."""

    def __init__(self, board: MemoryBoard) -> None:
        super().__init__()
        self._texts = board._texts

    def check(self, keys: list[str], /) -> bool:
        raise ConnectionError(f"the store is gone: {keys}")


@pytest.mark.parametrize("asking", [0, 1, 2])
def test_whichever_rank_is_asked_all_stop_and_save_at_one_step(asking: int):
    """The step is that of the ask or the one after it: each rank is at most one step from the others."""
    job = Job(3, asking=asking, at=5)
    job.run()
    assert set(job.ended) == {0, 1, 2}
    (step,) = set(job.saved.values())
    assert step >= 6
    assert {paused.step for paused in job.ended.values()} == {step}
    assert job.leaders[0].halts == [step]


def test_a_rank_that_cannot_be_heard_ends_the_stop_and_nobody_saves():
    """All or none: without its word there is no step that all have agreed on, and no rank trains on."""
    job = Job(2, asking=0, at=3, deaf=1, within_s=0.3)
    job.run()
    assert job.saved == {}
    assert job.ended
    assert all("without a checkpoint" in str(paused) for paused in job.ended.values())


@pytest.mark.parametrize("fails", [False, True])
def test_ranks_whose_parts_are_saved_wait_while_rank_0_hashes(monkeypatch: pytest.MonkeyPatch, fails: bool):
    """A launcher ends all when one has left: a large checkpoint takes longer to be hashed than ranks take to agree."""
    monkeypatch.setattr(agreement, "AGREE_WITHIN_S", 0.0)
    board, said = MemoryBoard(), []
    first, second = (RankLeader(Leader(), StopMeeting(Ranks(rank, 2, board))) for rank in range(2))

    def waits() -> None:
        try:
            said.append(second.halt(5, None)[0])
        except Unavailable as error:
            said.append(str(error))

    other = threading.Thread(target=waits, daemon=True)

    def hashes() -> None:
        other.start()
        other.join(0.2)
        assert other.is_alive()
        if fails:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space") if fails else nullcontext():
        first.halt(5, hashes)
    other.join(WITHIN_S)
    assert said == ["rank 0 could not answer" if fails else "rank 0 has answered for all"]


def test_a_rank_that_is_alone_agrees_with_itself():
    """No other has to be waited for."""
    job = Job(1, asking=0, at=2)
    job.run()
    assert job.saved[0] == job.ended[0].step >= 3


def test_a_stop_that_comes_at_the_end_lets_the_others_come_to_the_same_end():
    """A rank that has finished saves no more: nobody waits for it, and nobody trains beyond it."""
    board, saved = MemoryBoard(), []
    with RankedGuard(Leader(), ranks=Ranks(0, 2, board), save=None, at_step=0) as first:
        first.step()
        first.step()
    second = RankedGuard(Follower(), ranks=Ranks(1, 2, board), save=lambda: saved.append(1), at_step=0)
    with pytest.raises(Paused, match="another rank has finished, at step 2") as caught, second as g:
        second._leader._meeting.end()  # the thread looks no more: what follows is the loop's own doing
        second._cell.set(until_s=1.0)
        g.step()
        g.step()
        g.step()
    assert (caught.value.step, saved) == (3, [])


def test_a_gathering_names_the_rank_that_is_missing():
    """Whoever reads the error knows where to look."""
    ranks = Ranks(0, 2, MemoryBoard())
    with pytest.raises(Unavailable, match="rank 1 has said nothing about save/1"):
        ranks.gather("save/1", "kept", within_s=0.0)


def test_leave_that_lapses_ends_the_loop_without_anybody_asking():
    """The thread may be late or dead: what it last copied lapses by itself, and the loop sees that at its boundary."""
    leader = Leader()
    meeting = StopMeeting(Ranks(0, 1, MemoryBoard()))
    guard = RankedGuard(leader, ranks=meeting.ranks, save=None, at_step=0, meeting=meeting)
    with pytest.raises(Paused), guard as g:
        meeting.end()  # the thread looks no more
        guard._cell.set(until_s=1.0)
        g.step()
    assert leader.halts == [1]
