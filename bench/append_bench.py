"""Durable appends a second, one by one, against raw append-and-fdatasync. ``python bench/append_bench.py``.

Everything is timed in turn within each round, because a disk's speed changes from second to second. Files lie below
the folder named by DETENTE_BENCH_DIR, else in the working folder: a memory file system would measure nothing.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from timing import machine

from detente.adapters.files import HeadFile, HeadMark
from detente.adapters.store import Store
from detente.adapters.store_writer import StoreWriter
from detente.log.checkpoint import Checkpoint, sign_checkpoint
from detente.log.merkle import CompactTree, leaf_hash
from detente.statement.signing import SoftwareSigner

ENTRY = bytes(range(256)) * 3 + b"an entry of eight hundred bytes!"
APPENDS = 400
BATCH = 1_000
ROUNDS = 9
ORIGIN = "bench.example/log"


def _rate(count: int, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


class Raw:
    """What the disk gives: an append to one file, and fdatasync."""

    def __init__(self, folder: Path) -> None:
        self.handle = os.open(folder / "raw", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append(self) -> None:
        for _ in range(APPENDS):
            os.write(self.handle, ENTRY)
            os.fdatasync(self.handle)


class Log:
    """The write path of the sequencer without its queue: durable entry, then the head file, then the signature."""

    def __init__(self, folder: Path, name: str) -> None:
        self.store = Store(folder / f"{name}.db")
        self.log = self.store.transact(lambda transaction: transaction.open_log(ORIGIN))
        self.tree = CompactTree()
        self.file = HeadFile(folder / f"{name}.head", ORIGIN)
        self.mark: HeadMark | None = self.file.open()
        self.signer = SoftwareSigner(bytes(32))

    def store_entries(self, count: int) -> None:
        entries, start = [ENTRY] * count, self.tree.size
        leaves = [leaf_hash(entry) for entry in entries]
        self.store.transact(lambda transaction: transaction.append(self.log.id, start, entries, leaves))
        self.tree.extend(leaves)

    def stored(self) -> None:
        for _ in range(APPENDS):
            self.store_entries(1)

    def signed(self) -> None:
        for _ in range(APPENDS):
            self.store_entries(1)
            self.sign()

    def sign(self) -> None:
        root = self.tree.root()
        self.mark = self.file.swap(self.mark, self.tree.size, root)
        sign_checkpoint(Checkpoint(ORIGIN, self.tree.size, root), signer=self.signer)

    def batched(self) -> None:
        for _ in range(5):
            self.store_entries(BATCH)
            self.sign()


async def _grouped(folder: Path) -> float:
    """400 writers that each wait for their own entry: group commit shares the syncs among them."""
    store = Store(folder / "grouped.db")
    log = store.transact(lambda transaction: transaction.open_log(ORIGIN))
    writer = StoreWriter(store)
    size = 0
    start = time.perf_counter()
    for _ in range(5):
        works = []
        for _ in range(APPENDS):
            at, size = size, size + 1
            works.append(writer.write(lambda t, at=at: t.append(log.id, at, [ENTRY], [leaf_hash(ENTRY)])))
        await asyncio.gather(*works)
    rate = size / (time.perf_counter() - start)
    await asyncio.to_thread(writer.close)
    store.close()
    (folder / "grouped.db").unlink()
    return rate


def main() -> None:
    """Print one table."""
    folder = Path(tempfile.mkdtemp(prefix=".append-bench-", dir=os.environ.get("DETENTE_BENCH_DIR", ".")))
    try:
        raw, plain, full = Raw(folder), Log(folder, "plain"), Log(folder, "full")
        names = ("raw append and fdatasync", "durable append", "… head file and signature", "batches of 1,000, signed")
        rates: dict[str, list[float]] = {name: [] for name in (*names, "400 waiting at once")}
        for number in range(ROUNDS + 1):
            found = (
                _rate(APPENDS, raw.append),
                _rate(APPENDS, plain.stored),
                _rate(APPENDS, full.signed),
                _rate(5 * BATCH, full.batched),
                asyncio.run(_grouped(folder)),
            )
            if number:  # the first round fills the write-ahead logs
                for name, rate in zip(rates, found, strict=True):
                    rates[name].append(rate)
    finally:
        shutil.rmtree(folder)
    print(f"{machine()}; entries of {len(ENTRY)} bytes, {ROUNDS} rounds of {APPENDS}")
    print(f"{'a second':<28}{'least':>10}{'median':>10}{'most':>10}{'of raw':>9}")
    base = sorted(rates[names[0]])[ROUNDS // 2]
    for name, found in rates.items():
        found.sort()
        median = found[ROUNDS // 2]
        print(f"{name:<28}{found[0]:>10,.0f}{median:>10,.0f}{found[-1]:>10,.0f}{median / base:>9.2f}")
    print("target: durable append at least 0.50 of raw")


if __name__ == "__main__":
    main()
