"""Keep a cluster to its leave: pause it as soon as leave ends, whoever ended it, and look again while it is paused.

Decides when the sequence runs. Leaves out the sequence itself, and asking: this process reads one file, so a network, an issuer or a
`detente slurm watch` that is gone stops the cluster when the leave lapses, and cannot stop this. A gate that was taken away or
changed is no leave either. ``spec/slurm.md`` §6.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from detente.adapters.slurm import Slurm
from detente.app.slurm.control import listens
from detente.app.slurm.gate import CLOSED_MAX, Gate
from detente.app.slurm.installing import inspect_files
from detente.app.slurm.lifting import lift
from detente.app.slurm.pausing import Pausing
from detente.app.slurm.record import By, Record, RecordFile
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.strict_json import encode_json

LOOK_S = 0.02
"""How often the file is looked at: reading it takes 20 µs, its signatures are verified when it has changed."""
AGAIN_S = 2.0
"""How often a paused cluster is looked at, and how soon after a failure the sequence is run again."""


class Keeper:
    """``run`` until ``over``. ``lifts``: lift what this keeper paused as soon as there is leave again.

    ``observes``: write down what would be done, and do nothing.
    """

    def __init__(
        self,
        gate: Gate,
        slurm: Slurm,
        *,
        within_s: float,
        lifts: bool,
        observes: bool = False,
        say: Callable[[str], None],
        over: Callable[[], bool],
    ) -> None:
        self._gate = gate
        self._slurm = slurm
        self._within_s = within_s
        self._lifts = lifts
        self._observes = observes
        self._would = ""
        self._next_s = 0.0
        self._say = say
        self._over = over
        self._seen: tuple[int, int] | None = None
        self._until_s = 0.0
        self._looked_s = 0.0
        self._changed: list[str] = []
        self._gone = ""
        self._failed = False

    def run(self) -> None:
        """Until ``over`` says so."""
        looked = 0.0
        while not self._over():
            why = self._shut_by()
            if self._observes:
                self._observe(why)
                time.sleep(LOOK_S)
                continue
            paused = self._gate.closed.exists()
            if why and (not (paused or self._failed) or time.monotonic() - looked > AGAIN_S):
                looked = time.monotonic()
                self._pause(why, again=paused)
            elif not why and time.monotonic() - looked > AGAIN_S:
                looked = time.monotonic()
                record = self._record()
                # A lift that was killed once `closed` was gone leaves the reservation, and what it had not released.
                if self._lifts and record.by == "leave" and (paused or record.phase == "lifting"):
                    self._lift()
                elif paused:
                    self._pause(self._said_then(), again=True, by=record.by)
            time.sleep(LOOK_S)

    def _shut_by(self) -> str:
        """Why there is no leave; empty where there is. Verified when the file has changed, compared with the clock each time."""
        try:
            found = self._gate.leave.stat()
            if (found.st_ino, found.st_mtime_ns) != self._seen:
                self._seen, self._until_s = None, 0.0
                self._until_s = self._gate.check_leave().lapse_s
                self._seen = (found.st_ino, found.st_mtime_ns)
        except (DetenteError, OSError) as error:
            return str(error)
        if why := self._gate_gone():
            return why
        if time.clock_gettime(time.CLOCK_BOOTTIME) >= self._until_s:
            return "the posted leave has lapsed"
        return ""

    def _gate_gone(self) -> str:
        """A gate that is not as it was installed, at two looks in a row, is none: Slurm starts jobs past a prolog that is gone."""
        now = time.monotonic()
        if now - self._looked_s > AGAIN_S:
            self._looked_s = now
            found = inspect_files(self._gate.folder)
            self._gone = "; ".join(found) if found and found == self._changed else ""
            self._changed = found
        return self._gone

    def _pause(self, why: str, *, again: bool, by: By = "leave") -> None:
        """A cluster that is paused already is looked at: what runs in it all the same is stopped again, and said."""
        try:
            if again:
                with RecordFile(self._gate).turn(within_s=0.0):
                    # U09 while an operator's own pause or lift is at work: it says itself what it comes to.
                    if not self._gate.closed.exists():
                        return
                jobs = [job.id for job in self._slurm.list_jobs() if job.runs]
                phase = RecordFile(self._gate).load().phase
                if jobs or not self._slurm.is_reserved():
                    self._say(
                        f"FINDING the paused cluster was opened from outside; running: {', '.join(jobs) or 'nothing'}"
                    )
                elif phase == "paused":
                    return
            else:
                self._say(f"leave has ended: {why}")
            pausing = Pausing(self._gate, self._slurm, within_s=self._within_s, say=self._say)
            report = pausing.run(why, by=by, again=again)
            if report.request:
                self._say(summary(report.as_json()))
            self._failed = False
        except (DetenteError, OSError) as error:
            if again and isinstance(error, Refused) and error.rule == "U09":
                return
            self._failed = True
            self._say(f"the pause did not end: {error}; it is tried again")

    def _observe(self, why: str) -> None:
        """A line in ``observe.jsonl`` for each end of leave and each return of it: nothing is enforced."""
        if bool(why) == bool(self._would) or time.monotonic() < self._next_s:
            return
        try:
            self._note(why)
        except (Unavailable, OSError) as error:
            self._next_s = time.monotonic() + AGAIN_S
            self._say(f"not recorded: {error}; it is tried again")
        else:
            self._would = why

    def _note(self, why: str) -> None:
        running = [job for job in self._slurm.list_jobs() if job.runs]
        listening = sum(listens(self._gate, job) for job in running)
        line = {
            "enforced": False,
            "boottime_s": f"{time.clock_gettime(time.CLOCK_BOOTTIME):.3f}",
            "would": "pause" if why else "lift",
            "why": why,
            "running": len(running),
            "listening": listening,
        }
        with (self._gate.folder / "observe.jsonl").open("ab") as file:
            file.write(encode_json(line) + b"\n")
        self._say(
            f"not enforced: would {line['would']}; {len(running)} running, of which {listening} listen; {why or 'there is leave'}"
        )

    def _record(self) -> Record:
        """The record of a pause; an empty one where it does not read, which lifts nothing."""
        with contextlib.suppress(DetenteError):
            return RecordFile(self._gate).load()
        return Record()

    def _said_then(self) -> str:
        """What users are told of a pause that is there."""
        with contextlib.suppress(OSError):
            return self._gate.closed.read_bytes()[:CLOSED_MAX].decode("utf-8", "replace").partition("\n")[0]
        return "paused"

    def _lift(self) -> None:
        try:
            lift(self._gate, self._slurm, only="leave", say=self._say)
        except (DetenteError, OSError) as error:
            self._say(f"the lift did not end: {error}; it is tried again")


def summary(report: dict[str, object]) -> str:
    """One line about a pause."""
    jobs = report["jobs"]
    assert isinstance(jobs, dict)
    counts = {
        name: sum(each["outcome"] == name for each in jobs.values())
        for name in ("saved", "suspended", "ended", "failed")
    }
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing ran"
    return f"{'paused' if report['paused'] else 'NOT PAUSED'}: {said}; {report['stopped_ms']} ms"
