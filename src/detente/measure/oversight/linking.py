"""Which commit of the history came in by which pull request.

1. A commit is a pull request's if it is its merge commit, or one of the commits that were pushed to it (a merge keeps them).
2. A rebase merge writes the commits anew: if the merge commit has the message of the last pushed commit and further commits were
   pushed, the first parents before it are the pull request's as far as their messages agree, last to first.
3. A number in a subject, ``(#12)``, is a claim of whoever wrote it. It links nothing by itself: a commit that names a
   pull request of the export and is none of 1 and 2 is *claimed* for it, and what it got is then unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from detente.base.digest import sha256_hex
from detente.measure.history import Commit
from detente.measure.oversight.pulls import Export, Pull


@dataclass(slots=True)
class Trail:
    """What is kept of a history to find rebased commits: first parent and digest of the message, by commit."""

    parents: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)

    def add(self, commit: Commit) -> None:
        self.parents[commit.id] = commit.parents[0] if commit.parents else ""
        self.messages[commit.id] = digest_of(commit.message)


def digest_of(message: str) -> str:
    """A message without the space around it, which a forge trims."""
    return sha256_hex(message.strip().encode("utf-8", "surrogatepass"))[:32]


def link_pulls(export: Export, trail: Trail) -> Mapping[str, Pull]:
    """Commit id → the merged pull request that it came in by."""
    found: dict[str, Pull] = {}
    for pull in _merged(export):
        if pull.merge_commit in trail.parents:
            found[pull.merge_commit or ""] = pull
            for commit in _rebased(pull, trail):
                found.setdefault(commit, pull)
        for pushed in pull.commits or ():
            if pushed.commit in trail.parents:
                found.setdefault(pushed.commit, pull)
    return found


def _merged(export: Export) -> Iterable[Pull]:
    return (pull for pull in export.pulls if pull.merged_s is not None)


def _rebased(pull: Pull, trail: Trail) -> Iterable[str]:
    here = pull.merge_commit or ""
    for pushed in reversed(pull.commits or ()):
        if trail.messages.get(here) != digest_of(pushed.message):
            return
        yield here
        here = trail.parents.get(here, "")
