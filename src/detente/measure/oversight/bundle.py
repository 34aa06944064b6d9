"""The project's own form of an export: one object, or one pull request a line. ``spec/forge-export.schema.json``.

Strict: a member that the form does not have is refused, and so is a pull request that stands twice. Ids of accounts may be
pseudonyms, as long as one account has one id throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from detente.base.errors import Refused
from detente.measure.history import Identity
from detente.measure.oversight.fields import Node
from detente.measure.oversight.pulls import (
    STATES,
    Account,
    AccountKind,
    Export,
    Pull,
    PullCommit,
    Review,
    ReviewState,
    Standing,
)

SCHEMA: Final = "urn:detente:pull-requests:v1"
_KINDS: Final = ("user", "bot", "organization", "unknown")
_STANDINGS: Final = ("member", "outside", "unknown")


def parse_bundle(values: Iterable[Any]) -> Export:
    """The export: the first value is the header, its ``pulls`` and every further value are pull requests.

    Refusals: O03, O04, O05 a number twice.
    """
    waiting = iter(values)
    head = Node(next(waiting, None), "export")
    head.only("schema", "repository", "complete", "pulls")
    head.one_of("schema", (SCHEMA,))
    pulls = list(head.each("pulls", _pull) or ())
    pulls += [_pull(Node(value, f"line {number}")) for number, value in enumerate(waiting, 2)]
    return Export("detente", head.maybe_text("repository"), head.flag("complete"), tuple(unrepeated(pulls)))


def unrepeated(pulls: Iterable[Pull]) -> Iterator[Pull]:
    """The pull requests; raises ``Refused`` O05 at a number that stands twice."""
    seen: set[int] = set()
    for pull in pulls:
        if pull.number in seen:
            raise Refused(
                "O05",
                "conflict",
                got=f"pull request {pull.number} twice",
                expected="each pull request once",
                todo="export again",
            )
        seen.add(pull.number)
        yield pull


def _pull(node: Node) -> Pull:
    node.only(
        "number", "author", "created_at", "merged_at", "merged_by", "merge_commit", "head_commit", "branch", "added", "deleted",
        "assignees", "commits", "reviews", "inline_comments",
    )  # fmt: skip
    return Pull(
        number=node.number("number", least=1),
        author=node.maybe("author", _account),
        created_s=node.instant("created_at"),
        merged_s=node.maybe_instant("merged_at"),
        merged_by=node.maybe("merged_by", _account),
        merge_commit=node.commit("merge_commit"),
        head_commit=node.commit("head_commit"),
        branch=node.maybe_text("branch"),
        added=node.maybe_number("added"),
        deleted=node.maybe_number("deleted"),
        assignees=node.each("assignees", _account) or (),
        commits=node.each("commits", _commit),
        reviews=node.each("reviews", _review),
        inline_comments=node.each("inline_comments", _comment),
    )


def _account(node: Node) -> Account:
    node.only("id", "kind")
    return Account(node.text("id").lower(), cast("AccountKind", node.one_of("kind", _KINDS)))


def _commit(node: Node) -> PullCommit:
    node.only("commit", "author", "committer", "account", "message")
    commit = node.commit("commit")
    return PullCommit(
        commit or "",
        node.maybe("author", _identity) or Identity("", ""),
        node.maybe("account", _account),
        node.maybe("committer", _identity) or Identity("", ""),
        node.text("message"),
    )


def _identity(node: Node) -> Identity:
    node.only("name", "email")
    return Identity(node.maybe_text("name") or "", node.maybe_text("email") or "")


def _review(node: Node) -> Review:
    node.only("reviewer", "state", "commit", "submitted_at", "standing")
    standing = "unknown" if node.value.get("standing") is None else node.one_of("standing", _STANDINGS)
    return Review(
        node.maybe("reviewer", _account),
        cast("ReviewState", node.one_of("state", STATES)),
        node.commit("commit"),
        node.maybe_instant("submitted_at"),
        cast("Standing", standing),
    )


def _comment(node: Node) -> Account | None:
    node.only("author")
    return node.maybe("author", _account)
