"""The drill's timeline as one SVG: a lane for each job and node, a numbered line for each turn of the story.

Meaning is never carried by colour alone: every condition has its own pattern and is written on the bar where it
fits, and the numbers on the story lines are spelled out below the picture.
"""

from __future__ import annotations

from html import escape

from detente.app.drill.record import Event, Record, Span

WIDTH = 1120
LEFT, RIGHT, TOP = 138, 18, 26
"""``TOP`` is without the rows of numbers above the lanes, each ``LEVEL`` high: as many as keep numbers apart."""
LEVEL, NUMBER_APART = 16, 19
ROW = {"story": 22, "job": 30, "node": 16}

_FILL = {
    "training": "#2f7d5b",
    "up": "#b8c4cf",
    "held": "#e6b23c",
    "halted": "#c9503c",
    "unguarded": "#5b2a86",
    "silent": "#7d8894",
    "cut": "#4a7fb5",
    "lying": "#5b2a86",
    "finished": "#d5e6dc",
}
_INK = {"held": "#2b2205", "up": "#20303c", "finished": "#1d4a36"}
_PATTERNED = {"halted", "held", "unguarded", "silent", "cut", "lying"}


def draw_timeline(record: Record) -> str:
    """The picture, as an ``<svg>`` element. Needs every lane closed (``Record.close_all``)."""
    end_s = max([span.end_s for span in record.spans] + [event.at_s for event in record.events] + [1.0])
    scale = (WIDTH - LEFT - RIGHT) / end_s
    levels = _levels(record, scale)
    top = TOP + LEVEL * (1 + max(levels, default=0))
    lanes = _stack(record, top)
    height = int(top + sum(ROW[kind] for kind in record.lanes.values()) + 34)
    parts = [
        (
            f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Timeline of the drill" '
            'xmlns="http://www.w3.org/2000/svg" font-family="inherit" font-size="12">'
        ),
        _patterns(),
        _axis(end_s, scale, top, height),
    ]
    for lane, (y, kind) in lanes.items():
        middle = y + ROW[kind] / 2
        weight = "600" if kind == "job" else "400"
        parts.append(
            f'<text x="{LEFT - 10}" y="{middle + 4:.1f}" text-anchor="end" font-weight="{weight}" '
            f'font-size="{12 if kind == "job" else 11}">{escape(lane)}</text>'
        )
    parts += [_bar(span, lanes, scale) for span in record.spans if span.lane in lanes]
    parts += _story_lines(record, levels, scale=scale, top=top, height=height)
    parts += [_mark(event, lanes, scale) for event in record.events if event.lane in lanes]
    parts.append("</svg>")
    return "\n".join(parts)


def major_events(record: Record) -> list[Event]:
    """The numbered turns of the story, in time order; the numbers in the picture are positions here, from 1."""
    return sorted((event for event in record.events if event.major), key=lambda event: event.at_s)


def draw_swatch(kind: str) -> str:
    """A small square in the fill of one condition, for the key; needs the patterns of the picture on the same page."""
    fill = f"url(#p-{kind})" if kind in _PATTERNED else _FILL[kind]
    return (
        f'<svg class="swatch" viewBox="0 0 16 16" aria-hidden="true"><rect width="16" height="16" fill="{fill}"/></svg>'
    )


def _levels(record: Record, scale: float) -> list[int]:
    """For each turn of the story the lowest row in which its number overlaps no other."""
    last: list[float] = []
    levels = []
    for event in major_events(record):
        x = event.at_s * scale
        level = next((i for i, taken in enumerate(last) if x - taken >= NUMBER_APART), len(last))
        last[level : level + 1] = [x]
        levels.append(level)
    return levels


def _stack(record: Record, top: float) -> dict[str, tuple[float, str]]:
    lanes: dict[str, tuple[float, str]] = {}
    for lane, kind in record.lanes.items():
        lanes[lane] = (top, kind)
        top += ROW[kind]
    return lanes


def _patterns() -> str:
    marks = {
        "halted": '<path d="M0 8 L8 0" stroke="#fff" stroke-width="1.6" opacity=".75"/>',
        "held": '<circle cx="4" cy="4" r="1.3" fill="#5a4300" opacity=".8"/>',
        "unguarded": '<path d="M0 0 L8 8 M0 8 L8 0" stroke="#fff" stroke-width="1.1" opacity=".7"/>',
        "lying": '<path d="M0 0 L8 8 M0 8 L8 0" stroke="#fff" stroke-width="1.1" opacity=".7"/>',
        "silent": '<path d="M4 0 L4 8" stroke="#fff" stroke-width="1.4" opacity=".7"/>',
        "cut": '<path d="M0 4 L8 4" stroke="#fff" stroke-width="1.4" opacity=".7"/>',
    }
    return (
        "<defs>"
        + "".join(
            f'<pattern id="p-{kind}" width="8" height="8" patternUnits="userSpaceOnUse">'
            f'<rect width="8" height="8" fill="{_FILL[kind]}"/>{mark}</pattern>'
            for kind, mark in marks.items()
        )
        + "</defs>"
    )


def _axis(end_s: float, scale: float, top: float, height: int) -> str:
    step = next((s for s in (1, 2, 5, 10, 20, 30, 60, 120, 300) if end_s / s <= 14), 600)
    ticks = []
    for tick in range(0, int(end_s) + 1, step):
        x = LEFT + tick * scale
        ticks.append(
            f'<line x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{height - 24}" stroke="#e3e7ea"/>'
            f'<text x="{x:.1f}" y="{height - 9}" text-anchor="middle" font-size="11" fill="#5b6670">{tick} s</text>'
        )
    return "".join(ticks)


def _bar(span: Span, lanes: dict[str, tuple[float, str]], scale: float) -> str:
    top, kind = lanes[span.lane]
    inset = 4 if kind == "job" else 3
    x, width = LEFT + span.start_s * scale, max(1.5, (span.end_s - span.start_s) * scale)
    fill = f"url(#p-{span.kind})" if span.kind in _PATTERNED else _FILL[span.kind]
    title = f"{span.lane}: {span.kind} {span.start_s:.1f} to {span.end_s:.1f} s. {span.text}".strip()
    box = (
        f'<rect x="{x:.1f}" y="{top + inset:.1f}" width="{width:.1f}" height="{ROW[kind] - 2 * inset}" rx="2" '
        f'fill="{fill}"><title>{escape(title)}</title></rect>'
    )
    label = span.kind if kind == "job" or span.kind != "up" else ""
    if not label or width < 7.2 * len(label) + 8:
        return box
    ink, y = _INK.get(span.kind, "#ffffff"), top + ROW[kind] / 2 + 4
    halo = _FILL[span.kind]
    return box + (
        f'<text x="{x + 6:.1f}" y="{y:.1f}" font-size="11" fill="{ink}" stroke="{halo}" stroke-width="3" '
        f'paint-order="stroke">{label}</text>'
    )


def _story_lines(record: Record, levels: list[int], *, scale: float, top: float, height: int) -> list[str]:
    lines = []
    for number, (event, level) in enumerate(zip(major_events(record), levels, strict=True), start=1):
        x = LEFT + event.at_s * scale
        y = top - 14 - LEVEL * level
        lines.append(
            f'<line x1="{x:.1f}" y1="{y + 8}" x2="{x:.1f}" y2="{height - 26}" stroke="#1d2b36" stroke-width="1" '
            'stroke-dasharray="3 3" opacity=".55"/>'
            f'<circle cx="{x:.1f}" cy="{y}" r="8.5" fill="#1d2b36"/>'
            f'<text x="{x:.1f}" y="{y + 4}" text-anchor="middle" font-size="10.5" fill="#fff">{number}'
            f"<title>{escape(event.title)}</title></text>"
        )
    return lines


def _mark(event: Event, lanes: dict[str, tuple[float, str]], scale: float) -> str:
    top, kind = lanes[event.lane]
    x, y = LEFT + event.at_s * scale, top + ROW[kind] / 2
    return (
        f'<path d="M{x:.1f} {y - 5:.1f} l4.5 5 l-4.5 5 l-4.5 -5 z" fill="#fff" stroke="#1d2b36">'
        f"<title>{escape(f'{event.lane} at {event.at_s:.1f} s: {event.title}')}</title></path>"
    )
