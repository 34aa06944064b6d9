"""Pull requests in the shapes of the GitHub REST API, version 2022-11-28.

Read: the answers to ``/repos/O/R/pulls/N``, ``…/N/reviews``, ``…/N/commits`` and ``…/N/comments``, each only in the members that are needed,
since GitHub adds members at will; a needed member of another type is refused (O03). ``…/N/files`` is read for the sum of lines where the
pull request itself has none.

A list that ends exactly at a page (30 entries by default, 100 at most, or 250 commits, the API's limit) may have been cut by an
export that did not ask for the next page, unless the pull request states the same count: it is marked partial, and what is
not in it is then unknown, not absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from detente.base.errors import Refused, shown
from detente.measure.history import Identity
from detente.measure.oversight.bundle import unrepeated
from detente.measure.oversight.fields import Node, each
from detente.measure.oversight.pulls import (
    Account,
    AccountKind,
    Export,
    Pull,
    PullCommit,
    Review,
    ReviewState,
    Standing,
)

_STATES: Final[Mapping[str, ReviewState]] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "changes-requested",
    "COMMENTED": "commented",
    "DISMISSED": "dismissed",
    "PENDING": "pending",
}
_KINDS: Final[Mapping[str, AccountKind]] = {
    "User": "user",
    "Bot": "bot",
    "Organization": "organization",
    "Mannequin": "unknown",
}
_MEMBERS: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
"""``author_association`` of those who may have been given leave to write; GitHub shows members of a private team as CONTRIBUTOR."""
PAGES: Final = frozenset({30, 100})
COMMITS_MAX: Final = 250


def parse_github(records: Iterable[Mapping[str, Any]], *, complete: bool) -> Export:
    """Each record has ``pull`` and, as far as exported, ``reviews``, ``commits``, ``comments``, ``files``.

    Refusals: O03, O05 a number twice, O07 pull requests of more than one repository.
    """
    pulls, repositories = [], set()
    for number, record in enumerate(records):
        node = Node(record, f"record {number}")
        pulls.append(_pull(node))
        repositories.add(_repository(node.below("pull")))
    repositories.discard(None)
    if len(repositories) > 1:
        raise Refused(
            "O07",
            "out-of-scope",
            got=f"pull requests of {shown(', '.join(sorted(filter(None, repositories))))}",
            expected="those of one repository",
            todo="export each repository on its own",
        )
    return Export("github", next(iter(repositories), None), complete, tuple(unrepeated(pulls)))


def _repository(pull: Node) -> str | None:
    base = pull.value.get("base")
    repository = base.get("repo") if isinstance(base, Mapping) else None
    name = repository.get("full_name") if isinstance(repository, Mapping) else None
    return name.lower() if isinstance(name, str) else None


def _pull(record: Node) -> Pull:
    pull = record.below("pull")
    head = pull.below("head")
    commits, reviews = record.each("commits", _commit), record.each("reviews", _review)
    comments = record.each("comments", _commenter)
    added, deleted = pull.maybe_number("additions"), pull.maybe_number("deletions")
    if (added is None or deleted is None) and (files := record.each("files", _file_lines)) is not None:
        added, deleted = sum(file[0] for file in files), sum(file[1] for file in files)
    lists = (
        ("commits", commits, pull.maybe_number("commits")),
        ("reviews", reviews, None),
        ("comments", comments, pull.maybe_number("review_comments")),
    )
    return Pull(
        number=pull.number("number", least=1),
        author=pull.maybe("user", _account),
        created_s=pull.instant("created_at"),
        merged_s=pull.maybe_instant("merged_at"),
        merged_by=pull.maybe("merged_by", _account),
        merge_commit=pull.commit("merge_commit_sha"),
        head_commit=head.commit("sha"),
        branch=head.maybe_text("ref"),
        added=added,
        deleted=deleted,
        assignees=pull.each("assignees", _account) or (),
        commits=commits,
        reviews=reviews,
        inline_comments=comments,
        partial=frozenset(
            name for name, entries, stated in lists if entries is not None and _cut(len(entries), stated)
        ),
    )


def _cut(count: int, stated: int | None) -> bool:
    """May the list have been cut? A stated count decides, else the size of a page does."""
    if stated is not None:
        return count < stated
    return count in PAGES or count == COMMITS_MAX


def _account(node: Node) -> Account:
    kind = node.maybe_text("type") or ""
    return Account(node.text("login").lower(), _KINDS.get(kind, "unknown"))


def _commit(node: Node) -> PullCommit:
    commit = node.commit("sha")
    body = node.below("commit")
    return PullCommit(
        commit or "",
        body.maybe("author", _identity) or Identity("", ""),
        _linked(node, "author"),
        body.maybe("committer", _identity) or Identity("", ""),
        body.text("message"),
    )


def _linked(node: Node, name: str) -> Account | None:
    """GitHub writes null or an empty object where no account is tied to a commit's address."""
    return node.maybe(name, _account) if node.value.get(name) else None


def _identity(node: Node) -> Identity:
    return Identity(node.maybe_text("name") or "", node.maybe_text("email") or "")


def _review(node: Node) -> Review:
    association = node.maybe_text("author_association")
    standing = "unknown" if association is None else "member" if association in _MEMBERS else "outside"
    return Review(
        node.maybe("user", _account),
        _STATES[node.one_of("state", tuple(_STATES))],
        node.commit("commit_id"),
        node.maybe_instant("submitted_at"),
        cast("Standing", standing),
    )


def _commenter(node: Node) -> Account | None:
    return node.maybe("user", _account)


def _file_lines(node: Node) -> tuple[int, int]:
    return node.number("additions"), node.number("deletions")


def pages(value: Any, at: str) -> list[Any]:
    """A list, or a list of pages as ``gh api --paginate --slurp`` writes them, as one list; raises ``Refused`` O03."""
    if isinstance(value, list) and value and all(isinstance(entry, list) for entry in value):
        return [entry for page in value for entry in page]
    each(value, at, lambda node: node)
    return list(value)
