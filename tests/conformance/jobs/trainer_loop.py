"""Hugging Face's Trainer with a small model, dropout, a schedule and a shuffled data set."""

# ruff: noqa: ARG002 - the callbacks of a trainer have the arguments that it gives them

import hashlib
from pathlib import Path

import torch
from places import EPOCH, SAVE_SLOWLY_FROM, STEPS, Clocks, Places, began, closed_gate, compiled, finished, options
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from detente.hooks.transformers import guard_callback
from detente.hooks.workload.control import write_durably

BATCH = 8
SLOW_PIECE = 16 << 16


class Examples:
    """Examples that are a function of their number."""

    def __init__(self, size: int) -> None:
        self.points = torch.randn(size, 16, generator=torch.Generator().manual_seed(11))

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, at: int) -> dict:
        return {"points": self.points[at], "labels": at % 4}


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 4))

    def forward(self, points, labels):
        logits = self.layers(points)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Stays(TrainerCallback):
    """The places at which the test holds the job; called before the guard."""

    def __init__(self, places: Places, brake) -> None:
        self.places = places
        self.brake = brake

    def closed(self):
        return closed_gate(self.brake._guard)()

    def on_step_begin(self, args, state, control, **more):
        self.places.hang(state.global_step + 1)

    def on_optimizer_step(self, args, state, control, **more):
        self.places.stay("step", state.global_step + 1, closed=self.closed)

    def on_prediction_step(self, args, state, control, **more):
        self.places.stay("evaluation", state.global_step, look=self.brake.check, closed=self.closed)


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(3)
    places, clocks = Places(given.out, given.stay), Clocks()
    brake = guard_callback("run", mode=given.mode)
    arguments = TrainingArguments(
        output_dir=str(given.out / "checkpoints"),
        max_steps=STEPS,
        per_device_train_batch_size=BATCH // given.accumulate,
        gradient_accumulation_steps=given.accumulate,
        learning_rate=1e-2,
        lr_scheduler_type="cosine",
        eval_strategy="steps",
        eval_steps=10,
        save_strategy="steps" if given.save_every else "no",
        save_steps=given.save_every or STEPS,
        logging_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=5,
    )
    model = Model()
    if given.compile:
        compiled(model, places, lambda: brake._guard)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=Examples(EPOCH * BATCH),
        eval_dataset=Examples(4 * BATCH),
        data_collator=collated(places, brake),
        callbacks=[Stays(places, brake), brake],
    )
    if given.slow_piece_ms:
        save_model = trainer.save_model

        def slowly(folder, **more):
            """The disk is slow: the weights are there, half of another file, and then nothing for a while."""
            save_model(folder, **more)
            if trainer.state.global_step >= SAVE_SLOWLY_FROM:
                write_durably(Path(folder) / "slow.bin", bytes(SLOW_PIECE), pause_s=given.slow_piece_ms / 1000)

        trainer.save_model = slowly
    newest = brake.newest()
    began(given.out, int(newest.rsplit("-", 1)[1]) if newest else 0)
    trainer.train(resume_from_checkpoint=newest)
    digest = hashlib.sha256(b"".join(each.detach().numpy().tobytes() for each in model.state_dict().values()))
    finished(given.out, digest.hexdigest(), clocks)


def collated(places: Places, brake):
    """Makes batches, and is where the job waits for data: the trainer fetches one batch ahead of the step."""
    from transformers import default_data_collator

    def collate(examples):
        state = brake._trainer.state
        if brake._guard is not None and not brake._trainer.control.should_evaluate:
            places.stay("data", state.global_step + 1, look=brake.check, closed=closed_gate(brake._guard))
        return default_data_collator(examples)

    return collate


main()
