"""What a guard adds to a training step, beside the loggers that people add already; and how soon two ranks have stopped and saved.

    python bench/hook_step_bench.py [--rounds 5]

Targets: at most 1 µs a step; two ranks under DDP stopped, and saved durably, within a step and 0.25 s of being asked. What is not installed is left out, and said.
"""

import argparse
import csv
import importlib.util
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from detente.guard.receipt import PauseRequest, encode_request, parse_receipt
from detente.hooks.agreement import Follower, MemoryBoard, RankedGuard, Ranks
from detente.hooks.loop import guard

CALLS, ROUNDS = 20_000, 15
STEP_S = 0.025
"""A step of the two ranks, as long as one of a small model."""
WITHIN_S = 180


def price_us(call: Callable[[], object], calls: int = CALLS) -> list[float]:
    """Microseconds per call, each round's mean, with the loop around it taken off."""
    prices = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(calls):
            pass
        empty = time.perf_counter_ns() - began
        began = time.perf_counter_ns()
        for _ in range(calls):
            call()
        prices.append((time.perf_counter_ns() - began - empty) / calls / 1_000)
    return prices


def steps() -> None:
    rows: list[tuple[str, list[float]]] = []
    with tempfile.TemporaryDirectory() as place, (Path(place) / "log.csv").open("w", newline="") as file:
        with guard(mode="free") as g:
            rows.append(("g.step()", price_us(g.step)))
        with RankedGuard(Follower(), ranks=Ranks(0, 1, MemoryBoard()), save=None, at_step=0) as g:
            rows.append(("g.step() of one rank of several", price_us(g.step)))
        writer = csv.writer(file)
        rows.append(("a line of CSV: step, loss", price_us(lambda: writer.writerow((1, 0.5)))))
        if importlib.util.find_spec("tensorboard") and importlib.util.find_spec("torch"):
            from torch.utils.tensorboard import SummaryWriter

            board = SummaryWriter(place)
            rows.append(("TensorBoard: one scalar", price_us(lambda: board.add_scalar("loss", 0.5, 1), 1_000)))
            board.close()
        else:
            print("left out: TensorBoard, which is not installed")
    print(f"{platform.machine()}, Python {platform.python_version()}, {ROUNDS} rounds; microseconds per call")
    print(f"{'':36}{'median':>9}{'least':>9}{'most':>9}")
    for name, prices in rows:
        print(f"{name:36}{statistics.median(prices):9.2f}{min(prices):9.2f}{max(prices):9.2f}")
    for name, prices in rows[:2]:
        print(f"target 1 µs for {name}: {'met' if statistics.median(prices) <= 1 else 'MISSED'}")


def rank_job(out: Path) -> None:
    """One rank: a small model under DDP, until it is paused."""
    import torch

    from detente.hooks.torch.exact_state import ExactState
    from detente.hooks.torch.ranks import guard_ranks, joined_ranks

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    ranks = joined_ranks()
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(256, 256))
    optimizer = torch.optim.AdamW(model.parameters())
    state = ExactState(out, run="run", model=model, optimizer=optimizer, ranks=ranks)
    with guard_ranks("run", ranks=ranks, save=lambda: state.save(g.steps)) as g:
        while True:
            optimizer.zero_grad()
            model(torch.randn(8, 256)).sum().backward()
            optimizer.step()
            time.sleep(STEP_S)
            g.step()
            if g.steps == 20 and ranks.rank == 0:
                (out / "ready").touch()


def one_stop_s(place: Path) -> float:
    """From the request to a receipt that stands, in seconds."""
    control, out = place / "control", place / "out"
    control.mkdir(parents=True)
    out.mkdir()
    job = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2",
         __file__, "--rank-job", str(out)],
        env=os.environ | {"DETENTE_RUN": "run", "DETENTE_CONTROL_DIR": str(control), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + WITHIN_S
        while not (out / "ready").exists() and time.monotonic() < end and job.poll() is None:
            time.sleep(0.01)
        time.sleep(random.random() * STEP_S)
        (control / "new").write_bytes(encode_request(PauseRequest("bench")))
        began = time.monotonic()
        (control / "new").replace(control / "pause")
        while not (control / "receipt.json").exists():
            if time.monotonic() > end:
                raise SystemExit("the ranks did not stop")
            time.sleep(0.001)
        took_s = time.monotonic() - began
        assert parse_receipt((control / "receipt.json").read_bytes()).ranks == 2
        job.wait(WITHIN_S)
        return took_s
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)


def stops(rounds: int) -> None:
    if not importlib.util.find_spec("torch"):
        print("left out: two ranks, because PyTorch is not installed")
        return
    with tempfile.TemporaryDirectory() as place:
        took = [one_stop_s(Path(place) / str(number)) for number in range(rounds)]
    median = statistics.median(took)
    print(f"two ranks, steps of {STEP_S * 1_000:.0f} ms, {rounds} stops: request to durable receipt, milliseconds")
    print(f"{'':36}{median * 1e3:9.0f}{min(took) * 1e3:9.0f}{max(took) * 1e3:9.0f}")
    print(f"target {(STEP_S + 0.25) * 1e3:.0f} ms: {'met' if median <= STEP_S + 0.25 else 'MISSED'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rank-job", type=Path)
    given = parser.parse_args()
    if given.rank_job:
        rank_job(given.rank_job)
    else:
        steps()
        stops(given.rounds)
