"""Hugging Face's Trainer, stopped at any of its events and resumed: bit-equal, or declared not exact with the reason."""

import hashlib
import os
import random
import shutil
from pathlib import Path

import pytest

from detente.base.errors import Misuse, Refused
from detente.hooks.loop import Paused

torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make torch`")
transformers = pytest.importorskip("transformers", reason="transformers is not installed: `make torch`")

from torch import nn  # noqa: E402 - after the skip

from detente.hooks import transformers as hook  # noqa: E402
from detente.hooks.torch.loader import DrawWatch  # noqa: E402
from tests.integration.ended_leave import EndedLeave  # noqa: E402

EPOCH, BATCH, STEPS = 8, 4, 20


@pytest.fixture(autouse=True)
def one_thread():
    """As many threads as the machine likes would split sums differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Examples:
    """Examples that are a function of their number, and of chance where they are noisy."""

    def __init__(self, size: int, noise: float = 0.0) -> None:
        self.size = size
        self.noise = noise

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, at: int) -> dict:
        points = torch.full((4,), at / self.size)
        return {"points": points + self.noise * torch.randn(4) if self.noise else points, "labels": at % 3}


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))

    def forward(self, points, labels):
        logits = self.layers(points)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


class Ends(transformers.TrainerCallback):
    """Ends leave at the ``number``-th of an event."""

    def __init__(self, leave: EndedLeave, event: str, number: int) -> None:
        self._at, self._left, self._leave = event, number, leave

    def _came(self, event: str) -> None:
        if event == self._at:
            self._left -= 1
            if self._left == 0:
                self._leave.end()

    def on_step_begin(self, *_given, **_more):
        self._came("step_begin")

    def on_optimizer_step(self, *_given, **_more):
        self._came("step")

    def on_prediction_step(self, *_given, **_more):
        self._came("prediction")

    def on_save(self, *_given, **_more):
        self._came("save")

    def on_epoch_begin(self, *_given, **_more):
        self._came("epoch_begin")


class Run:
    """One process of a training program: trained until its leave ends, or to its end."""

    def __init__(
        self, out: Path, monkeypatch, *, event="", number=0, noise=0.0, data=None, allow=False, **more
    ) -> None:
        self.leave = EndedLeave()
        monkeypatch.setattr(hook, "guard", self.leave.guard)
        torch.manual_seed(3)
        random.seed(3)
        self.brake = hook.guard_callback("run", allow_inexact=allow)
        accumulate = more.pop("gradient_accumulation_steps", 1)
        given = {
            "output_dir": str(out),
            "max_steps": STEPS,
            "per_device_train_batch_size": BATCH // accumulate,
            "per_device_eval_batch_size": BATCH,
            "gradient_accumulation_steps": accumulate,
            "learning_rate": 1e-2,
            "eval_strategy": "steps",
            "eval_steps": 5,
            "save_strategy": "no",
            "report_to": [],
            "use_cpu": True,
            "disable_tqdm": True,
            "seed": 5,
        }
        self.model = Model()

        def collate(examples):
            if self.brake._guard is not None and not self.trainer.control.should_evaluate:
                ends._came("data")
                self.brake.check()
            return transformers.default_data_collator(examples)

        ends = Ends(self.leave, event, number)
        self.trainer = transformers.Trainer(
            model=self.model,
            args=transformers.TrainingArguments(**given | more),
            train_dataset=Examples(EPOCH * BATCH, noise) if data is None else data,
            eval_dataset=Examples(3 * BATCH),
            data_collator=collate,
            callbacks=[ends, self.brake],
        )

    def stopped(self):
        """Train until the stop; the receipt that it left."""
        with pytest.raises(Paused):
            self.trainer.train(resume_from_checkpoint=self.brake.newest())
        assert self.leave.finished is True
        return self.leave.saved.receipt

    def whole(self) -> str:
        """Train to the end; the digest of the weights."""
        self.trainer.train(resume_from_checkpoint=self.brake.newest())
        assert self.leave.finished is False
        weights = b"".join(each.detach().numpy().tobytes() for each in self.model.state_dict().values())
        return hashlib.sha256(weights).hexdigest()


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize(
    ("event", "number", "step"),
    [
        ("step", 7, 7),
        ("step", EPOCH, EPOCH),
        ("step", 10, 10),  # with an evaluation due
        ("prediction", 5, 10),
        ("prediction", 6, 10),
        ("step_begin", EPOCH + 4, EPOCH + 4),
        ("epoch_begin", 2, EPOCH),
    ],
)
def test_a_trainer_that_is_stopped_and_resumed_ends_with_the_same_weights(
    tmp_path, monkeypatch, accumulate, event, number, step
):
    """At a step, at an epoch's end, in an evaluation, in the data: with gradients accumulated or not."""
    how = {"gradient_accumulation_steps": accumulate}
    cut = Run(tmp_path / "cut", monkeypatch, event=event, number=number, **how).stopped()
    assert (cut.step, cut.exact, cut.why_not_exact) == (step, True, "")
    resumed = Run(tmp_path / "cut", monkeypatch, **how).whole()
    assert resumed == Run(tmp_path / "whole", monkeypatch, **how).whole()


@pytest.mark.parametrize(("number", "step"), [(1, 0), (6, 4), (EPOCH + 1, EPOCH)])
def test_a_stop_while_the_trainer_waits_for_data_is_exact(tmp_path, monkeypatch, number, step):
    """Before the first batch of all, within an epoch, before the first batch of an epoch, whose order has then been drawn."""
    cut = Run(tmp_path / "cut", monkeypatch, event="data", number=number).stopped()
    assert (cut.step, cut.exact) == (step, True)
    assert Run(tmp_path / "cut", monkeypatch).whole() == Run(tmp_path / "whole", monkeypatch).whole()


def test_two_stops_within_an_epoch_and_evaluations_at_its_end(tmp_path, monkeypatch):
    """The evaluation that an epoch's end brings is not left out by a resume: the stop is in it."""
    how = {"eval_strategy": "epoch"}
    steps = [
        Run(tmp_path / "cut", monkeypatch, event=event, number=number, **how).stopped().step
        for event, number in (("step", 3), ("step", 2), ("step", 3), ("step", 1))
    ]
    assert steps == [3, 5, 8, 9]
    assert Run(tmp_path / "cut", monkeypatch, **how).whole() == Run(tmp_path / "whole", monkeypatch, **how).whole()


@pytest.mark.parametrize("watched", [True, False])
def test_examples_that_draw_are_seen_and_the_receipt_says_so(tmp_path, monkeypatch, watched):
    """Within an epoch the trainer does not set back what examples drew: the receipt says so, and a resume is refused."""
    data = Examples(EPOCH * BATCH, 0.1)
    data = DrawWatch(data) if watched else data
    cut = Run(tmp_path / "cut", monkeypatch, event="step", number=4, data=data).stopped()
    assert not cut.exact
    assert "draws random numbers" in cut.why_not_exact
    with pytest.raises(Refused, match="V07"):
        Run(tmp_path / "cut", monkeypatch, data=data).brake.newest()
    again = Run(tmp_path / "cut", monkeypatch, data=data, allow=True, event="step", number=2).stopped()
    assert (again.step, again.exact) == (6, False)


def test_at_the_end_of_an_epoch_examples_may_draw(tmp_path, monkeypatch):
    """The trainer sets the random states before it begins the next one: nothing was drawn in between."""
    cut = Run(tmp_path / "cut", monkeypatch, event="step", number=EPOCH, noise=0.1).stopped()
    assert (cut.step, cut.exact) == (EPOCH, True)
    whole = Run(tmp_path / "whole", monkeypatch, noise=0.1).whole()
    assert Run(tmp_path / "cut", monkeypatch, noise=0.1).whole() == whole


def test_an_order_that_a_resume_does_not_find_again_is_declared(tmp_path, monkeypatch):
    """A sampler that draws its order from the global generator gives another one to a trainer that begins its epoch again."""
    how = {"accelerator_config": {"use_seedable_sampler": False}}
    cut = Run(tmp_path / "cut", monkeypatch, event="step", number=4, **how).stopped()
    assert "RandomSampler, which a resume does not find again" in cut.why_not_exact


def test_an_evaluation_whose_result_counts_is_finished_first(tmp_path, monkeypatch):
    """The best model and the schedule depend on it: the stop comes after the trainer has used it."""
    how = {"load_best_model_at_end": True, "save_strategy": "steps", "save_steps": 5}
    run = Run(tmp_path / "cut", monkeypatch, event="prediction", number=4, **how)
    cut = run.stopped()
    assert (cut.step, cut.exact) == (10, True)
    assert run.trainer.state.best_metric is not None


def test_an_evaluation_that_goes_on_too_long_is_cut_short_and_that_is_declared(tmp_path, monkeypatch):
    """A pause does not wait for ever for a figure; the receipt says what it costs."""
    monkeypatch.setattr(hook, "EVALUATION_WITHIN_S", 0.0)
    how = {"load_best_model_at_end": True, "save_strategy": "steps", "save_steps": 5}
    cut = Run(tmp_path / "cut", monkeypatch, event="prediction", number=5, **how).stopped()
    assert (cut.step, cut.exact) == (10, False)
    assert "depends on its result" in cut.why_not_exact


def test_a_checkpoint_that_was_cut_short_is_passed_over(tmp_path, monkeypatch):
    """It has no receipt, whatever the trainer's own search thinks of it; and one whose bytes changed fails its digest."""
    how = {"save_strategy": "steps", "save_steps": 4}
    cut = tmp_path / "cut"
    Run(cut, monkeypatch, event="step", number=9, **how).stopped()
    shutil.copytree(cut / "checkpoint-8", cut / "checkpoint-12")
    (cut / "checkpoint-12" / "optimizer.pt").unlink()
    assert Run(cut, monkeypatch).brake.newest() == str(cut / "checkpoint-9")
    os.truncate(cut / "checkpoint-9" / "optimizer.pt", 100)
    assert Run(cut, monkeypatch).brake.newest() == str(cut / "checkpoint-8")


def test_a_resume_from_a_checkpoint_without_a_receipt_is_refused_among_others_that_have_one(tmp_path, monkeypatch):
    """V12, before a step is trained: `resume_from_checkpoint=True` would take whatever has the greatest number."""
    cut = tmp_path / "cut"
    Run(cut, monkeypatch, event="step", number=4).stopped()
    shutil.copytree(cut / "checkpoint-4", cut / "checkpoint-6")
    state = (cut / "checkpoint-6" / "trainer_state.json").read_text()
    (cut / "checkpoint-6" / "trainer_state.json").write_text(state.replace('"global_step": 4', '"global_step": 6'))
    run = Run(cut, monkeypatch)
    with pytest.raises(Refused, match="V12"):
        run.trainer.train(resume_from_checkpoint=str(cut / "checkpoint-6"))
    assert run.trainer.state.global_step == 6
    assert run.leave.saved is None


def test_a_run_from_before_the_guard_goes_on_and_says_so(tmp_path, monkeypatch):
    """No checkpoint has a receipt: the trainer's own is taken, and no receipt from then on says exact."""
    cut = tmp_path / "cut"
    Run(cut, monkeypatch, event="step", number=4).stopped()
    for path in cut.glob("*.receipt.json"):
        path.unlink()
    run = Run(cut, monkeypatch, event="step", number=2)
    with pytest.raises(Paused):
        run.trainer.train(resume_from_checkpoint=str(cut / "checkpoint-4"))
    assert "without a receipt" in run.leave.saved.receipt.why_not_exact


def test_what_would_lose_the_last_checkpoint_is_refused_at_the_start(tmp_path, monkeypatch):
    """save_total_limit=1 removes the one that is sealed before the next one is."""
    with pytest.raises(Misuse, match="save_total_limit=1"):
        Run(tmp_path / "cut", monkeypatch, save_total_limit=1).trainer.train()


def test_a_trainer_of_several_processes_is_refused_at_its_start(tmp_path, monkeypatch):
    """Each would stop at a step of its own."""
    monkeypatch.setattr(transformers.TrainingArguments, "world_size", 2)
    with pytest.raises(Misuse, match="2 processes"):
        Run(tmp_path / "cut", monkeypatch).brake.newest()


def test_the_last_step_has_nothing_left_to_stop(tmp_path, monkeypatch):
    """A stop that comes with it lets the run end: resumed there, the trainer would do one step more."""
    weights = Run(tmp_path / "cut", monkeypatch, event="step", number=STEPS).whole()
    assert weights == Run(tmp_path / "whole", monkeypatch).whole()
