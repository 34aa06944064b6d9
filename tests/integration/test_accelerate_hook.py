"""Loops that Accelerate has prepared, stopped anywhere and resumed: bit-equal, or declared not exact with the reason."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest

from detente.base.errors import Misuse, Refused
from detente.hooks.loop import Paused
from tests.integration.ended_leave import EndedLeave

torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make torch`")
accelerate = pytest.importorskip("accelerate", reason="accelerate is not installed: `make torch`")

from accelerate.utils import DataLoaderConfiguration  # noqa: E402 - after the skip
from torch import nn  # noqa: E402

from detente.hooks.accelerate import AcceleratorState  # noqa: E402
from detente.hooks.loop import LoopGuard  # noqa: E402

EPOCH, STEPS, BATCH = 8, 20, 4


@pytest.fixture(autouse=True)
def one_thread():
    """As many threads as the machine likes would split sums differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    accelerate.state.AcceleratorState._reset_state()
    accelerate.state.GradientState._reset_state()


class Examples(torch.utils.data.Dataset):
    """Examples that are a function of their number, and of chance where they are noisy."""

    def __init__(self, size: int, noise: float = 0.0) -> None:
        self.size = size
        self.noise = noise

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, at: int):
        points = torch.full((4,), at / self.size)
        return points + self.noise * torch.randn(4) if self.noise else points, at % 3


class Run:
    """One process of a training program with its own loop."""

    def __init__(
        self, out: Path, *, accumulate=1, noise=0.0, norm=False, seedable=True, allow=False, workers=0
    ) -> None:
        torch.manual_seed(3)
        random.seed(3)
        config = DataLoaderConfiguration(use_seedable_sampler=seedable)
        self.accelerator = accelerate.Accelerator(
            cpu=True, gradient_accumulation_steps=accumulate, dataloader_config=config
        )
        norms = [nn.BatchNorm1d(16)] if norm else []
        model = nn.Sequential(nn.Linear(4, 16), *norms, nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        data = Examples(EPOCH * BATCH * accumulate, noise)
        self.loader = torch.utils.data.DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        self.model, self.optimizer, self.loader, self.scheduler = self.accelerator.prepare(
            model, optimizer, self.loader, scheduler
        )
        self.state = AcceleratorState(self.accelerator, out, run="run", loader=self.loader, allow_inexact=allow)
        self.leave = EndedLeave()
        self.first = self.state.restore()

    def train(self, *, end_at=None) -> "Run":
        """To the end, or until leave, which ends at ``(place, number)``, stops it."""
        came = dict.fromkeys(("batch", "half", "step", "evaluation"), 0)

        def here(place: str) -> None:
            came[place] += 1
            if end_at == (place, came[place]):
                self.leave.end()

        with LoopGuard(self.leave, save=lambda: self.state.save(g.steps), at_step=self.first) as g:
            while g.steps < STEPS:
                for points, kinds in self.state.batches():
                    here("batch")
                    if end_at and end_at[0] == "batch":
                        g.check()
                    with self.accelerator.accumulate(self.model):
                        self.accelerator.backward(nn.functional.cross_entropy(self.model(points), kinds))
                        self.optimizer.step()
                        self.scheduler.step()
                        self.optimizer.zero_grad()
                    if self.accelerator.sync_gradients:
                        here("step")
                        g.step()
                        if g.steps % 5 == 0:
                            with self.state.evaluation():
                                here("evaluation")
                                torch.randn(3)
                                g.check()
                        if g.steps == STEPS:
                            break
                    else:
                        here("half")
                        g.check()
        return self

    def stopped(self, place: str, number: int):
        """Train until the stop; the receipt that it left."""
        with pytest.raises(Paused):
            self.train(end_at=(place, number))
        return self.leave.saved.receipt

    def weights(self) -> str:
        self.train()
        found = b"".join(each.detach().numpy().tobytes() for each in self.model.state_dict().values())
        return hashlib.sha256(found).hexdigest()


@pytest.mark.parametrize(
    ("accumulate", "place", "number", "step"),
    [
        (1, "step", 5, 5),
        (1, "step", EPOCH, EPOCH),
        (1, "evaluation", 2, 10),
        (1, "batch", EPOCH + 1, EPOCH),
        (1, "batch", 5, 4),
        (4, "step", 5, 5),
        (4, "step", EPOCH, EPOCH),
        (4, "half", 3 * EPOCH + 2, EPOCH),
        (4, "half", 8, 2),
        (4, "batch", 4 * EPOCH, EPOCH - 1),
        (4, "batch", 14, 3),
    ],
)
def test_a_prepared_loop_that_is_stopped_and_resumed_ends_with_the_same_weights(
    tmp_path, accumulate, place, number, step
):
    """At a step, at an epoch's end, in an evaluation, before a batch, and within a step that is half done, which comes again."""
    cut = Run(tmp_path / "cut", accumulate=accumulate).stopped(place, number)
    assert (cut.step, cut.exact, cut.why_not_exact) == (step, True, "")
    resumed = Run(tmp_path / "cut", accumulate=accumulate)
    assert resumed.first == step
    assert resumed.weights() == Run(tmp_path / "whole", accumulate=accumulate).weights()


def test_two_stops_within_an_epoch(tmp_path):
    """The second resume begins in an epoch that was resumed already; a step apart, too."""
    steps = [Run(tmp_path / "cut").stopped("step", number).step for number in (3, 1, 2)]
    assert steps == [3, 4, 6]
    assert Run(tmp_path / "cut").weights() == Run(tmp_path / "whole").weights()


def test_workers_that_draw_nothing_change_nothing(tmp_path):
    """Nobody watched them, so the receipt does not promise it; the weights are the same all the same."""
    cut = Run(tmp_path / "cut", workers=1).stopped("step", 4)
    assert "nobody watched" in cut.why_not_exact
    assert Run(tmp_path / "cut", workers=1, allow=True).weights() == Run(tmp_path / "whole", workers=1).weights()


def test_examples_that_draw_are_seen_within_an_epoch(tmp_path):
    """Batches are fetched ahead, and what they drew is not set back: the receipt says so, and a resume is refused."""
    cut = Run(tmp_path / "cut", noise=0.1).stopped("step", 4)
    assert "draws random numbers" in cut.why_not_exact
    with pytest.raises(Refused, match="V07"):
        Run(tmp_path / "cut", noise=0.1)


def test_at_an_epochs_end_examples_may_draw(tmp_path):
    """Nothing has been fetched of the next one."""
    cut = Run(tmp_path / "cut", noise=0.1).stopped("step", EPOCH)
    assert (cut.step, cut.exact) == (EPOCH, True)
    assert Run(tmp_path / "cut", noise=0.1).weights() == Run(tmp_path / "whole", noise=0.1).weights()


def test_a_half_done_step_of_a_model_with_buffers_is_declared(tmp_path):
    """Statistics of batches were counted already, and will be again."""
    cut = Run(tmp_path / "cut", accumulate=4, norm=True).stopped("half", 8)
    assert "buffers" in cut.why_not_exact


def test_an_order_that_is_not_found_again_is_refused_before_the_first_step(tmp_path):
    """V08: without a seedable sampler each process shuffles anew."""
    with pytest.raises(Refused, match=r"V08.*use_seedable_sampler"):
        Run(tmp_path / "cut", seedable=False)
    assert not (tmp_path / "cut").exists()


def test_an_accelerator_of_several_processes_is_refused(tmp_path, monkeypatch):
    """Each would stop at a step of its own."""
    monkeypatch.setattr(accelerate.Accelerator, "num_processes", 2)
    with pytest.raises(Misuse, match="2 processes"):
        Run(tmp_path / "cut")


def test_a_place_that_is_none_is_refused(tmp_path):
    """V04: of another length of the epoch, say."""
    run = Run(tmp_path / "cut")
    with pytest.raises(Refused, match="V04"):
        run.state._prepared.load_state_dict({"epoch": 0, "position": 99, "accumulated": 0})
    assert run.state._prepared.state_dict()["position"] == 0


def test_a_checkpoint_without_one_of_its_files_is_passed_over(tmp_path):
    """V09 for what save_state wrote, as for the rest: the one before it is used."""
    for _ in range(2):
        Run(tmp_path / "cut").stopped("step", 3)
    (tmp_path / "cut" / "checkpoints" / "step-000000006" / "accelerate" / "optimizer.bin").unlink()
    assert Run(tmp_path / "cut").first == 3
    shutil.rmtree(tmp_path / "cut" / "checkpoints" / "step-000000003")
    with pytest.raises(Refused, match="W17"):
        Run(tmp_path / "cut")
