"""Measure changes: walk a history, have its commits judged, add up.

Decides which commits are looked at and whose they are. Leaves out what is loaded and kept of them (``change_scan``) and every
judgement (``measure.changes``, ``measure.oversight``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detente.adapters.git_history import read_history, resolve_commit
from detente.adapters.git_running import open_repository
from detente.adapters.scan_cache import ScanCache
from detente.app.measuring.change_scan import judge_history
from detente.app.measuring.oversight import Progress, Review, Window, gather_review, inputs, parameters, shown_path
from detente.base.instant import Instant
from detente.measure.changes.judged import Judged, from_row
from detente.measure.changes.paths import check_evaluators
from detente.measure.changes.rules import rules_digest
from detente.measure.changes.tally import Change, Gathered, tally_changes
from detente.measure.history import Commit
from detente.measure.indicator import Result
from detente.measure.oversight.judging import Answer
from detente.measure.oversight.marking import Marked, mark_of


def measure_changes(
    path: Path,
    *,
    ref: str = "HEAD",
    without: str | None = None,
    forge: Path | None = None,
    forge_complete: bool = False,
    evaluators: Sequence[str] = (),
    since: Instant | None = None,
    until: Instant | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Which changes on ``ref`` (and not on ``without``) touch training or evaluation, whose they are, and who looked.

    ``evaluators`` are patterns of paths that the caller names as what scores the result. ``cache`` is the folder where verdicts on
    commits are kept; ``None`` keeps none, and the result is the same. Refusals: A01 to A04 of the repository, O01 to
    O09 of the export, D01 of a pattern.
    """
    named = check_evaluators(evaluators)
    repository = open_repository(path)
    tip = resolve_commit(repository, ref)
    left = () if without is None else (resolve_commit(repository, without),)
    window = Window(since, until)
    review = gather_review(repository, tip, forge=forge, forge_complete=forge_complete)
    gathering = _Gathering(review, window)
    with closing(read_history(repository, (tip,), without=left, counts=False)) as history:
        for commit in history:
            gathering.meet(commit)
    with ScanCache(cache, "changes") if cache else nullcontext() as kept:
        rows = judge_history(repository, tip, tuple(gathering.makers), evaluators=named, cache=kept, progress=progress)
    found = tally_changes(gathering.gather(rows), exported=review.export is not None)
    chosen = {
        **parameters(window, review),
        "rules": rules_digest()[:16],
        "evaluators": " ".join(named),
        "without": left[0] if left else "",
    }
    return Result(
        "changes",
        subject=shown_path(path),
        indicators=found.indicators,
        remarks=found.remarks,
        exclusions=(*found.exclusions, *review.ledger.excluded()),
        ledgers=found.ledgers,
        series=found.series,
        inputs=inputs(ref, tip, review),
        parameters={name: value for name, value in chosen.items() if value},
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Whose a commit is and who looked: what of its header matters, since messages are too much to hold."""

    change: str
    committed_s: int | None
    marked: Marked | None
    approved: Answer
    why: str


class _Gathering:
    """Commits gathered into changes."""

    def __init__(self, review: Review, window: Window) -> None:
        self._review = review
        self._window = window
        self._gathered = Gathered()
        self.makers: dict[str, _Maker] = {}

    def meet(self, commit: Commit) -> None:
        """Is this commit looked at? One that is not is counted, with the reason."""
        why = None
        if commit.is_merge:
            why = "merges, whose content came in with their parents"
        elif not self._window.holds(commit.committed_s):
            why = "outside the dates asked for"
        elif commit.cut:
            why = "at the edge of a shallow clone: what they changed is not known"
        if why is not None:
            self._gathered.skipped[why].add(1, [f"commit {commit.id[:12]}"])
        else:
            self.makers[commit.id] = self._maker(commit)

    def gather(self, rows: Mapping[str, list[Any]]) -> Gathered:
        """Changes newest first; those that touch nothing are counted, so that memory follows what matters."""
        gathered = self._gathered
        changes: dict[str, Change] = {}
        for one, maker in self.makers.items():
            found = from_row(rows[one]) if one in rows else Judged(one)
            if one not in rows:  # git gives every commit that it is asked for; if not, that is no reason to be silent
                found.skip()
            change = changes.get(maker.change)
            if change is None:
                change = Change(maker.change, maker.committed_s, maker.marked, maker.approved, maker.why)
                changes[maker.change] = change
            gathered.note(found)
            change.take(found)
        gathered.changes = [change for change in changes.values() if change.areas or change.undetermined]
        for change in changes.values():
            if not change.areas and not change.undetermined:
                gathered.untouched.add(
                    1, [change.name if change.name.startswith("#") else f"commit {change.name[:12]}"]
                )
        return gathered

    def _maker(self, commit: Commit) -> _Maker:
        pull, approved, why = self._review.of(commit)
        if pull is None:
            marked = mark_of(commit, self._review.ledger.attested.get(commit.id))
            return _Maker(commit.id, commit.committed_s, marked, approved, why)
        marked = self._review.judged[pull.number].marked
        return _Maker(f"#{pull.number}", commit.committed_s, marked, approved, why)
