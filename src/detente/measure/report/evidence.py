"""The lower half of the page: rows of every ledger, each with its digest, and points of every series.

Decides how many rows stand on the page (``anchors.ROWS_ON_PAGE``) and how the rest is found: a file beside the page whose SHA-256 is the
ledger's digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from detente.base.page import safe
from detente.measure.indicator import LISTED, Exclusion, Ledger, Result, Series
from detente.measure.report.anchors import ROWS_ON_PAGE, Anchors
from detente.measure.report.markup import table

CommitLink = Callable[[str], str]
"""A commit → the address of its page at the forge, or empty."""
_COMMIT = re.compile(r"[0-9a-f]{7,40}\Z", re.ASCII)


def overflowing(results: tuple[Result, ...]) -> list[tuple[int, Ledger]]:
    """The ledgers, by number of their result, of which the page shows a part only."""
    return [
        (i, ledger) for i, result in enumerate(results) for ledger in result.ledgers if len(ledger.rows) > ROWS_ON_PAGE
    ]


def ledger_section(number: int, ledger: Ledger, anchors: Anchors, link: CommitLink) -> str:
    """One ledger, folded: its digest, its first rows, and where all of them are."""
    name = anchors.ledger(number, ledger.name)
    rows = ledger.rows[:ROWS_ON_PAGE]
    commits = {
        column for column, title in enumerate(ledger.columns) if "commit" in title or title in {"sha", "head", "merge"}
    }
    body = [[_cell(cell, link if column in commits else None) for column, cell in enumerate(row)] for row in rows]
    ids = [anchors.row(number, ledger.name, row) for row in range(len(rows))]
    count = f"{len(ledger.rows):,} row{'' if len(ledger.rows) == 1 else 's'}"
    more = ""
    if len(ledger.rows) > len(rows):
        file = anchors.file(number, ledger.name)
        more = (
            f'<p>The first {len(rows)} of {count} stand here; all of them are in <a href="evidence/{file}">evidence/{file}</a>, '
            f"whose SHA-256 is the digest.</p>"
        )
    return (
        f'<details id="{name}"><summary>{safe(ledger.title)} ({count})</summary>'
        f'<p class="sub">digest <code>{ledger.digest()}</code></p>{more}'
        f"{table([safe(column) for column in ledger.columns], body, ids=ids)}</details>"
    )


def series_section(number: int, series: Series, anchors: Anchors) -> str:
    """The points of one series; each leads on to the rows below it."""
    rows = []
    for point, (at, low, high) in enumerate(series.points):
        there = anchors.evidence(number, series, point)
        rows.append([f'<a href="#{there}">{safe(at)}</a>', _value(low, series.unit), _value(high, series.unit)])
    ids = [anchors.point(number, series.name, point) for point in range(len(series.points))]
    head = ["at", f"at least, {safe(series.unit)}", f"at most, {safe(series.unit)}"]
    return (
        f'<details id="{anchors.series(number, series.name)}"><summary>{safe(series.title)}: the points '
        f"({len(series.points)})</summary>{table(head, rows, numeric=frozenset({1, 2}), ids=ids)}</details>"
    )


def exclusion_section(number: int, which: int, exclusion: Exclusion, anchors: Anchors, link: CommitLink) -> str:
    """What one count of things left out counts: names as far as they were kept, with the total, else how it was counted."""
    names = exclusion.examples
    total = f"{exclusion.count:,} {exclusion.what}"
    commits = sum(name.startswith(_IN_COMMIT) for name in names)
    if not names:
        said = "Counted while reading, each for this reason alone; no name of one was kept."
    elif commits == len(names) and "commit" not in exclusion.what:
        said = f"They are in these commits{'' if len(names) < LISTED else ' and perhaps in others'}:"
    elif len(names) < exclusion.count:
        said = f"{len(names):,} of them by name:"
    else:
        said = "All of them:"
    items = "".join(f"<li>{_name(name, link)}</li>" for name in names)
    return (
        f'<details id="{anchors.exclusion(number, which)}"><summary>Left out: {safe(total)}</summary>'
        f"<p>{safe(exclusion.why)}. {said}</p>{f'<ul>{items}</ul>' if items else ''}</details>"
    )


_IN_COMMIT = "commit "


def _name(name: str, link: CommitLink) -> str:
    sha = name.removeprefix(_IN_COMMIT)
    if sha != name and _COMMIT.match(sha) and (there := link(sha)):
        return f'commit <a href="{safe(there)}"><code>{safe(sha)}</code></a>'
    return safe(name)


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value * 100:.2f} %" if unit == "share" else f"{value:.6g}"


def _cell(cell: str | float | bool | None, link: CommitLink | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.6g}"
    text = safe(cell)
    if link is not None and _COMMIT.match(text) and (there := link(text)):
        return f'<a href="{safe(there)}"><code>{text[:12]}</code></a>'
    return text
