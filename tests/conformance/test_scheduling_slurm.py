"""Slurm, for real: a cluster of one node under an accord, paused, forged at, broken, cut off, and lifted."""

import importlib.util
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detente.adapters.slurm import Slurm, find_tasks
from tests.conformance.jobs.places import EPOCH, STEPS
from tests.conformance.scheduling import SLURM
from tests.integration.slurm_cluster import absent
from tests.integration.slurm_rig import JOBS, TORCHRUN, Loop, Site, counted, counter, counters, site

pytestmark = pytest.mark.skipif(bool(absent()), reason=absent() or "-")
CLOCK = Path(__file__).resolve().parents[1] / "integration" / "clock_jump.c"
SHORT = ("life: {calm: 15 min, alert: 1 min}", "life: {calm: 20 s, alert: 10 s}")


@pytest.fixture(scope="module")
def adapter():
    """The one host of this file."""
    return SLURM


@pytest.fixture(scope="module")
def open_site():
    with site() as made:
        yield made


@pytest.fixture
def place(open_site) -> Site:
    """The site with leave and without jobs; what a test wrote into the gate is put back."""
    kept = {name: (open_site.gate / name).read_bytes() for name in ("leave", "prolog")}
    yield open_site
    for name, data in kept.items():
        put(open_site, name, data)
    open_site.clear()


def put(place: Site, name: str, data: bytes) -> None:
    """Replace a file of the gate."""
    new = place.gate / f".{name}.new"
    new.write_bytes(data)
    new.chmod(0o755)
    new.replace(place.gate / name)


def version(place: Site) -> str:
    return place.cluster.said("sinfo", "--version").split()[-1]


def touching(place: Site, *options: str, cpus: int = 1) -> str:
    """A job that leaves a file as soon as it starts."""
    return place.cluster.submit(
        f"touch {place.folder}/began-$SLURM_JOB_ID; sleep 600", "--output=/dev/null", *options, cpus=cpus
    )


def began(place: Site) -> list[str]:
    return sorted(path.name for path in place.folder.glob("began-*"))


def test_a_cluster_without_leave_refuses_and_its_queue_stands(place, shown):
    """The accord pauses: eight running jobs are suspended, none of twelve that wait starts, and nothing new is admitted, root's either."""
    running = counters(place, 8)
    waiting = [touching(place) for _ in range(12)]
    place.start("keep", "--lift")
    try:
        place.call()
        done = place.cluster.run("sbatch", "-c1", input="#!/bin/sh\n", cwd=place.folder)
        assert done.returncode != 0
        assert "detente: job refused: U0" in done.stderr
        assert place.cluster.run(str(place.gate / "prolog")).returncode == 1
        shown("paused", "refused", Slurm=version(place))
        for job in running:
            place.cluster.until_state(job, "SUSPENDED")
        place.cluster.until(lambda: "paused: 8 suspended" in place.said("keep"), "the pause is whole")
        # Every CPU is free by now, and Slurm has looked at its queue again.
        place.cluster.until(lambda: looked_again(place, waiting), "Slurm has tried the queue")
        assert began(place) == []
        shown("queue", "held")
        place.lift_accord()
        for job in running:
            place.cluster.until_state(job, "RUNNING")
    finally:
        place.end("keep")


def looked_again(place: Site, waiting: list[str]) -> bool:
    """Every job waits for the reservation, by Slurm's own word."""
    reasons = place.cluster.said("squeue", "-h", "-t", "PENDING", "-o", "%i %r").splitlines()
    maintained = {line.split()[0] for line in reasons if "maintenance" in line or "Priority" in line}
    return maintained == set(waiting) and any("maintenance" in line for line in reasons)


def test_jobs_that_save_are_held_and_those_that_do_not_answer_are_suspended(place, shown):
    """Both layers in one pause: two answer, one hangs at its step until the deadline."""
    loops, deaf = [Loop(place, f"save-{number}", 23) for number in range(2)], Loop(place, "hang", 23)
    place.cluster.until(lambda: all(each.reached(23) for each in (*loops, deaf)), "they are at their step")
    for loop in loops:
        loop.let(23, "pause")
    said = place.json("slurm", "pause", "--within", "20")
    assert said["paused"] is True
    assert [said["jobs"][loop.job]["outcome"] for loop in loops] == ["saved", "saved"]
    assert {place.cluster.state(loop.job) for loop in loops} == {"PENDING"}
    assert [find_tasks(loop.job) for loop in loops] == [{}, {}]
    shown("saved", "saved, held")
    assert said["jobs"][deaf.job]["outcome"] == "suspended"
    assert set(find_tasks(deaf.job).values()) == {"T"}
    shown("deaf", "suspended")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: `make torch`")
def test_ranks_stop_together_and_end_with_the_weights_of_a_run_that_was_not_stopped(place, shown, tmp_path):
    """Three jobs of two ranks each under torchrun: stopped at a random step, at an epoch's end, and twice within one epoch.

    One pause of the cluster stops all three. The third is stopped again after its resume.
    """
    some, first, second = random.SystemRandom().randrange(3, EPOCH - 2), EPOCH + 4, EPOCH + 11
    command = [
        sys.executable,
        *TORCHRUN,
        str(JOBS / "torch_loop.py"),
        "--ranks",
        "--free",
        "--out",
        str(tmp_path / "whole" / "out"),
    ]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    weights = json.loads((tmp_path / "whole" / "out" / "final.json").read_text())["weights"]
    stays = {"random": (some,), "epoch": (EPOCH,), "twice": (first, second)}
    loops = {name: Loop(place, name, *steps, ranks=True) for name, steps in stays.items()}
    stops: dict[str, list[int]] = {name: [0] for name in loops}
    for number, names in enumerate((("random", "epoch", "twice"), ("twice",))):
        for name in names:
            step = stays[name][number]
            place.cluster.until(lambda name=name, step=step: loops[name].reached(step), f"{name} is at {step}", 300)
            loops[name].let(step, "pause")
        said = place.json("slurm", "pause", "--within", "120")
        assert said["paused"] is True, said
        for name in names:
            treated = said["jobs"][loops[name].job]
            assert (treated["outcome"], treated["exact"]) == ("saved", True), (said, loops[name].log())
            step = stays[name][number]
            assert step <= treated["step"] <= step + 1
            assert find_tasks(loops[name].job) == {}
            stops[name].append(treated["step"])
            loops[name].let(step, "on")
        shown("together", "all ranks, one step: saved, held")
        place.json("slurm", "lift")
    for name, loop in loops.items():
        place.cluster.until(lambda loop=loop: loop.done, f"{name} ends", 300)
        # A line for each start of rank 0, which says where it resumed: at the very step whose checkpoint was verified.
        assert (name, loop.starts()) == (name, stops[name])
        assert json.loads((loop.folder / "out" / "final.json").read_text())["steps"] == STEPS
        assert (name, loop.weights) == (name, weights)
    shown("lift", "exact")


def test_leave_that_is_not_what_the_issuers_signed_starts_nothing(place, shown):
    """Moved to a later instant, of a longer life, with another signature, replayed after a newer epoch, lapsed."""
    text = place.leave()
    lines = dict(line.split(" ", 1) for line in text.splitlines())
    later = str(int(lines["asked"]) + 1_000)
    broken = lines["permit"][:200] + ("A" if lines["permit"][200] != "A" else "B") + lines["permit"][201:]
    forged = {
        "edited instant": text.replace(f"asked {lines['asked']}", f"asked {later}"),
        "edited life": text.replace(f"life {lines['life']}", "life 90000"),
        "edited permit": text.replace(lines["permit"], broken),
        "expired": text.replace(f"asked {lines['asked']}", "asked 1"),
        "of another boot": text.replace(lines["boot"], "0" * 36),
    }
    for name, data in forged.items():
        put(place, "leave", data.encode())
        done = place.cluster.run(str(place.gate / "prolog"))
        assert (name, done.returncode) == (name, 1)
    put(place, "leave", text.encode())
    (place.gate / "seen" / "epoch").write_text("999\n")
    try:
        assert "P15 rollback" in place.cluster.run(str(place.gate / "prolog")).stderr
        put(place, "leave", forged["edited instant"].encode())
        job = touching(place)
        place.cluster.until(
            lambda: f"prolog_slurmctld JobId={job} prolog exit status 1" in place.cluster.logs(), "refused"
        )
        place.cluster.until_state(job, "PENDING")
        assert began(place) == []
    finally:
        (place.gate / "seen" / "epoch").unlink()
    shown("permits", "refused")


def test_a_gate_that_breaks_starts_nothing(place, shown):
    """The program at the launch crashes, hangs until it is ended, is garbage, has no interpreter: the job goes back, the node stays."""
    script = (place.gate / "prolog").read_text()
    line = next(line for line in script.splitlines() if "hooks.slurm.prolog" in line)
    ways = {
        "crashes": b"#!/bin/sh\nexit 3\n",
        "garbage": bytes(range(1, 200)),
        "no interpreter": b"#!/no/such/python\n",
        "hangs": script.replace(line, "timeout -k 1 0.3 sleep 60").encode(),
    }
    for name, data in ways.items():
        put(place, "prolog", data)
        job = touching(place)
        place.cluster.until(
            lambda job=job: f"prolog_slurmctld JobId={job} prolog exit status" in place.cluster.logs(), name
        )
        place.cluster.until_state(job, "PENDING")
    assert began(place) == []
    assert place.cluster.said("sinfo", "-h", "-o", "%T").strip() == "idle"
    shown("broken", "refused")


def test_an_observed_cluster_is_not_touched(place, shown):
    """`keep --observe` writes what it would have done, and each line says that nothing was enforced."""
    job = counter(place)
    place.start("keep", "--observe")
    record = place.gate / "observe.jsonl"
    try:
        put(place, "leave", b"detente-posted-leave 1\nnone a pause is latched\n")
        place.cluster.until(record.exists, "the end of leave is written down")
        before = counted(place, job)
        place.cluster.until(lambda: counted(place, job) not in {"", before}, "the job goes on")
        assert place.cluster.state(job) == "RUNNING"
        assert not (place.gate / "closed").exists()
        assert not Slurm(place.environment).is_reserved()
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        assert [(line["enforced"], line["would"], line["running"]) for line in lines] == [(False, "pause", 1)]
    finally:
        place.end("keep")
    shown("observe", "unmoved")


def test_a_cluster_whose_issuers_cannot_be_reached_is_paused_when_its_leave_lapses(adapter, shown):
    """Who asks is gone, and nobody says stop: the leave lapses, the running are suspended, nothing is admitted."""
    with site(SHORT) as place:
        job = counter(place)
        place.start("keep")
        place.end("watch", kill=True)
        assert "\npermit " in place.leave()
        place.cluster.until_state(job, "SUSPENDED")
        assert "\npermit " in place.leave()
        assert "U0" in place.cluster.run("sbatch", "-c1", input="#!/bin/sh\n", cwd=place.folder).stderr
        assert "U05 expired" in place.detente("slurm", "lift").stderr
        assert "lapsed" in place.said("keep")
    shown("partition", "held at the lapse")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to build the shim that moves the wall clock")
def test_a_wall_clock_that_jumps_by_a_day_changes_nothing(adapter, shown, tmp_path):
    """Controller, gate and poster see the jump: what had leave keeps it, what had lapsed stays lapsed."""
    shim = Path("/tmp") / f"detente-{tmp_path.name}.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, CLOCK, "-ldl"], check=True, timeout=60)
    try:
        for jump_s in (86_400, -86_400):
            now = shim.with_suffix(f".now{jump_s}")
            moved = {"LD_PRELOAD": str(shim), "JUMP_S": str(jump_s), "JUMP_WHEN": str(now)}
            with site(environment=moved) as place:
                before = place.leave()
                now.touch()
                place.cluster.until(
                    lambda place=place: abs(slurm_time_s(place)) > 43_000, "the controller's clock has moved"
                )
                assert place.cluster.run(str(place.gate / "prolog")).returncode == 0
                place.cluster.submit("true", "--hold")
                lapsed = before.replace(before.splitlines()[2], "asked 1")
                put(place, "leave", lapsed.encode())
                refused = place.cluster.run("sbatch", "-c1", input="#!/bin/sh\n", cwd=place.folder)
                assert "U05 expired" in refused.stderr
                assert place.cluster.run(str(place.gate / "prolog")).returncode == 1
                now.unlink()
    finally:
        for path in shim.parent.glob(f"{shim.stem}*"):
            path.unlink()
    shown("clock", "unmoved")


def slurm_time_s(place: Site) -> float:
    """How far a program of the cluster's environment is from the time that this one has."""
    import time

    said = place.cluster.said(sys.executable, "-c", "import time; print(time.time())")
    return float(said) - time.time()
