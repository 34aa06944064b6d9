r"""What a measurer sees of a repository: commits, whose they are, and which lines of which files they added.

Decides the shapes and how trailers are read out of a message; leaves reading repositories to ``adapters.git_history``.
Source of the formats: git-log(1), git-interpret-trailers(1). ``spec/measure-authorship.md`` §1.

1. Text that is not UTF-8 keeps its bytes as ``\xNN`` escapes, so that it can be printed, compared and hashed.
2. ``added`` and ``deleted`` are ``None`` where git counts no lines (binary) or where the content could not be read;
   ``unread`` tells the two apart.
3. The root of a shallow clone shows a whole tree as if it were added: such a commit is ``cut``, its lines mean nothing.

>>> trailers("Fix it\n\nWhy.\n\nCo-Authored-By: Ada <ada@example.org>\n")
(('Co-Authored-By', 'Ada <ada@example.org>'),)
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

GITLINK_MODE: Final = "160000"
"""The mode of a submodule: its one "line" is the commit it points to."""
_TRAILER = re.compile(r"^[ \t]*([A-Za-z][A-Za-z0-9-]{0,79})[ \t]*:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE)
_PERSON = re.compile(r"^\s*(.*?)\s*<([^<>]*)>\s*$")


class Identity(NamedTuple):
    """A name and an e-mail address as a commit carries them: claims, nobody has checked them."""

    name: str
    email: str


class Change(NamedTuple):
    """One file in one commit. ``old_path`` where git found a rename or copy. The last five only where blobs were asked for.

    ``status`` is git's letter (A, C, D, M, R, T); an absent side has an empty blob id.
    """

    path: str
    added: int | None
    deleted: int | None
    old_path: str | None = None
    unread: bool = False
    status: str = ""
    old_mode: str = ""
    new_mode: str = ""
    old_blob: str = ""
    new_blob: str = ""


class Commit(NamedTuple):
    """One commit. ``author`` and ``committer`` are as written; ``*_known_as`` is what the mailmap makes of them.

    Times are seconds since 1970 in UTC, ``None`` where the commit has no readable one. Merges have no ``changes``.
    ``unread`` is true where its tree could not be read: then nothing is known of its files.
    """

    id: str
    parents: tuple[str, ...]
    author: Identity
    committer: Identity
    author_known_as: Identity
    committer_known_as: Identity
    authored_s: int | None
    committed_s: int | None
    message: str
    changes: tuple[Change, ...] = ()
    cut: bool = False
    unread: bool = False
    files_dropped: int = 0

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]


def trailers(message: str) -> tuple[tuple[str, str], ...]:
    """Every line ``Key: value`` below the subject, in order, keys as written.

    Wider than git, which reads the last paragraph only: agents put their lines above a sign-off, squash merges gather the
    trailers of many commits in the middle of a message.
    """
    return tuple((m[1], m[2]) for m in _TRAILER.finditer(message.partition("\n")[2]))


def parse_person(text: str) -> Identity | None:
    """``Name <address>`` as an identity; ``None`` of anything else.

    >>> parse_person("Ada Lovelace <ada@example.org>").email
    'ada@example.org'
    """
    match = _PERSON.match(text)
    return Identity(match[1], match[2].strip()) if match else None
