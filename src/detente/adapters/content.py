"""Larger evidence in files named by their digest: terms, diffs, evaluation logs.

Decides that a file holds what its name says, or is refused. Leaves out who may store and what the bytes mean.
Rules C10, C30 to C33 of ``spec/store.md``.

- Stored only when the bytes hash to the digest asked for: C30. Bounded one by one and together: C31.
- Read back and hashed again before anybody gets them: C32.
- Written beside, synced and renamed, so that a digest never names half a file. ``receive`` syncs in a thread: a disk may
  take a second over 64 MiB, and others are served meanwhile.
- ``reserved`` is for what the node itself looks for, the texts of amendments: it finds room although all is used.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from detente.adapters.files import disk_error, sync_folder
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Refused


class Content:
    """A folder of files named by digest. ``blob_bytes`` bounds one, ``all_bytes`` all of them."""

    def __init__(self, folder: Path, *, blob_bytes: int, all_bytes: int) -> None:
        self._folder = folder
        self._blob_bytes = blob_bytes
        self._all_bytes = all_bytes
        self._used: int | None = None

    def has(self, digest: Digest) -> bool:
        """Is there a file of this digest?"""
        return self._path(digest).is_file()

    def read(self, digest: Digest) -> bytes:
        """The bytes of a digest; raises ``Refused`` C33 when there are none, C32 when they changed."""
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise Refused(
                "C33",
                "not-found",
                got=f"no blob {digest}",
                expected="one that was stored here",
                todo="ask another node",
            ) from None
        except OSError as error:
            raise disk_error(error, path) from error
        if sha256_hex(data) != digest:
            raise Refused(
                "C32",
                "corrupt",
                got=f"{path} with other bytes",
                expected=f"bytes with digest {digest}",
                todo="move the file away and store the blob again",
            )
        return data

    def store(self, data: bytes, *, reserved: bool = False) -> Digest:
        """Store bytes under their digest; raises ``Refused`` C10, C31."""
        self.check_room(len(data), reserved=reserved)
        digest = sha256_hex(data)
        if not self.has(digest):
            handle, temporary = self._begin(digest)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                self._finish(temporary, digest, len(data))
            except OSError as error:
                _discard(temporary)
                raise disk_error(error, self._path(digest)) from error
        return digest

    async def receive(self, digest: Digest, parts: AsyncIterator[bytes], *, reserved: bool = False) -> int:
        """Store what arrives under ``digest``; raises ``Refused`` C10, C30, C31 and keeps nothing then. Returns the size."""
        path = self._path(digest)
        hashed, size = hashlib.sha256(), 0
        try:
            handle, temporary = self._begin(digest)
            try:
                with os.fdopen(handle, "wb") as file:
                    async for part in parts:
                        size += len(part)
                        self.check_room(size, reserved=reserved)
                        hashed.update(part)
                        file.write(part)
                    if hashed.hexdigest() != digest:
                        raise Refused(
                            "C30", "corrupt", got=f"bytes with digest {hashed.hexdigest()}", expected=f"digest {digest}"
                        )
                    file.flush()
                    await asyncio.to_thread(os.fsync, file.fileno())
                if self.has(digest):
                    _discard(temporary)
                else:
                    self._finish(temporary, digest, size)
            except BaseException:
                _discard(temporary)
                raise
        except OSError as error:
            raise disk_error(error, path) from error
        return size

    def check_room(self, size: int, *, reserved: bool = False) -> None:
        """Refuse (C31) a blob of this size; a reserved one has room beside all others."""
        if size > self._blob_bytes:
            raise Refused(
                "C31", "oversized", got=f"{size} bytes or more", expected=f"at most {self._blob_bytes} of one blob"
            )
        if not reserved and self._use() + size > self._all_bytes:
            raise Refused(
                "C31",
                "oversized",
                got=f"{size} bytes beside {self._use()}",
                expected=f"at most {self._all_bytes} of all blobs",
                todo="raise limits.blobs_bytes in config.toml, or remove what nobody cites",
            )

    def _use(self) -> int:
        if self._used is None:
            files = self._folder.glob("??/" + "?" * 64) if self._folder.is_dir() else ()
            self._used = sum(path.stat().st_size for path in files)
        return self._used

    def _begin(self, digest: Digest) -> tuple[int, str]:
        folder = self._path(digest).parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)

    def _finish(self, temporary: str, digest: Digest, size: int) -> None:
        path = self._path(digest)
        Path(temporary).replace(path)
        sync_folder(path.parent)
        self._used = self._use() + size

    def _path(self, digest: Digest) -> Path:
        return self._folder / digest[:2] / digest


def _discard(temporary: str) -> None:
    Path(temporary).unlink(missing_ok=True)
