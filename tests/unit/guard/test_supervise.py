"""What a supervisor does with a process group."""

import dataclasses
from decimal import Decimal

import pytest

from detente.base.digest import sha256_hex
from detente.guard.supervise import (
    AllFrozen,
    AskCheckpoint,
    Checkpoint,
    End,
    FileHalted,
    FileResumed,
    FreezeAll,
    GroupGone,
    HoldStill,
    KillAll,
    LetGo,
    LetRun,
    NotStill,
    PaceAll,
    PermitHeld,
    RateKept,
    ReceiptBad,
    ReceiptVerified,
    Rules,
    SetRate,
    StartJob,
    StopJob,
    StopOrdered,
    Supervisor,
    Tick,
    WouldHave,
    begin,
    step,
)

SAVED = Checkpoint(sha256_hex(b"weights"), step=40, flop=1_000, ranks=2)
PERMIT = PermitHeld(0.0, epoch=1, rate=Decimal(1))
PAUSE = StopOrdered(10.0, why="pause")


def play(*events, **rules):
    job, actions = begin(Rules(**{"halt_within_s": 60, "ranks": 2} | rules))
    done = list(actions)
    for event in events:
        job, actions = step(job, event)
        done += actions
    return job, done


def test_nothing_starts_without_a_permit():
    """Rule 1: ticks, receipts and stop orders start nothing."""
    job, done = play(Tick(1.0), ReceiptVerified(2.0, SAVED), StopOrdered(3.0, why="lapse"), GroupGone(4.0, 0))
    assert done == []
    assert job.phase == "waiting"


def test_a_pause_asks_then_stops_then_files():
    """The cooperative path: checkpoint, receipt, exit, `halted`; 75 says start me again later."""
    _, done = play(PERMIT, PAUSE, ReceiptVerified(11.0, SAVED), GroupGone(12.0, 0))
    assert done == [
        StartJob(1, None),
        SetRate(Decimal(1)),
        AskCheckpoint("pause", 70.0),
        StopJob(),
        FileHalted("pause", SAVED, 1, killed=False),
        End(75),
    ]


def test_no_later_event_moves_the_deadline():
    """Rule 2: neither a second order, nor bad receipts, nor a new permit buys time."""
    events = (PERMIT, PAUSE, StopOrdered(30.0, why="lapse"), ReceiptBad(40.0, "W08"), PermitHeld(50.0, 2, Decimal(1)))
    job, done = play(*events, Tick(69.9))
    assert job.deadline_s == 70.0
    assert FreezeAll() not in done
    assert step(job, Tick(70.0))[1] == (FreezeAll(),)


def test_past_the_deadline_all_are_frozen_and_then_killed():
    """Rule 4: frozen first, so that no rank trains on while the others die; killed as soon as all are."""
    job, done = play(PERMIT, PAUSE, Tick(70.0))
    assert done[-1] == FreezeAll()
    assert step(job, Tick(71.9))[1] == ()
    assert step(job, Tick(72.0))[1] == (KillAll(),)
    assert step(job, AllFrozen(70.1))[1] == (KillAll(),)
    job, _ = step(job, AllFrozen(70.1))
    assert step(job, GroupGone(70.2, -9))[1] == (FileHalted("pause", None, 1, killed=True), End(75))


def test_a_receipt_of_some_ranks_stops_nothing():
    """Rule 3: every rank or none."""
    partial = dataclasses.replace(SAVED, ranks=1)
    job, done = play(PERMIT, PAUSE, ReceiptVerified(11.0, partial))
    assert StopJob() not in done
    assert step(job, Tick(70.0))[1] == (FreezeAll(),)


def test_a_job_that_saved_and_does_not_exit_is_killed_with_its_checkpoint_kept():
    """The deadline holds for stopping, not for saving alone; what was saved counts."""
    job, _ = play(PERMIT, PAUSE, ReceiptVerified(11.0, SAVED), Tick(70.0), AllFrozen(70.1))
    assert step(job, GroupGone(71.0, -9))[1][0] == FileHalted("pause", SAVED, 1, killed=False)


def test_a_kill_files_the_last_checkpoint_that_was_verified_before():
    """Rule 5: killed says that nothing was saved at this stop."""
    job, _ = play(PERMIT, ReceiptVerified(5.0, SAVED), PAUSE, Tick(70.0), AllFrozen(70.1))
    assert step(job, GroupGone(71.0, -9))[1][0] == FileHalted("pause", SAVED, 1, killed=True)


def test_nothing_is_filed_while_a_process_lives():
    """Rule 5: a halt is filed after the group is gone, whatever came before."""
    _, done = play(PERMIT, PAUSE, ReceiptVerified(11.0, SAVED), Tick(70.0), AllFrozen(70.1), Tick(500.0))
    assert not any(isinstance(action, FileHalted) for action in done)


def test_after_a_lift_a_held_job_resumes_from_its_checkpoint():
    """`resumed` is filed before the start, under the new epoch."""
    events = (PERMIT, PAUSE, ReceiptVerified(11.0, SAVED), GroupGone(12.0, 0), PermitHeld(99.0, 7, Decimal("0.1")))
    job, done = play(*events, hold=True)
    assert done[-3:] == [FileResumed(SAVED, 7), StartJob(7, SAVED), SetRate(Decimal("0.1"))]
    assert (job.phase, job.epoch, job.deadline_s) == ("running", 7, None)


def test_a_permit_during_a_stop_does_not_undo_it():
    """Rule 6: the stop is gone through, and then the job resumes."""
    events = (PERMIT, PAUSE, PermitHeld(11.0, 2, Decimal(1)), ReceiptVerified(12.0, SAVED), GroupGone(13.0, 0))
    job, done = play(*events, hold=True)
    assert done[3:] == [
        StopJob(),
        FileHalted("pause", SAVED, 1, killed=False),
        FileResumed(SAVED, 2),
        StartJob(2, SAVED),
        SetRate(Decimal(1)),
    ]
    assert job.phase == "running"


def test_a_stop_order_after_that_permit_overrules_it():
    """The later word is to stop."""
    events = (PERMIT, PAUSE, PermitHeld(11.0, 2, Decimal(1)), StopOrdered(12.0, why="pause"))
    job, _ = play(*events, ReceiptVerified(13.0, SAVED), GroupGone(14.0, 0), hold=True)
    assert job.phase == "waiting"


def test_the_operator_ends_a_job_for_good():
    """Even one that would be held; and one that waits ends at once."""
    _, done = play(PERMIT, StopOrdered(1.0, why="operator"), ReceiptVerified(2.0, SAVED), GroupGone(3.0, 0), hold=True)
    assert done[-1] == End(75)
    assert play(StopOrdered(1.0, why="operator"))[1] == [End(0)]


def test_a_job_that_ends_by_itself_keeps_its_exit_code():
    """The guard is transparent to success and to failure."""
    assert play(PERMIT, GroupGone(5.0, 3))[1][-1] == End(3)


def test_a_renewal_sets_the_rate_of_a_running_job():
    """A slowdown reaches the job with the next permit."""
    job, done = play(PERMIT, PermitHeld(5.0, 2, Decimal("0.1")))
    assert done[-1] == SetRate(Decimal("0.1"))
    assert job.epoch == 2


def test_an_ended_supervisor_does_nothing():
    """No event after the end has an effect."""
    ended = Supervisor(rules=Rules(halt_within_s=1), phase="ended")
    assert step(ended, PERMIT) == (ended, ())


@pytest.mark.parametrize("later", [(), (Tick(1e6),), (StopOrdered(20.0, why="lapse"),)])
def test_observing_touches_nothing_and_files_nothing(later):
    """Rule 8: the job starts at once; each request is recorded once, as not enforced; no halt is filed."""
    job, done = play(PAUSE, *later, observe=True)
    assert done == [
        StartJob(0, None),
        WouldHave(AskCheckpoint("pause", 70.0), 10.0),
        WouldHave(StopJob(), 10.0),
    ]
    _, after = step(job, PermitHeld(30.0, 4, Decimal(1)))
    assert after == (WouldHave(StartJob(4, None), 30.0), WouldHave(SetRate(Decimal(1)), 30.0))
    assert step(job, GroupGone(40.0, 7))[1] == (End(7),)


SLOW = PermitHeld(5.0, 2, Decimal("0.1"))


def test_a_job_that_does_not_say_that_it_keeps_its_cap_is_paced_from_outside():
    """Rule 7: not before its time to answer is over, and once; a renewal at the same rate gives it no more time."""
    job, done = play(PERMIT, SLOW, Tick(9.9), PermitHeld(9.9, 3, Decimal("0.1")))
    assert not any(isinstance(action, PaceAll) for action in done)
    job, actions = step(job, Tick(10.0))
    assert actions == (PaceAll(Decimal("0.1")),)
    assert step(job, Tick(60.0))[1] == ()


def test_a_job_that_says_that_it_keeps_its_cap_is_left_alone():
    """Rule 7: in time it is never touched, late it is let run again; its word must be of this cap or a lower one."""
    assert not any(isinstance(a, PaceAll) for a in play(PERMIT, SLOW, RateKept(6.0, Decimal("0.1")), Tick(99.0))[1])
    assert play(PERMIT, SLOW, Tick(10.0), RateKept(11.0, Decimal("0.1")))[1][-1] == LetRun()
    assert play(PERMIT, SLOW, RateKept(6.0, Decimal("0.2")), Tick(10.0))[1][-1] == PaceAll(Decimal("0.1"))


def test_a_lower_cap_asks_anew_and_paces_a_paced_job_at_once():
    """Rule 7: a word for a higher cap says nothing of a lower one; a job that is paced gets no time at full speed."""
    lower = PermitHeld(12.0, 3, Decimal("0.05"))
    assert play(PERMIT, SLOW, Tick(10.0), lower)[1][-2:] == [SetRate(lower.rate), PaceAll(lower.rate)]
    kept = (PERMIT, SLOW, RateKept(6.0, Decimal("0.1")), lower)
    assert play(*kept, Tick(16.9))[1][-1] == SetRate(lower.rate)
    assert play(*kept, Tick(17.0))[1][-1] == PaceAll(lower.rate)


def test_full_speed_and_a_stop_let_a_paced_job_run_first():
    """Rule 7: a frozen job cannot save, so it is let run before it is asked."""
    paced = (PERMIT, SLOW, Tick(10.0))
    assert play(*paced, PermitHeld(12.0, 3, Decimal(1)))[1][-2:] == [SetRate(Decimal(1)), LetRun()]
    job, done = play(*paced, StopOrdered(12.0, why="pause"))
    assert done[-2:] == [LetRun(), AskCheckpoint("pause", 72.0)]
    assert step(job, Tick(20.0))[1] == step(job, RateKept(20.0, Decimal("0.1")))[1] == ()


def test_a_job_that_starts_again_has_to_say_it_again():
    """Rule 7: what the process before it said is not its word."""
    events = (PERMIT, SLOW, RateKept(6.0, Decimal("0.1")), PAUSE, ReceiptVerified(11.0, SAVED), GroupGone(12.0, 0))
    _, done = play(*events, PermitHeld(20.0, 4, Decimal("0.1")), Tick(25.0), hold=True)
    assert done[-1] == PaceAll(Decimal("0.1"))


STILL = (PERMIT, PAUSE, Tick(15.0))


def test_a_job_that_does_not_answer_is_held_still_and_let_go_before_the_deadline():
    """Rule 8: five seconds after the order, until five before the deadline, which does not move."""
    job, done = play(PERMIT, PAUSE, Tick(14.9), still_after_s=5)
    assert (HoldStill() in done, job.due_s) == (False, 15.0)
    job, actions = step(job, Tick(15.0))
    assert (actions, job.due_s, job.deadline_s) == ((HoldStill(),), 65.0, 70.0)
    job, actions = step(job, Tick(65.0))
    assert (actions, job.due_s) == ((LetGo(),), 70.0)
    assert step(job, Tick(70.0))[1] == (FreezeAll(),)


def test_a_permit_lets_a_job_that_is_held_still_go_on_from_where_it_was():
    """Rule 8: nothing was ended, so nothing is filed, and nothing is started; a later pause asks anew."""
    job, done = play(*STILL, PermitHeld(30.0, 2, Decimal("0.5")), still_after_s=5)
    assert done[-2:] == [LetGo(), SetRate(Decimal("0.5"))]
    assert (job.phase, job.epoch, job.deadline_s, job.obey_s) == ("running", 2, None, 35.0)
    assert not [each for each in done if isinstance(each, FileHalted | FileResumed)]
    assert len([each for each in done if isinstance(each, StartJob)]) == 1
    assert step(job, StopOrdered(90.0, why="pause"))[1] == (AskCheckpoint("pause", 150.0),)


def test_what_answers_after_it_was_let_go_on_is_stopped_gently_and_resumes():
    """Rule 8: the request reached it late; its checkpoint is good, and the newest permit starts it again."""
    job, _ = play(*STILL, PermitHeld(30.0, 2, Decimal(1)), PermitHeld(31.0, 3, Decimal(1)), still_after_s=5, hold=True)
    job, actions = step(job, ReceiptVerified(32.0, SAVED))
    assert actions == (StopJob(),)
    _, actions = step(job, GroupGone(33.0, 75))
    assert actions[:2] == (FileHalted("pause", SAVED, 2 + 1, killed=False), FileResumed(SAVED, 3))


def test_a_receipt_frees_a_job_that_had_answered_as_it_was_frozen():
    """Rule 8: it must run to exit."""
    assert play(*STILL, ReceiptVerified(16.0, SAVED), still_after_s=5)[1][-2:] == [LetGo(), StopJob()]


def test_where_one_does_not_stop_none_is_held_and_the_deadline_stands():
    """Rule 8: all or none; it is not tried again."""
    job, _ = play(*STILL, NotStill(15.5), still_after_s=5)
    assert (job.due_s, step(job, Tick(66.0))[1], step(job, Tick(70.0))[1]) == (70.0, (), (FreezeAll(),))


@pytest.mark.parametrize("still_after_s", [30, 31, None])
def test_holding_still_leaves_the_job_as_long_to_save_as_before(still_after_s):
    """Rule 8: not from half of the time on, and not unless it was asked for."""
    job, _ = play(PERMIT, PAUSE, still_after_s=still_after_s)
    assert (job.due_s, step(job, Tick(45.0))[1]) == (70.0, ())


def test_a_machine_that_wakes_past_the_deadline_holds_nothing_still():
    """Rule 4 comes before rule 8."""
    job, _ = play(PERMIT, PAUSE, still_after_s=5)
    assert step(job, Tick(80.0))[1] == (FreezeAll(),)
