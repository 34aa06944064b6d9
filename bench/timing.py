"""What several benches share: the machine in words, the spread of rounds, and the price of one cheap call.

Uses the standard library alone: an interpreter of a peer's, without Détente, measures with the same lines.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def machine() -> str:
    """Processor, cores that this process may use, and Python."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, Python {platform.python_version()}"


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Least, median and most."""
    return min(values), statistics.median(values), max(values)


def prices_ns(call: Callable[[], object], *, calls: int, rounds: int) -> list[float]:
    """Nanoseconds per call, each round's mean over ``calls``, with the loop around it taken off."""
    prices = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        for _ in range(calls):
            pass
        empty = time.perf_counter_ns() - began
        began = time.perf_counter_ns()
        for _ in range(calls):
            call()
        prices.append((time.perf_counter_ns() - began - empty) / calls)
    return prices


def single_ns(call: Callable[[], object], *, calls: int) -> float:
    """Nanoseconds of the median call, each timed by itself, with the median price of reading the clock twice taken off."""

    def timed(what: Callable[[], object]) -> float:
        taken = []
        for _ in range(calls):
            began = time.perf_counter_ns()
            what()
            taken.append(time.perf_counter_ns() - began)
        return statistics.median(taken)

    return timed(call) - timed(lambda: None)
