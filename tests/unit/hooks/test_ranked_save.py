"""A checkpoint of several ranks is sealed once every part of it is durable, or not at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from detente.base.digest import sha256_hex
from detente.base.errors import Refused, Unavailable
from detente.hooks.agreement import MemoryBoard, Ranks
from detente.hooks.ranked_save import Part, newest_together, save_together
from detente.hooks.sealed import SealedFolders


def together(tmp_path: Path, act):
    """``act(rank)`` on two ranks of one board at once; returns what came of each, an error too."""
    board = MemoryBoard()

    def on(rank: int):
        try:
            return act(SealedFolders(tmp_path, run="job"), Ranks(rank, 2, board))
        except (Unavailable, Refused) as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(on, (0, 1)))


def saving(step: int, *, lost: int | None = None, doubtful: int | None = None):
    """A save of a small part by each rank, of which one may fail or doubt."""

    def act(files: SealedFolders, ranks: Ranks):
        def write(folder: Path) -> Part:
            if ranks.rank == lost:
                raise OSError("no space left")
            (folder / f"part-{ranks.rank}").write_bytes(bytes([ranks.rank]))
            return Part("it may differ" if ranks.rank == doubtful else "", sha256_hex(bytes([ranks.rank])))

        return save_together(files, ranks, step, meeting=f"save/{step}", write=write)

    return act


def test_all_ranks_have_the_same_receipt_of_all_parts(tmp_path):
    """The digest of the weights is rank 0's."""
    first, second = together(tmp_path, saving(4))
    assert first.receipt == second.receipt
    assert (first.receipt.ranks, first.receipt.exact) == (2, True)
    assert first.receipt.weights_sha256 == sha256_hex(b"\0")
    assert sorted(SealedFolders(tmp_path, run="job").newest().files) == ["part-0", "part-1"]


def test_one_rank_that_doubts_is_enough(tmp_path):
    """What one cannot promise, the checkpoint does not."""
    first, second = together(tmp_path, saving(4, doubtful=1))
    assert first.receipt.why_not_exact == second.receipt.why_not_exact == "it may differ"


@pytest.mark.parametrize("lost", [0, 1])
def test_where_one_rank_cannot_write_there_is_no_checkpoint(lost, tmp_path):
    """The one before it stays the newest, for every rank."""
    together(tmp_path, saving(4))
    words = together(tmp_path, saving(8, lost=lost))
    assert all(isinstance(word, Unavailable) for word in words)
    assert "no space left" in str(words[1 - lost])
    assert [found.receipt.step for found in together(tmp_path, newest_together)] == [4, 4]
    assert not (tmp_path / "checkpoints" / "step-000000008").exists()


def test_where_no_checkpoint_passes_no_rank_begins(tmp_path):
    """Rank 0 refuses, and the others hear of it."""
    together(tmp_path, saving(4))
    (tmp_path / "checkpoints" / "step-000000004" / "part-1").write_bytes(b"other")
    first, second = together(tmp_path, newest_together)
    assert (type(first), first.rule, type(second)) == (Refused, "W17", Unavailable)
