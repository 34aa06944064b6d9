"""One rank of a job whose model and optimiser are sharded by FSDP, and saved through torch.distributed.checkpoint."""

import contextlib
import hashlib

import torch
from places import EPOCH, SAVE_SLOWLY_FROM, STEPS, Clocks, Places, began, closed_gate, compiled, finished, options
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from detente.hooks.torch.distributed_checkpoint import ShardedState
from detente.hooks.torch.loader import SeekableLoader
from detente.hooks.torch.ranks import guard_ranks, joined_ranks

BATCH = 8


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.distributed.init_process_group("gloo")
    try:
        train(given, joined_ranks())
    finally:
        with contextlib.suppress(Exception):
            torch.distributed.destroy_process_group()


def train(given, ranks) -> None:
    places, clocks = Places(given.out, given.stay), Clocks()
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 256), nn.ReLU())
    model.append(nn.Linear(256, 4))
    mesh = init_device_mesh("cpu", (ranks.world,))
    for layer in model:
        if given.compile and isinstance(layer, nn.Linear):
            compiled(layer, places, lambda: g)
    fully_shard(model[3], mesh=mesh)
    fully_shard(model, mesh=mesh)
    torch.manual_seed(4 + ranks.rank)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    points = torch.randn(EPOCH * BATCH * ranks.world, 16, generator=torch.Generator().manual_seed(11))
    loader = SeekableLoader(
        torch.utils.data.TensorDataset(points, torch.arange(len(points)) % 4),
        batch_size=BATCH,
        seed=5,
        rank=ranks.rank,
        world=ranks.world,
        ready=lambda: places.passed("data", g.steps + 1, closed=closed_gate(g)),
    )
    state = ShardedState(
        given.out, run="run", model=model, optimizer=optimizer, scheduler=scheduler, loader=loader, ranks=ranks
    )
    first = state.restore()
    if ranks.rank == 0:
        began(given.out, first)

    def save():
        state._slow_piece_s = given.slow_piece_ms / 1000 if g.steps >= SAVE_SLOWLY_FROM else 0.0
        return state.save(g.steps)

    with guard_ranks("run", ranks=ranks, save=save, at_step=first, mode=given.mode) as g:
        loader.check = g.check
        while g.steps < STEPS:
            for batch, kinds in state.batches():
                at = g.steps + 1
                places.hang(at)
                loss = nn.functional.cross_entropy(model(batch), kinds)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
                places.stay("step", at, closed=closed_gate(g))
                g.step()
                if at % 10 == 0:
                    with state.evaluation(), torch.no_grad():
                        places.stay("evaluation", at, look=g.check, closed=closed_gate(g))
                        model.eval()
                        assert torch.isfinite(model(torch.randn(8, 16)).sum())
                        model.train()
                if given.save_every and at % given.save_every == 0:
                    save()
    whole = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True))
    if ranks.rank == 0:
        digest = hashlib.sha256(b"".join(whole[name].numpy().tobytes() for name in sorted(whole)))
        finished(given.out, digest.hexdigest(), clocks)


main()
