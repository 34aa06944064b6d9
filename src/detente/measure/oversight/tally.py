"""Add up what AI-made changes got, as intervals with the rows below them.

The unit is a change: a merged pull request of the export, or a commit that no exported pull request brought in. A change without a
mark is not a human's change: it is left out of these shares, counted, and, if it is a pull request, shown beside them for comparison.

Reading speed. A reviewer cannot have read for longer than a pull request was open before the approval, so seconds per changed line
*at most* is exact, and a share of reviews *surely* faster than a bound is a lower end without an upper one. The bounds and their sources
are those of ``measure.reading_speed``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from detente.base.instant import Instant, show_instant
from detente.measure.indicator import (
    LISTED,
    Exclusion,
    Indicator,
    Ledger,
    Remark,
    Series,
    share,
    weakest,
)
from detente.measure.oversight.judging import Answer, Judgement
from detente.measure.oversight.marking import Marked
from detente.measure.oversight.review_trailers import Said
from detente.measure.reading_speed import READING_LINES_PER_HOUR, is_faster

QUANTILES: Final = (10, 50, 90)


@dataclass(frozen=True, slots=True)
class JudgedPull:
    """A merged pull request of the export; ``marked`` is ``None`` where nothing says that AI made it."""

    judgement: Judgement
    merged_s: int | None
    marked: Marked | None


@dataclass(frozen=True, slots=True)
class LooseCommit:
    """A marked commit that no exported pull request brought in; ``claims_pull`` if its subject names one of the export."""

    commit: str
    at_s: int | None
    marked: Marked
    said: Said
    claims_pull: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """The parts of a result that ``tally_oversight`` fills."""

    indicators: tuple[Indicator, ...]
    remarks: tuple[Remark, ...]
    exclusions: tuple[Exclusion, ...]
    ledgers: tuple[Ledger, ...]
    series: tuple[Series, ...]


def answer_of_loose(commit: LooseCommit, *, complete: bool) -> tuple[Answer, str]:
    """Was a commit outside the exported pull requests approved on the forge? And why so."""
    if not complete:
        return "unknown", "not-in-export"
    return ("unknown", "claims-a-pull-request") if commit.claims_pull else ("no", "no-pull-request")


def tally_oversight(
    pulls: Sequence[JudgedPull],
    commits: Sequence[LooseCommit],
    *,
    exported: bool,
    complete: bool,
    changes_seen: int,
) -> Findings:
    """All indicators. ``commits`` are marked ones only; ``changes_seen`` counts every change, marked or not."""
    made = [pull for pull in pulls if pull.marked is not None]
    others = [pull for pull in pulls if pull.marked is None]
    loose = [(commit, *answer_of_loose(commit, complete=complete and exported)) for commit in commits]
    answers: list[Answer] = [*(pull.judgement.approved for pull in made), *(answer for _, answer, _ in loose)]
    classes = [
        *(pull.marked.evidence_class for pull in made if pull.marked),
        *(c.marked.evidence_class for c in commits),
    ]
    count = len(answers)
    indicators = [
        Indicator(
            name="oversight.ai_changes",
            label="AI-made changes",
            low=Decimal(count),
            high=Decimal(max(changes_seen, count)),
            unit="count",
            method="marked changes, to all changes: an absent mark is not a human",
            evidence_class=weakest(classes),
            n=changes_seen,
        ),
        _answered(
            "oversight.human_approved_head", "approved by an independent human, as merged", answers, _APPROVED, "pulls"
        ),
    ]
    if exported:
        indicators += _of_pulls(made)
        if others:
            indicators.append(
                _answered(
                    "oversight.unmarked.human_approved_head",
                    "the same for pull requests without a mark",
                    [pull.judgement.approved for pull in others],
                    _APPROVED,
                    "pulls",
                )
            )
    indicators += _of_commits(commits)
    return Findings(
        tuple(indicators),
        tuple(_remarks(made, commits, exported=exported)),
        tuple(_exclusions(made, others, exported=exported)),
        (_pull_ledger(made + others), _commit_ledger(loose)),
        tuple(_series(made)),
    )


_APPROVED: Final = (
    "changes approved at the merged head before the merge by a human who belongs to the repository and is neither author nor "
    "operator, over all AI-made changes; unknown ones on the high side only"
)


def _answered(name: str, label: str, answers: Sequence[Answer], method: str, ledger: str) -> Indicator:
    """yes / all to (yes + unknown) / all."""
    yes, unknown, count = answers.count("yes"), answers.count("unknown"), len(answers)
    return Indicator(
        name=name,
        label=label,
        low=share(yes, count),
        high=share(yes + unknown, count),
        unit="share",
        method=method,
        evidence_class="recorded" if count > unknown else "none",
        n=count,
        ledger=ledger,
    )


def _of_pulls(made: Sequence[JudgedPull]) -> list[Indicator]:
    """What only an export shows."""
    judged = [pull.judgement for pull in made]

    def answered(name: str, label: str, method: str, pick: Callable[[Judgement], Answer]) -> Indicator:
        return _answered(f"oversight.{name}", label, [pick(judgement) for judgement in judged], method, "pulls")

    approved = [j for j in judged if j.approved != "no" and j.available_s is not None]
    return [
        answered(
            "bot_only_approval", "approved by bots alone", "approvals in force, all by bots", lambda j: j.bot_only
        ),
        answered(
            "self_merged", "merged by its maker", "merged by an author, co-author or operator", lambda j: j.self_merged
        ),
        answered(
            "changes_requested",
            "changes requested",
            "a human asked for changes before the merge",
            lambda j: j.changes_requested,
        ),
        _answered(
            "oversight.changed_after_approval",
            "changed after the last human approval",
            [_moved(j) for j in judged if j.pushes_after is not None or j.rewritten or j.approved != "no"],
            "of pull requests that a human approved: commits after the approved one, or the approved one rewritten",
            "pulls",
        ),
        *_quantiles(
            "oversight.first_review",
            "time to the first human review",
            "minutes",
            [Decimal(j.first_review_s) / 60 for j in judged if j.first_review_s is not None],
            "opening to first review by somebody else, of those that had one",
        ),
        _seconds_per_line(approved),
        *(_too_fast(approved, lines) for lines in READING_LINES_PER_HOUR),
        _comments(judged),
    ]


def _moved(judgement: Judgement) -> Answer:
    if judgement.rewritten or (judgement.pushes_after or 0) > 0:
        return "yes"
    return "unknown" if judgement.pushes_after is None else "no"


def _quantiles(name: str, label: str, unit: str, values: Sequence[Decimal], method: str) -> list[Indicator]:
    ordered = sorted(values)
    found = []
    for percent in QUANTILES:
        value = quantile(ordered, percent)
        found.append(
            Indicator(
                name=f"{name}.p{percent}",
                label=f"{label}, {percent} %",
                low=value,
                high=value,
                unit=unit,
                method=f"{method}; the smallest value that {percent} % do not exceed",
                evidence_class="recorded" if ordered else "none",
                n=len(ordered),
                ledger="pulls",
            )
        )
    return found


def quantile(ordered: Sequence[Decimal], percent: int) -> Decimal | None:
    """The smallest value that at least ``percent`` % of the values do not exceed; ``None`` of none.

    >>> quantile([Decimal(1), Decimal(2), Decimal(9)], 50), quantile([], 50)
    (Decimal('2.0000'), None)
    """
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)].quantize(Decimal("0.0001"))


def _seconds_per_line(approved: Sequence[Judgement]) -> Indicator:
    values = sorted(Decimal(j.available_s or 0) / j.lines for j in approved if j.lines)
    return Indicator(
        name="oversight.seconds_per_line.p50",
        label="time per changed line, median",
        low=None,
        high=quantile(values, 50),
        unit="seconds",
        method="opening to the deciding approval, over changed lines: nobody can have read for longer",
        evidence_class="recorded" if values else "none",
        n=len(values),
        ledger="pulls",
    )


def _too_fast(approved: Sequence[Judgement], lines_per_hour: int) -> Indicator:
    known = [j for j in approved if j.lines]
    fast = sum(1 for j in known if is_faster(j.available_s or 0, j.lines or 0, lines_per_hour))
    return Indicator(
        name=f"oversight.faster_than_{lines_per_hour}_lines_per_hour",
        label=f"surely read faster than {lines_per_hour} lines an hour",
        low=share(fast, len(known)),
        high=None,
        unit="share",
        method="approvals for which even the whole time since opening is too short, over approvals with known size",
        evidence_class="recorded" if known else "none",
        n=len(known),
        ledger="pulls",
    )


def _comments(judged: Sequence[Judgement]) -> Indicator:
    known = [j for j in judged if j.comments is not None and j.lines]
    lines = sum(j.lines or 0 for j in known)
    value = (
        None if not lines else (Decimal(sum(j.comments or 0 for j in known)) * 100 / lines).quantize(Decimal("0.0001"))
    )
    return Indicator(
        name="oversight.comments_per_100_lines",
        label="inline comments by people per 100 lines",
        low=value,
        high=value,
        unit="comments",
        method="inline comments not by bots, over changed lines, of pull requests whose comments were exported",
        evidence_class="recorded" if known else "none",
        n=len(known),
        ledger="pulls",
    )


def _of_commits(commits: Sequence[LooseCommit]) -> list[Indicator]:
    """What git alone shows of commits that no exported pull request brought in."""
    found = []
    for name, label, method, count in (
        (
            "through_web",
            "through the forge's web pages",
            "committer noreply@github.com and a subject with (#n); no proof of review, and absence no proof of none",
            sum(commit.said.through_web for commit in commits),
        ),
        (
            "trailer_review",
            "a trailer names a reviewer",
            "Reviewed-by or Approved-by naming a person who did not make the commit: a claim of its author",
            sum(commit.said.reviewed for commit in commits),
        ),
        (
            "trailer_ack",
            "a trailer names consent",
            "Acked-by naming a person who did not make the commit: a claim of its author, and no full review",
            sum(commit.said.acked for commit in commits),
        ),
    ):
        value = share(count, len(commits))
        found.append(
            Indicator(
                name=f"oversight.{name}",
                label=label,
                low=value,
                high=value,
                unit="share",
                method=f"{method}; over marked commits outside exported pull requests",
                evidence_class="trailer" if commits else "none",
                n=len(commits),
                ledger="commits",
            )
        )
    counted = [dict(commit.said.interventions) for commit in commits if commit.said.interventions]
    if counted:
        total = Decimal(sum(sum(counts.values()) for counts in counted))
        found.append(
            Indicator(
                name="oversight.interventions",
                label="interventions recorded while the agent worked",
                low=total,
                high=None,
                unit="count",
                method="sum of Claude-Steers, Claude-Permission-Prompts and Claude-Escapes; most commits carry none of them",
                evidence_class="trailer",
                n=len(counted),
                ledger="commits",
            )
        )
    return found


_SENTENCES: Final[dict[str, tuple[str, str]]] = {
    "merged-over-requested-changes": ("warning", "merged although a human's request for changes stood"),
    "second-bot-identity": ("alarm", "approved by an account of a person whose name is a machine's"),
    "merged-by-bot": ("note", "merged by a bot"),
    "approved-after-merge": ("warning", "approved only, or again, after the merge"),
}


def _remarks(made: Sequence[JudgedPull], commits: Sequence[LooseCommit], *, exported: bool) -> list[Remark]:
    found = []
    if not exported:
        found.append(
            Remark(
                "no-export",
                "note",
                "no export of pull requests was given: whether anybody looked is unknown, which is neither yes nor no",
            )
        )
    for kind, (weight, sentence) in _SENTENCES.items():
        if numbers := [f"#{pull.judgement.number}" for pull in made if kind in pull.judgement.remarks]:
            shown = ", ".join(numbers[:5]) + (" …" if len(numbers) > 5 else "")
            found.append(Remark(kind, weight, f"{len(numbers)} AI-made: {sentence} ({shown})", "pulls"))  # type: ignore[arg-type]
    if count := sum(commit.said.agent_reviewed for commit in commits):
        found.append(
            Remark("agent-as-reviewer", "warning", f"{count} commits name an agent as their reviewer", "commits")
        )
    if count := sum(commit.said.agent_signed_off for commit in commits):
        found.append(
            Remark(
                "agent-signed-off",
                "warning",
                f"{count} commits carry an agent's Signed-off-by, which is a person's to give",
                "commits",
            )
        )
    return found


def _exclusions(made: Sequence[JudgedPull], others: Sequence[JudgedPull], *, exported: bool) -> list[Exclusion]:
    found = []
    if exported and others:
        found.append(
            Exclusion(
                "merged pull requests",
                "nothing marks them as AI-made, which does not make them human",
                len(others),
                tuple(f"#{pull.judgement.number}" for pull in others[:LISTED]),
            )
        )
    if unsized := sum(1 for pull in made if pull.judgement.lines is None):
        found.append(Exclusion("AI-made pull requests", "size not exported: not among times per line", unsized))
    return found


def _pull_ledger(pulls: Sequence[JudgedPull]) -> Ledger:
    return Ledger(
        "pulls",
        "Merged pull requests",
        (
            "pull", "merged", "ai_evidence", "agents", "approved", "why", "bot_only", "self_merged", "changes_requested",
            "first_review_s", "available_s", "lines", "comments", "pushes_after", "rewritten", "remarks",
        ),
        tuple(
            (
                f"#{j.number}", _date(pull.merged_s), pull.marked.evidence_class if pull.marked else None,
                " ".join(pull.marked.agents) if pull.marked else None, j.approved, " ".join(j.why), j.bot_only, j.self_merged,
                j.changes_requested, j.first_review_s, j.available_s, j.lines, j.comments, j.pushes_after, j.rewritten,
                " ".join(sorted(j.remarks)),
            )
            for pull in pulls
            for j in (pull.judgement,)
        ),
    )  # fmt: skip


def _commit_ledger(loose: Sequence[tuple[LooseCommit, Answer, str]]) -> Ledger:
    return Ledger(
        "commits",
        "Marked commits that no exported pull request brought in",
        (
            "commit",
            "committed",
            "ai_evidence",
            "agents",
            "approved",
            "why",
            "through_web",
            "trailer_review",
            "trailer_ack",
            "interventions",
        ),
        tuple(
            (
                commit.commit,
                _date(commit.at_s),
                commit.marked.evidence_class,
                " ".join(commit.marked.agents),
                answer,
                why,
                commit.said.through_web,
                commit.said.reviewed,
                commit.said.acked,
                sum(count for _, count in commit.said.interventions) if commit.said.interventions else None,
            )
            for commit, answer, why in loose
        ),
    )


def _series(made: Sequence[JudgedPull]) -> list[Series]:
    found = []
    for name, title, unit, values in (
        (
            "first_review",
            "Time to the first human review, by share of AI-made pull requests that had one",
            "minutes",
            [Decimal(p.judgement.first_review_s) / 60 for p in made if p.judgement.first_review_s is not None],
        ),
        (
            "seconds_per_line",
            "Seconds per changed line that a reviewer can have had, by share of AI-made pull requests",
            "seconds",
            [
                Decimal(p.judgement.available_s) / p.judgement.lines
                for p in made
                if p.judgement.available_s is not None and p.judgement.lines and p.judgement.approved != "no"
            ],
        ),
    ):
        if ordered := sorted(values):
            deciles = [(percent, float(quantile(ordered, percent) or 0)) for percent in range(10, 101, 10)]
            found.append(Series(name, title, unit, tuple((f"{percent} %", value, value) for percent, value in deciles)))
    return found


def _date(at_s: int | None) -> str | None:
    return None if at_s is None else show_instant(Instant(at_s))[:10]
