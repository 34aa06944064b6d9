"""Erasable storage: a record is found under its salted digest alone, and is gone once erased."""

import os
import stat
from pathlib import Path

import pytest

from detente.adapters.erasable import Erasable
from detente.base.errors import Refused
from detente.measure.review.note import NOTE_BYTES_MAX, note_digest

NOTE = b'{"reason":"reads well"}'


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_note_is_read_back_and_nobody_else_may_read_its_file(tmp_path: Path):
    """Folder 0700, file 0600; two notes of one text have two names, so that a guessed text cannot be recognised."""
    store = Erasable(tmp_path / "erasable")
    first, second = store.keep(NOTE), store.keep(NOTE)
    assert first != second
    assert store.find(first) == store.find(second) == NOTE
    assert set(store.digests()) == {first, second}
    assert stat.S_IMODE((tmp_path / "erasable").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)} == {0o600}


def test_an_erased_note_leaves_neither_text_nor_salt(tmp_path: Path):
    """Without the salt the digest in a log tells nobody whether a guessed reason was given."""
    salt = bytes(range(32))
    store = Erasable(tmp_path, salt=lambda: salt)
    digest = store.keep(NOTE)
    assert digest == note_digest(salt, NOTE)
    handle = os.open(tmp_path / digest, os.O_RDONLY)  # what a process that had it open still sees
    try:
        store.erase(digest)
        assert os.read(handle, 4_096) == bytes(32 + len(NOTE))
    finally:
        os.close(handle)
    assert files(tmp_path) == []
    for act in (store.find, store.erase):
        with pytest.raises(Refused) as refused:
            act(digest)
        assert (refused.value.rule, refused.value.kind) == ("Z03", "not-found")


def test_a_note_over_its_bound_is_not_kept(tmp_path: Path):
    """Z01, one byte over."""
    store = Erasable(tmp_path)
    store.keep(bytes(NOTE_BYTES_MAX))
    with pytest.raises(Refused) as refused:
        store.keep(bytes(NOTE_BYTES_MAX + 1))
    assert refused.value.rule == "Z01"
    assert len(files(tmp_path)) == 1


def test_a_full_store_takes_no_more_and_forgets_none(tmp_path: Path):
    """Z02; what is erased makes room."""
    store = Erasable(tmp_path, records=1)
    kept = store.keep(NOTE)
    with pytest.raises(Refused) as refused:
        store.keep(NOTE)
    assert refused.value.rule == "Z02"
    assert list(store.digests()) == [kept]
    store.erase(kept)
    store.keep(NOTE)


def test_a_note_that_was_changed_is_not_shown(tmp_path: Path):
    """Z04: its name was promised in a log."""
    store = Erasable(tmp_path)
    digest = store.keep(NOTE)
    path = tmp_path / digest
    path.write_bytes(path.read_bytes().replace(b"well", b"badly"))
    with pytest.raises(Refused) as refused:
        store.find(digest)
    assert refused.value.rule == "Z04"


def test_what_is_old_is_told_by_the_files_own_time(tmp_path: Path):
    """Only what was kept before then."""
    store = Erasable(tmp_path)
    old, young = store.keep(NOTE), store.keep(NOTE)
    os.utime(tmp_path / old, (1_000_000, 1_000_000))
    assert store.older_than(86_400.0) == [old]
    assert young in set(store.digests())
