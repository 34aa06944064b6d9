"""What a loop sees of its guard: one number, and what happens when it has passed."""

import os
import threading
import time
from decimal import Decimal
from time import CLOCK_BOOTTIME, clock_gettime

import pytest

from detente.app.observing import read_proposals
from detente.base.digest import Digest
from detente.hooks import loop
from detente.hooks.loop import FOREVER_S, Cell, LoopGuard, Paused, guard


class Leader:
    """Leave that the test gives and takes."""

    def __init__(self) -> None:
        self.cell: Cell | None = None
        self.halts: list[int] = []
        self.looks: list[int] = []
        self.finished: list[tuple[int, bool]] = []

    def start(self, cell: Cell) -> None:
        self.cell = cell
        cell.set(until_s=FOREVER_S)

    def halt(self, step, save):
        self.halts.append(step)
        if save is not None:
            save()
        return "pause: dev-b voted", Digest("a" * 64)

    def look(self, step: int) -> None:
        self.looks.append(step)

    def finish(self, step: int, *, failed: bool) -> None:
        self.finished.append((step, failed))


@pytest.fixture
def leader() -> Leader:
    return Leader()


def test_a_loop_with_leave_runs_through(leader: Leader):
    """Steps are counted from where the loop began, and its end is told once."""
    with LoopGuard(leader, save=None, at_step=10) as g:
        for _ in range(5):
            g.step()
            g.check()
    assert (g.steps, leader.halts, leader.finished) == (15, [], [(15, False)])


def test_the_step_after_leave_ended_saves_and_ends_the_process_with_75(leader: Leader):
    """`Paused` cannot be mistaken for a finished run, nor caught by `except Exception`."""
    saved = []
    with pytest.raises(Paused) as caught, LoopGuard(leader, save=lambda: saved.append(1), at_step=0) as g:
        g.step()
        leader.cell.set(until_s=0.0)
        try:
            g.step()
        except Exception:  # noqa: BLE001 - what a careless loop would write
            pytest.fail("an ordinary handler caught it")
    assert caught.value.code == 75
    assert (caught.value.step, caught.value.checkpoint, str(caught.value)) == (2, "a" * 64, "pause: dev-b voted")
    assert (saved, leader.halts, leader.finished) == ([1], [2], [(2, True)])


def test_a_host_that_counts_the_steps_itself_is_stopped_at_its_count(leader: Leader):
    """``reached`` is ``step`` with the host's number, and does nothing else while the loop may run."""
    with pytest.raises(Paused) as stopped, LoopGuard(leader, save=None, at_step=0) as g:
        g.reached(40)
        assert (g.steps, leader.halts) == (40, [])
        leader.cell.set(until_s=0.0)
        g.reached(41)
    assert (stopped.value.step, leader.halts) == (41, [41])


def test_waiting_for_data_sees_the_pause_too(leader: Leader):
    """`check` stops between steps and counts nothing."""
    with pytest.raises(Paused), LoopGuard(leader, save=None, at_step=0) as g:
        leader.cell.set(until_s=0.0)
        g.check()
    assert leader.halts == [0]


def test_a_lapse_needs_no_thread(leader: Leader):
    """Leave ends by the clock alone, though whoever should renew it says nothing."""
    with pytest.raises(Paused), LoopGuard(leader, save=None, at_step=0) as g:
        lapse = clock_gettime(CLOCK_BOOTTIME) + 0.05
        leader.cell.set(until_s=lapse)
        while True:
            g.step()
    assert 0 <= clock_gettime(CLOCK_BOOTTIME) - lapse < 5


def test_only_the_first_thread_saves(leader: Leader):
    """Two threads that see the end at once make one checkpoint."""
    stopped = []
    with pytest.raises(Paused), LoopGuard(leader, save=None, at_step=0) as g:
        leader.cell.set(until_s=0.0)

        def work() -> None:
            try:
                g.step()
            except Paused as paused:
                stopped.append(str(paused))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        g.step()
    assert len(leader.halts) == 1
    assert sorted(stopped).count("another thread is stopping this run") == 3


def test_a_forked_child_stops_with_its_parent_and_files_nothing(leader: Leader):
    """The child has no thread that renews; it reads the same number, and leaves the filing to its parent."""
    with LoopGuard(leader, save=lambda: os._exit(3), at_step=0) as g:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                g.step()
                os.write(write, b"stepped")
                while True:
                    g.step()
            except Paused as paused:
                os._exit(paused.code if "parent" in str(paused) and not leader.halts else 1)
            finally:
                os._exit(2)
        assert os.read(read, 7) == b"stepped"
        leader.cell.set(until_s=0.0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 75
        leader.cell.set(until_s=FOREVER_S)
        os.close(read)
        os.close(write)


def test_a_slowdown_keeps_to_its_share_of_time(leader: Leader):
    """At a quarter of full speed three quarters of the time are rest."""
    with LoopGuard(leader, save=None, at_step=0) as g:
        leader.cell.set(until_s=FOREVER_S, rate=Decimal("0.25"))
        g.step()
        began = time.monotonic()
        for _ in range(5):
            until = time.monotonic() + 0.01
            while time.monotonic() < until:
                pass
            g.step()
        took = time.monotonic() - began
    assert took >= 0.19
    assert leader.looks == [1, 2, 3, 4, 5, 6]


def test_a_pause_ends_the_rest_of_a_slowdown(leader: Leader):
    """A loop that is slowed to nothing still stops at once."""
    with pytest.raises(Paused), LoopGuard(leader, save=None, at_step=0) as g:
        leader.cell.set(until_s=FOREVER_S, rate=Decimal(0))
        threading.Timer(0.05, lambda: leader.cell.set(until_s=0.0)).start()
        began = time.monotonic()
        g.step()
        g.step()
    assert time.monotonic() - began < 10


def test_the_step_path_reads_no_wall_clock(monkeypatch: pytest.MonkeyPatch, leader: Leader):
    """Wall clocks decide nothing: with every one of them broken, leave still ends when it should."""

    def broken(*_args):
        raise AssertionError("a wall clock was read")

    for name in ("time", "time_ns", "localtime", "gmtime"):
        monkeypatch.setattr(time, name, broken)
    with pytest.raises(Paused), LoopGuard(leader, save=None, at_step=0) as g:
        leader.cell.set(until_s=clock_gettime(CLOCK_BOOTTIME) + 0.02)
        while True:
            g.step()
    assert leader.halts


def test_free_leave_needs_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """`mode="free"` opens no file and asks nobody: a loop's own tests may run in it."""
    monkeypatch.chdir(tmp_path)
    with guard(mode="free") as g:
        for _ in range(3):
            g.step()
        proposal = g.propose(b"change", touches=["training"], summary="x")
        g.version(b"weights", parents=[], proposal=proposal)
    assert (g.steps, list(tmp_path.iterdir())) == (3, [])


def test_an_observed_loop_leaves_its_steps_and_gaps(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Under `--observe` the loop is never stopped; a small file says how many steps and the longest gap."""
    monkeypatch.setenv("DETENTE_OBSERVE_DIR", str(tmp_path))
    clock = {"now_s": 100.0}
    monkeypatch.setattr(loop, "clock_gettime", lambda _clock: clock["now_s"])
    with guard() as g:
        for later_s in (0.0, 0.5, 1.5, 0.25):
            clock["now_s"] += later_s
            g.step()
    (path,) = tmp_path.iterdir()
    assert loop.Counted.LAYOUT.unpack(path.read_bytes()) == (4, 100.0, 102.25, 1.5)


def test_an_observed_loop_waits_at_no_hold_point(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """It goes on as if approved; the observer reads what it would have proposed."""
    monkeypatch.setenv("DETENTE_OBSERVE_DIR", str(tmp_path))
    with guard() as g:
        proposal = g.propose(b"change", touches=["training"], summary="wider")
        assert g.propose(proposal, touches=["training"], summary="wider again") != proposal
    assert [summary for _, summary in read_proposals(tmp_path)] == ["wider", "wider again"]


def test_a_loop_that_only_observes_itself_waits_at_no_hold_point(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Even where there is no home to observe with."""
    monkeypatch.chdir(tmp_path)
    with guard("x", planned_flop="1", observe=True) as g:
        assert g.propose(b"change", touches=["training"], summary="wider")


def test_observing_without_a_place_to_write_still_runs(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Observation must not stop a job, not even when its folder is gone."""
    monkeypatch.setenv("DETENTE_OBSERVE_DIR", str(tmp_path / "gone"))
    with guard() as g:
        g.step()
    assert g.steps == 1
