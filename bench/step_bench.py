"""What one `g.step()` costs while the job may run, beside the price of reading a clock.

    python bench/step_bench.py

Target: at most 1 µs.
"""

import statistics
import time

from timing import machine, prices_ns, spread

from detente.hooks.loop import guard

CALLS, ROUNDS = 100_000, 25


def main() -> None:
    rows = []
    with guard(mode="free") as g:
        for name, call in (
            ("time.monotonic()", time.monotonic),
            ("time.clock_gettime(CLOCK_BOOTTIME)", lambda: time.clock_gettime(time.CLOCK_BOOTTIME)),
            ("g.step()", g.step),
            ("g.check()", g.check),
        ):
            rows.append((name, prices_ns(call, calls=CALLS, rounds=ROUNDS)))
    print(f"{machine()}; {ROUNDS} rounds of {CALLS:,} calls; nanoseconds per call")
    print(f"{'':36}{'least':>9}{'median':>9}{'most':>9}")
    for name, prices in rows:
        least, median, most = spread(prices)
        print(f"{name:36}{least:9.0f}{median:9.0f}{most:9.0f}")
    median = statistics.median(rows[2][1])
    print(f"target 1000 ns: {'met' if median <= 1000 else 'MISSED'}")


if __name__ == "__main__":
    main()
