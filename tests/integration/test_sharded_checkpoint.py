"""State that torch.distributed.checkpoint writes, sealed: a shard that is lost or does not fit is refused, and the rest is exact."""

import pytest

from detente.base.errors import Refused
from detente.hooks.agreement import MemoryBoard, Ranks

torch = pytest.importorskip("torch", reason="PyTorch is not installed: `make torch`")

from torch import nn  # noqa: E402 - after the skip
from torch.distributed.device_mesh import init_device_mesh  # noqa: E402
from torch.distributed.fsdp import fully_shard  # noqa: E402

from detente.hooks.torch.distributed_checkpoint import ShardedState  # noqa: E402
from detente.hooks.torch.loader import SeekableLoader  # noqa: E402

STEPS, EPOCH, BATCH = 20, 8, 4


@pytest.fixture(autouse=True)
def group():
    """A process group of this process alone; the two ranks of the conformance suite are processes of their own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()
    torch.set_num_threads(before)


class Run:
    """A sharded training program from its beginning to where it is stopped."""

    def __init__(self, out, *, width=16, world=1) -> None:
        torch.manual_seed(3)
        self.model = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Dropout(0.3), nn.Linear(width, 3))
        fully_shard(self.model, mesh=init_device_mesh("cpu", (1,)))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.02)
        points = torch.randn(EPOCH * BATCH * world, 8, generator=torch.Generator().manual_seed(1))
        data = torch.utils.data.TensorDataset(points, torch.arange(len(points)) % 3)
        self.state = ShardedState(
            out,
            model=self.model,
            optimizer=self.optimizer,
            scheduler=torch.optim.lr_scheduler.ConstantLR(self.optimizer),
            loader=SeekableLoader(data, batch_size=BATCH, seed=5),
            ranks=Ranks(0, world, MemoryBoard()),
        )

    def to(self, last: int) -> "Run":
        step = self.state.restore()
        while step < last:
            for points, kinds in self.state.batches():
                loss = nn.functional.cross_entropy(self.model(points), kinds)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                step += 1
                if step == last:
                    break
        return self

    def weights(self) -> list[bytes]:
        return [each.full_tensor().detach().numpy().tobytes() for each in self.model.parameters()]


def test_a_resumed_run_is_bit_equal(tmp_path):
    """Within an epoch, at its end, twice: shards of model and optimiser, and the random states, which come last."""
    for stop in (3, EPOCH, EPOCH + 5):
        saved = Run(tmp_path / "cut").to(stop).state.save(stop)
        assert (saved.receipt.step, saved.receipt.exact) == (stop, True)
        assert (saved.path / "shards" / ".metadata").exists()
    assert Run(tmp_path / "cut").to(STEPS).weights() == Run(tmp_path / "whole").to(STEPS).weights()


def test_a_checkpoint_without_one_of_its_shards_is_passed_over(tmp_path):
    """The one before it is used; where none passes, W17, and nothing has been loaded."""
    for stop in (3, 5):
        Run(tmp_path).to(stop).state.save(stop)
    shards = [tmp_path / "checkpoints" / f"step-00000000{step}" / "shards" / "__0_0.distcp" for step in (3, 5)]
    shards[1].unlink()
    assert Run(tmp_path).state.restore() == 3
    shards[0].write_bytes(shards[0].read_bytes()[:-1])
    fresh = Run(tmp_path)
    before = fresh.weights()
    with pytest.raises(Refused, match="W17"):
        fresh.state.restore()
    assert fresh.weights() == before


def test_shards_of_another_model_are_refused(tmp_path):
    """V11, by name."""
    Run(tmp_path).to(3).state.save(3)
    with pytest.raises(Refused, match="V11"):
        Run(tmp_path, width=24).state.restore()


def test_another_number_of_ranks_is_refused(tmp_path):
    """V05: the format itself would reshard, and the sums would be others."""
    Run(tmp_path).to(3).state.save(3)
    fresh = Run(tmp_path, world=2)
    before = fresh.weights()
    with pytest.raises(Refused, match="V05"):
        fresh.state.restore()
    assert fresh.weights() == before
