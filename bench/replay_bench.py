"""How long the year takes: ``detente accord replay accords/timeline-2026.yaml``, figure included. ``python bench/replay_bench.py``.

Counted: reading every shipped text and the facts, every date through every text, drawing; once as a whole process, interpreter
included, and its parts in this process. Texts that were read once are kept, so the parts are of the first reading.

Target: at most 10 s for the process.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import machine

from detente.accord.comparison import compare_facts
from detente.accord.replay import replay_facts
from detente.app.comparing import library, read_facts_file, shipped_vocabulary
from detente.app.drafting import read_draft

TIMELINE = Path(__file__).parents[1] / "accords" / "timeline-2026.yaml"
ROUNDS = 3
TARGET_S = 10.0


def process_s() -> float:
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        command = ["detente.cli:main", "accord", "replay", str(TIMELINE), "--figure", str(Path(folder) / "a.png")]
        code = f"import sys; from detente.cli import main; sys.argv = {command!r}; main()"
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - started


def main() -> None:
    started = time.perf_counter()
    accords = [read_draft(path) for path in library()]
    vocabulary = shipped_vocabulary()
    facts = read_facts_file(TIMELINE, accords, vocabulary)
    read_s = time.perf_counter() - started
    started = time.perf_counter()
    played = replay_facts(facts, accords, vocabulary)
    replay_s = time.perf_counter() - started
    started = time.perf_counter()
    compare_facts(facts, accords, vocabulary)
    compare_s = time.perf_counter() - started
    rounds = sorted(process_s() for _ in range(ROUNDS))
    print(f"{machine()}; {len(accords)} texts, {len(facts.facts)} facts, {len(played.days)} dates")
    print(f"reading texts and facts   {read_s:.2f} s")
    print(f"every date, every text    {replay_s:.3f} s")
    print(f"one date, every text      {compare_s * 1000:.1f} ms")
    print(
        f"the command, with figure  {rounds[len(rounds) // 2]:.2f} s (median of {ROUNDS}, {rounds[0]:.2f} to {rounds[-1]:.2f}); target {TARGET_S:.0f} s"
    )


if __name__ == "__main__":
    main()
