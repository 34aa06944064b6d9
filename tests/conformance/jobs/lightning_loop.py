"""A Lightning trainer: dropout, a schedule that asks for the number of steps, validation, data that draw from every generator."""

import hashlib
import random
import warnings

import lightning
import numpy as np
import torch
from places import EPOCH, SAVE_SLOWLY_FROM, STEPS, Clocks, Places, began, closed_gate, compiled, finished, options
from torch import nn

from detente.hooks.lightning import guard_callback
from detente.hooks.torch.loader import SeekableLoader

BATCH = 8


class Noisy(torch.utils.data.Dataset):
    """Examples with noise from PyTorch's, NumPy's and Python's global generators: each resume has to set all three back."""

    def __init__(self, size: int) -> None:
        self.points = torch.randn(size, 16, generator=torch.Generator().manual_seed(11))

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
        noise = torch.randn(16) + float(np.random.rand()) + random.random()  # noqa: NPY002 - on purpose
        return self.points[at] + 0.1 * noise, at % 4


class Model(lightning.LightningModule):
    def __init__(self, stand: "Stand") -> None:
        super().__init__()
        self.stand = [stand]  # In a list: it is no part of the model.
        self.net = nn.Sequential(
            nn.Linear(16, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 4)
        )

    def training_step(self, batch, _index):
        points, kinds = batch
        self.stand[0].places.hang(self.global_step + 1)
        return nn.functional.cross_entropy(self.net(points), kinds)

    def validation_step(self, batch, _index):
        stand = self.stand[0]
        if not self.trainer.sanity_checking:
            stand.stay("evaluation", self.global_step, look=stand.brake.check)
        points, kinds = batch
        self.log("loss", nn.functional.cross_entropy(self.net(points + torch.randn_like(points)), kinds))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        steps = self.trainer.estimated_stepping_batches  # Read here, Lightning forgets what it kept of the loader.
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, int(steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Stand(lightning.Callback):
    """Where the test stops the job, and what the job leaves."""

    def __init__(self, given, brake) -> None:
        self.given, self.brake = given, brake
        self.places = Places(given.out, given.stay)

    def stay(self, name, step, **how) -> None:
        self.places.stay(name, step, closed=closed_gate(self.brake._guard), **how)

    def ready(self) -> bool:
        return self.places.passed("data", self.brake._guard.steps + 1, closed=closed_gate(self.brake._guard))

    def on_train_start(self, trainer, _module) -> None:
        began(self.given.out, trainer.global_step)

    def on_train_batch_end(self, trainer, *_of) -> None:
        slowly = trainer.global_step >= SAVE_SLOWLY_FROM
        # The state beside Lightning's file is small: one piece of it takes as long as sixteen of a larger one.
        self.brake.state._slow_piece_s = 16 * self.given.slow_piece_ms / 1000 if slowly else 0.0
        self.stay("step", trainer.global_step)


def main() -> None:
    given = options()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    lightning.seed_everything(3, verbose=False)
    clocks = Clocks()
    brake = guard_callback(given.out, run="run", save_every=given.save_every, mode=given.mode)
    stand = Stand(given, brake)
    model = Model(stand)
    if given.compile:
        compiled(model.net, stand.places, lambda: brake._guard)
    loader = SeekableLoader(Noisy(EPOCH * BATCH), batch_size=BATCH, seed=5, ready=stand.ready)
    validation = torch.utils.data.DataLoader(Noisy(2 * BATCH), batch_size=BATCH)
    trainer = lightning.Trainer(
        max_epochs=STEPS // EPOCH,
        val_check_interval=EPOCH // 2,
        callbacks=[brake, stand],
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, loader, validation, ckpt_path=brake.checkpoint())
    assert trainer.global_step == STEPS
    digest = hashlib.sha256(b"".join(each.detach().numpy().tobytes() for each in model.state_dict().values()))
    finished(given.out, digest.hexdigest(), clocks)


main()
