"""Durable small files: replaced whole, a lock on a folder, and the last signed head under compare-and-swap.

Decides how a file survives a crash and who may write. Leaves out what heads mean (``app.sequencer``).
Rules C04 to C07 and C10 of ``spec/store.md``.

- ``store_file``: written beside, synced, renamed, folder synced: a reader finds the old file or the new one.
- ``write_with_room``: what must be written on a full disk too has room kept aside for it.
- ``HomeLock``: one process owns a home: C04.
- ``HeadFile``: the last signed head, outside the database, so that a restored database is noticed. Two slots of one
  page are written in turn, in place, and synced: a torn write leaves the other slot, and no rename is needed. What was
  read is compared before anything is written: C05. Neither slot readable: C07. Origin of another log: C06.

>>> show_mark(HeadMark(1, "log.example", 0, "0" * 64)).splitlines()[0]
'detente-head/v1'
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detente.base.errors import DetenteError, Refused, Unavailable, shown

SLOT_BYTES = 4_096
"""One page, so that the write of one slot cannot tear the other."""
_FIRST = "detente-head/v1"


def store_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` durably; raises ``Refused`` C10 when the disk is full, else ``Unavailable``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(error, path) from error


def write_with_room(room: Path, write: Callable[[], None]) -> None:
    """``write``, and once more where it failed and ``room``, a file that only keeps room on the disk, could be given back."""
    try:
        write()
    except (DetenteError, OSError):
        if not _give_back(room):
            raise
        write()


def _give_back(room: Path) -> bool:
    try:
        room.unlink()
    except OSError:
        return False
    return True


def make_private(path: Path) -> None:
    """An empty file that only its owner reads, unless there is one already; raises as ``store_file``."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise disk_error(error, path) from error


def sync_folder(path: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_error(error: OSError, path: Path) -> DetenteError:
    """C10 for a full disk, a quota or a size limit; ``Unavailable`` for everything else that a disk says."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return disk_full(f"{path}: {error.strerror}")
    return Unavailable(f"cannot write {path}: {error.strerror or error}")


def disk_full(got: str) -> Refused:
    """The refusal of a write for which there is no room. Nothing was lost: the same write works once there is."""
    return Refused(
        "C10",
        "full",
        got=got,
        expected="room on the disk",
        todo="make room and send it again; what was acknowledged is safe",
    )


class HomeLock:
    """The one process that may write below a home. Held until ``release`` or the end of the process."""

    def __init__(self, home: Path) -> None:
        self._path = home / "lock"
        self._handle: int | None = None

    def take(self) -> None:
        """Own the home; raises ``Refused`` C04 when another process does."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"cannot open {self._path}: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise Refused(
                "C04",
                "busy",
                got=f"another process that owns {self._path.parent}",
                expected="one node per home",
                todo="stop that node, or give this one a home of its own",
            ) from None
        self._handle = handle

    def release(self) -> None:
        """Give the home up."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@dataclass(frozen=True, slots=True)
class HeadMark:
    """The last head that a log signed: its ``number`` in the file, origin, size, and root as 64 hexadecimal characters."""

    number: int
    origin: str
    size: int
    root: str


def show_mark(mark: HeadMark) -> str:
    """A slot's text, without its padding."""
    text = f"{_FIRST}\n{mark.number}\n{mark.origin}\n{mark.size}\n{mark.root}\n"
    return f"{text}{hashlib.sha256(text.encode()).hexdigest()}\n"


def _read_mark(data: bytes) -> HeadMark | None:
    try:
        lines = data.rstrip(b"\0").decode("utf-8").split("\n")
        if len(lines) != 7 or lines[0] != _FIRST:
            return None
        mark = HeadMark(int(lines[1]), lines[2], int(lines[3]), lines[4])
    except ValueError:
        return None
    return mark if show_mark(mark).encode() == data.rstrip(b"\0") else None


def peek_mark(path: Path) -> HeadMark | None:
    """The newest readable mark of a head file, without owning it; None where there is none."""
    try:
        data = path.read_bytes()[: 2 * SLOT_BYTES]
    except OSError:
        return None
    marks = [mark for mark in map(_read_mark, (data[:SLOT_BYTES], data[SLOT_BYTES:])) if mark is not None]
    return max(marks, key=lambda mark: mark.number, default=None)


class HeadFile:
    """The last signed head of one log. ``sync`` makes a written slot durable; tests let it fail."""

    def __init__(self, path: Path, origin: str, *, sync: Callable[[int], None] = os.fdatasync) -> None:
        self._path = path
        self._origin = origin
        self._sync = sync
        self._handle: int | None = None
        self._seen: tuple[bytes, HeadMark | None] | None = None

    def open(self) -> HeadMark | None:
        """Open, make where missing, and return the mark; raises ``Refused`` C06, C07, C04, ``Unavailable``."""
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Refused(
                    "C04",
                    "busy",
                    got=f"another process that signs with {self._path}",
                    expected="one node per log",
                    todo="stop that node: two sequencers fork a log",
                ) from None
            if os.fstat(self._handle).st_size == 0:
                # Both slots take their room now, so that no later write grows the file or finds a full disk.
                os.pwrite(self._handle, b"\0" * (2 * SLOT_BYTES), 0)
                os.fsync(self._handle)
                sync_folder(self._path.parent)
            return self.read()
        except OSError as error:
            raise disk_error(error, self._path) from error

    def reset(self, size: int, root: bytes) -> HeadMark:
        """Write a head over whatever stands there: only ``log recover`` may, after it has asked the mirrors."""
        try:
            os.pwrite(self._fd, b"\0" * (2 * SLOT_BYTES), 0)
            os.fsync(self._fd)
        except OSError as error:
            raise disk_error(error, self._path) from error
        self._seen = None
        return self.swap(None, size, root)

    def close(self) -> None:
        """Release the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def read(self) -> HeadMark | None:
        """The newest mark on the disk; None before the first; raises ``Refused`` C06, C07."""
        data = os.pread(self._fd, 2 * SLOT_BYTES, 0)
        if self._seen is not None and self._seen[0] == data:
            return self._seen[1]
        slots = (data[:SLOT_BYTES], data[SLOT_BYTES:])
        marks = [mark for mark in map(_read_mark, slots) if mark is not None]
        if not marks:
            if any(data):
                raise Refused(
                    "C07",
                    "corrupt",
                    got=f"{self._path} with no readable slot",
                    expected="the last signed head",
                    todo="run `detente log recover`: it asks the mirrors which head was signed last",
                )
            return None
        newest = max(marks, key=lambda mark: mark.number)
        if newest.origin != self._origin:
            raise Refused(
                "C06",
                "conflict",
                got=f"{self._path} of {shown(newest.origin)}",
                expected=f"the head of {shown(self._origin)}",
                todo="this file belongs to another log: correct `head` in config.toml",
            )
        self._seen = (data, newest)
        return newest

    def swap(self, expected: HeadMark | None, size: int, root: bytes) -> HeadMark:
        """Replace ``expected`` by a new head, durably; raises ``Refused`` C05 when another stands there, C10.

        After any other failure the file may hold either: read it again before the next swap.
        """
        try:
            found = self.read()
            if found != expected:
                raise Refused(
                    "C05",
                    "conflict",
                    got=f"a signed head of size {found.size if found else 0}",
                    expected=f"the head of size {expected.size if expected else 0} that this process signed last",
                    todo="two sequencers share this log: stop one",
                )
            number = 1 if found is None else found.number + 1
            mark = HeadMark(number, self._origin, size, root.hex())
            slot = show_mark(mark).encode().ljust(SLOT_BYTES, b"\0")
            os.pwrite(self._fd, slot, (number % 2) * SLOT_BYTES)
            self._sync(self._fd)
            kept = (self._seen[0] if self._seen else b"").ljust(2 * SLOT_BYTES, b"\0")
            both = kept[:SLOT_BYTES] + slot if number % 2 else slot + kept[SLOT_BYTES:]
            self._seen = (both, mark)
        except OSError as error:
            raise disk_error(error, self._path) from error
        return mark

    @property
    def _fd(self) -> int:
        if self._handle is None:
            raise Unavailable(f"{self._path} is not open")
        return self._handle
