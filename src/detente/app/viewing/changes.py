"""The bytes of a change, as far as this node has them and may show them: a diff, a text, or neither.

Decides what the evidence under a digest is. Leaves out reading a diff (``measure.changes.unified``) and colours (``server.pages``).

- What the terms keep for auditors is not shown to whoever comes by: ``detente-signed`` is for programs, and a page has no key.
- A text that is no diff is shown as it stands, with the reason why it is none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, Literal

from detente.app.blobs import readers_of
from detente.app.viewing.sight import Sight, Value
from detente.base.digest import Digest
from detente.base.errors import DetenteError
from detente.measure.changes.unified import Diff, FileChange, NoDiff, parse_unified

TEXT_MAX: Final = 512 << 10
"""Bytes of a text that is no diff; what is longer is said to be, and can be fetched."""

Kind = Literal["diff", "text", "binary", "large", "absent", "kept"]


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is there: of which kind, how long (None: not known here), and why it is no diff."""

    kind: Kind
    size: int | None = None
    why: str = ""
    diff: Diff | None = None
    text: str = ""

    def as_json(self) -> Value:
        """Without the contents."""
        files = None if self.diff is None else len(self.diff.files)
        return {"kind": self.kind, "bytes": self.size, "why": self.why, "files": files}


async def fetch_change(sight: Sight, digest: Digest) -> None:
    """Read and take apart the change beside the event loop, so that ``bytes_of`` finds it kept."""
    if digest not in _KEPT and sight.node.blobs.has(digest) and readers_of(sight.state, sight.at).of(digest) is None:
        await asyncio.to_thread(bytes_of, sight, digest)


def bytes_of(sight: Sight, digest: Digest) -> Bytes:
    """The change under a digest, read once and kept for a while: what a digest names never changes."""
    if readers_of(sight.state, sight.at).of(digest) is not None:
        return Bytes("kept")
    if not sight.node.blobs.has(digest):
        return Bytes("absent")
    found = _KEPT.get(digest)
    if found is None:
        try:
            found = read_change(sight.node.blobs.read(digest))
        except DetenteError:
            return Bytes("absent", why="its bytes do not hash to it any more")
        if len(_KEPT) >= _KEPT_MAX:
            del _KEPT[next(iter(_KEPT))]
        _KEPT[digest] = found
    return found


_KEPT: Final[dict[Digest, Bytes]] = {}
_KEPT_MAX: Final = 8
"""Changes kept in memory, 100 MiB at the most that a diff may be; a reviewer looks at one at a time."""


def read_change(data: bytes) -> Bytes:
    """Tell what bytes are."""
    try:
        return Bytes("diff", len(data), diff=parse_unified(data))
    except NoDiff as reason:
        why = str(reason)
    if len(data) > TEXT_MAX:
        return Bytes("large", len(data), why)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return Bytes("binary", len(data), why)
    return Bytes("binary", len(data), why) if "\0" in text else Bytes("text", len(data), why, text=text)


def change_value(found: Bytes) -> Value:
    """The change as JSON: every file with every line, those that matter first; a text as it stands."""
    value: dict[str, Any] = found.as_json()
    if found.diff is not None:
        value["files"] = [file_value(each) for each in found.diff.by_weight()]
    return {**value, "text": found.text if found.kind == "text" else None}


def file_value(change: FileChange) -> Value:
    """One file: a line is [kind, old number, new number, text, ends with a newline]."""
    return {
        "path": change.path,
        "before": change.before,
        "kind": change.kind,
        "area": change.area,
        "rank": change.rank,
        "added": change.added,
        "removed": change.removed,
        "header": list(change.header),
        "hunks": [
            {"head": hunk.head, "lines": [[line.kind, line.old, line.new, line.text, line.ends] for line in hunk.lines]}
            for hunk in change.hunks
        ],
    }
