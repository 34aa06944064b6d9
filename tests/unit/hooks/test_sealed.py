"""Checkpoints of several files: what has no receipt does not exist, what fails its digest is passed over."""

import shutil
from pathlib import Path

import pytest

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.guard.receipt import PauseRequest, encode_request, parse_receipt
from detente.hooks.checkpointing import SavedCheckpoint, digest_checkpoint
from detente.hooks.loop import Cell
from detente.hooks.sealed import SealedFolders, parse_listing
from detente.hooks.supervised import Supervised


@pytest.fixture
def vault(tmp_path: Path) -> SealedFolders:
    """Two checkpoints of two files each."""
    vault = SealedFolders(tmp_path, run="run")
    for step in (10, 20):
        fill(vault, step)
        vault.seal(step, ranks=2)
    return vault


def fill(vault: SealedFolders, step: int) -> Path:
    folder = vault.open(step)
    for rank in range(2):
        (folder / f"rank-{rank}").write_bytes(f"step {step} of rank {rank}".encode())
    return folder


def test_the_newest_that_passes_is_used(vault: SealedFolders):
    """Its receipt names the listing, which is what the digest of the folder is made of."""
    found = vault.newest()
    assert (found.receipt.step, found.receipt.ranks, sorted(found.files)) == (20, 2, ["rank-0", "rank-1"])
    assert digest_checkpoint(found.folder)[1] == found.receipt.sha256
    assert found.refused == ()


def test_a_folder_without_a_receipt_does_not_count_and_is_cleared(vault: SealedFolders):
    """A crash before the seal: the checkpoint before it is the newest, and what was left goes."""
    fill(vault, 30)
    assert vault.newest().receipt.step == 20
    assert vault.clear_unsealed() == ["step-000000030"]
    assert not vault.folder(30).exists()
    assert vault.newest().receipt.step == 20


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


@pytest.mark.parametrize(
    ("name", "harm", "rule"),
    [
        ("step-000000020/rank-1", cut, "V09"),
        ("step-000000020/rank-1", flip, "V09"),
        ("step-000000020/rank-0", Path.unlink, "V09"),
        ("step-000000020.listing", cut, "W08"),
        ("step-000000020.listing", flip, "W09"),
        ("step-000000020.listing", Path.unlink, "W08"),
    ],
)
def test_a_checkpoint_that_was_harmed_is_refused_and_the_one_before_used(vault, name, harm, rule):
    """V09: a file that differs from its line; the listing itself is held by its receipt."""
    harm(vault.place / name)
    found = vault.newest()
    assert found.receipt.step == 10
    assert [refusal.rule for refusal in found.refused] == [rule]


def test_where_none_passes_the_run_does_not_begin_again(vault: SealedFolders):
    """W17: receipts stand, so there was something to lose."""
    for step in (10, 20):
        shutil.rmtree(vault.folder(step))
    with pytest.raises(Refused) as caught:
        vault.newest()
    assert caught.value.rule == "W17"


def test_a_receipt_of_another_run_is_refused(vault: SealedFolders, tmp_path: Path):
    """W06: a checkpoint belongs to one run."""
    with pytest.raises(Refused, match="W06"):
        SealedFolders(tmp_path, run="other").newest()


def test_two_checkpoints_are_kept(vault: SealedFolders):
    """The newest, and the one before it in case the newest turns out to be broken."""
    fill(vault, 30)
    vault.seal(30)
    assert sorted(path.name for path in vault.place.iterdir()) == [
        f"step-0000000{step}{ending}" for step in (20, 30) for ending in ("", ".listing", ".receipt.json")
    ]


@pytest.mark.parametrize(
    "line",
    [
        "{digest} 5 ../rank-0",
        "{digest} 5 /etc/passwd",
        "{digest} 5 a/./b",
        "{digest} -5 a",
        "{digest} 5",
        "{digest} five a",
        "5 a",
        "{digest} 5 rank-0\n{digest} 5 rank-0",
    ],
)
def test_a_listing_with_a_line_that_is_none_is_refused(line: str):
    """V10: nothing outside the folder is read, nothing is named twice."""
    with pytest.raises(Refused) as caught:
        parse_listing(line.format(digest=sha256_hex(b"a")).encode() + b"\n")
    assert (caught.value.rule, caught.value.kind) == ("V10", "malformed")


def test_a_supervised_loop_answers_with_the_receipt_of_its_own_save(vault: SealedFolders, tmp_path: Path):
    """What `save` knows of exactness and ranks reaches the supervisor; the loop adds its count of FLOP and where it lies."""
    control = tmp_path / "control"
    control.mkdir()
    saved = SavedCheckpoint(vault.folder(20), vault.newest().receipt)
    _, digest = Supervised(control, "run", flop_per_step=10).halt(20, lambda: saved)
    answer = parse_receipt((control / "receipt.json").read_bytes())
    assert (answer.exact, answer.ranks, answer.flop, answer.sha256) == (True, 2, 200, digest)
    listing = (Path(answer.directory) / answer.checkpoint).read_bytes()
    assert (len(listing), sha256_hex(listing)) == (answer.size, digest)


def test_an_answer_names_its_request_also_where_another_rank_saw_it_first(vault: SealedFolders, tmp_path: Path):
    """One rank tells the others to stop; the one that answers may be saved before it has looked for the request itself."""
    control = tmp_path / "control"
    control.mkdir()
    leader = Supervised(control, "run", flop_per_step=0)
    leader.start(Cell())

    def save() -> SavedCheckpoint:
        saved = SavedCheckpoint(vault.folder(20), vault.at(20).receipt)
        (control / "new").write_bytes(encode_request(PauseRequest("p7")))
        (control / "new").replace(control / "pause")
        return saved

    leader.halt(20, save)
    leader.finish(20, failed=False)
    assert parse_receipt((control / "receipt.json").read_bytes()).request == "p7"
