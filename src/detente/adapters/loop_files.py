"""Files of a run, read within bounds: a folder, or a single file.

Decides how much is looked at: links only to files within the run (a model cache is made of them), no special files, no hidden folders, bounded depth, number and size; what
is passed over is listed. Leaves out what a file means (``measure.loops``). Rule I02 of ``spec/measure-lineage.md``.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from detente.base.errors import Refused, Unavailable

FILES_MAX = 500_000
"""Files below one run: a DGM run keeps about a thousand logs for each of 80 agents."""
FILE_MAX = 268_435_456
"""Bytes of one file: the largest checkpoint seen is 3 MB, the largest archive 20 MB."""
DEPTH_MAX = 16
Progress = Callable[[int, int], None]
"""Told how many of how many files were read; fewer than all where a run has files that nobody needs."""
_PASSED_OVER = frozenset({"node_modules", "__pycache__", "site-packages", ".git", ".venv"})


class FolderFiles:
    """The files below a folder, or one file as if it were alone in its folder; ``skipped`` are links and the like."""

    def __init__(self, root: Path, *, progress: Progress | None = None) -> None:
        self._progress = progress
        self._root = root if root.is_dir() else root.parent
        self.skipped: list[str] = []
        self.read_digests: dict[str, str] = {}
        self._inside: dict[str, Path] = {}
        self._names = sorted(self._found()) if root.is_dir() else [root.name]

    @property
    def names(self) -> Sequence[str]:
        """Paths below the folder, with ``/``."""
        return self._names

    def read(self, name: str) -> bytes:
        """One file; raises ``Refused`` I02, ``Unavailable``."""
        path = self._inside.get(name, self._root / name)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise Unavailable(f"{path} is no regular file")
                data = file.read(FILE_MAX + 1)
        except OSError as error:
            raise Unavailable(f"cannot read {path}: {error.strerror}") from None
        if len(data) > FILE_MAX:
            raise Refused("I02", "oversized", got=f"{name} of more than {FILE_MAX} bytes", expected="a smaller file")
        self.read_digests[name] = hashlib.sha256(data).hexdigest()
        if self._progress is not None:
            self._progress(len(self.read_digests), len(self._names) + 1)
        return data

    def digest(self) -> str:
        """SHA-256 over the names and digests of the files that were read, and how many they are."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.read_digests.items()))
        count = len(self.read_digests)
        return f"sha256 {hashlib.sha256(lines.encode()).hexdigest()} of {count} file{'' if count == 1 else 's'} read"

    def _found(self) -> list[str]:
        found: list[str] = []
        whole = self._root.resolve()
        waiting = [(self._root, "", 0)]
        while waiting:
            folder, prefix, depth = waiting.pop()
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                raise Unavailable(f"cannot list {folder}: {error.strerror}") from None
            for entry in entries:
                name = prefix + entry.name
                if entry.is_symlink():
                    target = Path(entry.path).resolve()
                    if target.is_relative_to(whole) and target.is_file():
                        self._inside[name] = target
                        found.append(name)
                    else:
                        self.skipped.append(name)
                elif entry.is_dir():
                    if entry.name in _PASSED_OVER:
                        continue
                    if depth == DEPTH_MAX:
                        self.skipped.append(name)
                        continue
                    waiting.append((Path(entry.path), f"{name}/", depth + 1))
                elif entry.is_file():
                    found.append(name)
                else:
                    self.skipped.append(name)
                if len(found) > FILES_MAX:
                    raise Refused(
                        "I02",
                        "oversized",
                        got=f"more than {FILES_MAX} files below {self._root}",
                        expected="the folder of one run",
                        todo="name the folder of one run",
                    )
        return found
