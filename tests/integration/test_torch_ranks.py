"""Two ranks under torchrun: one signal stops both at one step, a rank that dies leaves no receipt, shards are listed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detente.guard.receipt import Receipt, parse_receipt
from detente.hooks.sealed import SealedFolders
from tests.integration.test_workload_torch import last_rank

pytest.importorskip("numpy", reason="the hooks for PyTorch need NumPy: pip install 'detente[torch]'")
pytest.importorskip("torch", reason="PyTorch is not installed: `make torch`")

JOB = Path(__file__).with_name("torch_ranks_job.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
PATIENCE_S = 180


class Job:
    """Two ranks with a control directory."""

    def __init__(self, place: Path, mode: str = "plain") -> None:
        self.out, self.control = place / "out", place / "control"
        for folder in (self.out, self.control):
            folder.mkdir(parents=True, exist_ok=True)
        for old in (*self.out.glob("ready-*"), *self.control.iterdir()):
            old.unlink()
        self.process = subprocess.Popen(
            [*TORCHRUN, "--nproc-per-node", "2", str(JOB), "--out", str(self.out), "--mode", mode],
            env=os.environ | {"DETENTE_RUN": "job", "DETENTE_CONTROL_DIR": str(self.control), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ready(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while len(list(self.out.glob("ready-*"))) < 2:
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end, "the ranks did not come to it"
            time.sleep(0.01)

    def signalled(self) -> Receipt:
        """Signal the last rank alone, and read what rank 0 answers."""
        self.ready()
        os.kill(last_rank(self.process.pid), signal.SIGUSR1)
        self.end()
        return parse_receipt((self.control / "receipt.json").read_bytes())

    def end(self) -> str:
        try:
            return self.process.communicate(timeout=PATIENCE_S)[1]
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise


def test_a_signal_to_one_rank_stops_both_at_one_step(tmp_path: Path):
    """No request lies anywhere: the last rank alone hears of it, and rank 0 answers for both."""
    receipt = Job(tmp_path).signalled()
    assert (receipt.ranks, receipt.exact) == (2, True)
    found = SealedFolders(tmp_path / "out", run="job").newest()
    assert (found.receipt.step, sorted(found.files)) == (receipt.step, ["rank-00000.ckpt", "rank-00001.ckpt"])
    assert found.receipt.sha256 == receipt.sha256


def test_a_rank_that_dies_in_a_save_leaves_no_receipt_and_the_one_before_is_used(tmp_path: Path):
    """All ranks or none: the other has written its part in vain, and the next start drops it."""
    job = Job(tmp_path, "dies")
    job.end()
    vault = SealedFolders(tmp_path / "out", run="job")
    assert vault.newest().receipt.step == 10
    assert not (job.control / "receipt.json").exists()
    again = Job(tmp_path)
    receipt = again.signalled()
    assert receipt.step >= 22
    assert (tmp_path / "out" / "sum-10-1").exists()


def test_a_distributed_checkpoint_beside_is_listed_and_loaded(tmp_path: Path):
    """`torch.distributed.checkpoint` writes the model's shards into the folder; the receipt covers every file of it."""
    receipt = Job(tmp_path, "shards").signalled()
    found = SealedFolders(tmp_path / "out", run="job").newest()
    assert found.receipt.sha256 == receipt.sha256
    assert {"shards/.metadata", "shards/__0_0.distcp"} <= set(found.files)
    again = Job(tmp_path, "shards")
    again.ready()
    os.kill(last_rank(again.process.pid), signal.SIGUSR1)
    again.end()
    sums = {path.read_text() for path in (tmp_path / "out").glob(f"sum-{receipt.step}-*")}
    first = {path.read_text() for path in (tmp_path / "out").glob("sum-0-*")}
    assert len(sums) == 1
    assert sums.isdisjoint(first)
