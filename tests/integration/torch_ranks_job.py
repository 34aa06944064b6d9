"""One rank of a small job under torchrun: what the tests of several ranks start."""

import argparse
import os
import signal
import time
from pathlib import Path

import torch
from torch.distributed import checkpoint as dcp

from detente.hooks.torch.exact_state import ExactState
from detente.hooks.torch.ranks import guard_ranks, joined_ranks


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--mode", choices=["plain", "dies", "shards"], default="plain")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    ranks = joined_ranks()
    torch.manual_seed(1 + ranks.rank)
    bare = torch.nn.Linear(32, 32)
    model = torch.nn.parallel.DistributedDataParallel(bare)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def beside(folder: Path) -> None:
        if given.mode == "dies" and ranks.rank == 1 and g.steps == 20:
            os.kill(os.getpid(), signal.SIGKILL)
        if given.mode == "shards":
            dcp.save({"model": bare.state_dict()}, checkpoint_id=folder / "shards")

    state = ExactState(
        given.out,
        run="job",
        model=None if given.mode == "shards" else model,
        optimizer=optimizer,
        ranks=ranks,
        beside=beside,
    )
    first = state.restore()
    if given.mode == "shards" and first:
        loaded = {"model": bare.state_dict()}
        dcp.load(loaded, checkpoint_id=given.out / "checkpoints" / f"step-{first:09d}" / "shards")
        bare.load_state_dict(loaded["model"])
    (given.out / f"sum-{first}-{ranks.rank}").write_text(repr(bare.weight.detach().double().sum().item()))
    with guard_ranks("job", ranks=ranks, save=lambda: state.save(g.steps), at_step=first) as g:
        while True:
            optimizer.zero_grad()
            model(torch.randn(4, 32)).square().mean().backward()
            optimizer.step()
            time.sleep(0.002)
            g.step()
            if g.steps in {first + 10, first + 20} and given.mode != "shards":
                state.save(g.steps)
            if g.steps == first + 12:
                (given.out / f"ready-{ranks.rank}").touch()


main()
