"""What one `g.step()` costs while the job may run, beside the price of reading a clock.

    python bench/step_bench.py

Target: at most 1 µs.
"""

import platform
import statistics
import time
from collections.abc import Callable

from detente.hooks.loop import guard

CALLS, ROUNDS = 100_000, 25


def price_ns(call: Callable[[], object]) -> list[float]:
    """Nanoseconds per call, each round's mean over CALLS, with the loop around it taken off."""
    prices = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(CALLS):
            pass
        empty = time.perf_counter_ns() - began
        began = time.perf_counter_ns()
        for _ in range(CALLS):
            call()
        prices.append((time.perf_counter_ns() - began - empty) / CALLS)
    return prices


def main() -> None:
    rows = []
    with guard(mode="free") as g:
        for name, call in (
            ("time.monotonic()", time.monotonic),
            ("time.clock_gettime(CLOCK_BOOTTIME)", lambda: time.clock_gettime(time.CLOCK_BOOTTIME)),
            ("g.step()", g.step),
            ("g.check()", g.check),
        ):
            rows.append((name, price_ns(call)))
    print(
        f"{platform.machine()}, Python {platform.python_version()}, {ROUNDS} rounds of {CALLS:,} calls; nanoseconds per call"
    )
    print(f"{'':36}{'median':>9}{'least':>9}{'most':>9}")
    for name, prices in rows:
        print(f"{name:36}{statistics.median(prices):9.0f}{min(prices):9.0f}{max(prices):9.0f}")
    median = statistics.median(rows[2][1])
    print(f"target 1000 ns: {'met' if median <= 1000 else 'MISSED'}")


if __name__ == "__main__":
    main()
