"""Small durable files: the lock on a home, the file of the last signed head, replaced files."""

import errno
import os
from pathlib import Path

import pytest

from detente.adapters.files import SLOT_BYTES, HeadFile, HeadMark, HomeLock, peek_mark, store_file
from detente.base.errors import Refused, Unavailable

ROOT_A, ROOT_B = b"a" * 32, b"b" * 32


@pytest.fixture
def head(tmp_path: Path):
    """A head file that is open and empty."""
    file = HeadFile(tmp_path / "head", "log.example")
    file.open()
    yield file
    file.close()


def reopened(path: Path, origin: str = "log.example") -> HeadMark | None:
    """The mark that another start would find."""
    file = HeadFile(path, origin)
    try:
        return file.open()
    finally:
        file.close()


def test_a_mark_survives_a_restart(tmp_path: Path, head: HeadFile):
    """What was swapped in is what the next start reads, whichever slot it stands in."""
    mark = None
    for size in range(1, 5):
        mark = head.swap(mark, size, ROOT_A)
        assert peek_mark(tmp_path / "head") == mark
    head.close()
    assert reopened(tmp_path / "head") == mark


def test_a_swap_from_another_mark_is_refused(tmp_path: Path, head: HeadFile):
    """C05: two sequencers cannot both win."""
    first = head.swap(None, 1, ROOT_A)
    second = head.swap(first, 2, ROOT_A)
    with pytest.raises(Refused) as refused:
        head.swap(first, 2, ROOT_B)
    assert refused.value.rule == "C05"
    assert peek_mark(tmp_path / "head") == second


def test_a_torn_slot_leaves_the_mark_before_it(tmp_path: Path, head: HeadFile):
    """A crash in the middle of a write spoils one slot, never both."""
    first = head.swap(None, 1, ROOT_A)
    second = head.swap(first, 2, ROOT_A)
    head.close()
    path = tmp_path / "head"
    data = bytearray(path.read_bytes())
    slot = (second.number % 2) * SLOT_BYTES
    data[slot + 30 : slot + 60] = b"\xff" * 30
    path.write_bytes(data)
    assert reopened(path) == first


def test_a_file_without_a_readable_slot_is_refused(tmp_path: Path, head: HeadFile):
    """C07: an unreadable mark is not the same as none."""
    head.swap(None, 1, ROOT_A)
    head.close()
    (tmp_path / "head").write_bytes(b"\xff" * 2 * SLOT_BYTES)
    with pytest.raises(Refused) as refused:
        reopened(tmp_path / "head")
    assert refused.value.rule == "C07"


def test_the_file_of_another_log_is_refused(tmp_path: Path, head: HeadFile):
    """C06: a mixed-up path must not let one log sign after another's head."""
    mark = head.swap(None, 1, ROOT_A)
    head.close()
    with pytest.raises(Refused) as refused:
        reopened(tmp_path / "head", "other.example")
    assert refused.value.rule == "C06"
    assert reopened(tmp_path / "head") == mark


def test_a_second_process_cannot_open_the_file(tmp_path: Path, head: HeadFile):
    """C04 beside the home's own lock, because the file may lie elsewhere."""
    with pytest.raises(Refused) as refused:
        HeadFile(tmp_path / "head", "log.example").open()
    assert refused.value.rule == "C04"
    assert head.read() is None


@pytest.mark.parametrize("how", ["lost", "done"])
def test_a_failed_sync_leaves_the_old_mark_or_the_new_one(tmp_path: Path, how: str):
    """Each write fails twice: lost, and done but reported lost. Reading again tells which."""
    failing = [False]

    def sync(handle: int) -> None:
        if failing[0]:
            if how == "lost":
                os.pwrite(handle, b"\0" * SLOT_BYTES, 0)
            raise OSError(errno.EIO, "arranged")
        os.fdatasync(handle)

    file = HeadFile(tmp_path / "head", "log.example", sync=sync)
    file.open()
    first = file.swap(None, 1, ROOT_A)
    failing[0] = True
    with pytest.raises(Unavailable):
        file.swap(first, 2, ROOT_A)
    failing[0] = False
    found = file.read()
    assert found in ({first} if how == "lost" else {HeadMark(2, "log.example", 2, ROOT_A.hex())})
    assert file.swap(found, 2, ROOT_A).size == 2
    file.close()


def test_a_full_disk_is_named(tmp_path: Path):
    """C10: the head file took its room when it was made; a full disk elsewhere is said as such."""

    def sync(_: int) -> None:
        raise OSError(errno.ENOSPC, "arranged")

    file = HeadFile(tmp_path / "head", "log.example", sync=sync)
    file.open()
    with pytest.raises(Refused) as refused:
        file.swap(None, 1, ROOT_A)
    assert (refused.value.rule, refused.value.kind) == ("C10", "full")
    file.close()


def test_one_process_owns_a_home(tmp_path: Path):
    """C04, and the home is free again after release."""
    lock = HomeLock(tmp_path)
    lock.take()
    with pytest.raises(Refused) as refused:
        HomeLock(tmp_path).take()
    assert refused.value.rule == "C04"
    lock.release()
    other = HomeLock(tmp_path)
    other.take()
    other.release()


def test_a_file_is_replaced_whole(tmp_path: Path):
    """A reader finds the old file or the new one, and no leftover."""
    path = tmp_path / "config"
    store_file(path, b"old")
    store_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["config"]


def test_reset_starts_anew(tmp_path: Path, head: HeadFile):
    """Only recovery does this, after it has asked the mirrors."""
    head.swap(None, 5, ROOT_A)
    mark = head.reset(9, ROOT_B)
    assert (mark.size, peek_mark(tmp_path / "head")) == (9, mark)
