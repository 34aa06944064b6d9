"""The bytes of a change, as far as this node has them and may show them: a diff, a text, or neither.

Decides what the evidence under a digest is. Leaves out reading a diff (``measure.changes.unified``) and colours (``server.pages``).

- What the terms keep for auditors is not shown to whoever comes by: ``detente-signed`` is for programs, and a page has no key.
- What this node does not hold it asks of the node of whoever proposed it, so that a reviewer elsewhere can read it. Only what hashes to the digest is
  taken, up to ``ASKED_BYTES_MAX``; one that was not given is not asked for again for ``ASK_AGAIN_S``, however many people look.
- A text that is no diff is shown as it stands, with the reason why it is none.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final, Literal

from detente.app.blobs import readers_of
from detente.app.node import Node
from detente.app.viewing.sight import Sight, Value
from detente.base.digest import Digest, sha256_hex
from detente.base.errors import DetenteError
from detente.base.identity import Party
from detente.measure.changes.unified import Diff, FileChange, NoDiff, parse_unified

TEXT_MAX: Final = 512 << 10
"""Bytes of a text that is no diff; what is longer is said to be, and can be fetched."""

ASKED_BYTES_MAX: Final = 4 << 20
"""Bytes of a change that is asked of a peer: some 100,000 lines, more than anybody reads on a page."""
ASK_S: Final = 5.0
"""A peer that takes longer is not waited for by whoever opened the page."""
ASK_AGAIN_S: Final = 5.0

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


async def fetch_change(sight: Sight, digest: Digest, party: Party) -> None:
    """Read and take apart the change that ``party`` proposed, beside the event loop, so that ``bytes_of`` finds it kept."""
    if digest in _KEPT or readers_of(sight.state, sight.at).of(digest) is not None:
        return
    if sight.node.blobs.has(digest):
        await asyncio.to_thread(bytes_of, sight, digest)
    elif (data := await _asked_of(sight.node, digest, party)) is not None:
        _keep(digest, await asyncio.to_thread(read_change, data))


async def _asked_of(node: Node, digest: Digest, party: Party) -> bytes | None:
    """The bytes from a peer that proposed them, if it gives them now and they hash to the digest."""
    client, now, key = node.peers.get(party), time.monotonic(), (node.party, digest)
    if client is None or now - _ASKED.get(key, -ASK_AGAIN_S) < ASK_AGAIN_S:
        return None
    _ASKED.pop(key, None)
    if len(_ASKED) >= _ASKED_MAX:
        del _ASKED[next(iter(_ASKED))]
    _ASKED[key] = now
    try:
        async with asyncio.timeout(ASK_S):
            data = await client.find_blob(digest, most=ASKED_BYTES_MAX)
    except (DetenteError, OSError, TimeoutError):
        return None
    return data if sha256_hex(data) == digest else None


def bytes_of(sight: Sight, digest: Digest) -> Bytes:
    """The change under a digest, read once and kept for a while: what a digest names never changes."""
    if readers_of(sight.state, sight.at).of(digest) is not None:
        return Bytes("kept")
    found = _KEPT.get(digest)
    if found is None:
        if not sight.node.blobs.has(digest):
            return Bytes("absent")
        try:
            found = read_change(sight.node.blobs.read(digest))
        except DetenteError:
            return Bytes("absent", why="its bytes do not hash to it any more")
        _keep(digest, found)
    return found


def _keep(digest: Digest, found: Bytes) -> None:
    if len(_KEPT) >= _KEPT_MAX:
        del _KEPT[next(iter(_KEPT))]
    _KEPT[digest] = found


_ASKED: Final[dict[tuple[Party, Digest], float]] = {}
_ASKED_MAX: Final = 1_024
"""Changes of which it is remembered when they were last asked for."""
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
