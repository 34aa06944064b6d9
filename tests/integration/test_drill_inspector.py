"""The inspector reads what processes do, not what anybody says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detente.app.drill.inspector import BURNING, read_facility
from detente.app.drill.processes import Processes, cpu_seconds
from detente.base.errors import Unavailable

BURN = "import time; end = time.time() + 20\nwhile time.time() < end: pass"
LEADERLESS = f"import ctypes, threading\nthreading.Thread(target=lambda: exec({BURN!r})).start()\nctypes.CDLL(None).pthread_exit(None)"
IDLE = "import time; time.sleep(20)"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path / "output")
    yield processes
    processes.end_all()


def start(processes: Processes, name: str, program: str, place: Path) -> int:
    place.mkdir(parents=True)
    script = place / "job.py"
    script.write_text(program)
    running = processes.start(name, [script.stem], cwd=place)
    deadline = time.monotonic() + 10
    while cpu_seconds(running.pid) is None and time.monotonic() < deadline:
        pass
    return running.pid


def test_a_job_that_burns_is_seen_and_one_that_waits_is_not_accused(processes: Processes, tmp_path: Path) -> None:
    """The measure is CPU time of the processes whose working directory lies in the facility."""
    facility = tmp_path / "facility"
    burning = start(processes, "burning", BURN, facility / "train")
    start(processes, "idle", IDLE, facility / "loop")
    start(processes, "elsewhere", BURN, tmp_path / "elsewhere" / "train")
    readings = {reading.pid: reading for reading in read_facility(facility, 0.6)}
    assert {reading.job for reading in readings.values() if reading.share > BURNING} == {"train"}
    assert readings[burning].share > 0.2
    assert len(readings) == 2


def test_a_job_whose_first_thread_has_ended_is_seen_like_any_other(processes: Processes, tmp_path: Path) -> None:
    """It looks like a zombie in `/proc`, which has no folder to work in; its threads have."""
    burning = start(processes, "burning", LEADERLESS, tmp_path / "facility" / "train")
    deadline = time.monotonic() + 60
    while "Z" not in Path(f"/proc/{burning}/stat").read_text().rpartition(") ")[2][:1]:
        assert time.monotonic() < deadline
    assert [(each.pid, each.job, each.share > BURNING) for each in read_facility(tmp_path / "facility", 0.6)] == [
        (burning, "train", True)
    ]


def test_a_process_that_is_gone_has_no_cpu_time(processes: Processes, tmp_path: Path) -> None:
    """A zombie counts as gone: nothing of it runs."""
    running = processes.start("short", ["this"], cwd=tmp_path)
    assert running.wait(10.0) == 0
    assert cpu_seconds(running.pid) is None
    assert "Zen of Python" in running.tail(2_000)


def test_one_that_does_not_end_in_time_is_reported_with_its_last_words(processes: Processes, tmp_path: Path) -> None:
    """A drill that hangs must say where."""
    script = tmp_path / "stuck.py"
    script.write_text("import time; print('about to hang', flush=True); time.sleep(30)")
    running = processes.start("stuck", [script.stem], cwd=tmp_path)
    deadline = time.monotonic() + 10
    while "about to hang" not in running.tail() and time.monotonic() < deadline:
        pass
    with pytest.raises(Unavailable, match="about to hang"):
        running.wait(0.1)
