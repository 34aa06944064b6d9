"""Judge one merged pull request: who approved what, and was it somebody who could.

Each answer is yes, no or unknown, and unknown is never rounded to either. Rules (``spec/measure-oversight.md`` §3):

1. Only what was submitted up to the merge counts. Of one reviewer the last approval, request for changes or dismissal is in force.
2. A bot is an account that the forge calls one. An account whose name says machine and whose kind says person is a *second identity*: its
   approval is neither a person's nor a bot's for sure.
3. An approval is of *the merged head* if the commit that the reviewer was shown is the head at the merge.
4. A reviewer is *independent* if they are none of the people with a hand in the change (``people``). Where one of those is unresolved,
   independence is unknown.
5. A reviewer *may approve* if the forge says that they belong to the repository. Anybody can submit an approval; an outsider's, or
   that of somebody whom the forge does not describe, is unknown.
6. Approved by a human: yes if one approval is yes in 2 to 5; no if each is no in one; else unknown. With the list of reviews not
   exported, or perhaps cut, there is no "no".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from detente.measure.oversight.people import People
from detente.measure.oversight.pulls import Account, Pull, Review

Answer = Literal["yes", "no", "unknown"]

_IN_FORCE = frozenset({"approved", "changes-requested", "dismissed"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one merged pull request got. ``why`` holds constant words that the specification explains.

    ``first_review_s`` counts from opening to the first review by an independent human; ``available_s`` from opening to the
    approval that decided, the most that its reviewer can have spent; ``pushes_after`` commits after the last human approval,
    ``None`` with ``rewritten`` where the approved commit is no longer among them.
    """

    number: int
    approved: Answer
    bot_only: Answer
    self_merged: Answer
    changes_requested: Answer
    why: tuple[str, ...] = ()
    first_review_s: int | None = None
    available_s: int | None = None
    lines: int | None = None
    comments: int | None = None
    pushes_after: int | None = None
    rewritten: bool = False
    remarks: frozenset[str] = field(default_factory=frozenset)


def judge_pull(pull: Pull, people: People) -> Judgement:
    """The judgement on a merged pull request."""
    reviews = _before_merge(pull)
    in_force = _in_force(reviews)
    approvals = [review for review in in_force if review.state == "approved"]
    graded = [(*_grade(review, pull, people), review) for review in approvals]
    complete = pull.reviews is not None and "reviews" not in pull.partial
    approved = _approved([grade for grade, _, _ in graded], complete=complete)
    why = sorted({reason for grade, reasons, _ in graded if grade != "yes" for reason in reasons})
    if pull.reviews is None:
        why.append("reviews-not-exported")
    elif not complete:
        why.append("reviews-perhaps-cut")
    elif not approvals:
        why.append("no-approval")
    deciding = [review for grade, _, review in graded if grade == approved and grade != "no"]
    pushes, rewritten = _pushes_after(pull, approvals)
    comments = None
    if pull.inline_comments is not None and "comments" not in pull.partial:
        comments = sum(1 for author in pull.inline_comments if author is None or not author.is_bot)
    return Judgement(
        pull.number,
        approved,
        _bot_only(approvals, complete=complete),
        _self_merged(pull, people),
        _changes_requested(reviews, complete=complete),
        tuple(why) if approved != "yes" else (),
        _first_review(pull, reviews, people),
        min(
            (review.submitted_s - pull.created_s for review in deciding if review.submitted_s is not None), default=None
        ),
        pull.lines,
        comments,
        pushes,
        rewritten,
        _remarks(pull, in_force, approvals),
    )


def _before_merge(pull: Pull) -> list[Review]:
    """Submitted reviews up to the merge, oldest first; one without a time keeps its place in the list."""
    kept = [
        review
        for review in pull.reviews or ()
        if review.state != "pending"
        and (review.submitted_s is None or pull.merged_s is None or review.submitted_s <= pull.merged_s)
    ]
    if all(review.submitted_s is not None for review in kept):
        kept.sort(key=lambda review: review.submitted_s or 0)
    return kept


def _in_force(reviews: list[Review]) -> list[Review]:
    last: dict[str, Review] = {}
    nameless = []
    for review in reviews:
        if review.state in _IN_FORCE:
            if review.reviewer is None:
                nameless.append(review)
            else:
                last[review.reviewer.id] = review
    return [*last.values(), *nameless]


def _grade(review: Review, pull: Pull, people: People) -> tuple[Answer, list[str]]:
    """Is this approval one by an independent human, of the merged head? And what stands against it."""
    against, unclear = [], []
    reviewer = review.reviewer
    if reviewer is None:
        unclear.append("account-deleted")
    elif reviewer.is_bot:
        against.append("approved-by-bot")
    else:
        if reviewer.may_be_bot:
            unclear.append("perhaps-a-bot")
        if reviewer.id in people.accounts:
            against.append("not-independent")
        elif people.unresolved:
            unclear.append("operator-unknown")
    if review.commit is None or pull.head_commit is None:
        unclear.append("head-unknown")
    elif review.commit != pull.head_commit:
        against.append("older-head")
    if review.standing != "member":
        unclear.append("standing-unknown")
    return ("no" if against else "unknown" if unclear else "yes"), [*against, *unclear]


def _approved(grades: list[Answer], *, complete: bool) -> Answer:
    if "yes" in grades:
        return "yes"
    return "unknown" if "unknown" in grades or not complete else "no"


def _bot_only(approvals: list[Review], *, complete: bool) -> Answer:
    """Approved, and by bots alone."""
    reviewers = [review.reviewer for review in approvals]
    if any(reviewer is not None and not reviewer.is_bot and not reviewer.may_be_bot for reviewer in reviewers):
        return "no"
    if not complete or any(reviewer is None or reviewer.may_be_bot for reviewer in reviewers):
        return "unknown"
    return "yes" if reviewers else "no"


def _self_merged(pull: Pull, people: People) -> Answer:
    """Merged by one of those who made it."""
    if pull.merged_by is None:
        return "unknown"
    if pull.merged_by.id in people.accounts or (pull.author is not None and pull.merged_by.id == pull.author.id):
        return "yes"
    return "unknown" if people.unresolved and not pull.merged_by.is_bot else "no"


def _changes_requested(reviews: list[Review], *, complete: bool) -> Answer:
    """Did a person ask for changes before the merge?"""
    asked = any(r.state == "changes-requested" and r.reviewer is not None and not r.reviewer.is_bot for r in reviews)
    return "yes" if asked else "no" if complete else "unknown"


def _first_review(pull: Pull, reviews: list[Review], people: People) -> int | None:
    times = [
        review.submitted_s - pull.created_s
        for review in reviews
        if review.submitted_s is not None
        and _is_person(review.reviewer)
        and _id(review.reviewer) not in people.accounts
    ]
    return max(0, min(times)) if times else None


def _pushes_after(pull: Pull, approvals: list[Review]) -> tuple[int | None, bool]:
    """Commits that came after the last human approval, and whether the approved one was rewritten away."""
    human = [review for review in approvals if _is_person(review.reviewer)]
    if not human or human[-1].commit is None:
        return None, False
    last = max(human, key=lambda review: review.submitted_s or 0).commit
    if last == pull.head_commit:
        return 0, False
    if pull.commits is None or "commits" in pull.partial:
        return None, False
    order = [commit.commit for commit in pull.commits]
    return (len(order) - 1 - order.index(last), False) if last in order else (None, True)


def _remarks(pull: Pull, in_force: list[Review], approvals: list[Review]) -> frozenset[str]:
    remarks = set()
    if any(review.state == "changes-requested" and _is_person(review.reviewer) for review in in_force):
        remarks.add("merged-over-requested-changes")
    if any(review.reviewer is not None and review.reviewer.may_be_bot for review in approvals):
        remarks.add("second-bot-identity")
    if pull.merged_by is not None and pull.merged_by.is_bot:
        remarks.add("merged-by-bot")
    if any(review.state == "approved" and _after(review, pull) for review in pull.reviews or ()):
        remarks.add("approved-after-merge")
    return frozenset(remarks)


def _after(review: Review, pull: Pull) -> bool:
    return review.submitted_s is not None and pull.merged_s is not None and review.submitted_s > pull.merged_s


def _is_person(account: Account | None) -> bool:
    return account is not None and not account.is_bot and not account.may_be_bot


def _id(account: Account | None) -> str:
    return "" if account is None else account.id
