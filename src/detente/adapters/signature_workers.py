"""Processes that check signatures beside this one: the pinned verifier holds the interpreter's lock, so threads gain nothing.

Decides how trials travel and what becomes of a worker that is late, gone or wrong. Leaves out which trials are made and what
they mean (``statement``), and who does what (``app.batch_checking``). A worker knows no key but those it is handed and keeps
nothing; it runs ``verify_ed25519``, the one verifier that this process runs too.

- A worker ends when its socket closes, so it does not outlive a process that was killed.
- One that does not answer within ``PATIENCE_S``, or answers anything but yes and no, is ended; its trials are made here.

On the wire, over a socket pair: to the worker, frames of a count and a length (4 bytes each) and the trials, each a key of 32
bytes, a signature of 64, a length of 4 and the message; from it, one byte once it is ready, and one for each trial.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from typing import Final

from detente.base.errors import Unavailable
from detente.base.identity import PublicKey
from detente.statement.signing import Trial, try_ed25519

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
PATIENCE_S: Final = 10.0
"""A frame is some milliseconds of work; a worker that needs seconds is stopped or gone."""
FRAMES_MAX: Final = 2
"""Frames that a worker holds: one in work, one waiting, so that it need never wait for us."""
READY: Final = 2
_FRAME: Final = struct.Struct(">II")
_LENGTH: Final = struct.Struct(">I")


def fits(trial: Trial) -> bool:
    """Can it travel? What cannot is refused by any verifier, and is tried here."""
    return len(trial.key) == KEY_BYTES and len(trial.signature) == SIGNATURE_BYTES


class WorkerGone(Unavailable):
    """The worker ended, or is not to be trusted with more."""

    def __init__(self) -> None:
        super().__init__("a process that checks signatures is gone")


class SignatureWorker:
    """One process that checks signatures. Frames are answered in the order in which they were sent."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE_S)
        with theirs:
            try:
                # -P: the modules that this process runs, not what lies in the working folder.
                command = [sys.executable, "-P", "-m", "detente.adapters.signature_workers"]
                self._process = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
            except BaseException:
                ours.close()
                raise
        self._socket = ours
        self._readable = select.poll()
        self._readable.register(ours, select.POLLIN)
        self._ready = False
        self._sizes: deque[int] = deque()
        self._answers = bytearray()

    def can_take(self) -> bool:
        """Is it ready, with room for another frame? Never waits."""
        if not self._ready and self._readable.poll(0):
            if self._receive(1) != bytes((READY,)):
                raise WorkerGone
            self._ready = True
        return self._ready and len(self._sizes) < FRAMES_MAX

    def send(self, trials: Sequence[Trial]) -> None:
        """Hand over one frame, of trials that ``fits``; raises ``WorkerGone``."""
        parts = [part for key, message, sig in trials for part in (key, sig, _LENGTH.pack(len(message)), message)]
        frame = b"".join(parts)
        try:
            self._socket.sendall(_FRAME.pack(len(trials), len(frame)) + frame)
        except OSError as error:
            raise WorkerGone from error
        self._sizes.append(len(trials))

    def receive(self, *, wait: bool) -> list[bool] | None:
        """The answers to the oldest frame; None when there are none, or none yet. Raises ``WorkerGone``."""
        if not self._sizes:
            return None
        size = self._sizes[0]
        while len(self._answers) < size:
            if not wait and not self._readable.poll(0):
                return None
            self._answers += self._receive(size - len(self._answers))
        answers, self._answers = self._answers, bytearray()
        self._sizes.popleft()
        if answers.strip(b"\0\1"):
            raise WorkerGone
        return [answer == 1 for answer in answers]

    def _receive(self, most: int) -> bytes:
        try:
            found = self._socket.recv(most)
        except OSError as error:
            raise WorkerGone from error
        if not found:
            raise WorkerGone
        return found

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.terminate()
        self._process.wait()


def serve(link: socket.socket) -> None:
    """What a worker does, until the socket closes."""
    link.sendall(bytes((READY,)))
    with link.makefile("rb") as stream:
        while len(head := stream.read(_FRAME.size)) == _FRAME.size:
            count, length = _FRAME.unpack(head)
            frame, at, answers = stream.read(length), 0, bytearray()
            for _ in range(count):
                key, at = PublicKey(frame[at : at + KEY_BYTES]), at + KEY_BYTES
                signature, at = frame[at : at + SIGNATURE_BYTES], at + SIGNATURE_BYTES
                (size,), at = _LENGTH.unpack_from(frame, at), at + _LENGTH.size
                answers.append(try_ed25519(Trial(key, frame[at : at + size], signature)))
                at += size
            link.sendall(answers)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # An interrupt is for the process that we work for.
    with contextlib.suppress(OSError), socket.socket(fileno=0) as ours:
        serve(ours)
