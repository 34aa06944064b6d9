"""The node's store: one SQLite file, write-ahead log, synchronous=FULL, one writer.

Decides what is durable and in which order it can be read back. Leaves out what it means: the store compares no hash with
a signature and reads no statement. Rules C05 and C10 to C13 of ``spec/store.md``.

- A transaction is durable when ``transact`` returns. When it raises, it may have happened or not: read again.
- Entries of a log are appended at its size or refused: C05. They are never changed or removed.
- A full disk is C10, a damaged file C11, another layout C12, a number beyond the layout C13; everything else that a
  disk says is ``Unavailable``.

Layout (``spec/store.md`` §1): ``entries.id`` is ``log << 40 | index``, so that a log's entries lie together and in order.

>>> entry_id(2, 5) == (2 << 40) + 5
True
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from detente.adapters.files import disk_full, make_private
from detente.base.digest import Digest
from detente.base.errors import DetenteError, Refused, Unavailable
from detente.base.identity import Party, PublicKey
from detente.base.instant import Instant

T = TypeVar("T")
LAYOUT = 1
INDEX_BITS = 40
LOGS_MAX = 2**22
"""Logs in one store; with 40 bits of index that fills SQLite's 63-bit row ids."""
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE logs(id INTEGER PRIMARY KEY, origin TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
CREATE TABLE entries(id INTEGER PRIMARY KEY, leaf BLOB NOT NULL, data BLOB NOT NULL);
CREATE TABLE heads(id INTEGER PRIMARY KEY, log INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
  body BLOB NOT NULL, UNIQUE(log, size, body));
CREATE TABLE lines(seq INTEGER PRIMARY KEY AUTOINCREMENT, head INTEGER NOT NULL, party TEXT NOT NULL,
  time_s INTEGER NOT NULL, line BLOB NOT NULL, UNIQUE(head, line));
CREATE TABLE mirrors(log INTEGER PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE witness(origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE heard(id TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE issued(guard BLOB PRIMARY KEY, epoch INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE permits(body TEXT PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX permits_at ON permits(at);
CREATE TABLE forks(origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, PRIMARY KEY(origin, size, root));
CREATE TABLE proofs(id INTEGER PRIMARY KEY, origin TEXT NOT NULL, data BLOB NOT NULL, UNIQUE(origin, data));
"""


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log: its number in this store and how many entries are stored."""

    id: int
    origin: str
    size: int


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One head that was seen: the note's text and its signature lines, the log's own first."""

    id: int
    log: int
    size: int
    root: bytes
    body: bytes
    lines: tuple[bytes, ...]

    @property
    def note(self) -> bytes:
        """The head as a signed note."""
        return self.body + b"\n" + b"".join(self.lines)


@dataclass(frozen=True, slots=True)
class CosignatureRow:
    """One cosignature that was verified when it was stored, and the root that it signed."""

    mirror: Party
    size: int
    root: bytes
    time_s: Instant


def entry_id(log: int, index: int) -> int:
    """The row id of an entry; raises ``Refused`` C13 beyond the layout."""
    if not 0 <= index < 1 << INDEX_BITS or not 0 < log < LOGS_MAX:
        raise Refused("C13", "limit", got=f"entry {index} of log {log}", expected=f"below 2**{INDEX_BITS}")
    return log << INDEX_BITS | index


def commit_durably(connection: sqlite3.Connection) -> None:
    """The commit that a store uses unless a test hands it one that fails."""
    connection.execute("COMMIT")


class Transaction:
    """What may be written within one transaction. Only ``Store.transact`` makes one."""

    __slots__ = ("_db",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def open_log(self, origin: str) -> LogRow:
        """The row of a log, made where missing."""
        self._db.execute("INSERT INTO logs(origin, size) VALUES(?, 0) ON CONFLICT DO NOTHING", (origin,))
        row = self._db.execute("SELECT id, origin, size FROM logs WHERE origin = ?", (origin,)).fetchone()
        return LogRow(*row)

    def append(self, log: int, start: int, entries: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        """Append entries at ``start``; raises ``Refused`` C05 unless that is the log's size."""
        end = start + len(entries)
        first = entry_id(log, start)
        entry_id(log, end)
        done = self._db.execute("UPDATE logs SET size = ? WHERE id = ? AND size = ?", (end, log, start))
        if done.rowcount != 1:
            found = self._db.execute("SELECT size FROM logs WHERE id = ?", (log,)).fetchone()
            raise Refused(
                "C05",
                "conflict",
                got=f"an append at {start} to a log of {found[0] if found else 'no'} entries",
                expected="an append at its size",
                todo="another writer was faster: read the log again",
            )
        rows = zip(range(first, first + len(entries)), leaves, entries, strict=True)
        self._db.executemany("INSERT INTO entries(id, leaf, data) VALUES(?, ?, ?)", rows)

    def mend(self, log: int, index: int, entry: bytes, leaf: bytes) -> None:
        """Put the right bytes in the place of damaged ones: only ``log recover`` does, after it has hashed the whole log."""
        values = (entry_id(log, index), leaf, entry)
        self._db.execute("INSERT OR REPLACE INTO entries(id, leaf, data) VALUES(?, ?, ?)", values)

    def add_head(self, log: int, size: int, root: bytes, body: bytes) -> int:
        """The number of a head, stored where it is new."""
        self._db.execute(
            "INSERT INTO heads(log, size, root, body) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (log, size, root, body),
        )
        row = self._db.execute(
            "SELECT id FROM heads WHERE log = ? AND size = ? AND body = ?", (log, size, body)
        ).fetchone()
        return int(row[0])

    def add_line(self, head: int, party: str, time_s: int, line: bytes) -> bool:
        """Keep a signature line of a head (``party`` empty: the log's own); false when it stands there already."""
        done = self._db.execute(
            "INSERT INTO lines(head, party, time_s, line) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (head, party, time_s, line),
        )
        return done.rowcount == 1

    def put_meta(self, name: str, value: bytes) -> None:
        """Store one named value."""
        self._db.execute("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", (name, value))

    def put_mirror(self, log: int, state: bytes) -> None:
        """Store the state of a mirrored log."""
        self._db.execute("INSERT OR REPLACE INTO mirrors(log, state) VALUES(?, ?)", (log, state))

    def put_witness(self, origin: str, size: int, root: bytes, note: bytes, *, was: int) -> None:
        """Store a witness's head, atomically after the one of size ``was``; raises ``Refused`` C05 otherwise."""
        done = self._db.execute(
            "INSERT INTO witness(origin, size, root, note) VALUES(?, ?, ?, ?) "
            "ON CONFLICT(origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note "
            "WHERE witness.size = ?",
            (origin, size, root, note, was),
        )
        if done.rowcount != 1:
            raise Refused("C05", "conflict", got=f"a head that follows size {was}", expected="the size last cosigned")

    def add_heard(self, statement: Digest, data: bytes) -> bool:
        """Keep a statement that stands in no log yet."""
        done = self._db.execute("INSERT INTO heard(id, data) VALUES(?, ?) ON CONFLICT DO NOTHING", (statement, data))
        return done.rowcount == 1

    def drop_heard(self, statements: Iterable[Digest]) -> None:
        """Forget statements that have got a place in a log."""
        self._db.executemany("DELETE FROM heard WHERE id = ?", [(statement,) for statement in statements])

    def put_issued(self, guard: PublicKey, epoch: int, body: Digest) -> None:
        """The last permit body signed for a guard."""
        self._db.execute("INSERT OR REPLACE INTO issued(guard, epoch, body) VALUES(?, ?, ?)", (guard, epoch, body))

    def add_permit(self, body: Digest, at: Instant, data: bytes) -> None:
        """Keep a permit that was signed."""
        self._db.execute("INSERT INTO permits(body, at, data) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", (body, at, data))

    def add_fork(self, origin: str, size: int, root: bytes) -> None:
        """A head of another branch, read to its end."""
        self._db.execute("INSERT INTO forks VALUES(?, ?, ?) ON CONFLICT DO NOTHING", (origin, size, root))

    def add_proof(self, origin: str, data: bytes) -> None:
        """A proof of equivocation."""
        self._db.execute("INSERT INTO proofs(origin, data) VALUES(?, ?) ON CONFLICT DO NOTHING", (origin, data))


class Store:
    """One SQLite file with one writing connection and one reading one. Safe to use from several threads."""

    def __init__(
        self, path: Path, *, commit: Callable[[sqlite3.Connection], None] = commit_durably, read_only: bool = False
    ) -> None:
        self.path = path
        self._commit = commit
        self._writing, self._reading = threading.Lock(), threading.Lock()
        try:
            if read_only and not path.is_file():
                raise Unavailable(f"cannot open {path}: no such file")
            if not read_only:
                make_private(path)
            self._writer = self._connect("ro" if read_only else "rwc")
            if not read_only:
                self._prepare()
            self._reader = self._connect("ro")
            self._check_layout()
        except sqlite3.Error as error:
            raise store_error(error, path) from error

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{self.path.as_posix().replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)
        connection.execute("PRAGMA cache_size = -16384")
        return connection

    def _prepare(self) -> None:
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")
        # Pages freed from the write-ahead log are reused, so that most commits do not grow a file.
        self._writer.execute("PRAGMA wal_autocheckpoint = 1000")
        (layout,) = self._writer.execute("PRAGMA user_version").fetchone()
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if layout == 0 and tables == 0:
            self._writer.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {LAYOUT}; COMMIT;")

    def _check_layout(self) -> None:
        (layout,) = self._reader.execute("PRAGMA user_version").fetchone()
        if layout != LAYOUT:
            raise Refused(
                "C12",
                "malformed",
                got=f"{self.path} of layout {layout}",
                expected=f"layout {LAYOUT}",
                todo="use the version of detente that wrote it",
            )

    def close(self) -> None:
        """Close both connections."""
        self._reader.close()
        self._writer.close()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one durable transaction. After an exception it may have happened or not, see the module."""
        return self.transact_all([work])[0]

    def transact_all(self, works: Sequence[Callable[[Transaction], T]]) -> list[T]:
        """Several pieces of work in one durable transaction: all or none. Raises what the first failing one raised."""
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                transaction = Transaction(self._writer)
                results = [work(transaction) for work in works]
                self._commit(self._writer)
            except sqlite3.Error as error:
                self._roll_back()
                raise store_error(error, self.path) from error
            except BaseException:
                self._roll_back()
                raise
        return results

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def limit_pages(self, pages: int) -> None:
        """Let the database grow to so many pages at most: an operator's own bound on its disk."""
        with self._writing:
            self._writer.execute(f"PRAGMA max_page_count = {int(pages)}")

    def check_structure(self) -> list[str]:
        """What SQLite finds wrong with its own file; empty if nothing."""
        try:
            return [str(row[0])[:200] for row in self._rows("PRAGMA integrity_check(16)") if row[0] != "ok"]
        except Refused as refused:
            return [refused.got[:200]]

    # Reading. Only what was committed is seen.

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._reading:
            try:
                return self._reader.execute(query, tuple(values)).fetchall()
            except sqlite3.Error as error:
                raise store_error(error, self.path) from error

    def logs(self) -> list[LogRow]:
        """Every log, in the order in which they were first seen."""
        return [LogRow(*row) for row in self._rows("SELECT id, origin, size FROM logs ORDER BY id")]

    def entries(self, log: int, start: int, end: int) -> list[bytes]:
        """Entries ``[start, end)`` as far as they are stored."""
        return [row[0] for row in self._range("data", log, start, end)]

    def leaves(self, log: int, start: int, end: int) -> list[bytes]:
        """Leaf hashes ``[start, end)`` as far as they are stored."""
        return [row[0] for row in self._range("leaf", log, start, end)]

    def _range(self, column: str, log: int, start: int, end: int) -> list[tuple[Any, ...]]:
        if end <= start:
            return []
        query = f"SELECT {column} FROM entries WHERE id >= ? AND id < ? ORDER BY id"  # noqa: S608  # a fixed name
        return self._rows(query, (entry_id(log, start), entry_id(log, end)))

    def rows(self, log: int, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Index, leaf hash and bytes of the entries ``[start, end)`` that are there, gaps left out: for ``log fsck``."""
        query = "SELECT id, leaf, data FROM entries WHERE id >= ? AND id < ? ORDER BY id"
        first = entry_id(log, 0)
        return [
            (row[0] - first, row[1], row[2]) for row in self._rows(query, (entry_id(log, start), entry_id(log, end)))
        ]

    def heads(self, log: int, *, least: int = 0, most: int = 64) -> list[HeadRow]:
        """Heads of at least this size, the greatest first."""
        query = "SELECT id, log, size, root, body FROM heads WHERE log = ? AND size >= ? ORDER BY size DESC, id DESC LIMIT ?"
        return [self._head(row) for row in self._rows(query, (log, least, most))]

    def heads_since(self, since: int, most: int) -> tuple[int, list[HeadRow]]:
        """Heads that got a line after number ``since``, and the number to ask with next."""
        rows = self._rows("SELECT seq, head FROM lines WHERE seq > ? ORDER BY seq LIMIT ?", (since, most))
        if not rows:
            return since, []
        numbers = sorted({row[1] for row in rows})
        marks = ",".join("?" * len(numbers))
        query = f"SELECT id, log, size, root, body FROM heads WHERE id IN ({marks}) ORDER BY id"  # noqa: S608  # only marks
        return int(rows[-1][0]), [self._head(row) for row in self._rows(query, numbers)]

    def _head(self, row: tuple[Any, ...]) -> HeadRow:
        lines = self._rows("SELECT line FROM lines WHERE head = ? ORDER BY party, seq", (row[0],))
        number, log, size, root, body = row
        return HeadRow(number, log, size, root, body, tuple(line[0] for line in lines))

    def cosignatures(self, log: int) -> list[CosignatureRow]:
        """Every cosignature of heads of one log, in the order in which they came."""
        query = (
            "SELECT lines.party, heads.size, heads.root, lines.time_s FROM lines JOIN heads ON heads.id = lines.head "
            "WHERE heads.log = ? AND lines.party != '' ORDER BY lines.seq"
        )
        return [CosignatureRow(*row) for row in self._rows(query, (log,))]

    def meta(self, name: str) -> bytes | None:
        """One named value."""
        rows = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        return rows[0][0] if rows else None

    def mirror(self, log: int) -> bytes | None:
        """The state of a mirrored log."""
        rows = self._rows("SELECT state FROM mirrors WHERE log = ?", (log,))
        return rows[0][0] if rows else None

    def witness(self, origin: str) -> tuple[int, bytes, bytes] | None:
        """Size, root and note of a witness's head."""
        rows = self._rows("SELECT size, root, note FROM witness WHERE origin = ?", (origin,))
        return rows[0] if rows else None

    def heard(self) -> list[bytes]:
        """Statements that stood in no log when they came, in the order of their ids."""
        return [row[0] for row in self._rows("SELECT data FROM heard ORDER BY id")]

    def issued(self, guard: PublicKey) -> tuple[int, Digest] | None:
        """Epoch and body digest of the last permit signed for a guard."""
        rows = self._rows("SELECT epoch, body FROM issued WHERE guard = ?", (guard,))
        return rows[0] if rows else None

    def permits(self, start: int, end: int) -> list[Digest]:
        """Body digests of the permits signed from ``start`` and before ``end`` (POSIX seconds), ascending."""
        query = "SELECT body FROM permits WHERE at >= ? AND at < ? ORDER BY body"
        return [row[0] for row in self._rows(query, (start, end))]

    def first_permit(self, start: int) -> int | None:
        """When the first permit from ``start`` on was signed."""
        rows = self._rows("SELECT min(at) FROM permits WHERE at >= ?", (start,))
        found: int | None = rows[0][0]
        return found

    def is_fork(self, origin: str, size: int, root: bytes) -> bool:
        """Was this head of another branch read to its end?"""
        return bool(self._rows("SELECT 1 FROM forks WHERE origin = ? AND size = ? AND root = ?", (origin, size, root)))

    def forks(self, origin: str) -> int:
        """How many heads of other branches of a log were read to their end."""
        return int(self._rows("SELECT count(*) FROM forks WHERE origin = ?", (origin,))[0][0])

    def proofs(self, origin: str) -> list[bytes]:
        """Proofs that this log equivocated."""
        return [row[0] for row in self._rows("SELECT data FROM proofs WHERE origin = ? ORDER BY id", (origin,))]


def store_error(error: sqlite3.Error, path: Path) -> DetenteError:
    """What SQLite said, as one of our errors."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL") or name == "SQLITE_IOERR_WRITE":
        return disk_full(f"{path}: {error}")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Refused(
            "C11",
            "corrupt",
            got=f"{path}: {error}",
            expected="a database that SQLite can read",
            todo="keep the file for inquiry, start with an empty one and run `detente log recover`",
        )
    return Unavailable(f"{path}: {error}")
