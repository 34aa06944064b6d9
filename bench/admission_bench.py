"""Statements a node admits a second, in batches: verified, stored durably, under a signed head, folded.

``python bench/admission_bench.py``. One node, self-witnessed, no HTTP: what a node does with a batch that it has received.
Verification uses two threads, which needs two free cores. Files lie below DETENTE_BENCH_DIR, else in the working folder.
"""

import asyncio
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

from detente.accord.fold import fold
from detente.app.init import make_solo
from detente.app.node import Node, open_node
from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.instant import Instant
from detente.base.quantity import parse_decimal
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.progress import Progress
from detente.statement.statement import Header, make_payload

STATEMENTS = 4_000
BATCH = 1_000
ROUNDS = 7


def _machine() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {len(models) or '?'} cores, Python {platform.python_version()}"


def _statements(node: Node, count: int, first: int) -> list[bytes]:
    """Progress of a run, as guards file it all day."""
    signer = node.config.signer("guard")
    made = []
    for number in range(first, first + count):
        header = Header(node.evidence.accord, 1, node.party, f"{number:032x}", Instant(int(time.time())))
        body = Progress(Digest("b" * 64), number, parse_decimal("1e20"), Digest("c" * 64))
        made.append(encode_envelope(sign_payload(make_payload("progress", header, (), body), signer)))
    return made


async def _measure(home: Path) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {"verified": [], "admitted, durable, signed": [], "… and folded": []}
    node = open_node(home)
    try:
        for number in range(ROUNDS + 1):
            batch = _statements(node, STATEMENTS, number * STATEMENTS)
            parts = [batch[at : at + BATCH] for at in range(0, STATEMENTS, BATCH)]
            start = time.perf_counter()
            for part in parts:
                await node.feed.check_all(part)
            verified = time.perf_counter() - start
            start = time.perf_counter()
            # As from several senders: one batch is verified while the one before it is stored.
            for results in await asyncio.gather(*(node.submit_all(part) for part in parts)):
                assert not any(isinstance(each, Refused) for each in results), results[0]
            admitted = time.perf_counter() - start
            fold(node.evidence)
            folded = time.perf_counter() - start
            if number:
                for name, took in zip(rates, (verified, admitted, folded), strict=True):
                    rates[name].append(STATEMENTS / took)
    finally:
        await node.close()
    return rates


def main() -> None:
    """Print one table."""
    folder = Path(tempfile.mkdtemp(prefix=".admission-bench-", dir=os.environ.get("DETENTE_BENCH_DIR", ".")))
    try:
        home = folder / "home"
        asyncio.run(make_solo(home))
        rates = asyncio.run(_measure(home))
    finally:
        shutil.rmtree(folder)
    print(f"{_machine()}; {ROUNDS} rounds of {STATEMENTS} statements in batches of {BATCH}")
    print(f"{'statements a second':<28}{'least':>10}{'median':>10}{'most':>10}")
    for name, found in rates.items():
        found.sort()
        print(f"{name:<28}{found[0]:>10,.0f}{found[len(found) // 2]:>10,.0f}{found[-1]:>10,.0f}")
    print("target: admitted at least 10,000 a second on two free cores")


if __name__ == "__main__":
    main()
