"""The folder of one guarded run: its declaration, what its guard remembers, and statements not yet delivered.

Decides how these files survive a crash: each is written beside, synced, renamed, and its folder synced, so that a reader
finds the old one or the new one. Leaves out what they mean (``app.petition``, ``app.guarding``).

::

    runs/<name>/run.json            the signed declaration of the run
               /memory.json         greatest heads seen, last epoch
               /last.json           the last verified checkpoint of the run
               /outbox/000001.json  signed statements in the order of their making, deleted once a node has them
               /outbox/.reserved    an empty place for a halt, or that one, if a crash kept it from its name
               /.reserved           an empty place for the next last.json, should the disk be full by then
               /.room               bytes that are given back on a full disk, for the request of a checkpoint and its receipt
               /control/            the control directory of the job
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detente.base.digest import parse_digest
from detente.base.errors import Misuse, Refused, Unavailable
from detente.base.strict_json import encode_json, parse_json
from detente.guard.permit import Head
from detente.statement.envelope import MAX_ENVELOPE_BYTES, parse_envelope

MEMORY_MAX = 262_144
"""128 logs of at most 512 bytes each, four times over."""
SMALL_MAX = 16_384
RESERVED = ".reserved"
ROOM = ".room"
ROOM_BYTES = 32_768
"""A request, a receipt and the file that each is before it has its name, in blocks of 4,096 bytes, twice over."""
RESERVED_BYTES = 4_096
"""Room for a ``halted`` of any content, three times over; what is larger is kept as without a place."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z", re.ASCII)


class RunFolder:
    """One run's folder, owned by one guard at a time through an operating-system lock."""

    def __init__(self, home: Path, name: str) -> None:
        if not _NAME.match(name):
            raise Misuse(f"got the run name {name!r}; expected 1 to 100 of letters, digits and ._-")
        self.path = home / "runs" / name
        self.name = name
        self._lock: int | None = None
        self._posting = threading.Lock()
        self._reserved = self._spare = False

    def take(self) -> None:
        """Become the one guard of this run; raises ``Refused`` G40 when another process is, ``Unavailable``."""
        try:
            (self.path / "outbox").mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"cannot write {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise Refused(
                "G40",
                "busy",
                got=f"a second guard for the run {self.name}",
                expected="one guard per run",
                todo="give this one another --run name, or end the other",
            ) from None
        self._lock = handle
        self._name_reserved()

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def control(self) -> Path:
        """The job's control directory, made new: files of an earlier life must not speak."""
        return self.path / "control"

    def clear_control(self) -> Path:
        """Empty it, whatever an earlier job left there; raises ``Unavailable``."""
        try:
            self.control.mkdir(mode=0o700, exist_ok=True)
            for entry in self.control.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot empty {self.control}: {error.strerror}") from None
        return self.control

    def read(self, name: str, limit: int = SMALL_MAX) -> bytes | None:
        """The file's bytes, or ``None`` when there is none; raises ``Refused`` G41 for one that is too large."""
        try:
            with (self.path / name).open("rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"cannot read {self.path / name}: {error.strerror}") from None
        if len(data) > limit:
            raise Refused("G41", "corrupt", got=f"{name} of more than {limit} bytes", expected="what a guard wrote")
        return data

    def store(self, name: str, data: bytes, *, reserved: bool = False) -> None:
        """Replace the file durably; ``reserved``: in the place made for it, where the disk takes no new file."""
        try:
            write_durably(self.path / name, data)
        except Unavailable:
            if not (reserved and self._spare and len(data) <= RESERVED_BYTES):
                raise
            self._spare = False
            _fill(self.path / RESERVED, data, self.path / name)

    def drop(self, name: str) -> None:
        """Forget the file, if there is one; raises ``Unavailable``."""
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot remove {self.path / name}: {error.strerror}") from None

    def forget(self, envelope: bytes) -> None:
        """Drop each file that keeps this signed statement, but for the outbox; raises ``Unavailable``."""
        try:
            found = [path.name for path in self.path.glob("*.json") if path.stat().st_size == len(envelope)]
        except OSError as error:
            raise Unavailable(f"cannot read {self.path}: {error.strerror}") from None
        for name in found:
            if self.read(name, MAX_ENVELOPE_BYTES) == envelope:
                self.drop(name)

    def post(self, envelope: bytes, *, reserved: bool = False) -> Path:
        """Keep a signed statement until it is delivered; returns its file. ``reserved``: it is the one with a place."""
        with self._posting:  # The loop's thread and its guard's may both have something to say.
            path = self._next()
            if reserved and self._reserved and len(envelope) <= RESERVED_BYTES:
                self._reserved = False
                # Durable once the bytes are in their place; the name may be lost then, and is given by ``take``.
                _fill(self._place, envelope, path)
            else:
                write_durably(path, envelope)
        return path

    def reserve(self) -> None:
        """Make durable places for a halt: one for the statement and one for ``last.json``; raises ``Unavailable``.

        Each is filled by one write that makes no file. Where many guards stop at once, a new file waits for the same journal of
        the file system, several times as long; on a disk that is full by then there would be none.
        """
        with self._posting:
            write_durably(self._place, bytes(RESERVED_BYTES))
            self._reserved = True
            write_durably(self.path / RESERVED, bytes(RESERVED_BYTES))
            self._spare = True
            write_durably(self.room, bytes(ROOM_BYTES))

    @property
    def room(self) -> Path:
        """What is given back on a full disk, so that a request for a checkpoint and its receipt can be written."""
        return self.path / ROOM

    @property
    def _place(self) -> Path:
        return self.path / "outbox" / RESERVED

    def _name_reserved(self) -> None:
        """A crash may have come between a statement in its place and its name. One that is not whole was never kept."""
        with contextlib.suppress(OSError, Refused):
            kept = self._place.read_bytes().rstrip(b"\0")
            parse_envelope(kept)
            os.truncate(self._place, len(kept))
            self._place.rename(self._next())

    def _next(self) -> Path:
        last = max((int(path.stem) for path in self._posted()), default=0)
        return self.path / "outbox" / f"{last + 1:06d}.json"

    def posted(self) -> Iterator[tuple[Path, bytes]]:
        """The statements not yet delivered, oldest first."""
        for path in sorted(self._posted()):
            with contextlib.suppress(FileNotFoundError):
                yield path, path.read_bytes()[: MAX_ENVELOPE_BYTES + 1]

    def _posted(self) -> list[Path]:
        folder = self.path / "outbox"
        return [path for path in folder.glob("*.json") if path.stem.isdigit()] if folder.is_dir() else []


class GuardMemory:
    """The greatest head seen of each log and the last epoch, kept across restarts (``app.guarding.Memory``)."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def load(self) -> tuple[dict[str, Head], int]:
        """What was stored last; nothing for a new run. A file that does not read is refused, G41: it must not permit."""
        data = self._folder.read("memory.json", MEMORY_MAX)
        if data is None:
            return {}, 0
        try:
            value: Any = parse_json(data, limit=MEMORY_MAX)
            heads = {
                str(each["origin"]): Head(str(each["origin"]), int(each["size"]), parse_digest(each["root"]))
                for each in value["heads"]
            }
            return heads, int(value["epoch"])
        except (Refused, KeyError, TypeError, ValueError) as error:
            raise Refused(
                "G41",
                "corrupt",
                got=f"{self._folder.path / 'memory.json'}: {error}",
                expected="the heads and the epoch that this guard stored",
                todo="declare the run under another --run name",
            ) from None

    def store(self, heads: Mapping[str, Head], epoch: int) -> None:
        """Durable when it returns."""
        value = {"heads": [heads[origin].as_json() for origin in sorted(heads)], "epoch": epoch}
        self._folder.store("memory.json", encode_json(value))


def _fill(place: Path, data: bytes, path: Path) -> None:
    """Put the bytes into a place of zeros, durably, and give it its name; raises ``Unavailable``."""
    try:
        handle = os.open(place, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(handle, data, 0)
            os.fdatasync(handle)
            os.ftruncate(handle, len(data))
        finally:
            os.close(handle)
        place.rename(path)
    except OSError as error:
        raise Unavailable(f"cannot write {place}: {error.strerror}") from error


def write_durably(path: Path, data: bytes) -> None:
    """Write ``path`` so that a crash leaves the old file or the new one; raises ``Unavailable``."""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error
