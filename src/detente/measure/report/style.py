"""How the page looks, on screen and on paper: one sheet, no font or picture fetched."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light; --ink: #1d2b36; --soft: #5b6670; --line: #dde3e8; --warn: #8a3b12; --ok: #1f6b4a; --bad: #a32a1a; --link: #0b5a8a }
* { box-sizing: border-box }
html { scroll-padding-top: 12px }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink); margin: 0 auto;
  max-width: 1120px; padding: 30px 32px 70px; background: #fff; overflow-wrap: break-word }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -.01em }
h2 { font-size: 20px; margin: 40px 0 6px; padding-top: 14px; border-top: 2px solid var(--ink) }
h3 { font-size: 15px; margin: 20px 0 4px }
p { margin: 6px 0; max-width: 84ch }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px }
.sub { color: var(--soft); font-size: 13.5px }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(245px, 1fr)); gap: 12px; margin: 16px 0 }
.card { border: 1px solid var(--line); border-top: 4px solid var(--ink); border-radius: 4px; padding: 10px 14px 12px }
.card.refused { border-top-style: dashed }
.card .what { font-size: 13px; color: var(--soft) }
.card .value { font-size: 23px; font-weight: 650; line-height: 1.25; margin: 2px 0 }
.card .value a { text-decoration: none; border-bottom: 1px solid }
.card .foot { font-size: 12.5px; color: var(--soft) }
.bar { position: relative; display: block; height: 9px; margin: 6px 0 5px; background: #eef1f4; border-radius: 2px; overflow: hidden }
.bar i, .bar b { position: absolute; top: 0; bottom: 0; left: 0 }
.bar b { background: var(--link) }
.bar i { background: repeating-linear-gradient(115deg, #0b5a8a66 0 2px, transparent 2px 6px) }
.open { border-left: 5px solid var(--warn); background: #fdf6f0; padding: 10px 18px 12px; margin: 18px 0 }
.open h2 { border: 0; margin: 0; padding: 0; color: var(--warn); font-size: 18px }
.open ul, .remarks { margin: 6px 0 0; padding-left: 20px; max-width: 92ch }
.remarks { list-style: none; padding: 0 }
.remarks li { padding: 3px 0 3px 11px; border-left: 3px solid var(--line); margin: 5px 0 }
.remarks .alarm { border-left: 6px double var(--bad) }
.remarks .warning { border-left: 4px solid var(--warn) }
.word { font-size: 12px; font-weight: 650; border: 1px solid; border-radius: 3px; padding: 0 5px; margin-right: 6px }
.alarm .word { color: var(--bad) } .warning .word { color: var(--warn) } .note .word { color: var(--soft) }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; margin: 6px 0 }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--ink); padding: 4px 12px 4px 0; vertical-align: bottom }
td { border-bottom: 1px solid var(--line); padding: 5px 12px 5px 0; vertical-align: top }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums }
td.tight, th.tight { white-space: nowrap }
details td { overflow-wrap: anywhere }
td .bar { width: 130px; margin: 3px 0 0 }
tr:target td, details:target > summary { background: #fff5cf }
.wide { overflow-x: auto } .wide > table { min-width: 720px }
.method { color: var(--soft); font-size: 12.5px }
details { margin: 8px 0; border: 1px solid var(--line); border-radius: 4px; padding: 5px 12px }
summary { cursor: pointer; font-weight: 600; font-size: 14px }
details table { font-size: 12.5px }
code, pre { font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; background: #f3f5f7; border-radius: 3px }
code { padding: 1px 4px } pre { padding: 10px 14px; overflow-x: auto; white-space: pre-wrap }
figure { margin: 14px 0 8px; max-width: 820px } figure svg { width: 100%; height: auto; display: block }
nav { font-size: 13.5px; margin: 10px 0 0 } nav a { margin-right: 14px }
@media print {
  body { padding: 0; max-width: none; font-size: 12px } a { color: inherit; text-decoration: none }
  h2, h3 { break-after: avoid } tr, figure, .card, .remarks li { break-inside: avoid } nav { display: none }
  .bar b, .bar i, .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact }
}
"""
