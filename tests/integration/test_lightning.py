"""Lightning stopped by its callback at any step, whatever its minima say, and gone on with bit-exactly."""

import random

import pytest

from detente.base.errors import Misuse, Refused
from detente.hooks.loop import FOREVER_S, LoopGuard, Paused

pytest.importorskip("numpy", reason="the hook for Lightning needs NumPy: pip install 'detente[lightning]'")
torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make torch`")
lightning = pytest.importorskip("lightning", reason="Lightning is not installed: `make frameworks`")

import numpy as np  # noqa: E402 - after the skip

from detente.hooks import lightning as hook  # noqa: E402
from detente.hooks.torch.loader import SeekableLoader  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("_one_thread")]
EPOCH, EPOCHS, BATCH = 6, 3, 4


@pytest.fixture
def _one_thread():
    """As many threads as the machine likes would split sums differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Closing:
    """A leader whose leave ends when the test says so."""

    def __init__(self) -> None:
        self.halts, self.finished = [], []

    def start(self, cell) -> None:
        self.cell = cell
        cell.set(until_s=FOREVER_S)

    def close(self) -> None:
        self.cell.set(until_s=0.0)

    def halt(self, step, save):
        saved = save()
        self.halts.append(step)
        return "closed", saved.receipt.sha256

    def look(self, step) -> None:
        """Nothing is watched."""

    def finish(self, step, *, failed) -> None:
        self.finished.append((step, failed))


class Noisy(torch.utils.data.Dataset):
    """Examples with noise from all three global generators."""

    def __len__(self) -> int:
        return EPOCH * BATCH

    def __getitem__(self, at: int):
        noise = torch.randn(8) + float(np.random.rand()) + random.random()  # noqa: NPY002 - on purpose
        return 0.1 * noise + at / 10, at % 3


class Model(lightning.LightningModule):
    """Draws in training, in validation and in its hooks; keeps an average in a hook that comes after every callback."""

    def __init__(self, plateau: bool = False) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.3), torch.nn.Linear(16, 3))
        self.register_buffer("average", torch.zeros(3))
        self.plateau, self.validated = plateau, []

    def training_step(self, batch, _index):
        points, kinds = batch
        if self.global_step + 1 == self.during:
            self.leader.close()
        return torch.nn.functional.cross_entropy(self.net(points), kinds)

    def validation_step(self, batch, _index):
        points, kinds = batch
        self.log("loss", torch.nn.functional.cross_entropy(self.net(points + torch.randn_like(points)), kinds))

    def on_train_batch_end(self, *_of):
        self.average.mul_(0.9).add_(self.net[2].bias.detach())

    def on_train_epoch_end(self):
        self.average.add_(torch.rand(3))

    def on_validation_epoch_end(self):
        if not self.trainer.sanity_checking:
            self.validated.append(self.global_step)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        if self.plateau:
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "loss"}}
        steps = int(self.trainer.estimated_stepping_batches)  # Reading it makes Lightning forget its loader's state.
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Fit:
    """One ``trainer.fit`` in a folder, below a leader whose leave ends during a step."""

    more_callbacks = ()

    def __init__(self, out, monkeypatch, *, during=None, loader=None, model=None, seed=3, resume=True, how=(), **more):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        self.leader = Closing()
        monkeypatch.setattr(hook, "guard", lambda _run, *, save: LoopGuard(self.leader, save=save, at_step=0))
        self.model = model or Model()
        self.model.during, self.model.leader = during, self.leader
        self.brake = hook.guard_callback(out, run="run", **dict(how))
        validation = torch.utils.data.DataLoader(Noisy(), batch_size=2 * BATCH)
        options = {"max_epochs": EPOCHS, "val_check_interval": EPOCH // 2} | more
        self.trainer = lightning.Trainer(
            callbacks=[self.brake, *self.more_callbacks],
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        given = self.brake.checkpoint() if resume else None
        loader = loader or SeekableLoader(Noisy(), batch_size=BATCH, seed=5)
        self.stopped = None
        try:
            self.trainer.fit(self.model, loader, validation, ckpt_path=given)
        except Paused as stop:
            self.stopped = stop

    def weights(self) -> bytes:
        return b"".join(each.numpy().tobytes() for each in self.model.state_dict().values())


@pytest.mark.parametrize("step", range(1, EPOCH * EPOCHS))
def test_stopped_during_any_step_it_ends_with_the_weights_of_a_run_that_was_not(step, tmp_path, monkeypatch):
    """Within an epoch, at its end, before a validation and after it."""
    whole = Fit(tmp_path / "whole", monkeypatch)
    first = Fit(tmp_path / "out", monkeypatch, during=step)
    assert (first.stopped.code, first.leader.halts, first.leader.finished) == (75, [step], [(step, True)])
    second = Fit(tmp_path / "out", monkeypatch, seed=99)
    assert second.stopped is None
    assert second.weights() == whole.weights()
    assert second.brake.state._sealed.receipt.exact
    assert second.leader.finished == [(EPOCH * EPOCHS, False)]
    assert first.model.validated + second.model.validated == whole.model.validated


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        ({"max_steps": 17, "max_epochs": -1}, (2, 3, 6, 8, 12)),
        ({"accumulate_grad_batches": 2}, (1, 2, 3, 5, 6)),
        ({"accumulate_grad_batches": 4}, (1, 2, 3, 4)),
        ({"limit_val_batches": 0}, (1, 5, 6, 11, 12)),
        ({"val_check_interval": 1.0}, (5, 6, 7, 12)),
        ({"limit_train_batches": 4, "val_check_interval": 2}, (2, 3, 4, 5, 8)),
        ({"check_val_every_n_epoch": None, "val_check_interval": 4}, (3, 4, 6, 8, 12)),
    ],
    ids=["max-steps", "accumulated", "accumulated-beyond", "no-validation", "epochs", "limited", "iterations"],
)
def test_stopped_under_other_options_it_ends_with_the_same_weights(more, steps, tmp_path, monkeypatch):
    """Where the step or the epoch ends elsewhere, so does the boundary."""
    whole = Fit(tmp_path / "whole", monkeypatch, **more)
    for step in steps:
        first = Fit(tmp_path / str(step), monkeypatch, during=step, **more)
        assert first.leader.halts == [step]
        second = Fit(tmp_path / str(step), monkeypatch, seed=99, **more)
        assert (second.stopped, second.weights()) == (None, whole.weights())


def test_stopped_again_and_again_it_ends_with_the_same_weights(tmp_path, monkeypatch):
    """At a validation, twice within an epoch, at its end, and right after it."""
    whole = Fit(tmp_path / "whole", monkeypatch)
    for step in (3, 4, 6, 7, 9, 12, 15):
        assert Fit(tmp_path / "out", monkeypatch, seed=step, during=step).leader.halts == [step]
    last = Fit(tmp_path / "out", monkeypatch, seed=99)
    assert (last.stopped, last.weights()) == (None, whole.weights())


@pytest.mark.parametrize("minimum", [{"min_steps": 15}, {"min_epochs": 3}], ids=["steps", "epochs"])
def test_a_minimum_of_the_trainer_does_not_hold_off_the_stop(minimum, tmp_path, monkeypatch):
    """Asked with ``should_stop``, Lightning would train on to the minimum."""
    assert Fit(tmp_path, monkeypatch, during=5, **minimum).leader.halts == [5]


def test_with_a_minimum_of_the_trainer_should_stop_is_overruled(tmp_path, monkeypatch):
    """Why the stop is an exception: what this Lightning does with a request."""

    class Asks(lightning.Callback):
        def on_train_batch_end(self, trainer, *_of) -> None:
            trainer.should_stop |= trainer.global_step == 5

    monkeypatch.setattr(Fit, "more_callbacks", (Asks(),), raising=False)
    ran = Fit(tmp_path, monkeypatch, min_steps=15)
    assert ran.trainer.global_step >= 15


def test_a_checkpoint_is_made_every_so_many_steps(tmp_path, monkeypatch):
    """What a job that dies goes on from."""
    ran = Fit(tmp_path, monkeypatch, how={"save_every": 4})
    assert ran.brake._files.newest().receipt.step == 16


def test_another_start_than_the_newest_checkpoint_is_refused(tmp_path, monkeypatch):
    """Without ``ckpt_path`` the weights would begin anew at another place in the data."""
    Fit(tmp_path, monkeypatch, during=5)
    with pytest.raises(Refused, match="V13 conflict: got a start from nothing"):
        Fit(tmp_path, monkeypatch, resume=False)
    assert hook.guard_callback(tmp_path, run="run").checkpoint().parent.name == "step-000000005"


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    """It has no file of Lightning's."""
    brake = hook.guard_callback(tmp_path, run="run")
    brake._files.open(3).joinpath("rank-00000.ckpt").write_bytes(b"abc")
    brake._files.seal(3)
    with pytest.raises(Refused, match=r"V04 .*without lightning.ckpt"):
        brake.checkpoint()


def plain() -> torch.utils.data.DataLoader:
    return torch.utils.data.DataLoader(Noisy(), batch_size=BATCH, shuffle=True)


def test_a_loader_without_a_place_is_refused_before_the_first_step(tmp_path, monkeypatch):
    """Not at the first pause, when it is too late."""
    with pytest.raises(Refused, match="V03 wrong-type: got a DataLoader"):
        Fit(tmp_path, monkeypatch, loader=plain())


@pytest.mark.parametrize("case", ["loader", "plateau"])
def test_what_is_not_exact_says_so_and_is_not_gone_on_from_unasked(case, tmp_path, monkeypatch):
    """The receipt has the reason; a resume has to be asked for."""
    made = {"loader": plain} if case == "loader" else {"model": lambda: Model(plateau=True)}
    how = {"how": {"allow_inexact": True}} if case == "loader" else {}
    first = Fit(tmp_path, monkeypatch, during=5, **{name: each() for name, each in made.items()}, **how)
    receipt = first.brake._files.newest().receipt
    assert (first.leader.halts, receipt.exact) == ([5], False)
    assert {"loader": "place within an epoch", "plateau": "plateau"}[case] in receipt.why_not_exact
    if case == "plateau":
        with pytest.raises(Refused, match="V07"):
            Fit(tmp_path, monkeypatch, **{name: each() for name, each in made.items()})
    again = Fit(tmp_path, monkeypatch, how={"allow_inexact": True}, **{name: each() for name, each in made.items()})
    assert again.trainer.global_step == EPOCH * EPOCHS
    assert again.brake.state.why_not_exact == receipt.why_not_exact


def test_loaders_that_are_made_anew_are_refused(tmp_path, monkeypatch):
    """The boundary would be gone with the first of them."""
    with pytest.raises(Misuse, match="reload_dataloaders_every_n_epochs"):
        Fit(tmp_path, monkeypatch, reload_dataloaders_every_n_epochs=1)
