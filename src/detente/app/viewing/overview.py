"""What stands first: the phase of the accord, who is bound, who has stopped, indicators against triggers, what is overdue.

Decides what of a status fits one page, and in which order. Leaves single runs, parties and proposals to their own pages.

- *Stopped with proof* is a halt that an auditor confirmed; *declared* is the developer's word; *running* and *overdue* are neither.
- At most ``ROWS_MAX`` rows of a list are given, what restricts first; how many more there are is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from detente.accord.conditions import Compare, Truth, atoms
from detente.accord.explaining.aloud import say
from detente.accord.explaining.constraint import spelled
from detente.accord.oversight import Oversight, oversight
from detente.accord.status import proposals_waiting
from detente.accord.sweep import TrackKey, sweep_of
from detente.accord.terms import Indicator, Trigger
from detente.accord.tree_reading import LINEAGE
from detente.accord.view import View
from detente.app.viewing.sight import Sight, Value, when
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.quantity import Interval, show_decimal
from detente.statement.measurement import Measurement

ROWS_MAX: Final = 48
"""Rows of a list, what restricts most first: more would not be read. Parties are all there."""
STATES: Final = ("confirmed", "declared", "running", "overdue")
_ORDER: Final = {"true": 0, "unknown": 1, "false": 2}


def view_overview(sight: Sight) -> Value:
    """The overview; made once of a look."""
    return sight.keep("overview", lambda: _overview(sight))


def heading(sight: Sight) -> Value:
    """What every page says of the accord."""
    now = sight.now
    return {
        "at": when(now.at),
        "node": sight.node.party,
        "accord": {
            "id": now.accord,
            "name": now.name,
            "version": now.terms_version,
            "digest": now.terms_digest,
            "self_witnessed": now.self_witnessed,
        },
        "phase": {
            "now": now.phase,
            "since": when(now.phase_since),
            "expires": when(now.expires),
            "why": now.why_phase.as_json(),
        },
        "paused": bool(now.pauses),
        "alert": now.alert,
    }


def view_enrolment(sight: Sight) -> Value:
    """Whose reviewers may register a passkey: every party's."""
    return {**heading(sight), "organisations": list(sight.terms.parties)}


def _overview(sight: Sight) -> Value:
    now = sight.now
    latched = [each.as_json() for each in (*now.pauses, *now.slowdowns, *now.measures)]
    indicators, indicators_left_out = _first(sorted(_indicators(sight), key=lambda row: _ORDER[row["answer"]]))
    waiting = sight.keep("waiting", lambda: proposals_waiting(sight.state, sight.at))
    overdue, overdue_left_out = _first(list(_overdue(sight, indicators)))
    beside, beside_left_out = _first(
        [each.as_json() for each in sorted(oversight(sight.state, sight.at), key=lambda each: -_depth_shown(each))]
    )
    findings = [each.as_json() for each in now.findings if each.state == "open"]
    value: Value = {
        **heading(sight),
        "latched": latched,
        "ended": [each.as_json() for each in now.ended[-8:]],
        "parties": list(_parties(sight)),
        "halts": dict(Counter(each.state for each in now.halts)),
        "indicators": indicators,
        "indicators_left_out": indicators_left_out,
        "overdue": overdue,
        "overdue_left_out": overdue_left_out,
        "proposals": {"waiting": len(waiting), "first": None if not waiting else waiting[0][0]},
        "findings": findings[:ROWS_MAX],
        "findings_left_out": max(0, len(findings) - ROWS_MAX),
        "sanctions": [each.as_json() for each in now.sanctions[:ROWS_MAX]],
        "released_by_time": [each.as_json() for each in now.released_by_time[-16:]],
        "oversight": beside,
        "oversight_left_out": beside_left_out,
    }
    return sight.with_entries(value)


def _first(rows: list[Value]) -> tuple[list[Value], int]:
    return rows[:ROWS_MAX], max(0, len(rows) - ROWS_MAX)


def _depth_shown(each: Oversight) -> float:
    """By what the list is ordered: the upper end of the AI-proposed depth; not known is the most."""
    return float("inf") if each.ai_proposed_depth.high is None else each.ai_proposed_depth.high


def _parties(sight: Sight) -> Iterator[Value]:
    """Every party: bound or not, and how many of its runs stand how under a pause."""
    counts: dict[str, Counter[str]] = {}
    for halt in sight.now.halts:
        counts.setdefault(halt.party, Counter())[halt.state] += 1
    paused = {party for pause in sight.now.pauses for party in pause.parties}
    for binding in sight.now.bindings:
        terms = sight.terms.parties[binding.party]
        runs = counts.get(binding.party, Counter())
        yield {
            "party": binding.party,
            "country": terms.country,
            "roles": sorted(terms.roles),
            "bound": binding.bound,
            "since": when(binding.since),
            "leaves_at": when(binding.leaves_at),
            "why": binding.why.as_json(),
            "paused": binding.party in paused,
            "halted": halted_word(runs) if binding.party in paused else None,
            "runs": {state: runs[state] for state in STATES},
        }


def halted_word(runs: Counter[str]) -> str:
    """How a paused party stands by its runs: the worst of them.

    >>> halted_word(Counter({"confirmed": 2, "declared": 1})), halted_word(Counter())
    ('declared', 'nothing to stop')
    """
    for state in ("overdue", "running", "declared", "confirmed"):
        if runs[state]:
            return state
    return "nothing to stop"


def _indicators(sight: Sight) -> Iterator[Value]:
    """Each comparison of each trigger, for each subject that it looks at."""
    sweep, point = sweep_of(sight.state), sight.point
    for key in sorted(point.tracks):
        view = sweep.view(key, point)
        if view is not None and (key[1] == "all" or key[1] in point.members.bound):
            for atom in atoms(view.trigger.when):
                if isinstance(atom, Compare):
                    yield from _compared(sight, key, view, atom)


def _compared(sight: Sight, key: TrackKey, view: View, atom: Compare) -> Iterator[Value]:
    indicator = sight.terms.indicators.get(atom.what)
    if atom.what in LINEAGE:
        for party in view.subjects(Indicator(atom.what, (), None, "party", "holds", "holds")):
            value, cited, _ = sight.ancestry.greatest(atom.what, party, view.cut)  # type: ignore[arg-type]
            yield _row(view.trigger, key, atom, party, value, cited, overdue=False)
    if indicator is None or not indicator.supplied_by:
        return
    for subject in view.subjects(indicator):
        spoken, last = [], -1
        for author in sight.terms.suppliers(indicator, subject):
            said, settled = view.said(indicator, subject, author)
            spoken += said
            last = max(last, settled)
        due = view.due_at(indicator, subject, last)
        values = [item.body for item, _ in spoken if isinstance(item.body, Measurement)]
        value = _hull([Interval(body.low, body.high) for body in values])
        cited = tuple(item.id for item, _ in spoken)
        yield {
            **_row(view.trigger, key, atom, subject, value, cited, overdue=due is not None and sight.at > due),
            "due_at": when(due),
        }


def _hull(values: list[Interval]) -> Interval:
    """The least interval that holds what every supplier says; without any, nothing is known."""
    lows, highs = [each.low for each in values], [each.high for each in values]
    low = min((each for each in lows if each is not None), default=None) if None not in lows else None
    high = max((each for each in highs if each is not None), default=None) if None not in highs else None
    return Interval(low, high)


def _row(
    trigger: Trigger,
    key: TrackKey,
    atom: Compare,
    subject: Party | None,
    value: Interval,
    cited: tuple[Digest, ...],
    *,
    overdue: bool,
) -> Value:
    answer: Truth = atom.of(value)
    return {
        "indicator": atom.what,
        "about": subject,
        "low": None if value.low is None else show_decimal(value.low),
        "high": None if value.high is None else show_decimal(value.high),
        "unit": atom.unit,
        "how": atom.how,
        "bound": show_decimal(atom.bound),
        "answer": spelled(answer),
        "overdue": overdue,
        "due_at": None,
        "trigger": trigger.id,
        "scope": key[1],
        "then": trigger.then,
        "clause": say(trigger.when),
        "cites": list(cited),
    }


def _overdue(sight: Sight, indicators: list[Value]) -> Iterator[Value]:
    """What somebody owes and has not done: halts, duties, measurements, proposals that wait are not among them."""
    for halt in sight.now.halts:
        if halt.state == "overdue":
            yield _owed("halt", halt.party, f"run {halt.name} has not stopped", when(halt.halt_by), halt.cited)
    for duty in sight.now.duties:
        if duty.state == "overdue":
            yield _owed("duty", duty.party, f"{duty.duty}: {duty.asks}", when(duty.due_at), duty.cited)
    for row in indicators:
        if row["overdue"]:
            of = f" of {row['about']}" if row["about"] else ""
            yield _owed("measurement", row["about"], f"{row['indicator']}{of}", row["due_at"], row["cites"])


def _owed(what: str, party: str | None, text: str, due_at: str | None, cites: Iterable[str]) -> Value:
    return {"what": what, "party": party, "text": text, "due_at": due_at, "cites": list(cites)}
