"""karpathy/autoresearch: a branch of commits and a table of results, either or both.

Decides which rows and commits are versions, and what came from what. Source: the loop's program.md (branch
``autoresearch/<tag>``; a better experiment advances the branch, any other is reset away and only the table remembers it).

1. With a branch: a commit is a version, its parents are git's. A row whose commit stands on the branch gives it a score.
2. A row that the branch does not hold is a version too. Kept, or of a status that is none of the loop's words, it may
   have come from the last such row before: the order of rows is no record of a parent, so only upper ends count it.
3. ``discard`` and ``crash`` were dropped: attempts, and children of the last kept row, from which nothing came.
4. A commit that no row names may hold any number of experiments (a squash, a rewind): its steps are unknown, unless it
   changes nothing but results and notes.
5. The state before the first experiment is the first version; nobody says who made it.
6. Who proposed: the loop's rules give every experiment to an agent. No table names one; ``evidence`` is ``declared``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from detente.base.digest import sha256_hex
from detente.base.errors import Refused
from detente.base.instant import parse_date
from detente.base.quantity import Interval
from detente.lineage.graph import UNKNOWN
from detente.measure.indicator import Remark
from detente.measure.loops.record import Loop, LoopVersion, Tally
from detente.measure.loops.result_table import DROPPED, KEPT, NEVER_NEGATIVE, Row, Table, is_table, parse_table
from detente.measure.loops.source import Commit, Source
from detente.statement.change import Touch

KIND: Final = "autoresearch"
START: Final = "start"
"""The id of the state before the first experiment, where the record does not name it."""
_NOTES: Final = (".tsv", ".csv", ".md", ".txt", ".ipynb", ".png", ".svg", ".log")
_TOUCHES: Final[Mapping[str, frozenset[Touch]]] = {
    "train.py": frozenset({"training"}),
    "prepare.py": frozenset({"data", "evaluation"}),
    "program.md": frozenset({"configuration"}),
}


def recognise(source: Source) -> bool:
    """A branch ``autoresearch/…``, or a table with the loop's header."""
    if source.history is not None:
        return source.history.branch.rpartition("/")[0].endswith(KIND) or bool(source.history.tables)
    return any(is_table(source.files.read(name)) for name in source.matching("*.tsv") if "/" not in name)


def import_loop(source: Source) -> Loop:
    """The loop that a branch, a table, or both record; raises ``Refused`` I02, I03, I05."""
    held = {name: source.files.read(name) for name in source.matching("*.tsv") if "/" not in name}
    if source.history is not None:
        held = {**source.history.tables, **held}
    tables = [parse_table(data, name) for name, data in sorted(held.items()) if is_table(data)]
    if source.history is None and not tables:
        raise Refused("I05", "not-found", got="no table and no branch", expected="results.tsv or autoresearch/<tag>")
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise Refused(
            "I05",
            "not-found",
            got=f"{len(tables)} tables ({names})",
            expected="the table of one run",
            todo="name one of them instead of the folder",
        )
    table = tables[0] if tables else None
    reading = _Reading(source, table)
    if source.history is not None:
        reading.take_commits()
    if table is not None:
        reading.take_rows()
    return reading.loop()


@dataclass(slots=True)
class _Reading:
    source: Source
    table: Table | None
    tally: Tally = field(default_factory=Tally)
    versions: dict[str, LoopVersion] = field(default_factory=dict)
    last: str = START
    _named: dict[str, Row] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        """Commits are the same everywhere; rows only within their table."""
        if self.table is None:
            return ""
        return sha256_hex(
            "\n".join(f"{row.commit}\t{row.score}\t{row.description}" for row in self.table.rows).encode()
        )[:16]

    def take_commits(self) -> None:
        history = self.source.history
        commits = () if history is None else history.commits
        ids = {commit.id for commit in commits}
        if self.table is not None:
            for row in self.table.rows:
                if row.status not in DROPPED and (found := _on_branch(row.commit, ids)) is not None:
                    self._named.setdefault(found, row)
        for commit in commits:
            for parent in commit.parents:
                if parent not in ids and parent not in self.versions:
                    self.versions[parent] = _first(parent, "")
                    self.last = parent
        for commit in commits:
            self._take_commit(commit)

    def _take_commit(self, commit: Commit) -> None:
        row = self._named.get(commit.id)
        touches, counts = _touched(commit)
        amounts = [amount for pair in commit.changes.values() for amount in pair]
        known = [amount for amount in amounts if amount is not None]
        self.versions[commit.id] = LoopVersion(
            id=commit.id,
            parents=commit.parents,
            proposer="undeclared" if not commit.parents else "model",
            touches=touches,
            steps=1 if row is not None or not counts else None,
            score=None if row is None else self._score(row),
            status="" if row is None else row.status,
            time=Interval(Decimal(commit.at), Decimal(commit.at)),
            changed_lines=sum(known) if len(known) == len(amounts) else None,
        )

    def take_rows(self) -> None:
        table = self.table
        rows = () if table is None else table.rows
        if not rows and not self.versions:
            self.versions[START] = _first(START, self.scope)
        on_branch = {id(row): commit for commit, row in self._named.items()}
        for number, row in enumerate(rows):
            if id(row) in on_branch:
                self.last = on_branch[id(row)]
            elif number == 0 and row.status not in DROPPED and _is_baseline(row):
                self._take_baseline(row)
            else:
                self._take_row(number, row)

    def _take_baseline(self, row: Row) -> None:
        if self.last == START:
            self.versions[START] = _first(START, self.scope, score=self._score(row), status=row.status)
            return
        first = self.versions[self.last]  # where the branch began
        self.versions[self.last] = _first(first.id, first.scope, score=self._score(row), status=row.status)

    def _take_row(self, number: int, row: Row) -> None:
        if self.last == START and START not in self.versions:
            self.versions[START] = _first(START, self.scope)
        wanted = row.commit or f"row-{number + 1}"
        version = wanted
        if version in self.versions:
            version = f"{wanted}#{row.line}"
            self.tally.leave_out(
                "repeated ids", "the table names one commit in several rows; told apart by line", wanted
            )
        dropped = row.status in DROPPED
        self.versions[version] = LoopVersion(
            id=version,
            scope=self.scope,
            perhaps=(self.last,),
            touches=self._table_touches(),
            score=None if row.status == "crash" else self._score(row),
            status=row.status,
            kept=False if dropped else (True if row.status == KEPT else None),
            time=_day(row.day),
        )
        if not dropped:
            self.last = version

    def _table_touches(self) -> frozenset[Touch]:
        """Only ``train.py`` may be edited in the loop as published, whose score is val_bpb; of others nobody says."""
        return _TOUCHES["train.py"] if self.table is not None and self.table.score_column == "val_bpb" else frozenset()

    def _score(self, row: Row) -> Decimal | None:
        column = "" if self.table is None else self.table.score_column
        least = Decimal(0) if any(word in column for word in NEVER_NEGATIVE) else None
        return self.tally.score(row.score, f"line {row.line}", least=least)

    def loop(self) -> Loop:
        table, history = self.table, self.source.history
        rows = () if table is None else table.rows
        remarks = () if table is None else table.remarks
        odd = sorted({row.status for row in rows} - DROPPED - {KEPT, "baseline"})
        if odd:
            text = f"statuses that are none of the loop's words: {', '.join(map(repr, odd))}; they may have been kept"
            remarks = (*remarks, Remark("unknown-status", "warning", text))
        if history is not None and table is None:
            text = f"no table lists the experiments of {history.branch}: a commit may hold any number of them"
            remarks = (*remarks, Remark("no-table", "warning", text))
        if table is not None and not rows:
            remarks = (*remarks, Remark("empty", "note", f"{table.name} has a header and no rows"))
        return Loop(
            kind=KIND,
            name=self.source.name,
            versions=tuple(self.versions.values()),
            direction=None if table is None else table.direction,
            score_name="" if table is None else table.score_column,
            evidence="declared",
            rules=(
                "every experiment is an agent's proposal, and nobody is asked between two of them (program.md)",
                "a row's parent is the last row kept before it; used in upper ends only",
            ),
            attempts=len(rows) if table is not None else None,
            remarks=remarks,
            exclusions=self.tally.exclusions(),
            inputs=self.source.inputs,
        )


def _first(version: str, scope: str, *, score: Decimal | None = None, status: str = "") -> LoopVersion:
    return LoopVersion(id=version, scope=scope, proposer="undeclared", score=score, status=status)


def _on_branch(named: str, commits: set[str]) -> str | None:
    if len(named) < 7:
        return None
    found = [commit for commit in commits if commit.startswith(named)]
    return found[0] if len(found) == 1 else None


def _is_baseline(row: Row) -> bool:
    words = f"{row.commit} {row.status} {row.description}".lower()
    return "baseline" in words or row.status == KEPT


def _touched(commit: Commit) -> tuple[frozenset[Touch], bool]:
    """What a commit touches, and whether that may count as an experiment."""
    code = [path for path in commit.changes if path in _TOUCHES or not path.lower().endswith(_NOTES)]
    if commit.changes and not code:
        return frozenset({"data"}), False
    if not code or any(path not in _TOUCHES for path in code):
        return frozenset(), True
    touches = frozenset(touch for path in code for touch in _TOUCHES[path])
    return touches, bool(touches - {"configuration"})


def _day(text: str) -> Interval:
    """A whole day: the experiment was made at some time of it."""
    try:
        first = Decimal(parse_date(text))
    except Refused:
        return UNKNOWN
    return Interval(first, first + 86_400)
