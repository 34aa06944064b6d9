"""Real training in PyTorch, stopped at any step and resumed: bit-equal, or refused with the reason."""

import random
from pathlib import Path

import pytest

from detente.base.errors import Refused
from detente.hooks.agreement import MemoryBoard, Ranks

np = pytest.importorskip("numpy", reason="the hooks for PyTorch need NumPy: pip install 'detente[torch]'")
torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make torch`")

from torch import nn  # noqa: E402 - after the skip

from detente.hooks.torch.exact_state import ExactState  # noqa: E402
from detente.hooks.torch.loader import DrawWatch, SeekableLoader  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")  # torchdata's own, with this PyTorch
STEPS, EPOCH, BATCH = 36, 12, 4


@pytest.fixture(autouse=True)
def one_thread():
    """As many threads as the machine likes would split sums differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Noisy(torch.utils.data.Dataset):
    """Examples with noise from all three global generators."""

    def __len__(self) -> int:
        return EPOCH * BATCH

    def __getitem__(self, at: int):
        noise = torch.randn(8) + float(np.random.rand()) + random.random()
        return 0.1 * noise + at / 10, at % 3


class Quiet(Noisy):
    """Examples that are a function of their number."""

    def __getitem__(self, at: int):
        return torch.full((8,), at / 10), at % 3


def seekable():
    return SeekableLoader(Noisy(), batch_size=BATCH, seed=5)


def stateful(workers: int = 0, data=None, **more):
    torchdata = pytest.importorskip("torchdata.stateful_dataloader", reason="torchdata is not installed")
    return torchdata.StatefulDataLoader(
        Noisy() if data is None else data,
        batch_size=BATCH,
        shuffle=True,
        generator=torch.Generator().manual_seed(5),
        num_workers=workers,
        **more,
    )


class Run:
    """A training program from its beginning to where it is stopped, as one process would run it."""

    def __init__(self, out: Path, loader, *, dtype=torch.float32, schedule=None, **how) -> None:
        torch.manual_seed(3)
        np.random.seed(3)
        random.seed(3)
        self.model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))
        self.model.to(dtype)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.02, amsgrad=True)
        make = schedule or (lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=STEPS))
        self.scheduler = make(self.optimizer)
        self.dtype = dtype
        self.state = ExactState(
            out, model=self.model, optimizer=self.optimizer, scheduler=self.scheduler, loader=loader, **how
        )
        self.step = self.state.restore()

    def to(self, last: int) -> "Run":
        """Train up to a step."""
        while self.step < last:
            for points, kinds in self.state.batches():
                loss = nn.functional.cross_entropy(self.model(points.to(self.dtype)).float(), kinds)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                self.step += 1
                if self.step == last:
                    break
        return self

    def save(self):
        return self.state.save(self.step)

    def weights(self) -> list[bytes]:
        return [
            each.detach().view(-1).view(torch.uint8).numpy().tobytes()
            for each in self.model.state_dict().values()
            if each.ndim
        ]


def whole(tmp_path: Path, make, **how) -> list[bytes]:
    return Run(tmp_path / "whole", make(), **how).to(STEPS).weights()


@pytest.mark.parametrize(
    "stops", [(1,), (7,), (EPOCH,), (EPOCH + 3, EPOCH + 8), (EPOCH, 2 * EPOCH), (5, 6, 7)], ids=str
)
@pytest.mark.parametrize("make", [seekable, stateful])
def test_a_resumed_run_is_bit_equal(tmp_path: Path, make, stops):
    """Within an epoch, twice within one, at its end: weights, batch statistics, moments, schedule, data and dropout go on."""
    for stop in stops:
        saved = Run(tmp_path / "cut", make()).to(stop).save()
        assert (saved.receipt.step, saved.receipt.exact) == (stop, True)
    assert Run(tmp_path / "cut", make()).to(STEPS).weights() == whole(tmp_path, make)


def test_a_checkpoint_that_was_gone_on_from_is_never_written_over(tmp_path: Path, monkeypatch):
    """Resumed elsewhere and stopped before a step: it is answered with what stands there, which a kill cannot break then."""
    Run(tmp_path / "cut", seekable()).to(7).save()
    torch.set_num_threads(2)
    run = Run(tmp_path / "cut", seekable(), allow_inexact=True)

    def killed(*_what: object, **_how: object) -> None:
        raise SystemExit(137)

    monkeypatch.setattr("detente.hooks.torch.exact_state.write_durably", killed)
    answer = run.save().receipt
    assert (answer.step, answer.exact, "threads" in answer.why_not_exact) == (7, False, True)
    torch.set_num_threads(1)
    assert Run(tmp_path / "cut", seekable()).step == 7


def test_a_resume_without_the_random_states_would_have_been_seen(tmp_path: Path, monkeypatch):
    """The comparison can fail: leave the random states out, and the weights differ."""
    Run(tmp_path / "cut", seekable()).to(7).save()
    monkeypatch.setattr("detente.hooks.torch.exact_state.set_random_states", lambda states: None)
    assert Run(tmp_path / "cut", seekable()).to(STEPS).weights() != whole(tmp_path, seekable)


@pytest.mark.parametrize(
    "schedule",
    [
        lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [4, 9, 9, 20]),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 0.9**step),
    ],
    ids=["MultiStepLR", "CosineAnnealingWarmRestarts", "LambdaLR"],
)
def test_schedules_go_on_to_the_last_bit(tmp_path: Path, schedule):
    """Counters, nested lists and floats of a scheduler come back as they were."""
    Run(tmp_path / "cut", seekable(), schedule=schedule).to(11).save()
    resumed = Run(tmp_path / "cut", seekable(), schedule=schedule).to(STEPS).weights()
    assert resumed == whole(tmp_path, seekable, schedule=schedule)


def test_half_precision_comes_back_bit_equal(tmp_path: Path):
    """bfloat16 has no NumPy type: its bytes are kept."""
    Run(tmp_path / "cut", seekable(), dtype=torch.bfloat16).to(11).save()
    resumed = Run(tmp_path / "cut", seekable(), dtype=torch.bfloat16).to(STEPS).weights()
    assert resumed == whole(tmp_path, seekable, dtype=torch.bfloat16)


def test_equal_states_give_equal_files(tmp_path: Path):
    """No time, no path, no address is in a checkpoint: two runs that are alike have one digest."""
    digests = {Run(tmp_path / name, seekable()).to(9).save().receipt.sha256 for name in "ab"}
    assert len(digests) == 1


def test_an_evaluation_leaves_no_trace_even_when_it_is_stopped(tmp_path: Path):
    """What it draws is set back; a checkpoint taken inside is that of the boundary before it."""
    run = Run(tmp_path / "cut", seekable()).to(7)
    with run.state.evaluation():
        torch.randn(100)
        random.random()
        run.save()
    went_on = run.to(STEPS).weights()
    resumed = Run(tmp_path / "cut", seekable()).to(STEPS).weights()
    assert went_on == resumed == whole(tmp_path, seekable)


def test_a_stop_while_a_batch_is_made_goes_on_before_that_batch(tmp_path: Path):
    """A data set that has drawn half of its noise for a batch draws it again."""
    loader = seekable()
    run = Run(tmp_path / "cut", loader).to(7)
    loader.check = lambda: (torch.randn(3), run.save(), (_ for _ in ()).throw(KeyboardInterrupt))
    loader._ready = lambda: False
    with pytest.raises(KeyboardInterrupt):
        run.to(8)
    assert Run(tmp_path / "cut", seekable()).to(STEPS).weights() == whole(tmp_path, seekable)


@pytest.mark.parametrize(("data", "exact"), [(Quiet, True), (Noisy, False)])
def test_workers_are_exact_unless_they_draw(tmp_path: Path, data, exact):
    """Seen by a watch; a checkpoint within an epoch says it, and V07 keeps others from believing otherwise."""
    make = lambda: stateful(2, DrawWatch(data()))  # noqa: E731
    receipt = Run(tmp_path / "cut", make()).to(7).save().receipt
    assert receipt.exact == exact
    if exact:
        assert Run(tmp_path / "cut", make()).to(STEPS).weights() == whole(tmp_path, make)
        return
    assert "workers draw random numbers" in receipt.why_not_exact
    with pytest.raises(Refused) as caught:
        Run(tmp_path / "cut", make())
    assert (caught.value.rule, caught.value.kind) == ("V07", "conflict")


def test_workers_that_nobody_watched_are_not_called_exact(tmp_path: Path):
    """What is not known is not claimed."""
    assert "nobody watched" in Run(tmp_path, stateful(2)).to(2).save().receipt.why_not_exact


def test_a_loader_that_cannot_be_restored_is_refused_before_the_first_step(tmp_path: Path):
    """V08: persistent workers, or an order drawn from the global generator. V03: a loader that cannot say where it stands."""
    without = stateful(0)
    without.generator = None
    for loader, rule in (
        (stateful(1, persistent_workers=True), "V08"),
        (without, "V08"),
        (torch.utils.data.DataLoader(Noisy(), batch_size=BATCH), "V03"),
    ):
        with pytest.raises(Refused) as caught:
            ExactState(tmp_path, loader=loader)
        assert caught.value.rule == rule


def test_a_part_without_state_is_refused_before_the_first_step(tmp_path: Path):
    """V03 for an object that has none, V02 for one whose state has no form."""
    with pytest.raises(Refused) as caught:
        ExactState(tmp_path, parts={"average": object()})
    assert (caught.value.rule, caught.value.kind) == ("V03", "wrong-type")
    sparse = nn.Embedding(3, 2)
    sparse.register_buffer("extra", torch.eye(3).to_sparse())
    with pytest.raises(Refused) as caught:
        ExactState(tmp_path, model=sparse)
    assert caught.value.rule == "V02"
    assert list((tmp_path / "checkpoints").iterdir()) == []


def refused(tmp_path: Path, rule: str, **how) -> Run:
    """A restore is refused by number, the checkpoint stays as it is, and who accepts it gets `exact: false` for ever."""
    files = {path: path.read_bytes() for path in (tmp_path / "cut").rglob("*") if path.is_file()}
    with pytest.raises(Refused) as caught:
        Run(tmp_path / "cut", seekable(), **how)
    assert (caught.value.rule, caught.value.kind) == (rule, "conflict")
    assert {path: path.read_bytes() for path in (tmp_path / "cut").rglob("*") if path.is_file()} == files
    run = Run(tmp_path / "cut", seekable(), allow_inexact=True, **how).to(10)
    assert run.save().receipt.why_not_exact.startswith("resumed at step 7 with ")
    return run


def test_another_number_of_ranks_is_refused(tmp_path: Path):
    """V05: the sums are split otherwise."""
    Run(tmp_path / "cut", seekable()).to(7).save()
    board = MemoryBoard()
    with pytest.raises(Refused) as caught:
        Run(tmp_path / "cut", seekable(), ranks=Ranks(0, 2, board))
    assert (caught.value.rule, caught.value.kind) == ("V05", "conflict")
    assert "2 ranks for a checkpoint of 1" in caught.value.got


def test_another_environment_is_refused(tmp_path: Path, monkeypatch):
    """V06: another version, device or number of threads; the message says which."""
    Run(tmp_path / "cut", seekable()).to(7).save()
    monkeypatch.setattr(torch, "__version__", "2.99.0")
    with pytest.raises(Refused, match=r"torch 2\.99\.0 instead of"):
        Run(tmp_path / "cut", seekable())
    run = refused(tmp_path, "V06")
    assert run.state.why_not_exact


def test_inexactness_is_sticky(tmp_path: Path, monkeypatch):
    """V07: a run that was once resumed inexactly is never again called exact."""
    Run(tmp_path / "cut", seekable()).to(7).save()
    with monkeypatch.context() as other:
        other.setattr(torch, "__version__", "2.99.0")
        Run(tmp_path / "cut", seekable(), allow_inexact=True).to(8).save()
        with pytest.raises(Refused, match="V07"):
            Run(tmp_path / "cut", seekable())


def test_other_parts_are_refused(tmp_path: Path):
    """V04: a state that is restored in part is no state of any run."""
    Run(tmp_path / "cut", seekable()).to(7).save()
    model = nn.Linear(2, 2)
    with pytest.raises(Refused) as caught:
        ExactState(tmp_path / "cut", model=model).restore()
    assert (caught.value.rule, caught.value.kind) == ("V04", "conflict")


def test_another_order_of_data_is_refused(tmp_path: Path):
    """V04: the place in one order says nothing in another."""
    Run(tmp_path / "cut", seekable()).to(7).save()
    with pytest.raises(Refused, match="a place in the order"):
        Run(tmp_path / "cut", SeekableLoader(Noisy(), batch_size=BATCH, seed=6))


def test_state_of_another_shape_is_refused(tmp_path: Path):
    """V11: the model was changed in between."""
    ExactState(tmp_path, model=nn.Linear(2, 2)).save(0)
    with pytest.raises(Refused) as caught:
        ExactState(tmp_path, model=nn.Linear(2, 3)).restore()
    assert (caught.value.rule, caught.value.kind) == ("V11", "conflict")


def test_the_state_of_a_step_is_written_once(tmp_path: Path):
    """A pause right after a periodic save answers with that save."""
    run = Run(tmp_path, seekable()).to(3)
    first = run.save()
    stamp = (first.path / "rank-00000.ckpt").stat().st_mtime_ns
    assert run.save() is first
    assert (first.path / "rank-00000.ckpt").stat().st_mtime_ns == stamp


def test_each_epoch_has_an_order_of_its_own_and_loses_nothing():
    """Ranks share an epoch between them: together they see each example once."""
    loaders = [SeekableLoader(range(40), batch_size=2, seed=1, rank=rank, world=2, collate=list) for rank in range(2)]
    epochs = []
    for _ in range(2):
        seen = [example for loader in loaders for batch in loader for example in batch]
        assert sorted(seen) == list(range(40))
        epochs.append(seen)
    assert epochs[0] != epochs[1]
