"""Read the ledgers of a repository that attest who wrote lines: Git AI notes and Agent Trace records.

Decides where they are looked for and how a record reaches the commits that it speaks of. Leaves out what they count for.

* Notes lie under a ref, one for each commit; only those of the commits that are asked for are read.
* Records of Agent Trace lie in ``.agent-trace/traces.jsonl``, in the measured commit or beside it in the folder that was named. A
  record's lines hold at its revision; blame tells which commits added them.
* What cannot be read or placed is an exclusion.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from detente.adapters.git_blame import find_origins
from detente.adapters.git_objects import BLOB_MAX, list_notes, read_blobs
from detente.adapters.git_running import Repository
from detente.base.errors import Refused
from detente.measure.authorship.agent_trace import Trace, parse_trace
from detente.measure.authorship.facts import Facts, LedgerSays, facts_of
from detente.measure.authorship.git_ai_note import Attested, parse_note
from detente.measure.authorship.line_sets import union
from detente.measure.history import Commit
from detente.measure.indicator import Exclusion

NOTES_REF: Final = "refs/notes/ai"
TRACES_PATH: Final = ".agent-trace/traces.jsonl"
BLAMES_MAX: Final = 5_000
"""Files of trace records that are followed to their commits: at a hundredth of a second each, under a minute."""


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What is known before any commit is read: which note belongs to which, and what traces attest, by commit."""

    repository: Repository
    notes: dict[str, str]
    traced: dict[str, tuple[Attested, ...]]
    exclusions: tuple[Exclusion, ...]

    def evidence_of(self, commit: str) -> str:
        """Names all that the ledgers hold of a commit: it changes when they do."""
        note = self.notes.get(commit, "")[:16]
        traced = self.traced.get(commit)
        if traced is None:
            return note
        return f"{note}+{hashlib.sha256(repr(traced).encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"

    def state(self) -> str:
        """Names all that the ledgers hold of any commit."""
        traced = sorted((commit, self.evidence_of(commit)) for commit in self.traced)
        return hashlib.sha256(repr((sorted(self.notes.items()), traced)).encode("utf-8", "surrogatepass")).hexdigest()

    def facts(self, commits: Iterable[Commit]) -> Iterator[Facts]:
        """The facts of the commits, in their order, with what the ledgers attest."""
        if not self.notes and not self.traced:
            yield from map(facts_of, commits)
            return
        group: list[Commit] = []
        for commit in commits:
            group.append(commit)
            if len(group) >= _GROUP:
                yield from self._group(group)
                group = []
        yield from self._group(group)

    def _group(self, group: list[Commit]) -> Iterator[Facts]:
        noted = [commit.id for commit in group if commit.id in self.notes]
        blobs = read_blobs(self.repository, (self.notes[one] for one in noted)) if noted else iter(())
        read = {one: _read_note(blob.data) for one, blob in zip(noted, blobs, strict=True)}
        for commit in group:
            attested, says = read.get(commit.id, ((), ""))
            both = (*attested, *self.traced.get(commit.id, ()))
            yield facts_of(commit, both, says=says, evidence=self.evidence_of(commit.id))


_GROUP: Final = 256
_Read = tuple[tuple[Attested, ...], LedgerSays]


@dataclass(slots=True)
class _Traces:
    """Records on their way to commits."""

    placed: dict[str, dict[tuple[str, str, str], list[tuple[int, int]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    malformed: int = 0
    nowhere: int = 0
    unplaced: int = 0
    followed: int = 0


def read_ledgers(repository: Repository, tip: str, *, notes_ref: str = NOTES_REF) -> Ledgers:
    """Which ledgers there are for the history of ``tip``; refuses A03 where the notes' tree cannot be read."""
    notes, others = list_notes(repository, notes_ref)
    traces = _Traces()
    for text in _trace_texts(repository, tip):
        for line in text.splitlines():
            if line.strip():
                _place(repository, traces, line)
    traced = {
        commit: tuple(Attested(path, kind, agent, union(ranges)) for (path, kind, agent), ranges in found.items())  # type: ignore[arg-type]
        for commit, found in traces.placed.items()
    }
    exclusions = (
        Exclusion("entries of the notes' ref", "not named after a commit", others),
        Exclusion("Agent Trace records", "malformed (A06)", traces.malformed),
        Exclusion("Agent Trace records", "they name no git revision, so their lines cannot be placed", traces.nowhere),
        Exclusion(
            "files of Agent Trace records", "revision, file or lines are not in this repository", traces.unplaced
        ),
    )
    return Ledgers(repository, notes, traced, tuple(one for one in exclusions if one.count))


def _read_note(data: bytes | None) -> _Read:
    if data is None:
        return (), "unreadable"
    try:
        note = parse_note(data.decode("utf-8", "backslashreplace"))
    except Refused:
        return (), "unreadable"
    return note.attested, "" if note.attested else "empty"


def _trace_texts(repository: Repository, tip: str) -> Iterator[str]:
    seen = set()
    committed = next(read_blobs(repository, [f"{tip}:{TRACES_PATH}"]))
    for data in (committed.data, _read_file(repository.path / TRACES_PATH)):
        if data is not None and data not in seen:
            seen.add(data)
            yield data.decode("utf-8", "backslashreplace")


def _read_file(path: Path) -> bytes | None:
    """A plain file of bounded size: a hostile folder may hold a pipe or a link there."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        kind = os.fstat(handle)
        return file.read() if stat.S_ISREG(kind.st_mode) and kind.st_size <= BLOB_MAX else None


def _place(repository: Repository, traces: _Traces, line: str) -> None:
    try:
        trace: Trace = parse_trace(line)
    except Refused:
        traces.malformed += 1
        return
    if len(trace.revision) != repository.id_length:
        traces.nowhere += 1
        return
    for one in trace.attested:
        traces.followed += 1
        origins = (
            find_origins(repository, trace.revision, one.path, one.lines) if traces.followed <= BLAMES_MAX else None
        )
        if origins is None:
            traces.unplaced += 1
            continue
        for origin in origins:
            traces.placed[origin.commit][origin.path, one.kind, one.agent].append((origin.first, origin.last))
