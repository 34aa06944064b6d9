"""Small pictures in SVG: an interval against a bound, scores in order, a tree of versions.

Decides the geometry. Colours are the style sheet's, by class; every picture has a title that says in words what it shows, and
the table beside it has every number. Coordinates are rounded to a tenth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import log10
from typing import Any, Final

from markupsafe import Markup

_WIDTH, _HEIGHT = 150.0, 26.0
_LEFT, _RIGHT = 6.0, 144.0
_SIGNS: Final = {"at_least": "at least", "more_than": "more than", "at_most": "at most", "less_than": "less than"}


def gauge(row: dict[str, Any]) -> Markup:
    """What is known of an indicator, as a bar, and where its trigger lies, as a line; logarithmic where it spans much.

    An end that is not known runs out of the picture and is dashed.
    """
    bound = float(Decimal(row["bound"]))
    low = None if row["low"] is None else float(Decimal(row["low"]))
    high = None if row["high"] is None else float(Decimal(row["high"]))
    known = [value for value in (low, high, bound) if value is not None]
    scale = _scale(known)
    left = _LEFT if low is None else scale(low)
    right = _RIGHT if high is None else scale(high)
    said = (
        "nothing is known"
        if low is None and high is None
        else f"known from {_said(row['low'])} to {_said(row['high'])}"
    )
    title = f"{said}; the trigger asks for {_SIGNS[row['how']]} {row['bound']}"
    bar = Markup('<rect class="{}" x="{:.1f}" y="9" width="{:.1f}" height="8" rx="1"/>').format(
        "known" if low is not None and high is not None else "open", left, max(3.0, right - left)
    )
    return Markup(
        '<svg class="gauge" viewBox="0 0 150 26" role="img" aria-label="{}"><line class="axis" x1="{}" y1="22" x2="{}" y2="22"/>{}'
        '<line class="bound" x1="{at:.1f}" y1="3" x2="{at:.1f}" y2="22"/></svg>'
    ).format(title, _LEFT, _RIGHT, bar, at=scale(bound))


def portion(part: Mapping[str, Any], title: str) -> Markup:
    """A share that lies between ``low`` and ``high`` of 0 to 1, as a bar on a line from nothing to all; without an end, nothing is known."""
    known = part["low"] is not None and part["high"] is not None
    low, high = (float(Decimal(part["low"])), float(Decimal(part["high"]))) if known else (0.0, 1.0)
    left, right = (_LEFT + end * (_RIGHT - _LEFT) for end in (low, high))
    return Markup(
        '<svg class="gauge" viewBox="0 0 150 26" role="img" aria-label="{}"><line class="axis" x1="{}" y1="22" x2="{}" y2="22"/>'
        '<rect class="{}" x="{:.1f}" y="9" width="{:.1f}" height="8" rx="1"/></svg>'
    ).format(title, _LEFT, _RIGHT, "known" if known else "open", left, max(3.0, right - left))


def _said(value: str | None) -> str:
    return "an unknown end" if value is None else value


def _scale(values: Sequence[float]) -> Any:
    """From a value to a place; the values span the middle four fifths."""
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > 50

    def place(value: float) -> float:
        return log10(max(value, low)) if logarithmic else value

    first, last = place(low), place(high)
    span = (last - first) or abs(last) or 1.0
    first, span = first - span * 0.125, span * 1.25
    if low == high:
        first, span = place(low) - 1.0, 2.0

    def at(value: float) -> float:
        return min(_RIGHT, max(_LEFT, _LEFT + (place(value) - first) / span * (_RIGHT - _LEFT)))

    return at


def plot(points: Sequence[dict[str, Any]], title: str) -> Markup:
    """Scores in order, joined by a line, the last one ringed; ``points`` have ``score`` and ``label``."""
    values = [float(Decimal(each["score"])) for each in points]
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    width, height, left, top = 460.0, 130.0, 56.0, 14.0

    def place(number: int, value: float) -> tuple[float, float]:
        across = left + (width - left - 16) * (number / max(1, len(values) - 1) if len(values) > 1 else 0.5)
        return across, top + (height - top - 22) * (1 - (value - low) / span)

    places = [place(number, value) for number, value in enumerate(values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = Markup("").join(
        Markup('<circle class="known" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>').format(
            x, y, 5 if number == len(places) - 1 else 3, f"{each['label']}: {each['score']}"
        )
        for number, ((x, y), each) in enumerate(zip(places, points, strict=True))
    )
    return Markup(
        '<svg class="plot" viewBox="0 0 460 130" width="460" height="130" role="img" aria-label="{}">'
        '<line class="axis" x1="{left}" y1="{foot}" x2="450" y2="{foot}"/><line class="axis" x1="{left}" y1="10" x2="{left}" y2="{foot}"/>'
        '<text x="{edge}" y="{top}" text-anchor="end">{}</text><text x="{edge}" y="{foot}" text-anchor="end">{}</text>'
        '<polyline class="line" points="{}"/>{}</svg>'
    ).format(
        title, _number(high), _number(low), line, dots, left=left - 6, foot=height - 16, edge=left - 10, top=top + 4
    )


def _number(value: float) -> str:
    return f"{value:.4g}"


_BOX_W, _BOX_H, _GAP_X, _GAP_Y = 128.0, 34.0, 18.0, 34.0


def tree(rows: Sequence[dict[str, Any]]) -> Markup:
    """Versions in rows by generation, each a box that leads to its page, with lines to the parents in the picture."""
    levels = sorted({row["generation"] for row in rows})
    by_level = {level: [row for row in rows if row["generation"] == level] for level in levels}
    width = max(len(each) for each in by_level.values()) * (_BOX_W + _GAP_X) + 8
    height = len(levels) * (_BOX_H + _GAP_Y) - _GAP_Y + 12
    places: dict[str, tuple[float, float]] = {}
    for number, level in enumerate(levels):
        row = by_level[level]
        left = (width - len(row) * (_BOX_W + _GAP_X) + _GAP_X) / 2
        for column, each in enumerate(row):
            places[each["version"]] = (left + column * (_BOX_W + _GAP_X), 6 + number * (_BOX_H + _GAP_Y))
    lines = Markup("").join(
        _line(places[parent], places[row["version"]]) for row in rows for parent in row["parents"] if parent in places
    )
    boxes = Markup("").join(_box(row, *places[row["version"]]) for row in rows)
    return Markup(
        '<svg class="tree" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}" role="group" aria-label="{n} versions around this one">{}{}</svg>'
    ).format(lines, boxes, w=width, h=height, n=len(rows))


def _line(above: tuple[float, float], below: tuple[float, float]) -> Markup:
    x1, y1, x2, y2 = above[0] + _BOX_W / 2, above[1] + _BOX_H, below[0] + _BOX_W / 2, below[1]
    middle = (y1 + y2) / 2
    return Markup('<path class="edge" d="M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}"/>').format(
        x1, y1, x1, middle, x2, middle, x2, y2
    )


def _box(row: dict[str, Any], x: float, y: float) -> Markup:
    kind = row["proposer"] if row["proposer"] in {"model", "human", "undeclared"} else "undeclared"
    here = " here" if row["generation"] == 0 else ""
    words = f"version {row['version'][:12]}, proposed by {row['proposer']}"
    return Markup(
        '<a href="/versions/{}" aria-label="{}"><rect class="node {}{}" x="{x:.1f}" y="{y:.1f}" width="{w}" height="{h}" rx="4"/>'
        '<text x="{tx:.1f}" y="{ty:.1f}" text-anchor="middle">{}</text></a>'
    ).format(
        row["version"],
        words,
        kind,
        here,
        f"{row['version'][:10]}…",
        x=x,
        y=y,
        w=_BOX_W,
        h=_BOX_H,
        tx=x + _BOX_W / 2,
        ty=y + 21,
    )
