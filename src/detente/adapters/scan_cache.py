"""Keep what a scan of a repository found, so that the next one reads only what is new.

Decides how rows of a scan are stored and when stored ones can be trusted. Leaves out what a row holds. One SQLite file.

* A *segment* belongs to a tip (a commit) under a key (the rules, and whatever else changes what a commit yields). It holds all
  rows, or those that differ from another segment's: rows added or changed, and ids removed.
* *Sums* belong to a tip and a key too: what the rows come to, so that the usual question does not need them.
* A *part* is a stretch of a scan that has not finished: a scan that was interrupted goes on behind it.
* Every body carries its SHA-256. What does not match, does not parse, or hangs on a segment that is gone is as if it had never
  been stored: the repository is read again. A damaged file is replaced by an empty one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from detente.base.errors import Unavailable

T = TypeVar("T")
LAYOUT: Final = 2
CHAIN_MAX: Final = 32
"""Segments that may hang on one another; the next one is stored whole."""
_BUSY_S: Final = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments(key TEXT, tip TEXT, place TEXT, base TEXT, depth INTEGER, digest BLOB, body BLOB,
  at INTEGER PRIMARY KEY AUTOINCREMENT, UNIQUE(key, tip));
CREATE INDEX IF NOT EXISTS segments_place ON segments(key, place);
CREATE TABLE IF NOT EXISTS parts(key TEXT, tip TEXT, base TEXT, number INTEGER, digest BLOB, body BLOB,
  PRIMARY KEY(key, tip, base, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sums(key TEXT, tip TEXT, place TEXT, digest BLOB, body BLOB, PRIMARY KEY(key, tip)) WITHOUT ROWID;
"""
_DAMAGED = (sqlite3.DatabaseError, zlib.error, ValueError, TypeError, KeyError, IndexError)


def default_cache() -> Path:
    """The user's own folder for what can be made again: ``$XDG_CACHE_HOME/detente``, else ``~/.cache/detente``."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path(os.path.expanduser("~")) / ".cache") / "detente"  # noqa: PTH111  # never raises


def choose_cache(folder: Path | None) -> Path:
    """``folder``, made if need be (``Unavailable`` where it cannot be), else the default one, which is done without if it cannot."""
    if folder is None:
        return default_cache()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"the cache {folder} cannot be made: {error.strerror}") from error
    return folder


class ScanCache:
    """Rows by tip. Every method does without what it cannot read or write: a cache never fails a measurement."""

    def __init__(self, folder: Path, name: str) -> None:
        """``name`` is the measure; the file is ``<folder>/<name>.sqlite``."""
        self._path = folder / f"{name}.sqlite"
        with contextlib.suppress(OSError):  # then the file cannot be opened either
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._db is not None:
            self._db.close()

    def load(self, key: str, tip: str) -> list[list[Any]] | None:
        """All rows of the tip, or ``None``. A row is an array whose first item is the commit's id."""
        return self._attempt(lambda db: _load(db, key, tip))

    def newest(self, key: str, place: str) -> str | None:
        """The tip that was stored last for this place."""

        def ask(db: sqlite3.Connection) -> str | None:
            row = db.execute(
                "SELECT tip FROM segments WHERE key=? AND place=? ORDER BY at DESC LIMIT 1", (key, place)
            ).fetchone()
            return row[0] if row else None

        return self._attempt(ask)

    def store(self, key: str, tip: str, place: str, rows: Sequence[str]) -> None:
        """All rows of the tip, each as JSON; what else was stored for the place under any key is dropped."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM segments WHERE place=?", (place,))
            _insert(db, key, tip, place, "", 0, f'{{"rows":[{",".join(rows)}]}}')

        self._attempt(write)

    def store_difference(
        self, key: str, tip: str, place: str, *, base: str, removed: Sequence[str], rows: Sequence[str]
    ) -> bool:
        """Rows that differ from those of ``base``; false where the chain is long enough to be stored whole."""

        def write(db: sqlite3.Connection) -> bool:
            found = db.execute("SELECT depth FROM segments WHERE key=? AND tip=?", (key, base)).fetchone()
            if found is None or found[0] >= CHAIN_MAX or tip == base:
                return False
            body = f'{{"removed":{json.dumps(list(removed))},"rows":[{",".join(rows)}]}}'
            _insert(db, key, tip, place, base, found[0] + 1, body)
            return True

        return bool(self._attempt(write))

    def load_sums(self, key: str, tip: str) -> dict[str, Any] | None:
        """What the rows of the tip come to, or ``None``."""

        def ask(db: sqlite3.Connection) -> dict[str, Any] | None:
            found = db.execute("SELECT digest, body FROM sums WHERE key=? AND tip=?", (key, tip)).fetchone()
            return _opened(found[0], found[1]) if found else None

        return self._attempt(ask)

    def store_sums(self, key: str, tip: str, place: str, sums: Mapping[str, Any]) -> None:
        """The sums of the tip; those of the place's other tips are dropped."""
        body = _closed(json.dumps(sums))

        def write(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM sums WHERE place=?", (place,))
            db.execute("INSERT OR REPLACE INTO sums VALUES(?,?,?,?,?)", (key, tip, place, *body))

        self._attempt(write)

    def load_parts(self, key: str, tip: str, base: str) -> list[list[Any]]:
        """Rows of an unfinished scan, from its beginning, in order."""

        def ask(db: sqlite3.Connection) -> list[list[Any]]:
            rows: list[list[Any]] = []
            asked = "SELECT number, digest, body FROM parts WHERE key=? AND tip=? AND base=? ORDER BY number"
            for expected, (number, digest, body) in enumerate(db.execute(asked, (key, tip, base))):
                if number != expected:
                    break
                rows += _opened(digest, body)["rows"]
            return rows

        return self._attempt(ask) or []

    def store_part(self, key: str, tip: str, base: str, number: int, rows: Sequence[str]) -> None:
        """One more stretch of an unfinished scan."""
        body = _closed(f'{{"rows":[{",".join(rows)}]}}')

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT OR REPLACE INTO parts VALUES(?,?,?,?,?,?)", (key, tip, base, number, *body))

        self._attempt(write)

    def drop_parts(self, key: str, tip: str) -> None:
        """The scan has finished."""
        self._attempt(lambda db: db.execute("DELETE FROM parts WHERE key=? AND tip=?", (key, tip)))

    def _open(self) -> sqlite3.Connection | None:
        for attempt in range(2):
            db = None
            try:
                db = sqlite3.connect(self._path, timeout=_BUSY_S)
                db.execute("PRAGMA journal_mode=WAL")
                db.execute("PRAGMA synchronous=OFF")  # a lost cache costs time, nothing else
                layout = db.execute("PRAGMA user_version").fetchone()[0]
                if layout in {0, LAYOUT}:
                    db.executescript(_SCHEMA)
                    db.execute(f"PRAGMA user_version={LAYOUT}")
                    return db
                db.close()
            except sqlite3.OperationalError:  # locked for long, or no right to write: do without
                if db is not None:
                    db.close()
                return None
            except sqlite3.DatabaseError:
                if db is not None:
                    db.close()
            if attempt == 0:
                self._remove()
        return None

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self._path.with_name(self._path.name + suffix).unlink()

    def _attempt(self, act: Callable[[sqlite3.Connection], T]) -> T | None:
        if self._db is None:
            return None
        try:
            with self._db:
                return act(self._db)
        except sqlite3.OperationalError:  # busy or full: this once without
            return None
        except _DAMAGED:
            self._db.close()
            self._remove()
            self._db = self._open()
            return None


def _load(db: sqlite3.Connection, key: str, tip: str) -> list[list[Any]] | None:
    differences: list[dict[str, Any]] = []
    here = tip
    for _ in range(CHAIN_MAX + 1):
        found = db.execute("SELECT base, digest, body FROM segments WHERE key=? AND tip=?", (key, here)).fetchone()
        if found is None:
            return None
        content = _opened(found[1], found[2])
        if not found[0]:
            return _apply(content["rows"], reversed(differences))
        differences.append(content)
        here = found[0]
    return None


def _apply(rows: list[list[Any]], differences: Iterable[dict[str, Any]]) -> list[list[Any]]:
    for difference in differences:
        new = difference["rows"]
        gone = {row[0] for row in new} | set(difference["removed"])
        rows = new + [row for row in rows if row[0] not in gone]
    return rows


def _insert(db: sqlite3.Connection, key: str, tip: str, place: str, base: str, depth: int, body: str) -> None:
    db.execute(
        "INSERT OR REPLACE INTO segments(key, tip, place, base, depth, digest, body) VALUES(?,?,?,?,?,?,?)",
        (key, tip, place, base, depth, *_closed(body)),
    )


def _closed(text: str) -> tuple[bytes, bytes]:
    body = zlib.compress(text.encode("utf-8"), 1)
    return hashlib.sha256(body).digest(), body


def _opened(digest: bytes, body: bytes) -> dict[str, Any]:
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("the body does not match its digest")
    content: dict[str, Any] = json.loads(zlib.decompress(body))
    return content
