"""Observe mode: what a guard would have done, beside a job that is not touched. Nothing here is enforced.

Decides what is recorded and how a command is run without changing anything for it: no session of its own, no signal, no
environment but one variable that only ``hooks.loop`` reads. Leaves out what would have been done: that is
``guard.supervise`` with ``observe``, fed with the same events as an enforcing guard.

The record is ``<home>/observe.jsonl``, one JSON object a line, each with ``"enforced": false``. Observation that fails,
for want of a disk or of an issuer, is recorded as far as possible and never stops the job.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from detente.adapters.process import Process, find_tree
from detente.app.guarding import Clock, Leave
from detente.base.errors import Unavailable
from detente.guard.supervise import (
    AskCheckpoint,
    PermitHeld,
    Rules,
    StartJob,
    StopOrdered,
    Supervisor,
    WouldHave,
    begin,
    step,
)

RECORD = "observe.jsonl"
SAMPLE_S = 0.5
PROPOSALS_MAX = 2**20
"""Bytes of one process's proposals that are read; a line is at most some hundred."""
_STEPS = struct.Struct("=4d")


@dataclass(frozen=True, slots=True)
class Would:
    """One thing that an enforcing guard would have done, ``at_s`` seconds after the start."""

    at_s: float
    what: str
    why: str

    def as_json(self) -> dict[str, Any]:
        return {"at_s": round(self.at_s, 3), "what": self.what, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Steps that loops with ``g.step()`` counted; gaps in seconds."""

    count: int = 0
    mean_gap_s: float = 0.0
    longest_gap_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen of one job, and what would have been done. Not enforced."""

    command: tuple[str, ...]
    exit_code: int
    wall_s: float
    cpu_s: float
    processes_most: int
    steps: Steps
    permits: int
    would: tuple[Would, ...]
    troubles: tuple[str, ...]
    record: Path

    def as_json(self) -> dict[str, Any]:
        return {
            "enforced": False,
            "command": list(self.command),
            "exit_code": self.exit_code,
            "wall_s": round(self.wall_s, 3),
            "cpu_s": round(self.cpu_s, 3),
            "processes_most": self.processes_most,
            "steps": {
                "count": self.steps.count,
                "mean_gap_s": round(self.steps.mean_gap_s, 6),
                "longest_gap_s": round(self.steps.longest_gap_s, 6),
            },
            "permits": self.permits,
            "would_have": [each.as_json() for each in self.would],
            "troubles": list(self.troubles),
            "record": str(self.record),
        }


class Observer:
    """Takes what happens, keeps the record, and says at the end what it comes to."""

    def __init__(self, home: Path, *, command: Sequence[str], clock: Clock, halt_within_s: float) -> None:
        self._clock = clock
        self._command = tuple(command)
        self._began_s = clock.boottime_s()
        self._machine, _ = begin(Rules(halt_within_s=halt_within_s, observe=True))
        self._would: list[Would] = []
        self._troubles: list[str] = []
        self._permits = 0
        self._steps = [0.0, 0.0, 0.0, 0.0]
        self.record = home / RECORD
        self.processes_most = 1
        self.write("started", command=list(self._command))

    @property
    def began_s(self) -> float:
        """When observing began, in seconds of CLOCK_BOOTTIME."""
        return self._began_s

    @property
    def machine(self) -> Supervisor:
        """The shadow of the supervisor that is not there."""
        return self._machine

    def leave_changed(self, leave: Leave) -> None:
        """Feed the shadow what an enforcing guard would have heard."""
        now_s = self._clock.boottime_s()
        if leave.given:
            self._permits += 1
            self._machine, actions = step(self._machine, PermitHeld(now_s, leave.epoch, leave.rate))
        elif leave.why != "none":
            order = StopOrdered(now_s, "lapse" if leave.why == "lapse" else "pause")
            self._machine, actions = step(self._machine, order)
        elif leave.held_by == ("no answer",):
            self.trouble(f"no answer: {_why(leave)}")
            return
        elif leave.held_by and leave.held_by != ("declaration",) and not self._permits:
            self._note(Would(now_s - self._began_s, "not started the job", _why(leave)))
            return
        else:
            return
        for action in actions:
            if isinstance(action, WouldHave):
                self._would_have(action, leave)

    def stepped(self) -> None:
        """A loop in this process made a step."""
        now = self._clock.boottime_s()
        if self._steps[0]:
            self._steps[3] = max(self._steps[3], now - self._steps[2])
        else:
            self._steps[1] = now
        self._steps[2] = now
        self._steps[0] += 1

    def proposed(self, summary: str, *, at_s: float | None = None) -> None:
        """A loop came to where it proposes a change; ``at_s`` after the start, by default now."""
        what = "filed a proposal, and waited if a hold point of the terms holds it"
        when_s = self._clock.boottime_s() - self._began_s if at_s is None else at_s
        self._note(Would(when_s, what, summary or "no summary"))

    def trouble(self, text: str) -> None:
        """Something could not be observed. Said once, however often it happens."""
        if text in self._troubles:
            return
        self._troubles.append(text)
        self.write("trouble", text=text)

    def ended(self, code: int, *, cpu_s: float = 0.0, steps: Steps | None = None) -> Observation:
        """The job has ended; the last line of the record."""
        count, first, last, longest = self._steps
        own = Steps(
            count=int(count), mean_gap_s=(last - first) / (count - 1) if count > 1 else 0.0, longest_gap_s=longest
        )
        observation = Observation(
            command=self._command,
            exit_code=code,
            wall_s=self._clock.boottime_s() - self._began_s,
            cpu_s=cpu_s,
            processes_most=self.processes_most,
            steps=steps or own,
            permits=self._permits,
            would=tuple(self._would),
            troubles=tuple(self._troubles),
            record=self.record,
        )
        self.write("ended", **{name: value for name, value in observation.as_json().items() if name != "enforced"})
        return observation

    def write(self, event: str, **about: Any) -> None:
        """Append one line; a record that cannot be written must not stop the job."""
        at_s = round(self._clock.boottime_s() - self._began_s, 3)
        line = json.dumps({"event": event, "at_s": at_s, "enforced": False, **about}, sort_keys=True)
        try:
            with self.record.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            unwritten = f"cannot write {self.record}: {error.strerror}"
            if unwritten not in self._troubles:
                self._troubles.append(unwritten)

    def _would_have(self, would: WouldHave, leave: Leave) -> None:
        at_s = would.now_s - self._began_s
        match would.action:
            case AskCheckpoint(_, deadline_s):
                within = deadline_s - would.now_s
                self._note(
                    Would(at_s, f"asked for a checkpoint and stopped the job, within {within:.0f} s", _why(leave))
                )
            case StartJob():
                self._note(Would(at_s, "let the job go on from that checkpoint", "a new permit"))
            case _ if leave.given and leave.rate < Decimal(1):
                self._note(Would(at_s, f"slowed the job to {leave.rate} of its speed", _why(leave)))
            case _:
                pass

    def _note(self, would: Would) -> None:
        if not self._would or (self._would[-1].what, self._would[-1].why) != (would.what, would.why):
            self._would.append(would)
            self.write("would have", what=would.what, why=would.why)


def _why(leave: Leave) -> str:
    return "; ".join(dict.fromkeys(reason.text for reason in leave.reasons)) or ", ".join(leave.held_by) or "the terms"


async def run_observed(
    command: Sequence[str], observer: Observer, *, environment: Mapping[str, str] | None = None
) -> Observation:
    """Run ``command`` as if nobody were there, and observe it; raises ``Unavailable`` when it cannot be started.

    Signals of the terminal reach the job by themselves, being in the same group; SIGTERM and SIGHUP are passed on.
    """
    with tempfile.TemporaryDirectory(prefix="detente-observe-") as place:
        before = _children_cpu_s()
        try:
            job = await asyncio.create_subprocess_exec(
                *command, env={**(os.environ if environment is None else environment), "DETENTE_OBSERVE_DIR": place}
            )
        except OSError as error:
            raise Unavailable(f"cannot start {command[0]}: {error.strerror}") from None
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _passer(job, number))
        sampling = asyncio.create_task(_sample(observer))
        try:
            status = await job.wait()
        finally:
            sampling.cancel()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
        code = 128 - status if status < 0 else status
        for boottime_s, summary in read_proposals(Path(place)):
            observer.proposed(summary, at_s=max(0.0, boottime_s - observer.began_s))
        return observer.ended(code, cpu_s=_children_cpu_s() - before, steps=read_steps(Path(place)))


def read_steps(place: Path) -> Steps:
    """What the loops below the job left: counts are added, the longest gap is the longest of any."""
    count, mean, longest = 0, 0.0, 0.0
    for path in sorted(place.glob("*.steps")):
        try:
            steps, first_s, last_s, gap_s = _STEPS.unpack(path.read_bytes())
        except (OSError, struct.error):
            continue
        count += int(steps)
        longest = max(longest, gap_s)
        mean = max(mean, (last_s - first_s) / (steps - 1) if steps > 1 else 0.0)
    return Steps(count=count, mean_gap_s=mean, longest_gap_s=longest)


def read_proposals(place: Path) -> list[tuple[float, str]]:
    """What the loops below the job would have proposed: when (CLOCK_BOOTTIME) and its summary, in order, 1,000 at most."""
    found: list[tuple[float, str]] = []
    for path in sorted(place.glob("*.proposals")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            with path.open("rb") as file:
                lines = file.read(PROPOSALS_MAX).decode("utf-8").splitlines()
            found += [(float(said["boottime_s"]), str(said["summary"])) for said in map(json.loads, lines)]
    return sorted(found)[:1_000]


def _passer(job: asyncio.subprocess.Process, number: int) -> Callable[[], None]:
    def send() -> None:
        with contextlib.suppress(ProcessLookupError):
            job.send_signal(number)

    return send


async def _sample(observer: Observer) -> None:
    while True:
        tree: tuple[Process, ...] = await asyncio.to_thread(find_tree, os.getpid())
        observer.processes_most = max(observer.processes_most, len(tree))
        await asyncio.sleep(SAMPLE_S)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
