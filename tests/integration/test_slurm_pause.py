"""A whole cluster paused and lifted, for real: what saves is held, the rest is suspended, the queue does not move, and all of it comes back."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detente.adapters.slurm import Slurm, find_tasks
from tests.integration.slurm_cluster import absent
from tests.integration.slurm_rig import Loop, counted, counter

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "-")


def test_a_cluster_pauses_and_comes_back(place):
    """Two loops save and are held, one job that does not listen is suspended, nothing of the queue starts; the lift undoes each."""
    loops = [Loop(place, f"whole-{number}", 23) for number in range(2)]
    deaf = counter(place)
    place.cluster.until(lambda: all(loop.reached(23) for loop in loops), "both loops are at their step")
    queued = [place.cluster.submit(f"touch {place.folder}/queued", "--output=/dev/null", cpus=6) for _ in range(3)]
    for loop in loops:
        loop.let(23, "pause")
    said = place.json("slurm", "pause", "--reason", "a drill")
    assert said["paused"] is True
    outcomes = {job: each["outcome"] for job, each in said["jobs"].items()}
    assert outcomes == {loops[0].job: "saved", loops[1].job: "saved", deaf: "suspended"}
    assert {said["jobs"][loop.job]["step"] for loop in loops} == {23}
    assert all(said["jobs"][loop.job]["exact"] for loop in loops)
    stood = counted(place, deaf)
    # The freed CPUs would hold every queued job.
    assert [place.cluster.state(job) for job in queued] == ["PENDING"] * 3
    assert {find for loop in loops for find in find_tasks(loop.job)} == set()
    assert set(find_tasks(deaf).values()) <= {"T"}
    assert "U01 paused: a drill" in place.cluster.run("sbatch", "-c1", input="#!/bin/sh\n", cwd=place.folder).stderr
    assert counted(place, deaf) == stood
    assert not (place.folder / "queued").exists()
    for loop in loops:
        loop.let(23, "on")
    lifted = place.json("slurm", "lift")
    assert sorted(lifted["released"]) == sorted(loop.job for loop in loops)
    assert lifted["resumed"] == [deaf]
    place.cluster.until(lambda: all(loop.done for loop in loops), "both loops end")
    assert [loop.starts() for loop in loops] == [[0, 23]] * 2
    place.cluster.until(lambda: counted(place, deaf) not in {"", stood}, "the suspended job goes on")
    place.cluster.run("scancel", deaf)
    place.cluster.until((place.folder / "queued").exists, "the queue moves")


def test_a_pause_that_is_repeated_does_nothing_twice(place):
    """Asked again, the cluster is as it was: the same request, no second hold; one that its user cancelled stays so."""
    loop = Loop(place, "again", 23)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    loop.let(23, "pause")
    first = place.json("slurm", "pause")
    second = place.json("slurm", "pause")
    assert first["jobs"][loop.job] | {"saved_ms": None} == second["jobs"][loop.job]
    assert (first["request"], second["paused"]) == (second["request"], True)
    assert place.cluster.job(loop.job)["Restarts"] == "1"
    place.cluster.run("scancel", loop.job)
    third = place.json("slurm", "pause")
    assert (third["jobs"][loop.job]["outcome"], place.cluster.state(loop.job)) == ("ended", "CANCELLED")


@pytest.mark.parametrize("at", ["asked", "saved"])
def test_a_pause_that_was_killed_goes_on_where_it_was(place, at):
    """kill -9 of the sequence while receipts are awaited, and once one was recorded: run again it ends the same."""
    loop, late = Loop(place, f"killed-{at}", 23), Loop(place, f"late-{at}", 23)
    place.cluster.until(lambda: loop.reached(23) and late.reached(23), "both are at their step")
    command = [sys.executable, "-m", "detente", "slurm", "pause", "--gate", str(place.gate)]
    first = subprocess.Popen(command, env=place.environment, cwd=place.folder, stderr=subprocess.DEVNULL)
    record = place.gate / "paused.json"
    place.cluster.until(lambda: record.exists() and loop.job in record.read_text(), "it has asked")
    if at == "saved":
        loop.let(23, "pause")
        place.cluster.until(lambda: '"saved"' in record.read_text(), "one has saved")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert "U01" in place.cluster.run("sbatch", "-c1", input="#!/bin/sh\n", cwd=place.folder).stderr
    for each in (loop, late):
        each.let(23, "pause")
    said = place.json("slurm", "pause")
    assert said["paused"] is True
    assert {said["jobs"][each.job]["outcome"] for each in (loop, late)} == {"saved"}
    for each in (loop, late):
        each.let(23, "on")
    assert sorted(place.json("slurm", "lift")["released"]) == sorted([loop.job, late.job])
    place.cluster.until(lambda: loop.done and late.done, "both end")
    assert loop.starts() == late.starts() == [0, 23]


def test_a_job_that_saved_and_ended_before_it_was_held_is_put_back_by_the_next_pause(place, tmp_path):
    """kill -9 between the receipt and the hold: the job ends by itself, and the sequence, run again, puts it back all the same."""
    loop = Loop(place, "ended", 23)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    scontrol = tmp_path / "scontrol"
    real = shutil.which("scontrol", path=place.environment["PATH"])
    scontrol.write_text(f'#!/bin/sh\n[ "$1" = requeuehold ] && kill -9 $PPID && exit 1\nexec {real} "$@"\n')
    scontrol.chmod(0o755)
    loop.let(23, "pause")
    command = [sys.executable, "-m", "detente", "slurm", "pause", "--gate", str(place.gate)]
    killed = place.environment | {"PATH": f"{tmp_path}:{place.environment['PATH']}"}
    assert subprocess.run(command, env=killed, cwd=place.folder, check=False).returncode == -signal.SIGKILL
    place.cluster.until(
        lambda: place.cluster.state(loop.job) not in {"RUNNING", "COMPLETING"}, "it has ended by itself"
    )
    said = place.json("slurm", "pause")
    assert (said["paused"], said["jobs"][loop.job]["outcome"]) == (True, "saved")
    assert place.cluster.state(loop.job) == "PENDING"
    loop.let(23, "on")
    assert place.json("slurm", "lift")["released"] == [loop.job]
    place.cluster.until(lambda: loop.done, "it ends")
    assert loop.starts() == [0, 23]


def test_a_record_that_does_not_read_stops_what_runs_all_the_same(place):
    """What was done before is not known then, and said; that nothing may run is known: closed, reserved, suspended."""
    deaf = counter(place)
    (place.gate / "paused.json").write_text("{")
    refused = place.detente("slurm", "pause")
    assert refused.returncode != 0
    assert "U08 corrupt" in refused.stderr
    assert "suspended 1 that ran, in no record" in refused.stderr
    place.cluster.until_state(deaf, "SUSPENDED")
    assert (place.gate / "closed").exists()
    assert Slurm(place.environment).is_reserved()


def test_a_job_that_does_not_answer_by_the_deadline_is_suspended(place):
    """The second layer needs no answer; the lift resumes it where it stood, and it then answers nobody."""
    loop = Loop(place, "deaf", 23)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    said = place.json("slurm", "pause", "--within", "0.5")
    assert said["paused"] is True
    assert said["jobs"][loop.job]["outcome"] == "suspended"
    assert "no receipt within 0.5 s" in said["jobs"][loop.job]["why"]
    assert place.cluster.state(loop.job) == "SUSPENDED"


def test_a_lift_without_leave_touches_nothing(place):
    """While the accord holds, the cluster stays paused; after its lift the same command lifts it."""
    deaf = counter(place)
    place.call()
    assert place.json("slurm", "pause")["paused"] is True
    refused = place.detente("slurm", "lift")
    assert refused.returncode != 0
    assert "U04 paused" in refused.stderr
    assert place.cluster.state(deaf) == "SUSPENDED"
    assert Slurm(place.environment).is_reserved()
    assert (place.gate / "closed").exists()
    place.lift_accord()
    assert place.json("slurm", "lift")["resumed"] == [deaf]
    assert not Slurm(place.environment).is_reserved()


def test_what_somebody_else_suspended_or_held_stays_so(place):
    """The lift undoes what the pause did, and nothing else."""
    mine, other = counter(place), counter(place)
    held = place.cluster.submit("true", "--hold", "--output=/dev/null")
    place.cluster.said("scontrol", "suspend", other)
    place.json("slurm", "pause")
    assert place.json("slurm", "lift")["resumed"] == [mine]
    assert place.cluster.state(other) == "SUSPENDED"
    assert place.cluster.job(held)["Reason"] == "JobHeldUser" or place.cluster.state(held) == "PENDING"


def test_a_receipt_that_does_not_hold_saves_nothing(place):
    """A job's word is not a checkpoint: an answer whose file has other bytes is said, and the job is suspended at the deadline."""
    script = """
place={jobs}/$SLURM_JOB_ID
echo 1 > $place/listening
while [ ! -e $place/pause ]; do sleep 0.02; done
request=$(sed 's/.*"request":"\\([0-9a-f]*\\)".*/\\1/' $place/pause)
echo other > $place/weights
printf '{{"format":"detente/checkpoint-receipt/1","run":"%s","step":1,"checkpoint":"weights","bytes":6,"sha256":"%064d","exact":true,"pid":1,"request":"%s","directory":"%s"}}' \
  $DETENTE_RUN 0 $request $place > $place/.new
mv $place/.new $place/receipt.json
sleep 600
"""
    job = place.cluster.submit(script.format(jobs=place.gate / "jobs"), "--output=/dev/null")
    place.cluster.until(lambda: place.listening(job), "it says that it listens")
    said = place.json("slurm", "pause", "--within", "1.5")
    assert said["jobs"][job]["outcome"] == "suspended"
    assert any(f"job {job}: W09 corrupt" in line for line in said["slurm_said"])


def test_a_link_in_the_place_of_a_control_directory_is_not_followed(place, tmp_path):
    """The pause is root's, the directory a user's: a request must not be written wherever a user points."""
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "listening").write_text("1\n")
    job = counter(place)
    control = place.gate / "jobs" / job
    control.rmdir()
    control.symlink_to(target)
    said = place.json("slurm", "pause")
    assert said["jobs"][job]["outcome"] == "suspended"
    assert [path.name for path in target.iterdir()] == ["listening"]


def test_a_keeper_pauses_a_cluster_whose_leave_ends_and_lifts_it_again(place):
    """Whoever called the pause: `detente slurm keep --lift` stops the cluster, and brings it back with the accord's lift."""
    loop, deaf = Loop(place, "kept", 23), counter(place)
    place.cluster.until(lambda: loop.reached(23), "it is at its step")
    place.start("keep", "--lift")
    try:
        loop.let(23, "pause")
        place.call()
        place.cluster.until_state(deaf, "SUSPENDED")
        place.cluster.until(lambda: place.cluster.job(loop.job)["Restarts"] == "1", "the loop is held")
        place.cluster.until(lambda: "paused: 1 saved, 1 suspended" in place.said("keep"), "the pause is whole")
        # An administrator opens it by hand: that is found, and closed again.
        place.cluster.said("scontrol", "resume", deaf)
        place.cluster.until(
            lambda: f"FINDING the paused cluster was opened from outside; running: {deaf}" in place.said("keep"),
            "it is found",
        )
        place.cluster.until_state(deaf, "SUSPENDED")
        loop.let(23, "on")
        place.lift_accord()
        place.cluster.until(lambda: loop.done, "the loop ends")
        place.cluster.until_state(deaf, "RUNNING")
    finally:
        place.end("keep")


def test_a_keeper_takes_a_gate_that_is_gone_for_no_leave(place):
    """Slurm starts jobs past a prolog that is not there: so the cluster is paused when it goes."""
    deaf = counter(place)
    kept = (place.gate / "prolog").read_bytes()
    place.start("keep")
    try:
        (place.gate / "prolog").unlink()
        place.cluster.until_state(deaf, "SUSPENDED")
        assert "prolog is gone" in Path(place.gate / "closed").read_text()
    finally:
        place.end("keep")
        (place.gate / "prolog").write_bytes(kept)
        (place.gate / "prolog").chmod(0o755)


def test_one_command_stops_the_cluster_and_calls_the_pause(place):
    """`detente pause --slurm`: the cluster stands before the vote is cast, and only the accord's lift gives leave again."""
    deaf = counter(place)
    done = place.detente("pause", "--slurm", "--trigger", "call", "--as", "safety-team", "--json", home=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["cluster"]["paused"], said["vote"]["counts"]) == (True, True)
    assert place.cluster.state(deaf) == "SUSPENDED"
    place.until_none()
    assert place.detente("slurm", "lift").returncode != 0
    place.lift_accord()
    assert place.json("slurm", "lift")["resumed"] == [deaf]
