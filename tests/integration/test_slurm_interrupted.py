"""Pauses and lifts of a real cluster that were cut short, came late, or met a job that does not do what it said: nothing runs on, nothing stays behind."""

import threading

import pytest

from detente.adapters.slurm import Slurm, find_tasks
from detente.app.slurm.gate import Gate
from detente.app.slurm.keeping import Keeper
from detente.app.slurm.pausing import Pausing
from detente.app.slurm.record import Record, RecordFile, encode_record, parse_record
from tests.integration.slurm_cluster import absent
from tests.integration.slurm_rig import COUNT, Loop, Site, counted, counter

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "-")
ANSWER = """
place={jobs}/$SLURM_JOB_ID
echo 1 > $place/listening
while [ ! -e $place/pause ]; do sleep 0.02; done
request=$(sed 's/.*"request":"\\([0-9a-f]*\\)".*/\\1/' $place/pause)
{make}
printf '{{"format":"detente/checkpoint-receipt/1","run":"%s","step":1,"checkpoint":"weights","bytes":{size},"sha256":"%s","exact":true,"pid":1,"request":"%s","directory":"%s"}}' \
  $DETENTE_RUN $sum $request $place > $place/.new
mv $place/.new $place/receipt.json
n=0; while sleep 0.2; do n=$((n+1)); echo $n > {folder}/count-$SLURM_JOB_ID; done
"""


def answers(place: Site, *options: str, make: str, size: int) -> str:
    """A job that listens, answers once, and counts on; returns its id once it listens."""
    script = ANSWER.format(jobs=place.gate / "jobs", folder=place.folder, make=make, size=size)
    job = place.cluster.submit(script, "--output=/dev/null", *options)
    place.cluster.until(lambda: place.listening(job), "it says that it listens")
    return job


def slow_to_stop(place: Site) -> str:
    """A job that takes no SIGTSTP: Slurm stops it two seconds later, by SIGSTOP."""
    job = place.cluster.submit("trap '' TSTP; " + COUNT.format(place=place.folder), "--output=/dev/null")
    place.cluster.until((place.folder / f"count-{job}").exists, "it counts")
    return job


def lifting(place: Site, record: bytes, **changes) -> None:
    """As a lift that is killed leaves the record."""
    kept = parse_record(record)
    (place.gate / "paused.json").write_bytes(
        encode_record(Record(request=kept.request, phase="lifting", by=changes.get("by", kept.by), jobs=kept.jobs))
    )


def test_a_job_that_stopped_after_the_pause_had_given_up_comes_back_with_the_lift(place):
    """It was ordered to stop, and could not be shown to: it is still this pause's, and the next look finds it stopped."""
    first, second = slow_to_stop(place), slow_to_stop(place)
    gate, slurm = Gate(place.gate), Slurm(place.environment)
    report = Pausing(gate, slurm, within_s=1, settle_s=0.0).run("a test")
    assert (report.paused, {each.outcome for each in report.jobs.values()}) == (False, {"failed"})
    for job in (first, second):
        place.cluster.until_state(job, "SUSPENDED")
    said = place.json("slurm", "pause")
    assert (said["paused"], {each["outcome"] for each in said["jobs"].values()}) == (True, {"suspended"})
    assert sorted(place.json("slurm", "lift")["resumed"], key=int) == [first, second]


def test_a_lift_resumes_what_a_pause_could_not_show_to_have_stopped(place):
    """Without another look too: whoever lifts finds it suspended, by this pause."""
    job = slow_to_stop(place)
    Pausing(Gate(place.gate), Slurm(place.environment), within_s=1, settle_s=0.0).run("a test")
    place.cluster.until_state(job, "SUSPENDED")
    assert place.json("slurm", "lift")["resumed"] == [job]


def test_a_job_that_went_on_after_a_lift_that_was_killed_is_asked_again(place):
    """What it saved at the pause before says nothing of what it has done since."""
    loop = Loop(place, "lifted", 23, 30)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    loop.let(23, "pause")
    place.json("slurm", "pause")
    kept = (place.gate / "paused.json").read_bytes()
    loop.let(23, "on")
    place.json("slurm", "lift")
    lifting(place, kept)
    place.cluster.until(lambda: loop.reached(30), "it has gone on")
    loop.let(30, "pause")
    said = place.json("slurm", "pause")
    assert (said["jobs"][loop.job]["outcome"], said["jobs"][loop.job]["step"]) == ("saved", 30)
    loop.let(30, "on")
    place.json("slurm", "lift")
    place.cluster.until(lambda: loop.done, "it ends")
    assert loop.starts() == [0, 23, 30]


def test_a_keeper_finishes_a_lift_that_was_killed(place):
    """`closed` was gone already, and the reservation not: nothing could start, and nobody would have opened it."""
    loop = Loop(place, "half", 23)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    loop.let(23, "pause")
    place.json("slurm", "pause")
    lifting(place, (place.gate / "paused.json").read_bytes(), by="leave")
    (place.gate / "closed").unlink()
    loop.let(23, "on")
    place.start("keep", "--lift")
    try:
        place.cluster.until(lambda: loop.done, "it is released, and ends")
        place.cluster.until(lambda: not Slurm(place.environment).is_reserved(), "the reservation is gone")
    finally:
        place.end("keep")


def test_a_keeper_looks_again_at_what_an_operator_has_paused(place):
    """There is leave all the while: a job that somebody resumes by hand is stopped again, until the operator lifts."""
    job = counter(place)
    assert place.json("slurm", "pause", "--reason", "a drill")["paused"]
    place.start("keep", "--lift")
    try:
        place.cluster.said("scontrol", "resume", job)
        place.cluster.until(lambda: f"opened from outside; running: {job}" in place.said("keep"), "it is found")
        place.cluster.until_state(job, "SUSPENDED")
        assert (place.gate / "closed").read_text() == "a drill\n"
        place.cluster.until(lambda: RecordFile(Gate(place.gate)).load().phase == "paused", "it is paused again")
        assert place.json("slurm", "lift")["resumed"] == [job]
    finally:
        place.end("keep")


def test_a_keeper_does_not_lift_what_an_operator_has_paused_meanwhile(place):
    """It waits for its turn while the operator's pause is at work; by then the pause is not its own any more."""
    gate, slurm = Gate(place.gate), Slurm(place.environment)
    place.json("slurm", "pause")
    file = RecordFile(gate)
    record = file.load()
    record.by = "leave"
    file.store(record)
    keeper = Keeper(gate, slurm, within_s=1, lifts=True, say=lambda _line: None, over=lambda: True)
    lifts = threading.Thread(target=keeper._lift)
    with file.turn():
        lifts.start()
        lifts.join(0.3)
        record.by = "operator"
        file.store(record)
    lifts.join()
    assert gate.closed.exists()
    assert slurm.is_reserved()
    assert file.load().phase == "paused"


def test_a_job_that_saved_and_can_neither_end_nor_be_put_back_is_suspended(place):
    """A receipt stops nobody: what goes on computing after it, and may not be requeued, is stopped where it is."""
    make = "printf abcdef > $place/weights; sum=$(sha256sum < $place/weights | cut -c1-64)"
    job = answers(place, "--no-requeue", make=make, size=6)
    said = place.json("slurm", "pause")
    assert said["paused"], said
    assert place.cluster.state(job) == "SUSPENDED"
    stood = counted(place, job)
    assert place.json("slurm", "lift")["resumed"] == [job]
    place.cluster.until(lambda: counted(place, job) != stood, "it goes on")


def test_a_checkpoint_that_takes_long_to_hash_keeps_no_other_job_running(place):
    """One job's answer is one job's: the deadline of the others stands, and so does its own."""
    make = "truncate -s 1T $place/weights; sum=$(printf %064d 0)"
    large, other = answers(place, make=make, size=2**40), counter(place)
    (place.gate / "jobs" / other / "listening").write_text("1\n")
    done: list[object] = []
    pausing = threading.Thread(target=lambda: done.append(place.json("slurm", "pause", "--within", "2")), daemon=True)
    pausing.start()
    place.cluster.until_state(other, "SUSPENDED")
    place.cluster.until_state(large, "SUSPENDED")
    place.cluster.until(lambda: bool(done), "the pause is over")
    assert done[0]["paused"]
    assert {done[0]["jobs"][job]["outcome"] for job in (large, other)} == {"suspended"}


def test_a_job_that_its_user_has_marked_as_stopped_is_suspended(place):
    """`scancel --signal=STOP` makes Slurm say STOPPED of a job whose batch script computes on."""
    job = counter(place)
    place.cluster.said("scancel", "--signal=STOP", job)
    place.cluster.until_state(job, "STOPPED")
    said = place.json("slurm", "pause")
    assert (said["paused"], said["jobs"][job]["outcome"], place.cluster.state(job)) == (True, "suspended", "SUSPENDED")
    assert set(find_tasks(job).values()) == {"T"}
    assert place.json("slurm", "lift")["resumed"] == [job]
