"""A loop that is being halted: one thread saves, nobody leaves before it is done, and nothing can train on."""

import threading
from types import SimpleNamespace

import pytest

from detente.adapters.clock import SystemClock
from detente.adapters.deadman import DeadMan
from detente.adapters.rundir import RunFolder
from detente.app.guarding import Leave
from detente.app.supervising import load_last
from detente.base.digest import Digest
from detente.hooks.loop import FOREVER_S, Cell, LoopGuard, Paused
from detente.hooks.session import OwnSession
from detente.statement.halted import Halted
from tests.unit.hooks.test_loop import Leader


def test_a_save_that_fails_still_ends_the_run_with_75():
    """A loop that catches `Exception` around a step must not go on training because its disk is full."""
    leader = Leader()

    def save() -> None:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(Paused, match="without a checkpoint: OSError") as caught,
        LoopGuard(leader, save=save, at_step=0) as g,
    ):
        leader.cell.set(until_s=0.0)
        for _ in range(3):
            try:
                g.step()
            except Exception:  # noqa: BLE001 - what a careless loop would write
                pytest.fail("an ordinary handler caught it")
    assert caught.value.code == 75
    assert (leader.halts, leader.finished) == ([1], [(1, True)])


def test_save_may_pass_boundaries_itself():
    """A `save` that evaluates calls `check`, or even `step`: it must not be stopped by the stop that it carries out."""
    leader = Leader()
    passed = []

    def save() -> None:
        g.check()
        g.step()
        passed.append(g.steps)

    g = LoopGuard(leader, save=save, at_step=0)
    with pytest.raises(Paused), g:
        leader.cell.set(until_s=0.0)
        g.check()
    assert passed == [1]
    with pytest.raises(Paused):  # afterwards there is no way on
        g.check()


def test_nobody_leaves_the_guard_while_another_thread_saves():
    """Leaving files what is final: it waits until the checkpoint is there."""
    leader = Leader()
    saving, go_on = threading.Event(), threading.Event()
    order: list[str] = []
    leader.finish = lambda step, *, failed: order.append("finished")

    def save() -> None:
        saving.set()
        go_on.wait(10)
        order.append("saved")

    def work() -> None:
        with pytest.raises(Paused):
            g.step()

    g = LoopGuard(leader, save=save, at_step=0)
    other = threading.Thread(target=work)
    with pytest.raises(Paused), g:
        leader.cell.set(until_s=0.0)
        other.start()
        saving.wait(10)
        threading.Timer(0.05, go_on.set).start()
        g.step()
    other.join()
    assert order == ["saved", "finished"]


@pytest.fixture
def session():
    """A session whose issuers the test plays; `halt_within` is a minute."""
    made = OwnSession(
        "run", activity="training", planned_flop="1", parents=(), flop_per_step=0, wait_s=1, home=None, observe=False
    )
    made._outfit = SimpleNamespace(
        clock=SystemClock(), terms=SimpleNamespace(pause=SimpleNamespace(halt_within_s=60.0))
    )
    made._cell, made._deadman = Cell(), DeadMan()
    made._first.set_result(Leave())
    yield made
    made._deadman.disarm()


def lasting(life_s: float) -> Leave:
    return Leave(until_s=SystemClock().boottime_s() + life_s, rate=1, epoch=1)


def test_a_permit_during_a_halt_does_not_move_the_deadline(session: OwnSession):
    """A lift while `save` hangs would otherwise renew the timer for ever, and the hanging process with it."""
    session._on_leave(lasting(1_000))
    session._on_leave(Leave(why="pause"))
    session._halting = True
    session._on_leave(lasting(1_000))
    assert session._deadman.left_s() <= 60
    assert session._cell.values[0] == 0.0


def test_each_new_reason_for_a_stop_leaves_its_deadline(session: OwnSession):
    """Denials go on coming while the loop is in a long step; the first word of the stop counts."""
    session._on_leave(lasting(1_000))
    session._on_leave(Leave(why="pause", held_by=("call",)))
    session._deadman.set(SystemClock().boottime_s() + 10)  # as if fifty seconds had passed since
    session._on_leave(Leave(why="pause", held_by=("call", "unattended")))
    assert session._deadman.left_s() <= 10


def test_a_stop_between_the_first_permit_and_the_first_step_is_not_lost(session: OwnSession):
    """`start` takes leave as it is by then, not as it was when the first permit came."""
    cell, session._cell = session._cell, None
    session._on_leave(lasting(1_000))
    session._on_leave(Leave(why="pause"))
    session._cell = cell
    session._apply()
    assert cell.values[0] == 0.0
    assert 0 < session._deadman.left_s() <= 60


def test_a_loop_that_is_killed_once_it_has_halted_resumes_as_a_halted_one(session: OwnSession, tmp_path):
    """`halted` is in the outbox from then on: the next process must say `resumed`, whatever becomes of this one."""
    session._folder, session._run = RunFolder(tmp_path, "run"), Digest("a" * 64)
    session._folder.take()
    posted: list[tuple[str, Halted]] = []
    session._petitioner = SimpleNamespace(post=lambda kind, body: posted.append((kind, body)))
    (tmp_path / "weights").write_bytes(b"abc")
    session._on_leave(Leave(why="pause"))
    _, digest = session.halt(7, lambda: tmp_path / "weights")
    assert [(kind, body.step) for kind, body in posted] == [("halted", 7)]
    checkpoint, halted = load_last(session._folder)
    assert (halted, checkpoint.sha256, checkpoint.step) == (True, digest, 7)


def test_an_observed_loop_runs_where_there_is_nothing_to_observe_with(tmp_path, monkeypatch):
    """No home, no issuer: observing says so on its log and stops nobody."""
    monkeypatch.setenv("DETENTE_HOME", str(tmp_path / "nowhere"))
    monkeypatch.delenv("DETENTE_CONTROL_DIR", raising=False)
    from detente.hooks.loop import guard

    with guard("watched", observe=True) as g:
        for _ in range(3):
            g.step()
    assert g.steps == 3
    assert g._gate[1] == FOREVER_S
