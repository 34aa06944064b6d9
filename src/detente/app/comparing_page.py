"""A comparison as one HTML page: a table of clauses for each accord, every fact with its source and grade.

Decides nothing. State is told by a word and a sign, not by colour. No font, script or picture is fetched.
"""

from __future__ import annotations

from detente.accord.comparison import STRICTEST, Compared, Outcome, State
from detente.accord.facts import GRADES, Fact
from detente.app.comparing import Comparison
from detente.base.instant import show_instant
from detente.base.page import frame, safe
from detente.measure.report.markup import table
from detente.measure.report.style import STYLE

_LIMITS = "Whether a text applies to anybody is not decided here. Thresholds with other baselines are never compared."
SIGNS: dict[State, str] = {"triggered": "■", "unknown": "?", "held": "○", "silent": "–"}


def show_page(compared: Comparison) -> str:
    """The page."""
    facts = compared.facts
    until = "" if facts.covers_to is None else f" Facts are known to {show_instant(facts.covers_to)[:10]}."
    at = "" if compared.at is None else f" As of {show_instant(compared.at)[:10]}."
    head = [safe(each) for each in ("accord", *STRICTEST, "nobody owes the input")]
    rows = [
        [
            f'<a href="#{safe(each.accord)}">{safe(each.accord)}</a>',
            *(str(each.count(state)) for state in STRICTEST),
            str(each.nobody_owes),
        ]
        for each in compared.compared
    ]
    grades = "; ".join(f"[{safe(grade)}] {safe(words)}" for grade, words in GRADES.items())
    body = [
        f"<h1>{safe(facts.name)} through {len(compared.compared)} texts</h1>",
        f'<p class="sub">{safe(until.strip())}{safe(at)} {_LIMITS} {grades}.</p>',
        table(head, rows, numeric=frozenset(range(1, 6))),
        *(_section(each) for each in compared.compared),
    ]
    return frame(facts.name, STYLE, "".join(body))


def _section(each: Compared) -> str:
    rows = [_row(outcome) for outcome in each.outcomes]
    silent = ", ".join(safe(subject) for subject in each.silent)
    rest = f"<p>{SIGNS['silent']} silent on: {silent}.</p>" if silent else ""
    found = (
        table(["state", "clause", "why", "source"], rows, tight=frozenset({0}))
        if rows
        else "<p>No clause that facts can meet.</p>"
    )
    return f'<h2 id="{safe(each.accord)}">{safe(each.accord)}</h2>{found}{rest}'


def _row(outcome: Outcome) -> list[str]:
    why: list[str] = []
    for case in outcome.cases:
        if case.state != outcome.state:
            continue
        about = f"{safe(case.about)}: " if case.about else ""
        why += [f"{about}{safe(value)}" for value in case.values]
        why += [_fact(fact) for fact in case.rests_on]
        why += [
            f"{about}{safe(each.name)} is missing: {safe(each.text)}"
            for each in case.missing
            if each.owed != "imprecise"
        ]
    sources = [
        f"{safe(note.of)}, {safe(note.clause)} ({safe(note.wording)})" + (f" {_link(note.url)}" if note.url else "")
        for note in outcome.sources
        if note.of
    ]
    return [
        f"{SIGNS[outcome.state]} {outcome.state}",
        f"<b>{safe(outcome.clause)}</b><br>{safe(outcome.condition)}",
        "<br>".join(why),
        "<br>".join(sources),
    ]


def _fact(fact: Fact) -> str:
    source = _link(fact.source) if fact.source.startswith(("https://", "http://")) else safe(fact.source)
    return f"[{safe(fact.grade)}] {show_instant(fact.date)[:10]} {safe(fact.says)} ({source})"


def _link(address: str) -> str:
    return f'<a href="{safe(address, 1024)}" rel="noreferrer">{safe(address, 60)}</a>'
