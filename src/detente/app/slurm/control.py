"""The control directory of a job on a cluster: a user's folder that the pause, which is root's, writes into and reads from.

Decides when it is taken for a job's, and reaches it by an open handle: what its owner moves there meanwhile is not followed.
Leaves out the protocol (``spec/receipt.md``).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from detente.adapters.files import write_with_room
from detente.adapters.slurm import ClusterJob
from detente.app.slurm.gate import Gate
from detente.app.supervising import fetch_answer, fetch_checkpoint
from detente.base.errors import DetenteError, Unavailable
from detente.guard.receipt import PauseRequest, Receipt, encode_request

AT_ONCE_MAX = 16 << 20
"""Bytes, hashed in about 15 ms."""
LISTENING = "listening"
"""Put there by a job that will answer (``spec/receipt.md`` §2)."""


def run_name(job: str) -> str:
    """The run's name of a job, as ``task-prolog`` sets it."""
    return f"slurm-{job}"


@contextlib.contextmanager
def _opened(gate: Gate, job: str, user: int | None) -> Iterator[Path]:
    """The folder, through a handle; raises ``OSError`` where it is no folder of that user's."""
    handle = os.open(gate.jobs / job, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if user is not None and os.fstat(handle).st_uid not in {user, 0}:
            raise PermissionError(f"{gate.jobs / job} is another user's")
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def listens(gate: Gate, job: ClusterJob) -> bool:
    """Has this job said that it answers requests?"""
    try:
        with _opened(gate, job.id, job.user) as folder:
            return (folder / LISTENING).is_file()
    except OSError:
        return False


def ask(gate: Gate, job: ClusterJob, request: str) -> str:
    """Put the request there; returns why that failed, or nothing."""
    try:
        with _opened(gate, job.id, job.user) as folder:
            write_with_room(gate.room, lambda: _publish(folder / "pause", encode_request(PauseRequest(request))))
    except OSError as error:
        return f"cannot ask it: {error.strerror or error}"
    return ""


def withdraw(gate: Gate, job: str) -> None:
    """Take the request away: a job that starts with it there would stop at once."""
    with contextlib.suppress(OSError), _opened(gate, job, None) as folder:
        (folder / "pause").unlink(missing_ok=True)


def forget(gate: Gate, job: str) -> None:
    """The job has gone: the one that comes back under its number has yet to say that it listens."""
    with contextlib.suppress(OSError), _opened(gate, job, None) as folder:
        (folder / LISTENING).unlink(missing_ok=True)


def answered(gate: Gate, job: str) -> tuple[int, int] | None:
    """Which answer lies there, by inode and time of writing; ``None`` for none."""
    try:
        found = (gate.jobs / job / "receipt.json").lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def read_answer(gate: Gate, job: str, request: str, least_step: int) -> Receipt:
    """What the job says; refuses as ``fetch_answer``."""
    return fetch_answer(gate.jobs / job / "receipt.json", run_name(job), request, least_step)


class Hashing:
    """The checkpoint of one answer, hashed beside the pause: a large one takes minutes, and a job may name one without end."""

    def __init__(self, gate: Gate, job: str, receipt: Receipt) -> None:
        self.receipt = receipt
        self._beside = gate.jobs / job
        self._given_up = False
        self._refused: DetenteError | None = None
        self._thread: threading.Thread | None = None
        if receipt.size <= AT_ONCE_MAX:
            self._hash()  # Sooner done than a thread is started.
        else:
            self._thread = threading.Thread(target=self._hash, name=f"detente-hash-{job}", daemon=True)
            self._thread.start()

    @property
    def done(self) -> bool:
        return self._thread is None or not self._thread.is_alive()

    def give_up(self) -> None:
        self._given_up = True

    def check(self) -> None:
        """Raises what speaks against the answer, as ``fetch_checkpoint``; to be called when it is done."""
        if self._refused is not None:
            raise self._refused

    def _hash(self) -> None:
        try:
            fetch_checkpoint(self.receipt, self._beside, go_on=lambda: not self._given_up)
        except DetenteError as error:
            self._refused = error
        except OSError as error:
            self._refused = Unavailable(f"cannot hash {self.receipt.checkpoint}: {error.strerror}")


def _publish(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o644)  # The job is another user's.
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
