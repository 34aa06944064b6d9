"""A drill's page while it runs: the report as far as it has come, who does what now, and the way to each party's own pages.

Decides what stands there. Leaves the parts of the story to ``report``, and serving to ``server``. The page is whole without a script:
reload it. With the script that nodes' pages have, it follows ``events``.

>>> "has begun" in write_live(None, css="/report.css", script="/page.js", icon="/icon.svg", events="/events")
True
"""

from __future__ import annotations

from html import escape
from typing import Final

from detente.app.drill.record import LaneKind, SpanKind
from detente.app.drill.report import drawn_from, whole_story
from detente.app.drill.showing import Picture
from detente.app.drill.timeline import draw_swatch

MEANS: Final[dict[SpanKind, str]] = {
    "up": "answers",
    "training": "trains under a permit",
    "held": "is held: a successor waits for a human",
    "halted": "has stopped with a checkpoint",
    "unguarded": "trains without a guard",
    "silent": "does not answer",
    "cut": "is cut off from the network",
    "lying": "lies",
    "finished": "is done, bit-equal to a run that nothing interrupted",
}
_KINDS: Final[tuple[tuple[LaneKind, str], ...]] = (("job", "Jobs"), ("node", "Parties and their nodes"))


def write_live(picture: Picture | None, *, css: str, script: str, icon: str, events: str) -> str:
    """The whole page; the other arguments are paths at which its style, script, icon and events are served."""
    over = picture is not None and picture.over
    said = "the drill has begun: this machine is being measured" if picture is None else picture.said
    live = "" if over else f' data-live="{escape(events)}"'
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f"<title>{_word(picture)} · Détente drill</title>",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<link rel="icon" href="{escape(icon)}" type="image/svg+xml"><link rel="stylesheet" href="{escape(css)}">',
            f'<script src="{escape(script)}" defer></script></head><body>',
            '<a class="skip" href="#main">Skip to content</a>',
            f'<main id="main" tabindex="-1"{live} data-said="{escape(said)}">',
            "<h1>Détente drill</h1>",
            *([f'<p class="verdict running">{escape(said)}</p>'] if picture is None else _body(picture)),
            "</main>",
            "<noscript><p>Reload this page to see what has happened since.</p></noscript>",
            '<footer><p class="sub" role="status" id="live"></p></footer></body></html>',
            "",
        ]
    )


def _word(picture: Picture | None) -> str:
    if picture is None or not picture.over:
        return "Running"
    return "Passed" if picture.record.passed else "FAILED"


def _body(picture: Picture) -> list[str]:
    record = picture.record
    held = sum(check.ok for check in record.checks)
    counted = f"{held} of {len(record.checks)} checks held"
    if not picture.over:
        css, verdict = "running", f"Running for {picture.at_s:.0f} s: {counted} so far"
    else:
        css = "held" if record.passed else "failed"
        verdict = f"{_word(picture)}: {counted} in {picture.at_s:.0f} s"
    return [
        drawn_from(record),
        f'<p class="verdict {css}">{verdict}</p>',
        f"<p>{'At the end' if picture.over else 'Now'}: {escape(picture.said)}.</p>",
        *([_over()] if picture.over else _roll_call(picture)),
        *whole_story(record),
    ]


def _over() -> str:
    return (
        "<p>No node is running any more. The folder of the drill has all this as <code>report.html</code> and <code>result.json</code>, "
        "the logs of all parties, and what every process said.</p>"
    )


def _roll_call(picture: Picture) -> list[str]:
    parts = []
    for kind, title in _KINDS:
        rows = "".join(_row(picture, lane) for lane, of in picture.record.lanes.items() if of == kind)
        if rows:
            parts.append(f'<h2>{title}, now</h2><ul class="roll">{rows}</ul>')
    return parts


def _row(picture: Picture, lane: str) -> str:
    """One lane: its swatch, what it is in, in words, and a link to the pages of its node while that answers."""
    now = picture.now.get(lane)
    said = "has not begun" if now is None else MEANS[now]
    swatch = "" if now is None else draw_swatch(now)
    address = picture.nodes.get(lane)
    link = (
        ""
        if address is None or now is None
        else f' · <a href="{escape(address)}">its pages<span class="hidden"> (of {escape(lane)})</span></a>'
    )
    return f"<li>{swatch}<b>{escape(lane)}</b> {said}{link}</li>"
