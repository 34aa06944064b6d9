"""The keeper: a small process between the guard and its job, so that no job outlives its guard or its leave.

Decides nothing but when leave has run out. The guard tells it over a socket until when, in seconds of CLOCK_BOOTTIME,
the job may exist; the keeper kills the whole tree

1. when that instant passes without a later one, so that a guard that hangs or is stopped cannot stretch it;
2. when the socket closes, so that a guard that was killed takes its job along;
3. when the guard says ``kill``.

It is the subreaper of everything below, so that a process that left its parent, its group or its session is found.
If the keeper itself is killed, the kernel kills the command (parent-death signal), and whatever else ran below falls to
the guard, the next subreaper, which kills it. Only killing both in the same instant, by somebody who may signal them,
leaves grandchildren alive where there is no control group: that is an owner who removes the guard, see
``docs/threat-model.md``.

Lines on the socket. To the keeper: ``until <seconds>`` (the first one starts the command), ``kill``.
From it: ``started <pid>``, ``failed <words>``, ``exited <status> <cpu seconds>``, ``lapsed``, ``empty <cpu seconds>``.

Standard library, ``adapters.process`` and ``adapters.freezer`` only: it starts in 30 ms, holds no key and opens no connection.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from detente.adapters.freezer import ControlGroup
from detente.adapters.process import Process, become_subreaper, die_with_parent, find_tree, kill_tree

LINE_MAX = 200
"""Bytes of one line from the guard. The longest is 30."""


class Keeper:
    """One command, its tree, and the instant up to which it may live."""

    def __init__(self, link: socket.socket, command: list[str], group: ControlGroup | None) -> None:
        self._link = link
        self._command = command
        self._group = group
        self._until: float | None = None
        self._pid: int | None = None
        self._buffer = b""
        self._ended = False
        self._killed = False

    def serve(self) -> None:
        """Run until the guard is gone or the tree is empty after the command was started."""
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
            # They are meant for the guard, which decides. Handled and not ignored: a job would inherit the latter.
            signal.signal(number, lambda *_: None)
        poller = select.poll()
        poller.register(self._link, select.POLLIN)
        poller.register(wake, select.POLLIN)
        while not self._ended:
            events = dict(poller.poll(self._wait_ms()))
            if wake in events:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
            self._reap()
            if self._link.fileno() in events:
                self._hear()
            if self._until is not None and _boottime_s() >= self._until and not self._killed:
                self._kill()
                self._say("lapsed")
            if (self._pid is not None or self._killed) and not self._tree():
                self._reap()
                self._say(f"empty {_cpu_s():.3f}")
                break

    def _wait_ms(self) -> int:
        if self._until is None or self._killed:
            return 1_000
        # At most a second: CLOCK_BOOTTIME runs on through a suspend, poll's own clock does not.
        return max(0, min(1_000, int((self._until - _boottime_s()) * 1_000) + 1))

    def _hear(self) -> None:
        try:
            data = self._link.recv(4096)
        except OSError:
            data = b""
        if not data:  # The guard is gone.
            self._kill()
            self._ended = True
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if len(self._buffer) > LINE_MAX:
            lines.append(b"kill")  # Nobody but the guard writes here; what cannot be understood restricts.
        for line in lines:
            word, _, rest = line.decode("ascii", "replace").partition(" ")
            if word == "until" and (until := _seconds(rest)) is not None:
                self._until = until
                if self._pid is None and not self._killed:
                    self._start()
            else:
                self._kill()

    def _start(self) -> None:
        if self._until is None or _boottime_s() >= self._until:
            return
        keeper = os.getpid()
        group = self._group

        def prepare() -> None:
            die_with_parent(keeper)
            if group is not None:
                group.add_self()

        try:
            job = subprocess.Popen(self._command, start_new_session=True, preexec_fn=prepare)  # noqa: PLW1509 - one thread
        except (OSError, subprocess.SubprocessError) as error:
            self._say(f"failed {error}")
            self._ended = True
            return
        self._pid = job.pid
        job.returncode = 0  # Reaped below with every other child, not by subprocess.
        self._say(f"started {job.pid}")

    def _tree(self) -> tuple[Process, ...]:
        found = {process.pid: process for process in find_tree(os.getpid())}
        if self._group is not None:
            found |= {process.pid: process for process in self._group.processes()}
        return tuple(found.values())

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._pid:
                self._say(f"exited {os.waitstatus_to_exitcode(status)} {_cpu_s():.3f}")

    def _kill(self) -> None:
        self._killed = True
        if self._group is not None:
            self._group.kill()
        kill_tree(self._tree, reap=self._reap)

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # A guard that is gone hears nothing, and the next read says so.
            self._link.sendall(text.replace("\n", " ").encode("utf-8", "replace") + b"\n")


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _boottime_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def main(arguments: list[str]) -> None:
    """``keeper SOCKET-FD CGROUP-PATH-OR-DASH COMMAND…``."""
    link = socket.socket(fileno=int(arguments[0]))
    link.set_inheritable(False)
    group = None if arguments[1] == "-" else ControlGroup(Path(arguments[1]))
    become_subreaper()
    Keeper(link, arguments[2:], group).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
