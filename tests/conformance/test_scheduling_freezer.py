"""Jobs that do not answer, held still by their guard: by signals, and by each kind of control group that this machine lets a guard make."""

import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detente.adapters.freezer import make_control_group
from detente.adapters.process import read_process
from detente.app.supervising import NO_CHECKPOINT
from detente.guard.permit import parse_ask
from tests.conformance.forging import forged
from tests.conformance.jobs.chained import WAITS_AT, whole
from tests.conformance.scheduling import FREEZER
from tests.integration.asking_rig import WITHIN_S, detente, pause, served, solo
from tests.integration.guard_bench import Bench, train
from tests.unit.guard import messages as m

JOB = Path(__file__).parent / "jobs" / "chained.py"
CLOCK = Path(__file__).resolve().parents[1] / "integration" / "clock_jump.c"
RANKS = 2
LONG_S = 300.0
STUCK = "#include <unistd.h>\nint main(void) { if (vfork() == 0) for (;;) pause(); return 0; }\n"
"""Its parent is in a call that no signal interrupts."""
compiles = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here to build what the test needs")


def kinds() -> tuple[str, ...]:
    """By what a guard can freeze on this machine, as ``DETENTE_CGROUP`` says it."""
    found = ["off"]
    for kind in ("v1", "v2"):
        group = make_control_group(f"detente-conformance-{os.getpid()}", {"DETENTE_CGROUP": kind})
        if group is not None:
            group.remove()
            found.append(kind)
    return tuple(found)


BY = {"off": "signals", "v1": "cgroup v1", "v2": "cgroup v2"}


@pytest.fixture(scope="module")
def adapter():
    """The one host of this file."""
    return FREEZER


@pytest.fixture
def saw(shown):
    """``shown`` with what this machine freezes by."""
    linux = ".".join(platform.release().split(".")[:2])
    return lambda scenario, words: shown(
        scenario, words, **{"Linux": linux, "frozen by": " and ".join(BY[kind] for kind in kinds())}
    )


def command(place: Path, *more: str) -> list[str]:
    """Ranks in sessions of their own that know no request and ignore SIGTERM, and whatever else is to run beside them."""
    for rank in range(RANKS):
        (place / str(rank)).mkdir(parents=True)
    lines = [f"setsid {sys.executable} {JOB} {place}/{rank} --deaf &" for rank in range(RANKS)]
    return ["sh", "-c", "\n".join([*lines, *(f"{each} &" for each in more), "wait"])]


def pids(place: Path) -> list[int]:
    """The processes of the ranks; a rank that was started twice would have two."""
    return sorted(int(path.name.removeprefix("began-")) for path in place.glob("*/began-*"))


def waits(place: Path) -> bool:
    """Have all ranks come to where they wait?"""
    steps = [path.read_text() for path in place.glob("*/began-*")]
    return steps == [str(WAITS_AT)] * RANKS


def go(place: Path) -> None:
    for rank in range(RANKS):
        (place / str(rank) / "go").touch()


def kept(place: Path) -> list:
    """What the ranks have at their end."""
    return [json.loads(path.read_text()) for path in sorted(place.glob("*/kept.json"))]


def alive(place: Path) -> list[int]:
    return [pid for pid in pids(place) if (found := read_process(pid)) is not None and found.alive]


def held_still(bench: Bench) -> bool:
    return any("held still (" in line for line in bench.said)


def bench(place: Path, kind: str = "off", *more: str, **how) -> Bench:
    """A guard over ranks that wait; ``kind`` is what it freezes by."""
    words = command(place / "ranks", *more)
    how = {"halt_within_s": LONG_S, "hold": True, "still_after_s": 0.2} | how
    return Bench(place, words, environment={"DETENTE_CGROUP": kind}, **how)


def play(*stories) -> None:
    async def together() -> None:
        async with asyncio.timeout(2 * LONG_S), asyncio.TaskGroup() as group:
            for story in stories:
                group.create_task(story)

    asyncio.run(together())


async def until_still(held: Bench, place: Path) -> None:
    """Pause it where its ranks wait, and see what they do with the word to go on: nothing."""
    await held.until(lambda: waits(place / "ranks"), LONG_S)
    held.pause()
    await held.until(lambda: held_still(held), LONG_S)
    go(place / "ranks")
    await asyncio.sleep(0.3)
    assert (waits(place / "ranks"), kept(place / "ranks")) == (True, [])


def test_a_frozen_job_goes_on_after_the_lift_in_the_same_processes_to_the_same_end(saw, tmp_path):
    """Every rank stands still, by whatever this machine freezes; nothing is lost, and nothing is done twice."""

    async def story(kind: str) -> None:
        place = tmp_path / kind
        async with bench(place, kind) as held:
            await until_still(held, place)
            assert any(f"held still ({BY[kind]})" in line for line in held.said)
            same = pids(place / "ranks")
            held.lift()
            assert await held.code == 0
            assert (pids(place / "ranks"), kept(place / "ranks")) == (same, [whole()] * RANKS)
            assert [body.why for body in held.node.bodies("halted")] == ["finished"]

    play(*(story(kind) for kind in kinds()))
    saw("lift", "exact")


def test_a_frozen_job_is_ended_by_the_deadline(saw, tmp_path):
    """What is frozen has not halted: it is let go once more, and then every process is ended."""

    async def story(kind: str) -> None:
        place = tmp_path / kind
        async with bench(place, kind, halt_within_s=15.0, still_after_s=3.0, hold=False) as held:
            await held.until(lambda: waits(place / "ranks"), LONG_S)
            held.pause()
            assert await held.code == 75
            words = ("held still (", "goes on", "killing")
            order = [number for each in words for number, line in enumerate(held.said) if each in line]
            assert len(order) == len(words), held.said
            assert order == sorted(order)
            assert alive(place / "ranks") == []
            assert [body.checkpoint for body in held.node.bodies("halted")] == [NO_CHECKPOINT]

    play(*(story(kind) for kind in kinds()))
    saw("deaf", "suspended, then ended")


@compiles
def test_where_one_process_does_not_stop_none_is_held(saw, tmp_path):
    """By signals: one is in a call that nothing interrupts. The ranks run on to their end, and the guard says so."""
    (tmp_path / "stuck.c").write_text(STUCK)
    subprocess.run(["cc", "-o", tmp_path / "stuck", tmp_path / "stuck.c"], check=True, timeout=60)

    async def story() -> None:
        async with bench(tmp_path, "off", str(tmp_path / "stuck")) as held:
            await held.until(lambda: waits(tmp_path / "ranks"), LONG_S)
            held.pause()
            await held.until(lambda: any("not held still: 1 of" in line for line in held.said), LONG_S)
            go(tmp_path / "ranks")
            await held.until(lambda: kept(tmp_path / "ranks") == [whole()] * RANKS, LONG_S)
            assert not held_still(held)

    play(story())
    saw("together", "all or none")


def test_a_job_that_saves_in_time_is_not_frozen(saw, tmp_path):
    """It answers with its checkpoint, stops, and is held."""

    async def story() -> None:
        saving = train(tmp_path / "out", steps=1_000_000)
        async with Bench(tmp_path, saving, halt_within_s=LONG_S, hold=True, still_after_s=LONG_S / 3) as held:
            await held.until(lambda: (tmp_path / "out").exists() and held.pids() != [], LONG_S)
            held.pause()
            await held.until(lambda: "halted" in held.node.kinds, LONG_S)
            assert held.node.bodies("halted")[0].checkpoint != NO_CHECKPOINT
            assert (held_still(held), held.pids()) == (False, [])

    play(story())
    saw("saved", "saved, held")


def test_nothing_is_started_during_a_pause(saw, tmp_path):
    """One that asks, and six that wait: no process of theirs begins."""

    async def story(number: int) -> None:
        place = tmp_path / str(number)
        held = bench(place)
        held.issuers.deny()
        async with held:
            await held.until(lambda: held.issuers.quoted >= 8, LONG_S)
            assert (held.pids(), pids(place / "ranks")) == ([], [])

    play(*(story(number) for number in range(7)))
    saw("paused", "held")
    saw("queue", "held")


def test_a_permit_that_is_not_the_one_asked_for_lets_nothing_go_on(saw, tmp_path):
    """Replayed, edited, of another epoch, expired: what is frozen stays so, until one comes that is right."""

    async def story(how: str) -> None:
        place = tmp_path / how
        held = bench(place)
        genuine = held.issuers.sign

        async def keep(issuer, ask: bytes) -> bytes:
            held.old_body = parse_ask(ask)[1].body
            return await genuine(issuer, ask)

        held.issuers.sign = keep
        async with held:
            await held.until(lambda: waits(place / "ranks"), LONG_S)
            held.issuers.sign = genuine
            await until_still(held, place)
            made = forged(held, how)
            held.lift()
            await held.until(lambda: len(made) >= 6, LONG_S)
            assert not held.session.leave.given
            assert (waits(place / "ranks"), kept(place / "ranks")) == (True, [])
            held.issuers.sign = genuine
            assert await held.code == 0
            assert kept(place / "ranks") == [whole()] * RANKS

    play(*(story(how) for how in ("replayed", "edited", "epoch", "expired")))
    saw("permits", "stays frozen")


def test_a_job_whose_issuers_cannot_be_reached_is_frozen_at_the_lapse(saw, tmp_path):
    """Nobody says stop: leave lapses. When they are back it goes on."""

    async def story() -> None:
        async with bench(tmp_path, life_s=3) as held:
            await held.until(lambda: waits(tmp_path / "ranks"), LONG_S)
            held.issuers.silent |= set(m.ISSUERS)
            await held.until(lambda: held_still(held), LONG_S)
            assert not held.session.leave.given
            go(tmp_path / "ranks")
            await asyncio.sleep(0.3)
            assert kept(tmp_path / "ranks") == []
            held.issuers.silent.clear()
            assert await held.code == 0
            assert kept(tmp_path / "ranks") == [whole()] * RANKS

    play(story())
    saw("partition", "suspended at the lapse")


class Guard:
    """``detente guard --freeze-after`` as a user starts it, over ranks that wait."""

    def __init__(self, place: Path, home: Path, **environment: str) -> None:
        self.place = place
        words = command(place / "ranks")
        self.log = place / "said"
        options = ("--run", place.name, "--planned-flop", "1e15", "--hold", "--freeze-after", "0.5")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "detente",
                    "guard",
                    *options,
                    "--home",
                    str(home),
                    "--wait",
                    "120",
                    "--",
                    *words,
                ],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **environment},
            )

    def until(self, condition) -> None:
        until_s = time.monotonic() + LONG_S
        while not condition():
            assert time.monotonic() < until_s, self.log.read_text()
            time.sleep(0.02)

    def said(self, words: str) -> bool:
        return words in self.log.read_text()

    def end(self) -> None:
        self.process.kill()
        self.process.wait(WITHIN_S)
        self.until(lambda: alive(self.place / "ranks") == [])


def test_a_guard_that_is_killed_or_hangs_takes_its_frozen_job_along(saw, tmp_path):
    """Killed, at once; stopped itself, at the deadline of the terms, by its keeper, which knows the latest instant. Nothing was let go."""
    home = solo(tmp_path / "home", ("halt_within: 15 min", "halt_within: 30 s"))
    guards = []
    with served(home):
        try:
            guards += [Guard(tmp_path / name, home) for name in ("killed", "hung")]
            for each in guards:
                each.until(lambda each=each: waits(each.place / "ranks"))
            pause(home)
            for each in guards:
                each.until(lambda each=each: each.said("held still ("))
            guards[1].process.send_signal(signal.SIGSTOP)
            for each in guards:
                go(each.place / "ranks")
            guards[0].end()
            guards[1].until(lambda: alive(guards[1].place / "ranks") == [])
            assert guards[1].process.poll() is None
            assert [kept(each.place / "ranks") for each in guards] == [[], []]
        finally:
            for each in guards:
                each.end()
    saw("broken", "guard killed or hung: all ended")


@compiles
def test_a_clock_that_jumps_moves_nothing(saw, tmp_path):
    """Three guards over one home: one sees the wall clock jump a day forth, one back, one no jump. In the pause a fourth only observes."""
    shim = tmp_path / "jump.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, CLOCK, "-ldl"], check=True, timeout=60)
    now = tmp_path / "now"
    home = solo(tmp_path / "home")
    guards = []
    with served(home):
        try:
            for name, jump_s in (("forth", 86_400), ("back", -86_400), ("still", 0)):
                moved = {"LD_PRELOAD": str(shim), "JUMP_S": str(jump_s), "JUMP_WHEN": str(now)} if jump_s else {}
                guards.append(Guard(tmp_path / name, home, **moved))
            for each in guards:
                each.until(lambda each=each: waits(each.place / "ranks"))
            pause(home)
            for each in guards:
                each.until(lambda each=each: each.said("held still ("))
            now.touch()
            for each in guards:
                go(each.place / "ranks")
            observed(tmp_path / "observed", home)
            saw("observe", "unmoved")
            assert [kept(each.place / "ranks") for each in guards] == [[]] * 3
            done = detente("lift", "--trigger", "call", "--as", "safety-team", home=home)
            assert done.returncode == 0, done.stderr.decode()
            for each in guards:
                assert each.process.wait(WITHIN_S) == 0
                assert kept(each.place / "ranks") == [whole()] * RANKS
                assert each.said("goes on from where it was")
            saw("clock", "unmoved")
        finally:
            for each in guards:
                each.end()


def observed(place: Path, home: Path) -> None:
    """The same job, observed in a pause: it comes to the same end, and the record says that nothing was enforced."""
    words = command(place / "ranks")
    go(place / "ranks")
    options = ("--run", "observed", "--freeze-after", "0.5", "--home", str(home))
    done = subprocess.run(
        [sys.executable, "-m", "detente", "guard", "--observe", *options, "--", *words],
        cwd=place,
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert (done.returncode, b"not enforced" in done.stderr) == (0, True), done.stderr
    assert kept(place / "ranks") == [whole()] * RANKS
    records = [*place.rglob("observe.jsonl"), *home.rglob("observe.jsonl")]
    lines = [json.loads(line) for path in records for line in path.read_text().splitlines()]
    assert {line["enforced"] for line in lines} == {False}
