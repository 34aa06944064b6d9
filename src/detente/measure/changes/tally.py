"""Add up which changes touch what, who made them and who looked, as intervals with the rows below them.

A *change* is what came in together: the commits of one pull request where an export links them, else one commit.

1. A change is *relevant* if a file of it touches an area; *undetermined* if none does for sure and one may. Undetermined changes widen every
   share to both sides: each is counted where that makes the share smallest, and where it makes it largest.
2. AI-made: yes with a mark, else unknown. An absent mark is not a human.
3. Unreviewed: what ``measure.oversight`` says of approval, turned round.
4. A change *edits its own evaluator* if it touches evaluation in a file that was there before, and something that is evaluated: what
   comes in new has scored nothing yet.
5. Severity counts what raises it: edits its own evaluator; touches an evaluator that the caller named; surely unreviewed. Whether the
   proposer is an ancestor of what it changed is lineage's to say, not this room's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from detente.base.instant import Instant, show_instant
from detente.measure.changes.areas import AREAS, TRAINED, Area, Label
from detente.measure.changes.judged import UNITS_SHOWN, Judged
from detente.measure.indicator import (
    LISTED,
    EvidenceClass,
    Exclusion,
    Indicator,
    Ledger,
    Remark,
    Series,
    share,
    weakest,
)
from detente.measure.oversight.judging import Answer
from detente.measure.oversight.marking import Marked

CONSTANT_KINDS: Final = frozenset({"constant", "attribute", "key"})


@dataclass(slots=True)
class Change:
    """One change while it is gathered: ``take`` adds what one of its commits touches."""

    name: str
    at_s: int | None
    marked: Marked | None
    approved: Answer
    why: str
    commits: int = 0
    areas: set[Area] = field(default_factory=set)
    labels: set[Label] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    units: list[str] = field(default_factory=list)
    units_count: int = 0
    files: int = 0
    added: int = 0
    undetermined: bool = False
    declared: bool = False
    evaluator_edited: bool = False

    def take(self, judged: Judged) -> None:
        """One more commit of this change."""
        self.commits += 1
        self.evaluator_edited = self.evaluator_edited or judged.evaluator_edited
        self.areas |= judged.areas
        self.labels |= judged.labels
        self.kinds |= judged.kinds
        self.units += judged.units[: UNITS_SHOWN - len(self.units)]
        self.units_count += judged.units_count
        self.files += judged.files
        self.added += judged.added
        self.undetermined = self.undetermined or judged.undetermined
        self.declared = self.declared or judged.declared

    @property
    def edits_evaluator(self) -> bool:
        return self.evaluator_edited and bool(self.areas & TRAINED)

    @property
    def bad(self) -> Answer:
        """AI-made and unreviewed."""
        if self.approved == "yes":
            return "no"
        return "yes" if self.marked is not None and self.approved == "no" else "unknown"

    @property
    def reasons(self) -> tuple[str, ...]:
        found = (
            ("edits-its-evaluator", self.edits_evaluator),
            ("touches-named-evaluator", self.declared),
            ("unreviewed", self.approved == "no"),
        )
        return tuple(name for name, holds in found if holds)


@dataclass(slots=True)
class Counted:
    """How many of something, and the names of the first."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, count: int, names: Iterable[str]) -> None:
        """So many more, some of them by name; a name that stands already is not said twice."""
        self.count += count
        for name in names:
            if len(self.names) < LISTED and name not in self.names:
                self.names.append(name)

    def excluded(self, what: str, why: str) -> Exclusion:
        """As a result says it."""
        return Exclusion(what, why, self.count, tuple(self.names))


@dataclass(slots=True)
class Gathered:
    """Everything that was counted on the way through a history."""

    changes: list[Change] = field(default_factory=list)
    untouched: Counted = field(default_factory=Counted)
    left_out: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    unread: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    skipped: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))

    def note(self, judged: Judged) -> None:
        """Count what was left out of a commit, and what of it could not be read."""
        for ours, theirs in ((self.left_out, judged.left_out), (self.unread, judged.unread)):
            for why, (count, names) in theirs.items():
                ours[why].add(count, names)
        if judged.skipped:
            self.skipped[judged.skipped].add(1, [f"commit {judged.id[:12]}"])


@dataclass(frozen=True, slots=True)
class ChangeFindings:
    """The parts of a result that ``tally_changes`` fills."""

    indicators: tuple[Indicator, ...]
    remarks: tuple[Remark, ...]
    exclusions: tuple[Exclusion, ...]
    ledgers: tuple[Ledger, ...]
    series: tuple[Series, ...]


def share_between(items: Iterable[tuple[bool, Answer]]) -> tuple[Decimal | None, Decimal | None]:
    """The least and the greatest share of "yes" among relevant items, given (surely relevant, yes) for each.

    >>> share_between([(True, "yes"), (True, "unknown"), (False, "yes")])
    (Decimal('0.500000'), Decimal('1.000000'))
    """
    counts = Counter(items)
    sure = sum(counts[True, answer] for answer in ("yes", "no", "unknown"))
    low_part, high_part = counts[True, "yes"], counts[True, "yes"] + counts[True, "unknown"]
    may_miss = counts[False, "no"] + counts[False, "unknown"]
    may_hit = counts[False, "yes"] + counts[False, "unknown"]
    if not counts:
        return None, None
    low, high = share(low_part, sure + may_miss), share(high_part + may_hit, sure + may_hit)
    # Nothing to count on one side: then all that may count is "yes" (or "no"), if it counts at all.
    return Decimal(1) if low is None else low, Decimal(0) if high is None else high


def tally_changes(gathered: Gathered, *, exported: bool) -> ChangeFindings:
    """All indicators about the changes that are relevant or may be."""
    changes = gathered.changes
    relevant = [change for change in changes if change.areas]
    classes = [change.marked.evidence_class for change in relevant if change.marked]
    indicators = [
        _headline(changes, classes),
        _between(
            "marked_unreviewed",
            "the same, if only marked changes were AI-made",
            changes,
            lambda change: "no" if change.marked is None else change.bad,
            "marked as AI-made and not approved, over relevant changes; supposes that every mark is there",
            weakest(classes),
        ),
        _between("ai_made", "AI-made", changes, _ai_made, _AI_METHOD, weakest(classes)),
        _between(
            "unreviewed",
            "unreviewed",
            changes,
            lambda change: _TURNED[change.approved],
            "not approved at the merged head by an independent human, over relevant changes",
            "recorded" if any(change.approved != "unknown" for change in relevant) else "none",
        ),
        _count(
            "relevant",
            "relevant changes",
            len(relevant),
            len(changes),
            "touch training, architecture, data, configuration or evaluation",
        ),
        *_by_area(changes),
        *_evaluator(changes),
        _between(
            "constants_only",
            "of constants and keys only",
            changes,
            lambda change: "unknown" if "file" in change.kinds else "yes" if change.kinds <= CONSTANT_KINDS else "no",
            "every differing unit is a constant, an attribute or a key; files known by their path only are unknown",
            "recorded",
        ),
        _lines(relevant, weakest(classes)),
    ]
    return ChangeFindings(
        tuple(indicators),
        tuple(_remarks(relevant, exported=exported)),
        tuple(_exclusions(gathered)),
        (_ledger(changes),),
        tuple(_series(relevant)),
    )


_TURNED: Final[dict[Answer, Answer]] = {"yes": "no", "no": "yes", "unknown": "unknown"}
_AI_METHOD: Final = "marked, to marked or without any mark, over relevant changes: an absent mark is not a human"


def _headline(changes: Sequence[Change], classes: Sequence[EvidenceClass]) -> Indicator:
    known = any(change.bad != "unknown" for change in changes if change.areas)
    return _between(
        "ai_made_unreviewed",
        "relevant changes that are AI-made and unreviewed",
        changes,
        lambda change: change.bad,
        "AI-made, and not approved at the merged head by an independent human, over relevant changes",
        weakest([*classes, "recorded"]) if known else "none",
    )


def _ai_made(change: Change) -> Answer:
    return "unknown" if change.marked is None else "yes"


def _between(
    name: str,
    label: str,
    changes: Sequence[Change],
    answer: Callable[[Change], Answer],
    method: str,
    evidence_class: EvidenceClass,
) -> Indicator:
    low, high = share_between((bool(change.areas), answer(change)) for change in changes)
    return Indicator(
        name=f"changes.{name}",
        label=label,
        low=low,
        high=high,
        unit="share",
        method=f"{method}; undetermined changes on both sides",
        evidence_class=evidence_class,
        n=len(changes),
        ledger="changes",
    )


def _count(name: str, label: str, low: int, high: int, method: str) -> Indicator:
    return Indicator(
        name=f"changes.{name}",
        label=label,
        low=Decimal(low),
        high=Decimal(high),
        unit="count",
        method=method,
        evidence_class="recorded",
        n=high,
        ledger="changes",
    )


def _by_area(changes: Sequence[Change]) -> list[Indicator]:
    open_ones = sum(1 for change in changes if change.undetermined)
    found = []
    for area in AREAS:
        touching = [change for change in changes if area in change.areas]
        others = sum(1 for change in touching if change.undetermined)
        found.append(
            _count(
                f"touching.{area}",
                f"  touching {area}",
                len(touching),
                len(touching) + open_ones - others,
                "changes that touch the area",
            )
        )
        marked = sum(1 for change in touching if change.marked)
        found.append(
            Indicator(
                name=f"changes.ai_made.{area}",
                label="    of these AI-made",
                low=share(marked, len(touching)),
                high=share(len(touching), len(touching)),
                unit="share",
                method="marked, to marked or without any mark, over changes that surely touch the area",
                evidence_class=weakest([change.marked.evidence_class for change in touching if change.marked]),
                n=len(touching),
                ledger="changes",
            )
        )
    return found


def _evaluator(changes: Sequence[Change]) -> list[Indicator]:
    def own(change: Change) -> Answer:
        return "yes" if change.edits_evaluator else "unknown" if change.undetermined else "no"

    def by_ai(change: Change) -> Answer:
        return "no" if own(change) == "no" else "yes" if own(change) == "yes" and change.marked else "unknown"

    return [
        _between(
            "edits_own_evaluator",
            "editing what is scored and its evaluator",
            changes,
            own,
            "both sides in one change",
            "recorded",
        ),
        _between(
            "edits_own_evaluator.ai_made",
            "  and AI-made",
            changes,
            by_ai,
            "both sides in one change that is AI-made",
            weakest([change.marked.evidence_class for change in changes if change.marked and change.edits_evaluator]),
        ),
    ]


def _lines(relevant: Sequence[Change], evidence_class: EvidenceClass) -> Indicator:
    total = sum(change.added for change in relevant)
    marked = sum(change.added for change in relevant if change.marked)
    return Indicator(
        name="changes.ai_line_share",
        label="AI-made among lines added to relevant files",
        low=share(marked, total),
        high=share(total, total),
        unit="share",
        method="lines added by marked changes, to all: a marked change is credited whole",
        evidence_class=evidence_class,
        n=total,
        ledger="changes",
    )


def _remarks(relevant: Sequence[Change], *, exported: bool) -> list[Remark]:
    found = []
    if not exported:
        found.append(
            Remark("no-export", "note", "no export of pull requests was given: who looked at a change is unknown")
        )
    own = [change for change in relevant if change.edits_evaluator and change.marked]
    if unseen := [change.name for change in own if change.approved == "no"]:
        text = f"{len(unseen)} AI-made changes edit what is scored and its evaluator, and no human approved them ({_some(unseen)})"
        found.append(Remark("edits-own-evaluator-unreviewed", "alarm", text, "changes"))
    if open_ones := [change.name for change in own if change.approved == "unknown"]:
        text = f"{len(open_ones)} AI-made changes edit what is scored and its evaluator; whether anybody looked is unknown ({_some(open_ones)})"
        found.append(Remark("edits-own-evaluator", "warning", text, "changes"))
    if named := [change.name for change in relevant if change.declared]:
        found.append(
            Remark(
                "touches-named-evaluator",
                "warning",
                f"{len(named)} changes touch the evaluator named ({_some(named)})",
                "changes",
            )
        )
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(name[:12] for name in names[:5]) + (" …" if len(names) > 5 else "")


def _exclusions(gathered: Gathered) -> list[Exclusion]:
    found = [counted.excluded("commits", why) for why, counted in sorted(gathered.skipped.items())]
    if gathered.untouched.count:
        found.append(gathered.untouched.excluded("changes", "touch none of the areas"))
    found += [
        counted.excluded("texts of files", f"{why}: judged by the path alone")
        for why, counted in sorted(gathered.unread.items())
    ]
    found += [counted.excluded("files", why) for why, counted in sorted(gathered.left_out.items())]
    return found


def _ledger(changes: Sequence[Change]) -> Ledger:
    return Ledger(
        "changes",
        "Changes that touch training, architecture, data, configuration or evaluation, or may",
        (
            "change", "committed", "commits", "relevant", "areas", "labels", "ai_evidence", "agents", "approved", "why", "severity",
            "reasons", "files", "added", "units", "unit_names",
        ),
        tuple(
            (
                change.name, _date(change.at_s), change.commits, "yes" if change.areas else "undetermined",
                " ".join(area for area in AREAS if area in change.areas), "; ".join(sorted(change.labels)),
                change.marked.evidence_class if change.marked else None, " ".join(change.marked.agents) if change.marked else None,
                change.approved, change.why, len(change.reasons), " ".join(change.reasons), change.files, change.added,
                change.units_count, ", ".join(change.units),
            )
            for change in changes
        ),
    )  # fmt: skip


def _series(relevant: Sequence[Change]) -> list[Series]:
    by_half: dict[str, list[Change]] = defaultdict(list)
    for change in relevant:
        if date := _date(change.at_s):
            by_half[f"{date[:4]}H{1 if date[5:7] <= '06' else 2}"].append(change)
    marked = []
    unseen = []
    for half, inside in sorted(by_half.items()):
        marked.append((half, sum(1 for change in inside if change.marked) / len(inside), 1.0))
        answers = [change.bad for change in inside]
        unseen.append((half, answers.count("yes") / len(inside), (len(inside) - answers.count("no")) / len(inside)))
    return [
        Series("ai_made", "AI-made among relevant changes", "share", tuple(marked)),
        Series("ai_made_unreviewed", "AI-made and unreviewed among relevant changes", "share", tuple(unseen)),
    ]


def _date(at_s: int | None) -> str | None:
    return None if at_s is None else show_instant(Instant(at_s))[:10]
