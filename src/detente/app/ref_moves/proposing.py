"""The change of a move as it is proposed: one diff between two trees, and who proposed it.

Decides the exact words of the proposal. Leaves out what is held (``touching``) and asking (``app.asking``). ``spec/asking.md`` §4.

- Where part of the change is undetermined, no area is declared: unknown holds, and a short list would hold less.
- The summary binds the commit before and the tree after, in full; the diff's own digest does not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from detente.adapters.git_history import list_commits, read_commits
from detente.adapters.git_running import GitFailed, Repository, run_git
from detente.app.ref_moves.touching import DIFF, EMPTY_TREES, Touched
from detente.base.digest import sha256_hex
from detente.base.errors import Refused, shown
from detente.base.visible import visible
from detente.measure.oversight.marking import mark_of
from detente.statement.change import TOUCHES, ProposedBy
from detente.statement.proposal import Proposal

COMMITS_MAX: Final = 1_000
"""Commits of one move that are looked through for marks; past it the proposer is undeclared, which holds."""
SUBJECT_MAX: Final = 200


def spell_change(repository: Repository, base: str, new: str) -> bytes:
    """The unified diff that is proposed; the same two trees give the same bytes. Refuses A04 past 64 MiB."""
    return run_git(
        repository,
        *DIFF,
        "-p",
        "--full-index",
        "--no-color",
        "--diff-algorithm=myers",
        "--unified=3",
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--end-of-options",
        base,
        new,
    )


def proposal_of(
    repository: Repository, ref: str, *, base: str, new: str, touched: Touched, change: bytes
) -> Proposal:  # fmt: skip
    """The words of the proposal. ``base`` and ``new`` are commits, empty for nothing."""
    tree = tree_of(repository, new)
    proposer, subject = _proposer(repository, base, new)
    head = f"git: commit {base or 'none'} to tree {tree} at {visible(ref)}"
    return Proposal(
        change=sha256_hex(change),
        parent=None,
        proposed_by=proposer,
        touches=tuple(touch for touch in TOUCHES if touch in touched.declared),
        asked_flop=Decimal(0),
        summary=f"{head[:700]}: {visible(subject[:SUBJECT_MAX])}" if subject else head[:1_000],
    )


def tree_of(repository: Repository, commit: str) -> str:
    """The id of a commit's tree; that of nothing for the empty name."""
    if not commit:
        return EMPTY_TREES[repository.id_length]
    try:
        answer = run_git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{tree}}")
    except GitFailed:
        raise Refused(
            "J14", "malformed", got=f"{shown(commit)}, which has no tree", expected="a commit", todo="see `git fsck`"
        ) from None
    return answer.decode("ascii").strip()


def _proposer(repository: Repository, base: str, new: str) -> tuple[ProposedBy, str]:
    """A model where a mark says so, else undeclared; and the first line of the last commit's message."""
    undeclared = ProposedBy("undeclared")
    if not new:
        return undeclared, "deletes the ref"
    ids = list_commits(repository, [new], without=[base] if base else [])
    looked = ids[:COMMITS_MAX] or [new]
    commits = {commit.id: commit for commit in read_commits(repository, looked)}
    subject = commits[new].subject if new in commits else ""
    for one in looked:
        mark = mark_of(commits[one]) if one in commits else None
        if mark is not None:
            return ProposedBy("model", (mark.agents or ("unnamed",))[0]), subject
    return undeclared, subject
