"""How soon a pause stops a training loop: from the vote that completes it to `step()` raising, with real nodes.

    python bench/push_bench.py [--guards 400] [--processes 40] [--rounds 3]

For one self-witnessed node and for four issuers with f = 1 (a guard stops at the second issuer's notice), each with
guards as coroutines of one process, every one with its own key, its own permit and its own event streams, and separately
with guards as processes, each a training loop of 5 ms steps that leaves the processor to the others.

Two clocks start: when the vote is *sent*, and when the node has said that it holds it durably. The first counts more than
was asked, the second is the commit. Target, from the commit: median at most 50 ms, 99th percentile at most 250 ms.
"""

import argparse
import asyncio
import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop
from timing import machine

from detente.accord.terms import parse_terms
from detente.adapters.client import NodeClient
from detente.adapters.clock import SystemClock
from detente.adapters.transport import HttpChannel
from detente.app.config import Limits, load_config
from detente.app.guarding import GuardSession, Leave, NoticeReader
from detente.app.holding import NoMemory
from detente.app.init import make_solo
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.instant import Instant
from detente.base.quantity import parse_decimal
from detente.guard.intent import Intent
from detente.guard.trust import trust_of
from detente.hooks.loop import Cell, LoopGuard, Paused
from detente.statement.kinds import Use
from detente.statement.run import Run
from detente.statement.signing import SoftwareSigner
from detente.statement.vote import Vote
from detente.testing.coalition import TERMS, Coalition
from detente.testing.loopback import Loopback

MEDIAN_MS, P99_MS = 50, 250
PERMITS_MAX_S = 180
ONE_VOTE = TERMS.replace("at_least: 2}}}}\n    then: pause", "at_least: 1}}}}\n    then: pause").replace(
    "lift: {{votes: {{auditor: 1, authority: 1}}}}", "lift: {{votes: {{auditor: 1}}}}"
)


def boottime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SoloCoalition:
    """What ``Loopback`` asks of a coalition, for the home that `detente init --solo` makes: one node, two parties."""

    developers = mirrors = parties = (Party("research-team"),)
    voter = lifter = Party("safety-team")
    settle_s = 0
    seed = 1

    def __init__(self) -> None:
        self.founding, self.accord, self.config = b"", Digest(""), None

    def made(self, home: Path, port: int, limits: Limits) -> None:
        asyncio.run(make_solo(home, port=port, limits=limits))
        self.config = load_config(home)
        self.founding, self.accord = self.config.read_terms(), self.config.accord

    def signer(self, party: Party, use: Use, index: int = 0) -> SoftwareSigner:
        if index == 0:
            return self.config.signer(use, party)
        return SoftwareSigner(hashlib.sha256(f"{self.seed} {party} {use} {index}".encode()).digest())


class Solo(Loopback):
    """One served node that witnesses itself."""

    def prepare(self, party: Party) -> None:
        self.coalition.made(self.home(party), self.ports[party], self.limits)

    async def accede(self, *, within_s: float = 30.0) -> None:
        """Both parties did when the home was made."""

    def _seed(self, party: Party, use: Use, index: int = 0) -> bytes:
        if index == 0:
            return bytes.fromhex(self.coalition.config.key_path(use, party).read_text("ascii").split()[-1])
        return super()._seed(party, use, index)


class CoroutineGuard:
    """One guard of the crowd: a session, and the loop's own `step()` called at the moment leave changes."""

    def __init__(
        self,
        index: int,
        nodes: Loopback,
        run: Digest,
        channel: HttpChannel,
        read: NoticeReader,
        gate: asyncio.Semaphore,
    ) -> None:
        coalition = nodes.coalition
        self.stopped_s = 0.0
        self.given = asyncio.Event()
        self._cell = Cell()
        self.loop = LoopGuard(self, save=None, at_step=0)
        self.loop.__enter__()
        terms = parse_terms(coalition.founding)
        trust = read.trust
        party = coalition.developers[0]
        self.session = GuardSession(
            intent=Intent(activity="training", party=party, run=run, flop=parse_decimal("1e18")),
            terms=terms.digest,
            trust=trust,
            signer=coalition.signer(party, "guard", index),
            channel=channel,
            clock=SystemClock(),
            memory=NoMemory(),
            on_change=self.on_change,
            read_notice=read,
            gate=gate,
        )

    def start(self, cell: Cell) -> None:
        self._cell = cell

    def halt(self, _step: int, _save: object) -> tuple[str, None]:
        return "pause", None

    def look(self, step: int) -> None: ...

    def finish(self, step: int, *, failed: bool) -> None: ...

    def on_change(self, leave: Leave) -> None:
        if leave.given:
            self._cell.set(until_s=leave.until_s)
            self.given.set()
            return
        if not self.given.is_set():
            return  # It has stopped already; this only says more about why.
        self.given.clear()
        self._cell.set(until_s=0.0)
        try:
            self.loop.step()
        except Paused:
            self.stopped_s = boottime_s()
            self.loop._halting.release()


LOOP = """
import sys, time
from pathlib import Path
from detente import Paused, guard
home, mark = Path(sys.argv[1]), Path(sys.argv[2])
try:
    with guard("bench", planned_flop="1e18", home=home, wait_s=120) as g:
        mark.with_suffix(".on").touch()
        while True:
            time.sleep(0.005)
            try:
                g.step()
            except Paused:
                mark.write_text(repr(time.clock_gettime(time.CLOCK_BOOTTIME)))
                raise
except Paused:
    raise
"""


async def called_at(nodes: Loopback, round_: int) -> tuple[float, float]:
    """Call the pause at the last mirror; when the vote was sent, and when the node had it durably and signed its head.

    The second is the time of change of the file of the last signed head, to which the kernel gives some 4 ms.
    """
    coalition = nodes.coalition
    voter = getattr(coalition, "voter", coalition.mirrors[-1])
    at = coalition.mirrors[-1]
    client = NodeClient(nodes.url(at))
    await client.health()  # The connection is there before the clock starts.
    envelope = nodes.signed(voter, "vote", Vote("pause", "call", round_, Party("all"), Instant(nodes.now() + 86_400)))
    sent_s = boottime_s()
    await client.submit(envelope, witnessed=False)
    await client.close()
    wall_s, now_s = time.time(), boottime_s()
    durable_s = now_s - (wall_s - (nodes.home(at) / "head").stat().st_mtime)
    return sent_s, durable_s


async def lift(nodes: Loopback, round_: int) -> None:
    mirrors = nodes.coalition.mirrors
    lifter = getattr(nodes.coalition, "lifter", mirrors[0])
    await nodes.vote(lifter, "lift", "call", round_, at=mirrors[0])
    for mirror in nodes.coalition.mirrors:
        await nodes.until(mirror, lambda said: not said["pauses"])


async def declare(nodes: Loopback) -> Digest:
    party = nodes.coalition.developers[0]
    run = Run(run="bench", activity="training", planned_flop=parse_decimal("1e18"), parents=(), data=())
    return (await nodes.submit(party, "run", run)).statement


async def measure_coroutines(nodes: Loopback, count: int, rounds: int) -> list[tuple[list[float], list[float]]]:
    await nodes.accede()
    coalition = nodes.coalition
    await nodes.enrol_guards(coalition.developers[0], count)
    run = await declare(nodes)
    channel = HttpChannel(nodes.url(coalition.developers[0]), {party: nodes.url(party) for party in coalition.mirrors})
    read = NoticeReader(trust_of(coalition.accord, parse_terms(coalition.founding)))
    gate = asyncio.Semaphore(8)  # a host with many guards asks politely; events are not held up by it
    guards = [CoroutineGuard(index, nodes, run, channel, read, gate) for index in range(count)]
    tasks = [asyncio.create_task(guard.session.run()) for guard in guards]
    await asyncio.wait_for(asyncio.gather(*(guard.given.wait() for guard in guards)), PERMITS_MAX_S)
    await asyncio.sleep(2)
    results = []
    for round_ in range(rounds):
        sent_s, durable_s = await called_at(nodes, round_)
        await asyncio.sleep(2)
        stopped = [guard.stopped_s for guard in guards]
        assert all(at > sent_s for at in stopped), f"{sum(at <= sent_s for at in stopped)} guards did not stop"
        results.append(([at - sent_s for at in stopped], [at - durable_s for at in stopped]))
        await lift(nodes, round_)
        await asyncio.wait_for(asyncio.gather(*(guard.given.wait() for guard in guards)), PERMITS_MAX_S)
        await asyncio.sleep(1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await channel.close()
    return results


async def measure_processes(nodes: Loopback, count: int) -> list[tuple[list[float], list[float]]]:
    await nodes.accede()
    party = nodes.coalition.developers[0]
    await nodes.enrol_guards(party, count)
    marks = [nodes.folder / f"mark-{index}" for index in range(count)]
    processes = [
        subprocess.Popen(  # noqa: ASYNC220 - before the clock starts
            [sys.executable, "-c", LOOP, str(nodes.guard_home(party, index)), str(mark)], stderr=subprocess.DEVNULL
        )
        for index, mark in enumerate(marks)
    ]
    try:
        deadline = time.monotonic() + PERMITS_MAX_S
        while not all(mark.with_suffix(".on").exists() for mark in marks):
            assert time.monotonic() < deadline, "not every guard got a permit"
            await asyncio.sleep(0.2)
        await asyncio.sleep(2)
        sent_s, durable_s = await called_at(nodes, 0)
        codes = [await asyncio.to_thread(process.wait, 30) for process in processes]
        assert set(codes) == {75}, f"exit codes {sorted(set(codes))}"
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    stopped = [float(mark.read_text()) for mark in marks]
    return [([at - sent_s for at in stopped], [at - durable_s for at in stopped])]


def row(name: str, results: list[tuple[list[float], list[float]]]) -> bool:
    for which, label in ((0, "from sending"), (1, "from the commit")):
        ms = sorted(value * 1_000 for result in results for value in result[which])
        median, p99, most = ms[len(ms) // 2], ms[min(len(ms) - 1, int(len(ms) * 0.99))], ms[-1]
        met = median <= MEDIAN_MS and p99 <= P99_MS
        print(f"{name:42}{label:17}{median:9.1f}{p99:9.1f}{most:9.1f}   {'met' if met else 'MISSED'}", flush=True)
    return met


def nodes_of(issuers: int, folder: Path) -> Loopback:
    if issuers == 1:
        return Solo(folder, SoloCoalition())
    return Loopback(folder, Coalition(seed=1, developers=1, mirrors=issuers, f=1, settle_s=1, terms=ONE_VOTE))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--guards", type=int, default=400)
    parser.add_argument("--processes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--issuers", type=int, nargs="*", default=[1, 4])
    given = parser.parse_args()
    print(f"{machine()}; milliseconds")
    print(f"{'':42}{'':17}{'median':>9}{'p99':>9}{'most':>9}")
    for issuers in given.issuers:
        words = "1 issuer, self-witnessed" if issuers == 1 else f"{issuers} issuers, f = 1"
        with tempfile.TemporaryDirectory() as place:
            if given.guards:
                with nodes_of(issuers, Path(place) / "a") as nodes:
                    row(
                        f"{given.guards} coroutines, {words}",
                        uvloop.run(measure_coroutines(nodes, given.guards, given.rounds)),
                    )
            if given.processes:
                with nodes_of(issuers, Path(place) / "b") as nodes:
                    row(f"{given.processes} processes, {words}", uvloop.run(measure_processes(nodes, given.processes)))
    print(f"target from the commit: median {MEDIAN_MS} ms, p99 {P99_MS} ms")


if __name__ == "__main__":
    main()
