r"""Slurm's own commands, run for a whole cluster: what runs, and the few orders that a pause is made of.

Decides how they are started, for how long, and how their words are read. Leaves out which order when (``app.slurm.pausing``).

Measured with Slurm 22.05.8: each command takes 4 to 25 ms, also for many jobs at once. What a command says of one job of many is
not relied upon: whoever orders looks afterwards.

>>> read_jobs("7|RUNNING|1000|None|note: a|b\n")
(ClusterJob(id='7', state='RUNNING', user=1000, reason='None', comment='note: a|b'),)
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.adapters.process import find_places, read_process
from detente.base.errors import Misuse, Unavailable, shown

ANSWER_S = 30.0
"""A controller under load took seconds; its own message timeout is 10."""
AT_ONCE = 200
"""Job ids in one command."""
RESERVATION = "detente-pause"
NOBODY = "nobody"
"""Whose the reservation is: who may use a reservation could start jobs in it."""


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """One job, as ``squeue`` shows it; ``user`` by number."""

    id: str
    state: str
    user: int
    reason: str
    comment: str

    @property
    def runs(self) -> bool:
        """Does it, or may it, compute? STOPPED is a job that was sent SIGSTOP by its user: its batch script computes on."""
        return self.state not in {"PENDING", "SUSPENDED", "COMPLETING"} and not self.over

    @property
    def over(self) -> bool:
        return self.state in _OVER


_OVER = frozenset(
    {
        "COMPLETED",
        "CANCELLED",
        "FAILED",
        "TIMEOUT",
        "PREEMPTED",
        "NODE_FAIL",
        "BOOT_FAIL",
        "DEADLINE",
        "OUT_OF_MEMORY",
        "REVOKED",
        "SPECIAL_EXIT",
    }
)


class Slurm:
    """The cluster that ``SLURM_CONF`` or ``/etc/slurm/slurm.conf`` names; ``environment`` is this process's own if not given."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        # How squeue shows times and names must not depend on whoever runs it.
        self._environment = {k: v for k, v in self._environment.items() if not k.startswith("SQUEUE_")} | {
            "LC_ALL": "C"
        }

    def list_jobs(self) -> tuple[ClusterJob, ...]:
        """Every job that the controller still knows, array tasks one by one; raises ``Unavailable``."""
        return read_jobs(
            self._ask("squeue", "--noheader", "--all", "--array", "--states=all", "--format=%A|%T|%U|%r|%k")
        )

    def show_config(self) -> str:
        """What the controller runs with, a line each; raises ``Unavailable``."""
        return self._ask("scontrol", "show", "config")

    def reserve(self) -> None:
        """Close all nodes to starts, what runs being let alone; again is the same as once. Raises ``Unavailable``."""
        if not self.is_reserved():
            how = ("StartTime=now", "Duration=UNLIMITED", "Nodes=ALL", "Flags=MAINT,IGNORE_JOBS", f"Users={NOBODY}")
            self._ask("scontrol", "create", "reservation", f"ReservationName={RESERVATION}", *how)

    def is_reserved(self) -> bool:
        """Does the reservation stand, over all nodes?"""
        done = self._run("scontrol", "--oneliner", "show", "reservation", RESERVATION)
        text = done.stdout
        return done.returncode == 0 and "Flags=MAINT,IGNORE_JOBS" in text and "ALL_NODES" in text

    def unreserve(self) -> None:
        """Delete the reservation if it is there; raises ``Unavailable`` where it stays."""
        done = self._run("scontrol", "delete", f"ReservationName={RESERVATION}")
        if done.returncode and self._run("scontrol", "show", "reservation", RESERVATION).returncode == 0:
            raise _failed(done)

    def signal(self, jobs: Iterable[str]) -> str:
        """SIGUSR1 to every process of these jobs, batch script included; returns what Slurm said against it."""
        return self._each(jobs, lambda ids: ("scancel", "--signal=USR1", "--full", *ids))

    def suspend(self, jobs: Iterable[str]) -> str:
        """Stop every process of these jobs, memory kept."""
        return self._each(jobs, lambda ids: ("scontrol", "suspend", ",".join(ids)))

    def resume(self, jobs: Iterable[str]) -> str:
        """Let suspended jobs go on."""
        return self._each(jobs, lambda ids: ("scontrol", "resume", ",".join(ids)))

    def requeue_hold(self, jobs: Iterable[str]) -> str:
        """End these jobs and put them back into the queue, held; also such as have ended by themselves."""
        return self._each(jobs, lambda ids: ("scontrol", "requeuehold", ",".join(ids)))

    def release(self, jobs: Iterable[str]) -> str:
        """Let held jobs start as soon as there is room: without a new start time they would wait for 121 seconds."""
        listed = list(jobs)
        said = self._each(listed, lambda ids: ("scontrol", "release", ",".join(ids)))
        return said + self._each(listed, lambda ids: ("scontrol", "update", f"JobId={','.join(ids)}", "StartTime=now"))

    def _each(self, jobs: Iterable[str], command: Callable[[list[str]], Sequence[str]]) -> str:
        listed, said = list(jobs), []
        for at in range(0, len(listed), AT_ONCE):
            done = self._run(*command(listed[at : at + AT_ONCE]))
            if done.returncode:
                said.append(shown((done.stderr or done.stdout).strip(), 300))
        return "; ".join(said)

    def _ask(self, *command: str) -> str:
        done = self._run(*command)
        if done.returncode:
            raise _failed(done)
        return done.stdout

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=ANSWER_S,
                check=False,
            )
        except FileNotFoundError:
            raise Misuse(f"no {command[0]} on PATH: run this where Slurm's commands are") from None
        except (subprocess.TimeoutExpired, OSError) as error:
            raise Unavailable(f"{command[0]} gave no answer: {error}") from None


def read_jobs(text: str) -> tuple[ClusterJob, ...]:
    """The jobs of ``squeue --format=%A|%T|%U|%r|%k``; raises ``Unavailable`` for a line of another form."""
    found = []
    for line in text.splitlines():
        fields = line.split("|", 4)
        if len(fields) != 5 or not fields[0].isdigit() or not fields[2].isdigit():
            raise Unavailable(f"squeue answered {shown(line)}; expected id, state, user, reason and comment")
        found.append(ClusterJob(fields[0], fields[1], int(fields[2]), fields[3], fields[4]))
    return tuple(found)


def try_prolog(path: Path, user: int, group: int) -> str:
    """Run a gate's program as SlurmUser: why it did not come to an answer, or nothing. Any answer will do."""
    identity: dict[str, Any] = {} if os.geteuid() else {"user": user, "group": group, "extra_groups": []}
    try:
        done = subprocess.run(
            [path],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=ANSWER_S,
            check=False,
            cwd="/",
            **identity,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        return str(error)
    return "" if done.returncode == 0 or "detente: not started:" in done.stderr else shown(done.stderr.strip(), 300)


def find_tasks(job: str) -> dict[int, str]:
    """The processes of a job on this machine that are alive, by number, with their state; Slurm's own step daemons left out.

    By ``SLURM_JOB_ID`` in a process's first environment, which only root reads of other users' jobs.
    """
    mark = b"SLURM_JOB_ID=" + job.encode()
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - see adapters.process
        if not name.isdigit() or mark not in _environment(int(name)).split(b"\0"):
            continue
        process = read_process(int(name))
        if process is not None and process.alive and process.command != "slurmstepd":
            found[process.pid] = process.state
    return found


def _environment(pid: int) -> bytes:
    """What the process was started with; empty where nobody may know."""
    for place in find_places(pid):
        with contextlib.suppress(OSError):
            if found := (place / "environ").read_bytes():
                return found
    return b""


def _failed(done: subprocess.CompletedProcess[str]) -> Unavailable:
    said = (done.stderr or done.stdout).strip()
    return Unavailable(f"{done.args[0]} ended with {done.returncode}: {shown(said, 300)}")
