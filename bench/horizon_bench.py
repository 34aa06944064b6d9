"""The bootstrap of time horizons: 1,000 draws of families, tasks and runs, each agent fitted anew in each draw.

``python bench/horizon_bench.py [RUNS]``. RUNS is a file of runs as METR publishes them (JSONL); without it a suite of the
same size is made: 7,059 runs of nine agents on 83 tasks in 36 families. Counted: ``estimate_horizons``, that is all fits,
draws and intervals. Reading the file is shown beside it. A round counts only if every fit of every draw has converged.

Target: at most 2.5 s on two cores. One thread is used; BLAS gets no more.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from pathlib import Path

import numpy as np
from timing import machine

from detente.adapters.run_files import read_file, read_lines
from detente.measure.horizon.estimate import Estimate, Settings, estimate_horizons
from detente.measure.horizon.fit import FLAT, TOLERANCE
from detente.measure.horizon.runs import Outcomes, Run, collect_runs, tabulate

DRAWS = 1_000
ROUNDS = 9
RUNS, TASKS, FAMILIES, AGENTS = 7_059, 83, 36, 9


def made() -> Outcomes:
    """As many runs as METR's, of agents with horizons from 1 to 64 minutes."""
    generator = np.random.default_rng(0)
    lengths = np.exp2(generator.uniform(0, 10.5, TASKS))
    runs = []
    for number in range(RUNS):
        agent, task = number % AGENTS, int(generator.integers(TASKS))
        chance = 1 / (1 + np.exp(0.4 * (np.log2(lengths[task]) - 0.75 * agent)))
        score = float(generator.random() < chance)
        family = f"f{task % FAMILIES}"
        runs.append(Run(f"r{number}", f"a{agent}", f"{family}/t{task}", family, float(lengths[task]), score))
    return tabulate(runs)


def check(found: Estimate) -> tuple[int, float]:
    """How many curves were fitted and the largest gradient left for each unit of weight; ends the bench if one did not converge."""
    fitted, worst = 0, 0.0
    for drawn in found.draws:
        fits = drawn.fits
        both = fits.succeeded & fits.failed
        if not (np.isfinite(fits.slope[both]).all() and len(fits.slope) == DRAWS):
            sys.exit(f"{drawn.agent}: a draw did not converge")
        fitted += int(both.sum())
        worst = max(worst, float(fits.gradient[both].max()))
    if worst > 5 * TOLERANCE:  # weights of a draw sum to 1 on average, and to less than 5 always
        sys.exit(f"the largest gradient is {worst:.1e}")
    return fitted, worst


def main() -> None:
    read = 0.0
    if len(sys.argv) > 1:
        start = time.perf_counter()
        path = Path(sys.argv[1])
        outcomes = tabulate(collect_runs(read_lines(read_file(path), path.name))[0])
        read = time.perf_counter() - start
    else:
        outcomes = made()
    settings = Settings(draws=DRAWS)
    times, fitted, worst = [], 0, 0.0
    found = estimate_horizons(outcomes, settings)
    for _ in range(ROUNDS):
        start = time.perf_counter()
        found = estimate_horizons(outcomes, settings)
        times.append(time.perf_counter() - start)
        fitted, worst = check(found)
    flat = sum(int((~(drawn.fits.slope < -FLAT)).sum()) for drawn in found.draws)
    times.sort()
    print(machine())
    print(f"{int(outcomes.runs.sum())} runs, {len(outcomes.tasks)} tasks, {len(outcomes.agents)} agents, 1 thread")
    print(f"{DRAWS} draws: median {times[ROUNDS // 2]:.3f} s, {times[0]:.3f} to {times[-1]:.3f} s in {ROUNDS} rounds")
    print(
        f"{DRAWS / times[ROUNDS // 2]:.0f} draws a second; {fitted} curves fitted, {flat} rows without a falling curve"
    )
    print(f"largest gradient {worst:.1e}; reading and tabulating {read:.3f} s")


if __name__ == "__main__":
    main()
