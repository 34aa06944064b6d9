"""Checkpoints that a framework wrote and a hook sealed: which may be gone on from, and what is said of their data."""

import shutil
from pathlib import Path

import pytest

from detente.base.errors import Refused
from detente.hooks.loop import FOREVER_S, guard
from detente.hooks.sealed import SealedFolders

pytest.importorskip("numpy", reason="the hooks for PyTorch need NumPy: pip install 'detente[torch]'")

from detente.hooks.accelerate import draw_doubt, order_doubt
from detente.hooks.torch.exact_state import ExactState


@pytest.fixture
def vault(tmp_path: Path) -> SealedFolders:
    """A framework's output directory: names without zeros, kept by the framework."""
    return SealedFolders(tmp_path, run="run", within="", prefix="checkpoint-", width=1, keep=None)


def written(vault: SealedFolders, step: int) -> None:
    vault.open(step).joinpath("weights").write_text(f"of step {step}")


def test_a_checkpoint_without_a_receipt_is_refused_where_others_have_one(vault, tmp_path):
    """V12: a crash may have cut it short. What the state knew does not change."""
    for step in (9, 10):
        written(vault, step)
    vault.seal(9)
    state = ExactState(tmp_path, files=vault)
    with pytest.raises(Refused, match=r"V12.*checkpoint-10"):
        state.accept(10)
    assert state.why_not_exact == ""


def test_a_checkpoint_from_before_the_guard_is_accepted_and_not_called_exact(vault, tmp_path):
    """No receipt stands at all: nobody has lost anything, and nobody knows what is in it."""
    written(vault, 9)
    state = ExactState(tmp_path, files=vault)
    state.accept(9)
    assert state.why_not_exact == "resumed at step 9 from a checkpoint without a receipt"


def test_an_accepted_checkpoint_is_hashed_whole(vault, tmp_path):
    """V09 for a file that differs from its line, though the framework has loaded it."""
    written(vault, 9)
    vault.seal(9)
    vault.folder(9).joinpath("weights").write_text("of step 8")
    state = ExactState(tmp_path, files=vault)
    with pytest.raises(Refused, match="V09"):
        state.accept(9)
    assert state.why_not_exact == ""


def test_a_receipt_whose_folder_the_framework_has_removed_goes_with_it(vault):
    """A framework keeps so many of its checkpoints; what it removed is no loss, and the others stay."""
    for step in (9, 10):
        written(vault, step)
        vault.seal(step)
    shutil.rmtree(vault.folder(9))
    vault.drop_widowed()
    assert sorted(path.name for path in vault.place.iterdir()) == [
        "checkpoint-10",
        "checkpoint-10.listing",
        "checkpoint-10.receipt.json",
    ]
    written(vault, 11)
    assert vault.clear_unsealed() == []
    assert vault.folder(11).is_dir()
    assert (vault.has_receipt(9), vault.has_receipt(10), vault.has_receipt()) == (False, True, True)


def test_whoever_looks_whether_the_loop_is_to_stop_stops_nothing():
    """``stopping`` is for hosts that choose the place themselves."""
    with guard("run", mode="free") as g:
        assert not g.stopping
        g._cell.set(until_s=0.0)
        assert g.stopping
        g._cell.set(until_s=FOREVER_S)


class Given:
    """Attributes, as a loader has them."""

    def __init__(self, **given) -> None:
        self.__dict__.update(given)


class SeedableRandomSampler:
    """Named as Accelerate's."""


class RandomSampler:
    """Named as PyTorch's."""


@pytest.mark.parametrize(("sampler", "found"), [(SeedableRandomSampler(), True), (RandomSampler(), False)])
def test_an_order_is_found_again_only_from_seed_and_epoch(sampler, found):
    """Also where each process takes a part of the batches of another sampler."""
    of_one = Given(batch_sampler=Given(sampler=sampler))
    of_several = Given(batch_sampler=Given(batch_sampler=Given(sampler=sampler)))
    assert [order_doubt(each) == "" for each in (of_one, of_several)] == [found, found]


@pytest.mark.parametrize(
    ("drawn", "data", "doubt"),
    [
        (Given(data=False, watched=True), [1], ""),
        (Given(data=False, watched=False), [1], "too few batches"),
        (Given(data=True, watched=True), [1], "draws random numbers"),
        (Given(data=False, watched=True), iter([1]), "without a length"),
    ],
)
def test_data_that_cannot_be_made_again_are_doubted(drawn, data, doubt):
    """What nobody saw is doubted too."""
    said = draw_doubt(Given(dataset=data, num_workers=0), drawn)
    assert said.startswith(doubt) if not doubt else doubt in said
    assert "nobody watched" in draw_doubt(Given(dataset=[1], num_workers=2), Given(data=False, watched=True))
