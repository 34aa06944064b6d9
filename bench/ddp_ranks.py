"""One rank of a job of ``ddp_stop_bench.py``, below torchrun: a small model under DDP that trains until it is stopped.

    torchrun --nproc-per-node 2 bench/ddp_ranks.py {detente,dcp,trainer} OUT

``detente`` keeps its exact state and answers its supervisor. ``dcp`` is what a careful author writes by hand: a handler sets
a flag, an ``all_reduce`` at each step makes both ranks see it at once, and ``torch.distributed.checkpoint`` saves. ``trainer``
is Hugging Face's with ``enable_jit_checkpoint``. Only the first needs Détente. Each writes its process id to ``OUT/rank-N``
when it has trained so many steps.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

STEP_S = 0.025
"""A step, as long as one of a small model."""
WIDTH, BATCH = 256, 8
READY_AT = 20


def ready(out: Path, steps: int) -> None:
    if steps == READY_AT:
        rank = os.environ["RANK"]
        (out / f".rank-{rank}").write_text(str(os.getpid()))
        (out / f".rank-{rank}").rename(out / f"rank-{rank}")


def joined() -> tuple[Any, Any, Any]:
    import torch

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(WIDTH, WIDTH))
    return torch, model, torch.optim.AdamW(model.parameters())


def train_a_step(torch: Any, model: Any, optimizer: Any) -> None:
    optimizer.zero_grad()
    model(torch.randn(BATCH, WIDTH)).sum().backward()
    optimizer.step()
    time.sleep(STEP_S)


def by_detente(out: Path) -> None:
    torch, model, optimizer = joined()
    from detente.hooks.torch.exact_state import ExactState
    from detente.hooks.torch.ranks import guard_ranks, joined_ranks

    ranks = joined_ranks()
    run = os.environ["DETENTE_RUN"]
    state = ExactState(out, run=run, model=model, optimizer=optimizer, ranks=ranks)
    with guard_ranks(run, ranks=ranks, save=lambda: state.save(g.steps)) as g:
        while True:
            train_a_step(torch, model, optimizer)
            g.step()
            ready(out, g.steps)


def by_hand(out: Path) -> None:
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    torch, model, optimizer = joined()
    from torch.distributed import checkpoint

    steps = 0
    while True:
        train_a_step(torch, model, optimizer)
        steps += 1
        stop = torch.tensor(float(bool(asked)))
        torch.distributed.all_reduce(stop, op=torch.distributed.ReduceOp.MAX)
        if stop.item():
            break
        ready(out, steps)
    checkpoint.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, checkpoint_id=out / "saved")
    torch.distributed.destroy_process_group()


def by_trainer(out: Path) -> None:
    import torch
    import transformers

    torch.set_num_threads(1)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:  # noqa: ARG002
            return {"loss": self.linear(x).sum()}

    class Data(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return 1_000_000

        def __getitem__(self, at: int) -> dict[str, Any]:
            return {"x": torch.ones(WIDTH), "labels": torch.tensor(at % 2)}

    class Steps(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            time.sleep(STEP_S)
            ready(out, state.global_step)

    asked = transformers.TrainingArguments(
        output_dir=str(out / "saved"), per_device_train_batch_size=BATCH, max_steps=1_000_000, use_cpu=True,
        ddp_backend="gloo", report_to="none", save_strategy="no", logging_strategy="no", disable_tqdm=True,
        enable_jit_checkpoint=True,
    )  # fmt: skip
    transformers.Trainer(Model(), asked, train_dataset=Data(), callbacks=[Steps()]).train()


if __name__ == "__main__":
    {"detente": by_detente, "dcp": by_hand, "trainer": by_trainer}[sys.argv[1]](Path(sys.argv[2]))
