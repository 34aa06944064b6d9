"""Eight Slurm jobs, from declaring a pause until every checkpoint is verified; beside it ``scontrol suspend``, which saves nothing.

    python bench/slurm_bench.py

On a one-node cluster that this brings up itself, as root, with Debian's Slurm. Each job does a step of 5 ms, and saves 64 KiB.

Target: at most 100 ms declared to saved.
"""

import os
import platform
import statistics
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["DETENTE_SLURM"] = "1"

from detente.adapters.slurm import Slurm
from detente.app.slurm.gate import Gate
from detente.app.slurm.lifting import lift
from detente.app.slurm.pausing import Pausing, Report
from tests.integration.slurm_cluster import CPUS, absent
from tests.integration.slurm_rig import Site, site

JOBS, ROUNDS = 8, 7
SOURCE = """
import os, pathlib, struct, sys, time
from detente import guard

here = pathlib.Path(sys.argv[1])
work = os.open(here / "work", os.O_RDWR | os.O_CREAT)

def save():
    with open(here / "new", "wb") as file:
        file.write(bytes(65_536))
        file.flush()
        os.fsync(file.fileno())
    (here / "new").replace(here / "weights")
    return here / "weights"

with guard("bench", save=save) as g:
    while True:
        time.sleep(0.005)
        os.pwrite(work, struct.pack("d", time.clock_gettime(time.CLOCK_BOOTTIME)), 0)
        g.step()
"""


def now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def last_work_s(folder: Path) -> float:
    return struct.unpack("d", (folder / "work").read_bytes()[:8])[0]


def working(place: Site, jobs: dict[str, Path]) -> None:
    """Wait until every job listens and has done a step since now."""
    since = now_s()
    place.cluster.until(lambda: all(place.listening(job) for job in jobs), "every job listens")
    place.cluster.until(lambda: all(last_work_s(each) > since for each in jobs.values()), "every job works")


def pause_round(place: Site, jobs: dict[str, Path]) -> tuple[float, float, Report]:
    """Declared to the last work, declared to the last verified checkpoint, in ms; then lifted."""
    gate, slurm = Gate(place.gate), Slurm(place.environment)
    declared_s = now_s()
    report = Pausing(gate, slurm, within_s=60.0).run("bench")
    assert report.paused, report
    assert set(report.saved_ms) == set(jobs), report
    worked_ms = (max(map(last_work_s, jobs.values())) - declared_s) * 1e3
    lift(gate, slurm)
    return worked_ms, max(report.saved_ms.values()), report


def suspend_round(place: Site, jobs: dict[str, Path]) -> tuple[float, float]:
    """The call to the last work, and the call itself, in ms; then resumed."""
    slurm = Slurm(place.environment)
    called_s = now_s()
    said = slurm.suspend(jobs)
    returned_s = now_s()
    assert not said, said
    time.sleep(2.5)  # SIGSTOP comes two seconds after SIGTSTP: what works on after the call would be seen here.
    worked_ms = (max(map(last_work_s, jobs.values())) - called_s) * 1e3
    slurm.resume(jobs)
    return worked_ms, (returned_s - called_s) * 1e3


def row(name: str, taken: list[float]) -> None:
    print(f"| {name} | {min(taken):.1f} | {statistics.median(taken):.1f} | {max(taken):.1f} |")


def main() -> None:
    if why := absent():
        print(f"NOT RUN: {why}")
        return
    with site() as place:
        assert CPUS >= JOBS
        program = place.folder / "job.py"
        program.write_text(SOURCE)
        jobs = {}
        for number in range(JOBS):
            folder = place.folder / f"bench-{number}"
            folder.mkdir()
            words = f"exec {sys.executable} {program} {folder}"
            jobs[place.cluster.submit(words, f"--output={folder}/log", "--open-mode=append")] = folder
        place.cluster.until(lambda: all((each / "work").exists() for each in jobs.values()), "every job began")
        paused, suspended, closed = [], [], []
        for _ in range(ROUNDS):
            working(place, jobs)
            worked_ms, saved_ms, report = pause_round(place, jobs)
            paused.append((worked_ms, saved_ms))
            closed.append(report.closed_ms)
            working(place, jobs)
            suspended.append(suspend_round(place, jobs))
        version = place.cluster.said("sinfo", "--version").strip()
    print(
        f"{version}, {JOBS} jobs, {ROUNDS} rounds, {os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}\n"
    )
    print("| ms | least | median | most |\n| --- | --- | --- | --- |")
    row("pause: declared → admission closed", closed)
    row("pause: declared → last step of any job", [worked for worked, _ in paused])
    row("pause: declared → all eight checkpoints verified", [saved for _, saved in paused])
    row("`scontrol suspend`: the call", [call for _, call in suspended])
    row("`scontrol suspend`: → last step of any job, nothing saved", [worked for worked, _ in suspended])


if __name__ == "__main__":
    main()
