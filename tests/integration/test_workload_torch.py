"""The PyTorch workload, alone and under torchrun with two ranks: paused, resumed bit-equal, inexact only when it says so."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detente.base.digest import sha256_hex
from detente.guard.receipt import PauseRequest, Receipt, encode_request, parse_receipt, verify_answer, verify_checkpoint

pytest.importorskip("numpy", reason="the workloads need the extra `drill`")
pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'detente[torch]'")

SMALL = ["--context", "8", "--embedding", "8", "--hidden", "32", "--batch", "32", "--report-every", "0"]
OPTIONS = ["--steps", "120", "--seed", "5", *SMALL]
ALONE = [sys.executable, "-m", "detente.hooks.workload.torch_lm"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
PATIENCE_S = 90


def launcher(ranks: int) -> list[str]:
    """The command of one rank, or of torchrun with several."""
    if ranks == 1:
        return ALONE
    return [*TORCHRUN, "--nproc-per-node", str(ranks), *ALONE[1:], "--ddp"]


class Job:
    """A workload in its own process group, below a supervisor's control directory."""

    def __init__(self, base: Path, ranks: int, *extra: str) -> None:
        self.out, self.control = base / "out", base / "control"
        self.control.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [*launcher(ranks), "--out", str(self.out), *OPTIONS, *extra],
            env=os.environ | {"DETENTE_RUN": "job", "DETENTE_CONTROL_DIR": str(self.control), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def pause(self, name: str) -> Receipt:
        """Ask, wait for the end, and verify the answer; the launcher's exit code says nothing.

        The signal goes to the last rank alone: the others hear of it, at the same step, through the gradients.
        """
        (self.control / "new").write_bytes(encode_request(PauseRequest(name)))
        (self.control / "new").replace(self.control / "pause")
        os.kill(last_rank(self.process.pid), signal.SIGUSR1)
        self.end()
        (self.control / "pause").unlink()
        receipt = verify_answer(parse_receipt((self.control / "receipt.json").read_bytes()), run="job", request=name)
        data = (Path(receipt.directory) / receipt.checkpoint).read_bytes()
        return verify_checkpoint(receipt, size=len(data), sha256=sha256_hex(data)).receipt

    def wait_beyond(self, step: int) -> None:
        """Return when a later checkpoint than of ``step`` stands."""
        deadline = time.monotonic() + PATIENCE_S
        while not any(int(p.name[5:14]) > step for p in (self.out / "checkpoints").glob("*.receipt.json")):
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline, "the job did not come to it"
            time.sleep(0.01)

    def end(self) -> int:
        """Wait for the exit code; whatever is left of the group ends with the test."""
        try:
            _, self.errors = self.process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return self.process.returncode


def last_rank(launcher_pid: int) -> int:
    """The launcher's child of the highest rank, or the launcher itself where it has none."""
    children = Path(f"/proc/{launcher_pid}/task/{launcher_pid}/children").read_text("ascii").split()
    ranked = {}
    for child in children:
        for entry in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"RANK="):
                ranked[int(entry[5:])] = int(child)
    return ranked[max(ranked)] if ranked else launcher_pid


@pytest.fixture(scope="module")
def paused(request, tmp_path_factory) -> tuple[int, Path, Receipt]:
    """How many ranks, the directory of a run that was paused once, and its answer."""
    base = tmp_path_factory.mktemp("paused")
    job = Job(base, request.param, "--checkpoint-every", "15", "--slow-ms", "15")
    job.wait_beyond(0)
    return request.param, base, job.pause("p1")


@pytest.mark.parametrize("paused", [1, 2], indirect=True)
def test_a_paused_run_ends_with_the_weights_of_one_that_was_not(paused, tmp_path: Path):
    """All ranks stop at one step, one receipt is written, and after resuming the weights are bit-equal."""
    ranks, base, receipt = paused
    assert 0 < receipt.step < 120
    assert (receipt.exact, receipt.ranks) == (True, ranks)
    shutil.copytree(base, tmp_path / "cut")
    finals = []
    for name in ("whole", "cut"):
        job = Job(tmp_path / name, ranks)
        assert job.end() == 0, job.errors
        assert (f"resuming at step {receipt.step}\n" in job.errors) == (name == "cut")
        finals.append(json.loads((job.out / "final.json").read_bytes()))
    assert finals[0] == finals[1]


@pytest.mark.parametrize("paused", [2], indirect=True)
def test_another_number_of_ranks_is_refused_or_declared_inexact(paused, tmp_path: Path):
    """W22: exactness is not claimed for another world size; who accepts that gets `exact: false` with the reason."""
    _, base, receipt = paused
    shutil.copytree(base, tmp_path / "cut")
    before = {path.name: path.read_bytes() for path in (base / "out" / "checkpoints").iterdir()}
    refused = Job(tmp_path / "cut", 1)
    assert refused.end() == 1
    assert "W22 conflict" in refused.errors
    assert {path.name: path.read_bytes() for path in (refused.out / "checkpoints").iterdir()} == before
    allowed = Job(tmp_path / "cut", 1, "--allow-inexact")
    assert allowed.end() == 0, allowed.errors
    last = parse_receipt(max((allowed.out / "checkpoints").glob("*.receipt.json")).read_bytes())
    assert (last.step, last.exact) == (120, False)
    assert last.why_not_exact == f"ranks changed from 2 to 1 at step {receipt.step}"
