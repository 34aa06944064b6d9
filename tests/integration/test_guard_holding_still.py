"""A paused job that does not answer is held still, every process or none, and goes on from where it was if the pause is lifted in time."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from detente.adapters.process import read_process
from tests.integration.asking_rig import solo
from tests.integration.guard_bench import Bench

COUNTS = """
import os, signal, sys
if DEAF:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: None)
if os.fork() == 0:
    os.setsid()
print(os.getpid(), file=open(sys.argv[1], "a"))
number = 0
while True:
    number += 1
    print(number, file=open(f"{sys.argv[1]}-{os.getpid()}", "w"))
"""
"""Two processes in two sessions that count, and save nothing. Deaf: they have a handler for the request, and ignore it."""

cgroups = pytest.mark.parametrize("cgroup", ["off", "v1", "v2"])


def job(place: Path, *, deaf: bool = True) -> list[str]:
    return [sys.executable, "-c", f"DEAF = {deaf}\n" + COUNTS, str(place)]


def pids(place: Path) -> list[int]:
    return sorted(int(line) for line in place.read_text().split()) if place.exists() else []


def counts(place: Path) -> list[str]:
    return [Path(f"{place}-{pid}").read_text() for pid in pids(place)]


async def began(bench: Bench, place: Path) -> None:
    await bench.until(lambda: len(pids(place)) == 2 and all(Path(f"{place}-{pid}").exists() for pid in pids(place)))


async def held_still(bench: Bench) -> None:
    await bench.until(lambda: any("held still" in line for line in bench.said))


@cgroups
def test_a_deaf_job_stops_computing_and_goes_on_after_a_lift_with_nothing_lost(
    tmp_path: Path, monkeypatch, cgroup: str
):
    """The same processes, further on than before; no `halted`, since nothing had ended."""
    monkeypatch.setenv("DETENTE_CGROUP", cgroup)
    place = tmp_path / "pids"

    async def story() -> None:
        async with Bench(tmp_path, job(place), halt_within_s=300.0, hold=True, still_after_s=0.2) as bench:
            await began(bench, place)
            bench.pause()
            await held_still(bench)
            before = counts(place)
            await asyncio.sleep(0.3)
            assert counts(place) == before
            same = pids(place)
            bench.lift()
            await bench.until(lambda: counts(place) != before and "" not in counts(place))
            assert (pids(place), bench.node.kinds) == (same, [])
            assert all(read_process(pid) is not None for pid in same)

    asyncio.run(asyncio.wait_for(story(), 200))


@cgroups
def test_a_job_that_is_held_still_is_dead_by_the_deadline_all_the_same(tmp_path: Path, monkeypatch, cgroup: str):
    """Frozen memory is no halt: it is let go once more, and ended."""
    monkeypatch.setenv("DETENTE_CGROUP", cgroup)
    place = tmp_path / "pids"

    async def story() -> None:
        async with Bench(tmp_path, job(place), halt_within_s=4.0, still_after_s=0.5) as bench:
            await began(bench, place)
            bench.pause()
            assert await bench.code == 75
            order = [
                next(i for i, line in enumerate(bench.said) if word in line)
                for word in ("held still", "goes on", "killing")
            ]
            assert order == sorted(order)
            assert not [pid for pid in pids(place) if (found := read_process(pid)) is not None and found.alive]
            assert bench.node.kinds == ["halted"]

    asyncio.run(asyncio.wait_for(story(), 200))


def test_what_cannot_answer_is_held_still_first_and_told_to_end_only_then(tmp_path: Path):
    """Without a handler SIGTERM would end it at once, and with it what a lift could have kept."""
    place = tmp_path / "pids"

    async def story() -> None:
        async with Bench(tmp_path, job(place, deaf=False), halt_within_s=300.0, hold=True, still_after_s=0.2) as bench:
            await began(bench, place)
            bench.pause()
            await held_still(bench)
            same = pids(place)
            bench.lift()
            before = counts(place)
            await bench.until(lambda: counts(place) != before and "" not in counts(place))
            assert (pids(place), bench.node.kinds) == (same, [])

    asyncio.run(asyncio.wait_for(story(), 200))


def test_holding_still_may_not_begin_in_the_second_half_of_the_time(tmp_path: Path):
    """It would leave a job less time to save than it has held still: said before anything starts."""
    words = ("--planned-flop", "1", "--freeze-after", "450", "--home", str(solo(tmp_path / "home")))
    command = [sys.executable, "-m", "detente", "guard", *words, "--", "touch", str(tmp_path / "began")]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (done.returncode, b"halt within 900 s" in done.stderr) == (2, True), done
    assert not (tmp_path / "began").exists()
