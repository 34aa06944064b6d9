"""An explanation as one page: what binds, why, since when, and what would end it; every reason leads to its entries.

Decides the order and the words of the page. Leaves the frame to ``base.page`` and what is so to the explanation.
Normative text: ``spec/accord.md`` §10.6.

- Meaning is never by colour alone: each effect has its word and its own border. Light and dark as the reader's system asks.
- Every text from outside is escaped; nothing is fetched; no script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from detente.accord.explaining.aloud import joined
from detente.accord.explaining.constraint import Act, Constraint, Effect, Entry, Explanation, Judgement, Way, spelled
from detente.accord.explaining.joint import Joint
from detente.accord.explaining.rules import Rule
from detente.base.instant import show_instant
from detente.base.page import frame, safe

HANDS_SHOWN: Final = 12
"""Eligible hands that a way lists before it only counts them."""

VERDICTS: Final[Mapping[Effect, str]] = {
    "refused": "refused",
    "paused": "paused",
    "held": "held",
    "capped": "slowed down",
    "bound": "bound, and free to go on",
    "free": "nothing binds",
}

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2b36; --soft: #55616b; --line: #d5dce2; --back: #fff; --box: #f5f7f9;
  --link: #0b5a8a; --stop: #a32a1a; --hold: #8a3b12; --slow: #6b5200; --bound: #33556e; --free: #1f6b4a; --mark: #fff0bd }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ed; --soft: #a3b0ba; --line: #38444d; --back: #14191d; --box: #1d252b;
  --link: #7cc0ee; --stop: #ff9484; --hold: #f0a878; --slow: #e5c75c; --bound: #9cc4e0; --free: #7ed0a8; --mark: #4a3f14 } }
* { box-sizing: border-box }
html { scroll-padding-top: 12px }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: var(--ink); background: var(--back);
  margin: 0 auto; max-width: 980px; padding: 28px 28px 64px; overflow-wrap: break-word }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -.01em }
h2 { font-size: 19px; margin: 38px 0 8px; padding-top: 12px; border-top: 2px solid var(--ink) }
h3 { font-size: 17px; margin: 0 0 2px; line-height: 1.35 }
h4 { font-size: 14px; margin: 14px 0 3px; color: var(--soft); font-weight: 600 }
p { margin: 6px 0; max-width: 76ch }
a { color: var(--link); text-underline-offset: 2px }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px }
.sub { color: var(--soft); font-size: 14px }
.outcome { font-size: 18px; margin: 16px 0; padding: 10px 16px; border: 2px solid; border-left-width: 10px; border-radius: 4px; max-width: none }
.outcome b { text-transform: uppercase; letter-spacing: .03em }
article { border: 1px solid var(--line); border-left: 8px solid; border-radius: 4px; padding: 12px 18px 14px; margin: 14px 0 }
article > * { color: var(--ink) }
article .sub, article h4 { color: var(--soft) }
.word { display: inline-block; font-size: 13px; font-weight: 700; border: 2px solid; border-radius: 3px; padding: 0 7px; margin-right: 8px;
  text-transform: uppercase; letter-spacing: .04em; vertical-align: 1px }
.refused, .paused { color: var(--stop) } .held { color: var(--hold) } .capped { color: var(--slow) }
.bound { color: var(--bound) } .free { color: var(--free) }
article.held { border-left-style: double } article.capped { border-left-style: dashed } article.bound, article.free { border-left-style: dotted }
h3 .refused, h3 .paused { color: var(--stop) } h3 .held { color: var(--hold) } h3 .capped { color: var(--slow) }
h3 .bound { color: var(--bound) } h3 .free { color: var(--free) }
ul.ways > li { margin: 7px 0; max-width: 80ch }
ul { margin: 4px 0; padding-left: 22px }
ul.plain { list-style: none; padding: 0 }
.who { color: var(--soft); font-size: 14px; display: block }
table { border-collapse: collapse; width: 100%; font-size: 14px; margin: 6px 0 }
caption { text-align: left; color: var(--soft); font-size: 14px; padding: 0 0 4px }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--ink); padding: 4px 14px 4px 0; vertical-align: bottom }
td { border-bottom: 1px solid var(--line); padding: 5px 14px 5px 0; vertical-align: top }
td.tight { white-space: nowrap }
td code { overflow-wrap: anywhere }
tr:target td { background: var(--mark) }
.wide { overflow-x: auto }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; background: var(--box); border-radius: 3px; padding: 1px 4px }
details { margin: 8px 0 } summary { cursor: pointer; font-weight: 600; font-size: 15px; padding: 3px 0 }
@media (max-width: 560px) {
  body { padding: 18px 14px 48px; font-size: 15px } article { padding: 10px 12px 12px } h1 { font-size: 22px }
  table.rules thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  table.rules tr { display: block; border-bottom: 1px solid var(--line); padding: 7px 0 }
  table.rules td { display: block; border: 0; padding: 1px 0; white-space: normal }
  table.rules td::before { content: attr(data-of); display: block; color: var(--soft); font-size: 12.5px; font-weight: 600 }
}
@media print { body { padding: 0; max-width: none; font-size: 12px } article, tr { break-inside: avoid } h2, h3 { break-after: avoid }
  a { color: inherit } }
"""


def write_explanation(
    explanations: Sequence[Explanation], rules: Mapping[str, Sequence[Rule]], joint: Joint | None = None
) -> str:
    """The page of one explanation, or of one for each of several accords, with the rules of each accord by its name."""
    title = f"What binds {explanations[0].subject}?" if explanations else f"What does {joined(rules)} bind?"
    parts = [f"<h1>{safe(title)}</h1>"]
    if not explanations:
        parts.append('<p class="sub">By the terms alone: what they hold ready once they are in force.</p>')
    if joint is not None:
        parts.append(_joint(joint))
    number = 0
    for explanation in explanations:
        if len(explanations) > 1:
            parts.append(f"<h2>{safe(explanation.accord)}</h2>")
        parts.append(_explanation(explanation, number))
        number += len(explanation.constraints)
    if any(each.entries for each in explanations):
        parts.append(_entries([entry for each in explanations for entry in each.entries]))
    for name, told in rules.items():
        parts.append(_rules(told, name if len(rules) > 1 else ""))
    return frame(title, STYLE, "\n".join(parts))


def _joint(joint: Joint) -> str:
    rows = "".join(
        f"<tr><td>{safe(row.what)}</td>"
        + "".join(f"<td>{safe(cell)}</td>" for cell in row.each.values())
        + f"<td><b>{safe(row.together)}</b></td></tr>"
        for row in joint.rows
    )
    heads = "".join(f'<th scope="col">{safe(name)}</th>' for name in joint.accords)
    return (
        f'<h2>Several accords: the stricter wins</h2><p>{safe(joint.text, 2_000)}</p><div class="wide"><table><thead><tr><th scope="col">What</th>'
        f'{heads}<th scope="col">Together</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _explanation(explanation: Explanation, first: int) -> str:
    binding = [each for each in explanation.constraints if each.effect not in {"bound", "free"}]
    count = f"{len(binding)} clause{'' if len(binding) == 1 else 's'} at work" if binding else ""
    witness = " · self-witnessed: nobody else vouches for any time" if explanation.self_witnessed else ""
    parts = [
        (
            f'<p class="sub">{safe(explanation.accord)}, terms version {explanation.terms_version} · as of {_time(show_instant(explanation.at))} · '
            f"{safe(explanation.phase.replace('_', ' '))}{witness}</p>"
        ),
        f'<p class="outcome {explanation.outcome}"><b>{VERDICTS[explanation.outcome]}</b>{": " if count else ""}{count}</p>',
    ]
    if len(binding) > 1:
        parts.append("<p>Each binds by itself, and goes on binding when another has ended.</p>")
    parts += [_constraint(each, number) for number, each in enumerate(explanation.constraints, first + 1)]
    if not explanation.constraints:
        parts.append("<p>No clause binds it now.</p>")
    if explanation.left_out:
        parts.append(f"<p>{explanation.left_out} older runs and changes were not looked at: ask for one by name.</p>")
    return "\n".join(parts)


def _time(instant: str) -> str:
    return f'<time datetime="{instant}">{instant}</time>'


def _constraint(each: Constraint, number: int) -> str:
    since = "" if each.since is None else f"since {_time(show_instant(each.since))}"
    if not each.witnessed:
        since += ", heard and not yet witnessed"
    kind = each.clause.kind.replace("_", " ")
    scope = "" if each.clause.kind not in {"pause", "slowdown", "trigger"} else f" · scope {safe(each.scope)}"
    about = f" · {safe(each.about)}" if each.about.kind in {"run", "change"} else ""
    activities = f" · {safe(joined(a.replace('_', '-') for a in each.activities))}" if each.activities else ""
    parts = [
        (
            f'<article class="{each.effect}" aria-labelledby="c{number}"><h3 id="c{number}"><span class="word {each.effect}">{each.effect}</span>'
            f"{safe(each.clause.id)}</h3>"
        ),
        f'<p class="sub">{kind}{scope}{about}{activities}{" · " if since else ""}{since}</p>',
        f"<p>The terms say: {safe(each.clause.text, 2_000)}.</p>",
        "<h4>Why</h4>",
        f"<p>{safe(each.reason.text, 2_000)}{_cites(each)}</p>",
        _judged(each.judged),
    ]
    if each.facts:
        facts = "".join(f"<li>{safe(name)}: {safe(value)}</li>" for name, value in each.facts.items())
        parts.append(f'<ul class="plain sub">{facts}</ul>')
    parts.append(f"<h4>{'What would set it off' if each.clause.kind == 'trigger' else 'What would change that'}</h4>")
    parts.append(_ways(each))
    return "\n".join((*filter(None, parts), "</article>"))


def _cites(each: Constraint) -> str:
    links = [f'<a href="#e-{safe(cite)}">{safe(cite[:10])}…</a>' for cite in each.reason.cites]
    return f' <span class="sub">(rests on {joined(links)})</span>' if links else ""


def _judged(judged: Sequence[Judgement]) -> str:
    if not judged:
        return ""
    return f"<ul>{''.join(f'<li>{safe(each.text)}: <b>{spelled(each.value)}</b></li>' for each in judged)}</ul>"


def _ways(each: Constraint) -> str:
    if not each.ways and each.more:
        return '<p class="sub">Not looked for here: ask for it by its name.</p>'
    if not each.ways:
        if each.effect in {"bound", "free"}:
            return '<p class="sub">Nothing that was looked for.</p>'
        return "<p>No set of acts that was looked for would end it.</p>"
    more = '<p class="sub">There may be more: the search ended at its bound.</p>' if each.more else ""
    any_one = "<p>Any one of these is enough:</p>" if len(each.ways) > 1 else ""
    return f'{any_one}<ul class="ways">{"".join(_way(way) for way in each.ways)}</ul>{more}'


def _way(way: Way) -> str:
    who = "".join(f'<span class="who">{safe(act.who)}: {_hands(act)}</span>' for act in way.acts if _is_open(act))
    at = f' <span class="sub">(if done now, at {_time(show_instant(way.at))})</span>' if way.acts else ""
    return f"<li>{_words(way.text)}{at}{who}</li>"


def _words(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", safe(text, 2_000))


def _is_open(act: Act) -> bool:
    """Is there a choice of who does it, or are they not named yet?"""
    return len(act.hands) > act.count or act.count > 1 or str(act.hands[0]) not in act.who


def _hands(act: Act) -> str:
    names = [safe(hand) for hand in act.hands[:HANDS_SHOWN]]
    if len(act.hands) > HANDS_SHOWN:
        names.append(f"{len(act.hands) - HANDS_SHOWN} more")
    return joined(names, "or" if len(act.hands) > act.count else "and")


def _entries(entries: Sequence[Entry]) -> str:
    rows = []
    for entry in dict.fromkeys(entries):
        witnessed = "heard only" if entry.witnessed_at is None else _time(show_instant(entry.witnessed_at))
        place = "in no log" if entry.place is None else f"<code>{safe(entry.place)}</code>"
        said = f'<br><span class="sub">{safe(entry.said)}</span>' if entry.said else ""
        rows.append(
            f'<tr id="e-{safe(entry.statement)}"><td data-of="Who and what">{safe(entry.party)}: {safe(entry.kind)}{said}</td>'
            f'<td class="tight" data-of="Witnessed">{witnessed}</td><td class="tight" data-of="Log and index">{place}</td>'
            f'<td data-of="Statement"><code>{safe(entry.statement)}</code></td></tr>'
        )
    return (
        '<h2>The entries on which it rests</h2><div class="wide"><table class="rules"><thead><tr><th scope="col">Who and what</th><th scope="col">Witnessed</th>'
        f'<th scope="col">Log and index</th><th scope="col">Statement</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


_SORTS: Final = {"binds": "What binds", "power": "What it may do", "duty": "What it owes"}
_LAST: Final = {"binds": "Until", "power": "May", "duty": "Who"}
"""The last column: ways in which a clause ends, any one of them; who may, each by itself; who owes, each of them."""


def _rules(rules: Sequence[Rule], name: str) -> str:
    parts = [f"<h2>What the terms hold ready{f': {safe(name)}' if name else ''}</h2>"]
    for sort, title in _SORTS.items():
        told = [rule for rule in rules if rule.sort == sort]
        if told:
            rows = "".join(_rule(rule) for rule in told)
            parts.append(
                f'<table class="rules"><caption>{title}</caption><thead><tr><th scope="col">Clause</th><th scope="col">When</th><th scope="col">Then</th>'
                f'<th scope="col">{_LAST[sort]}</th></tr></thead><tbody>{rows}</tbody></table>'
            )
    return "\n".join(parts)


def _rule(rule: Rule) -> str:
    if rule.sort == "binds":
        last = "; or ".join(safe(end) for end in rule.ends)
    else:
        last = safe(joined(rule.who or ("everybody",), "or" if rule.sort == "power" else "and"))
    named = _LAST[rule.sort]
    return (
        f'<tr><td data-of="Clause" class="tight"><code>{safe(rule.id)}</code></td><td data-of="When">{safe(rule.starts)}</td>'
        f'<td data-of="Then">{_words(rule.does)}</td><td data-of="{named}">{last}</td></tr>'
    )
