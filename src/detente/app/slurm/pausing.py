"""Pause a whole cluster: close admission, ask, await receipts, put the saved back held, suspend the rest, look, and report.

Decides the order, and when a job counts as stopped. Leaves out Slurm's commands (``adapters.slurm``) and the protocol of a job
(``app.slurm.control``). ``spec/slurm.md`` §4.

1. Admission is closed before anything is stopped: what a stop frees would start the queue.
2. What is about to be done to a job is durable before it is done. Killed and started again, the sequence goes on where it was.
3. A job counts as saved by its receipt, whose checkpoint was hashed here: never by an exit code.
4. Where no record can be read or kept, what runs is suspended all the same, and the sequence fails.
5. Nothing counts as stopped because it was ordered: the cluster is asked again, and processes on this machine are looked at.
   What cannot be shown to have stopped is a failure, and the pause says so.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from detente.adapters.slurm import ClusterJob, Slurm, find_tasks
from detente.app.slurm import control
from detente.app.slurm.gate import Gate
from detente.app.slurm.record import By, Record, RecordFile, Treated
from detente.base.errors import DetenteError, Refused

POLL_S = 0.004
LOOK_S = 0.25
"""How often Slurm is asked which jobs are still there, while receipts are awaited."""
LULL_S = 0.03
"""Holding some takes processor time from those that are still saving: as long as answers come as fast as this, they are held together."""
SETTLE_S = 90.0
"""Until what was ordered has to be seen: SIGSTOP comes 2 s after the order, SIGKILL after Slurm's KillWait of 30 s."""
EXIT_S = 2.0
"""How long a job that has saved, and that Slurm does not put back, may take to end by itself."""
SIGNALLED = "detente:usr1"
"""A job whose comment has this word takes SIGUSR1 in every process of it, its batch script and launcher included."""


@dataclass(slots=True)
class Report:
    """What a pause came to; times in milliseconds since it was declared, by CLOCK_BOOTTIME."""

    request: str = ""
    closed_ms: float = 0.0
    asked_ms: float = 0.0
    saved_ms: dict[str, float] = field(default_factory=dict)
    stopped_ms: float = 0.0
    jobs: dict[str, Treated] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    looked_at: str = ""

    @property
    def paused(self) -> bool:
        """Is everything shown to have stopped?"""
        return not self.running and all(each.outcome != "failed" for each in self.jobs.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "paused": self.paused,
            "request": self.request,
            "closed_ms": round(self.closed_ms, 1),
            "asked_ms": round(self.asked_ms, 1),
            "stopped_ms": round(self.stopped_ms, 1),
            "jobs": {
                job: {**each.as_json(), "saved_ms": round(self.saved_ms[job], 1) if job in self.saved_ms else None}
                for job, each in self.jobs.items()
            },
            "running": self.running,
            "slurm_said": self.said,
            "processes_looked_at_on": self.looked_at,
        }


class Pausing:
    """One run of the sequence. ``within_s``: the deadline for receipts; what has not answered by then is suspended."""

    def __init__(
        self,
        gate: Gate,
        slurm: Slurm,
        *,
        within_s: float,
        settle_s: float = SETTLE_S,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._gate = gate
        self._slurm = slurm
        self._within_s = within_s
        self._settle_s = settle_s
        self._say = say
        self._file = RecordFile(gate)
        self._record = Record()
        self._report = Report(looked_at=socket.gethostname())
        self._began = 0.0
        self._fresh = False
        self._read: dict[str, tuple[int, int]] = {}
        self._hashing: dict[str, control.Hashing] = {}

    def run(self, why: str, *, by: By = "operator", again: bool = False) -> Report:
        """The whole sequence; raises ``Refused`` U08, U09, C10, ``Unavailable`` where Slurm or the disk gives way: run it again.

        Whatever it raises but U09, what ran and had not saved was told to stop. ``again``: of a cluster that is paused; an empty
        report where it has been lifted by the time that this has its turn.
        """
        with self._file.turn():
            if again and not self._gate.closed.exists():
                return self._report
            self._began = _now()
            try:
                self._close(why, by)
                self._ask()
                self._await()
                self._settle()
                self._record.phase = "paused"
                self._file.store(self._record)
            except (DetenteError, OSError):
                self._stop_unrecorded()
                raise
            finally:
                for hashing in self._hashing.values():
                    hashing.give_up()
            self._report.jobs = dict(self._record.jobs)
            self._report.stopped_ms = self._ms()
            return self._report

    def _stop_unrecorded(self) -> None:
        """No record can be read or kept: no start and nothing that runs, all the same. A suspended job loses nothing."""
        with contextlib.suppress(DetenteError):
            self._slurm.reserve()
        with contextlib.suppress(DetenteError):
            running = [job.id for job in self._slurm.list_jobs() if job.runs and self._treated(job.id) != "saved"]
            if running:
                self._heard(self._slurm.suspend(running))
                self._say(f"suspended {len(running)} that ran, in no record: {', '.join(running)}")

    def _close(self, why: str, by: By) -> None:
        """Admission first: the file that the gate reads, then the reservation. A record that does not read stops neither."""
        self._gate.close(why)
        self._slurm.reserve()
        self._report.closed_ms = self._ms()
        record = self._record = self._file.load()
        record.jobs = {job: each.again() for job, each in record.jobs.items()}
        if record.phase in {"none", "lifting"}:
            self._fresh = True
            record.request = secrets.token_hex(8)
            record.by = by
            # Of a lift that was cut short, what is still held or suspended stays so, and will be lifted with the rest.
            record.jobs = {job: each for job, each in record.jobs.items() if each.outcome in {"saved", "suspended"}}
        elif by == "operator":
            record.by = by
        record.phase = "pausing"
        self._report.request = record.request
        self._say("admission is closed")

    def _ask(self) -> None:
        """Ask those that listen; stop the others, which have nothing to save, at once."""
        running = [job for job in self._slurm.list_jobs() if job.runs]
        listening = [job for job in running if control.listens(self._gate, job)]
        deaf = [job for job in running if job not in listening]
        # What one that runs has saved for an earlier request says nothing of what it has done since.
        known = {"asked"} if self._fresh else {"saved", "asked"}
        for job in listening:
            if self._treated(job.id) not in known:
                self._record.jobs[job.id] = Treated("asked", step=self._last_step(job.id))
        for job in deaf:
            self._record.jobs[job.id] = Treated("suspended", why="it does not listen")
        self._file.store(self._record)
        for job in listening:
            if trouble := control.ask(self._gate, job, self._record.request):
                self._report.said.append(f"job {job.id}: {trouble}")
        if by_signal := [job.id for job in listening if SIGNALLED in job.comment.split()]:
            self._heard(self._slurm.signal(by_signal))
        self._report.asked_ms = self._ms()
        self._say(f"asked {len(listening)}, suspending {len(deaf)} that do not listen")
        self._heard(self._slurm.suspend(job.id for job in deaf))
        # Of an earlier run of this sequence that was killed: saved, and perhaps not yet put back.
        self._put_back([job.id for job in running if self._treated(job.id) == "saved"])

    def _await(self) -> None:
        """Until every job that was asked has answered or gone, or the deadline has passed: then what is left is suspended."""
        deadline, looked, last = _now() + self._within_s, _now(), _now()
        gone: set[str] = set()
        saved: list[str] = []
        while left := self._record.those("asked"):
            came = [job for job in left if self._answered(job)]
            saved += came
            if came:
                last = _now()
                continue
            if saved and _now() - last > LULL_S:
                self._hold(saved)
                saved = []
            # Those that were gone already when their answers were last looked for have left none.
            for job in (gone & set(left)) - self._hashing.keys():
                self._record.jobs[job] = Treated("ended", why="it ended without a receipt")
            if _now() >= deadline:
                break
            gone = set()
            if _now() - looked > LOOK_S:
                looked = _now()
                there = {job.id for job in self._slurm.list_jobs() if not job.over and job.state != "PENDING"}
                gone = set(left) - there
            time.sleep(POLL_S)
        self._hold(saved)
        if late := self._record.those("asked"):
            self._end_waiting(late)

    def _end_waiting(self, late: list[str]) -> None:
        """Suspend what still runs; of what has ended by itself meanwhile, large checkpoints may be hashed for some time yet."""
        running = {job.id for job in self._slurm.list_jobs() if job.runs} if self._hashing else set(late)
        ended = [job for job in late if job in self._hashing and job not in running]
        late = [job for job in late if job not in ended]
        for job in late:
            self._record.jobs[job] = Treated("suspended", why=f"no receipt within {self._within_s:g} s")
        self._file.store(self._record)
        if late:
            self._say(f"the deadline has passed: suspending {len(late)}")
            self._heard(self._slurm.suspend(late))
        end = _now() + self._settle_s
        while (ended := [job for job in ended if job in self._hashing]) and _now() < end:
            self._hold([job for job in ended if self._answered(job)])
            time.sleep(POLL_S)
        for job in ended:
            self._record.jobs[job] = Treated("ended", why="it ended, and its checkpoint could not be hashed in time")
        for job in self._record.those("asked"):
            self._record.jobs[job] = Treated("ended", why="it ended without a receipt that holds")

    def _answered(self, job: str) -> bool:
        """Has it saved? A receipt that does not hold is said once, and the next one is waited for."""
        hashing = self._hashing.get(job) or self._begun(job)
        if hashing is None or not hashing.done:
            return False
        del self._hashing[job]
        try:
            hashing.check()
        except DetenteError as error:
            self._report.said.append(f"job {job}: {error}")
            return False
        receipt = hashing.receipt
        self._record.jobs[job] = Treated(
            "saved", step=receipt.step, checkpoint=receipt.sha256, exact=receipt.exact, why=receipt.why_not_exact
        )
        self._report.saved_ms[job] = self._ms()
        return True

    def _begun(self, job: str) -> control.Hashing | None:
        """Begin with a new answer of this job, if there is one."""
        found = control.answered(self._gate, job)
        if found is None or self._read.get(job) == found:
            return None
        self._read[job] = found
        try:
            receipt = control.read_answer(self._gate, job, self._record.request, self._last_step(job) or 0)
        except Refused as refused:
            if refused.rule != "W07":  # The answer to an earlier pause lies there until the next one comes.
                self._report.said.append(f"job {job}: {refused}")
            return None
        self._hashing[job] = control.Hashing(self._gate, job, receipt)
        return self._hashing[job]

    def _hold(self, saved: list[str]) -> None:
        if saved:
            self._file.store(self._record)
            self._put_back(saved)

    def _put_back(self, saved: list[str]) -> None:
        if saved:
            self._heard(self._slurm.requeue_hold(saved))
            for job in saved:
                control.forget(self._gate, job)

    def _settle(self) -> None:
        """Look until all has stopped; what came up meanwhile is suspended, once. Then say what did not stop."""
        end, again = _now() + self._settle_s, dict[str, float]()
        while True:
            jobs = self._slurm.list_jobs()
            held = {job.id: job for job in jobs}
            astray = [job for job in jobs if job.id not in again and (job.runs or self._is_unheld(job))]
            for job in astray:
                again[job.id] = _now()
                self._stop_again(job)
            self._suspend_saved(job.id for job in jobs if job.runs and _now() - again[job.id] > EXIT_S)
            alive = {job: find_tasks(job) for job in self._record.jobs}
            moving = [job for job, treated in self._record.jobs.items() if _moves(held.get(job), treated, alive[job])]
            late = sorted({*(job.id for job in jobs if job.runs), *(job.id for job in astray), *moving}, key=int)
            if not late or _now() > end:
                self._report.running = late
                self._failed(late, held)
                return
            time.sleep(0.05)

    def _is_unheld(self, job: ClusterJob) -> bool:
        """Has it saved and ended by itself, and was never put back? An earlier run was killed between the two.

        One that somebody cancelled stays so.
        """
        return job.over and job.state != "CANCELLED" and self._treated(job.id) == "saved"

    def _stop_again(self, job: ClusterJob) -> None:
        if self._treated(job.id) == "saved":
            self._put_back([job.id])
            return
        self._record.jobs[job.id] = Treated("suspended", why="it came up while the cluster was closing")
        self._file.store(self._record)
        self._heard(self._slurm.suspend([job.id]))

    def _suspend_saved(self, running: Iterable[str]) -> None:
        """A receipt stops nobody: what has saved, may not be put back and does not end by itself is stopped where it is."""
        saved = [job for job in running if self._treated(job) == "saved"]
        if not saved:
            return
        for job in saved:
            why = "it saved, and neither ended nor could be put back"
            self._record.jobs[job] = replace(self._record.jobs[job], outcome="suspended", why=why)
        self._file.store(self._record)
        self._heard(self._slurm.suspend(saved))

    def _failed(self, late: list[str], held: dict[str, ClusterJob]) -> None:
        """Of those that still run, and of the saved that are not held: what would come up by itself has not been stopped."""
        for job in late:
            treated = self._record.jobs.get(job, Treated("suspended"))
            self._record.jobs[job] = treated.failed("it could not be shown to have stopped")
        for job in self._record.those("saved"):
            found = held.get(job)
            if found is None or found.over:
                kept = self._record.jobs[job]
                self._record.jobs[job] = Treated(
                    "ended",
                    kept.step,
                    kept.checkpoint,
                    kept.exact,
                    "saved, and Slurm does not put it back: submit it again",
                )
        for job in self._record.those("suspended"):
            found = held.get(job)
            if found is None or found.over:
                self._record.jobs[job] = Treated("ended", why="it ended before it was suspended")

    def _treated(self, job: str) -> str:
        treated = self._record.jobs.get(job)
        return "" if treated is None else treated.outcome

    def _last_step(self, job: str) -> int | None:
        treated = self._record.jobs.get(job)
        return None if treated is None else treated.step

    def _heard(self, said: str) -> None:
        if said:
            self._report.said.append(said)

    def _ms(self) -> float:
        return (_now() - self._began) * 1_000


def _moves(job: ClusterJob | None, treated: Treated, tasks: dict[int, str]) -> bool:
    """Is it still on its way to where it was ordered, by Slurm's word or by its processes on this machine?"""
    if treated.outcome == "suspended" and job is not None and not job.over:
        return job.state != "SUSPENDED" or any(state not in "Tt" for state in tasks.values())
    return bool(tasks) or (job is not None and job.state == "COMPLETING")


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
