"""Freeze 32 processes that wake every millisecond, all or none, by each way that this host has: until every one is seen frozen, and to thaw.

    python bench/freezer_bench.py

"Kernel" is the write and the kernel's word for the group alone; "job" also looks through ``/proc`` for whatever is outside of it.

Peer, on another machine: the freezer written by hand, 1.6 ms (version 2) and 2.0 ms (version 1), median, at most 5.2 ms.
"""

import asyncio
import os
import statistics
import sys
import time

from detente.adapters.job import Job, start_job

PROCESSES, ROUNDS = 32, 20
WORK = f"""
import os
for _ in range({PROCESSES} - 1):
    if os.fork() == 0:
        break
import time
while True: time.sleep(0.001)
"""


async def measured(way: str) -> tuple[str, list[float], list[float], list[float]]:
    """What froze, and milliseconds of each freezing by the kernel alone, of the whole job, and of each thawing."""
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    environment = {**os.environ, "DETENTE_CGROUP": way}
    job: Job = await start_job([sys.executable, "-c", WORK], until_s=now_s + 300, environment=environment)
    try:
        while len(job.processes()) < PROCESSES:  # noqa: ASYNC110 - processes that begin send no event
            await asyncio.sleep(0.01)
        kernel, freezing, thawing = [], [], []
        group = job._group
        for _ in range(ROUNDS):
            if group is not None:
                began = time.perf_counter()
                assert group.freeze()
                kernel.append(1_000 * (time.perf_counter() - began))
                group.thaw()
                await asyncio.sleep(0.05)
            began = time.perf_counter()
            left = job.freeze()
            freezing.append(1_000 * (time.perf_counter() - began))
            assert not left, "all or none"
            began = time.perf_counter()
            job.thaw()
            thawing.append(1_000 * (time.perf_counter() - began))
            await asyncio.sleep(0.05)
        return job.frozen_by, kernel, freezing, thawing
    finally:
        await asyncio.to_thread(job.kill)
        await job.wait()


def main() -> None:
    print(
        f"{PROCESSES} processes that wake every millisecond, {ROUNDS} rounds, {os.cpu_count()} processors; milliseconds"
    )
    print(f"{'way':<12} {'kernel: median':>15} {'worst':>8} {'job: median':>12} {'worst':>8} {'thaw: median':>13}")
    seen: set[str] = set()
    for way in ("v2", "v1", "off"):
        name, kernel, freezing, thawing = asyncio.run(measured(way))
        if name in seen:
            continue
        seen.add(name)
        alone = f"{statistics.median(kernel):>15.2f} {max(kernel):>8.2f}" if kernel else f"{'–':>15} {'–':>8}"
        rest = f"{statistics.median(freezing):>12.2f} {max(freezing):>8.2f} {statistics.median(thawing):>13.2f}"
        print(f"{name:<12} {alone} {rest}")
    print("peer, another machine: cgroup v2 1.6, cgroup v1 2.0, at most 5.2")


if __name__ == "__main__":
    main()
