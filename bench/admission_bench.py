"""Statements a node admits a second, in batches: verified, stored durably, under a signed head, folded.

``python bench/admission_bench.py``. One node, self-witnessed, no HTTP: what a node does with a batch that it has received.
Signatures are checked by a process for each further core, which needs free cores. Beside it, in the same run, what the
verifier alone does in one process and in one for each core: no admission can be faster than that. Processor time is that of
the node and of its workers, together. Files lie below DETENTE_BENCH_DIR, else in the working folder.
"""

import asyncio
import os
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from timing import machine

from detente.accord.fold import fold
from detente.app.init import make_solo
from detente.app.node import Node, open_node
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.instant import Instant
from detente.base.quantity import parse_decimal
from detente.statement.envelope import encode_envelope, pae, parse_envelope, sign_payload
from detente.statement.progress import Progress
from detente.statement.signing import Trial, try_ed25519
from detente.statement.statement import Header, make_payload

STATEMENTS = 4_000
BATCH = 1_000
ROUNDS = 7


def _statements(node: Node, count: int, first: int) -> list[bytes]:
    """Progress of a run, as guards file it all day."""
    signer = node.config.signer("guard")
    made = []
    for number in range(first, first + count):
        header = Header(node.evidence.accord, 1, node.party, f"{number:032x}", Instant(int(time.time())))
        body = Progress(Digest("b" * 64), number, parse_decimal("1e20"), Digest("c" * 64))
        made.append(encode_envelope(sign_payload(make_payload("progress", header, (), body), signer)))
    return made


def _cpu_s() -> float:
    """Processor time of this process and of those that it has started and that run, in seconds."""
    ticks = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text("ascii").split():
            stat = Path("/proc", child, "stat").read_text("utf-8").rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _try_all(trials: list[tuple[bytes, bytes, bytes]]) -> int:
    return sum(try_ed25519(Trial(*trial)) for trial in trials)


class Figures:
    """Rates and processor times by what was done."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[float, float]]] = {}

    def keep(self, name: str, count: int, wall_s: float, cpu_s: float) -> None:
        self.found.setdefault(name, []).append((count / wall_s, cpu_s / count * 1e6))

    def show(self) -> None:
        print(f"{'statements a second':<34}{'least':>10}{'median':>10}{'most':>10}{'µs of processor':>18}")
        for name, found in self.found.items():
            rates, costs = sorted(rate for rate, _ in found), sorted(cost for _, cost in found)
            middle = len(found) // 2
            print(f"{name:<34}{rates[0]:>10,.0f}{rates[middle]:>10,.0f}{rates[-1]:>10,.0f}{costs[middle]:>18.0f}")


def _measure_verifier(figures: Figures, batch: list[bytes], pool: ProcessPoolExecutor, key: bytes) -> None:
    envelopes = [parse_envelope(entry) for entry in batch]
    trials = [(key, pae(each.payload_type, each.payload), each.signatures[0].sig) for each in envelopes]
    start, cpu = time.perf_counter(), _cpu_s()
    _try_all(trials)
    figures.keep("the verifier alone, 1 process", len(trials), time.perf_counter() - start, _cpu_s() - cpu)
    cores = len(os.sched_getaffinity(0))
    shares = [trials[at::cores] for at in range(cores)]
    start, cpu = time.perf_counter(), _cpu_s()
    assert sum(pool.map(_try_all, shares)) == len(trials)
    took, cpu = time.perf_counter() - start, _cpu_s() - cpu
    figures.keep(f"the verifier alone, {cores} processes", len(trials), took, cpu)


async def _measure(home: Path, pool: ProcessPoolExecutor) -> Figures:
    figures, scrap = Figures(), Figures()
    node = open_node(home)
    try:
        for number in range(ROUNDS + 1):
            into = figures if number else scrap
            batch = _statements(node, STATEMENTS, number * STATEMENTS)
            parts = [batch[at : at + BATCH] for at in range(0, STATEMENTS, BATCH)]
            _measure_verifier(into, batch, pool, node.config.signer("guard").public_key)
            start, cpu = time.perf_counter(), _cpu_s()
            for part in parts:
                await node.feed.check_all(part)
            into.keep("verified", STATEMENTS, time.perf_counter() - start, _cpu_s() - cpu)
            start, cpu = time.perf_counter(), _cpu_s()
            # As from several senders: one batch is verified while the one before it is stored.
            for results in await asyncio.gather(*(node.submit_all(part) for part in parts)):
                assert not any(isinstance(each, Refused) for each in results), results[0]
            into.keep("admitted, durable, signed", STATEMENTS, time.perf_counter() - start, _cpu_s() - cpu)
            fold(node.evidence)
            into.keep("… and folded", STATEMENTS, time.perf_counter() - start, _cpu_s() - cpu)
    finally:
        await node.close()
    return figures


def main() -> None:
    """Print one table."""
    folder = Path(tempfile.mkdtemp(prefix=".admission-bench-", dir=os.environ.get("DETENTE_BENCH_DIR", ".")))
    try:
        home = folder / "home"
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            asyncio.run(make_solo(home))
            figures = asyncio.run(_measure(home, pool))
    finally:
        shutil.rmtree(folder)
    print(f"{machine()}; {ROUNDS} rounds of {STATEMENTS} statements in batches of {BATCH}")
    figures.show()
    print("target: admitted at least 10,000 a second on two free cores")


if __name__ == "__main__":
    main()
