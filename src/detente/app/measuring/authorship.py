"""Measure the authorship of repositories: one, or many at once.

Decides what is read (a ref's history, its notes and trace records), what a result names as its inputs, and that one broken
repository never stops the rest. Leaves the numbers to ``measure.authorship``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from detente.adapters.git_history import resolve_commit
from detente.adapters.git_running import Repository, open_repository
from detente.adapters.scan_cache import ScanCache
from detente.app.measuring.authorship_scan import Progress, scan_history
from detente.app.measuring.ledgers import NOTES_REF, read_ledgers
from detente.base.errors import DetenteError, Unavailable
from detente.measure.authorship.marks import RULES
from detente.measure.authorship.shares import measure_shares
from detente.measure.authorship.sums import sum_facts
from detente.measure.indicator import Remark, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of each repository. Bounds are seconds since 1970 of the committer's date, the first inclusive.

    ``cache`` is the folder for kept scans; ``None`` keeps none.
    """

    ref: str = "HEAD"
    since_s: int | None = None
    until_s: int | None = None
    notes_ref: str = NOTES_REF
    cache: Path | None = None


def measure_authorship(path: Path, question: Question | None = None, *, progress: Progress | None = None) -> Result:
    """The authorship of one repository's history.

    Refuses A01 to A04 where there is none, no such commit, or no history that can be walked; ``Unavailable`` where git fails.
    """
    asked = question or Question()
    repository = open_repository(path)
    tip = resolve_commit(repository, asked.ref)
    ledgers = read_ledgers(repository, tip, notes_ref=asked.notes_ref)
    with ScanCache(asked.cache, "authorship") if asked.cache else nullcontext() as cache:
        facts = scan_history(repository, tip, ledgers, cache=cache, progress=progress)
        with closing(facts):  # type: ignore[type-var]  # an iterator made by a generator
            sums = sum_facts(facts, since_s=asked.since_s, until_s=asked.until_s)
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


def measure_many(
    paths: Sequence[Path], question: Question, *, jobs: int | None = None
) -> Iterator[tuple[Path, Result | DetenteError]]:
    """Each repository's result, or why there is none, in the order of ``paths``; ``jobs`` processes, all cores by default."""
    workers = max(1, min(len(paths), jobs or os.cpu_count() or 1))
    left: list[Path] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [(path, pool.submit(_measured, path, question)) for path in paths]
        for path, future in waiting:
            try:
                yield path, future.result()
            except BrokenProcessPool:  # one took the pool down: which one is found out below
                left = [one for one, _ in waiting[waiting.index((path, future)) :]]
                break
    for path in left:
        yield path, _alone(path, question)


def _alone(path: Path, question: Question) -> Result | DetenteError:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        future: Future[Result | DetenteError] = pool.submit(_measured, path, question)
        try:
            return future.result()
        except BrokenProcessPool:
            return Unavailable("the process that scanned it was killed: too little memory?")


def _measured(path: Path, question: Question) -> Result | DetenteError:
    try:
        return measure_authorship(path, question)
    except DetenteError as error:
        return error
    except Exception as error:  # noqa: BLE001  # whatever one repository provokes, the others are measured
        return Unavailable(f"the scan failed: {type(error).__name__}: {error}")


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
