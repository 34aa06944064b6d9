"""A guard with four issuers in this process and a real job below it: what the tests of supervision share."""

import asyncio
import os
import random
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from detente.adapters.clock import SystemClock
from detente.adapters.rundir import GuardMemory, RunFolder
from detente.app.guarding import GuardSession
from detente.app.petition import Petitioner, Speaker
from detente.app.supervising import Supervision, Task
from detente.base.errors import Unavailable
from detente.guard.supervise import Rules
from detente.statement.envelope import parse_envelope
from detente.statement.statement import parse_statement
from tests.integration.guard_issuers import Issuers
from tests.unit.guard import messages as m

TINY = ["--context", "8", "--embedding", "8", "--hidden", "32", "--depth", "1", "--batch", "32", "--report-every", "0"]


def train(out: Path, *more: str, steps: int = 400) -> list[str]:
    """A real training job, small enough to finish in a second."""
    return [
        sys.executable, "-m", "detente.hooks.workload.bytes_lm", "--out", str(out), "--steps", str(steps), *TINY, *more
    ]  # fmt: skip


def step_of(checkpoint: Path) -> int:
    """The step that a checkpoint's name tells: ``step-000000020.ckpt``."""
    return int(checkpoint.stem.removeprefix("step-"))


class Node:
    """Where statements go: kept in the order they came, or refused while the network is down."""

    def __init__(self) -> None:
        self.filed: list = []
        self.reachable = True

    async def submit(self, envelope: bytes) -> None:
        if not self.reachable:
            raise Unavailable("the network is down")
        self.filed.append(parse_statement(parse_envelope(envelope)))

    @property
    def kinds(self) -> list[str]:
        return [statement.kind for statement in self.filed]

    def bodies(self, kind: str) -> list:
        return [statement.body for statement in self.filed if statement.kind == kind]


class Bench:
    """One supervised command. ``life_s`` of its permits, ``halt_within_s`` of the terms."""

    def __init__(
        self,
        place: Path,
        command: list[str],
        *,
        life_s: int = 60,
        halt_within_s: float = 40.0,
        hold: bool = False,
        still_after_s: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.issuers = Issuers(life_s)
        self.node = Node()
        self.said: list[str] = []
        self.clock = SystemClock()
        self.folder = RunFolder(place / "home", "run")
        self.folder.take()
        speaker = Speaker(accord=m.ACCORD, terms_version=1, party=m.DEV, signer=m.GUARD, wall=self.clock.now)
        self.petitioner = Petitioner(speaker, self.folder, self.node)
        self.supervision = Supervision(
            task=Task(
                command=command,
                run=m.RUN,
                name="run",
                environment=os.environ if environment is None else {**os.environ, **environment},
            ),
            rules=Rules(halt_within_s=halt_within_s, freeze_s=0.5, hold=hold, still_after_s=still_after_s),
            folder=self.folder,
            petitioner=self.petitioner,
            clock=self.clock,
            report=self.said.append,
        )
        self.session = GuardSession(
            intent=m.INTENT,
            terms=m.TERMS,
            trust=m.TRUST,
            signer=m.GUARD,
            channel=self.issuers,
            clock=self.clock,
            memory=GuardMemory(self.folder),
            entropy=random.Random(7),
            on_change=self.supervision.heed,
        )

    async def __aenter__(self) -> Self:
        self.tasks = [asyncio.create_task(self.session.run()), asyncio.create_task(self.petitioner.keep_delivering())]
        self.code = asyncio.create_task(self.supervision.run())
        return self

    async def __aexit__(self, *_error) -> None:
        for task in (*self.tasks, self.code):
            task.cancel()
        await asyncio.gather(*self.tasks, self.code, return_exceptions=True)
        self.folder.release()

    async def until(self, condition, within_s: float = 40.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"it did not come about; the guard said {self.said}"
            await asyncio.sleep(0.01)

    async def started(self) -> None:
        await self.until(lambda: self.supervision.job is not None and self.supervision.job.processes())

    async def trained(self, out: Path, *, beyond: int = 0) -> None:
        """Until the job has saved a checkpoint of its own accord, of a step after ``beyond``: start it with
        ``--checkpoint-every``.
        """
        await self.until(lambda: any(step_of(path) > beyond for path in (out / "checkpoints").glob("*.ckpt")))

    def pids(self) -> list[int]:
        return [process.pid for process in self.supervision.job.processes()] if self.supervision.job else []

    def pause(self) -> None:
        """What issuers do when a pause has latched: deny, and push their notices."""
        self.issuers.deny()

    def lift(self) -> None:
        self.issuers.allow()
