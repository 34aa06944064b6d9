"""The page itself: headline, what it cannot show, each measure with its numbers, and the rows below them.

Decides the order and the words. Rules of ``spec/measure.md`` §4:

1. It opens with the headline and, before any detail, with what it cannot show.
2. Every number is a link down to its rows on the same page; a number without rows leads to what was read, and a count of what was
   left out to names, or to how it was counted.
3. A measure that refused is shown with its refusal; one that had no input says how it gets one.
4. No script; nothing is fetched; every text from outside is escaped. Meaning is never by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from detente.base.page import frame, safe
from detente.measure.indicator import Indicator, Remark, Result
from detente.measure.report.anchors import Anchors
from detente.measure.report.evidence import exclusion_section, ledger_section, series_section
from detente.measure.report.markup import table
from detente.measure.report.obligations import Form
from detente.measure.report.style import STYLE
from detente.measure.report.wording import show_value

MEASURES: Final[Mapping[str, tuple[str, str]]] = {
    "changes": (
        "Changes to training, architecture, data and evaluation",
        (
            "Which changes touch what a model becomes, which of them AI made, and which of those nobody is known to have reviewed: the "
            "number closest to a model that changes its own training without people."
        ),
    ),
    "authorship": (
        "Authorship",
        "How much of the merged code AI wrote. Marks are a lower bound: what bears no mark is unknown, not human.",
    ),
    "oversight": (
        "Human oversight",
        (
            "What review by people AI-made changes got. A recorded approval shows that somebody pressed a button; a missing record does "
            "not show that nobody looked."
        ),
    ),
    "lineage": (
        "Lineage of versions",
        "How many versions in a row a model proposed with no significant approval by a person between them, as an interval over what is not recorded.",
    ),
    "horizon": (
        "Time horizon",
        "How long the tasks are, in time that people need, at which an agent succeeds half of the time.",
    ),
    "acceleration": (
        "Acceleration",
        "Whether progress is faster than its own past, and whether two independent series agree on it.",
    ),
    "compute": (
        "Compute",
        "How many operations training took, by every method that was given, and what published rules compare with it.",
    ),
}
"""In the order of the page: from what is closest to the mission."""

HEADLINES: Final = (
    "changes.ai_made_unreviewed",
    "changes.unreviewed_ai_share",
    "authorship.ai_line_share",
    "authorship.line_share",
    "oversight.human_approved_head",
    "lineage.self_depth.in_record",
    "lineage.self_depth",
    "horizon.doubling_time",
    "horizon.p50",
    "compute.cumulative_flop",
)
"""The indicator of a measure that stands for it in the headline; without one of these, its first."""

SUCH_AS: Final = 3
"""Names in the row of an exclusion; the others stand below."""

INDICATORS_SHOWN: Final = 16
"""More than a screen of rows hides what follows; the rest is folded below them."""

CANNOT: Final = (
    "Work that left no trace in what was read: private branches, other repositories, experiments, clusters, chats.",
    "That a person wrote something. AI that leaves no mark, or whose marks were switched off, looks like nobody.",
    "That a person really looked. A record of an approval is a record of an approval.",
    "A history that its owner rewrote before it was read. Only what was signed and witnessed earlier could show that.",
    "What a model is able to do. What was done is a lower bound of it.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What goes on a page. ``plots`` holds finished SVG by number of the result; ``facts`` what the heading says of the subject."""

    subject: str
    facts: tuple[str, ...]
    results: tuple[Result, ...]
    refused: tuple[tuple[str, str], ...] = ()
    absent: tuple[tuple[str, str], ...] = ()
    plots: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    no_plots: str = ""
    form: Form | None = None
    command: str = "detente measure report ."
    commits_at: str = ""
    """Address to which a commit is appended, or empty."""


def write_page(page: Page, anchors: Anchors) -> str:
    """The page as text."""
    parts = [
        f"<h1>How far has development gone without people? {safe(page.subject)}</h1>",
        f'<p class="sub"><a href="#check">{" · ".join(safe(fact) for fact in page.facts)}</a></p>',
        _cards(page, anchors),
        _cannot(page),
        _notices(page, anchors),
        *(_measure(page, anchors, number) for number in _order(page)),
        _form(page, anchors),
        _evidence(page, anchors),
        _verify(page),
    ]
    return frame(f"{page.subject}: how far without people?", STYLE, "\n".join(part for part in parts if part))


def _order(page: Page) -> list[int]:
    known = list(MEASURES)
    places = {measure: place for place, measure in enumerate(known)}
    return sorted(range(len(page.results)), key=lambda i: (places.get(page.results[i].measure, len(known)), i))


def _title(measure: str) -> str:
    return MEASURES.get(measure, (measure.capitalize(), ""))[0]


def headline(result: Result) -> Indicator | None:
    """The indicator that stands for a result."""
    by_name = {indicator.name: indicator for indicator in result.indicators}
    named = next((by_name[name] for name in HEADLINES if name in by_name), None)
    return named or next(iter(result.indicators), None)


def _cards(page: Page, anchors: Anchors) -> str:
    cards = []
    for number in _order(page):
        result = page.results[number]
        chosen = headline(result)
        about = f'<div class="what">{safe(_title(result.measure))}{_of(page, result)}</div>'
        if chosen is None:
            cards.append(f'<div class="card">{about}<div class="value">nothing to count</div></div>')
            continue
        n = "" if chosen.n is None else f", n = {_link(anchors, number, result, chosen, f'{chosen.n:,}')}"
        cards.append(
            f'<div class="card">{about}<div class="value">{_link(anchors, number, result, chosen)}</div>{_bar(chosen)}'
            f"<div>{safe(chosen.label or chosen.name)}</div>"
            f'<div class="foot">evidence: {safe(chosen.evidence_class)}{n}</div></div>'
        )
    cards += [
        f'<div class="card refused"><div class="what">{safe(_title(measure))}</div><div class="value"><a href="#cannot">refused</a></div>'
        f'<div class="foot">{safe(why)}</div></div>'
        for measure, why in page.refused
    ]
    links = "".join(
        f'<a href="#{anchors.section(i)}">{safe(_title(page.results[i].measure))}{_of(page, page.results[i])}</a>'
        for i in _order(page)
    )
    return f'<section class="cards">{"".join(cards)}</section><nav>{links}<a href="#evidence">Evidence</a></nav>'


def _of(page: Page, result: Result) -> str:
    """The subject of a result where it is not the page's own, or the measure stands there more than once."""
    alone = sum(each.measure == result.measure for each in page.results) == 1
    return "" if alone and result.subject == page.subject else f" of {safe(result.subject, 60)}"


def _cannot(page: Page) -> str:
    items = [f"<li>{safe(line)}</li>" for line in CANNOT]
    items += [f"<li><b>{safe(_title(measure))} was refused</b>: {safe(why)}</li>" for measure, why in page.refused]
    items += [f"<li><b>{safe(_title(measure))} was not measured</b>: {safe(why)}</li>" for measure, why in page.absent]
    return f'<section class="open"><h2 id="cannot">What this page cannot show</h2><ul>{"".join(items)}</ul></section>'


def _notices(page: Page, anchors: Anchors) -> str:
    found = [
        (remark, number)
        for number in _order(page)
        for remark in page.results[number].remarks
        if remark.weight == "alarm"
    ]
    if not found:
        return ""
    items = "".join(_remark(remark, page.results[number], anchors, number) for remark, number in found)
    return f'<h2>Alarms</h2><ul class="remarks">{items}</ul>'


def _measure(page: Page, anchors: Anchors, number: int) -> str:
    result = page.results[number]
    title, meaning = MEASURES.get(result.measure, (result.measure.capitalize(), ""))
    plots = "".join(f"<figure>{svg}</figure>" for svg in page.plots.get(number, ()))
    if result.series and page.no_plots:
        plots += f'<p class="sub">{safe(page.no_plots)}</p>'
    remarks = "".join(_remark(remark, result, anchors, number) for remark in result.remarks)
    return "".join(
        [
            f'<section><h2 id="{anchors.section(number)}">{safe(title)}{_of(page, result)}</h2>',
            f"<p>{safe(meaning)}</p>" if meaning else "",
            _indicators(result.indicators[:INDICATORS_SHOWN], result, anchors, number) or "<p>Nothing to count.</p>",
            _more(result, anchors, number),
            plots,
            f'<h3>To notice</h3><ul class="remarks">{remarks}</ul>' if remarks else "",
            _exclusions(result, anchors, number),
            _inputs(result, anchors.inputs(number)),
            "</section>",
        ]
    )


def _indicators(indicators: tuple[Indicator, ...], result: Result, anchors: Anchors, number: int) -> str:
    rows = [
        [
            safe(indicator.label or indicator.name),
            f"{_link(anchors, number, result, indicator)}{_bar(indicator)}",
            "" if indicator.n is None else _link(anchors, number, result, indicator, f"{indicator.n:,}"),
            safe(indicator.evidence_class),
            f'<span class="method">{safe(indicator.method)}</span>',
        ]
        for indicator in indicators
    ]
    head = ["Indicator", "Value", "n", "Evidence", "How"]
    return table(head, rows, numeric=frozenset({2}), tight=frozenset({1, 2, 3})) if rows else ""


def _more(result: Result, anchors: Anchors, number: int) -> str:
    """Indicators beyond the first, folded."""
    rest = result.indicators[INDICATORS_SHOWN:]
    if not rest:
        return ""
    return (
        f"<details><summary>{len(rest)} more indicators</summary>{_indicators(rest, result, anchors, number)}</details>"
    )


def _exclusions(result: Result, anchors: Anchors, number: int) -> str:
    """Each count leads to its names, or to the words that say what was counted."""
    if not result.exclusions:
        return ""
    rows = [
        [
            f'<a href="#{anchors.exclusion(number, which)}">{each.count:,}</a>',
            safe(each.what),
            safe(each.why),
            safe(", ".join(each.examples[:SUCH_AS]) + (" …" if len(each.examples) > SUCH_AS else "")),
        ]
        for which, each in enumerate(result.exclusions)
    ]
    return f"<h3>Left out, and counted</h3>{table(['Count', 'What', 'Why', 'Such as'], rows, numeric=frozenset({0}))}"


def _inputs(result: Result, name: str) -> str:
    rows = [["read", safe(what), f"<code>{safe(value)}</code>"] for what, value in result.inputs.items()]
    rows += [["chosen", safe(what), safe(value)] for what, value in result.parameters.items()]
    body = table(["", "What", "Value"], rows) if rows else "<p>The measure names no input of its own.</p>"
    return (
        f'<details id="{name}"><summary>What was read, and every choice that changes a number</summary>{body}</details>'
    )


def _remark(remark: Remark, result: Result, anchors: Anchors, number: int) -> str:
    there = remark.ledger and result.ledger(remark.ledger)
    where = anchors.ledger(number, there.name) if there else anchors.inputs(number)
    rows = f' <a href="#{where}">{"rows" if there else "what was read"}</a>'
    return f'<li class="{remark.weight}"><span class="word">{remark.weight}</span>{safe(remark.text, 900)}{rows}</li>'


def _link(anchors: Anchors, number: int, result: Result, indicator: Indicator, words: str = "") -> str:
    has_rows = indicator.ledger is not None and result.ledger(indicator.ledger) is not None
    there = anchors.ledger(number, indicator.ledger or "") if has_rows else anchors.inputs(number)
    return f'<a href="#{there}">{safe(words or show_value(indicator))}</a>'


def _bar(indicator: Indicator) -> str:
    """A share as a bar: solid to the lower end, striped to the upper one."""
    if indicator.unit != "share" or indicator.low is None or indicator.high is None:
        return ""
    low, high = (float(min(max(end, Decimal(0)), Decimal(1))) * 100 for end in (indicator.low, indicator.high))
    said = f"from {low:.0f} to {high:.0f} per cent"
    return (
        f'<span class="bar" role="img" aria-label="{said}"><i style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
        f'<b style="width:{low:.2f}%"></b></span>'
    )


def _form(page: Page, anchors: Anchors) -> str:
    if page.form is None:
        return ""
    rows = []
    for need in page.form.needs:
        here = [i for i in _order(page) if page.results[i].measure in need.measures]
        bears = ", ".join(f'<a href="#{anchors.section(i)}">{safe(_title(page.results[i].measure))}</a>' for i in here)
        missing = [m for m in need.measures if m not in {page.results[i].measure for i in here}]
        absent = f"not measured here: {safe(', '.join(_title(m) for m in missing))}" if missing else ""
        cell = "; ".join(each for each in (bears, absent) if each) or "nothing that this page measures"
        rows.append([safe(need.clause), safe(need.asks), cell, safe(need.cannot)])
    return (
        f'<section class="clauses"><h2 id="form">What a report would still need: {safe(page.form.title)}</h2>'
        "<p>Clauses in other words, to look up in the text itself. Whether it applies to anybody is not judged here, and this is no legal advice.</p>"
        f"{table(['Clause', 'What it asks for', 'What bears on it here', 'What no artefact can show'], rows)}</section>"
    )


def _evidence(page: Page, anchors: Anchors) -> str:
    def commit(sha: str) -> str:
        return f"{page.commits_at}{sha}" if page.commits_at else ""

    sections = []
    for number in _order(page):
        result = page.results[number]
        below = [ledger_section(number, ledger, anchors, commit) for ledger in result.ledgers]
        below += [series_section(number, series, anchors) for series in result.series]
        below += [
            exclusion_section(number, which, each, anchors, commit) for which, each in enumerate(result.exclusions)
        ]
        if below:
            sections.append(f"<h3>{safe(_title(result.measure))}{_of(page, result)}</h3>{''.join(below)}")
    body = "".join(sections) or "<p>No measure left a row.</p>"
    return f'<section><h2 id="evidence">Evidence</h2><p>The rows below every number. No names or addresses of people stand in them.</p>{body}</section>'


def _verify(page: Page) -> str:
    return (
        '<section class="check"><h2 id="check">Check it yourself</h2><p>The same artefacts and the same version give the same numbers and the same digests:</p>'
        f'<pre>{safe(page.command)}</pre><p class="sub">The digest of a ledger is the SHA-256 of its columns and rows as JSON arrays, one a '
        "line; for a ledger with a file beside this page, <code>sha256sum</code> of that file.</p></section>"
    )
