"""Tables of a page, and identifiers on it that cannot collide. Text is made safe by ``base.page``.

>>> names = Names()
>>> names.name("e", "a/b"), names.name("e", "a b"), names.name("e", "a/b")
('e-a-b', 'e-a-b-2', 'e-a-b')
"""

from __future__ import annotations

import re


class Names:
    """Identifiers on one page: the same parts give the same one, others never."""

    def __init__(self) -> None:
        self._by_parts: dict[tuple[str, ...], str] = {}
        self._taken: set[str] = set()

    def name(self, *parts: str) -> str:
        if parts not in self._by_parts:
            base = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(parts)).strip("-")[:80] or "x"
            made, number = base, 1
            while made in self._taken:
                number += 1
                made = f"{base}-{number}"
            self._taken.add(made)
            self._by_parts[parts] = made
        return self._by_parts[parts]


def table(
    head: list[str],
    rows: list[list[str]],
    *,
    numeric: frozenset[int] = frozenset(),
    tight: frozenset[int] = frozenset(),
    ids: list[str] | None = None,
) -> str:
    """A table of cells that are HTML already; ``numeric`` columns stand right, ``tight`` ones do not break, ``ids`` are those of the rows."""
    kinds = [" ".join(["num"] * (column in numeric) + ["tight"] * (column in tight)) for column in range(len(head))]
    css = [f' class="{kind}"' if kind else "" for kind in kinds]
    top = "".join(f"<th{css[column]}>{cell}</th>" for column, cell in enumerate(head))
    body = []
    for number, row in enumerate(rows):
        mark = f' id="{ids[number]}"' if ids is not None and number < len(ids) else ""
        body.append(
            f"<tr{mark}>" + "".join(f"<td{css[column]}>{cell}</td>" for column, cell in enumerate(row)) + "</tr>"
        )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
