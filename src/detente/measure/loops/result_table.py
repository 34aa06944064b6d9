r"""The table of results that karpathy/autoresearch and its descendants keep: rows in, experiments out.

Decides how a table is read: columns from the header, whatever it is; descriptions that run over several lines; rows with
too many or too few cells; which column is the score and which direction is better. Leaves out what became of the
experiments (``autoresearch``).

1. A line without a single tab, after a row, belongs to the last column of that row. Blank lines are nothing.
2. A row with other than the header's number of cells is read by position and counted as ragged.
3. The score is ``metric_after`` where there is one, else the first column that is none of those in ``_OTHER``.
4. Better is what the score's name says; else what fits more of the loop's own keeps and drops; else unknown.

>>> table = parse_table(b"commit\tval_bpb\tstatus\tdescription\nabc\t1.0\tkeep\tfirst\n and more\n", "results.tsv")
>>> [(row.commit, row.score, row.status, row.description) for row in table.rows], table.direction
([('abc', '1.0', 'keep', 'first\n and more')], 'lower')
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from detente.base.errors import Refused, shown
from detente.measure.indicator import Remark
from detente.measure.loops.record import Direction, as_decimal

ROWS_MAX: Final = 100_000
CELLS_MAX: Final = 64
KEPT: Final = "keep"
DROPPED: Final = frozenset({"discard", "crash"})
"""The loop's own three words (its program.md). Any other word says nothing certain about what became of a row."""

_OTHER: Final = frozenset(
    "commit hash date timestamp time experiment run_id branch base_commit head_commit slice status description summary "
    "param_changed old_value new_value memory_gb metric_before delta files_changed gates_passed gates_failed".split()
)
_LOWER: Final = ("bpb", "loss", "rmse", "mse", "mae", "error", "ppl", "perplexity", "latency", "ms_per_step")
_HIGHER: Final = ("psnr", "acc", "score", "sharpe", "win_rate", "performance", "f1", "auc", "reward")
NEVER_NEGATIVE: Final = ("bpb", "rmse", "mse", "mae", "acc", "auc", "f1", "ppl", "perplexity")
"""Scores that cannot be below zero by what they are."""


@dataclass(frozen=True, slots=True)
class Row:
    """One experiment; ``line`` is where it begins in the file, ``day`` a date where the table has one."""

    line: int
    commit: str
    score: str
    status: str
    description: str
    day: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table and what is odd about it."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    score_column: str
    direction: Direction | None
    remarks: tuple[Remark, ...]


def is_table(data: bytes) -> bool:
    r"""Does the first line look like a header of such a table: tabs, and a column ``status``?

    >>> is_table(b"commit\tval_bpb\tstatus\n"), is_table(b"a,b,status\n")
    (True, False)
    """
    first = data[:4096].decode("utf-8-sig", "replace").split("\n")[0].rstrip("\r")
    return "status" in _columns(first) and first.count("\t") >= 2


def parse_table(data: bytes, name: str) -> Table:
    """Read a table; raises ``Refused`` I03 (not UTF-8, no header), I02 (too large)."""
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise Refused(
            "I03", "malformed", got=f"byte {error.start} of {shown(name)} is not UTF-8", expected="UTF-8"
        ) from None
    lines = [line.rstrip("\r") for line in lines]
    columns = _columns(lines[0])
    if not is_table(data) or len(set(columns)) != len(columns):
        raise Refused(
            "I03",
            "malformed",
            got=f"{shown(name)} begins with {shown(lines[0])}",
            expected="a header of distinct columns, with tabs between, among them status",
        )
    if len(lines) > ROWS_MAX or len(columns) > CELLS_MAX:
        raise Refused(
            "I02",
            "oversized",
            got=f"{len(lines)} lines of {len(columns)} columns in {shown(name)}",
            expected=f"at most {ROWS_MAX} lines of {CELLS_MAX} columns",
        )
    cells, continued, ragged = _records(lines, len(columns))
    score_column = _score_column(columns)
    rows = tuple(_row(line, record, columns, score_column) for line, record in cells)
    remarks = []
    if continued:
        text = f"{name}: {continued} lines continue the description of the row before; {len(rows)} records, not {len(rows) + continued}"
        remarks.append(Remark("continued-rows", "warning", text))
    if ragged:
        remarks.append(
            Remark(
                "ragged-rows",
                "warning",
                f"{name}: {ragged} rows have other than {len(columns)} cells; read by position",
            )
        )
    direction = _direction(score_column, rows, remarks, name)
    return Table(name, columns, rows, score_column, direction, tuple(remarks))


def _columns(header: str) -> tuple[str, ...]:
    return tuple(cell.strip().lower() for cell in header.split("\t"))


def _records(lines: Sequence[str], width: int) -> tuple[list[tuple[int, list[str]]], int, int]:
    cells: list[tuple[int, list[str]]] = []
    continued = ragged = 0
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        if "\t" not in line and cells and width > 2:
            cells[-1][1][-1] += "\n" + line
            continued += 1
            continue
        record = line.split("\t")
        ragged += len(record) != width
        cells.append((number, record))
    return cells, continued, ragged


def _row(line: int, record: list[str], columns: tuple[str, ...], score_column: str) -> Row:
    named = dict(zip(columns, (cell.strip() for cell in record), strict=False))

    def first(*names: str) -> str:
        return next((named[name] for name in names if named.get(name)), "")

    return Row(
        line,
        first("commit", "hash", "head_commit", "experiment", "run_id"),
        named.get(score_column, ""),
        named.get("status", ""),
        first("description", "summary"),
        first("timestamp", "date")[:10],
    )


def _score_column(columns: tuple[str, ...]) -> str:
    if "metric_after" in columns:
        return "metric_after"
    return next((column for column in columns if column not in _OTHER), "")


def _direction(column: str, rows: tuple[Row, ...], remarks: list[Remark], name: str) -> Direction | None:
    by_name: Direction | None = None
    if any(word in column for word in _LOWER):
        by_name = "lower"
    elif any(word in column for word in _HIGHER):
        by_name = "higher"
    fits: dict[Direction, int] = {"lower": _fit(rows, -1), "higher": _fit(rows, 1)}
    by_rows: Direction | None = None
    if fits["lower"] != fits["higher"]:
        by_rows = "lower" if fits["lower"] > fits["higher"] else "higher"
    if by_name and by_rows and by_name != by_rows:
        text = f"{name}: by its name {column} is better when {by_name}, but more rows were kept as if {by_rows} were better"
        remarks.append(Remark("score-direction", "warning", text))
    return by_name or by_rows


def _fit(rows: tuple[Row, ...], sign: int) -> int:
    """How many keeps improved on the best kept before, and drops did not, if ``sign`` is the better direction."""
    best: Decimal | None = None
    fit = 0
    for row in rows:
        score = as_decimal(row.score)
        if score is None or row.status not in {KEPT, "discard"}:
            continue
        better = best is not None and score * sign > best * sign
        fit += best is not None and better == (row.status == KEPT)
        if row.status == KEPT and (best is None or better):
            best = score
    return fit
