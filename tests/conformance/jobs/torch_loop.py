"""A plain loop in PyTorch, in one process or as one rank of ``torchrun``: dropout, a schedule, data that draw from every generator."""

import contextlib
import hashlib
import random

import numpy as np
import torch
from places import EPOCH, SAVE_SLOWLY_FROM, STEPS, Clocks, Places, began, closed_gate, compiled, finished, options
from torch import nn

from detente import guard
from detente.hooks.agreement import ALONE
from detente.hooks.torch.exact_state import ExactState
from detente.hooks.torch.loader import SeekableLoader
from detente.hooks.torch.ranks import guard_ranks, joined_ranks

BATCH = 8


class Noisy:
    """Examples with noise from PyTorch's, NumPy's and Python's global generators: each resume has to set all three back."""

    def __init__(self, size: int) -> None:
        self.points = torch.randn(size, 16, generator=torch.Generator().manual_seed(11))

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
        noise = torch.randn(16) + float(np.random.rand()) + random.random()  # noqa: NPY002 - on purpose
        return self.points[at] + 0.1 * noise, at % 4


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    ranks = ALONE
    if given.ranks:
        torch.distributed.init_process_group("gloo")
        ranks = joined_ranks()
    try:
        train(given, ranks)
    finally:
        if given.ranks:
            with contextlib.suppress(Exception):
                torch.distributed.destroy_process_group()


def train(given, ranks) -> None:
    places, clocks = Places(given.out, given.stay), Clocks()
    torch.manual_seed(3 + ranks.rank)
    np.random.seed(3 + ranks.rank)  # noqa: NPY002
    random.seed(3 + ranks.rank)
    bare = nn.Sequential(
        nn.Linear(16, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 4)
    )
    if given.compile:
        compiled(bare, places, lambda: g)
    model = nn.parallel.DistributedDataParallel(bare) if given.ranks else bare
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    loader = SeekableLoader(
        Noisy(EPOCH * BATCH * ranks.world),
        batch_size=BATCH,
        seed=5,
        rank=ranks.rank,
        world=ranks.world,
        ready=lambda: places.passed("data", g.steps + 1, closed=closed_gate(g)),
    )
    state = ExactState(
        given.out, run="run", model=model, optimizer=optimizer, scheduler=scheduler, loader=loader, ranks=ranks
    )
    first = state.restore()
    if ranks.rank == 0:
        began(given.out, first)

    def save():
        state._slow_piece_s = given.slow_piece_ms / 1000 if g.steps >= SAVE_SLOWLY_FROM else 0.0
        return state.save(g.steps)

    how = {"save": save, "at_step": first, "mode": given.mode}
    with guard_ranks("run", ranks=ranks, **how) if given.ranks else guard("run", **how) as g:
        loader.check = g.check
        while g.steps < STEPS:
            for points, kinds in state.batches():
                at = g.steps + 1
                places.hang(at)
                loss = nn.functional.cross_entropy(model(points), kinds)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
                places.stay("step", at, closed=closed_gate(g))
                g.step()
                if at % 10 == 0:
                    with state.evaluation(), torch.no_grad():
                        bare.eval()
                        places.stay("evaluation", at, look=g.check, closed=closed_gate(g))
                        assert torch.isfinite(bare(torch.randn(8, 16)).sum())
                        bare.train()
                if given.save_every and at % given.save_every == 0:
                    save()
    if ranks.rank == 0:
        digest = hashlib.sha256(b"".join(each.detach().numpy().tobytes() for each in bare.state_dict().values()))
        finished(given.out, digest.hexdigest(), clocks)


main()
