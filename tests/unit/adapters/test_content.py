"""Blobs: a file holds what its name says, or is refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from detente.adapters.content import Content
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused


@pytest.fixture
def content(tmp_path: Path) -> Content:
    """Room for ten bytes each, twenty together."""
    return Content(tmp_path / "blobs", blob_bytes=10, all_bytes=20)


async def parts(*data: bytes) -> AsyncIterator[bytes]:
    """A body in pieces."""
    for each in data:
        yield each


def test_a_blob_is_read_back(content: Content):
    """Stored whole or in pieces, it has one name."""
    digest = content.store(b"evidence")
    asyncio.run(content.receive(digest, parts(b"evi", b"dence")))
    assert content.read(digest) == b"evidence"


def test_bytes_that_do_not_hash_to_their_name_are_not_kept(content: Content, tmp_path: Path):
    """C30."""
    with pytest.raises(Refused) as refused:
        asyncio.run(content.receive(sha256_hex(b"this"), parts(b"that")))
    assert refused.value.rule == "C30"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("data", [(b"a" * 6, b"a" * 6), (b"a" * 11,)])
def test_a_blob_over_its_bound_is_cut_off(content: Content, tmp_path: Path, data: tuple[bytes, ...]):
    """C31, as soon as the bound is passed."""
    with pytest.raises(Refused) as refused:
        asyncio.run(content.receive(sha256_hex(b"".join(data)), parts(*data)))
    assert refused.value.rule == "C31"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_all_blobs_together_are_bounded(content: Content):
    """C31: evidence of one party cannot fill the disk of another."""
    content.store(b"a" * 10)
    content.store(b"b" * 10)
    with pytest.raises(Refused) as refused:
        content.store(b"c")
    assert refused.value.rule == "C31"


def test_a_changed_file_is_refused(content: Content, tmp_path: Path):
    """C32: read back and hashed again before anybody gets it."""
    digest = content.store(b"evidence")
    (tmp_path / "blobs" / digest[:2] / digest).write_bytes(b"evidense")
    with pytest.raises(Refused) as refused:
        content.read(digest)
    assert refused.value.rule == "C32"


def test_a_missing_blob_is_not_found(content: Content):
    """C33."""
    with pytest.raises(Refused) as refused:
        content.read(Digest("a" * 64))
    assert refused.value.rule == "C33"
