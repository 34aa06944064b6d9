"""Lift a cluster's pause, in reverse: with leave alone, and the reservation last.

Decides the order and what is left out. Leaves out how leave comes (``app.slurm.posting``). ``spec/slurm.md`` §5.

1. The posted leave verifies; else nothing is touched, and the refusal of the leave is the answer.
2. ``closed`` goes, and with it the jobs' requests; the reservation still admits nothing.
3. The saved are released, to start as soon as there is room.
4. The suspended are resumed: those that this pause suspended, and no others.
5. The leave is looked at again, and the reservation goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from detente.adapters.slurm import Slurm
from detente.app.slurm import control
from detente.app.slurm.gate import Gate
from detente.app.slurm.record import By, Record, RecordFile
from detente.base.errors import DetenteError

CLEARED_S = 60.0
"""A job that was put back may still be ending when the lift comes: it cannot be released before it has."""


@dataclass(slots=True)
class Lifted:
    """What a lift did."""

    released: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Jobs of the pause that are neither held nor suspended any more: ended, cancelled, or moved by somebody else."""
    said: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "lifted": True,
            "released": self.released,
            "resumed": self.resumed,
            "left": self.left,
            "slurm_said": self.said,
        }


def lift(
    gate: Gate, slurm: Slurm, *, only: By | None = None, say: Callable[[str], None] = lambda _line: None
) -> Lifted:
    """Lift; raises what ``Gate.check_leave`` does without leave, ``Refused`` U08, U09, ``Unavailable``: run it again.

    ``only``: a pause by this word alone; nothing is touched where it is another's by the time that this has its turn.
    """
    file, lifted = RecordFile(gate), Lifted()
    with file.turn():
        gate.check_leave()  # 1
        record = file.load()
        if only is not None and record.by != only:
            return lifted
        record.phase = "lifting"
        file.store(record)
        for job in record.jobs:  # 2
            control.withdraw(gate, job)
        gate.open()
        jobs = _settled(slurm, record)
        for job, treated in record.jobs.items():
            state = jobs.get(job, "")
            if treated.order == "saved" and state == "PENDING":
                lifted.released.append(job)
            elif treated.order == "suspended" and state == "SUSPENDED":
                lifted.resumed.append(job)
            else:
                lifted.left.append(job)
        if lifted.released:  # 3
            lifted.said += filter(None, [slurm.release(lifted.released)])
        if lifted.resumed:  # 4
            lifted.said += filter(None, [slurm.resume(lifted.resumed)])
        gate.check_leave()  # 5
        slurm.unreserve()
        file.store(Record())
        lifted.said += filter(None, [_kept_room(gate)])
        say(f"released {len(lifted.released)}, resumed {len(lifted.resumed)}; the cluster admits jobs again")
        return lifted


def _kept_room(gate: Gate) -> str:
    """Room for the next pause; returns why there is none, or nothing."""
    try:
        gate.keep_room()
    except DetenteError as error:
        return f"no room is kept for the next pause: {error}"
    return ""


def _settled(slurm: Slurm, record: Record) -> dict[str, str]:
    """The state of each job, once none of those that were put back is still on its way out."""
    end = time.monotonic() + CLEARED_S
    while True:
        states = {job.id: job.state for job in slurm.list_jobs()}
        ending = [job for job, each in record.jobs.items() if each.order == "saved" and states.get(job) == "COMPLETING"]
        if not ending or time.monotonic() > end:
            return states
        time.sleep(0.05)
