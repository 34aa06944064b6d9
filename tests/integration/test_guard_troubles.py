"""A supervisor that cannot write, is stopped itself, or has a job that plays with its files: the job stops all the same."""

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from detente.app.supervising import NO_CHECKPOINT
from tests.integration.guard_bench import Bench, train
from tests.integration.test_guard_supervision import gone, play

ISSUERS = ("iss-0", "iss-1", "iss-2", "iss-3")


def take_disk_away(bench: Bench) -> None:
    """Nothing below the run's folder can be written from now on, as on a full or failing disk; root is not exempt."""
    bench.folder.path.rename(bench.folder.path.with_name("gone"))
    bench.folder.path.write_text("")


def test_a_guard_that_cannot_write_stops_its_job_and_says_so_over_the_network(tmp_path: Path):
    """`halted` does not need a disk: what cannot be kept is sent from memory."""

    async def scenario() -> None:
        command = train(tmp_path / "out", "--slow-ms", "5", "--checkpoint-every", "20", steps=3_000)
        async with Bench(tmp_path, command, halt_within_s=5) as bench:
            await bench.trained(tmp_path / "out")
            pids = bench.pids()
            take_disk_away(bench)
            bench.pause()
            assert await bench.code == 75
            assert gone(pids)
            await bench.until(lambda: bench.node.kinds == ["halted"])
            assert (bench.node.bodies("halted")[0].why, bench.petitioner.waiting) == ("pause", 0)
            assert any("cannot keep where the run stands" in line for line in bench.said)

    play(scenario())


def test_a_guard_that_can_neither_write_nor_send_still_stops_its_job(tmp_path: Path):
    """And says what it could not say once the network is back, if it still lives."""

    async def scenario() -> None:
        async with Bench(tmp_path, ["sleep", "60"], halt_within_s=5) as bench:
            await bench.started()
            pids = bench.pids()
            take_disk_away(bench)
            bench.node.reachable = False
            bench.pause()
            assert await bench.code == 75
            assert gone(pids)
            assert bench.petitioner.waiting == 1
            bench.node.reachable = True
            await bench.until(lambda: bench.node.kinds == ["halted"])

    play(scenario())


def test_a_slowdown_that_cannot_be_told_stops_the_job(tmp_path: Path):
    """A cap that did not arrive may not leave the job at full speed."""

    async def scenario() -> None:
        command = train(tmp_path / "out", "--slow-ms", "5", "--checkpoint-every", "20", steps=3_000)
        async with Bench(tmp_path, command, halt_within_s=5) as bench:
            await bench.trained(tmp_path / "out")
            (bench.folder.control / "rate.json").mkdir()
            (bench.folder.control / "rate.json" / "x").touch()
            bench.issuers.offers = {name: {"rate": Decimal("0.25")} for name in ISSUERS}
            bench.session.ask_now()
            assert await bench.code == 75
            assert any("cannot slow the job" in line for line in bench.said)

    play(scenario())


def test_a_job_that_its_keeper_ended_has_not_finished(tmp_path: Path):
    """A guard that hung or was stopped finds its job gone: that was the lapse, and is filed as one."""

    async def scenario() -> None:
        async with Bench(tmp_path, ["sleep", "60"]) as bench:
            await bench.started()
            bench.supervision.job.extend(bench.clock.boottime_s())
            assert await bench.code == 75
            (halted,) = bench.node.bodies("halted")
            assert (halted.why, halted.checkpoint) == ("lapse", NO_CHECKPOINT)

    play(scenario())


PRANKS = """
import os, signal, sys, time
control = os.environ["DETENTE_CONTROL_DIR"]
signal.signal(signal.SIGUSR1, lambda *_: None)
os.mkfifo(f"{control}/receipt.json")
os.mkfifo(f"{control}/.pause.new")
os.mkdir(f"{control}/folder")
open(f"{control}/folder/file", "w").close()
open(sys.argv[1], "w").close()
while True: time.sleep(1)
"""


def test_what_a_job_leaves_among_the_guards_files_neither_hangs_nor_ends_the_guard(tmp_path: Path):
    """Pipes without a reader or writer, and folders where files are meant: it is stopped, and starts again after a lift."""

    async def scenario() -> None:
        mark = tmp_path / "pranks-done"
        command = [sys.executable, "-c", PRANKS, str(mark)]
        async with Bench(tmp_path, command, halt_within_s=0.5, hold=True) as bench:
            await bench.until(mark.exists)
            bench.pause()
            await bench.until(lambda: bench.node.kinds == ["halted"])
            assert bench.pids() == []
            mark.unlink()
            bench.lift()
            await bench.until(mark.exists)
            assert bench.node.kinds == ["halted", "resumed"]
            bench.supervision.operator_stops()
            assert await bench.code == 75

    play(scenario())


GUARD = """
import asyncio, os, sys, time
from pathlib import Path
from detente.adapters.job import start_job

async def main():
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    job = await start_job([sys.executable, "-c", "import time; time.sleep(60)"], until_s=now + 1.5, environment=os.environ)
    Path(sys.argv[1]).write_text(str(job.pid))
    await job.wait()

asyncio.run(main())
"""


def test_a_stopped_guard_does_not_stretch_its_jobs_life(tmp_path: Path):
    """SIGSTOP for the guard: its keeper, told the latest instant, ends the job without it."""
    place = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", GUARD, str(place)]) as guard:
        try:
            deadline = time.monotonic() + 20
            while not place.exists() or not place.read_text():
                assert time.monotonic() < deadline, "the job did not start"
                time.sleep(0.01)
            guard.send_signal(signal.SIGSTOP)
            while not gone([int(place.read_text())]):
                assert time.monotonic() < deadline, "the job outlived its leave"
                time.sleep(0.01)
        finally:
            os.kill(guard.pid, signal.SIGCONT)
            guard.kill()
