"""Judge the commits of a history, reading only those that no earlier scan has judged.

Decides what is loaded and how much of it: texts only of files whose kind can be taken apart, one commit at a time, so that
memory does not grow with what a commit holds; and what a kept verdict may be used for. Leaves out every judgement
(``measure.changes``), who made a commit, and who looked (``changes``).

- A verdict is kept under its commit, the rules, the evaluators named and the version of Python that took the files apart: whatever
  changes one of them makes it as if it had never been kept.
- A commit of which something was absent or damaged is judged anew each time: more of it may be there by now.
- A scan that is interrupted goes on behind the last ``PART`` that was kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from detente.adapters.git_history import read_commits
from detente.adapters.git_objects import Blob, read_blobs
from detente.adapters.git_running import Repository
from detente.adapters.scan_cache import ScanCache
from detente.app.measuring.oversight import Progress
from detente.measure.changes.document_keys import DOCUMENT_BYTES_MAX, KINDS
from detente.measure.changes.filing import FileChange, FileVerdict, RememberingReader, judge_file
from detente.measure.changes.judged import RULES, Judged, as_row, from_row
from detente.measure.changes.paths import path_verdict
from detente.measure.changes.rules import rules_digest
from detente.measure.history import GITLINK_MODE, Change, Commit

TEXTS_MAX: Final = 2_000
"""Files of one commit whose text is loaded; the rest is judged by its path. A commit that a person reads has a tenth of it."""
PART: Final = 1_000
"""Commits after which what is done is kept: at 0.1 s each a minute or two of work."""
LINK_MODE: Final = "120000"
PAST_BOUND: Final = "past the number of files read in one commit"
ABSENT: Final = "absent from this clone, or damaged"
TOO_LARGE: Final = "larger than the bound for a text"
Row = list[Any]
_DAMAGED: Final = (KeyError, TypeError, ValueError, IndexError, AttributeError)


@dataclass(frozen=True, slots=True)
class _Looked:
    """A file of a commit: what to judge it as, and which of its sides are to be loaded."""

    path: str
    old_blob: str
    new_blob: str
    added: int
    absent: str | None
    new: bool

    @property
    def wanted(self) -> tuple[str, ...]:
        return () if self.absent else tuple(blob for blob in (self.old_blob, self.new_blob) if blob)


def judge_history(
    repository: Repository,
    tip: str,
    ids: Sequence[str],
    *,
    evaluators: tuple[str, ...],
    cache: ScanCache | None,
    progress: Progress | None = None,
) -> dict[str, Row]:
    """What each of the commits ``ids`` of the history of ``tip`` touches, as rows (``judged.from_row``), which are smaller."""
    scan = _Scan(repository, tip, evaluators, cache)
    known = scan.kept()
    found = {one: known[one] for one in ids if one in known}
    if progress is not None and found:
        progress(len(found))
    fresh: list[Row] = []
    for judged in _Walk(repository, evaluators).judge([one for one in ids if one not in known]):
        row = as_row(judged)
        found[judged.id] = row
        fresh.append(row)
        if progress is not None and len(found) % 100 == 0:
            progress(len(found))
        if len(fresh) % PART == 0:
            scan.keep_part(fresh[-PART:])
    scan.keep(known, fresh)
    return found


class _Scan:
    """What is kept of one repository under one key."""

    def __init__(self, repository: Repository, tip: str, evaluators: tuple[str, ...], cache: ScanCache | None) -> None:
        self._cache = cache
        self._tip = tip
        self._place = str(repository.common_dir)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        # A graft changes what a commit is compared with, and a shallow edge is one.
        parts = [str(RULES), rules_digest(), version, *sorted(repository.shallow), "", *evaluators]
        self._key = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
        self._base = ""
        self._parts = 0

    def kept(self) -> dict[str, Row]:
        """By commit; empty where nothing that reads was kept."""
        cache = self._cache
        if cache is None:
            return {}
        rows = cache.load(self._key, self._tip)
        self._base = self._tip
        if rows is None:
            self._base = cache.newest(self._key, self._place) or ""
            rows = (cache.load(self._key, self._base) if self._base else None) or []
        parts = cache.load_parts(self._key, self._tip, "")
        self._parts = -(-len(parts) // PART)
        known: dict[str, Row] = {}
        for row in (*rows, *parts):
            with suppress(*_DAMAGED):
                known[from_row(row).id] = row
        return known

    def keep_part(self, fresh: Sequence[Row]) -> None:
        """A stretch of a scan that goes on."""
        if self._cache is not None:
            self._cache.store_part(self._key, self._tip, "", self._parts, _lines(fresh))
            self._parts += 1

    def keep(self, known: dict[str, Row], fresh: Sequence[Row]) -> None:
        """The scan is over."""
        if self._cache is None or (not (lines := _lines(fresh)) and not self._parts):
            return
        plain = self._parts == 0 and self._base not in {"", self._tip}
        if not plain or not self._cache.store_difference(
            self._key, self._tip, self._place, base=self._base, removed=[], rows=lines
        ):
            self._cache.store(self._key, self._tip, self._place, [*lines, *_lines(list(known.values()))])
        self._cache.drop_parts(self._key, self._tip)


def _lines(rows: Sequence[Row]) -> list[str]:
    """As they are stored; those of commits that could not be read whole are left out."""
    return [json.dumps(row, separators=(",", ":")) for row in rows if _is_whole(from_row(row))]


def _is_whole(judged: Judged) -> bool:
    return not judged.skipped and ABSENT not in judged.unread


class _Walk:
    """Verdicts on the files of each commit."""

    def __init__(self, repository: Repository, evaluators: tuple[str, ...]) -> None:
        self._repository = repository
        self._evaluators = evaluators
        self._reader = RememberingReader()

    def judge(self, ids: Sequence[str]) -> Iterator[Judged]:
        """Each commit once. git is asked for texts while commits are still being read; neither is held whole."""
        waiting: deque[tuple[Judged, list[_Looked]]] = deque()
        done: deque[Judged] = deque()

        def wanted(commits: Iterator[Commit]) -> Iterator[str]:
            for commit in commits:
                judged, files = Judged(commit.id), self._files(commit)
                if commit.unread:
                    judged.skip()
                elif commit.files_dropped:
                    judged.drop(commit.files_dropped)
                texts = [blob for file in files for blob in file.wanted]
                if texts:
                    waiting.append((judged, files))
                    yield from texts
                else:
                    done.append(self._judged(judged, files, iter(())))

        with (
            closing(read_commits(self._repository, ids, blobs=True)) as commits,
            closing(read_blobs(self._repository, wanted(commits), size_max=DOCUMENT_BYTES_MAX)) as blobs,
        ):
            for first in blobs:
                yield self._judged(*waiting.popleft(), chain((first,), blobs))
                while done:
                    yield done.popleft()
            yield from done

    def _files(self, commit: Commit) -> list[_Looked]:
        return [] if commit.unread else [self._looked(file, number) for number, file in enumerate(commit.changes)]

    def _looked(self, file: Change, number: int) -> _Looked:
        path, new_blob, absent = file.path, file.new_blob, None
        place = path_verdict(path, self._evaluators)
        if file.old_path and file.status == "R" and place.area is None:
            before = path_verdict(file.old_path, self._evaluators)
            if before.area is not None:  # moved out of a place that matters: there it is gone
                path, new_blob, place = file.old_path, "", before
        suffix = path.rpartition(".")[2].lower()
        new = file.status in {"A", "C"}
        if GITLINK_MODE in {file.old_mode, file.new_mode}:
            absent = "a submodule"
        elif LINK_MODE in {file.old_mode, file.new_mode}:
            absent = "a symbolic link"
        elif place.left_out or (suffix not in {"py", "pyi"} and suffix not in KINDS):
            return _Looked(path, "", "", file.added or 0, None, new)
        elif number >= TEXTS_MAX:
            absent = PAST_BOUND
        old_blob = "" if file.status == "C" else file.old_blob
        return _Looked(path, old_blob, new_blob, file.added or 0, absent, new)

    def _judged(self, judged: Judged, files: Sequence[_Looked], blobs: Iterator[Blob]) -> Judged:
        for file in files:
            judged.add(self._verdict(file, blobs), file.added, new=file.new)
        return judged

    def _verdict(self, file: _Looked, blobs: Iterator[Blob]) -> FileVerdict:
        texts: dict[str, bytes] = {}
        absent = file.absent
        for blob in file.wanted:
            answer = next(blobs)
            if answer.data is None:
                absent = absent or (ABSENT if answer.size is None else TOO_LARGE)
            else:
                texts[blob] = answer.data
        return judge_file(
            FileChange(file.path, texts.get(file.old_blob), texts.get(file.new_blob), absent),
            evaluators=self._evaluators,
            reader=self._reader,
        )
