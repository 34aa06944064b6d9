"""Where everything on a page stands, so that a number, a point of a plot and a row can lead to one another.

Decides identifiers and which row a point of a series leads to: the first row of its ledger whose cell of time begins with the point's own
label, else the ledger.

>>> ledger = Ledger("commits", "Commits", ("commit", "date"), (("a", "2025-01-02"), ("b", "2025-02-01")))
>>> series = Series("share", "Share", "share", (("2025-02", 0.1, 0.2),), ledger="commits")
>>> Anchors([Result("authorship", "x", ledgers=(ledger,), series=(series,))]).evidence(0, series, 0)
'e-authorship-commits-1'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from detente.measure.indicator import Ledger, Result, Series
from detente.measure.report.markup import Names

ROWS_ON_PAGE: Final = 200
"""Rows of one ledger that a browser shows at once without effort; the rest stands in files beside the page."""
_TIMES: Final = (
    "date",
    "day",
    "at",
    "month",
    "quarter",
    "half",
    "period",
    "released",
    "release date",
    "release_date",
    "merged",
    "when",
)


class Anchors:
    """Identifiers for the results of one page; the position of a result is its number."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = results
        self._names = Names()
        seen: dict[str, int] = {}
        self.keys: list[str] = []
        for result in results:
            seen[result.measure] = seen.get(result.measure, 0) + 1
            self.keys.append(
                result.measure if seen[result.measure] == 1 else f"{result.measure}-{seen[result.measure]}"
            )

    def section(self, number: int) -> str:
        return self._names.name("m", self.keys[number])

    def inputs(self, number: int) -> str:
        return self._names.name("i", self.keys[number])

    def ledger(self, number: int, name: str) -> str:
        return self._names.name("e", self.keys[number], name)

    def row(self, number: int, name: str, row: int) -> str:
        return f"{self.ledger(number, name)}-{row}"

    def series(self, number: int, name: str) -> str:
        return self._names.name("s", self.keys[number], name)

    def point(self, number: int, name: str, point: int) -> str:
        return f"{self.series(number, name)}-{point}"

    def exclusion(self, number: int, which: int) -> str:
        return self._names.name("x", self.keys[number], str(which))

    def file(self, number: int, name: str) -> str:
        """The name of the file with all rows of a ledger, below ``evidence/``."""
        return f"{self.ledger(number, name).removeprefix('e-')}.jsonl"

    def evidence(self, number: int, series: Series, point: int) -> str:
        """Where the rows below a point of a series begin; its ledger, else what was read."""
        at = series.points[point][0]
        ledger = None if series.ledger is None else self._results[number].ledger(series.ledger)
        if ledger is None:  # a ledger with one row for each label, if there is one
            return next(
                (
                    self.row(number, each.name, row)
                    for each in self._results[number].ledgers
                    for row, cells in enumerate(each.rows[:ROWS_ON_PAGE])
                    if cells and cells[0] == at
                ),
                self.inputs(number),
            )
        found = _row_at(ledger, at)
        if found is None or found >= ROWS_ON_PAGE:
            return self.ledger(number, ledger.name)
        return self.row(number, ledger.name, found)


def _row_at(ledger: Ledger, at: str) -> int | None:
    column = next((ledger.columns.index(name) for name in _TIMES if name in ledger.columns), None)
    if column is None:
        return None
    for number, row in enumerate(ledger.rows):
        cell = str(row[column])
        if cell.startswith(at) or (at[4:5] == "H" and cell.startswith(at[:4]) and _half(cell) == at[5:6]):
            return number
    return None


def _half(day: str) -> str:
    return "1" if day[5:7] <= "06" else "2"
