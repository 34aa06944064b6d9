r"""The digest of what a loop saved: one file, or a folder of them.

Decides how a checkpoint that the loop's own ``save`` wrote is made durable and named. Leaves out its format. A ``save`` that
knows more than a path, whether a resume is exact for instance, returns a ``SavedCheckpoint``.

The digest of a file is the SHA-256 of its bytes. That of a folder is the SHA-256 of a list: for each regular file below
it, in the order of its relative name, ``<digest> <size> <name>\n``. Links are listed by what they point to.

>>> import tempfile
>>> place = Path(tempfile.mkdtemp())
>>> _ = (place / "weights").write_bytes(b"abc")
>>> digest_checkpoint(place / "weights")[1][:8]
'ba7816bf'
>>> digest_checkpoint(place)[0]
3
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Unavailable
from detente.guard.receipt import Receipt


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint that is durable, with the receipt that stands beside it. Its path is the file or folder itself."""

    path: Path
    receipt: Receipt

    def __fspath__(self) -> str:
        return str(self.path)


def digest_checkpoint(path: Path) -> tuple[int, Digest]:
    """Sync ``path`` to disk and hash it: its size in bytes and its digest; raises ``Misuse`` when nothing is there."""
    if path.is_file():
        return _digest_file(path)
    if not path.is_dir():
        raise Misuse(f"save() returned {path}; expected a file or a folder that it has written")
    listing = list_checkpoint(path)
    return sum(int(line.split(b" ", 2)[1]) for line in listing.splitlines()), sha256_hex(listing)


def list_checkpoint(path: Path) -> bytes:
    """The listing of a folder whose digest names it; every file in it is synced first."""
    lines = []
    for name in sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()):
        if "\n" in name:
            raise Misuse(f"got a file named {name!r} in a checkpoint; expected names of one line")
        size, digest = _digest_file(path / name)
        lines.append(f"{digest} {size} {name}\n".encode())
    _sync_folder(path)
    return b"".join(lines)


def _digest_file(path: Path) -> tuple[int, Digest]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    _sync_folder(path.parent)
    return size, Digest(digest)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_at_most(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes of a file: one more than is right shows that it is too long. No file is no bytes."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
