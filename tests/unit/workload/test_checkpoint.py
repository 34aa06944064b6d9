"""Checkpoints on disk: byte-stable, believed only with their receipt, and never lost to a broken newer one."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from detente.base.errors import Refused, Unavailable
from detente.guard.receipt import PauseRequest, Receipt, encode_receipt, encode_request, parse_receipt

np = pytest.importorskip("numpy", reason="the workloads need the extra `drill`")

from detente.hooks.workload import checkpoint, control  # noqa: E402 (after the skip)
from detente.hooks.workload.checkpoint import Checkpoints  # noqa: E402
from detente.hooks.workload.container import encode_container, parse_container, weights_digest  # noqa: E402

ARRAYS = {"weights": np.arange(40, dtype=np.float32), "history": np.zeros((0,), dtype=np.float64)}


@pytest.fixture
def store(tmp_path: Path) -> Checkpoints:
    """A store with checkpoints of steps 10 and 20."""
    made = Checkpoints(tmp_path, run="job")
    made.save({"step": 10}, ARRAYS, step=10, flop=100)
    made.save({"step": 20}, ARRAYS | {"weights": ARRAYS["weights"] + 1}, step=20, flop=200)
    return made


def newest_is_spoiled(store: Checkpoints, rule: str) -> None:
    """The newest is refused by ``rule``, the one before is used, and looking changed no file."""
    before = {path.name: path.read_bytes() for path in store.folder.iterdir()}
    found = store.fetch_newest()
    assert (found.receipt.step, found.meta) == (10, {"step": 10})
    assert [refusal.rule for refusal in found.refused] == [rule]
    assert {path.name: path.read_bytes() for path in store.folder.iterdir()} == before


def test_equal_states_give_equal_bytes():
    """A container has no room for a time or an order of insertion."""
    forward = encode_container({"a": 1, "b": 2}, ARRAYS)
    backward = encode_container({"b": 2, "a": 1}, dict(reversed(ARRAYS.items())))
    assert forward == backward


def test_a_container_gives_back_what_it_holds():
    """Types, shapes and values survive, zero-dimensional and empty arrays too."""
    arrays = {
        "a": np.array(3.5, dtype=np.float64),
        "b": np.zeros((2, 0, 3), dtype=np.float32),
        "c": np.array([[2**63 + 1]], dtype=np.uint64),
        "d": np.array([-1], dtype=np.int64),
        "e": np.arange(5, dtype=np.uint8)[::2],
    }
    _, back = parse_container(encode_container({}, arrays))
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert np.array_equal(back[name], array)


def test_the_digest_of_weights_covers_names_shapes_and_bytes():
    """Two models whose bytes are equal and whose shapes differ are two models."""
    flat = {"weights": np.arange(6, dtype=np.float32)}
    assert weights_digest(flat) != weights_digest({"weights": flat["weights"].reshape(2, 3)})
    assert weights_digest(flat) != weights_digest({"weights.a": flat["weights"]})
    assert weights_digest(flat) == weights_digest(flat | {"adam": flat["weights"]})


def test_any_mutated_byte_of_a_checkpoint_is_refused(store: Checkpoints):
    """W09: each of 300 places, one bit flipped: the file is refused and the one before it used."""
    path = store.folder / "step-000000020.ckpt"
    good = path.read_bytes()
    for place in random.Random(5).sample(range(len(good)), 300):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        newest_is_spoiled(store, "W09")


def test_a_mutated_container_is_refused_or_read_as_another_one():
    """Without a receipt a flipped bit may pass as another value, never as the same one."""
    good = encode_container({"step": 1}, ARRAYS)
    refused = 0
    for place in range(len(good)):
        data = good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :]
        try:
            meta, arrays = parse_container(data)
        except Refused:
            refused += 1
            continue
        assert encode_container(meta, arrays) != good
    assert refused > 200


@pytest.mark.parametrize("length", [0, 1, 30, 200])
def test_a_truncated_checkpoint_is_refused(store: Checkpoints, length: int):
    """W08: a save that did not reach the disk in full, whatever its length."""
    path = store.folder / "step-000000020.ckpt"
    path.write_bytes(path.read_bytes()[:length])
    newest_is_spoiled(store, "W08")


def test_a_checkpoint_that_is_gone_is_refused(store: Checkpoints):
    """W08: a receipt whose file was deleted."""
    (store.folder / "step-000000020.ckpt").unlink()
    newest_is_spoiled(store, "W08")


def test_a_receipt_of_another_run_is_refused(store: Checkpoints, tmp_path: Path):
    """W06: a checkpoint copied from another job's folder, receipt and all."""
    other = Checkpoints(tmp_path / "other", run="elsewhere")
    other.save({"step": 20}, ARRAYS, step=20, flop=1)
    for path in other.folder.iterdir():
        (store.folder / path.name).write_bytes(path.read_bytes())
    newest_is_spoiled(store, "W06")


def test_a_receipt_for_the_file_of_another_step_is_refused(store: Checkpoints):
    """W06: the receipt of step 10 renamed to pass as that of step 20."""
    old = store.folder / "step-000000010.receipt.json"
    (store.folder / "step-000000020.receipt.json").write_bytes(old.read_bytes())
    newest_is_spoiled(store, "W06")


def test_weights_other_than_the_receipt_says_are_refused(store: Checkpoints):
    """W18: the file is whole, and the receipt claims the weights of another model."""
    path = store.folder / "step-000000020.receipt.json"
    receipt = parse_receipt(path.read_bytes())
    path.write_bytes(encode_receipt(receipt).replace(receipt.weights_sha256.encode(), b"0" * 64))
    newest_is_spoiled(store, "W18")


def test_no_mutated_byte_of_a_receipt_leads_to_another_state(store: Checkpoints):
    """Each byte of the newest receipt flipped: it is refused and the one before used, or it still names its own state.

    What may pass is a digit of a claim that nothing rests on: the process id, the FLOP, the number of ranks.
    """
    path = store.folder / "step-000000020.receipt.json"
    good = path.read_bytes()
    saved = parse_receipt(good)
    refused = 0
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        found = store.fetch_newest()
        if found.receipt.step == 10:
            refused += 1
            continue
        assert found.meta == {"step": 20}
        assert replace(found.receipt, pid=saved.pid, flop=saved.flop, ranks=saved.ranks) == saved
    assert refused > len(good) - 20
    path.write_bytes(good)
    assert store.fetch_newest().receipt == saved


def test_a_run_without_a_sound_name_does_not_begin(tmp_path: Path):
    """W03: a name that no receipt could carry is refused before anything is trained, and no folder is made."""
    with pytest.raises(Refused) as caught:
        Checkpoints(tmp_path, run="a b\nhalted")
    assert caught.value.rule == "W03"
    assert list(tmp_path.iterdir()) == []


def test_a_receipt_that_nobody_could_read_is_not_written():
    """W03 and W10 stand at the writer too."""
    with pytest.raises(Refused) as caught:
        encode_receipt(Receipt(run="r", step=-1, checkpoint="a", size=0, sha256="0" * 64, exact=True, pid=1))
    assert caught.value.rule == "W03"
    with pytest.raises(Refused) as caught:
        encode_request(PauseRequest("no spaces"))
    assert caught.value.rule == "W10"


def test_a_half_written_receipt_is_refused(store: Checkpoints):
    """B11: cut JSON; the checkpoint beside it, though whole, is not used without a receipt."""
    path = store.folder / "step-000000020.receipt.json"
    path.write_bytes(path.read_bytes()[:50])
    newest_is_spoiled(store, "B11")


def test_with_no_good_checkpoint_a_job_does_not_begin_again(store: Checkpoints):
    """W17: to start at step 0 over the wreck of step 20 would hide a loss."""
    for path in store.folder.glob("*.ckpt"):
        path.write_bytes(b"")
    with pytest.raises(Refused) as caught:
        store.fetch_newest()
    assert caught.value.rule == "W17"
    assert len(list(store.folder.glob("*.receipt.json"))) == 2


def test_no_receipt_at_all_is_a_new_run(tmp_path: Path):
    """A temporary file or a checkpoint without a receipt does not exist."""
    store = Checkpoints(tmp_path, run="job")
    (store.folder / "step-000000005.ckpt").write_bytes(b"half")
    (store.folder / ".step-000000005.ckpt.x.tmp").write_bytes(b"half")
    assert store.fetch_newest() is None


def test_only_the_newest_two_are_kept(store: Checkpoints):
    """Old checkpoints go, receipts and files alike."""
    store.save({"step": 30}, ARRAYS, step=30, flop=300)
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "step-000000020.ckpt",
        "step-000000020.receipt.json",
        "step-000000030.ckpt",
        "step-000000030.receipt.json",
    ]


@pytest.mark.parametrize("done", [False, True], ids=["lost", "done-but-reported-lost"])
@pytest.mark.parametrize("failing", range(2), ids=["checkpoint", "receipt"])
def test_each_write_of_a_save_may_fail_either_way(store: Checkpoints, monkeypatch, failing: int, done: bool):
    """A write that is lost, or done and reported lost: the save says so, and a good checkpoint is found after it."""
    calls = iter(range(2))

    def write(path: Path, data: bytes, *, pause_s: float = 0.0) -> None:
        fails = next(calls) == failing
        if not fails or done:
            control.write_durably(path, data, pause_s=pause_s)
        if fails:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_durably", write)
    with pytest.raises(Unavailable, match="No space left"):
        store.save({"step": 30}, ARRAYS, step=30, flop=300)
    found = store.fetch_newest()
    assert found.receipt.step == (30 if failing == 1 and done else 20)
    assert not found.refused


def test_a_failed_save_leaves_no_temporary_file(tmp_path: Path, monkeypatch):
    """A full disk is not filled further by what is left of the attempt."""

    def refuse(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(control.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        control.write_durably(tmp_path / "x", b"data")
    assert list(tmp_path.iterdir()) == []
