"""A guarded job saves and stops at a pause, dies at the deadline if it will not, and goes on bit-exactly after a lift."""

import asyncio
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from detente.adapters.process import read_process
from detente.app.supervising import NO_CHECKPOINT, fetch_verified
from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.guard.receipt import Receipt, encode_receipt
from tests.integration.guard_bench import Bench, train

DEAF = (
    "import os,signal,sys\n"
    "for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(n, signal.SIG_IGN)\n"
    "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
    "if os.fork() == 0: os.setsid()\n"
    "while True: pass"
)


def play(scenario) -> None:
    asyncio.run(asyncio.wait_for(scenario, 120))


def gone(pids: list[int]) -> bool:
    return not [pid for pid in pids if (process := read_process(pid)) is not None and process.alive]


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> dict:
    """The same training, never interrupted."""
    out = tmp_path_factory.mktemp("reference")
    subprocess.run(train(out), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads((out / "final.json").read_text())


def test_a_paused_job_resumes_after_the_lift_and_ends_bit_equal(tmp_path: Path, reference: dict):
    """Twice interrupted, the weights at the end are those of a run that nobody touched."""

    async def scenario() -> None:
        command = train(tmp_path / "out", "--slow-ms", "4", "--checkpoint-every", "20")
        async with Bench(tmp_path, command, hold=True) as bench:
            for round_ in (1, 2):
                await bench.started()
                halts = bench.node.bodies("halted")
                await bench.trained(tmp_path / "out", beyond=halts[-1].step if halts else 0)
                bench.pause()
                await bench.until(lambda round_=round_: bench.node.kinds.count("halted") == round_)
                assert bench.pids() == []
                saved = {sha256_hex(path.read_bytes()) for path in (tmp_path / "out" / "checkpoints").glob("*.ckpt")}
                assert bench.node.bodies("halted")[-1].checkpoint in saved
                bench.lift()
            assert await bench.code == 0
            assert bench.node.kinds == ["halted", "resumed", "halted", "resumed", "halted"]
            first, second, last = bench.node.bodies("halted")
            assert (first.why, second.why, last.why) == ("pause", "pause", "finished")
            assert 0 < first.step < second.step < 400
            assert [each.checkpoint for each in bench.node.bodies("resumed")] == [first.checkpoint, second.checkpoint]
            epochs = [first.epoch, second.epoch, last.epoch]
            assert epochs == sorted(set(epochs))

    play(scenario())
    final = json.loads((tmp_path / "out" / "final.json").read_text())
    assert final["weights_sha256"] == reference["weights_sha256"]


def test_without_hold_a_paused_job_exits_75_and_says_resumed_when_started_again(tmp_path: Path):
    """A scheduler that starts the command again after the lift starts the same run."""

    async def first() -> None:
        command = train(tmp_path / "out", "--slow-ms", "4", "--checkpoint-every", "20")
        async with Bench(tmp_path, command) as bench:
            await bench.trained(tmp_path / "out")
            bench.pause()
            assert await bench.code == 75
            assert bench.node.kinds == ["halted"]

    async def again() -> None:
        async with Bench(tmp_path, train(tmp_path / "out")) as bench:
            assert await bench.code == 0
            assert bench.node.kinds == ["resumed", "halted"]
            assert bench.node.bodies("resumed")[0].step > 0

    play(first())
    play(again())


def test_a_pause_in_the_middle_of_a_save_waits_for_it(tmp_path: Path):
    """A save that is under way is finished; what is filed is a checkpoint whose bytes were hashed."""

    async def scenario() -> None:
        command = train(tmp_path / "out", "--slow-ms", "2", "--checkpoint-every", "20", "--slow-save-ms", "150")
        async with Bench(tmp_path, command) as bench:
            await bench.started()
            folder = tmp_path / "out" / "checkpoints"
            await bench.until(lambda: list(folder.glob(".*.tmp")))
            bench.pause()
            assert await bench.code == 75
            (halted,) = bench.node.bodies("halted")
            assert halted.checkpoint in {sha256_hex(path.read_bytes()) for path in folder.glob("*.ckpt")}
            assert not [line for line in bench.said if "killing" in line]

    play(scenario())


def test_a_job_that_ignores_everything_is_dead_by_the_deadline_with_all_its_processes(tmp_path: Path):
    """The deadline needs no answer; `halted` says that there is no checkpoint."""

    async def scenario() -> None:
        async with Bench(tmp_path, [sys.executable, "-c", DEAF], halt_within_s=0.5) as bench:
            await bench.started()
            await bench.until(lambda: len(bench.pids()) == 2)
            pids = bench.pids()
            began = bench.clock.boottime_s()
            bench.pause()
            assert await bench.code == 75
            assert bench.clock.boottime_s() - began < 10
            assert gone(pids)
            (halted,) = bench.node.bodies("halted")
            assert (halted.why, halted.checkpoint) == ("pause", NO_CHECKPOINT)

    play(scenario())


def test_a_job_that_cannot_answer_is_told_to_end_at_once(tmp_path: Path):
    """A program without any handler would only lose more by waiting for the deadline."""

    async def scenario() -> None:
        async with Bench(tmp_path, ["sleep", "60"], halt_within_s=30) as bench:
            await bench.started()
            began = bench.clock.boottime_s()
            bench.pause()
            assert await bench.code == 75
            assert bench.clock.boottime_s() - began < 20

    play(scenario())


def test_a_lapse_stops_the_job_and_the_halt_is_filed_when_the_network_is_back(tmp_path: Path):
    """Cut off from everybody, the guard stops its job by itself and loses nothing that it has to say."""

    async def scenario() -> None:
        command = train(tmp_path / "out", "--slow-ms", "10", "--checkpoint-every", "20", steps=3_000)
        async with Bench(tmp_path, command, life_s=2, hold=True) as bench:
            await bench.trained(tmp_path / "out")
            await bench.until(lambda: bench.session.leave.given)
            bench.issuers.silent |= {"iss-0", "iss-1", "iss-2", "iss-3"}
            bench.node.reachable = False
            cut_s = bench.clock.boottime_s()
            await bench.until(lambda: bench.supervision.machine.phase == "waiting" and bench.supervision.machine.halted)
            assert bench.clock.boottime_s() - cut_s < 20
            assert bench.node.filed == []
            await bench.until(lambda: bench.petitioner.waiting == 1)
            bench.node.reachable = True
            bench.issuers.silent.clear()
            await bench.until(lambda: "resumed" in bench.node.kinds)
            assert bench.node.kinds == ["halted", "resumed"]
            assert bench.node.bodies("halted")[0].why == "lapse"
            assert bench.petitioner.waiting == 0

    play(scenario())


def test_a_slowdown_reaches_the_job(tmp_path: Path):
    """The permit's rate becomes the cap in the job's control directory, and full speed takes it away."""

    async def scenario() -> None:
        async with Bench(tmp_path, train(tmp_path / "out", "--slow-ms", "4", steps=3_000)) as bench:
            await bench.started()
            for rate in ("0.25", "1"):
                bench.issuers.offers = {name: {"rate": Decimal(rate)} for name in ("iss-0", "iss-1", "iss-2", "iss-3")}
                bench.session.ask_now()
                path = bench.folder.control / "rate.json"
                await bench.until(
                    lambda path=path, rate=rate: path.exists() and json.loads(path.read_text())["fraction"] == rate
                )
            bench.supervision.operator_stops()
            assert await bench.code == 75

    play(scenario())


def test_the_operator_stops_with_a_checkpoint_first_and_at_once_the_second_time(tmp_path: Path):
    """Ctrl-C once asks, Ctrl-C twice kills."""

    async def once() -> None:
        command = train(tmp_path / "out", "--slow-ms", "4", "--checkpoint-every", "20")
        async with Bench(tmp_path, command) as bench:
            await bench.trained(tmp_path / "out")
            bench.supervision.operator_stops()
            assert await bench.code == 75
            (halted,) = bench.node.bodies("halted")
            assert halted.why == "operator"
            assert halted.checkpoint != NO_CHECKPOINT

    async def twice() -> None:
        async with Bench(tmp_path / "deaf", [sys.executable, "-c", DEAF], halt_within_s=30) as bench:
            await bench.started()
            await bench.until(lambda: len(bench.pids()) == 2)
            bench.supervision.operator_stops()
            await bench.until(lambda: bench.supervision.machine.phase == "asked")
            bench.supervision.operator_stops()
            assert await bench.code == 75

    play(once())
    play(twice())


def test_the_jobs_own_exit_code_is_the_guards(tmp_path: Path):
    """A guard changes nothing about a job that ends by itself; a signal becomes 128 and its number."""

    async def scenario(place: str, script: str, expected: int) -> None:
        async with Bench(tmp_path / place, ["/bin/sh", "-c", script]) as bench:
            assert await bench.code == expected
            assert bench.node.bodies("halted")[0].why == "finished"

    play(scenario("a", "exit 3", 3))
    play(scenario("b", "kill -9 $$", 137))


def receipt(place: Path, data: bytes, **changes) -> Path:
    (place / "a.ckpt").write_bytes(data)
    members = {
        "run": "run",
        "step": 5,
        "checkpoint": "a.ckpt",
        "size": len(data),
        "sha256": sha256_hex(data),
        "exact": True,
        "pid": 1,
        "request": "r1",
        "directory": str(place),
    }
    path = place / "receipt.json"
    path.write_bytes(encode_receipt(Receipt(**members | changes)))
    return path


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"sha256": sha256_hex(b"other")}, "W09"),
        ({"size": 1}, "W08"),
        ({"request": "r0"}, "W07"),
        ({"run": "another"}, "W06"),
        ({"step": 4}, "W11"),
        ({"checkpoint": "missing.ckpt"}, "G42"),
        ({"directory": "/dev", "checkpoint": "null"}, "G42"),
    ],
)
def test_a_receipt_that_does_not_hold_is_refused_by_number(tmp_path: Path, changes: dict, rule: str):
    """The guard believes the bytes that it hashed, not the job's word; a device is no checkpoint."""
    with pytest.raises(Refused) as caught:
        fetch_verified(receipt(tmp_path, b"weights", **changes), "run", "r1", 5)
    assert caught.value.rule == rule


def test_a_checkpoint_that_is_larger_than_its_receipt_says_is_not_read(tmp_path: Path):
    """W08: a terabyte of zeros in its place would keep whoever hashes it for an hour."""
    path = receipt(tmp_path, b"weights")
    os.truncate(tmp_path / "a.ckpt", 2**40)
    with pytest.raises(Refused) as caught:
        fetch_verified(path, "run", "r1", 0)
    assert caught.value.rule == "W08"


def test_a_checkpoint_that_is_a_pipe_does_not_hang_the_guard(tmp_path: Path):
    """A fifo without a writer would block an ordinary open for ever."""
    path = receipt(tmp_path, b"weights")
    (tmp_path / "a.ckpt").unlink()
    os.mkfifo(tmp_path / "a.ckpt")
    with pytest.raises(Refused) as caught:
        fetch_verified(path, "run", "r1", 0)
    assert caught.value.rule == "G42"


HASTY = """
import os, signal, sys
from pathlib import Path
from detente.base.digest import sha256_hex
from detente.guard.receipt import Receipt, encode_receipt, parse_request
def answer(*_):
    control = Path(os.environ["DETENTE_CONTROL_DIR"])
    request = parse_request((control / "pause").read_bytes()).request
    receipt = Receipt(run="run", step=7, checkpoint="big.ckpt", size=SIZE, sha256=DIGEST, exact=True, pid=os.getpid(),
        request=request, directory=PLACE)
    (control / "new").write_bytes(encode_receipt(receipt))
    (control / "new").rename(control / "receipt.json")
    os._exit(75)
signal.signal(signal.SIGUSR1, answer)
(Path(PLACE) / "ready").touch()
while True: signal.pause()
"""


def test_a_checkpoint_that_takes_longer_to_hash_than_the_job_to_exit_still_counts(tmp_path: Path):
    """The job is gone, and with it the need to hurry: its last word is checked before the halt is filed."""
    data = bytes(48 * 2**20)
    (tmp_path / "big.ckpt").write_bytes(data)
    told = f"SIZE, DIGEST, PLACE = {len(data)}, {sha256_hex(data)!r}, {str(tmp_path)!r}\n"

    async def scenario() -> None:
        async with Bench(tmp_path, [sys.executable, "-c", told + HASTY], halt_within_s=0.3) as bench:
            await bench.until((tmp_path / "ready").exists)
            bench.pause()
            assert await bench.code == 75
            (halted,) = bench.node.bodies("halted")
            assert (halted.step, halted.checkpoint) == (7, sha256_hex(data))

    play(scenario())
