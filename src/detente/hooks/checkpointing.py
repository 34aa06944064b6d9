"""The digest of what a loop saved: one file, or a folder of them.

Decides how a checkpoint that the loop's own ``save`` wrote is made durable and named. Leaves out its format. A ``save`` that
knows more than a path, whether a resume is exact for instance, returns a ``SavedCheckpoint``.

The digest of a file is the SHA-256 of its bytes, that of a folder the SHA-256 of its listing (``adapters.listing``).

>>> import tempfile
>>> place = Path(tempfile.mkdtemp())
>>> _ = (place / "weights").write_bytes(b"abc")
>>> digest_checkpoint(place / "weights")[1][:8]
'ba7816bf'
>>> digest_checkpoint(place)[0]
3
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detente.adapters.listing import digest_file, list_folder
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
        return digest_file(path, sync=True)
    if not path.is_dir():
        raise Misuse(f"save() returned {path}; expected a file or a folder that it has written")
    listing = list_checkpoint(path)
    return sum(int(line.split(b" ", 2)[1]) for line in listing.splitlines()), sha256_hex(listing)


def list_checkpoint(path: Path) -> bytes:
    """The listing of a folder whose digest names it; every file in it is synced first."""
    return list_folder(path, sync=True)


def read_at_most(path: Path, limit: int) -> bytes:
    """At most ``limit`` bytes of a file: one more than is right shows that it is too long. No file is no bytes."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
