"""Real training processes, paused, killed, and resumed with weights bit-equal to a run that nobody touched."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from detente.base.digest import sha256_hex
from detente.guard.receipt import (
    PauseRequest,
    Receipt,
    encode_request,
    parse_receipt,
    verify_answer,
    verify_checkpoint,
)

pytest.importorskip("numpy", reason="the workloads need the extra `drill`")

SMALL = ["--context", "8", "--embedding", "8", "--hidden", "32", "--batch", "64", "--report-every", "0"]
LM = ["bytes_lm", "--steps", "300", "--seed", "3", *SMALL]
SEARCH = ["searcher", "--steps", "60", "--generations", "5", "--seed", "3", *SMALL]
PATIENCE_S = 60


class Job:
    """One workload as a process below a supervisor's control directory."""

    def __init__(self, base: Path, arguments: list[str], *extra: str) -> None:
        self.out, self.control = base / "out", base / "control"
        self.control.mkdir(parents=True, exist_ok=True)
        module, *options = arguments
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"detente.hooks.workload.{module}", "--out", str(self.out), *options, *extra],
            env=os.environ | {"DETENTE_RUN": "job", "DETENTE_CONTROL_DIR": str(self.control)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, name: str, then: str = "exit") -> None:
        """Publish the request, and signal if the process already listens."""
        (self.control / "new").write_bytes(encode_request(PauseRequest(name, then)))
        (self.control / "new").replace(self.control / "pause")
        caught = Path(f"/proc/{self.process.pid}/status").read_text("ascii").split("SigCgt:")[1].split()[0]
        if int(caught, 16) >> (signal.SIGUSR1 - 1) & 1:
            self.process.send_signal(signal.SIGUSR1)

    def lift(self) -> None:
        """Withdraw the request."""
        (self.control / "pause").unlink()

    def answer(self, name: str) -> Receipt:
        """The verified answer to ``name``: its bytes are hashed here, as a supervisor does."""
        wait_for(lambda: name.encode() in read(self.control / "receipt.json"), self)
        receipt = verify_answer(parse_receipt(read(self.control / "receipt.json")), run="job", request=name)
        data = read(Path(receipt.directory) / receipt.checkpoint)
        return verify_checkpoint(receipt, size=len(data), sha256=sha256_hex(data)).receipt

    def end(self) -> int:
        """Wait for the exit code."""
        _, self.errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


def read(path: Path) -> bytes:
    """The file's bytes, none if it is not there."""
    return path.read_bytes() if path.exists() else b""


def wait_for(condition, job: Job) -> None:
    """Poll until true; a job that ended first fails the test with its own words."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if job.process.poll() is not None and not condition():
            raise AssertionError(f"ended with {job.process.returncode}: {job.process.stderr.read()}")
        assert time.monotonic() < deadline, "the job did not come to it"
        time.sleep(0.005)


def progressed(base: Path, *, beyond: int) -> bool:
    """Is there a checkpoint of a later step?"""
    names = [path.name for path in (base / "out" / "checkpoints").glob("*.receipt.json")]
    return any(int(name[5:14]) > beyond for name in names)


def final(base: Path) -> dict:
    """What the finished job left."""
    return json.loads(read(base / "out" / "final.json"))


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> dict[str, Path]:
    """Each workload run once without interruption."""
    found = {}
    for name, arguments in (("lm", LM), ("search", SEARCH)):
        found[name] = tmp_path_factory.mktemp(name)
        job = Job(found[name], arguments)
        assert job.end() == 0, job.errors
    return found


@pytest.mark.parametrize(("name", "arguments"), [("lm", LM), ("search", SEARCH)])
def test_a_job_paused_twice_ends_with_the_same_weights(name, arguments, references, tmp_path: Path):
    """Paused at two arbitrary moments, once in each process, it finishes bit-equal in weights, state and records."""
    steps = []
    for number in range(2):
        job = Job(tmp_path, arguments, "--slow-ms", "20", "--checkpoint-every", "7")
        wait_for(partial(progressed, tmp_path, beyond=max(steps, default=0)), job)
        time.sleep(random.Random(number).random() / 4)
        job.ask(f"p{number}")
        receipt = job.answer(f"p{number}")
        assert job.end() == 75, job.errors
        assert receipt.exact
        steps.append(receipt.step)
        job.lift()
    assert 0 < steps[0] < steps[1] < 300
    job = Job(tmp_path, arguments)
    assert job.end() == 0, job.errors
    assert final(tmp_path) == final(references[name])
    assert read(tmp_path / "out" / "generations.jsonl") == read(references[name] / "out" / "generations.jsonl")


def test_a_job_started_during_a_pause_computes_nothing(tmp_path: Path):
    """It answers at step 0 and exits 75."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "pause").write_bytes(encode_request(PauseRequest("early")))
    job = Job(tmp_path, LM)
    assert job.end() == 75, job.errors
    receipt = job.answer("early")
    assert (receipt.step, receipt.flop) == (0, 0)


def test_a_held_job_uses_no_processor_and_goes_on_exactly(references, tmp_path: Path):
    """With `hold` it stays in memory, its CPU time stands almost still, and after the lift it finishes bit-equal."""
    job = Job(tmp_path, LM, "--slow-ms", "20", "--slow-until", str(tmp_path / "go"), "--checkpoint-every", "7")
    wait_for(partial(progressed, tmp_path, beyond=0), job)
    job.ask("h1", "hold")
    job.answer("h1")
    before, at = cpu_seconds(job.process.pid), time.monotonic()
    time.sleep(0.6)
    share = (cpu_seconds(job.process.pid) - before) / (time.monotonic() - at)
    assert job.process.poll() is None
    assert share < 0.2
    (tmp_path / "go").touch()
    job.lift()
    assert job.end() == 0, job.errors
    assert final(tmp_path)["weights_sha256"] == final(references["lm"])["weights_sha256"]


def test_a_job_killed_in_mid_save_goes_on_from_the_checkpoint_before(references, tmp_path: Path):
    """kill -9 while a slow save is half written: nothing of it counts, and the run still ends bit-equal."""
    job = Job(tmp_path, LM, "--checkpoint-every", "50", "--slow-ms", "3")
    folder = tmp_path / "out" / "checkpoints"
    wait_for((folder / "step-000000050.receipt.json").exists, job)
    job.ask("first")
    first = job.answer("first")
    assert job.end() == 75, job.errors
    job.lift()
    job = Job(tmp_path, LM, "--slow-save-ms", "400", "--slow-ms", "20")
    time.sleep(0.8)
    job.ask("second")
    wait_for(lambda: any(folder.glob(".*.tmp")), job)
    wait_for(lambda: any(path.stat().st_size for path in folder.glob(".*.tmp")), job)
    job.process.kill()
    assert job.end() == -signal.SIGKILL
    job.lift()
    (half,) = folder.glob(".*.tmp")
    assert 0 < half.stat().st_size < first.size + 4 * 300
    assert b"second" not in read(job.control / "receipt.json")
    job = Job(tmp_path, LM)
    assert job.end() == 0, job.errors
    assert f"resuming at step {first.step}\n" in job.errors
    assert final(tmp_path)["weights_sha256"] == final(references["lm"])["weights_sha256"]


def test_a_checkpoint_cut_after_its_receipt_is_refused_and_the_one_before_used(references, tmp_path: Path):
    """W08: a disk that lost the newest file's end; the job says so, goes back, and still ends bit-equal."""
    job = Job(tmp_path, LM, "--checkpoint-every", "40", "--slow-ms", "3")
    folder = tmp_path / "out" / "checkpoints"
    wait_for((folder / "step-000000080.receipt.json").exists, job)
    job.process.kill()
    job.end()
    newest = folder / max(folder.glob("*.receipt.json")).name.replace(".receipt.json", ".ckpt")
    os.truncate(newest, newest.stat().st_size // 2)
    job = Job(tmp_path, LM)
    assert job.end() == 0, job.errors
    assert "refused a checkpoint: W08 corrupt" in job.errors
    assert final(tmp_path)["weights_sha256"] == final(references["lm"])["weights_sha256"]


def test_another_recipe_does_not_resume(tmp_path: Path):
    """W19: the checkpoint of one run is not continued with other options, and stays as it was."""
    assert Job(tmp_path, [*LM, "--steps", "5"]).end() == 0
    before = {path.name: read(path) for path in (tmp_path / "out" / "checkpoints").iterdir()}
    job = Job(tmp_path, [*LM, "--steps", "6"])
    assert job.end() == 1
    assert "W19 conflict" in job.errors
    assert {path.name: read(path) for path in (tmp_path / "out" / "checkpoints").iterdir()} == before


def test_a_searcher_waits_for_files_and_obeys_a_rejection(tmp_path: Path):
    """With `--hold files` nothing is trained before its approval; a rejected proposal is recorded as refused."""
    job = Job(tmp_path, [*SEARCH, "--hold", "files", "--generations", "2"])
    proposals, approvals = tmp_path / "out" / "proposals", tmp_path / "out" / "approvals"
    approvals.mkdir(parents=True)
    seen: set[str] = set()
    for decision in ("approved", "rejected"):
        wait_for(lambda: {path.stem for path in proposals.glob("*.json")} - seen, job)
        (digest,) = {path.stem for path in proposals.glob("*.json")} - seen
        seen.add(digest)
        time.sleep(0.2)
        assert not (tmp_path / "out" / "generations.jsonl").exists() or decision == "rejected"
        (approvals / "new").write_bytes(json.dumps({"proposal": digest, "decision": decision}).encode())
        (approvals / "new").replace(approvals / digest)
    assert job.end() == 0, job.errors
    records = [json.loads(line) for line in read(tmp_path / "out" / "generations.jsonl").splitlines()]
    assert [record.get("refused", False) for record in records] == [False, True]
    assert final(tmp_path)["steps"] == 60


def test_a_cap_slows_a_running_job(tmp_path: Path):
    """At a tenth of its time a job uses at most a third of one core, where it used nearly all of it."""
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "rate.json").write_bytes(b'{"fraction": "0.1"}')
    job = Job(tmp_path, [*LM, "--steps", "100000"])
    wait_for((tmp_path / "out" / "checkpoints").exists, job)  # made after all imports
    time.sleep(0.3)
    before, at = cpu_seconds(job.process.pid), time.monotonic()
    time.sleep(1.0)
    share = (cpu_seconds(job.process.pid) - before) / (time.monotonic() - at)
    job.ask("end")
    assert job.answer("end").step > 0
    assert job.end() == 75
    assert share < 0.34


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, from the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
