"""One row of ``hook_step_bench.py`` in a process of its own: what one call after a training step costs, as JSON on stdout.

    python bench/step_rows.py NAME

Runs below whatever interpreter has the package; only the rows of the guard need Détente. Each call logs one scalar, or asks
for leave, with a step number that rises; what a logger defers to every so many calls is in the mean of a round.
"""

import contextlib
import csv
import importlib.metadata
import itertools
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timing import prices_ns, single_ns

ROUNDS = 9
SINGLE = 2_000
"""Calls that are timed one by one, at most; no more than a round has."""


def nothing() -> None:
    """What most rows do between rounds."""


@dataclass(frozen=True)
class Row:
    """``call`` is what stands behind a step, ``calls`` of it make a round; ``between`` rounds is not counted."""

    call: Callable[[], object]
    calls: int
    between: Callable[[], object] = nothing


@contextlib.contextmanager
def plain_guard(_place: Path) -> Iterator[Row]:
    from detente.hooks.loop import guard

    with guard(mode="free") as g:
        yield Row(g.step, 20_000)


@contextlib.contextmanager
def ranked_guard(_place: Path) -> Iterator[Row]:
    from detente.hooks.agreement import Follower, MemoryBoard, RankedGuard, Ranks

    with RankedGuard(Follower(), ranks=Ranks(0, 1, MemoryBoard()), save=None, at_step=0) as g:
        yield Row(g.step, 20_000)


@contextlib.contextmanager
def csv_line(place: Path) -> Iterator[Row]:
    steps = itertools.count()
    with (place / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        yield Row(lambda: writer.writerow((next(steps), 0.5)), 20_000)


@contextlib.contextmanager
def csv_logger(place: Path) -> Iterator[Row]:
    from lightning.pytorch.loggers import CSVLogger

    logger, steps = CSVLogger(place), itertools.count()
    yield Row(lambda: logger.log_metrics({"loss": 0.5}, step=next(steps)), 2_000)


@contextlib.contextmanager
def tensorboard(place: Path) -> Iterator[Row]:
    from torch.utils.tensorboard import SummaryWriter

    steps = itertools.count()
    with SummaryWriter(str(place)) as board:
        yield Row(lambda: board.add_scalar("loss", 0.5, next(steps)), 2_000, board.flush)


@contextlib.contextmanager
def mlflow_run(place: Path, *, synchronous: bool, calls: int) -> Iterator[Row]:
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{place / 'mlflow.db'}")
    mlflow.create_experiment("bench", artifact_location=(place / "artifacts").as_uri())
    mlflow.set_experiment("bench")
    steps = itertools.count()
    with mlflow.start_run(log_system_metrics=False):
        yield Row(
            lambda: mlflow.log_metric("loss", 0.5, step=next(steps), synchronous=synchronous),
            calls,
            nothing if synchronous else mlflow.flush_async_logging,
        )
        if not synchronous:
            mlflow.flush_async_logging()


@contextlib.contextmanager
def wandb_offline(place: Path) -> Iterator[Row]:
    import wandb

    steps = itertools.count()
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    with wandb.init(mode="offline", dir=str(place), project="bench", settings=settings) as run:
        yield Row(lambda: run.log({"loss": 0.5}, step=next(steps)), 500)


@dataclass(frozen=True)
class Kind:
    """What the row is called, how it is opened, and the packages that it needs."""

    title: str
    opened: Callable[[Path], contextlib.AbstractContextManager[Row]]
    packages: tuple[str, ...] = ()


OURS = ("step", "rank")
KINDS = {
    "step": Kind("g.step()", plain_guard),
    "rank": Kind("g.step() of one rank of several", ranked_guard),
    "csv": Kind("csv module: one line, buffered", csv_line),
    "csvlogger": Kind("Lightning's CSVLogger", csv_logger, ("lightning", "torch")),
    "tensorboard": Kind("TensorBoard's SummaryWriter", tensorboard, ("tensorboard", "torch")),
    "wandb": Kind("W&B, offline", wandb_offline, ("wandb",)),
    "mlflow-async": Kind("MLflow, SQLite, async", lambda place: mlflow_run(place, synchronous=False, calls=200), ("mlflow",)),
    "mlflow": Kind("MLflow, SQLite", lambda place: mlflow_run(place, synchronous=True, calls=50), ("mlflow",)),
}  # fmt: skip


def main() -> None:
    kind = KINDS[sys.argv[1]]
    said: dict[str, Any] = {}
    try:
        versions = [f"{name} {importlib.metadata.version(name)}" for name in kind.packages]
    except importlib.metadata.PackageNotFoundError as error:
        print(json.dumps({"absent": f"{error.name} is not installed"}))
        return
    out, sys.stdout = sys.stdout, sys.stderr  # What a package prints is not ours to parse.
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.environ |= {"HOME": place, "XDG_CACHE_HOME": place, "XDG_CONFIG_HOME": place}
        with kind.opened(Path(place)) as row:
            prices_ns(row.call, calls=row.calls, rounds=1)  # not counted
            said["rounds"] = []
            for _ in range(ROUNDS):
                row.between()
                said["rounds"] += prices_ns(row.call, calls=row.calls, rounds=1)
            row.between()
            said["single"] = single_ns(row.call, calls=min(SINGLE, row.calls))
            row.between()
    said["calls"] = row.calls
    said["versions"] = ", ".join(versions)
    print(json.dumps(said), file=out, flush=True)


if __name__ == "__main__":
    main()
