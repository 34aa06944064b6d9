"""``report.html``: what a drill did, for a person who has one minute.

One file, no script, nothing fetched. It opens with what was *not* exercised, because a drill that hides its own
limits teaches the wrong lesson; then the timeline, what was found, the checks, latencies and refusals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Any

from detente.app.drill.record import Record, summary
from detente.app.drill.timeline import draw_swatch, draw_timeline, major_events
from detente.base.page import frame

STYLE = """
:root { color-scheme: light; --ink: #1d2b36; --soft: #5b6670; --line: #dde3e8; --warn: #8a3b12; --ok: #1f6b4a; --bad: #a32a1a; }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink);
  margin: 0 auto; max-width: 1180px; padding: 28px 30px 60px; background: #fff }
h1 { font-size: 27px; margin: 0 0 2px; letter-spacing: -.01em }
h2 { font-size: 18px; margin: 34px 0 8px; padding-top: 12px; border-top: 1px solid var(--line) }
p { margin: 6px 0; max-width: 82ch }
.sub { color: var(--soft) }
.verdict { display: inline-block; font-weight: 650; padding: 2px 11px; border-radius: 4px; margin: 8px 0; border: 2px solid }
.held { color: var(--ok) } .failed { color: var(--bad) }
.open { border-left: 5px solid var(--warn); background: #fdf6f0; padding: 9px 16px 11px; margin: 14px 0 }
.open h2 { border: 0; margin: 0; padding: 0; color: var(--warn) }
.open ul { margin: 6px 0 0; padding-left: 20px }
ol.turns { columns: 2; column-gap: 36px; padding-left: 26px; font-size: 13.5px; margin: 8px 0 }
ol.turns li { break-inside: avoid; padding-left: 3px }
table { border-collapse: collapse; width: 100%; font-size: 13.5px }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--ink); padding: 4px 10px 4px 0 }
td { border-bottom: 1px solid var(--line); padding: 5px 10px 5px 0; vertical-align: top }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
code, pre { font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; background: #f3f5f7; border-radius: 3px }
code { padding: 1px 4px; overflow-wrap: anywhere } pre { padding: 11px 14px; overflow-x: auto }
.key span { display: inline-block; margin-right: 16px; font-size: 12.5px; color: var(--soft) }
.box { border: 1px solid var(--line); border-radius: 5px; padding: 10px 16px; margin: 10px 0 }
svg { width: 100%; height: auto; display: block; margin: 4px 0 }
svg.swatch { width: 13px; height: 13px; display: inline-block; margin: 0 4px -2px 0 }
th.half { width: 30% }
a { color: #0b5a8a; text-underline-offset: 2px }
:focus-visible { outline: 3px solid #0b5a8a; outline-offset: 2px; border-radius: 2px }
main:focus { outline: none } footer { margin-top: 32px }
.skip { position: absolute; left: -9999px; top: 8px; background: var(--ink); color: #fff; padding: 10px 16px } .skip:focus { left: 12px }
.running { color: var(--warn) }
ul.roll { list-style: none; padding: 0; margin: 6px 0; columns: 2; column-gap: 36px } ul.roll li { padding: 4px 0; break-inside: avoid }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
button.quiet { font: inherit; color: #0b5a8a; background: none; border: 1px solid #7b8894; border-radius: 4px; padding: 6px 12px; min-height: 34px }
.wide { overflow-x: auto }
.wide > svg { min-width: 860px }
@media (max-width: 700px) {
  body { padding: 18px 16px 40px } ol.turns, ul.roll { columns: 1 } td { overflow-wrap: anywhere }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  table, tbody, tr, td { display: block } tr { border-bottom: 1px solid var(--line); padding: 7px 0 }
  td, td.num { border: 0; padding: 1px 0; text-align: left } td:empty { display: none }
  td::before { content: attr(data-of); display: block; color: var(--soft); font-size: 12.5px }
}
@media print { body { padding: 0 } h2 { break-after: avoid } tr { break-inside: avoid } }
"""


def write_report(record: Record) -> str:
    """The whole page as text. Every string of the record is escaped: party names come from outside."""
    held = sum(check.ok for check in record.checks)
    word, css = ("passed", "held") if record.passed else ("FAILED", "failed")
    body = "\n".join(
        [
            "<h1>Détente drill</h1>",
            drawn_from(record),
            (
                f'<div class="verdict {css}">{word}: {held} of {len(record.checks)} checks held '
                f"in {record.facts.get('wall_s', 0):.0f} s</div>"
            ),
            *whole_story(record),
            _verify_it(record),
        ]
    )
    return frame("Détente drill", STYLE, f"<main>{body}</main>")


def drawn_from(record: Record) -> str:
    """With which options, and on which machine."""
    options = ", ".join(f"{name} {value}" for name, value in record.options.items())
    return f'<p class="sub">{escape(options)} · {escape(str(record.facts.get("machine", "")))}</p>{_strain(record)}'


def whole_story(record: Record) -> list[str]:
    """Every part that a record can be told in, in order; a part of which there is nothing yet is left out."""
    return [
        _not_exercised(record),
        _timeline(record),
        _notes(record),
        _checks(record) if record.checks else "",
        _latencies(record) if record.latencies_s else "",
        _refusals(record) if record.refusals else "",
    ]


def _strain(record: Record) -> str:
    strain = float(record.facts.get("strain", 1.0))
    if strain <= 1:
        return ""
    return f'<p class="sub">This machine was slow or busy: lives of permits, deadlines and jobs were drawn out {strain:g} times.</p>'


def _not_exercised(record: Record) -> str:
    items = "".join(f"<li><b>{escape(what)}</b>: {_text(why)}</li>" for what, why in record.not_exercised)
    return f'<section class="open"><h2>Not exercised here</h2><ul>{items}</ul></section>'


def _text(words: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(words))


def _timeline(record: Record) -> str:
    turns = "".join(
        f'<li>{_text(event.title)} <span class="sub">{event.at_s:.1f} s</span></li>' for event in major_events(record)
    )
    meanings = (
        ("training", "plain green: training under a permit"),
        ("held", "dotted yellow: held for a human decision"),
        ("halted", "red stripes: stopped with a checkpoint"),
        ("unguarded", "purple crosses: training without a guard, or a lying node"),
        ("silent", "grey bars: a process that does not answer"),
        ("cut", "blue lines: cut off from the network"),
        ("finished", "pale green: done, bit-equal to an uninterrupted run"),
    )
    key = "".join(f"<span>{draw_swatch(kind)}<b>{kind}</b> {escape(text)}</span>" for kind, text in meanings)
    return f'<h2>What happened</h2><div class="wide" id="timeline" role="region" aria-label="Timeline" tabindex="0">{draw_timeline(record)}</div><div class="key">{key}</div><ol class="turns">{turns}</ol>'


def _notes(record: Record) -> str:
    boxes = "".join(
        f'<div class="box"><b>{escape(title)}</b><p>{_text(text)}</p></div>' for title, text in record.notes
    )
    return f"<h2>Who hid what, and was it found?</h2>{boxes}" if boxes else ""


def _table(name: str, title: str, heads: Iterable[tuple[str, str]], rows: Iterable[Iterable[str]]) -> str:
    """A titled table of cells that are HTML already; ``heads`` are names and classes of the columns. Where it is narrow, each cell says which it is."""
    columns = list(heads)
    head = "".join(f'<th scope="col" class="{css}">{of}</th>' for of, css in columns)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="{css}" data-of="{of}">{cell}</td>' for cell, (of, css) in zip(row, columns, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<h2>{title}</h2><div class="wide" id="{name}" role="region" aria-label="{title}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _checks(record: Record) -> str:
    rows, stage = [], None
    for check in record.checks:
        verdict = '<b class="held">held</b>' if check.ok else '<b class="failed">FAILED</b>'
        first = f"<b>{escape(check.stage)}</b>" if check.stage != stage else ""
        stage = check.stage
        rows.append((first, _text(check.title), verdict, escape(check.detail), f"{check.at_s:.1f}"))
    heads = (("Stage", ""), ("What must be so", "half"), ("Was it", ""), ("Seen", ""), ("at s", "num"))
    return _table("checks", "Every line, asserted", heads, rows)


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _latencies(record: Record) -> str:
    rows = []
    for what, values in record.latencies_s.items():
        s = summary(values)
        rows.append((_text(what), str(s["n"]), *(_seconds(s[name]) for name in ("min_s", "median_s", "max_s"))))
    heads = (("From … to …", ""), *((name, "num") for name in ("n", "least", "median", "most")))
    return (
        f"{_table('latencies', 'How long it took', heads, rows)}"
        '<p class="sub">All processes share this machine; these are not figures for a network.</p>'
    )


def _refusals(record: Record) -> str:
    rows = [
        (_text(r.tried), escape(r.by), f"<code>{escape(r.rule)}</code> {escape(r.kind)}", escape(r.why))
        for r in record.refusals
    ]
    heads = (("Tried", "half"), ("Refused by", ""), ("Rule", ""), ("In its words", ""))
    return _table("refusals", "What was refused, and why", heads, rows)


def _verify_it(record: Record) -> str:
    facts: dict[str, Any] = record.facts
    commands = "\n".join(escape(line) for line in facts.get("verify", []))
    return (
        "<h2>Check it yourself</h2><p>No node is running any more. The logs stand beside this page as static files; "
        f"anyone who has the founding terms can verify them:</p><pre>{commands}</pre>"
        f'<p class="sub">Accord <code>{escape(str(facts.get("accord", "")))}</code> (the digest of its founding '
        "terms). The keys of this drill are software keys made for it; its approvals are labelled so.</p>"
    )
