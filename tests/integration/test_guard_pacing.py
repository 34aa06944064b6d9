"""A command that does not slow itself is slowed from outside, all of its processes together, and can still save."""

import asyncio
import os
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from detente.adapters.process import read_process
from detente.app.supervising import NO_CHECKPOINT
from tests.integration.guard_bench import Bench, train

CAP = Decimal("0.05")
BUSY = """
import os, sys
if os.fork() == 0:
    os.setsid()
print(os.getpid(), file=open(sys.argv[1], "a"))
while True: pass
"""
"""Two processes that compute and ask nobody, in two sessions."""
SAVES = """
import hashlib, json, os, pathlib, signal, sys
asked = False
def ask(*_):
    global asked
    asked = True
signal.signal(signal.SIGUSR1, ask)
control = pathlib.Path(os.environ["DETENTE_CONTROL_DIR"])
print(os.getpid(), file=open(sys.argv[1], "a"))
while not asked: pass
for _ in range(2_000_000): pass
place = pathlib.Path(sys.argv[1] + ".ckpt")
place.write_bytes(b"weights")
request = json.loads((control / "pause").read_text())["request"]
receipt = {"format": "detente/checkpoint-receipt/1", "run": os.environ["DETENTE_RUN"], "step": 4, "bytes": 7, "pid": os.getpid(),
    "checkpoint": place.name, "directory": str(place.parent), "sha256": hashlib.sha256(b"weights").hexdigest(), "exact": True,
    "request": request}
(control / "answer").write_text(json.dumps(receipt))
(control / "answer").rename(control / "receipt.json")
sys.exit(75)
"""
"""A job that saves when it is asked, after some work, and knows nothing of caps."""


def play(scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario, 120))


def slow_down(bench: Bench, rate: Decimal) -> None:
    bench.issuers.offers = {name: {"rate": rate} for name in ("iss-0", "iss-1", "iss-2", "iss-3")}
    bench.session.ask_now()


def names(place: Path) -> list[int]:
    return [int(line) for line in place.read_text().split()] if place.exists() else []


def cpu_s(pids: list[int]) -> list[float]:
    found = [read_process(pid) for pid in pids]
    assert None not in found, "a process of the job is gone"
    return [process.cpu_s for process in found]


def stopped(pids: list[int]) -> set[bool]:
    return {process.stopped for pid in pids if (process := read_process(pid)) is not None}


async def paced(bench: Bench, rate: Decimal = CAP) -> None:
    slow_down(bench, rate)
    await bench.until(lambda: bench.supervision.machine.paced)


@pytest.mark.parametrize("cgroup", ["on", "off"])
def test_a_command_that_ignores_its_cap_computes_no_more_than_its_share(tmp_path: Path, monkeypatch, cgroup: str):
    """The processor time of each process over a window stays near the cap, however busy the machine is, and is not nothing."""
    monkeypatch.setitem(os.environ, "DETENTE_CGROUP", cgroup)

    async def scenario() -> None:
        place = tmp_path / "pids"
        async with Bench(tmp_path, [sys.executable, "-c", BUSY, str(place)]) as bench:
            await bench.until(lambda: len(names(place)) == 2)
            await paced(bench)
            pids = names(place)
            begin, before = time.monotonic(), cpu_s(pids)
            await bench.until(lambda: time.monotonic() - begin > 5)
            shares = [(now - then) / (time.monotonic() - begin) for now, then in zip(cpu_s(pids), before, strict=True)]
            assert max(shares) < 3 * float(CAP), shares
            await bench.until(lambda: min(now - then for now, then in zip(cpu_s(pids), before, strict=True)) > 0.05, 60)
            slow_down(bench, Decimal(1))
            await bench.until(lambda: not bench.supervision.machine.paced)
            last = cpu_s(pids)
            await bench.until(lambda: min(now - then for now, then in zip(cpu_s(pids), last, strict=True)) > 0.1, 60)
            assert stopped(pids) == {False}
            bench.pause()
            assert await bench.code == 75

    play(scenario())


@pytest.mark.parametrize("cgroup", ["on", "off"])
def test_a_paced_job_is_let_run_before_it_is_asked_to_save(tmp_path: Path, monkeypatch, cgroup: str):
    """At a cap that leaves it a hundredth of the time it saves at a pause as if it had none."""
    monkeypatch.setitem(os.environ, "DETENTE_CGROUP", cgroup)

    async def scenario() -> None:
        place = tmp_path / "pids"
        async with Bench(tmp_path, [sys.executable, "-c", SAVES, str(place)]) as bench:
            await bench.until(lambda: names(place))
            await paced(bench, Decimal("0.001"))
            bench.pause()
            assert await bench.code == 75
            (halted,) = bench.node.bodies("halted")
            assert (halted.why, halted.step) == ("pause", 4)
            assert halted.checkpoint != NO_CHECKPOINT
            assert not [line for line in bench.said if "killing" in line]

    play(scenario())


def test_a_paced_job_that_will_not_stop_is_dead_by_the_deadline(tmp_path: Path):
    """Pacing is no hiding place: the deadline freezes and kills all of it."""

    async def scenario() -> None:
        place = tmp_path / "pids"
        command = [
            sys.executable,
            "-c",
            "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + BUSY,
            str(place),
        ]
        async with Bench(tmp_path, command, halt_within_s=0.5) as bench:
            await bench.until(lambda: len(names(place)) == 2)
            await paced(bench)
            bench.pause()
            assert await bench.code == 75
            assert not [p for pid in names(place) if (p := read_process(pid)) is not None and p.alive]

    play(scenario())


def test_a_job_that_cannot_be_paced_is_stopped(tmp_path: Path):
    """Where the system will not let it be frozen, it may not run on at full speed."""

    def refuse() -> None:
        raise OSError(24, "Too many open files")

    async def scenario() -> None:
        place = tmp_path / "pids"
        async with Bench(tmp_path, [sys.executable, "-c", BUSY, str(place)]) as bench:
            await bench.until(lambda: len(names(place)) == 2)
            bench.supervision.job.freeze = refuse
            slow_down(bench, CAP)
            assert await bench.code == 75
            assert any("cannot slow the job" in line for line in bench.said)

    play(scenario())


def test_a_job_that_keeps_its_cap_by_itself_is_never_frozen(tmp_path: Path):
    """The workload says so in its control directory, and its guard lets it be."""

    async def scenario() -> None:
        command = train(tmp_path / "out", "--slow-ms", "4", steps=30_000)
        async with Bench(tmp_path, command) as bench:
            await bench.started()
            slow_down(bench, Decimal("0.5"))
            await bench.until(lambda: bench.supervision.machine.kept == Decimal("0.5"))
            assert not bench.supervision.machine.paced
            assert bench.supervision.machine.obey_s is None
            bench.supervision.operator_stops()
            assert await bench.code == 75

    play(scenario())


def test_a_loop_under_a_supervisor_says_so_at_its_next_step(tmp_path: Path):
    """`g.step()` is where it rests, so `g.step()` is where it says so; opening a guard says nothing."""
    loop = (
        "import sys, time\nfrom detente import guard\n"
        "with guard('run', save=lambda: None) as g:\n"
        "    open(sys.argv[1], 'w').write('1\\n')\n"
        "    while True:\n"
        "        time.sleep(0.001)\n"
        "        if len(sys.argv) > 2: g.step()\n"
    )

    async def scenario(place: Path, *more: str) -> bool:
        async with Bench(place, [sys.executable, "-c", loop, str(place / "here"), *more]) as bench:
            await bench.until(lambda: names(place / "here"))
            slow_down(bench, CAP)
            await bench.until(lambda: bench.supervision.machine.paced or bench.supervision.machine.kept == CAP)
            was = bench.supervision.machine.paced
            bench.supervision.operator_stops()
            await bench.code
            return was

    (tmp_path / "steps").mkdir()
    (tmp_path / "deaf").mkdir()
    verdicts = []

    async def both() -> None:
        verdicts.append(await scenario(tmp_path / "steps", "steps"))
        verdicts.append(await scenario(tmp_path / "deaf"))

    play(both())
    assert verdicts == [False, True]
