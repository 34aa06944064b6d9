"""A run's outbox: what is kept survives a crash at every step, and a place made before the need is no weaker than a file."""

import os
import tempfile

import pytest

from detente.adapters.rundir import RESERVED_BYTES, RunFolder
from detente.base.errors import Unavailable
from detente.statement.envelope import encode_envelope, sign_payload
from detente.statement.signing import SoftwareSigner


def _envelope(text: bytes = b"{}") -> bytes:
    return encode_envelope(sign_payload(text, SoftwareSigner(bytes(32))))


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path, "run")
    made.take()
    yield made
    made.release()


def _kept(folder):
    return [data for _, data in folder.posted()]


def _after_a_crash(folder):
    folder.release()
    again = RunFolder(folder.path.parent.parent, "run")
    again.take()
    kept = _kept(again)
    again.release()
    return kept


def test_a_statement_in_a_reserved_place_stands_in_its_order(folder):
    """Whoever delivers sees statements in the order of their making, however they were kept."""
    folder.post(_envelope(b"1"))
    folder.reserve()
    folder.post(_envelope(b"2"), reserved=True)
    folder.post(_envelope(b"3"))
    assert _kept(folder) == [_envelope(b"1"), _envelope(b"2"), _envelope(b"3")]


def test_an_empty_place_says_nothing(folder):
    """Nothing was kept, so nothing is delivered, now or after a crash."""
    folder.reserve()
    assert _kept(folder) == []
    assert _after_a_crash(folder) == []


def test_a_name_lost_in_a_crash_is_given_again(folder, monkeypatch):
    """The bytes are durable in their place; the name that followed was not, or the crash came before it."""
    folder.reserve()
    real = type(folder.path).rename
    monkeypatch.setattr(type(folder.path), "rename", lambda path, target: path)
    folder.post(_envelope(), reserved=True)
    monkeypatch.setattr(type(folder.path), "rename", real)
    assert _after_a_crash(folder) == [_envelope()]


@pytest.mark.parametrize("written", [1, 100, 200])
def test_half_a_statement_was_never_kept(folder, written):
    """A crash within the write: ``post`` had not returned, nobody was told, and nothing is delivered."""
    folder.reserve()
    with (folder.path / "outbox" / ".reserved").open("r+b") as file:
        file.write(_envelope()[:written])
    assert _after_a_crash(folder) == []


def test_a_disk_that_refuses_the_place_is_said(folder, monkeypatch):
    """The caller keeps the statement in memory then; and nothing half-made stands in the outbox."""
    folder.reserve()

    def full(handle, data, at):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(Unavailable):
        folder.post(_envelope(), reserved=True)
    assert _kept(folder) == []


def test_a_statement_that_is_too_large_for_the_place_is_kept_as_a_file(folder):
    """The place stays for one that fits."""
    folder.reserve()
    large = _envelope(b"x" * RESERVED_BYTES)
    folder.post(large, reserved=True)
    folder.post(_envelope(), reserved=True)
    assert _kept(folder) == [large, _envelope()]


def test_a_place_is_taken_by_nothing_but_what_it_was_made_for(folder):
    """A version that is stated while the job runs leaves the place to the halt that may come on a full disk."""
    folder.reserve()
    folder.post(_envelope(b"1"))
    assert (folder.path / "outbox" / ".reserved").stat().st_size == RESERVED_BYTES
    folder.post(_envelope(b"2"), reserved=True)
    assert not (folder.path / "outbox" / ".reserved").exists()
    assert _kept(folder) == [_envelope(b"1"), _envelope(b"2")]


def test_where_the_run_stands_is_kept_in_its_place_only_where_no_new_file_can_be_made(folder, monkeypatch):
    """And once: what is stored next, or under another name, has no place."""
    folder.reserve()
    folder.store("last.json", b"1", reserved=True)
    assert (folder.path / ".reserved").exists()

    def full(**_where):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(Unavailable):
        folder.store("memory.json", b"2")
    folder.store("last.json", b"2", reserved=True)
    assert (folder.read("last.json"), folder.read("memory.json")) == (b"2", None)
    with pytest.raises(Unavailable):
        folder.store("last.json", b"3", reserved=True)
    assert folder.read("last.json") == b"2"
