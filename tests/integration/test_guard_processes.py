"""A guarded command is stopped as a whole, whatever its processes do, and never outlives its guard."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detente.adapters.deadman import DeadMan
from detente.adapters.job import SIGNAL_SAVE, Job, start_job
from detente.adapters.process import read_process
from detente.adapters.slurm import find_tasks
from detente.base.errors import Unavailable

# Ignores every signal it can, leaves its session, its group and its parent, and computes.
STUBBORN = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
def say():
    open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        say()
        while True: pass
    os._exit(0)
os.wait()
if os.fork() == 0:
    say()
    while True: pass
say()
while True: pass
"""


# Its first thread ends, which leaves what looks like a zombie; another goes on, and computes until it is told to end with 7.
LEADERLESS = """
import ctypes, os, pathlib, sys, threading
place = pathlib.Path(sys.argv[1])
def on():
    while open(f"/proc/{os.getpid()}/stat").read().rpartition(") ")[2][0] != "Z": pass
    (place / str(os.getpid())).touch()
    while not (place.parent / "go").exists(): pass
    os._exit(7)
threading.Thread(target=on).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def boottime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def until(condition, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


async def start_stubborn(place: Path, cgroup: str, life_s: float = 60.0) -> tuple[Job, list[int]]:
    return await start_program(STUBBORN, place, cgroup, processes=3, life_s=life_s)


async def start_program(
    program: str, place: Path, cgroup: str, *, processes: int, life_s: float = 60.0
) -> tuple[Job, list[int]]:
    environment = {**os.environ, "DETENTE_CGROUP": cgroup}
    job = await start_job(
        [sys.executable, "-c", program, str(place)], until_s=boottime_s() + life_s, environment=environment
    )
    await until(lambda: len(_names(place)) == processes, 60.0)
    return job, _names(place)


def _names(place: Path) -> list[int]:
    return sorted(int(path.name) for path in place.iterdir())


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if (process := read_process(pid)) is not None and process.alive]


cgroups = pytest.mark.parametrize("cgroup", ["off", "v1", "v2"])


@cgroups
def test_freezing_reaches_every_process_and_killing_leaves_none(tmp_path: Path, cgroup: str):
    """All ranks or none: a process that left its session and parent is stopped, and then ended, with the rest."""

    async def scenario() -> None:
        job, pids = await start_stubborn(tmp_path, cgroup)
        assert sorted(process.pid for process in job.processes()) == pids
        assert job.freeze() == ()
        used = job.cpu_s()
        await asyncio.sleep(0.1)
        assert job.cpu_s() == used
        assert await asyncio.to_thread(job.kill) == ()
        ended = await job.wait()
        assert (ended.status, ended.orphaned) == (-signal.SIGKILL, False)
        assert running(pids) == []

    asyncio.run(scenario())


@cgroups
def test_a_process_whose_first_thread_has_ended_is_frozen_and_killed_like_any_other(tmp_path: Path, cgroup: str):
    """What `/proc` shows as a zombie runs on while one of its threads does."""

    async def scenario() -> None:
        job, pids = await start_program(LEADERLESS, tmp_path, cgroup, processes=1)
        assert [process.pid for process in job.processes()] == pids
        assert job.freeze() == ()
        used = job.cpu_s()
        await asyncio.sleep(0.1)
        assert job.cpu_s() == used
        job.thaw()
        await until(lambda: job.cpu_s() > used)
        assert await asyncio.to_thread(job.kill) == ()
        assert (await job.wait()).status == -signal.SIGKILL
        assert running(pids) == []

    asyncio.run(scenario())


def test_a_job_ends_with_its_last_thread_and_that_exit_code_counts(tmp_path: Path):
    """Programs with many threads end one by one: a keeper that looks meanwhile must not take the job for gone."""
    place = tmp_path / "pids"
    place.mkdir()

    async def scenario() -> None:
        job, pids = await start_program(LEADERLESS, place, "off", processes=1)
        for _ in range(20):  # Each is a reason for the keeper to look.
            job.extend(boottime_s() + 60)
            await asyncio.sleep(0.01)
        assert running(pids) == pids
        (tmp_path / "go").touch()
        ended = await job.wait()
        assert (ended.status, ended.orphaned, ended.lapsed) == (7, False, False)

    asyncio.run(scenario())


def test_a_task_of_a_cluster_whose_first_thread_has_ended_is_still_found(tmp_path: Path):
    """Whoever says that nothing of a job is left has seen its threads as well; they alone still know their environment."""
    environment = {**os.environ, "SLURM_JOB_ID": "4711"}
    place = tmp_path / "pids"
    place.mkdir()
    with subprocess.Popen([sys.executable, "-c", LEADERLESS, place], env=environment) as task:
        try:
            asyncio.run(until(lambda: _names(place) == [task.pid], 60.0))
            assert list(find_tasks("4711")) == [task.pid]
        finally:
            (tmp_path / "go").touch()
        assert task.wait(60) == 7
    assert find_tasks("4711") == {}


@cgroups
def test_a_job_dies_at_its_latest_instant_when_the_guard_says_nothing_more(tmp_path: Path, cgroup: str):
    """A guard that hangs cannot stretch the leave of its job: the keeper holds the clock as well."""

    async def scenario() -> None:
        job, pids = await start_stubborn(tmp_path, cgroup)
        job.extend(boottime_s() + 0.3)
        began = time.monotonic()
        ended = await job.wait()
        assert ended.lapsed
        assert 0.2 < time.monotonic() - began < 10
        assert running(pids) == []

    asyncio.run(scenario())


@cgroups
def test_a_killed_keeper_takes_the_whole_job_along(tmp_path: Path, cgroup: str):
    """Killing the process between guard and job frees nobody."""

    async def scenario() -> None:
        job, pids = await start_stubborn(tmp_path, cgroup)
        os.kill(job.keeper_pid, signal.SIGKILL)
        assert (await job.wait()).orphaned
        assert running(pids) == []

    asyncio.run(scenario())


GUARD = """
import asyncio, os, sys, time
from detente.adapters.job import start_job
async def main():
    job = await start_job([sys.executable, "-c", sys.argv[1], sys.argv[2]],
        until_s=time.clock_gettime(time.CLOCK_BOOTTIME) + 60, environment=dict(os.environ))
    print(job.keeper_pid, flush=True)
    await job.wait()
asyncio.run(main())
"""


@cgroups
def test_a_killed_guard_takes_the_whole_job_along(tmp_path: Path, cgroup: str):
    """`kill -9` of the guard leaves no process running unguarded."""
    with subprocess.Popen(
        [sys.executable, "-c", GUARD, STUBBORN, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "DETENTE_CGROUP": cgroup},
    ) as guard:
        asyncio.run(until(lambda: len(list(tmp_path.iterdir())) == 3))
        pids = sorted(int(path.name) for path in tmp_path.iterdir())
        keeper = int(guard.stdout.readline())
        guard.kill()
        asyncio.run(until(lambda: running([*pids, keeper]) == []))


def test_only_a_process_that_can_answer_is_asked(tmp_path: Path):
    """SIGUSR1 would end a process without a handler, unsaved; a shell in between is left alone."""
    answering = (
        "import signal,sys,time; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75));"
        f"open({str(tmp_path / 'ready')!r}, 'w').close(); time.sleep(60)"
    )

    async def scenario() -> None:
        command = ["/bin/sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, answering]
        job = await start_job(command, until_s=boottime_s() + 30, environment=dict(os.environ))
        await until((tmp_path / "ready").exists)
        assert job.processes()[0].command == "sh"
        assert job.ask(SIGNAL_SAVE) == 1
        assert (await job.wait()).status == 75

    asyncio.run(scenario())


def test_processes_that_outlive_the_command_stay_guarded(tmp_path: Path):
    """A script that starts its training in the background and ends has not left the guard."""

    async def scenario() -> None:
        command = ["/bin/sh", "-c", "sleep 60 & exit 0"]
        job = await start_job(command, until_s=boottime_s() + 30, environment=dict(os.environ))
        await asyncio.wait_for(job.command_ended.wait(), 30)
        # A child that was forked has the name of its parent until it is somebody else.
        await until(lambda: [process.command for process in job.processes()] == ["sleep"])
        await asyncio.to_thread(job.kill)
        assert (await job.wait()).status == 0

    asyncio.run(scenario())


def test_a_command_that_cannot_start_is_named():
    """A missing program is the world's fault, in one line with its reason."""

    async def scenario() -> None:
        with pytest.raises(Unavailable, match="No such file"):
            await start_job(["/nonexistent/program"], until_s=boottime_s() + 5, environment=dict(os.environ))

    asyncio.run(scenario())


def test_a_keeper_starts_nothing_once_leave_is_over(tmp_path: Path):
    """An instant in the past is no leave, not even for a moment."""
    mark = tmp_path / "ran"

    async def scenario() -> None:
        with pytest.raises(Unavailable):
            await start_job(["/bin/sh", "-c", f"touch {mark}"], until_s=boottime_s() - 1, environment=dict(os.environ))

    asyncio.run(scenario())
    assert not mark.exists()


def test_the_dead_man_kills_a_loop_that_hangs():
    """In one process no thread is needed: the kernel ends it at the instant, though the step never returns."""
    hanging = (
        "import time\nfrom detente.adapters.deadman import DeadMan\n"
        "switch = DeadMan(); switch.set(time.clock_gettime(time.CLOCK_BOOTTIME) + 0.2)\nwhile True: pass"
    )
    ended = subprocess.run([sys.executable, "-c", hanging], timeout=30, check=False)
    assert ended.returncode == -signal.SIGKILL


def test_the_dead_man_takes_an_instant_in_the_past_for_now():
    """Zero would disarm the timer: the opposite of what a lapsed lease means."""
    late = "from detente.adapters.deadman import DeadMan\nDeadMan().set(-5.0)\nimport time; time.sleep(5)"
    assert subprocess.run([sys.executable, "-c", late], timeout=30, check=False).returncode == -signal.SIGKILL
    switch = DeadMan()
    switch.set(boottime_s() + 100)
    switch.disarm()
    assert switch.left_s() == 0
