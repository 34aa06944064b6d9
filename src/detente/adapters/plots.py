"""Plots as SVG: bands over time, parts of a whole, points with intervals on a logarithmic axis.

Decides how a series looks. Each plot stands alone: title, axes with units, source, n. Meaning is never by colour alone: ends of an interval
differ by line and mark, parts by hatching and a label beside them. Points are links. The same input gives the same bytes: no date, and
identifiers from the plot's own name. matplotlib comes with the extra ``measure``; without it ``can_draw`` is false. ``spec/measure.md`` §4.
"""

from __future__ import annotations

import importlib.util
import io
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from detente.measure.indicator import Series

INK, SOFT, LINE = "#1d2b36", "#5b6670", "#dde3e8"
PARTS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#f0e442")
"""Okabe and Ito's colours, told apart with any colour vision; hatching tells them apart without."""
HATCHES: Final = ("", "//", "\\\\", "--", "xx", "||", "++", "/")
PARTS_MAX: Final = len(PARTS)
"""More parts than that nobody tells apart: the smallest become one, named so."""
LOGARITHMIC: Final = frozenset({"minutes", "FLOP"})
_TICKS_MAX: Final = 9
_MINUTES: Final = (
    (1 / 600, "0.1 s"),
    (1 / 60, "1 s"),
    (1 / 6, "10 s"),
    (1, "1 min"),
    (4, "4 min"),
    (15, "15 min"),
    (60, "1 h"),
    (240, "4 h"),
    (960, "16 h"),
    (2400, "40 h"),
    (9600, "160 h"),
)
_DATE: Final = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?\Z", re.ASCII)

Link = Callable[[str, int], str]
"""Where a point leads: (name of the series, number of the point) → address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What a plot says about itself: an identifier for its parts, a title, where it is from, how many items."""

    name: str
    title: str
    source: str
    n: str


def can_draw() -> bool:
    """Is matplotlib here?"""
    return importlib.util.find_spec("matplotlib") is not None


def draw_band(series: Series, caption: Caption, link: Link) -> bytes:
    """One interval over time, or over labels: the least as a solid line with dots, the most as a dashed one with triangles."""
    figure, axes = _canvas(caption, f"{series.title}, {_unit(series.unit)}")
    places, _ = _places(axes, [[at for at, _, _ in series.points]])
    factor = 100 if series.unit == "share" else 1
    lows = [None if low is None else low * factor for _, low, _ in series.points]
    highs = [None if high is None else high * factor for _, _, high in series.points]
    where = [low is not None and high is not None for low, high in zip(lows, highs, strict=True)]
    if lows != highs:
        axes.fill_between(places, _filled(lows), _filled(highs), where=where, facecolor="#0072b222", linewidth=0)
    _line(axes, places, lows, "o-", "at least" if lows != highs else "", lambda i: link(series.name, i), right=PARTS[0])
    if lows != highs:
        _line(axes, places, highs, "^--", "at most", lambda i: link(series.name, i), right=PARTS[5])
    _scale(axes, series.unit, [v for v in (*lows, *highs) if v is not None])
    return _svg(figure, caption)


def draw_parts(series: Sequence[Series], caption: Caption, link: Link) -> bytes:
    """Parts of one whole over time, stacked by their lower ends, the largest lowest."""
    labels = sorted({at for each in series for at, _, _ in each.points}, key=_order)
    parts = [(each, {at: low or 0.0 for at, low, _ in each.points}) for each in series]
    parts.sort(key=lambda part: (-sum(part[1].values()), part[0].name))
    factor = 100 if series and series[0].unit == "share" else 1
    figure, axes = _canvas(caption, _unit(series[0].unit if series else "count"))
    places, width = _places(axes, [labels])
    floor = [0.0] * len(labels)
    rows = [
        (each.title, each, [values.get(at, 0.0) * factor for at in labels]) for each, values in parts[: PARTS_MAX - 1]
    ]
    rest = parts[PARTS_MAX - 1 :]
    if rest:
        rows.append(
            (f"{len(rest)} others", rest[0][0], [sum(v.get(at, 0.0) for _, v in rest) * factor for at in labels])
        )
    for number, (title, each, heights) in enumerate(rows):
        bars = axes.bar(
            places,
            heights,
            width=width,
            bottom=floor,
            color=PARTS[number],
            edgecolor=INK,
            hatch=HATCHES[number],
            linewidth=0.4,
            label=title,
        )
        indices = {at: index for index, (at, _, _) in enumerate(each.points)}
        for bar, at in zip(bars, labels, strict=True):
            if at in indices:
                bar.set_url(link(each.name, indices[at]))
        floor = [below + height for below, height in zip(floor, heights, strict=True)]
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, fontsize=8)
    _scale(axes, series[0].unit if series else "count", floor)
    return _svg(figure, caption)


def draw_lines(series: Sequence[Series], caption: Caption, link: Link) -> bytes:
    """The lower ends of several series over the same labels, each with a mark of its own and its name beside its last point."""
    figure, axes = _canvas(
        caption, f"{series[0].title if series else ''}, {_unit(series[0].unit) if series else ''}", right=0.72
    )
    labels = sorted({at for each in series for at, _, _ in each.points}, key=_order)
    index = {at: float(number) for number, at in enumerate(labels)}
    _places(axes, [labels])
    marks, dashes = "os^Dv<>Phd", ("-", "--", "-.", ":")
    ends: list[tuple[float, str]] = []
    for number, each in enumerate(series):
        factor = 100 if each.unit == "share" else 1
        points = [(index[at], low * factor, i) for i, (at, low, _) in enumerate(each.points) if low is not None]
        if not points:
            continue
        colour = PARTS[number % (PARTS_MAX - 1)]
        axes.plot([x for x, _, _ in points], [y for _, y, _ in points], dashes[number % 4], color=colour, linewidth=1.3)
        dots = axes.scatter([x for x, _, _ in points], [y for _, y, _ in points], marker=marks[number % 10], s=20, color=colour, zorder=3,
                            label=each.name)  # fmt: skip
        dots.set_urls([link(each.name, i) for _, _, i in points])
        ends.append((points[-1][1], each.name))
    _scale(
        axes,
        series[0].unit if series else "count",
        [low for each in series for _, low, _ in each.points if low is not None],
    )
    handles, names = axes.get_legend_handles_labels()
    last = {name: end for end, name in ends}
    order = sorted(range(len(names)), key=lambda at: -last[names[at]])
    axes.legend([handles[at] for at in order], [names[at] for at in order], loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False,
                fontsize=8)  # fmt: skip
    return _svg(figure, caption)


def draw_intervals(rows: Sequence[tuple[str, float, float, str]], caption: Caption, unit: str, link: Link) -> bytes:
    """An interval for each of several subjects, one below the other: name, ends, and what stands beside them (n)."""
    figure, axes = _canvas(caption, _unit(unit), height=0.9 + 0.32 * max(len(rows), 4), left=0.27, right=0.86)
    factor = 100 if unit == "share" else 1
    for number, (name, low, high, beside) in enumerate(rows):
        place = len(rows) - 1 - number
        axes.plot(
            [low * factor, high * factor],
            [place, place],
            color=PARTS[0],
            linewidth=5,
            alpha=0.25,
            solid_capstyle="butt",
        )
        for end, mark, colour in ((low, "o", PARTS[0]), (high, "|", PARTS[5])):
            dot = axes.scatter([end * factor], [place], marker=mark, s=34, color=colour, zorder=3)
            dot.set_urls([link(name, number)])
        axes.annotate(beside, (1.01, place), xycoords=("axes fraction", "data"), fontsize=8, color=SOFT, va="center")
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows][::-1])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.grid(visible=False, axis="y")
    if unit == "share":
        axes.set_xlim(-1, 101)
        axes.set_xticks(range(0, 101, 20), [f"{tick} %" for tick in range(0, 101, 20)])
    return _svg(figure, caption)


def draw_points(series: Sequence[Series], caption: Caption, link: Link) -> bytes:
    """Intervals at dates on a logarithmic axis; a series whose name ends in ``trend`` is a line through them."""
    figure, axes = _canvas(caption, f"{series[0].title if series else ''}, {_unit(series[0].unit) if series else ''}")
    scattered = [each for each in series if not each.name.endswith("trend")]
    marks = "os^Dv"
    all_places, _ = _places(axes, [[at for at, _, _ in each.points] for each in series], flat=False)
    by_series = dict(zip([each.name for each in series], all_places, strict=True))
    values: list[float] = []
    for number, each in enumerate(scattered):
        colour = PARTS[number % PARTS_MAX]
        drawn: list[tuple[float, float, int]] = []
        for index, ((_, low, high), place) in enumerate(zip(each.points, by_series[each.name], strict=True)):
            ends = [end for end in (low, high) if end is not None and end > 0]
            if not ends:
                continue
            values += ends
            if len(ends) == 2:
                axes.plot([place, place], ends, color=colour, linewidth=1.1, alpha=0.7)
            elif low is not None:  # no upper end: an arrow says that it goes on
                axes.annotate(
                    "", (place, ends[0] * 3), (place, ends[0]), arrowprops={"arrowstyle": "->", "color": colour}
                )
            middle = (ends[0] * ends[-1]) ** 0.5
            drawn.append((place, middle, index))
        if drawn:
            dots = axes.scatter([d[0] for d in drawn], [d[1] for d in drawn], marker=marks[number % 5], s=26, color=colour, edgecolor=INK,
                                linewidth=0.5, zorder=3, label=each.title)  # fmt: skip
            dots.set_urls([link(each.name, index) for _, _, index in drawn])
    for each in series:
        if each.name.endswith("trend"):
            pairs = [
                (x, low) for x, (_, low, _) in zip(by_series[each.name], each.points, strict=True) if low and low > 0
            ]
            axes.plot([x for x, _ in pairs], [y for _, y in pairs], "--", color=INK, linewidth=1.2, label=each.title)
    axes.set_yscale("log")
    _log_ticks(axes, series[0].unit if series else "", values)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    return _svg(figure, caption)


def _canvas(
    caption: Caption, label: str, *, height: float = 3.5, left: float = 0.08, right: float = 0.87
) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, height))
    axes = figure.subplots()
    figure.text(0.01, 1 - 0.12 / height, caption.title, fontsize=11.5, weight="bold", color=INK, va="top")
    figure.text(0.01, 1 - 0.4 / height, label, fontsize=8.5, color=SOFT, va="top")
    figure.text(0.01, 0.06 / height, f"{caption.source} · {caption.n}", fontsize=7.5, color=SOFT)
    figure.subplots_adjust(left=left, right=right, top=1 - 0.7 / height, bottom=0.66 / height)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(SOFT)
    axes.tick_params(colors=SOFT, labelsize=8)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _places(axes: Any, labels: Sequence[Sequence[str]], *, flat: bool = True) -> tuple[Any, float]:
    """Where labels stand: dates at their day, anything else side by side in the order given. And a width for bars."""
    days = [[_day(at) for at in each] for each in labels]
    if all(day is not None for each in days for day in each) and any(days):
        numbers = sorted({float(day) for each in days for day in each if day is not None})
        gap = min((after - before for before, after in itertools.pairwise(numbers)), default=30.0)
        _date_ticks(axes, numbers)
        found: list[list[float]] = [[float(day) for day in each if day is not None] for each in days]
        return (found[0] if flat else found), gap * 0.82
    names = list(dict.fromkeys(at for each in labels for at in each))
    index = {name: float(number) for number, name in enumerate(names)}
    step = max(1, -(-len(names) // _TICKS_MAX))
    axes.set_xticks([index[name] for name in names[::step]], [name[:16] for name in names[::step]])
    axes.set_xlim(-0.6, max(0, len(names) - 1) + 0.6)
    placed = [[index[at] for at in each] for each in labels]
    return (placed[0] if flat else placed), 0.82


def _day(at: str) -> int | None:
    match = _DATE.match(at)
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2]), int(match[3] or 1)).toordinal()
    except ValueError:
        return None


def _order(at: str) -> tuple[int, str]:
    return (_day(at) or 0, at)


def _date_ticks(axes: Any, numbers: Sequence[float]) -> None:
    first, last = date.fromordinal(int(numbers[0])), date.fromordinal(int(numbers[-1]))
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    step = next((each for each in (1, 2, 3, 6, 12, 24, 60) if months / each <= _TICKS_MAX), 120)
    ticks, year, month = [], first.year, first.month
    while date(year, month, 1) <= last:
        if (year * 12 + month - 1) % step == 0:
            ticks.append(date(year, month, 1))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    axes.set_xticks(
        [tick.toordinal() for tick in ticks], [f"{t.year}" if step >= 12 else f"{t.year}-{t.month:02d}" for t in ticks]
    )


def _line(
    axes: Any, places: Any, values: list[float | None], style: str, label: str, url: Callable[[int], str], *, right: str
) -> None:
    known = [(x, y, i) for i, (x, y) in enumerate(zip(places, values, strict=True)) if y is not None]
    if not known:
        return
    axes.plot([k[0] for k in known], [k[1] for k in known], style[1:], color=right, linewidth=1.4)
    dots = axes.scatter([k[0] for k in known], [k[1] for k in known], marker=style[0], s=16, color=right, zorder=3)
    dots.set_urls([url(k[2]) for k in known])
    if label:
        axes.annotate(label, (known[-1][0], known[-1][1]), xytext=(20, 5 if style[0] == "^" else -5), textcoords="offset points", fontsize=8.5, color=right, va="center",
                      annotation_clip=False)  # fmt: skip


def _filled(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _scale(axes: Any, unit: str, values: Sequence[float]) -> None:
    if unit == "share":
        axes.set_ylim(0, 102)
        axes.set_yticks(range(0, 101, 20), [f"{tick} %" for tick in range(0, 101, 20)])
    elif values and min(values) >= 0:
        axes.set_ylim(0, max(values) * 1.06 or 1)


def _log_ticks(axes: Any, unit: str, values: Sequence[float]) -> None:
    if unit == "minutes" and values:
        inside = [(at, name) for at, name in _MINUTES if min(values) / 3 <= at <= max(values) * 3]
        axes.set_yticks([at for at, _ in inside], [name for _, name in inside])
        axes.minorticks_off()


def _unit(unit: str) -> str:
    return {"share": "per cent", "minutes": "time that people need, logarithmic", "FLOP": "FLOP, logarithmic"}.get(
        unit, unit
    )


def _svg(figure: Any, caption: Caption) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": caption.name, "svg.fonttype": "none", "font.family": "DejaVu Sans"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Title": caption.title})
    return own_names(out.getvalue().decode("utf-8"), caption.name).encode("utf-8")


def own_names(svg: str, name: str) -> str:
    """The picture alone, without a document around it, its identifiers its own on a page; links to elsewhere stay."""
    text = svg[svg.index("<svg") :]
    prefix = re.sub(r"[^A-Za-z0-9]+", "-", name)
    own = set(re.findall(r'\bid="([^"]+)"', text))
    text = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{prefix}-{m[1]}"', text)
    text = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{prefix}-{m[1]})" if m[1] in own else m[0], text)
    return re.sub(r'href="#([^"]+)"', lambda m: f'href="#{prefix}-{m[1]}"' if m[1] in own else m[0], text)
