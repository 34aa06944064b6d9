"""Storage that forgets: small records under salted digests, each in a file of its own that can be erased.

Decides that a record is found under its digest alone, and is gone once erased. Leaves out what a record says (``measure.review.note``)
and who may read or erase one (``app.review_notes``). Rules Z01 to Z04 of ``spec/review.md`` §2.

- The salt is drawn here, stands in the file, and goes with it: a digest in a log then says nothing about what was erased.
- Overwritten, synced, removed. A file system that copies on write, a backup or a flash chip may keep what was overwritten: who runs
  a node keeps this folder out of backups, and on an encrypted disk.
- Not in the database: SQLite's free pages and write-ahead log keep what was deleted.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from detente.adapters.files import disk_error, store_file, sync_folder
from detente.base.digest import Digest, parse_digest
from detente.base.errors import Refused
from detente.measure.review.note import NOTE_BYTES_MAX, SALT_SIZE, note_digest

RECORDS_MAX = 100_000
"""Some thirty years of ten decisions a day; what no decision names goes after a day."""


class Erasable:
    """A folder of erasable records. ``records`` bounds how many; ``salt`` draws one, for tests."""

    def __init__(
        self,
        folder: Path,
        *,
        records: int = RECORDS_MAX,
        salt: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_SIZE),
    ) -> None:
        self._folder = folder
        self._records = records
        self._salt = salt

    def keep(self, record: bytes) -> Digest:
        """Keep a record durably; returns its salted digest. Raises ``Refused`` Z01, Z02, C10, ``Unavailable``."""
        if len(record) > NOTE_BYTES_MAX:
            raise Refused("Z01", "oversized", got=f"{len(record)} bytes", expected=f"at most {NOTE_BYTES_MAX}")
        if (held := sum(1 for _ in self.digests())) >= self._records:
            raise Refused(
                "Z02",
                "full",
                got=f"{held} notes",
                expected=f"fewer than {self._records}",
                todo="notes that no decision names go after a day; `detente hold erase` removes others",
            )
        salt = self._salt()
        digest = note_digest(salt, record)
        store_file(self._path(digest), salt + record)
        return digest

    def find(self, digest: Digest) -> bytes:
        """The record of a digest; raises ``Refused`` Z03 where there is none, Z04 where its file was changed."""
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise _absent(digest) from None
        except OSError as error:
            raise disk_error(error, path) from error
        salt, record = data[:SALT_SIZE], data[SALT_SIZE:]
        if note_digest(salt, record) != digest:
            raise Refused(
                "Z04",
                "corrupt",
                got=f"{path} with other bytes",
                expected="the salt and record that give its name",
                todo="move the file away: the decision stands, its note cannot be shown",
            )
        return record

    def erase(self, digest: Digest) -> None:
        """Remove a record and its salt for good; raises ``Refused`` Z03, ``Unavailable``."""
        path = self._path(digest)
        try:
            with path.open("r+b") as file:
                file.write(bytes(path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            sync_folder(self._folder)
        except FileNotFoundError:
            raise _absent(digest) from None
        except OSError as error:
            raise disk_error(error, path) from error

    def digests(self) -> Iterator[Digest]:
        """Every record that is held."""
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if len(path.name) == 64:
                    yield parse_digest(path.name)

    def older_than(self, age_s: float) -> list[Digest]:
        """The records kept longer ago than so many seconds, by the file's own time."""
        before = time.time() - age_s
        found = []
        for digest in self.digests():
            try:
                if self._path(digest).stat().st_mtime < before:
                    found.append(digest)
            except FileNotFoundError:
                continue  # Erased meanwhile.
        return found

    def _path(self, digest: Digest) -> Path:
        return self._folder / digest


def _absent(digest: Digest) -> Refused:
    return Refused(
        "Z03", "not-found", got=f"no note {digest[:12]}…", expected="one that is kept here and was not erased"
    )
