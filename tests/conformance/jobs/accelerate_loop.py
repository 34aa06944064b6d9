"""A loop of its own that Accelerate has prepared: dropout, a schedule, gradients of several batches, a shuffled data set."""

import hashlib

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from places import EPOCH, SAVE_SLOWLY_FROM, STEPS, Clocks, Places, began, closed_gate, compiled, finished, options
from torch import nn

from detente import guard
from detente.hooks.accelerate import AcceleratorState

BATCH = 8


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(3)
    places, clocks = Places(given.out, given.stay), Clocks()
    accelerator = Accelerator(
        cpu=True,
        gradient_accumulation_steps=given.accumulate,
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True),
    )
    points = torch.randn(EPOCH * BATCH * given.accumulate, 16, generator=torch.Generator().manual_seed(11))
    data = torch.utils.data.TensorDataset(points, torch.arange(len(points)) % 4)

    def collate(examples):
        """Makes batches, and is where the job waits for data: batches are fetched ahead."""
        places.stay("data", g.steps + 1, look=g.check, closed=closed_gate(g))
        return torch.utils.data.default_collate(examples)

    bare = nn.Sequential(
        nn.Linear(16, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 4)
    )
    if given.compile:
        compiled(bare, places, lambda: g)
    optimizer = torch.optim.AdamW(bare.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True, collate_fn=collate)
    model, optimizer, scheduler, loader = accelerator.prepare(bare, optimizer, scheduler, loader)
    state = AcceleratorState(accelerator, given.out, run="run", loader=loader)
    first = state.restore()
    began(given.out, first)

    def save():
        state._slow_piece_s = given.slow_piece_ms / 1000 if g.steps >= SAVE_SLOWLY_FROM else 0.0
        return state.save(g.steps)

    with guard("run", save=save, at_step=first, mode=given.mode) as g:
        while g.steps < STEPS:
            for batch, kinds in state.batches():
                at = g.steps + 1
                places.hang(at)
                with accelerator.accumulate(model):
                    accelerator.backward(nn.functional.cross_entropy(model(batch), kinds))
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
                if not accelerator.sync_gradients:
                    continue
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
                if g.steps == STEPS:
                    break
    digest = hashlib.sha256(b"".join(each.detach().numpy().tobytes() for each in bare.state_dict().values()))
    finished(given.out, digest.hexdigest(), clocks)


main()
