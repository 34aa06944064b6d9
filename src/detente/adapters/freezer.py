"""Freezers of the kernel: a control group of our own, whose processes are frozen as one, forks included.

Decides which kind this host has, and when all of a group is seen frozen. Leaves out groups that no kernel keeps, which signals
stop (``adapters.process``), and when to freeze (``guard.supervise``).

- Version 2 (``cgroup.freeze``) is preferred: it also kills as one, and a frozen process can be killed. In version 1 (the controller
  ``freezer``) a frozen process dies when it is thawed, so killing thaws.
- Frozen is what the kernel says of the whole group; a write that it took is no answer.

Source: the kernel's documentation, *Control Group v2* (``cgroup.freeze``, ``cgroup.events``, ``cgroup.kill``) and *Cgroup Freezer* (v1).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from detente.adapters.process import Process, read_process, send_signal

POLL_S = 0.0005


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """A control group of our own; the version is what its folder shows."""

    path: Path

    @property
    def version(self) -> int:
        """2, or 1: the controller ``freezer`` alone."""
        return 1 if (self.path / "freezer.state").exists() else 2

    def add_self(self) -> None:
        """Put the calling process, and so all that it will start, into the group."""
        (self.path / "cgroup.procs").write_text("0", "ascii")

    def processes(self) -> tuple[Process, ...]:
        try:
            pids = (self.path / "cgroup.procs").read_text("ascii").split()
        except OSError:
            return ()
        found = (read_process(int(pid)) for pid in pids if pid != "0")
        return tuple(process for process in found if process is not None and process.alive)

    def freeze(self, *, patience_s: float = 2.0) -> bool:
        """Freeze all of it; true when the kernel says that it is frozen."""
        first = self.version == 1
        with contextlib.suppress(OSError):
            until = time.monotonic() + patience_s
            while True:
                # Version 1 stays at FREEZING while one is late: it is told again each time, as its documentation says.
                self._tell(frozen=True)
                if self._is_frozen(first=first):
                    return True
                if time.monotonic() > until:
                    return False
                time.sleep(POLL_S)
        return False

    def thaw(self) -> None:
        with contextlib.suppress(OSError):
            self._tell(frozen=False)

    def kill(self) -> bool:
        """Kill all of it in one step (version 2, Linux 5.14), or one by one (version 1); false where that cannot be."""
        if self.version == 1:
            for process in self.processes():
                send_signal(process, signal.SIGKILL)
            self.thaw()
            return True
        try:
            (self.path / "cgroup.kill").write_text("1", "ascii")
        except OSError:
            return False
        return True

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _tell(self, *, frozen: bool) -> None:
        if self.version == 1:
            (self.path / "freezer.state").write_text("FROZEN" if frozen else "THAWED", "ascii")
        else:
            (self.path / "cgroup.freeze").write_text("1" if frozen else "0", "ascii")

    def _is_frozen(self, *, first: bool) -> bool:
        if first:
            return (self.path / "freezer.state").read_text("ascii").strip() == "FROZEN"
        return "frozen 1" in (self.path / "cgroup.events").read_text("ascii")


def make_control_group(name: str, environment: Mapping[str, str] = os.environ) -> ControlGroup | None:
    """A new group below our own, or ``None`` where we may not make one (then signals do the work).

    ``DETENTE_CGROUP=off`` turns it off, ``v1`` and ``v2`` choose, for tests of each path and for hosts that dislike one.
    """
    wanted = environment.get("DETENTE_CGROUP", "")
    if wanted == "off":
        return None
    for version, parent in _parents():
        if wanted in {"v1", "v2"} and wanted != version:
            continue
        group = ControlGroup(parent / name)
        try:
            group.path.mkdir()
        except OSError:
            continue
        switch = "freezer.state" if version == "v1" else "cgroup.freeze"
        if all(os.access(group.path / each, os.W_OK) for each in ("cgroup.procs", switch)):
            return group
        group.remove()
    return None


def _parents() -> Iterator[tuple[str, Path]]:
    """The folders of our own groups, version 2 first."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
        own = Path("/proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for version, sign in (("v2", " - cgroup2 "), ("v1", " - cgroup ")):
        for line in mounts:
            if sign in line and (version == "v2" or "freezer" in line.rsplit(" ", 1)[1].split(",")):
                for entry in own:
                    number, controllers, place = entry.split(":", 2)
                    if (number == "0" and not controllers) if version == "v2" else "freezer" in controllers.split(","):
                        yield version, Path(line.split()[4] + place.rstrip("/"))
