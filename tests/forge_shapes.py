"""Answers of the GitHub REST API for tests: the members that are read, with a few that are not, and invented people."""

from typing import Any

HEAD = "a" * 40
MERGE = "b" * 40
OLDER = "c" * 40


def account(login: str, kind: str = "User") -> dict[str, Any]:
    return {"login": login, "id": 1, "type": kind, "site_admin": False}


def review(login: str | None, state: str = "APPROVED", **changed: Any) -> dict[str, Any]:
    """A review by ``login`` of the merged head, an hour after opening, by a member."""
    kind = "Bot" if login and login.endswith("[bot]") else "User"
    return {
        "id": 1,
        "user": account(login, kind) if login else None,
        "body": "",
        "state": state,
        "commit_id": HEAD,
        "submitted_at": "2026-03-01T13:00:00Z",
        "author_association": "MEMBER",
    } | changed


def pushed(sha: str = HEAD, login: str | None = "ada", message: str = "change", **changed: Any) -> dict[str, Any]:
    """A commit of a pull request."""
    person = {"name": "Ada", "email": "ada@example.org", "date": "2026-03-01T11:00:00Z"}
    return {
        "sha": sha,
        "commit": {"author": person, "committer": person, "message": message} | changed,
        "author": account(login) if login else None,
    }


def pull(number: int = 7, **changed: Any) -> dict[str, Any]:
    """``/pulls/7``: opened by ada at noon, merged by bob at two, 100 changed lines."""
    return {
        "number": number,
        "state": "closed",
        "title": "A change",
        "user": account("ada"),
        "created_at": "2026-03-01T12:00:00Z",
        "merged_at": "2026-03-01T14:00:00Z",
        "merged_by": account("bob"),
        "merge_commit_sha": MERGE,
        "head": {"sha": HEAD, "ref": "topic"},
        "base": {"ref": "main", "repo": {"full_name": "example/model"}},
        "additions": 80,
        "deletions": 20,
        "assignees": [],
        "commits": 1,
        "review_comments": 0,
    } | changed


def record(
    number: int = 7, *, reviews: Any = None, commits: Any = None, comments: Any = None, **changed: Any
) -> dict[str, Any]:
    """One pull request with its lists; a review by bob unless told otherwise."""
    return {
        "pull": pull(number, **changed),
        "reviews": [review("bob")] if reviews is None else reviews,
        "commits": [pushed()] if commits is None else commits,
        "comments": [] if comments is None else comments,
    }
