"""SQLite databases of a run: copied with their write-ahead log to a temporary place, then read without trust.

Decides how a database is opened: never in place, since opening may change it, and a database whose rows all lie in its
log reads as empty without it. Views, triggers and functions of a hostile schema are not used: only tables are read, and
the connection trusts no schema. Leaves out what a row means. Rules I02 and I03 of ``spec/measure-lineage.md``.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detente.base.errors import Refused, Unavailable

MAGIC = b"SQLite format 3\0"
DATABASE_MAX = 8 * 1024**3
"""Bytes of one database with its log: a run of 10,000 programs with embeddings takes about 1 GB."""
ROWS_MAX = 200_000
CELL_MAX = 67_108_864


def is_database(path: Path) -> bool:
    """Does the file begin as SQLite's do?"""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def database_digest(path: Path) -> str:
    """SHA-256 over a database and then its write-ahead log; raises ``Unavailable``."""
    digest = hashlib.sha256()
    try:
        for part in _parts(path):
            with part.open("rb") as file:
                while block := file.read(1_048_576):
                    digest.update(block)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()


def _parts(path: Path) -> list[Path]:
    wal = path.with_name(path.name + "-wal")
    return [path, wal] if wal.is_file() and not wal.is_symlink() else [path]


class SqliteTables:
    """The tables of an open database."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        found = self._ask("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")
        self.columns: Mapping[str, Sequence[str]] = {
            row["name"]: [column["name"] for column in self._ask(f"pragma table_info({_quoted(row['name'])})")]
            for row in found
        }

    def rows(self, table: str) -> Sequence[Mapping[str, Any]]:
        """Every row of a table, in the order of its keys; raises ``Refused`` I02, I03."""
        rows = self._ask(f"select * from {_quoted(table)} limit {ROWS_MAX + 1}")  # noqa: S608  # quoted, and of the schema
        if len(rows) > ROWS_MAX:
            raise Refused(
                "I02", "oversized", got=f"more than {ROWS_MAX} rows in {table}", expected="the database of one run"
            )
        return rows

    def _ask(self, sql: str) -> list[dict[str, Any]]:
        try:
            return [dict(row) for row in self._connection.execute(sql)]
        except (sqlite3.Error, OverflowError) as error:
            raise Refused(
                "I03",
                "malformed",
                got=f"{self._name}: {error}",
                expected="a SQLite database",
                todo="copy it again, with the files ending in -wal and -shm beside it",
            ) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def open_database(path: Path) -> Iterator[SqliteTables]:
    """A copy of a database and its log; raises ``Refused`` I02, I03, ``Unavailable``."""
    parts = _parts(path)
    try:
        size = sum(part.stat().st_size for part in parts)
        if size > DATABASE_MAX:
            raise Refused("I02", "oversized", got=f"{path.name} of {size} bytes", expected=f"at most {DATABASE_MAX}")
        with tempfile.TemporaryDirectory(prefix="detente-loop-") as folder:
            for part in parts:
                shutil.copyfile(part, Path(folder) / part.name)
            connection = sqlite3.connect(Path(folder) / path.name)
            try:
                connection.row_factory = sqlite3.Row
                connection.text_factory = lambda text: text.decode("utf-8", "replace")
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, CELL_MAX)
                connection.execute("pragma trusted_schema = off")
                yield SqliteTables(connection, path.name)
            finally:
                connection.close()
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from None
    except sqlite3.DatabaseError as error:
        raise Refused(
            "I03", "malformed", got=f"{path.name}: {error}", expected="a SQLite database", todo="copy it again"
        ) from None
