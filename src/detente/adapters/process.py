"""Processes of this machine: which belong to a job, what they used, and how all of them are stopped at once.

Decides which processes form the tree below a root, and stops or ends every one of them or reports which are left.
Leaves out when to do so: the supervisor's state machine (``guard.supervise``) and the keeper decide that.

Rules:

* A process is named by its number *and* its start time, and is signalled through a pidfd, so that a number that the
  kernel gave to somebody else is never hit.
* A tree is stopped by scanning until a scan finds nothing new: a process that forks faster than it is stopped is
  caught by a later round, since a stopped process forks no more.
* Every rank or none: freezing one rank of a distributed job kills it (``docs/guides/guard-a-training-job.md``), so
  these functions take whole trees.
* A process lives as long as any of its threads. One whose first thread has ended is shown as a zombie while the others compute: so
  for tens of milliseconds at the end of every program with many threads, and for as long as it likes where that is its wish.
* Where the kernel freezes for us, ``adapters.freezer`` does instead.

Linux only: ``/proc``, pidfds, ``prctl``. Source of the calls: proc(5), prctl(2), pidfd_send_signal(2).

>>> me = read_process(os.getpid())
>>> me is not None and me.parent == os.getppid()
True
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SCANS_MAX = 64
"""Rounds of one stop. A fork bomb of 32 processes needed 3; a tree that outruns 64 is killed by its control group."""
_DEAD, _STOPPED = "ZX", "Tt"
"""Letters of proc(5)."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One process as ``/proc/<pid>/stat`` shows it; ``started`` in clock ticks since boot, ``cpu_s`` user and system.

    ``state`` is that of its living threads where the first has ended before the others.
    """

    pid: int
    parent: int
    group: int
    session: int
    state: str
    started: int
    cpu_s: float
    resident_bytes: int
    command: str

    @property
    def alive(self) -> bool:
        """A zombie runs no code: it only waits for its parent to read its status."""
        return self.state not in _DEAD

    @property
    def stopped(self) -> bool:
        return self.state in _STOPPED


def read_process(pid: int) -> Process | None:
    """The process ``pid``, or ``None`` when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The command stands in parentheses and may itself hold spaces and parentheses: the last one closes it.
    opened, closed = text.index("("), text.rindex(")")
    fields = text[closed + 2 :].split()
    state, threads = fields[0], int(fields[17])
    return Process(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        state=_state_of_others(pid) if state in _DEAD and threads > 1 else state,
        started=int(fields[19]),
        cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS,
        resident_bytes=int(fields[21]) * _PAGE,
        command=text[opened + 1 : closed],
    )


def find_places(pid: int) -> Iterator[Path]:
    """The folders of ``/proc`` that tell what a process has: its own, and those of its threads, for one that has ended has nothing."""
    yield Path(f"/proc/{pid}")
    for thread, _ in _living_threads(pid):
        yield Path(f"/proc/{pid}/task/{thread}")


def _living_threads(pid: int) -> list[tuple[int, str]]:
    """Number and state of each thread of a process that has not ended."""
    found = []
    try:
        names = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - see list_processes
    except OSError:
        return []
    for name in names:
        try:
            text = Path(f"/proc/{pid}/task/{name}/stat").read_text("utf-8", "replace")
        except OSError:
            continue
        state = text[text.rindex(")") + 2]
        if state not in _DEAD:
            found.append((int(name), state))
    return found


def _state_of_others(pid: int) -> str:
    """The state of a process of which the first thread has ended and others are left: stopped when all of them are.

    Its parent cannot read its status before the kernel has let go of the last of them: until then it counts as running.
    """
    states = [state for _, state in _living_threads(pid)]
    return next((state for state in states if state not in _STOPPED), states[0] if states else "R")


def list_processes() -> dict[int, Process]:
    """Every process that this user can see, by its number."""
    found = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - Path.iterdir builds an object per entry; this runs in a hot loop
        if name.isdigit() and (process := read_process(int(name))) is not None:
            found[process.pid] = process
    return found


def find_tree(root: int, *, leave_out: Iterable[int] = ()) -> tuple[Process, ...]:
    """The living descendants of ``root``, without itself, nearest first; ``leave_out`` are skipped, not their children."""
    everyone = list_processes()
    children: dict[int, list[Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
    skipped = set(leave_out)
    found: list[Process] = []
    level = [root]
    seen = {root}
    while level:
        below = [child for pid in level for child in children.get(pid, ()) if child.pid not in seen]
        seen.update(child.pid for child in below)
        found += [child for child in below if child.alive and child.pid not in skipped]
        level = [child.pid for child in below]
    return tuple(found)


def send_signal(process: Process, number: int) -> bool:
    """Signal exactly this process; false when it is gone, or its number now belongs to another, or it is not ours."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        now = read_process(process.pid)
        if now is None or now.started != process.started:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def catches(pid: int, number: int) -> bool:
    """Has the process a handler of its own for this signal? Without one SIGUSR1 would end it unsaved."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    except OSError:
        pass
    return False


def stop_tree(find: Callable[[], Iterable[Process]]) -> tuple[Process, ...]:
    """SIGSTOP all that ``find`` names until a scan finds all of them stopped; returns those that are not.

    A process in an uninterruptible call stops when the call ends: it is returned, and it computes nothing meanwhile.
    """
    left: tuple[Process, ...] = ()
    signalled: set[tuple[int, int]] = set()
    for attempt in range(SCANS_MAX):
        left = tuple(process for process in find() if not process.stopped)
        if not left:
            return ()
        fresh = [process for process in left if (process.pid, process.started) not in signalled]
        for process in left:
            send_signal(process, signal.SIGSTOP)
            signalled.add((process.pid, process.started))
        if not fresh:
            time.sleep(min(0.001 * (attempt + 1), 0.01))  # All are told; the kernel needs a moment to show it.
    return left


def continue_tree(find: Callable[[], Iterable[Process]]) -> None:
    """SIGCONT all that ``find`` names."""
    for process in find():
        send_signal(process, signal.SIGCONT)


def kill_tree(
    find: Callable[[], Iterable[Process]], *, reap: Callable[[], object] | None = None, patience_s: float = 5.0
) -> tuple[Process, ...]:
    """Stop, then SIGKILL, all that ``find`` names; returns those still alive after ``patience_s``.

    Stopped first, so that no rank sees another die and writes half a checkpoint, and so that nothing forks in between.
    ``reap`` collects the dead between the rounds, where the caller is their parent.
    """
    stop_tree(find)
    until = time.monotonic() + patience_s
    while True:
        left = tuple(find())
        if not left:
            return ()
        for process in left:
            send_signal(process, signal.SIGKILL)
        if reap is not None:
            reap()
        if time.monotonic() > until:
            return left
        time.sleep(0.002)


def become_subreaper() -> None:
    """Orphans below this process become its children instead of init's, so that none of them gets lost."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """SIGKILL for this process when the thread that started it ends. Call between fork and exec."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It died before the call: the signal will never come.
        os.kill(os.getpid(), signal.SIGKILL)


_LIBC = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
