r"""A folder by one digest: that of its listing (``spec/guard-runtime.md`` §4).

Decides what stands in a listing: for each regular file below the folder, in the order of its relative name, ``<digest> <size> <name>\n``.
Links to files are listed by what they point to, and links to folders are not gone into; who must not follow any looks first. A *version* is a
folder of which all is listed: ``digest_folder`` refuses one with anything else in it. Leaves out what a folder is for.

>>> import tempfile
>>> place = Path(tempfile.mkdtemp())
>>> _ = (place / "weights").write_bytes(b"abc")
>>> list_folder(place).split()[1:]
[b'3', b'weights']
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NoReturn

from detente.adapters.files import sync_folder
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse


def list_folder(path: Path, *, sync: bool = False) -> bytes:
    """The listing; ``sync`` makes every file durable first. Raises ``Misuse`` for a name of two lines, ``OSError``."""
    lines = []
    for name in sorted(each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file()):
        if "\n" in name:
            raise Misuse(f"got a file named {name!r} below {path}; expected names of one line")
        size, digest = digest_file(path / name, sync=sync)
        lines.append(f"{digest} {size} {name}\n".encode())
    if sync:
        for folder in [path, *(each for each in path.rglob("*") if each.is_dir())]:
            sync_folder(folder)  # Also those that hold folders alone.
    return b"".join(lines)


def digest_folder(path: Path) -> Digest:
    """The digest of a folder's listing, which has all that is in it; raises as ``list_folder``, and ``Misuse`` for what no listing has, or for nothing.

    A link to a folder, one to nothing, a pipe: whoever copies the folder may take along what stands behind them, whatever that is by then.
    """
    for here, folders, files in os.walk(path, onerror=_raise):
        for name in [*folders, *files]:
            each = Path(here) / name
            if not each.is_file() and (each.is_symlink() or not each.is_dir()):
                raise Misuse(
                    f"got {each}, a link to no file or no regular file; expected a folder of files, all of them in its digest"
                )
    listing = list_folder(path)
    if not listing:
        raise Misuse(f"got {path} without a file; expected a folder with something in it")
    return sha256_hex(listing)


def _raise(error: OSError) -> NoReturn:
    raise error


def digest_file(path: Path, *, sync: bool = False) -> tuple[int, Digest]:
    """A file's size and SHA-256, about 1 s per GiB; ``sync`` makes it durable first. Raises ``OSError``."""
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = os.fstat(file.fileno()).st_size
    if sync:
        sync_folder(path.parent)
    return size, Digest(digest)
