"""What a guard adds to a training step, beside the loggers that people add already.

    python bench/hook_step_bench.py [--peers-python PATH]

Each row is a process of its own. The peers run below ``--peers-python`` (or ``DETENTE_PEERS_PYTHON``), an interpreter with
``lightning``, ``tensorboard``, ``mlflow`` and ``wandb``, which need not have Détente; by default below this one. What is not
installed there is left out, and said.

Target: at most 1 µs a step.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from step_rows import KINDS, OURS, ROUNDS
from timing import machine, spread

ROWS = Path(__file__).with_name("step_rows.py")
WITHIN_S = 100
TARGET_US = 1


def measured(name: str, python: str) -> dict[str, Any]:
    """What one row says of itself, or ``absent`` and why."""
    try:
        ran = subprocess.run(
            [python, str(ROWS), name], capture_output=True, text=True, timeout=WITHIN_S, check=True, stdin=subprocess.DEVNULL
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        return {"absent": f"it ended with {error.returncode}: {error.stderr.strip().splitlines()[-1:]}"}
    except subprocess.TimeoutExpired:
        return {"absent": f"it took longer than {WITHIN_S} s"}
    return json.loads(ran.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers-python", default=os.environ.get("DETENTE_PEERS_PYTHON", sys.executable))
    python = parser.parse_args().peers_python
    print(f"{machine()}; {ROUNDS} rounds after one that does not count; microseconds per call")
    print(f"{'':34}{'mean of a round':^27}{'one call':>10}{'calls':>8}")
    print(f"{'':34}{'least':>9}{'median':>9}{'most':>9}{'median':>10}{'a round':>8}")
    ours: dict[str, float] = {}
    for name, kind in KINDS.items():
        said = measured(name, sys.executable if name in OURS else python)
        if "absent" in said:
            print(f"{kind.title:34}absent: {said['absent']}", flush=True)
            continue
        least, median, most = (each / 1_000 for each in spread(said["rounds"]))
        single = said["single"] / 1_000
        print(
            f"{kind.title:34}{least:9.2f}{median:9.2f}{most:9.2f}{single:10.2f}{said['calls']:8}  {said['versions']}", flush=True
        )  # fmt: skip
        if name in OURS:
            ours[kind.title] = statistics.median(said["rounds"]) / 1_000
    for title in (KINDS[name].title for name in OURS):
        met = title in ours and ours[title] <= TARGET_US
        print(f"target {TARGET_US} µs for {title}: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
