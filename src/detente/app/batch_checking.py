"""Many envelopes verified at once, on as many processors as there are.

Decides who checks which signature: parsing is done here, and whoever is free checks what was parsed. Leaves out what
verifying means (``statement``) and how a worker is spoken to (``adapters.signature_workers``).

- Every result is what ``verify_envelope`` says of that envelope, in the order of the envelopes.
- Workers are started by the first large batch, since starting one takes as long as checking a thousand signatures. Until they
  are ready, and without them, everything is done here.
- A worker that is gone is not missed and not started again: its envelopes are verified here.
- One batch uses the workers at a time; another that comes meanwhile is verified here.

Law 2: only ``verify_envelope`` builds what is verified. A worker answers for a key, a message and a signature, and an answer
counts only where exactly those would have been checked.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from detente.adapters.signature_workers import SignatureWorker, WorkerGone, fits
from detente.base.errors import Refused
from detente.statement.keys import EnrolledKeys
from detente.statement.signing import Tried
from detente.statement.statement import Claim, VerifiedStatement, first_trial, read_claim, verify_envelope

PART: Final = 16
"""Envelopes of one frame: some 2 ms of checking, so that nobody waits long for the last one."""
WORKERS_FROM: Final = 512
"""Envelopes of the batch that starts the workers."""
WORKERS_MAX: Final = 3
"""One process parses about four times as fast as one checks signatures."""
_LOG = logging.getLogger("detente.node")

Checked: TypeAlias = VerifiedStatement | Refused


class _Part:
    """Some envelopes of a batch: what they claim, and what was found."""

    __slots__ = ("claims", "found", "trials")

    def __init__(self, entries: Sequence[bytes], keys: EnrolledKeys) -> None:
        self.claims: list[Claim | Refused] = [_read(entry) for entry in entries]
        self.found: list[Checked] = []
        tried = (None if isinstance(claim, Refused) else first_trial(claim, keys) for claim in self.claims)
        self.trials = [None if trial is None or not fits(trial) else trial for trial in tried]

    def finish(self, keys: EnrolledKeys, answers: Sequence[bool] | None) -> None:
        """Verify, with the answers of a worker or without."""
        given = iter(answers) if answers is not None else None
        for claim, trial in zip(self.claims, self.trials, strict=True):
            tried = Tried(trial, next(given)) if trial is not None and given is not None else None
            self.found.append(claim if isinstance(claim, Refused) else _verify(claim, keys, tried))


class BatchChecking:
    """Verifies batches; ``close`` ends its workers."""

    def __init__(self, keys: EnrolledKeys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._workers: dict[SignatureWorker, deque[_Part]] = {}
        self._started = False

    def close(self) -> None:
        """End the workers. Nothing may be being checked."""
        for worker in self._workers:
            worker.close()
        self._workers = {}
        self._started = True

    def check(self, entries: Sequence[bytes]) -> list[Checked]:
        """What ``verify_envelope`` says of each; blocks until all are verified."""
        if not self._lock.acquire(blocking=False):
            return [check_one(entry, self._keys) for entry in entries]
        try:
            return self._check(entries)
        finally:
            self._lock.release()

    def _check(self, entries: Sequence[bytes]) -> list[Checked]:
        if not self._started and len(entries) >= WORKERS_FROM:
            self._start()
        parts: list[_Part] = []
        waiting: deque[_Part] = deque()
        for at in range(0, len(entries), PART):
            part = _Part(entries[at : at + PART], self._keys)
            parts.append(part)
            waiting.append(part)
            self._turn(waiting)
        while waiting:
            waiting.pop().finish(self._keys, None)  # The last: workers are given the first.
            self._turn(waiting)
        while any(self._workers.values()):
            self._turn(waiting, wait=True)
            while waiting:  # Left behind by a worker that is gone.
                waiting.pop().finish(self._keys, None)
        return [found for part in parts for found in part.found]

    def _start(self) -> None:
        self._started = True
        try:
            for _ in range(min(WORKERS_MAX, len(os.sched_getaffinity(0)) - 1)):
                self._workers[SignatureWorker()] = deque()
        except OSError as error:
            _LOG.warning("signatures are checked in this process alone: %s", error)

    def _turn(self, waiting: deque[_Part], *, wait: bool = False) -> None:
        """Take answers, and give every worker as much as it takes."""
        for worker, held in tuple(self._workers.items()):
            try:
                while held and (answers := worker.receive(wait=wait)) is not None:
                    held.popleft().finish(self._keys, answers)
                while waiting and worker.can_take():
                    part = waiting.popleft()
                    held.append(part)
                    worker.send([trial for trial in part.trials if trial is not None])
            except WorkerGone:
                _LOG.warning("a process that checks signatures is gone; they are checked in this one")
                del self._workers[worker]
                worker.close()
                waiting.extend(held)


def check_one(data: bytes, keys: EnrolledKeys) -> Checked:
    """Verify one envelope; the refusal is a value here, because a batch goes on."""
    try:
        return verify_envelope(data, keys)
    except Refused as refused:
        return refused


def _read(data: bytes) -> Claim | Refused:
    try:
        return read_claim(data)
    except Refused as refused:
        return refused


def _verify(claim: Claim, keys: EnrolledKeys, tried: Tried | None) -> Checked:
    try:
        return verify_envelope(claim, keys, tried=tried)
    except Refused as refused:
        return refused
