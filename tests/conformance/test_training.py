"""Every adapter's real job below a real guard, stopped at the worst moments, forged at, cut off, and resumed."""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from detente.adapters.process import read_process
from detente.app.supervising import NO_CHECKPOINT
from detente.guard.permit import parse_ask
from detente.guard.receipt import Receipt, parse_receipt
from tests.conformance.forging import forged
from tests.conformance.jobs.places import EPOCH, SAVE_SLOWLY_FROM, STEPS
from tests.conformance.training import ADAPTERS, Adapter
from tests.integration.guard_bench import Bench
from tests.unit.guard import messages as m

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300
"""Starting PyTorch twice takes 5 s on two free cores, and a minute on busy ones."""


@pytest.fixture(scope="module", params=ADAPTERS, ids=lambda each: each.key)
def adapter(request) -> Adapter:
    """One adapter after another, each with all that it needs."""
    if request.param.absent:
        pytest.skip(f"{request.param.absent}: `make frameworks` adds it")
    return request.param


@pytest.fixture(scope="module")
def weights(adapter: Adapter, tmp_path_factory) -> str:
    """The weights of a run that nobody stopped and no guard saw."""
    place = tmp_path_factory.mktemp("whole")
    subprocess.run([*adapter.command, "--out", place / "out", "--free"], check=True, timeout=PATIENCE_S)
    return final(place)["weights"]


def final(place: Path) -> dict:
    """What the finished run left."""
    found = json.loads((place / "out" / "final.json").read_text())
    assert found["steps"] == STEPS
    return found


class Stage:
    """One job below its guard, and the places at which it stays."""

    def __init__(self, adapter: Adapter, place: Path, *options: str, stays: tuple[str, ...] = (), **how) -> None:
        self.place = place
        self.out = place / "out"
        more = [word for stay in stays for word in ("--stay", stay)]
        self.bench = Bench(place, [*adapter.command, "--out", str(self.out), *more, *options], **how)

    async def reached(self, name: str, step: int) -> None:
        await self.bench.until((self.place / "places" / f"{name}-{step}.reached").exists, PATIENCE_S)

    def let(self, name: str, step: int, word: str) -> None:
        new = self.place / "places" / f"{name}-{step}.new"
        new.write_text(word)
        new.replace(new.with_suffix(".go"))

    async def halted(self, number: int):
        """The body of the ``number``-th ``halted``; no process is left when it is filed."""
        await self.bench.until(lambda: self.bench.node.kinds.count("halted") >= number, PATIENCE_S)
        assert self.bench.pids() == []
        return self.bench.node.bodies("halted")[number - 1]

    async def asked(self) -> None:
        await self.bench.until(lambda: self.bench.supervision.machine.phase != "running", PATIENCE_S)

    async def pause_at(self, name: str, step: int, number: int = 1):
        """Pause the job where it stays, let it come to its next boundary, and wait until it has halted."""
        await self.reached(name, step)
        self.bench.pause()
        await self.asked()
        self.let(name, step, "pause")
        body = await self.halted(number)
        self.let(name, step, "on")
        return body

    def starts(self) -> list[int]:
        """The step of each start of the job."""
        place = self.out / "began"
        return [int(line) for line in place.read_text().split()] if place.exists() else []

    def receipt(self) -> Receipt:
        """The newest receipt. Frameworks do not all write a step with zeros before it."""
        found = [parse_receipt(path.read_bytes()) for path in (self.out / "checkpoints").glob("*.receipt.json")]
        return max(found, key=lambda each: each.step)


def play(scenario) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(4 * PATIENCE_S):
            await scenario

    asyncio.run(bounded())


def resumed_exactly(stage: Stage, adapter: Adapter, weights: str) -> str:
    """The cell of a resumed run: what its weights show, held against what it claims."""
    same = final(stage.place)["weights"] == weights
    assert (stage.receipt().exact, same) == (adapter.claim == "exact",) * 2
    return "exact" if same else f"not exact: {adapter.claim}"


@pytest.mark.parametrize("scenario", ["step", "evaluation", "data", "epoch"])
def test_a_job_paused_at_a_bad_moment_ends_with_the_weights_of_one_that_was_not(
    adapter, weights, shown, tmp_path, scenario
):
    """Wherever the pause comes, the checkpoint that `halted` names is the job's, and the resumed run is bit-equal."""
    place, step = {
        "step": ("step", random.SystemRandom().randrange(2, STEPS - 2)),
        "evaluation": ("evaluation", 30),
        "data": ("data", EPOCH + 7),
        "epoch": ("step", EPOCH),
    }[scenario]

    async def story() -> Stage:
        stage = Stage(adapter, tmp_path, stays=(f"{place}:{step}",), hold=True, halt_within_s=PATIENCE_S)
        async with stage.bench as bench:
            halted = await stage.pause_at(place, step)
            assert halted.why == "pause"
            boundary = step - 1 if scenario == "data" else step
            assert boundary <= halted.step <= boundary + adapter.slack
            assert halted.checkpoint == stage.receipt().sha256
            bench.lift()
            assert await bench.code == 0
            assert stage.starts() == [0, halted.step]
            assert bench.node.kinds == ["halted", "resumed", "halted"]
        return stage

    shown(scenario, resumed_exactly(asyncio.run(story()), adapter, weights))


def test_a_job_paused_twice_within_an_epoch_ends_with_the_same_weights(adapter, weights, shown, tmp_path):
    """The second resume begins in an epoch that was resumed already."""
    first, second = EPOCH + 4, EPOCH + 11

    async def story() -> Stage:
        stage = Stage(adapter, tmp_path, stays=(f"step:{first}", f"step:{second}"), hold=True, halt_within_s=PATIENCE_S)
        stops = [0]
        async with stage.bench as bench:
            for number, step in enumerate((first, second), start=1):
                halted = await stage.pause_at("step", step, number)
                assert step <= halted.step <= step + adapter.slack
                stops.append(halted.step)
                bench.lift()
            assert await bench.code == 0
            assert stage.starts() == stops
        return stage

    shown("twice", resumed_exactly(asyncio.run(story()), adapter, weights))


def test_a_job_paused_while_it_compiles_stops_at_its_next_boundary(adapter, shown, tmp_path):
    """A compiler does not look at the guard: the request waits for the end of the first step, and the resumed run compiles again."""
    subprocess.run(
        [*adapter.command, "--out", tmp_path / "whole" / "out", "--free", *(["--compile"] if adapter.compiles else [])],
        check=True,
        timeout=PATIENCE_S,
    )
    whole = final(tmp_path / "whole")
    if not adapter.compiles:
        assert whole["compilers"] == []
        shown("compile", "does not apply: compiles nothing")
        return

    async def story() -> Stage:
        stage = Stage(adapter, tmp_path / "cut", "--compile", stays=("compile:1",), hold=True, halt_within_s=PATIENCE_S)
        async with stage.bench as bench:
            halted = await stage.pause_at("compile", 1)
            assert 1 <= halted.step <= 1 + adapter.slack
            bench.lift()
            assert await bench.code == 0
            assert stage.starts() == [0, halted.step]
        return stage

    assert whole["compilers"]
    shown("compile", resumed_exactly(asyncio.run(story()), adapter, whole["weights"]))


def half_written(stage: Stage) -> bool:
    """Is the slow save under way, with something written of it? Folders are named by their step, with zeros before it or without."""
    names = (f"step-{SAVE_SLOWLY_FROM:09d}", f"checkpoint-{SAVE_SLOWLY_FROM}")
    found = [path for path in (stage.out / "checkpoints").rglob(".*.tmp") if any(name in str(path) for name in names)]
    return any(path.exists() and path.stat().st_size for path in found)


def test_a_pause_in_the_middle_of_a_save_waits_for_it(adapter, weights, shown, tmp_path):
    """A save that is under way is finished; the stop comes at a boundary after it."""

    async def story() -> Stage:
        slowly = ("--save-every", "10", "--slow-piece-ms", "40")
        stage = Stage(adapter, tmp_path, *slowly, hold=True, halt_within_s=PATIENCE_S)
        async with stage.bench as bench:
            await bench.until(lambda: half_written(stage), PATIENCE_S)
            bench.pause()
            halted = await stage.halted(1)
            assert halted.why == "pause"
            assert halted.step >= SAVE_SLOWLY_FROM
            bench.lift()
            assert await bench.code == 0
        return stage

    shown("save", resumed_exactly(asyncio.run(story()), adapter, weights))


def test_a_job_killed_in_the_middle_of_a_save_goes_on_from_the_checkpoint_before(adapter, weights, shown, tmp_path):
    """kill -9 while a save is half written: nothing of it counts, and the run still ends bit-equal."""

    async def killed() -> None:
        stage = Stage(adapter, tmp_path, "--save-every", "20", "--slow-piece-ms", "200", halt_within_s=PATIENCE_S)
        async with stage.bench as bench:
            await bench.until(lambda: half_written(stage), PATIENCE_S)
            for pid in bench.pids():
                os.kill(pid, signal.SIGKILL)
            assert await bench.code != 0
            assert stage.receipt().step == SAVE_SLOWLY_FROM - 20

    async def again() -> Stage:
        stage = Stage(adapter, tmp_path, halt_within_s=PATIENCE_S)
        async with stage.bench as bench:
            assert await bench.code == 0
            assert stage.starts() == [0, SAVE_SLOWLY_FROM - 20]
        return stage

    asyncio.run(killed())
    stage = asyncio.run(again())
    assert final(stage.place)["weights"] == weights
    shown("killed", "the one before is used: exact")


def test_a_job_that_hangs_and_ignores_signals_is_gone_by_the_deadline(adapter, shown, tmp_path):
    """The coercive deadline needs no answer: every process, every rank; `halted` names no checkpoint."""

    async def story() -> None:
        stage = Stage(adapter, tmp_path, stays=("hang:5",), halt_within_s=1.0)
        async with stage.bench as bench:
            await stage.reached("hang", 5)
            pids = bench.pids()
            bench.pause()
            halted = await stage.halted(1)
            assert (halted.why, halted.checkpoint) == ("pause", NO_CHECKPOINT)
            assert any("killing every process" in line for line in bench.said)
            assert not [pid for pid in pids if (process := read_process(pid)) is not None and process.alive]

    play(story())
    shown("deaf", "ended")


def test_jobs_that_are_queued_during_a_pause_do_not_start(adapter, shown, tmp_path):
    """Three of them ask, are denied twice each, and leave no trace; after the lift they start."""

    async def story() -> None:
        stages = [Stage(adapter, tmp_path / str(number), hold=True) for number in range(3)]
        for stage in stages:
            stage.bench.issuers.deny()
        async with stages[0].bench, stages[1].bench, stages[2].bench:
            for stage in stages:
                await stage.bench.until(lambda stage=stage: stage.bench.issuers.quoted >= 8, PATIENCE_S)
                assert (stage.bench.pids(), stage.starts()) == ([], [])
            stages[0].bench.lift()
            await stages[0].bench.until(lambda: stages[0].starts() == [0], PATIENCE_S)

    play(story())
    shown("queue", "held")


@pytest.mark.parametrize("how", ["replayed", "edited", "expired", "epoch"])
def test_a_permit_that_is_not_the_one_asked_for_starts_nothing(adapter, shown, tmp_path, how):
    """Signed by the right keys, and yet of another request, another text, another epoch, or too late: no process starts."""

    async def story() -> None:
        stage = Stage(adapter, tmp_path, hold=True)
        bench = stage.bench
        if how == "replayed":
            kept: list[bytes] = []
            genuine = bench.issuers.sign

            async def keep(issuer, ask: bytes) -> bytes:
                kept.append(parse_ask(ask)[1].body)
                return await genuine(issuer, ask)

            bench.issuers.sign = keep
            await bench.session.acquire()
            assert bench.session.leave.given
            bench.issuers.sign = genuine
            bench.folder.release()
            stage = Stage(adapter, tmp_path, hold=True)
            bench = stage.bench
            bench.old_body = kept[0]
        made = forged(bench, how)
        async with bench:
            await bench.until(lambda: len(made) >= 6, PATIENCE_S)
            assert not bench.session.leave.given
            assert (bench.pids(), stage.starts()) == ([], [])

    play(story())
    shown("permits", "held")


def test_a_job_whose_issuers_cannot_be_reached_stops_when_its_permit_lapses(adapter, weights, shown, tmp_path):
    """Nobody says stop, and it stops: leave lapses, the job saves, and goes on bit-equal when they are back."""

    async def story() -> Stage:
        stage = Stage(adapter, tmp_path, stays=("step:23",), hold=True, life_s=3, halt_within_s=PATIENCE_S)
        async with stage.bench as bench:
            await stage.reached("step", 23)
            lapse_s = bench.session.leave.until_s
            bench.issuers.silent |= set(m.ISSUERS)
            await bench.until(lambda: not bench.session.leave.given, PATIENCE_S)
            assert bench.clock.boottime_s() >= lapse_s
            await stage.asked()
            stage.let("step", 23, "pause")
            halted = await stage.halted(1)
            assert halted.why == "lapse"
            assert 23 <= halted.step <= 23 + adapter.slack
            bench.issuers.silent.clear()
            assert await bench.code == 0
        return stage

    stage = asyncio.run(story())
    shown("partition", f"stops at the lapse: {resumed_exactly(stage, adapter, weights)}")


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to build the shim that moves the wall clock")
def test_a_wall_clock_that_jumps_by_a_day_changes_nothing(adapter, weights, shown, tmp_path, monkeypatch):
    """The job sees the jump at a step, is not stopped by it, and ends with the same weights."""
    shim = tmp_path / "jump.so"
    source = ROOT / "tests" / "integration" / "clock_jump.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], check=True, timeout=60)
    monkeypatch.setenv("LD_PRELOAD", str(shim))

    async def story(jump_s: int) -> None:
        place = tmp_path / str(jump_s)
        monkeypatch.setenv("JUMP_S", str(jump_s))
        monkeypatch.setenv("JUMP_WHEN", str(place / "now"))
        stage = Stage(adapter, place, stays=("step:23",), hold=True, halt_within_s=PATIENCE_S)
        async with stage.bench as bench:
            await stage.reached("step", 23)
            (place / "now").touch()
            stage.let("step", 23, "on")
            assert await bench.code == 0
            assert [body.why for body in bench.node.bodies("halted")] == ["finished"]
        assert final(place)["moved_s"] == pytest.approx(jump_s, abs=5)
        assert final(place)["weights"] == weights

    for jump_s in (86_400, -86_400):
        asyncio.run(story(jump_s))
    shown("clock", "unmoved")


def test_a_job_that_is_observed_differs_in_nothing_but_the_record(adapter, weights, shown, tmp_path):
    """Weights, exit code and checkpoints are those of the job alone; each line of the record says that nothing was enforced."""
    command = [
        sys.executable,
        "-m",
        "detente",
        "guard",
        "--observe",
        "--",
        *adapter.command,
        "--out",
        str(tmp_path / "out"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DETENTE_")}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=2 * PATIENCE_S)
    assert final(tmp_path)["weights"] == weights
    assert list((tmp_path / "out" / "checkpoints").glob("*.receipt.json")) == []
    lines = [json.loads(line) for line in (tmp_path / ".detente" / "observe.jsonl").read_text().splitlines()]
    assert lines
    assert {line["enforced"] for line in lines} == {False}
    shown("observe", "unmoved")
