"""The job's side of the pause protocol: what restricts is always heard."""

import os
import signal
from decimal import Decimal
from pathlib import Path

import pytest

from detente.base.errors import Refused
from detente.guard.receipt import PauseRequest, encode_rate, encode_request, parse_rate, parse_receipt
from detente.hooks.workload import control as module
from detente.hooks.workload.control import Control, Request, kept_name

RECEIPT = {
    "format": "detente/checkpoint-receipt/1",
    "run": "job",
    "step": 4,
    "checkpoint": "a.ckpt",
    "bytes": 0,
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "exact": True,
    "pid": 1,
}


class Clock:
    """A monotonic clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.on_sleep = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """The clock that the module under test sees."""
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture
def control(tmp_path: Path, clock: Clock) -> Control:
    """A control directory that asks nothing yet."""
    return Control(run="job", directory=tmp_path)


def ask(control: Control, data: bytes) -> None:
    (control.directory / "pause").write_bytes(data)


def test_nothing_is_asked_at_first(control: Control):
    """An empty directory lets the job run."""
    assert control.pause_asked() is None


def test_a_file_is_heard_within_the_poll_interval(control: Control, clock: Clock):
    """No signal is needed: the file is looked for every 0.1 s, and not more often."""
    control.pause_asked()
    ask(control, encode_request(PauseRequest("p1", "hold")))
    assert control.pause_asked() is None
    clock.now += module.POLL_S
    assert control.pause_asked() == Request("p1", "hold")


def test_a_signal_is_heard_at_once(control: Control):
    """After SIGUSR1 the next call looks at the file whatever the clock says."""
    control.pause_asked()
    ask(control, encode_request(PauseRequest("p1")))
    control.interrupt()
    assert control.pause_asked() == Request("p1", "exit")


def test_a_signal_without_a_file_asks_without_a_name(control: Control):
    """`kill -USR1` by hand saves and stops too, once."""
    control.interrupt()
    assert control.pause_asked() == Request("")
    assert control.pause_asked() is None


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"7", b"null", b'{"request": 5}', b'{"request": "a", "then": "run"}', b"\xff", b"[" * 4096],
)
def test_an_unreadable_request_is_a_request(control: Control, data: bytes):
    """W10 is what the supervisor's parser says; the job restricts itself on the same bytes."""
    ask(control, data)
    assert control.pause_asked() == Request("")


def test_an_unreadable_directory_is_a_request(tmp_path: Path, clock: Clock):
    """Where the file cannot be looked at, silence is not permission."""
    (tmp_path / "file").write_bytes(b"")
    assert Control(run="job", directory=tmp_path / "file" / "below").pause_asked() == Request("")


def test_an_answer_carries_the_request_and_is_a_receipt(control: Control):
    """What the job publishes is what the supervisor's parser reads."""
    ask(control, encode_request(PauseRequest("p1")))
    request = control.pause_asked()
    control.acknowledge(request, RECEIPT)
    answer = parse_receipt((control.directory / "receipt.json").read_bytes())
    assert (answer.request, answer.step) == ("p1", 4)


def test_an_answered_request_is_not_heard_twice(control: Control, clock: Clock):
    """A job that was let go on in memory does not save at each step; a new request is heard."""
    ask(control, encode_request(PauseRequest("p1")))
    control.acknowledge(control.pause_asked(), RECEIPT)
    clock.now += 1
    control.interrupt()
    assert control.pause_asked() is None
    ask(control, encode_request(PauseRequest("p2")))
    clock.now += 1
    assert control.pause_asked() == Request("p2")


def test_a_job_without_a_supervisor_answers_nobody():
    """Started by hand: no directory, no file, no error."""
    control = Control(run="local", directory=None)
    control.interrupt()
    control.acknowledge(control.pause_asked(), RECEIPT)
    assert control.pause_asked() is None


def test_holding_ends_when_the_request_is_gone(control: Control, clock: Clock):
    """The job stays until `pause` is removed, and computes nothing meanwhile."""
    ask(control, encode_request(PauseRequest("p1", "hold")))
    request = control.pause_asked()
    sleeps = iter(range(10))

    def later() -> None:
        if next(sleeps) == 5:
            (control.directory / "pause").unlink()

    clock.on_sleep = later
    control.hold_until_lifted(request)
    assert clock.now == pytest.approx(1_000 + 6 * module.HOLD_POLL_S)


@pytest.mark.parametrize(("fraction", "slept"), [("1", 0), ("0.5", 0.2), ("0.25", 0.6)])
def test_a_cap_stretches_each_step(control: Control, fraction: str, slept: float):
    """At fraction f a step of 0.2 s is followed by 0.2·(1/f − 1) s of sleep."""
    (control.directory / "rate.json").write_bytes(encode_rate(Decimal(fraction)))
    assert control.throttle(0.2) == pytest.approx(slept)


def test_no_cap_means_no_sleep(control: Control):
    """Without the file the job runs at full rate."""
    assert control.throttle(5.0) == 0


@pytest.mark.parametrize("data", [b"", b"{}", b'{"fraction": "2"}', b'{"fraction": "nan"}', b'{"fraction": "0"}'])
def test_a_cap_that_cannot_be_read_holds_until_it_can(control: Control, clock: Clock, data: bytes):
    """A broken cap is the strictest cap; a good one, published later, releases the job."""
    path = control.directory / "rate.json"
    path.write_bytes(data)
    sleeps = iter(range(100))

    def later() -> None:
        if next(sleeps) == 20:
            (control.directory / "new").write_bytes(encode_rate(Decimal(1)))
            (control.directory / "new").replace(path)

    clock.on_sleep = later
    assert control.throttle(0.01) == pytest.approx(21 * module.HOLD_POLL_S)


def test_a_pause_ends_a_throttle(control: Control, clock: Clock):
    """A job that is capped to nothing still hears that it must stop."""
    (control.directory / "rate.json").write_bytes(encode_rate(Decimal(0)))
    clock.on_sleep = lambda: ask(control, encode_request(PauseRequest("p1")))
    assert control.throttle(0.01) < 0.1
    clock.now += module.POLL_S
    assert control.pause_asked() == Request("p1")


def test_the_supervisor_cannot_cap_above_all():
    """W12 stands at the writer too."""
    with pytest.raises(Refused) as caught:
        encode_rate(Decimal("1.01"))
    assert caught.value.rule == "W12"


def test_the_environment_names_run_and_directory_and_a_real_signal_is_caught(tmp_path: Path, monkeypatch):
    """`from_environment` takes both variables and installs the handler."""
    monkeypatch.setenv("DETENTE_RUN", "dev-a/job-1")
    monkeypatch.setenv("DETENTE_CONTROL_DIR", str(tmp_path))
    before = signal.getsignal(signal.SIGUSR1)
    try:
        control = Control.from_environment()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert control.run == "dev-a/job-1"
        assert control.pause_asked() == Request("")
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_job_that_is_submitted_again_goes_on_from_its_checkpoints(tmp_path: Path, monkeypatch):
    """Slurm gives it another number: its answers are under that, the checkpoints under a name that stays."""
    pytest.importorskip("numpy", reason="the workloads need the extra `drill`")
    from detente.hooks.workload.job import Job

    answers = []
    for number in ("12", "15"):
        directory = tmp_path / number
        directory.mkdir()
        monkeypatch.setenv("SLURM_JOB_ID", number)
        monkeypatch.setenv("DETENTE_RUN", f"slurm-{number}")
        monkeypatch.setenv("DETENTE_CONTROL_DIR", str(directory))
        before = signal.getsignal(signal.SIGUSR1)
        try:
            job = Job(tmp_path / "out", run="lm")
        finally:
            signal.signal(signal.SIGUSR1, before)
        found = job.fetch_newest()
        step = 4 if found is None else found.receipt.step + 4
        job.answer(Request("p1"), lambda job=job, step=step: job.checkpoints.save({}, {}, step=step, flop=0))
        answers.append(parse_receipt((directory / "receipt.json").read_bytes()))
    assert [(answer.run, answer.step) for answer in answers] == [("slurm-12", 4), ("slurm-15", 8)]


def test_below_a_supervisor_a_checkpoint_has_the_supervisors_name(monkeypatch):
    """A guard below Slurm too: its run is one of the accord's, and so is what it saves."""
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("DETENTE_RUN", "dev-a/job-1")
    assert kept_name("lm") == "dev-a/job-1"
    monkeypatch.delenv("DETENTE_RUN")
    assert kept_name("lm") == "lm"


def test_the_client_needs_only_the_standard_library():
    """`control.py` may be copied into somebody else's repository."""
    source = Path(module.__file__).read_text("utf-8")
    assert "import detente" not in source
    assert "from detente" not in source


def test_a_job_says_that_it_keeps_a_cap_where_it_rests_and_not_before(control: Control):
    """The word repeats the cap as it is spelt, is written once for each, and none is given for one that cannot be read."""
    kept = control.directory / "rate-kept.json"
    for cap in ("0.50", "0.25"):
        (control.directory / "new").write_bytes(b'{"fraction": "%s"}' % cap.encode())
        (control.directory / "new").replace(control.directory / "rate.json")
        assert not kept.exists() or parse_rate(kept.read_bytes()) == Decimal("0.5")
        control.throttle(0)
        assert parse_rate(kept.read_bytes()) == Decimal(cap)
    kept.unlink()
    control.throttle(0)
    (control.directory / "pause").write_bytes(b"{}")  # Ends the rest at 0.
    (control.directory / "new").write_bytes(b"no cap")
    (control.directory / "new").replace(control.directory / "rate.json")
    control.throttle(0)
    assert not kept.exists()
