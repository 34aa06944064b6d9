"""Scan a history for facts about authorship, reading only what an earlier scan has not read.

Decides what a kept scan may be used for: the same rules, the same mailmap, the same cut, and for what could not be read the same
packs. Leaves out what facts are (``measure.authorship``) and how they are kept (``adapters.scan_cache``).

1. The tip itself was scanned before: its rows, and again those commits whose ledger entries have changed.
2. Another tip of this repository was: the commits in one history and not in the other, in both directions.
   Where the sums suffice and nothing of the old has changed, its rows are not even loaded.
3. None was: all of it, in parts of ``PART`` commits, each kept as it is done, so that an interrupted scan goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from detente.adapters.git_history import list_commits, read_commits, read_history
from detente.adapters.git_objects import find_absent, read_blobs
from detente.adapters.git_running import Repository
from detente.adapters.scan_cache import ScanCache
from detente.app.measuring.ledgers import Ledgers
from detente.measure.authorship.facts import Facts, as_row, from_row
from detente.measure.authorship.marks import RULES
from detente.measure.authorship.sums import Sums, sum_facts

PART: Final = 20_000
Progress = Callable[[int], None]
"""Called now and then with the number of commits that are done."""


def sum_history(
    repository: Repository,
    tip: str,
    ledgers: Ledgers,
    *,
    cache: ScanCache | None,
    bounds: tuple[int | None, int | None] = (None, None),
    rows: bool = True,
    progress: Progress | None = None,
) -> Sums:
    """The sums over every commit reachable from ``tip`` within ``bounds``; without ``rows`` the ledger of commits may be left out."""
    scan = _Scan(repository, tip, ledgers, progress)
    since_s, until_s = bounds
    if cache is None:
        with closing(scan.whole()) as facts:
            return sum_facts(facts, since_s=since_s, until_s=until_s, rows=rows)
    unbounded = bounds == (None, None)
    if unbounded and not rows and (kept := scan.summed(cache)) is not None:
        return kept
    with closing(scan.with_cache(cache)) as facts:
        sums = sum_facts(facts, since_s=since_s, until_s=until_s, rows=rows)
    if unbounded:
        cache.store_sums(scan.sums_key(scan.key), tip, scan.place, sums.as_state())
    return sums


class _Scan:
    def __init__(self, repository: Repository, tip: str, ledgers: Ledgers, progress: Progress | None) -> None:
        self.repository = repository
        self.tip = tip
        self.ledgers = ledgers
        self.progress = progress
        self.place = str(repository.common_dir)
        self.done = 0
        self.key = ""
        """Under which the rows of the tip are kept, once they are."""

    def summed(self, cache: ScanCache) -> Sums | None:
        """The sums of an earlier scan and what is new since; ``None`` where rows are needed to tell.

        They are where a ledger has changed, or commits have gone: then each row must be looked at.
        """
        for key in dict.fromkeys(self._keys()):
            base = self.tip
            state = cache.load_sums(self.sums_key(key), self.tip)
            if state is None:
                base = self._base(cache, key)
                state = cache.load_sums(self.sums_key(key), base) if base else None
            if state is None or (base != self.tip and list_commits(self.repository, [base], without=[self.tip])):
                continue
            try:
                sums = Sums.from_state(state)
            except (KeyError, TypeError, ValueError):
                continue
            if base == self.tip:
                return sums
            with closing(read_history(self.repository, [self.tip], without=[base])) as commits:
                new = list(self._counted(self.ledgers.facts(commits)))
            lines = [_encoded(facts) for facts in new]
            if any(map(_has_unread, new)) or not cache.store_difference(
                key, self.tip, self.place, base=base, removed=[], rows=lines
            ):
                continue
            for facts in new:
                sums.add(facts)
            cache.store_sums(self.sums_key(key), self.tip, self.place, sums.as_state())
            return sums
        return None

    def sums_key(self, key: str) -> str:
        return _digest([key, self.ledgers.state()])

    def whole(self) -> Generator[Facts]:
        """All of it, nothing kept."""
        with closing(read_history(self.repository, [self.tip])) as commits:
            yield from self._counted(self.ledgers.facts(commits))

    def with_cache(self, cache: ScanCache) -> Generator[Facts]:
        """What was kept, and what is new."""
        for key in dict.fromkeys(self._keys()):
            rows = cache.load(key, self.tip)
            base = self.tip
            removed: list[str] = []
            new: list[Facts] = []
            if rows is None:
                base = self._base(cache, key)
                rows = cache.load(key, base) if base else None
                if rows is None:
                    continue
                removed = list_commits(self.repository, [base], without=[self.tip])
                with closing(read_history(self.repository, [self.tip], without=[base])) as commits:
                    new = list(self._counted(self.ledgers.facts(commits)))
            gone = set(removed)
            changed = [row[0] for row in rows if self._is_changed(row) and row[0] not in gone]
            again = read_commits(self.repository, changed, mailmap_of=self.tip)
            new += self._counted(self.ledgers.facts(again))
            yield from self._joined(cache, key, base, rows, removed, new)
            return
        yield from self._anew(cache)

    def _base(self, cache: ScanCache, key: str) -> str:
        """The tip that was scanned last, if the repository still holds it."""
        base = cache.newest(key, self.place) or ""
        return "" if not base or base in find_absent(self.repository, [base]) else base

    def _joined(
        self, cache: ScanCache, key: str, base: str, rows: list[list[Any]], removed: list[str], new: list[Facts]
    ) -> Iterator[Facts]:
        gone = {*removed, *(facts.id for facts in new)}
        kept = [row for row in rows if row[0] not in gone] if gone else rows
        if new or removed or base != self.tip:
            lines = [_encoded(facts) for facts in new]
            # A difference against itself, and one that holds things unread, are stored whole.
            plain = base != self.tip and key == self._keys()[0] and not any(map(_has_unread, new))
            if not plain or not cache.store_difference(
                key, self.tip, self.place, base=base, removed=removed, rows=lines
            ):
                key = self._key_for([*kept, *map(as_row, new)])
                cache.store(key, self.tip, self.place, [*lines, *map(_compact, kept)])
        self.key = key
        yield from new
        yield from map(from_row, kept)

    def _anew(self, cache: ScanCache) -> Iterator[Facts]:
        key = self._keys()[1]
        lines: list[str] = []
        unread = False
        parts = 0
        for row in cache.load_parts(key, self.tip, ""):
            facts = from_row(row)
            lines.append(_compact(row))
            unread = unread or _has_unread(facts)
            yield facts
        parts = -(-len(lines) // PART)
        self.done = start = len(lines)
        with closing(read_history(self.repository, [self.tip], skip=start)) as commits:
            for facts in self._counted(self.ledgers.facts(commits)):
                lines.append(_encoded(facts))
                unread = unread or _has_unread(facts)
                if len(lines) % PART == 0:
                    cache.store_part(key, self.tip, "", parts, lines[-PART:])
                    parts += 1
                yield facts
        self.key = self._keys()[1 if unread else 0]
        cache.store(self.key, self.tip, self.place, lines)
        cache.drop_parts(key, self.tip)

    def _counted(self, facts: Iterable[Facts]) -> Iterator[Facts]:
        for one in facts:
            self.done += 1
            if self.progress is not None and self.done % 500 == 0:
                self.progress(self.done)
            yield one

    def _is_changed(self, row: list[Any]) -> bool:
        kept = row[_EVIDENCE] if len(row) > _EVIDENCE else ""
        return not row[2] and bool(kept != self.ledgers.evidence_of(row[0]))

    def _keys(self) -> tuple[str, str]:
        """The key for scans in which everything could be read, and that for others: it changes with the packs that are there.

        A partial clone never uses what a whole one found: the result must not depend on what else was measured before.
        """
        mailmap = next(read_blobs(self.repository, [f"{self.tip}:.mailmap"])).data or b""
        shared = [str(RULES), hashlib.sha256(mailmap).hexdigest(), *sorted(self.repository.shallow)]
        objects = Path(self.repository.common_dir) / "objects" / "pack"
        packs = sorted(entry.name for entry in objects.glob("*.pack")) if objects.is_dir() else []
        own = _digest([*shared, self.place, *packs])
        return own if self.repository.partial else _digest(shared), own

    def _key_for(self, rows: Iterable[list[Any]]) -> str:
        return self._keys()[1 if any(_has_unread(from_row(row)) for row in rows) else 0]


_EVIDENCE: Final = Facts._fields.index("evidence")


def _has_unread(facts: Facts) -> bool:
    return any(out[0] == "unread" for out in facts.out)


def _encoded(facts: Facts) -> str:
    return _compact(as_row(facts))


def _compact(row: list[Any]) -> str:
    return json.dumps(row, separators=(",", ":"))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
