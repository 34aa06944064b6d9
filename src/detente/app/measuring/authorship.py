"""Measure the authorship of a repository.

Decides what is read (a ref's history, its notes and trace records) and what a result names as its inputs. Leaves the numbers to
``measure.authorship`` and many repositories at once to ``many``.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from detente.adapters.git_history import resolve_commit
from detente.adapters.git_running import Repository, open_repository
from detente.adapters.scan_cache import ScanCache
from detente.app.measuring.authorship_scan import Progress, sum_history
from detente.app.measuring.ledgers import NOTES_REF, read_ledgers
from detente.measure.authorship.marks import RULES
from detente.measure.authorship.shares import measure_shares
from detente.measure.indicator import Remark, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of each repository. Bounds are seconds since 1970 of the committer's date, the first inclusive.

    ``cache`` is the folder for kept scans; ``None`` keeps none. Without ``rows`` the result may lack the ledger of commits.
    """

    ref: str = "HEAD"
    since_s: int | None = None
    until_s: int | None = None
    notes_ref: str = NOTES_REF
    cache: Path | None = None
    rows: bool = True


def measure_authorship(path: Path, question: Question | None = None, *, progress: Progress | None = None) -> Result:
    """The authorship of one repository's history.

    Refuses A01 to A04 where there is none, no such commit, or no history that can be walked; ``Unavailable`` where git fails.
    """
    asked = question or Question()
    repository = open_repository(path)
    tip = resolve_commit(repository, asked.ref)
    ledgers = read_ledgers(repository, tip, notes_ref=asked.notes_ref)
    with ScanCache(asked.cache, "authorship") if asked.cache else nullcontext() as cache:
        bounds = (asked.since_s, asked.until_s)
        sums = sum_history(repository, tip, ledgers, cache=cache, bounds=bounds, rows=asked.rows, progress=progress)
    inputs = {asked.ref: tip}
    if ledgers.notes:
        inputs[asked.notes_ref] = f"{len(ledgers.notes)} notes"
    return measure_shares(
        sums,
        subject=str(path) if path.name else path.resolve().name,
        inputs=inputs,
        parameters=_parameters(asked),
        left_out=ledgers.exclusions,
        remarks=_remarks(repository),
    )


def _parameters(asked: Question) -> dict[str, str]:
    bounds = {"since_s": asked.since_s, "until_s": asked.until_s}
    return {
        "rules": str(RULES),
        "ref": asked.ref,
        "notes_ref": asked.notes_ref,
        **{name: str(value) for name, value in bounds.items() if value is not None},
    }


def _remarks(repository: Repository) -> tuple[Remark, ...]:
    remarks = []
    if repository.shallow:
        text = (
            f"this is a shallow clone, cut at {len(repository.shallow)} commits: what was before is not counted at all"
        )
        remarks.append(Remark("shallow", "warning", text))
    if repository.partial:
        remarks.append(Remark("partial", "note", "this clone leaves objects out; nothing was fetched"))
    return tuple(remarks)
