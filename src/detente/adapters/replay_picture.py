"""A replay as one picture: dates down, accords across; every state by its sign and number, never by colour alone.

Decides how it looks. The picture stands alone: title, signs explained, until when facts are known, what was counted. The same input gives the
same bytes. matplotlib comes with the extra ``measure``. ``spec/compare.md`` §5.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from detente.accord.comparison import Compared
from detente.accord.replay import Day, Replay
from detente.adapters.files import store_file
from detente.adapters.plots import INK, LINE, SOFT, can_draw
from detente.base.errors import Misuse
from detente.base.instant import show_instant

ROW, COLUMN, LEFT, TOP, FOOT = 0.36, 0.98, 3.2, 2.1, 1.45
"""Inches: of a date, of an accord, of what stands left, above and below."""
SIGNS: Final = (("triggered", "■", "#a32a1a"), ("held", "○", "#1f6b4a"), ("unknown", "?", "#8a5a00"))
FORMATS: Final = ("svg", "png")


def draw_replay(path: Path, replay: Replay, *, source: str) -> None:
    """Write the picture, as its name ends; raises ``Misuse`` without matplotlib or for another ending.

    Rows are the dates of which a fact has a label, and the last.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise Misuse(f"{path}: a picture ends in .svg or .png")
    if not can_draw():
        raise Misuse("no matplotlib here: pip install 'detente[measure]'")
    days = [day for day in replay.days if day.label or day is replay.days[-1]]
    store_file(path, _rendered(_figure(days, replay, source), kind), mode=0o644)


def _figure(days: Sequence[Day], replay: Replay, source: str) -> Any:
    from matplotlib.figure import Figure

    names = [each.accord for each in days[-1].compared]
    width, height = LEFT + COLUMN * len(names) + 0.25, TOP + ROW * len(days) + FOOT
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    _heading(axes, height, replay)
    for column, name in enumerate(names):
        x = LEFT + COLUMN * (column + 0.5)
        axes.text(x - 0.12, height - TOP + 0.12, name, fontsize=9.5, color=INK, rotation=35, ha="left", va="bottom", rotation_mode="anchor")  # fmt: skip
    for row, day in enumerate(days):
        _row(axes, height - TOP - ROW * (row + 0.5), width, day, row)
    _totals(axes, FOOT, replay, source)
    return figure


def _heading(axes: Any, height: float, replay: Replay) -> None:
    axes.text(0.15, height - 0.18, "One year of facts through published frameworks, laws and drafts", fontsize=14, weight="bold", color=INK, va="top")  # fmt: skip
    covered = "" if replay.facts.covers_to is None else f", known to {show_instant(replay.facts.covers_to)[:10]}"
    legend = (
        f"Facts{covered}. In each cell, clauses:",
        "■ n  triggered: what it asks for is so",
        "○ n  held: it is not",
        "? n·m  unknown; m of the n, because",
        "           nobody owes the input",
        "–  the text does not apply yet",
    )
    for line, text in enumerate(legend):
        axes.text(0.15, height - 0.6 - 0.21 * line, text, fontsize=9, color=SOFT if line else INK, va="top")


def _row(axes: Any, y: float, width: float, day: Day, row: int) -> None:
    if row % 2 == 0:
        axes.axhspan(y - ROW / 2, y + ROW / 2, xmin=0.01, xmax=0.99, color="#f4f6f8", zorder=0)
    axes.plot([0.1, width - 0.1], [y + ROW / 2, y + ROW / 2], color=LINE, linewidth=0.6)
    axes.text(0.15, y, show_instant(day.at)[:10], fontsize=9.5, color=SOFT, va="center", family="DejaVu Sans Mono")
    axes.text(1.08, y, day.label, fontsize=9.5, color=INK, va="center")
    for column, each in enumerate(day.compared):
        _cell(axes, LEFT + COLUMN * (column + 0.5), y, each)


def _cell(axes: Any, x: float, y: float, each: Compared) -> None:
    parts = []
    for state, sign, colour in SIGNS:
        count = each.count(state)  # type: ignore[arg-type]
        if count:
            nobody = f"·{each.nobody_owes}" if state == "unknown" and each.nobody_owes else ""
            parts.append((f"{sign}{count}{nobody}", colour, state == "triggered"))
    if not parts:
        axes.text(x, y, "–", fontsize=10, color=SOFT, ha="center", va="center")
        return
    step = 0.4
    start = x - step * (len(parts) - 1) / 2
    for number, (text, colour, heavy) in enumerate(parts):
        place = start + step * number
        if heavy:
            axes.text(place, y, text, fontsize=9.5, color="white", weight="bold", ha="center", va="center",
                      bbox={"boxstyle": "round,pad=0.18", "facecolor": colour, "edgecolor": colour})  # fmt: skip
        else:
            axes.text(place, y, text, fontsize=9.5, color=colour, ha="center", va="center")


def _totals(axes: Any, top: float, replay: Replay, source: str) -> None:
    last = replay.days[-1]
    known = sum(each.count(state) for each in last.compared for state in ("triggered", "held"))
    sentence = (
        f"At the end: of {known + replay.unknown} clauses in effect {known} can be told from what is public and {replay.unknown} cannot; "
        f"{replay.nobody_owes} of these because nobody owes the input."
    )
    axes.text(0.15, top - 0.2, sentence, fontsize=10.5, weight="bold", color=INK, va="top")
    unasked = ", ".join(replay.unasked)
    lines = (
        *((f"Published, and asked for by no clause of any of these texts: {unasked}.",) if unasked else ()),
        "Clauses, not frameworks, are counted. Thresholds rest on different baselines and are never compared with one another. Whether a text applies to anybody is not decided.",
        f"coordinated-pause, screened-review, solo and miri-2025 bind nobody and are shown as if they did.   {source}",
    )
    for line, text in enumerate(lines):
        axes.text(0.15, top - 0.5 - 0.21 * line, text, fontsize=8.5, color=SOFT, va="top")


def _rendered(figure: Any, kind: str) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "replay", "svg.fonttype": "path", "font.family": "DejaVu Sans"}):
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        figure.savefig(out, format=kind, dpi=140, metadata=metadata)
    return out.getvalue()
