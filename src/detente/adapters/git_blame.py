"""Ask which commits added the lines of a file as it stands at a revision.

Decides the way from (revision, path, lines) to (commit, path there, lines there). Leaves out why anybody asks. Source: git-blame(1).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from detente.adapters.git_running import GitFailed, Repository, run_git
from detente.measure.authorship.line_sets import Lines

_GROUP = re.compile(rb"([0-9a-f]{40,64}) (\d+) \d+ (\d+)\Z")


class Origin(NamedTuple):
    """Lines ``first`` to ``last`` of ``path`` in ``commit``, which added them."""

    commit: str
    path: str
    first: int
    last: int


def find_origins(repository: Repository, revision: str, path: str, lines: Lines) -> tuple[Origin, ...] | None:
    """Where the lines come from; ``None`` where the revision, the file or one of the lines is not there."""
    ranges = [part for first, last in lines for part in ("-L", f"{first},{last}")]
    try:
        answer = run_git(repository, "blame", "--incremental", *ranges, revision, "--", path)
    except (GitFailed, ValueError):  # ValueError: a NUL in the path
        return None
    found = []
    group: re.Match[bytes] | None = None
    for line in answer.split(b"\n"):
        if match := _GROUP.match(line):
            group = match
        elif group is not None and line.startswith(b"filename "):
            name = line.removeprefix(b"filename ").decode("utf-8", "backslashreplace")
            first = int(group[2])
            found.append(Origin(group[1].decode("ascii"), name, first, first + int(group[3]) - 1))
    return tuple(found)
