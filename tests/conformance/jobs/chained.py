"""A job of whatever starts jobs: a chain of digests whose end shows whether every step was done once. Saves at SIGTERM, goes on from what it saved.

It stays at step ``WAITS_AT`` until the file ``go`` is in its folder.

``python chained.py FOLDER [--deaf]``: a rank for each process; deaf ones ignore SIGTERM and save nothing.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

STEPS, WAITS_AT = 300, 100


def main(folder: Path, *, deaf: bool) -> None:
    """Steps until the end or SIGTERM."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda number, _frame: stop.append(number))
    kept = folder / "kept.json"
    step, digest = json.loads(kept.read_text()) if kept.exists() else (0, "")
    while step < STEPS and not stop:
        if step == WAITS_AT and not (folder / "go").exists():
            time.sleep(0.02)
            continue
        digest = hashlib.sha256(f"{digest}{step}".encode()).hexdigest()
        step += 1
        (folder / f"began-{os.getpid()}").write_text(str(step))
        time.sleep(0.005)
    new = folder / ".kept.new"
    new.write_text(json.dumps([step, digest]))
    new.replace(kept)
    sys.exit(75 if step < STEPS else 0)


def whole() -> list:
    """What a run that nobody stopped keeps."""
    digest = ""
    for step in range(STEPS):
        digest = hashlib.sha256(f"{digest}{step}".encode()).hexdigest()
    return [STEPS, digest]


if __name__ == "__main__":
    main(Path(sys.argv[1]), deaf="--deaf" in sys.argv)
