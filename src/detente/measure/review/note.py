"""A decision's note: the reason, and how the change was read. Kept where it can be erased; the log has its salted digest.

Decides what a note may hold and how its digest is made. Leaves out where it is kept (``adapters.erasable``) and who may see it
(``app.review_notes``). Rules Z01 and Z07 of ``spec/review.md`` §1.

>>> data = encode_note(ReviewNote("reads well", Reading(open_s=600, active_s=420, files=3, files_shown=3, changed_lines=80)))
>>> parse_note(data).reading.active_s, note_digest(bytes(32), data)[:8]
(420, '489583c7')
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from detente.base.digest import Digest
from detente.base.errors import Refused
from detente.base.strict_json import encode_json, parse_json
from detente.statement.fields import Record, contradiction, count, optional, record_codec, text

NOTE_BYTES_MAX: Final = 16_384
"""4,096 characters of four bytes; figures need a hundred more."""
REASON_MAX: Final = 4_096
FIGURE_MAX: Final = 2**31
SALT_SIZE: Final = 32
DOMAIN: Final = b"detente-note/v1"
READING: Final = ("open_s", "active_s", "files", "files_shown", "changed_lines")
"""The figures of how a change was read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a change was read, as the page or terminal that showed it saw it: seconds, files, added and deleted lines.

    ``active_s`` of the ``open_s`` seconds the reviewer did anything. What another window, paper or a colleague showed is not seen.
    """

    open_s: int
    active_s: int
    files: int
    files_shown: int
    changed_lines: int


@dataclass(frozen=True, slots=True)
class ReviewNote:
    """What is kept of one decision, and can be erased."""

    reason: str | None = None
    reading: Reading | None = None


def _check_reading(reading: Reading) -> None:
    if reading.active_s > reading.open_s:
        raise contradiction("active_s", str(reading.active_s), f"at most open_s, {reading.open_s}")
    if reading.files_shown > reading.files:
        raise contradiction("files_shown", str(reading.files_shown), f"at most files, {reading.files}")


def _check_note(note: ReviewNote) -> None:
    if note.reason is None and note.reading is None:
        raise Refused("Z07", "malformed", got="an empty note", expected="a reason, reading figures, or both")


_COUNT: Final = count(most=FIGURE_MAX)
_READING: Final = Record(
    Reading,
    check=_check_reading,
    open_s=_COUNT,
    active_s=_COUNT,
    files=_COUNT,
    files_shown=_COUNT,
    changed_lines=_COUNT,
)
_NOTE: Final = Record(
    ReviewNote,
    check=_check_note,
    reason=optional(text(REASON_MAX)),
    reading=optional(record_codec(_READING)),
)


def parse_note(data: bytes) -> ReviewNote:
    """The note; raises ``Refused`` Z01, Z07, and B…, S20 to S27 as members of a statement do."""
    if len(data) > NOTE_BYTES_MAX:
        raise Refused("Z01", "oversized", got=f"{len(data)} bytes", expected=f"at most {NOTE_BYTES_MAX} of one note")
    return _NOTE.decode(parse_json(data, limit=NOTE_BYTES_MAX))


def encode_note(note: ReviewNote) -> bytes:
    """The note's bytes; raises ``Refused`` for what ``parse_note`` would refuse."""
    data = encode_json(_NOTE.encode(note))
    parse_note(data)
    return data


def note_as_json(note: ReviewNote) -> dict[str, object]:
    """The note's members."""
    return _NOTE.encode(note)


def note_digest(salt: bytes, data: bytes) -> Digest:
    """SHA-256 over domain, salt and record, each after its length as eight bytes, big-endian."""
    digest = hashlib.sha256()
    for part in (DOMAIN, salt, data):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return Digest(digest.hexdigest())
