"""The job's side of the pause protocol: standard library only, for any plain training loop.

Decides when the loop should save and stop, and how slow it should go. Leaves out the save itself, and the decision
to pause: that is the supervisor's, ``detente guard -- COMMAND``, which sets two environment variables:

* ``DETENTE_RUN``: the name of the run, which goes into every answer;
* ``DETENTE_CONTROL_DIR``: a directory with five files, each published by atomic rename: ``listening`` (this job answers),
  ``pause`` (asked), ``receipt.json`` (answered), ``rate.json`` (the cap) and ``rate-kept.json`` (the cap that the job keeps to
  by itself).

Whatever cannot be read restricts: an unreadable request is still a request, an unreadable cap still holds the job.
Specification: ``spec/receipt.md`` §3. A loop needs four lines::

    control = Control.from_environment()
    for step in range(...):
        train_one_step()
        if request := control.pause_asked():
            control.acknowledge(request, save_and_describe())   # the members of a receipt
            sys.exit(EX_TEMPFAIL)

>>> control = Control(run="doctest", directory=None)
>>> control.pause_asked() is None
True
>>> control.interrupt()
>>> control.pause_asked()
Request(id='', then='exit')
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

EX_TEMPFAIL = 75
"""sysexits.h: saved and stopped, start me again later."""
POLL_S = 0.1
"""How often ``pause`` is looked for when no signal came: one attempt to open it, about 6 µs, in ten steps of 10 ms."""
HOLD_POLL_S = 0.02
_SMALL = 4_096
"""Bytes. The supervisor's files are below 200; more is not read."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to save and stop. ``id`` is empty when only a signal came or the file could not be read."""

    id: str
    then: str = "exit"


class Control:
    """The control directory of one run, seen from inside the job.

    Without a directory (a job started by hand) only SIGUSR1 pauses, and nobody is answered.
    """

    def __init__(self, *, run: str, directory: Path | None, poll_s: float = POLL_S) -> None:
        self.run = run
        self.directory = directory
        self._poll_s = poll_s
        self._signalled = False
        self._answered: str | None = None
        self._next_poll = 0.0
        self._rate_seen: tuple[int, int] | None = None
        self._fraction = 1.0
        self._cap: str | None = None
        self._kept: str | None = None

    @classmethod
    def from_environment(cls, run: str = "local") -> Control:
        """The control that the supervisor set up; installs the SIGUSR1 handler, so call it in the main thread."""
        directory = os.environ.get("DETENTE_CONTROL_DIR")
        control = cls(run=os.environ.get("DETENTE_RUN") or run, directory=Path(directory) if directory else None)
        signal.signal(signal.SIGUSR1, control._on_signal)
        control.announce()
        return control

    def announce(self) -> None:
        """Say that this job answers: a scheduler stops what does not say so at once, since it has nothing to wait for.

        A directory that takes no file is one that takes no answer either.
        """
        if self.directory is not None:
            with contextlib.suppress(OSError):
                write_durably(self.directory / "listening", f"{os.getpid()}\n".encode())

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True

    def interrupt(self) -> None:
        """Ask for a pause from inside the program, as SIGUSR1 does from outside."""
        self._signalled = True

    def pause_asked(self) -> Request | None:
        """The request that is open now, or ``None``. About 0.1 µs, and one look at the file every ``POLL_S`` seconds."""
        if not self._signalled:
            now = time.monotonic()
            if now < self._next_poll:
                return None
            self._next_poll = now + self._poll_s
        # Cleared before the file is read: a signal that comes meanwhile speaks of a newer file.
        signalled, self._signalled = self._signalled, False
        request = self._read_request()
        if request is None:
            return Request("") if signalled else None
        if request.id and request.id == self._answered:
            return None  # A signal that repeats an answered request asks nothing new.
        return request

    def open_request(self) -> Request:
        """The request that the file holds now, whether or not it was seen before; without a readable file, no name.

        For a job of several processes, where another rank may have noticed the pause first.
        """
        return self._read_request() or Request("")

    def acknowledge(self, request: Request, receipt: Mapping[str, Any]) -> None:
        """Publish ``receipt`` (the members of a checkpoint receipt) as the answer to ``request``, durably.

        Call it after the checkpoint is durable, never before. Raises ``OSError`` when the disk refuses.
        """
        self._answered = request.id
        if self.directory is None:
            return
        answer = dict(receipt)
        if request.id:
            answer["request"] = request.id
        write_durably(self.directory / "receipt.json", json.dumps(answer, sort_keys=True).encode() + b"\n")

    def hold_until_lifted(self, request: Request) -> None:
        """Stay at this step, idle, until ``pause`` is gone or asks something else. Without a file, return at once."""
        while request.id and (now := self._read_request()) is not None and now.id in ("", request.id):
            time.sleep(HOLD_POLL_S)

    def throttle(self, step_seconds: float) -> float:
        """Sleep so that computing takes no more than the capped fraction of time; returns the seconds slept.

        At fraction f a step of s seconds is followed by s·(1/f − 1) seconds of sleep; at 0 the job holds. A pause
        request or a new cap ends the sleep early. Pass the seconds that the step itself took.
        """
        began = time.monotonic()
        while True:
            fraction = self._read_fraction()
            self.keep_rate()
            target = step_seconds * (1.0 / fraction - 1.0) if fraction > 0 else float("inf")
            left = target - (time.monotonic() - began)
            if left <= 0 or self.is_asked():
                return time.monotonic() - began
            time.sleep(min(left, HOLD_POLL_S))

    def keep_rate(self) -> None:
        """Say that the job keeps to the cap last read, once for each cap: one that does not say so is frozen from outside.

        Call it only where the job really rests, as ``throttle`` does. What the disk refuses was not said.
        """
        if self.directory is None or self._cap is None or self._cap == self._kept:
            return
        with contextlib.suppress(OSError):
            write_durably(self.directory / "rate-kept.json", json.dumps({"fraction": self._cap}).encode() + b"\n")
            self._kept = self._cap

    def is_asked(self) -> bool:
        """Is a request open? Answers without taking note of it, unlike ``pause_asked``."""
        if self._signalled:
            return True
        request = self._read_request()
        return request is not None and (not request.id or request.id != self._answered)

    def _read_request(self) -> Request | None:
        data = self._read("pause")
        if data is None:
            return None
        try:
            value = json.loads(data)
            request, then = value["request"], value.get("then", "exit")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return Request("")
        if not isinstance(request, str) or then not in ("exit", "hold"):
            return Request("")
        return Request(request, then)

    def _read_fraction(self) -> float:
        if self.directory is None:
            return 1.0
        try:
            found = (self.directory / "rate.json").stat()
        except FileNotFoundError:
            self._rate_seen, self._fraction, self._cap = None, 1.0, None
            return 1.0
        except OSError:
            return 0.0
        seen = (found.st_ino, found.st_mtime_ns)
        if seen != self._rate_seen:
            self._fraction, self._cap = _fraction(self._read("rate.json"))
            self._rate_seen = seen
        return self._fraction

    def _read(self, name: str) -> bytes | None:
        """The file's bytes; ``None`` when it is not there, empty (which parses as nothing) when it cannot be read."""
        if self.directory is None:
            return None
        try:
            with (self.directory / name).open("rb") as file:
                return file.read(_SMALL)
        except FileNotFoundError:
            return None
        except OSError:
            return b""


def kept_name(run: str) -> str:
    """The name under which the receipts beside checkpoints stand: a supervisor's for its job, else ``run``, the job's own.

    A scheduler's number is none: a job that is submitted again has another, and goes on from the same checkpoints.
    """
    given = os.environ.get("DETENTE_RUN")
    return run if not given or given == f"slurm-{os.environ.get('SLURM_JOB_ID')}" else given


def _fraction(data: bytes | None) -> tuple[float, str | None]:
    """The cap as a number and as it is spelt; a cap that cannot be read is 0, and there is nothing to say of it."""
    try:
        text = json.loads(data or b"")["fraction"]
        fraction = float(text)
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0.0, None
    if not 0.0 <= fraction <= 1.0:
        return 0.0, None
    return fraction, text if isinstance(text, str) else None


def write_durably(path: Path, data: bytes, *, pause_s: float = 0.0, piece: int = 1 << 16) -> None:
    """Write ``path`` so that a crash leaves the old file or the new one: temporary file, fsync, rename, fsync.

    ``pause_s`` sleeps after each ``piece`` of bytes, which makes a slow disk for tests of crashes in mid-save.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for start in range(0, len(data), piece):
                file.write(data[start : start + piece])
                if pause_s:
                    file.flush()
                    time.sleep(pause_s)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames within ``directory`` durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
