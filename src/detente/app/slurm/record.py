"""What a pause has done to which job, kept durably before it is done: so it can be continued after a kill, and lifted in reverse.

Decides the file's form. Leaves out what is done (``app.slurm.pausing``, ``app.slurm.lifting``). ``spec/slurm.md`` §4, U08 and U09.

>>> record = Record(request="00ff", phase="paused", jobs={"7": Treated("saved", step=3, checkpoint="ab")})
>>> parse_record(encode_record(record)) == record
True
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

from detente.adapters.files import store_file, write_with_room
from detente.app.slurm.gate import Gate
from detente.base.errors import Refused, Unavailable
from detente.base.strict_json import encode_json, parse_json

FORMAT: Final = "detente/slurm-pause/1"
RECORD_MAX = 64 * 2**20
"""About 150 bytes a job: more jobs than a controller holds."""
TURN_S = 60.0
"""A lift takes seconds; a pause that finds one under way waits for it, and no longer than this."""

Outcome = Literal["asked", "saved", "suspended", "ended", "failed"]
Phase = Literal["none", "pausing", "paused", "lifting"]
By = Literal["operator", "leave"]


@dataclass(frozen=True, slots=True)
class Treated:
    """What a job came to. ``step`` and ``checkpoint`` of the verified receipt, ``why`` for people.

    ``ordered``: of one that has failed, whether it was to be held as saved or to be suspended: it may come to that later.
    """

    outcome: Outcome
    step: int | None = None
    checkpoint: str = ""
    exact: bool | None = None
    why: str = ""
    ordered: Outcome | Literal[""] = ""

    @property
    def order(self) -> Outcome:
        """What it has come to, or was to come to."""
        return self.ordered or self.outcome

    def failed(self, why: str) -> Treated:
        """It could not be shown to have come to that."""
        ordered: Outcome = "saved" if self.order == "saved" else "suspended"
        return replace(self, outcome="failed", why=why, ordered=ordered)

    def again(self) -> Treated:
        """As it was ordered: another look will tell whether it has come to that."""
        return self if self.outcome != "failed" else replace(self, outcome=self.ordered or "suspended", ordered="")

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "step": self.step,
            "checkpoint": self.checkpoint,
            "exact": self.exact,
            "why": self.why,
            "ordered": self.ordered,
        }


@dataclass(slots=True)
class Record:
    """One pause of the cluster. ``request`` is what the jobs were asked under; ``by``: whose word it was."""

    request: str = ""
    phase: Phase = "none"
    by: By = "operator"
    jobs: dict[str, Treated] = field(default_factory=dict)

    def those(self, *outcomes: Outcome) -> list[str]:
        """The jobs that came to this."""
        return [job for job, treated in self.jobs.items() if treated.outcome in outcomes]


def encode_record(record: Record) -> bytes:
    """The bytes of ``paused.json``."""
    value = {
        "format": FORMAT,
        "request": record.request,
        "phase": record.phase,
        "by": record.by,
        "jobs": {job: treated.as_json() for job, treated in record.jobs.items()},
    }
    return encode_json(value) + b"\n"


def parse_record(data: bytes) -> Record:
    """The record that the file spells; refuses U08."""
    try:
        value: Any = parse_json(data, limit=RECORD_MAX)
        if value["format"] != FORMAT or value["phase"] not in get_args(Phase) or value["by"] not in get_args(By):
            raise KeyError("format, phase or by")
        return Record(
            request=str(value["request"]),
            phase=value["phase"],
            by=value["by"],
            jobs={str(job): _treated(each) for job, each in value["jobs"].items()},
        )
    except (Refused, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            "U08",
            "corrupt",
            got=f"paused.json: {error}",
            expected="what a pause has written",
            todo="`squeue` shows which jobs are held and suspended: release and resume them by hand once leave is there, then remove the file",
        ) from None


def _treated(value: Mapping[str, Any]) -> Treated:
    ordered = value.get("ordered", "")
    if value["outcome"] not in get_args(Outcome) or ordered not in {"", "saved", "suspended"}:
        raise KeyError("outcome or ordered")
    step, checkpoint, exact = value["step"], str(value["checkpoint"]), value["exact"]
    return Treated(value["outcome"], step, checkpoint, exact, str(value["why"]), ordered)


class RecordFile:
    """``paused.json`` of one gate, and the lock that lets one pause or lift at a time work on a cluster."""

    def __init__(self, gate: Gate) -> None:
        self._path = gate.folder / "paused.json"
        self._lock = gate.folder / "lock"
        self._room = gate.room

    def load(self) -> Record:
        """The record, an empty one where no pause has been; refuses U08."""
        try:
            data = self._path.read_bytes()[: RECORD_MAX + 1]
        except FileNotFoundError:
            return Record()
        except OSError as error:
            raise Unavailable(f"cannot read {self._path}: {error.strerror}") from None
        return parse_record(data)

    def store(self, record: Record) -> None:
        """Durable when it returns, on a full disk too where the gate kept room."""
        write_with_room(self._room, lambda: store_file(self._path, encode_record(record)))

    @contextlib.contextmanager
    def turn(self, within_s: float = TURN_S) -> Iterator[None]:
        """Be the one that works on this cluster; refuses U09 where another does not end."""
        try:
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"cannot open {self._lock}: {error.strerror}") from None
        try:
            end = time.monotonic() + within_s
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    if time.monotonic() > end:
                        raise Refused(
                            "U09",
                            "busy",
                            got="another pause or lift of this cluster",
                            expected="one at a time",
                            todo="wait for it, or end it: a pause that is started again goes on where it was",
                        ) from None
                    time.sleep(0.02)
                else:
                    break
            yield
        finally:
            os.close(handle)
