"""PrologSlurmctld: the last gate before a job starts. Exits 0 with leave, 1 without, and Slurm puts the job back into its queue.

Decides what Slurm is answered. Leaves out whether there is leave (``app.slurm.gate``). Whatever fails here is no leave. The script
that ``detente slurm install`` writes ends this program after a time, so that one that hangs starts nothing either.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

OPEN, SHUT = 0, 1


def main(arguments: list[str]) -> int:
    """The exit code for the gate folder that is named."""
    try:
        from detente.app.slurm.gate import Gate

        gate = Gate(Path(arguments[0]))
        why = gate.shut_by(keep=True)
    except BaseException as error:  # noqa: BLE001 - a gate that fails is shut, whatever failed
        why = f"the gate failed: {error!r}"[:500]
    if why:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"detente: not started: {why}\n")
    return SHUT if why else OPEN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
