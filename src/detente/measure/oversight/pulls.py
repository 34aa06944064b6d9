"""What a forge knows of a pull request, whichever form it was exported in.

``None`` for a list means that it was not exported, an empty one that there was nothing. Times are seconds since 1970 in UTC. Ids
of accounts are the forge's own names, compared without case; they never leave this room: ledgers carry pull request numbers only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from detente.measure.history import Identity

AccountKind = Literal["user", "bot", "organization", "unknown"]
Standing = Literal["member", "outside", "unknown"]
"""``member``: the forge says that the reviewer may write to the repository. Anybody can submit an approval."""
ReviewState = Literal["approved", "changes-requested", "commented", "dismissed", "pending"]
STATES: Final[tuple[ReviewState, ...]] = ("approved", "changes-requested", "commented", "dismissed", "pending")

_BOT_NAME = re.compile(r"\[bot\]$|(?:^|[-_])(?:bot|robot|ci|automation)$|(?:bot|robot)$")
KNOWN_MACHINES: Final = frozenset(
    {
        "copilot",
        "claude",
        "codex",
        "cursoragent",
        "devin-ai",
        "openhands",
        "openhands-agent",
        "gemini-code-assist",
        "web-flow",
    }
)
"""Accounts of the kind ``user`` that no person types with. ``web-flow`` is GitHub's own committer."""


@dataclass(frozen=True, slots=True)
class Account:
    """``id`` is small; ``kind`` is what the forge says."""

    id: str
    kind: AccountKind

    @property
    def is_bot(self) -> bool:
        """The forge says so, or the name ends as only an app's can."""
        return self.kind == "bot" or self.id.endswith("[bot]")

    @property
    def may_be_bot(self) -> bool:
        """An account of a person by its kind, and of a machine by its name: a second identity that a bot may approve with."""
        return not self.is_bot and (self.id in KNOWN_MACHINES or bool(_BOT_NAME.search(self.id)))


@dataclass(frozen=True, slots=True)
class Review:
    """One submitted review; ``commit`` is the head that the reviewer was shown."""

    reviewer: Account | None
    state: ReviewState
    commit: str | None
    submitted_s: int | None
    standing: Standing = "unknown"


@dataclass(frozen=True, slots=True)
class PullCommit:
    """A commit as pushed to the pull request: its own author, the account that the forge ties to it, and the message."""

    commit: str
    author: Identity
    account: Account | None
    committer: Identity
    message: str


@dataclass(frozen=True, slots=True)
class Pull:
    """One pull request. ``partial`` names lists that may have been cut at a page's end."""

    number: int
    author: Account | None
    created_s: int
    merged_s: int | None
    merged_by: Account | None
    merge_commit: str | None
    head_commit: str | None
    branch: str | None
    added: int | None
    deleted: int | None
    assignees: tuple[Account, ...]
    commits: tuple[PullCommit, ...] | None
    reviews: tuple[Review, ...] | None
    inline_comments: tuple[Account | None, ...] | None
    partial: frozenset[str] = frozenset()

    @property
    def lines(self) -> int | None:
        """Changed lines: added and deleted."""
        return None if self.added is None or self.deleted is None else self.added + self.deleted


@dataclass(frozen=True, slots=True)
class Export:
    """``complete``: whoever made it says that every pull request merged in the range is in it."""

    form: Literal["detente", "github"]
    repository: str | None
    complete: bool
    pulls: tuple[Pull, ...]
