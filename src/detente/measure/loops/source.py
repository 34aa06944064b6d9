"""What an importer is given: names and bytes of files, rows of databases, commits of a history. Nothing else.

Leaves out how they are read and how much of them (``adapters.loop_files``, ``loop_database``, ``loop_history``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

from detente.base.digest import Digest


class Files(Protocol):
    """The files of one run, by their paths below it, with ``/``, sorted."""

    @property
    def names(self) -> Sequence[str]: ...

    def read(self, name: str) -> bytes:
        """The whole file; raises ``Refused`` I02 where it is too large, ``Unavailable`` where it cannot be read."""
        ...


class Tables(Protocol):
    """The tables of one SQLite database."""

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Table name → its columns."""
        ...

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        """Every row of a table; raises ``Refused`` I02 where there are too many."""
        ...


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: ``parents`` in order, ``at`` in seconds since the Epoch, path → lines added and deleted."""

    id: str
    parents: tuple[str, ...]
    at: int
    subject: str
    changes: Mapping[str, tuple[int | None, int | None]]


@dataclass(frozen=True, slots=True)
class History:
    """The commits of one branch that are not of the branch it left, oldest first, and the files at its head by path."""

    branch: str
    commits: tuple[Commit, ...]
    tables: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """One run as an importer sees it; ``name`` is what people call it, ``inputs`` names what was read → digest.

    ``statements`` are kind, body and statement id of each; ``unread`` counts entries that are none.
    """

    name: str
    files: Files
    databases: Mapping[str, Tables] = field(default_factory=dict)
    history: History | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[tuple[str, Any, Digest], ...] = ()
    unread: int = 0

    def matching(self, *patterns: str) -> list[str]:
        """Names of files that match a pattern; ``*`` matches across folders."""
        return [name for name in self.files.names if any(fnmatchcase(name, pattern) for pattern in patterns)]


@dataclass(frozen=True, slots=True)
class HeldFiles:
    """Files that are in memory already.

    >>> HeldFiles({"a/b.json": b"{}"}).names
    ['a/b.json']
    """

    held: Mapping[str, bytes]

    @property
    def names(self) -> Sequence[str]:
        return sorted(self.held)

    def read(self, name: str) -> bytes:
        return self.held[name]
