"""What is good for one act is spent once, across processes and crashes."""

import threading

import pytest

from detente.adapters import spent as module
from detente.adapters.spent import Spent
from detente.base.errors import DetenteError, Refused

KEY = "a" * 32


def spend(record, key=KEY, *, until_s=100.0):
    record.spend(key, about="a test", boot_id="boot-1", until_s=until_s)


def test_what_was_spent_is_not_spent_again(tmp_path):
    """J02, also by another process that opens the same home."""
    spend(Spent(tmp_path))
    with pytest.raises(Refused) as refused:
        spend(Spent(tmp_path))
    assert (refused.value.rule, refused.value.kind) == ("J02", "replayed")
    assert Spent(tmp_path).has(KEY)


def test_of_many_at_once_one_spends(tmp_path):
    """However many ask at the same moment, one is let through."""
    won, start = [], threading.Barrier(8)

    def race():
        start.wait()
        try:
            spend(Spent(tmp_path))
        except Refused:
            return
        won.append(1)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert won == [1]


def no_space(*_arguments):
    raise OSError(28, "No space left")


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_write_that_fails_gives_it_back(tmp_path, monkeypatch, call):
    """Who spends hears of it and does nothing: on a full disk no approval of people is lost."""
    monkeypatch.setattr(module.os, call, no_space)
    with pytest.raises(DetenteError):
        spend(Spent(tmp_path))
    monkeypatch.undo()
    spend(Spent(tmp_path))
    with pytest.raises(Refused):
        spend(Spent(tmp_path))


def test_a_write_that_fails_and_cannot_be_undone_leaves_it_spent(tmp_path, monkeypatch):
    """So does a crash between the name and its bytes: what nobody knows counts as used."""
    monkeypatch.setattr(module.os, "fsync", no_space)
    monkeypatch.setattr(module.Path, "unlink", no_space)
    with pytest.raises(DetenteError):
        spend(Spent(tmp_path))
    monkeypatch.undo()
    with pytest.raises(Refused):
        spend(Spent(tmp_path))


def test_where_nothing_can_be_written_nothing_is_spent(tmp_path):
    """A home that is a file: an error, which is no leave."""
    (tmp_path / "home").write_bytes(b"")
    with pytest.raises(DetenteError):
        spend(Spent(tmp_path / "home"))


def test_lapsed_records_go_and_approvals_stay(tmp_path, monkeypatch):
    """What nobody could use any more is dropped once there is much of it; a spent approval, and what does not read, never."""
    monkeypatch.setattr(module, "KEPT_MAX", 2)
    record = Spent(tmp_path)
    spend(record, "b" * 32, until_s=10.0)
    spend(record, "c" * 32, until_s=1_000.0)
    spend(record, "d" * 32, until_s=None)
    (tmp_path / "spent" / ("e" * 32)).write_bytes(b"")
    assert record.drop_lapsed(boot_id="boot-1", now_s=500.0) == 1
    assert sorted(each.name for each in (tmp_path / "spent").iterdir()) == ["c" * 32, "d" * 32, "e" * 32]
    assert record.drop_lapsed(boot_id="boot-2", now_s=1.0) == 1
    assert sorted(each.name for each in (tmp_path / "spent").iterdir()) == ["d" * 32, "e" * 32]
