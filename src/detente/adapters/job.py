"""A guarded command: started under a keeper, asked to save, frozen, killed, and counted, all of its processes as one.

Decides how an order reaches every process of the command. Leaves out which order to give (``guard.supervise``), and
what a checkpoint is worth (``guard.receipt``).

The command runs in a session of its own below the keeper (``adapters.keeper``), in a control group of its own where the
host lets us make one. Its environment is the caller's plus what the caller adds; no key is ever in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detente.adapters.freezer import ControlGroup, make_control_group
from detente.adapters.process import (
    Process,
    become_subreaper,
    catches,
    continue_tree,
    find_tree,
    kill_tree,
    read_process,
    send_signal,
    stop_tree,
)
from detente.base.errors import Unavailable

START_MAX_S = 20.0
"""A keeper starts in 30 ms on an idle machine; a swapping one took 4 s."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the tree ended: the command's own status (negative: a signal), CPU seconds of all that was reaped."""

    status: int | None
    cpu_s: float
    lapsed: bool
    orphaned: bool
    """The keeper died before its tree did."""


class Job:
    """One command and everything below it. Make one with ``start_job``."""

    def __init__(self, keeper: subprocess.Popen[bytes], link: socket.socket, group: ControlGroup | None) -> None:
        self._keeper = keeper
        self._link = link
        self._group = group
        self._status: int | None = None
        self._cpu_s = 0.0
        self._lapsed = False
        self._frozen = False
        self._resting: set[tuple[int, int]] = set()
        self._began: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._command_ended = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self.pid = 0

    @property
    def keeper_pid(self) -> int:
        return self._keeper.pid

    @property
    def frozen_by(self) -> str:
        """What freezing will use: ``cgroup v2``, ``cgroup v1`` or ``signals``."""
        return "signals" if self._group is None else f"cgroup v{self._group.version}"

    @property
    def command_ended(self) -> asyncio.Event:
        """Set when the command itself has ended; others of its tree may go on."""
        return self._command_ended

    @property
    def status(self) -> int | None:
        return self._status

    def extend(self, until_s: float) -> None:
        """Tell the keeper until when, in seconds of CLOCK_BOOTTIME, the tree may live; earlier or later than before."""
        with contextlib.suppress(OSError):  # A keeper that is gone is noticed by the reader.
            self._link.send(f"until {until_s:.6f}\n".encode())

    def processes(self) -> tuple[Process, ...]:
        """Everything of the tree that is alive, the keeper left out."""
        found = {process.pid: process for process in find_tree(self._keeper.pid)}
        if self._group is not None:
            found |= {process.pid: process for process in self._group.processes()}
        keeper = read_process(self._keeper.pid)
        if keeper is None or not keeper.alive:
            # The orphans of a killed keeper are ours now: the guard is the next subreaper.
            found |= {p.pid: p for p in find_tree(os.getpid(), leave_out=[self._keeper.pid])}
        return tuple(found.values())

    def cpu_s(self) -> float:
        """CPU seconds so far: of the living by /proc, of the dead as the keeper last said."""
        return self._cpu_s + sum(process.cpu_s for process in self.processes())

    def ask(self, number: int) -> int:
        """Signal those that have a handler for it; returns how many. Others would die of it, unsaved."""
        return sum(send_signal(p, number) for p in self.processes() if catches(p.pid, number))

    def tell_all(self, number: int) -> int:
        """Signal every process of the tree; returns how many."""
        return sum(send_signal(process, number) for process in self.processes())

    def freeze(self) -> tuple[Process, ...]:
        """Stop every process, all or none; returns those that did not stop (in a call that cannot be interrupted)."""
        if not self._frozen:
            self._frozen, self._resting = True, {(p.pid, p.started) for p in self.processes() if p.stopped}
        if self._group is not None and self._group.freeze():
            outside = {p.pid for p in self._group.processes()}
            return stop_tree(lambda: [p for p in self.processes() if p.pid not in outside])
        return stop_tree(self.processes)

    def thaw(self) -> None:
        """Continue every process that ``freeze`` stopped, and none that the job had stopped itself."""
        if not self._frozen:
            return
        if self._group is not None:
            self._group.thaw()
        continue_tree(lambda: [p for p in self.processes() if p.stopped and (p.pid, p.started) not in self._resting])
        self._frozen = False

    def kill(self) -> tuple[Process, ...]:
        """End every process, now; returns those that survive, which only an uninterruptible call can do."""
        with contextlib.suppress(OSError):
            self._link.send(b"kill\n")
        if self._group is not None:
            self._group.kill()
        return kill_tree(self.processes, reap=self._reap_orphans)

    async def wait(self) -> Ended:
        """When nothing of the tree is left."""
        ended = await asyncio.shield(self._ended)
        await asyncio.shield(self._reader)
        return ended

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        buffer = b""
        while True:
            try:
                data = await loop.sock_recv(self._link, 4096)
            except OSError:
                data = b""
            if not data:
                break
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                self._heard(line.decode("utf-8", "replace"))
        await asyncio.to_thread(self._close)
        if not self._began.done():
            self._began.set_exception(Unavailable("the keeper ended before it had started the command"))
        self._command_ended.set()
        if not self._ended.done():  # The keeper never said that the tree is empty.
            self._ended.set_result(Ended(self._status, self._cpu_s, self._lapsed, orphaned=True))

    def _heard(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "started":
            self.pid = int(rest)
            self._began.set_result(self.pid)
        elif word == "failed":
            self._began.set_exception(Unavailable(f"cannot start the command: {rest}"))
        elif word == "exited":
            status, cpu_s = rest.split(" ")
            self._status, self._cpu_s = int(status), float(cpu_s)
            self._command_ended.set()
        elif word == "lapsed":
            self._lapsed = True
        elif word == "empty" and not self._ended.done():
            self._cpu_s = float(rest)
            self._ended.set_result(Ended(self._status, self._cpu_s, self._lapsed, orphaned=False))

    def _close(self) -> None:
        self._link.close()
        if not self._ended.done():
            kill_tree(self.processes, reap=self._reap_orphans)
        self._keeper.wait()
        if self._group is not None:
            self._group.remove()

    def _reap_orphans(self) -> None:
        for process in find_tree_dead(os.getpid(), leave_out=self._keeper.pid):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process, os.WNOHANG)

    async def begun(self) -> None:
        """Wait until the command runs; raises ``Unavailable`` with the system's reason when it cannot."""
        try:
            async with asyncio.timeout(START_MAX_S):
                await asyncio.shield(self._began)
        except TimeoutError:
            self.kill()
            raise Unavailable(f"the keeper did not start the command within {START_MAX_S:.0f} s") from None


def find_tree_dead(parent: int, *, leave_out: int) -> list[int]:
    """The zombies directly below ``parent``."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - see adapters.process
        process = read_process(int(name)) if name.isdigit() else None
        if process is not None and process.parent == parent and not process.alive and process.pid != leave_out:
            found.append(process.pid)
    return found


async def start_job(
    command: Sequence[str],
    *,
    until_s: float,
    environment: Mapping[str, str],
    directory: Path | None = None,
) -> Job:
    """Start ``command`` under a keeper, to live until ``until_s`` (seconds of CLOCK_BOOTTIME) unless extended.

    Call it in the main thread: the kernel ties the parent-death signal to the starting thread, and the keeper's own
    socket to this process. Raises ``Unavailable`` when the command cannot be started.
    """
    become_subreaper()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    group = make_control_group(f"detente-{os.getpid()}-{theirs.fileno()}", environment)
    with theirs:
        keeper = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec of a few milliseconds, once per job
            # -P: the job's own directory must not shadow modules of the keeper.
            [
                sys.executable,
                "-P",
                "-m",
                "detente.adapters.keeper",
                str(theirs.fileno()),
                str(group.path if group else "-"),
                *command,
            ],
            pass_fds=[theirs.fileno()],
            env=dict(environment),
            cwd=directory,
            start_new_session=True,
        )
    job = Job(keeper, ours, group)
    job.extend(until_s)
    try:
        await job.begun()
    except BaseException:
        # Refused by the system or cancelled by the caller: in either case nothing of it may stay behind.
        await asyncio.to_thread(job.kill)
        await job._reader
        raise
    return job


SIGNAL_SAVE = signal.SIGUSR1
"""The cooperative request of ``hooks.workload.control``."""
