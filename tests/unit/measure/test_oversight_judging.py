"""Who approved what, and was it somebody who could."""

from typing import Any

import pytest

from detente.measure.oversight.bundle import SCHEMA, parse_bundle
from detente.measure.oversight.github import parse_github
from detente.measure.oversight.judging import Judgement, judge_pull
from detente.measure.oversight.people import find_people, tied_accounts
from tests.forge_shapes import HEAD, OLDER, account, pull, pushed, record, review


def _judge(operators: frozenset[str] = frozenset(), **parts: Any) -> Judgement:
    export = parse_github([record(**parts)], complete=False)
    (one,) = export.pulls
    return judge_pull(one, find_people(one, tied_accounts(export), operators))


CLAUDE = "change\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"


@pytest.mark.parametrize(
    ("parts", "approved", "why"),
    [
        ({}, "yes", ()),
        ({"commits": [pushed(message=CLAUDE)]}, "yes", ()),
        ({"reviews": []}, "no", ("no-approval",)),
        ({"reviews": [review("bob", "COMMENTED")]}, "no", ("no-approval",)),
        ({"reviews": [review("bob", commit_id=OLDER)]}, "no", ("older-head",)),
        ({"reviews": [review("ada")]}, "no", ("not-independent",)),
        ({"reviews": [review("coderabbitai[bot]")]}, "no", ("approved-by-bot",)),
        ({"reviews": [review("bob"), review("bob", "DISMISSED", submitted_at="2026-03-01T13:30:00Z")]}, "no", ("no-approval",)),
        ({"reviews": [review("bob"), review("bob", "CHANGES_REQUESTED", submitted_at="2026-03-01T13:30:00Z")]}, "no", ("no-approval",)),
        ({"reviews": [review("bob", "CHANGES_REQUESTED"), review("bob", submitted_at="2026-03-01T13:30:00Z")]}, "yes", ()),
        ({"reviews": [review("bob", submitted_at="2026-03-01T14:00:01Z")]}, "no", ("no-approval",)),
        ({"reviews": [review("bob", "PENDING")]}, "no", ("no-approval",)),
        ({"commits": [pushed(), pushed(OLDER, "bob")]}, "no", ("not-independent",)),
        ({"commits": [pushed(message="x\n\nCo-authored-by: Bob <1+bob@users.noreply.github.com>\n")]}, "no", ("not-independent",)),
        ({"reviews": [review("bob", author_association="NONE")]}, "unknown", ("standing-unknown",)),
        ({"reviews": [review("bob", author_association=None)]}, "unknown", ("standing-unknown",)),
        ({"reviews": [review("bob", commit_id=None)]}, "unknown", ("head-unknown",)),
        ({"reviews": [review(None)]}, "unknown", ("account-deleted",)),
        ({"reviews": [review("release-bot")]}, "unknown", ("perhaps-a-bot",)),
        ({"commits": [pushed(login=None)]}, "unknown", ("operator-unknown",)),
        ({"commits": [pushed(message="x\n\nCo-authored-by: Cyd <cyd@example.org>\n")]}, "unknown", ("operator-unknown",)),
        ({"user": account("copilot", "Bot")}, "yes", ()),
        ({"user": account("copilot", "Bot"), "assignees": [account("bob")]}, "no", ("not-independent",)),
        ({"user": account("Copilot", "Bot"), "commits": [pushed(login=None, author={"name": "copilot-swe-agent[bot]", "email": "198982749+Copilot@users.noreply.github.com"})]}, "unknown", ("operator-unknown",)),
        ({"user": None}, "unknown", ("operator-unknown",)),
        ({"reviews": [review("bob", "COMMENTED")] * 30}, "unknown", ("reviews-perhaps-cut",)),
        ({"commits": 5}, "unknown", ("operator-unknown",)),
        ({"reviews": [review("coderabbitai[bot]"), review("bob")]}, "yes", ()),
    ],
)  # fmt: skip
def test_an_approval_counts_only_from_somebody_who_could(parts: dict[str, Any], approved: str, why: tuple[str, ...]):
    """A human of the repository, independent, of the merged head, before the merge; whatever is unclear stays unknown."""
    judged = _judge_stated(parts)
    assert (judged.approved, judged.why) == (approved, why)


def _judge_stated(parts: dict[str, Any]) -> Judgement:
    """``commits`` as a number means that the pull request states more commits than were exported."""
    if isinstance(parts.get("commits"), int):
        one = record()
        one["pull"]["commits"] = parts["commits"]
        export = parse_github([one], complete=False)
        return judge_pull(export.pulls[0], find_people(export.pulls[0], tied_accounts(export)))
    return _judge(**parts)


def test_a_list_that_was_not_exported_is_unknown_and_not_empty():
    """No list of reviews: neither approved nor not."""
    one = record()
    del one["reviews"]
    export = parse_github([one], complete=False)
    judged = judge_pull(export.pulls[0], find_people(export.pulls[0], {}))
    assert (judged.approved, judged.bot_only, judged.changes_requested) == ("unknown", "unknown", "unknown")
    assert judged.why == ("reviews-not-exported",)


def test_whom_a_ledger_names_as_operator_cannot_approve():
    """The person who ran the agent is not independent of it, whatever name the commit carries."""
    assert _judge(frozenset({"2+bob@users.noreply.github.com"})).approved == "no"
    assert _judge(frozenset({"nobody@example.org"})).approved == "unknown"


def test_an_address_is_resolved_by_any_commit_that_ties_it():
    """bob's address is tied to his account in another pull request, so his co-authorship is found."""
    tie = record(8, commits=[pushed(OLDER, "bob", author={"name": "B", "email": "b@example.org"})], base={})
    mine = record(7, commits=[pushed(message="x\n\nCo-authored-by: B <b@example.org>\n")])
    export = parse_github([mine, tie], complete=False)
    judged = judge_pull(export.pulls[0], find_people(export.pulls[0], tied_accounts(export)))
    assert (judged.approved, judged.why) == ("no", ("not-independent",))


@pytest.mark.parametrize(
    ("reviews", "answer"),
    [
        ([review("coderabbitai[bot]")], "yes"),
        ([review("coderabbitai[bot]"), review("bob")], "no"),
        ([review("coderabbitai[bot]"), review("bob", commit_id=OLDER)], "no"),
        ([], "no"),
        ([review("release-bot")], "unknown"),
        ([review("coderabbitai[bot]"), review(None)], "unknown"),
    ],
)
def test_approval_by_bots_alone(reviews: list, answer: str):
    """Only where somebody approved, and all of them are bots for sure."""
    assert _judge(reviews=reviews).bot_only == answer


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ({}, "no"),
        ({"merged_by": account("ada")}, "yes"),
        ({"merged_by": None}, "unknown"),
        ({"merged_by": account("merge-queue[bot]", "Bot")}, "no"),
        ({"commits": [pushed(login=None)]}, "unknown"),
    ],
)
def test_merged_by_its_maker(parts: dict[str, Any], answer: str):
    """Where a maker is unresolved, whoever merged may be that person."""
    assert _judge(**parts).self_merged == answer


def test_times_and_sizes():
    """Opened at noon, commented half an hour later, approved an hour after that: 100 lines, two inline comments by people."""
    judged = _judge(
        reviews=[
            review("cyd", "COMMENTED", submitted_at="2026-03-01T12:30:00Z"),
            review("bob", submitted_at="2026-03-01T13:30:00Z"),
        ],
        comments=[{"user": account("cyd")}, {"user": account("x[bot]", "Bot")}, {"user": None}],
    )
    assert (judged.first_review_s, judged.available_s, judged.lines, judged.comments) == (1800, 5400, 100, 2)


def test_the_makers_own_review_is_no_first_review():
    """Somebody else has to have looked."""
    assert _judge(reviews=[review("ada", "COMMENTED")]).first_review_s is None


@pytest.mark.parametrize(
    ("approved", "commits", "expected"),
    [
        (HEAD, [OLDER, HEAD], (0, False)),
        (OLDER, [OLDER, HEAD], (1, False)),
        ("d" * 40, [OLDER, HEAD], (None, True)),
    ],
)
def test_pushes_after_the_last_approval(approved: str, commits: list[str], expected: tuple):
    """Commits after the approved one are counted; one that is gone was rewritten."""
    judged = _judge(reviews=[review("bob", commit_id=approved)], commits=[pushed(sha) for sha in commits])
    assert (judged.pushes_after, judged.rewritten) == expected


def test_what_a_reader_should_notice_is_named():
    """A standing request for changes, a machine's name on a person's account, an approval after the merge, a merging bot."""
    judged = _judge(
        merged_by=account("queue[bot]", "Bot"),
        reviews=[
            review("cyd", "CHANGES_REQUESTED"),
            review("release-bot"),
            review("bob", submitted_at="2026-03-02T00:00:00Z"),
        ],
    )
    assert judged.remarks == {
        "merged-over-requested-changes",
        "second-bot-identity",
        "approved-after-merge",
        "merged-by-bot",
    }


def test_both_forms_of_export_give_the_same_judgement():
    """The project's own form holds what is read of GitHub's."""
    one = record()["pull"]
    person = {"name": "Ada", "email": "ada@example.org"}
    ada, bob = {"id": "Ada", "kind": "user"}, {"id": "bob", "kind": "user"}
    own = {
        "number": one["number"], "author": ada, "created_at": one["created_at"], "merged_at": one["merged_at"], "merged_by": bob,
        "merge_commit": one["merge_commit_sha"], "head_commit": HEAD, "branch": "topic", "added": 80, "deleted": 20,
        "commits": [{"commit": HEAD, "author": person, "committer": person, "account": ada, "message": "change"}],
        "reviews": [{"reviewer": bob, "state": "approved", "commit": HEAD, "submitted_at": "2026-03-01T13:00:00Z", "standing": "member"}],
        "inline_comments": [],
    }  # fmt: skip
    mine = parse_bundle([{"schema": SCHEMA, "repository": "example/model", "complete": False, "pulls": [own]}])
    theirs = parse_github([record()], complete=False)
    assert mine.pulls == theirs.pulls
    assert mine.repository == theirs.repository
    assert pull()["number"] == mine.pulls[0].number
