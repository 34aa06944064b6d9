"""An explanation on a terminal: what binds, why, since when, and what would change it; and the options that ask for one.

Decides lines and options for ``detente accord explain`` and ``detente status --why``. Nothing is said by colour.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from detente.accord.explaining.aloud import joined
from detente.accord.explaining.constraint import Act, Constraint, Explanation, spelled
from detente.accord.explaining.joint import Joint
from detente.accord.explaining.rules import Rule
from detente.app.explaining import Asked, Told, store_page
from detente.base.errors import Misuse
from detente.base.instant import show_instant

WIDTH = 110
HANDS_SHOWN = 8


def html_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option ``--html``."""
    return click.option(
        "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the explanation as one page too."
    )(command)


def asked_for(**names: str | None) -> Asked:
    """The one subject that was named; raises ``Misuse`` for two."""
    given = [(kind, name) for kind, name in names.items() if name is not None]
    if len(given) > 1:
        raise Misuse(f"ask about one at a time, not about {joined('--' + kind for kind, _ in given)}")
    return Asked(*given[0]) if given else Asked()  # type: ignore[arg-type]


def show_told(told: Told, *, as_json: bool, html: Path | None) -> None:
    """Print it, and write the page if one is asked for."""
    if html is not None:
        store_page(html, told)
        click.echo(f"wrote {html}", err=True)
    if as_json:
        click.echo(json.dumps(told.as_json(), ensure_ascii=False, indent=2))
        return
    for line in lines(told):
        click.echo(line)


def lines(told: Told) -> Iterator[str]:
    """Everything for people, a line each."""
    if told.joint is not None:
        yield from _joint(told.joint)
        yield ""
    for number, explanation in enumerate(told.explanations):
        if number:
            yield ""
        yield from _explanation(explanation)
    if not told.explanations:
        for number, (name, rules) in enumerate(told.rules.items()):
            if number:
                yield ""
            yield from _rules(name, rules)


def _explanation(told: Explanation) -> Iterator[str]:
    witness = ", self-witnessed: no quorum" if told.self_witnessed else ""
    yield f"{told.subject}: {told.outcome}"
    yield f"  {told.accord}, terms version {told.terms_version}, {told.phase.replace('_', ' ')}, as of {show_instant(told.at)}{witness}"
    if not told.constraints:
        yield "  no clause binds it now"
    for each in told.constraints:
        yield ""
        yield from _constraint(each, told)
    if told.left_out:
        yield f"  {told.left_out} older runs and changes were not looked at: ask for one by name"


def _constraint(each: Constraint, told: Explanation) -> Iterator[str]:
    about = f", {each.about}" if each.about != told.subject else ""
    since = "" if each.since is None else f", since {show_instant(each.since)}"
    heard = "" if each.witnessed else ", heard and not yet witnessed"
    yield f"{each.effect.upper():<8} by {each.clause.kind.replace('_', ' ')} {each.clause.id}{about}{since}{heard}"
    yield from _wrapped("terms", each.clause.text)
    yield from _wrapped("why", each.reason.text)
    for judgement in each.judged:
        yield from _wrapped("", f"{judgement.text}: {spelled(judgement.value)}")
    said = {entry.statement: entry.said for entry in told.entries}
    for cite, place in zip(each.reason.cites, [*each.reason.places, *[None] * len(each.reason.cites)], strict=False):
        where = said.get(cite) or (str(place) if place is not None else "heard, in no log")
        yield from _wrapped("rests on" if cite == each.reason.cites[0] else "", f"{cite[:12]}…  {where}")
    for name, value in each.facts.items():
        yield from _wrapped(name if len(name) <= 10 else "", value if len(name) <= 10 else f"{name}: {value}")
    for number, way in enumerate(each.ways):
        label = ("to begin" if each.clause.kind == "trigger" else "to change") if number == 0 else "or"
        yield from _wrapped(label, way.text)
        for act in way.acts:
            if len(act.hands) > act.count or act.count > 1:
                yield from _wrapped("", f"  {act.who}: {_hands(act)}")
    if not each.ways and each.more:
        yield from _wrapped("to change", "not looked for here: ask for it by its name")
    elif not each.ways and each.effect not in {"bound", "free"}:
        yield from _wrapped("to change", "no set of acts that was looked for would end it")
    if each.more and each.ways:
        yield from _wrapped("", "and perhaps more: the search ended at its bound")


def _hands(act: Act) -> str:
    names = [str(hand) for hand in act.hands[:HANDS_SHOWN]]
    if len(act.hands) > HANDS_SHOWN:
        names.append(f"{len(act.hands) - HANDS_SHOWN} more")
    return joined(names, "or" if len(act.hands) > act.count else "and")


def _wrapped(label: str, text: str) -> Iterator[str]:
    first = f"  {label:<10} "
    yield from textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * 13, break_on_hyphens=False)


_SORTS = {"binds": "what binds", "power": "what may be done, and by whom", "duty": "what is owed, and by whom"}


def _rules(name: str, rules: Sequence[Rule]) -> Iterator[str]:
    yield f"{name}: what the terms hold ready"
    if not rules:
        yield "  nothing: this accord does not have the party or trigger"
    for sort, title in _SORTS.items():
        told = [rule for rule in rules if rule.sort == sort]
        if told:
            yield ""
            yield title
        for rule in told:
            yield f"  {rule.id}" + ("" if rule.who is None else f" ({joined(rule.who)})")
            yield from _wrapped("when", rule.starts)
            yield from _wrapped("then", rule.does)
            for number, end in enumerate(rule.ends):
                yield from _wrapped("until" if number == 0 else "or", end)


def _joint(joint: Joint) -> Iterator[str]:
    yield from textwrap.wrap(joint.text, WIDTH)
    for row in joint.rows:
        yield f"  {row.what}"
        for name, answer in row.each.items():
            yield from _wrapped("", f"{name}: {answer}")
        yield from _wrapped("together", row.together)
