"""How soon two ranks under DDP have stopped and saved, beside what a careful author writes by hand and Hugging Face's Trainer.

    python bench/ddp_stop_bench.py [--rounds 5] [--peer-rounds 2] [--peers-python PATH]

Each stop is a torchrun of its own with two ranks, gloo and steps of 25 ms. Two clocks for the guard: from the node having a
pause's vote durably, through permits, notice and supervisor; and from the supervisor's request alone, which is what a peer's
signal is. Both end when a receipt stands for both ranks, whose parts are durable and hashed by then. A peer's clock starts
at SIGTERM to both ranks and ends when its checkpoint is whole. Peers run below ``--peers-python`` (or
``DETENTE_PEERS_PYTHON``), by default below this interpreter; without PyTorch or transformers there they are left out, and said.

Target: from the vote, a step and 0.25 s.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ddp_ranks import STEP_S
from push_bench import Solo, SoloCoalition, boottime_s, called_at, lift
from timing import machine, spread

from detente.guard.receipt import PauseRequest, encode_request, parse_receipt

RANKS = Path(__file__).with_name("ddp_ranks.py")
WITHIN_S = 100
POLL_S = 0.001
TARGET_MS = (STEP_S + 0.25) * 1_000


def torchrun(python: str, kind: str, out: Path) -> list[str]:
    return [
        python, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2",
        "--", str(RANKS), kind, str(out),
    ]  # fmt: skip


@contextlib.contextmanager
def started(command: list[str], environment: Mapping[str, str], out: Path) -> Iterator[list[int]]:
    """The job, once both ranks train: their process ids. No process of it is left behind."""
    out.mkdir(parents=True)
    with (out / "errors").open("wb") as errors:
        job = subprocess.Popen(
            command,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(RANKS.parent), **environment},
            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True,
        )  # fmt: skip
    places = [out / f"rank-{rank}" for rank in (0, 1)]
    try:
        until(lambda: all(place.exists() for place in places), job, out)
        pids = [int(place.read_text()) for place in places]
        yield pids
        with contextlib.suppress(subprocess.TimeoutExpired):
            job.wait(15)
    finally:
        if job.poll() is None:
            job.send_signal(signal.SIGTERM)  # A supervisor ends its job with itself.
            with contextlib.suppress(subprocess.TimeoutExpired):
                job.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()


def until(so: Callable[[], bool], job: "subprocess.Popen[bytes] | None", out: Path) -> float:
    """When it was so, in seconds of CLOCK_BOOTTIME."""
    end = time.monotonic() + WITHIN_S
    while not so():
        if time.monotonic() > end or (job is not None and job.poll() is not None):
            said = (out / "errors").read_text(errors="replace")[-2_000:]
            raise SystemExit(f"the ranks did not come so far:\n{said}")
        time.sleep(POLL_S)
    return boottime_s()


def some_of_a_step() -> None:
    time.sleep(random.random() * STEP_S)


def receipt_s(control: Path, out: Path) -> float:
    at_s = until((control / "receipt.json").exists, None, out)
    assert parse_receipt((control / "receipt.json").read_bytes()).ranks == 2
    return at_s


def by_request(folder: Path) -> float:
    """From the request in the control directory to the receipt."""
    control, out = folder / "control", folder / "out"
    control.mkdir(parents=True)
    (control / "new").write_bytes(encode_request(PauseRequest("bench")))
    environment = {"DETENTE_RUN": "bench", "DETENTE_CONTROL_DIR": str(control)}
    with started(torchrun(sys.executable, "detente", out), environment, out):
        some_of_a_step()
        began = boottime_s()
        (control / "new").replace(control / "pause")
        return receipt_s(control, out) - began


def by_vote(nodes: Solo, round_: int) -> float:
    """From the node having the vote durably to the receipt, below `detente guard`."""
    party = nodes.coalition.developers[0]
    home, run, out = nodes.guard_home(party, 0), f"bench-{round_}", nodes.folder / f"out-{round_}"
    guarded = [
        sys.executable, "-m", "detente", "guard", "--home", str(home), "--run", run, "--planned-flop", "1e18",
        "--", *torchrun(sys.executable, "detente", out),
    ]  # fmt: skip
    with started(guarded, {}, out):
        some_of_a_step()
        _, durable_s = asyncio.run(called_at(nodes, round_))
        took_s = receipt_s(home / "runs" / run / "control", out) - durable_s
    asyncio.run(lift(nodes, round_))
    return took_s


def by_signal(folder: Path, python: str, kind: str, whole: Callable[[Path], bool]) -> float:
    """From SIGTERM to both ranks until the checkpoint is whole."""
    out = folder / kind
    with started(torchrun(python, kind, out), {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")}, out) as pids:
        some_of_a_step()
        began = boottime_s()
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
        return until(lambda: whole(out / "saved"), None, out) - began


def dcp_whole(saved: Path) -> bool:
    """The metadata is written last."""
    return (saved / ".metadata").exists()


def trainer_whole(saved: Path) -> bool:
    """Its own mark of an unfinished checkpoint is gone, and both ranks' random states are there."""
    for found in saved.glob("checkpoint-*"):
        parts = [found / name for name in ("trainer_state.json", "rng_state_0.pth", "rng_state_1.pth")]
        if all(part.exists() for part in parts) and not (found / "checkpoint-is-incomplete.txt").exists():
            return True
    return False


def row(name: str, took: list[float]) -> float:
    least, median, most = (each * 1_000 for each in spread(took))
    print(f"{name:56}{least:8.0f}{median:8.0f}{most:8.0f}{len(took):6}", flush=True)
    return median


def has(python: str, package: str) -> bool:
    asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    return subprocess.run([python, "-c", asked], check=False).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-rounds", type=int, default=2)
    parser.add_argument("--peers-python", default=os.environ.get("DETENTE_PEERS_PYTHON", sys.executable))
    given = parser.parse_args()
    python = given.peers_python
    print(f"{machine()}; steps of {STEP_S * 1_000:.0f} ms; milliseconds")
    print(f"{'':56}{'least':>8}{'median':>8}{'most':>8}{'stops':>6}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if importlib.util.find_spec("torch") is None:
            print("absent: the guard's two ranks, since PyTorch is not installed")
        else:
            with Solo(folder / "nodes", SoloCoalition()) as nodes:
                asyncio.run(nodes.enrol_guards(nodes.coalition.developers[0], 1))
                whole = row("guard: from the durable vote", [by_vote(nodes, each) for each in range(given.rounds)])
            row(
                "guard: from its request", [by_request(folder / f"request-{each}") for each in range(given.peer_rounds)]
            )
            print(f"target {TARGET_MS:.0f} ms from the durable vote: {'met' if whole <= TARGET_MS else 'MISSED'}")
        for title, kind, package, complete in (
            ("by hand: SIGTERM, a flag reduced at each step, DCP", "dcp", "torch", dcp_whole),
            ("Hugging Face's Trainer, enable_jit_checkpoint", "trainer", "transformers", trainer_whole),
        ):
            if has(python, package):
                places = [folder / f"{kind}-{each}" for each in range(given.peer_rounds)]
                row(title, [by_signal(place, python, kind, complete) for place in places])
            else:
                print(f"{title:56}absent: {package} is not installed")


if __name__ == "__main__":
    main()
