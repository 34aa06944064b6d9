r"""A unified diff as a value: files, hunks, lines; strictly read, bounded, and nothing of the text left out.

Decides what is a diff and what every line of it does. Leaves out how it is shown (``server.pages``), and what a file is for, which its
path alone suggests (``paths``).

A reviewer decides on what is shown, so a text of which a part would not be shown, or would be shown as something else, is no diff here:

- Every line belongs to a file's header or to a hunk; a line that is neither, or counts in a hunk's head that do not come true, make it none.
- A file is called the same wherever it is named. Lines end at ``\n`` and nowhere else: a carriage return is part of a line.
- ``spell`` gives back the very bytes.

Source of the format: GNU diffutils, "Detailed Description of Unified Format"; git-diff(1), "Generating patch text with -p".

>>> diff = parse_unified(b"--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n")
>>> diff.files[0].path, diff.files[0].added, diff.files[0].removed, [line.new for line in diff.files[0].hunks[0].lines]
('x.py', 1, 1, [1, None, 2])
>>> parse_unified(b"--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-two\n+2\n+3\n")
Traceback (most recent call last):
...
detente.measure.changes.unified.NoDiff: line 6 belongs to no hunk and to no header
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from detente.measure.changes.areas import Area
from detente.measure.changes.paths import path_verdict

BYTES_MAX: Final = 8 << 20
LINES_MAX: Final = 100_000
FILES_MAX: Final = 2_000
"""Five times the 20,000 lines that pages are measured with; nobody reads more at one sitting."""

LineKind = Literal["context", "added", "removed"]
FileKind = Literal["changed", "added", "removed", "renamed", "copied", "mode", "binary"]
_RANKS: Final[dict[Area | None, int]] = {
    "evaluation": 0,
    "training": 1,
    "optimisation": 1,
    "configuration": 2,
    "architecture": 3,
    "data": 4,
    None: 5,
}
_HUNK: Final = re.compile(
    r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: (.*))?\Z", re.ASCII | re.DOTALL
)
_EXTENDED: Final = re.compile(
    r"(index [0-9a-f]+\.\.[0-9a-f]+(?: [0-7]{6})?|(?:old|new|new file|deleted file) mode [0-7]{6}|(?:dis)?similarity index \d{1,3}%"
    r"|(?:rename|copy) (?:from|to) .+)\Z",
    re.ASCII | re.DOTALL,
)
_MARKS: Final[dict[str, LineKind]] = {" ": "context", "+": "added", "-": "removed"}
_SIGNS: Final = {kind: mark for mark, kind in _MARKS.items()}
_NO_NEWLINE: Final = "\\ No newline at end of file"
_NOWHERE: Final = "/dev/null"
_ESCAPES: Final = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class NoDiff(Exception):  # a reason, raised here and caught by whoever shows the bytes otherwise
    """The bytes are not a unified diff, for this reason."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a hunk with its numbers before and after; ``ends`` is false where the file ends without a newline."""

    kind: LineKind
    old: int | None
    new: int | None
    text: str
    ends: bool = True


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that stand together; ``head`` is the line of numbers, ``section`` what git says stands above."""

    head: str
    section: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class FileChange:
    """What happens to one file. ``before`` is its earlier path where that was another; ``header`` every line above its hunks."""

    path: str
    before: str | None
    kind: FileKind
    header: tuple[str, ...]
    hunks: tuple[Hunk, ...]

    @property
    def added(self) -> int:
        """Lines that come."""
        return sum(line.kind == "added" for hunk in self.hunks for line in hunk.lines)

    @property
    def removed(self) -> int:
        """Lines that go."""
        return sum(line.kind == "removed" for hunk in self.hunks for line in hunk.lines)

    @property
    def area(self) -> Area | None:
        """What its path suggests that it is for."""
        return path_verdict(self.path).area

    @property
    def rank(self) -> int:
        """How early a reviewer should see it: evaluation first, what nothing is trained by last."""
        verdict = path_verdict(self.path)
        return 6 if verdict.left_out else _RANKS[verdict.area]


@dataclass(frozen=True, slots=True)
class Diff:
    """The files in the order of the text."""

    files: tuple[FileChange, ...]

    def by_weight(self) -> tuple[FileChange, ...]:
        """The files that matter first, first; otherwise as in the text."""
        return tuple(sorted(self.files, key=lambda each: each.rank))


def parse_unified(data: bytes) -> Diff:
    """Read a diff; raises ``NoDiff`` with the reason.

    1. Bounds, UTF-8, a newline at the end.
    2. File by file: header lines that are known, then hunks.
    3. At least one file.
    """
    if len(data) > BYTES_MAX:  # 1
        raise NoDiff(f"more than {BYTES_MAX >> 20} MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoDiff("not UTF-8") from None
    if not text.endswith("\n"):
        raise NoDiff("it does not end with a newline")
    lines = text[:-1].split("\n")
    if len(lines) > LINES_MAX:
        raise NoDiff(f"more than {LINES_MAX:,} lines".replace(",", " "))
    files: list[FileChange] = []
    at = 0
    while at < len(lines):  # 2
        change, at = _file(lines, at)
        files.append(change)
        if len(files) > FILES_MAX:
            raise NoDiff(f"more than {FILES_MAX} files")
    if not files:  # 3
        raise NoDiff("nothing is in it")
    return Diff(tuple(files))


def spell(diff: Diff) -> bytes:
    """The text that was read, byte for byte."""
    return "".join(f"{line}\n" for each in diff.files for line in _spelled(each)).encode()


def _spelled(change: FileChange) -> Iterator[str]:
    yield from change.header
    for hunk in change.hunks:
        yield hunk.head
        for line in hunk.lines:
            yield _SIGNS[line.kind] + line.text
            if not line.ends:
                yield _NO_NEWLINE


def _file(lines: list[str], at: int) -> tuple[FileChange, int]:
    """One file from line ``at`` on, and the line after it.

    1. ``diff --git`` and lines that git adds, if any.
    2. ``---`` and ``+++``, and hunks; or none of both where git says that contents did not change or are binary.
    3. Every name of the file agrees.
    """
    start = at
    git = lines[at].removeprefix("diff --git ") if lines[at].startswith("diff --git ") else None
    extended: dict[str, str] = {}
    binary = False
    if git is not None:  # 1
        at += 1
        while at < len(lines) and _EXTENDED.match(lines[at]):
            name, value = _extension(lines[at])
            if name in extended:
                raise NoDiff(f"line {at + 1} says {name} a second time")
            extended[name] = value
            at += 1
        if at < len(lines) and lines[at].startswith("Binary files ") and lines[at].endswith(" differ"):
            binary = True
            at += 1
    old = new = None
    hunks: list[Hunk] = []
    if not binary and at + 1 < len(lines) and lines[at].startswith("--- ") and lines[at + 1].startswith("+++ "):  # 2
        old, new = _name(lines[at], at), _name(lines[at + 1], at + 1)
        at += 2
    elif git is None:
        raise NoDiff(f"line {at + 1} belongs to no hunk and to no header")
    header = tuple(lines[start:at])
    while old is not None and at < len(lines) and lines[at].startswith("@@ "):
        hunk, at = _hunk(lines, at)
        hunks.append(hunk)
    if old is not None and not hunks:
        raise NoDiff(f"line {at} names a file of which nothing changes")
    path, before, kind = _named(git, old, new, extended, start, binary=binary)  # 3
    return FileChange(path, before, kind, header, tuple(hunks)), at


def _extension(line: str) -> tuple[str, str]:
    for name in (
        "rename from",
        "rename to",
        "copy from",
        "copy to",
        "new file mode",
        "deleted file mode",
        "old mode",
        "new mode",
    ):
        if line.startswith(f"{name} "):
            return name, line[len(name) + 1 :]
    return line.split(" ", 1)[0], line


def _hunk(lines: list[str], at: int) -> tuple[Hunk, int]:
    """A hunk whose counts come true."""
    head = lines[at]
    match = _HUNK.match(head)
    if match is None:
        raise NoDiff(f"line {at + 1} is no head of a hunk")
    old, new = int(match[1]), int(match[3])
    old_left, new_left = (1 if match[group] is None else int(match[group]) for group in (2, 4))
    found: list[Line] = []
    at += 1
    while old_left or new_left:
        if at >= len(lines):
            raise NoDiff("a hunk ends too early")
        kind = _MARKS.get(lines[at][:1])
        if kind is None:
            raise NoDiff(f"line {at + 1} ends a hunk too early")
        takes_old, takes_new = kind != "added", kind != "removed"
        if (takes_old and not old_left) or (takes_new and not new_left):
            raise NoDiff(f"line {at + 1} is more than its hunk counts")
        ends = at + 1 >= len(lines) or lines[at + 1] != _NO_NEWLINE
        found.append(Line(kind, old if takes_old else None, new if takes_new else None, lines[at][1:], ends))
        old, new = old + takes_old, new + takes_new
        old_left, new_left = old_left - takes_old, new_left - takes_new
        at += 1 if ends else 2
    if not found:
        raise NoDiff(f"line {at} is a hunk without lines")
    return Hunk(head, match[5] or "", tuple(found)), at


def _name(line: str, at: int) -> str:
    """The name after ``---`` or ``+++``; a tab ends it, as git writes after names with spaces."""
    name, tab, rest = line[4:].partition("\t")
    if not name or (tab and rest and not re.match(r"\d{4}-\d\d-\d\d[ \d:.+-]*\Z", rest, re.ASCII)):
        raise NoDiff(f"line {at + 1} names no file")
    return name


def _named(
    git: str | None, old: str | None, new: str | None, extended: dict[str, str], start: int, *, binary: bool
) -> tuple[str, str | None, FileKind]:
    """The path, the earlier one if it was another, and what happens to the file."""
    came, went = old == _NOWHERE, new == _NOWHERE
    if came and went:
        raise NoDiff(f"line {start + 1} is a change of nothing")
    moved = next((word for word in ("rename", "copy") if f"{word} from" in extended), None)
    if old is not None and new is not None:
        first, last = (_with_side(new, "a") if came else old), (_with_side(old, "b") if went else new)
    elif moved is not None:
        first, last = (f"{side}/{extended.get(f'{moved} {word}', '')}" for side, word in (("a", "from"), ("b", "to")))
    else:
        first, last = _halves(git or "", start)
    if git is not None and git != f"{first} {last}":
        raise NoDiff(f"line {start + 1} and what follows name two files")
    before, path = _plain(first, "a"), _plain(last, "b")
    if before != path and moved is None and not (came or went):
        raise NoDiff(f"line {start + 1} starts a change of two files")
    if came != ("new file mode" in extended) and git is not None and old is not None:
        raise NoDiff(f"line {start + 1} starts a file that is and is not new")
    if went != ("deleted file mode" in extended) and git is not None and old is not None:
        raise NoDiff(f"line {start + 1} starts a file that goes and does not")
    came, went = came or "new file mode" in extended, went or "deleted file mode" in extended
    moves: dict[str | None, FileKind] = {"rename": "renamed", "copy": "copied"}
    kind: FileKind = "added" if came else "removed" if went else moves.get(moved, "changed")
    if binary:
        kind = "binary"
    elif kind == "changed" and old is None:
        kind = "mode"
    return path, None if before == path else before, kind


def _with_side(name: str, side: str) -> str:
    """The name on the other side of a change from or to nothing."""
    bare = name.removeprefix('"')
    quote = name[: len(name) - len(bare)]
    return f"{quote}{side}{bare[1:]}" if bare[:2] in {"a/", "b/"} else name


def _halves(git: str, start: int) -> tuple[str, str]:
    """``a/name b/name``, where nothing else says where the first ends: the same name twice."""
    middle = len(git) // 2
    first, last = git[:middle], git[middle + 1 :]
    if not git or git[middle : middle + 1] != " " or _plain(first, "a") != _plain(last, "b"):
        raise NoDiff(f"line {start + 1} names two files and says nothing about them")
    return first, last


def _plain(name: str, side: str) -> str:
    """A path as it is on disk: unquoted, without ``a/`` or ``b/``."""
    if name.startswith('"'):
        name = _unquoted(name)
    return name.removeprefix(f"{side}/")


def _unquoted(name: str) -> str:
    """What git quotes: bytes in octal, and the escapes of C."""
    if len(name) < 2 or not name.endswith('"'):
        raise NoDiff("a quoted name does not end")
    data = bytearray()
    at = 1
    while at < len(name) - 1:
        character = name[at]
        if character == '"':
            raise NoDiff("a quoted name ends too early")
        if character != "\\":
            data += character.encode()
            at += 1
        elif octal := re.match(r"[0-3][0-7]{2}", name[at + 1 :], re.ASCII):
            data.append(int(octal[0], 8))
            at += 4
        elif name[at + 1] in _ESCAPES and at + 1 < len(name) - 1:
            data += _ESCAPES[name[at + 1]].encode()
            at += 2
        else:
            raise NoDiff("a quoted name holds an escape that there is not")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoDiff("a name that is not UTF-8") from None
