"""Measure changes: walk a history, look into the files that may matter, judge, add up.

Decides what is loaded and how much of it: texts only of files whose kind can be taken apart, one commit at a time, so that memory does
not grow with the history. Leaves out every judgement (``measure.changes``, ``measure.oversight``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from detente.adapters.git_history import read_commits, read_history, resolve_commit
from detente.adapters.git_objects import Blob, read_blobs
from detente.adapters.git_running import Repository, open_repository
from detente.app.measuring.oversight import Progress, Review, Window, gather_review, inputs, parameters, shown_path
from detente.base.instant import Instant
from detente.measure.changes.document_keys import DOCUMENT_BYTES_MAX, KINDS
from detente.measure.changes.filing import FileChange, FileVerdict, RememberingReader, judge_file
from detente.measure.changes.paths import check_evaluators, path_verdict
from detente.measure.changes.rules import rules_digest
from detente.measure.changes.tally import Change, Gathered, tally_changes
from detente.measure.history import GITLINK_MODE, Commit
from detente.measure.history import Change as ChangedFile
from detente.measure.indicator import Result
from detente.measure.oversight.marking import mark_of

TEXTS_MAX: Final = 2_000
"""Files of one commit whose text is loaded; the rest is judged by its path. A commit that a person reads has a tenth of it."""
LINK_MODE: Final = "120000"
PAST_BOUND: Final = "past the number of files read in one commit"
ABSENT: Final = "absent from this clone, or damaged"
TOO_LARGE: Final = "larger than the bound for a text"


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


def measure_changes(
    path: Path,
    *,
    ref: str = "HEAD",
    without: str | None = None,
    forge: Path | None = None,
    forge_complete: bool = False,
    evaluators: Sequence[str] = (),
    since: Instant | None = None,
    until: Instant | None = None,
    progress: Progress | None = None,
) -> Result:
    """Which changes on ``ref`` (and not on ``without``) touch training or evaluation, whose they are, and who looked.

    ``evaluators`` are patterns of paths that the caller names as what scores the result. Refusals: A01 to A04 of the repository, O01 to
    O09 of the export, D01 of a pattern.
    """
    named = check_evaluators(evaluators)
    repository = open_repository(path)
    tip = resolve_commit(repository, ref)
    left = () if without is None else (resolve_commit(repository, without),)
    window = Window(since, until)
    review = gather_review(repository, tip, forge=forge, forge_complete=forge_complete)
    gathering = _Gathering(review, window, named)
    ids = []
    with closing(read_history(repository, (tip,), without=left, counts=False)) as history:
        for commit in history:
            if gathering.wants(commit):
                ids.append(commit.id)  # noqa: PERF401  # the history is closed whatever happens
    with closing(read_commits(repository, ids, blobs=True)) as commits:
        gathering.walk(repository, commits, progress)
    found = tally_changes(gathering.finish(), exported=review.export is not None)
    chosen = {
        **parameters(window, review),
        "rules": rules_digest()[:16],
        "evaluators": " ".join(named),
        "without": left[0] if left else "",
    }
    return Result(
        "changes",
        subject=shown_path(path),
        indicators=found.indicators,
        remarks=found.remarks,
        exclusions=(*found.exclusions, *review.ledger.excluded()),
        ledgers=found.ledgers,
        series=found.series,
        inputs=inputs(ref, tip, review),
        parameters={name: value for name, value in chosen.items() if value},
    )


class _Gathering:
    """Verdicts on the files of each commit, gathered into changes."""

    def __init__(self, review: Review, window: Window, evaluators: tuple[str, ...]) -> None:
        self._review = review
        self._window = window
        self._evaluators = evaluators
        self._gathered = Gathered()
        self._changes: dict[str, Change] = {}
        self._reader = RememberingReader()

    def walk(self, repository: Repository, commits: Iterator[Commit], progress: Progress | None) -> None:
        """Judge every commit. git is asked for texts while commits are still being read; neither is held whole."""
        waiting: deque[tuple[Commit, list[_Looked]]] = deque()

        def wanted() -> Iterator[str]:
            for number, commit in enumerate(commits, 1):
                if progress is not None and number % 100 == 0:
                    progress(number)
                files = self._files(commit)
                ids = [blob for file in files for blob in file.wanted]
                if ids:
                    waiting.append((commit, files))
                    yield from ids
                elif files:
                    self._judge(commit, files, iter(()))

        with closing(read_blobs(repository, wanted(), size_max=DOCUMENT_BYTES_MAX)) as blobs:
            for first in blobs:
                commit, files = waiting.popleft()
                self._judge(commit, files, chain((first,), blobs))

    def finish(self) -> Gathered:
        """What was gathered: changes newest first, those that touch nothing counted."""
        gathered = self._gathered
        for change in tuple(self._changes.values()):
            self._settle(change)
        gathered.changes = list(self._changes.values())
        return gathered

    def wants(self, commit: Commit) -> bool:
        """Is this commit looked at? One that is not is counted, with the reason."""
        why = None
        if commit.is_merge:
            why = "merges, whose content came in with their parents"
        elif not self._window.holds(commit.committed_s):
            why = "outside the dates asked for"
        elif commit.cut:
            why = "at the edge of a shallow clone: what they changed is not known"
        if why is not None:
            self._gathered.skipped[why] += 1
        return why is None

    def _files(self, commit: Commit) -> list[_Looked]:
        """The files of a commit that is looked at."""
        if commit.unread:
            self._gathered.skipped["whose tree is absent or damaged: undetermined"] += 1
            self._change(commit).undetermined = True
            return []
        if commit.files_dropped:
            self._gathered.unread_count["past the number of files kept of one commit"] += commit.files_dropped
            self._change(commit).undetermined = True
        if not commit.changes:
            self._leave(self._change(commit))
        return [self._looked(file, number) for number, file in enumerate(commit.changes)]

    def _looked(self, file: ChangedFile, number: int) -> _Looked:
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

    def _judge(self, commit: Commit, files: Sequence[_Looked], blobs: Iterator[Blob]) -> None:
        change = self._change(commit)
        for file in files:
            verdict = self._verdict(file, blobs)
            self._gathered.note(verdict)
            if verdict.areas or verdict.undetermined:
                change.add(verdict, file.added, new=file.new)
        self._leave(change)

    def _leave(self, change: Change) -> None:
        """A commit of its own is settled when it was judged; a pull request may have more commits to come."""
        if not change.name.startswith("#"):
            self._settle(change)

    def _settle(self, change: Change) -> None:
        """Keep what touches something or may; count the rest, so that memory follows what matters and not the history."""
        if not change.areas and not change.undetermined:
            del self._changes[change.name]
            self._gathered.untouched += 1

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

    def _change(self, commit: Commit) -> Change:
        """The change that this commit is part of, made when its first commit is met."""
        pull, approved, why = self._review.of(commit)
        name = commit.id if pull is None else f"#{pull.number}"
        change = self._changes.get(name)
        if change is None:
            marked = (
                mark_of(commit, self._review.ledger.attested.get(commit.id))
                if pull is None
                else self._review.judged[pull.number].marked
            )
            change = Change(name, commit.committed_s, marked, approved, why)
            self._changes[name] = change
        change.commits += 1
        return change
