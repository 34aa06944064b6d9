"""Make seeded changes out of a repository's own history: a real change, with one place of it made known-bad.

Decides which commits serve and which place of one is spoilt, by a random source that the caller gives. Leaves out how a place is spoilt (``measure.seeding``) and how
seeds are committed to, put and revealed (``app.screening``). Nothing of the repository is executed (``adapters.git_running``). ``spec/review.md`` §5.

- A seed is what a commit changed, with a flaw in one of the files that it changed: its summary is the commit's own first line, so it reads like what people and
  models propose there.
- Kinds of flaws are drawn evenly, as far as the history has places for them: otherwise raised limits, which are everywhere, would be all.
- A commit with binary files, submodules, links, many files or odd names serves for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from detente.adapters.git_history import list_commits, read_commits, resolve_commit
from detente.adapters.git_objects import read_blobs
from detente.adapters.git_running import Repository, open_repository
from detente.base.errors import Misuse, Refused
from detente.measure.history import Change, Commit
from detente.measure.seeding.flaws import FLAWS, Flaw, is_spoilt, list_places
from detente.measure.seeding.patch import FileText, is_plain, make_patch
from detente.measure.seeding.settings import is_setting_spoilt, list_setting_places
from detente.statement.fields import text

FILES_MAX: Final = 20
LINES_MAX: Final = 1_000
"""Added and deleted lines of a commit that serves: more than an afternoon's reading tests patience, not attention."""
BYTES_MAX: Final = 512 * 1024
PART: Final = 50
"""Commits whose files are read at once: some 20 MB."""
PLENTY: Final = 200
"""Commits after which a kind of flaw that has hardly occurred is rare here."""
COMMITS_MAX: Final = 2_000
"""Commits looked at, the newest."""
PATCH_MAX: Final = 1 << 20
_MODES: Final = frozenset({"100644", "100755"})
_SUMMARY: Final = text(200)


@dataclass(frozen=True, slots=True)
class MadeSeed:
    """A seeded change: the patch that is put, what it says of itself, and what is wrong where."""

    patch: bytes
    summary: str
    flaw: str
    path: str
    line: int
    commit: str


@dataclass(frozen=True, slots=True)
class _Place:
    commit: Commit
    files: tuple[FileText, ...]
    number: int
    flaw: Flaw

    @property
    def path(self) -> str:
        return self.files[self.number].path


def make_seeds(
    folder: Path, *, count: int, source: Random, at: str = "HEAD", progress: Callable[[int], None] | None = None
) -> tuple[MadeSeed, ...]:
    """So many seeds of different commits; raises ``Misuse`` where the history has too few places, ``Refused`` A…, ``Unavailable``."""
    repository = open_repository(folder)
    ids = list_commits(repository, [resolve_commit(repository, at)])[:COMMITS_MAX]
    source.shuffle(ids)
    places: dict[str, list[_Place]] = {name: [] for name in FLAWS}
    looked = 0
    for first in range(0, len(ids), PART):
        serving = [
            commit for commit in read_commits(repository, ids[first : first + PART], blobs=True) if _serves(commit)
        ]
        for place in _places(repository, serving):
            places[place.flaw.name].append(place)
        looked += len(ids[first : first + PART])
        if progress is not None:
            progress(looked)
        if _enough(places, count, looked):
            break
    made = _drawn(places, count, source)
    if len(made) < count:
        raise Misuse(
            f"{folder} has places for {len(made)} of {count} seeded changes in the {looked} commits that were looked at: ask for "
            "fewer, or name another repository"
        )
    return tuple(made)


def _enough(places: dict[str, list[_Place]], count: int, looked: int) -> bool:
    """Has each kind twice as many commits as an even draw takes, or have all together plenty and some kinds hardly occur?"""
    each = 2 * -(-count // len(places))
    if all(len({place.commit.id for place in found}) >= each for found in places.values()):
        return True
    return looked >= PLENTY and len({place.commit.id for found in places.values() for place in found}) >= 4 * count


def _drawn(places: dict[str, list[_Place]], count: int, source: Random) -> list[MadeSeed]:
    """Kinds in turn, in an order of their own each round; no commit twice, and no file twice in one way while there are others."""
    used: set[str] = set()
    spoilt: set[tuple[str, str]] = set()
    made: list[MadeSeed] = []
    while len(made) < count:
        before = len(made)
        names = list(places)
        source.shuffle(names)
        for name in names:
            free = [place for place in places[name] if place.commit.id not in used and (name, place.path) not in spoilt]
            while free and len(made) < count:
                place = free.pop(source.randrange(len(free)))
                if _is_bad(place):
                    used.add(place.commit.id)
                    spoilt.add((name, place.path))
                    made.append(_spoilt(place))
                    break
        if len(made) == before:
            if not spoilt:
                break
            spoilt.clear()
    return made


def _spoilt(place: _Place) -> MadeSeed:
    files = list(place.files)
    file = files[place.number]
    files[place.number] = FileText(file.path, file.before, place.flaw.spoil(file.after or ""), file.mode)
    patch = make_patch(files).encode()
    return MadeSeed(patch, _summary(place.commit), place.flaw.name, file.path, place.flaw.line, place.commit.id)


def _places(repository: Repository, commits: list[Commit]) -> Iterator[_Place]:
    sides = [side for commit in commits for change in commit.changes for side in (change.old_blob, change.new_blob)]
    wanted = dict.fromkeys(blob for blob in sides if blob)
    found = {blob.id: blob.data for blob in read_blobs(repository, wanted, size_max=BYTES_MAX)}
    for commit in commits:
        yield from _of_commit(commit, found)


def _of_commit(commit: Commit, found: dict[str, bytes | None]) -> Iterator[_Place]:
    files = []
    for change in commit.changes:
        sides = [_text(found.get(blob)) if blob else None for blob in (change.old_blob, change.new_blob)]
        if any(blob and side is None for blob, side in zip((change.old_blob, change.new_blob), sides, strict=True)):
            return
        files.append(FileText(change.path, sides[0], sides[1], change.new_mode if change.new_blob else change.old_mode))
    for number, file in enumerate(files):
        if file.after is not None:
            for flaw in _flaws(file.path, file.after):
                if file.before is None or flaw.spoil(file.after) != file.before:
                    yield _Place(commit, tuple(files), number, flaw)


def _flaws(path: str, after: str) -> tuple[Flaw, ...]:
    return list_places(after) if path.endswith(".py") else list_setting_places(path, after)


def _is_bad(place: _Place) -> bool:
    """Does what comes out read, and differ as it should? Asked of the places that are drawn, not of all."""
    file = place.files[place.number]
    after = file.after or ""
    return (
        is_spoilt(after, place.flaw) if file.path.endswith(".py") else is_setting_spoilt(file.path, after, place.flaw)
    )


def _serves(commit: Commit) -> bool:
    if (
        commit.is_merge
        or commit.cut
        or commit.unread
        or commit.files_dropped
        or not 0 < len(commit.changes) <= FILES_MAX
    ):
        return False
    lines = [(change.added, change.deleted) for change in commit.changes]
    if any(added is None or deleted is None for added, deleted in lines):
        return False
    if sum((added or 0) + (deleted or 0) for added, deleted in lines) > LINES_MAX:
        return False
    return all(_is_plain_text(change) for change in commit.changes) and bool(_summary(commit))


def _is_plain_text(change: Change) -> bool:
    modes = {mode for mode, blob in ((change.old_mode, change.old_blob), (change.new_mode, change.new_blob)) if blob}
    same_mode = len(modes) == 1 and modes <= _MODES
    return change.status in {"A", "M", "D"} and same_mode and is_plain(change.path)


def _summary(commit: Commit) -> str:
    """The commit's first line, as a proposal may say it; empty where it may not."""
    try:
        return _SUMMARY.decode(commit.subject.strip())
    except Refused:
        return ""


def _text(data: bytes | None) -> str | None:
    if data is None or b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None
