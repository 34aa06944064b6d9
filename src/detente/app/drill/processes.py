"""The drill's processes: every party, job and inspector is one, started, watched and ended by its id.

Only processes that were started here are ever signalled. Output goes to one file each, so that a failed drill can
be read afterwards.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from detente.adapters.process import read_process
from detente.base.errors import Unavailable


@dataclass(slots=True)
class Running:
    """A process of the drill: its name, handle and output file."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """The process id."""
        return self.popen.pid

    @property
    def alive(self) -> bool:
        """Has it not ended yet?"""
        return self.popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to this process alone; an ended one is left alone."""
        if self.alive:
            self.popen.send_signal(number)

    def wait(self, timeout_s: float) -> int:
        """Its exit code; raises ``Unavailable`` with the end of its output if it does not end in time."""
        try:
            return self.popen.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"{self.name} did not end within {timeout_s:.0f} s; its last words: {self.tail()}"
            ) from None

    def tail(self, characters: int = 600) -> str:
        """The last of what it printed."""
        with suppress(OSError):
            return self.log.read_text(errors="replace")[-characters:].strip()
        return ""


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Handle SIGINT and SIGTERM at the end of the block. A mask would be inherited by the process that is started."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Handlers run in the main thread alone.
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda given, _: came.append(given))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


class Processes:
    """Everything this drill started, in order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._all: list[Running] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        given: Path | None = None,
    ) -> Running:
        """Start ``python -m <arguments>`` in a session of its own; ``given`` is a file for its standard input."""
        log = self._logs / f"{name.replace(' ', '-')}.log"
        with (
            log.open("ab") as output,
            Path(given or os.devnull).open("rb") as standard_input,
            _undisturbed(),  # a process that was started and is not in the list yet would stay behind
        ):
            popen = subprocess.Popen(  # our own interpreter and modules
                [sys.executable, "-m", *arguments],
                stdin=standard_input,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
            running = Running(name, popen, log)
            self._all.append(running)
        return running

    def end_all(self) -> None:
        """End what still runs: ask, wait two seconds, then kill the session that we made for it."""
        for running in reversed(self._all):
            running.signal(signal.SIGCONT)
            running.signal(signal.SIGTERM)
        deadline = time.monotonic() + 2
        for running in self._all:
            with suppress(subprocess.TimeoutExpired):
                running.popen.wait(timeout=max(0.0, deadline - time.monotonic()))
        for running in self._all:
            # The session outlives its leader when a job left children; its id is still ours.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(running.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                running.popen.wait(timeout=5)


def cpu_seconds(pid: int) -> float | None:
    """User and system time of one process so far, in seconds, from ``/proc``; ``None`` when it is gone."""
    process = read_process(pid)
    return process.cpu_s if process is not None and process.alive else None
