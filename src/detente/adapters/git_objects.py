"""Read single objects of a repository: blobs, trees, notes, and which objects are absent.

Decides how objects are asked for in bulk without a deadlock and without loading what is too large. Leaves out what they mean.

* Ids are written in groups that fit a pipe, then their answers are read: neither side can wait for the other.
* An object above ``BLOB_MAX`` is read past, not into memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import islice
from typing import IO, Final, NamedTuple

from detente.adapters.git_running import GitFailed, Repository, Running, ask_refs, run_git, start_git, stream_git
from detente.base.errors import Refused, Unavailable, shown

BLOB_MAX: Final = 16 << 20
"""Bytes of one blob that are loaded; a source file or note above 16 MiB is data, not text that anybody wrote."""
_GROUP: Final = 128  # ids of 64 digits and a newline: 8 KiB, and a pipe holds 64
_SKIP: Final = 1 << 20


class Blob(NamedTuple):
    """An object by its id; ``data`` is ``None`` where it is absent (``size`` is ``None`` too) or larger than allowed."""

    id: str
    size: int | None
    data: bytes | None


class TreeEntry(NamedTuple):
    """A file of a tree: mode, type (``blob``, ``commit`` for a submodule) and id."""

    mode: str
    kind: str
    id: str


def read_blobs(repository: Repository, ids: Iterable[str], *, size_max: int = BLOB_MAX) -> Generator[Blob]:
    """The objects ``ids`` in their order. An id may also be a name such as ``<commit>:<path>``; what is not there is absent.

    Names that hold a newline or NUL are absent: git could not be asked for them.
    """
    waiting = iter(ids)
    with start_git(repository, "cat-file", "--batch", talk=True) as running:
        while group := list(islice(waiting, _GROUP)):
            for part in _fitting(group):
                yield from _read_group(running, part, size_max)


def find_absent(repository: Repository, ids: Iterable[str]) -> frozenset[str]:
    """Those of ``ids`` that the repository does not hold."""
    asked = "".join(f"{one}\n" for one in ids).encode()
    answer = run_git(repository, "cat-file", "--batch-check", "--buffer", stdin=asked)
    return frozenset(line.split(b" ")[0].decode("ascii") for line in answer.split(b"\n") if line.endswith(b" missing"))


def list_tree(repository: Repository, tree: str) -> dict[str, TreeEntry]:
    """Path → entry for every file below ``tree`` (the id of a commit or tree); refuses A03 where it cannot be read."""
    entries = {}
    left = b""
    try:
        for piece in stream_git(repository, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", tree):
            *records, left = (left + piece).split(b"\0")
            for record in records:
                facts, _, path = record.partition(b"\t")
                mode, kind, name = facts.decode("ascii").split(" ")
                entries[path.decode("utf-8", "backslashreplace")] = TreeEntry(mode, kind, name)
    except GitFailed as error:
        raise Refused(
            "A03",
            "corrupt",
            got=f"a tree that cannot be read: {shown(error.said, 200)}",
            expected=f"the files of {shown(tree)}",
            todo="see `git fsck`",
        ) from error
    return entries


def list_notes(repository: Repository, ref: str = "refs/notes/ai") -> tuple[dict[str, str], int]:
    """Commit id → id of its note blob, and how many entries of the ref are no notes; empty where there is no such ref.

    Notes lie under the hexadecimal id of their commit, spread over folders as git likes: git-notes(1).
    """
    notes: dict[str, str] = {}
    others = 0
    tip = ask_refs(repository, "for-each-ref", "--format=%(objectname)", ref).decode("ascii").strip()
    if not tip:
        return notes, others
    for path, entry in list_tree(repository, tip).items():
        name = path.replace("/", "")
        if entry.kind == "blob" and len(name) == repository.id_length and set(name) <= _HEX:
            notes[name] = entry.id
        else:
            others += 1
    return notes, others


_HEX = frozenset("0123456789abcdef")


def _fitting(group: list[str]) -> Iterable[list[str]]:
    """Groups whose request fits a pipe: names of files may be long."""
    if sum(len(one.encode("utf-8", "surrogateescape")) + 1 for one in group) <= 1 << 14:
        return (group,)
    return ([one] for one in group)


def _read_group(running: Running, group: list[str], size_max: int) -> Iterable[Blob]:
    askable = [not ("\n" in one or "\0" in one or len(one) > 1 << 13) for one in group]
    asked = "".join(f"{one}\n" for one, fine in zip(group, askable, strict=True) if fine)
    running.into.write(asked.encode("utf-8", "surrogateescape"))
    running.into.flush()
    for one, fine in zip(group, askable, strict=True):
        yield _read_answer(running, one, size_max) if fine else Blob(one, None, None)


def _read_answer(running: Running, asked: str, size_max: int) -> Blob:
    out = running.out
    line = out.readline(1 << 15)
    if not line.endswith(b"\n"):
        raise Unavailable(f"git cat-file ended early: {shown(running.said(), 200)}")
    words = line.split(b" ")
    if line.endswith((b" missing\n", b" ambiguous\n")) or len(words) != 3:
        return Blob(asked, None, None)
    size = int(words[2])
    if size > size_max:
        _skip(out, size + 1)
        return Blob(asked, size, None)
    data = _exactly(out, size + 1)
    return Blob(asked, size, data[:-1])


def _exactly(out: IO[bytes], size: int) -> bytes:
    parts = []
    while size:
        part = out.read(size)
        if not part:
            raise Unavailable("git cat-file ended in the middle of an object")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _skip(out: IO[bytes], size: int) -> None:
    while size:
        size -= len(_exactly(out, min(size, _SKIP)))
