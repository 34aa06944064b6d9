"""A log as static files below a folder."""

from pathlib import Path

import pytest

from detente.app.log_verifying import FILE_MAX, FolderSource
from detente.base.errors import Refused, Unavailable


def test_a_file_is_read_whole_up_to_the_bound(tmp_path: Path):
    """The largest file that a log can have is read."""
    (tmp_path / "checkpoint").write_bytes(bytes(FILE_MAX))
    assert len(FolderSource(tmp_path).read("checkpoint")) == FILE_MAX


def test_a_file_that_no_log_can_have_is_refused(tmp_path: Path):
    """L44: what is larger than a full entry bundle is no file of a log, however large, and stays as it was."""
    path = tmp_path / "checkpoint"
    with path.open("wb") as file:
        file.truncate(1 << 32)
    with pytest.raises(Refused) as refused:
        FolderSource(tmp_path).read("checkpoint")
    assert (refused.value.rule, refused.value.kind) == ("L44", "oversized")
    assert path.stat().st_size == 1 << 32


def test_a_file_that_is_not_there_is_unavailable(tmp_path: Path):
    """A missing file says nothing about the log."""
    with pytest.raises(Unavailable, match="checkpoint"):
        FolderSource(tmp_path).read("checkpoint")
