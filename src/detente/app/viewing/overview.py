"""What stands first: the phase of the accord, who is bound, who has stopped, indicators against triggers, what is overdue.

Decides what of a status fits one page, and in which order. Leaves single runs, parties and proposals to their own pages.

- *Stopped with proof* is a halt that an auditor confirmed; *declared* is the developer's word; *running* and *overdue* are neither.
- At most ``ROWS_MAX`` rows of a list are given, what restricts first; how many more there are is said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from detente.accord.conditions import Compare, Truth, atoms
from detente.accord.escalation import Escalated, shown_at
from detente.accord.explaining.aloud import say
from detente.accord.explaining.constraint import spelled
from detente.accord.oversight import Oversight, oversight
from detente.accord.standing import DutyStanding, Halt
from detente.accord.sweep import TrackKey, sweep_of
from detente.accord.terms import Indicator, Trigger
from detente.accord.tree_reading import LINEAGE
from detente.accord.view import View
from detente.app.viewing.held import held_proposals, overdue_answers
from detente.app.viewing.sight import Sight, Value, when
from detente.base.digest import Digest
from detente.base.identity import Party
from detente.base.quantity import Interval, show_decimal
from detente.statement.measurement import Measurement

ROWS_MAX: Final = 48
"""Rows of a list, what restricts most first: more would not be read. Parties are all there."""
STATES: Final = ("confirmed", "declared", "running", "overdue")
_ORDER: Final[dict[Truth, int]] = {True: 0, None: 1, False: 2}


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
    compared = sorted(_indicators(sight), key=lambda row: _ORDER[row.answer])
    indicators = [row.as_json() for row in compared[:ROWS_MAX]]
    indicators_left_out = max(0, len(compared) - ROWS_MAX)
    waiting, _ = held_proposals(sight)
    owing = [halt for halt in now.halts if halt.state == "overdue"]
    late = [row for row in compared if row.overdue]
    unmet = [duty for duty in now.duties if duty.state == "overdue"]
    unanswered = overdue_answers(sight)
    overdue = list(islice(_overdue(owing, unmet, late, unanswered), ROWS_MAX))
    looked = sorted(oversight(sight.state, sight.at), key=lambda each: -_depth_shown(each))
    beside, beside_left_out = [each.as_json() for each in looked[:ROWS_MAX]], max(0, len(looked) - ROWS_MAX)
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
        "overdue_left_out": len(owing) + len(unmet) + len(late) + len(unanswered) - len(overdue),
        "proposals": {"waiting": len(waiting), "first": None if not waiting else waiting[0][0]},
        "findings": findings[:ROWS_MAX],
        "findings_left_out": max(0, len(findings) - ROWS_MAX),
        "sanctions": [each.as_json() for each in now.sanctions[:ROWS_MAX]],
        "released_by_time": [each.as_json() for each in now.released_by_time[-16:]],
        "oversight": beside,
        "oversight_left_out": beside_left_out,
    }
    return sight.with_entries(value)


def _depth_shown(each: Oversight) -> float:
    """By what the list is ordered: the upper end of the AI-proposed depth; not known is the most."""
    return float("inf") if each.ai_proposed_depth.high is None else each.ai_proposed_depth.high


def _parties(sight: Sight) -> Iterator[Value]:
    """Every party: bound or not, and how many of its runs stand how under a pause."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (party, state), number in Counter((halt.party, halt.state) for halt in sight.now.halts).items():
        counts[party][state] = number
    paused = {party for pause in sight.now.pauses for party in pause.parties}
    for binding in sight.now.bindings:
        terms = sight.terms.parties[binding.party]
        runs = counts[binding.party]
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


def _indicators(sight: Sight) -> Iterator[_Row]:
    """Each comparison of each trigger, for each subject that it looks at."""
    sweep, point = sweep_of(sight.state), sight.point
    for key in sorted(point.tracks):
        view = sweep.view(key, point)
        if view is not None and (key[1] == "all" or key[1] in point.members.bound):
            for atom in atoms(view.trigger.when):
                if isinstance(atom, Compare):
                    yield from _compared(sight, key, view, atom)


def _compared(sight: Sight, key: TrackKey, view: View, atom: Compare) -> Iterator[_Row]:
    indicator = sight.terms.indicators.get(atom.what)
    if atom.what in LINEAGE:
        for party in view.subjects(Indicator(atom.what, (), None, "party", "holds", "holds")):
            value, cited, _ = sight.ancestry.greatest(atom.what, party, view.cut)  # type: ignore[arg-type]
            yield _Row(view.trigger, key[1], atom, party, value, cited, None, overdue=False)
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
        overdue = due is not None and sight.at > due
        yield _Row(view.trigger, key[1], atom, subject, value, cited, due, overdue=overdue)


def _hull(values: list[Interval]) -> Interval:
    """The least interval that holds what every supplier says; without any, nothing is known."""
    lows, highs = [each.low for each in values], [each.high for each in values]
    low = min((each for each in lows if each is not None), default=None) if None not in lows else None
    high = max((each for each in highs if each is not None), default=None) if None not in highs else None
    return Interval(low, high)


@dataclass(frozen=True, slots=True)
class _Row:
    """One comparison. It is spelled only where it is shown: of two hundred parties most are not."""

    trigger: Trigger
    scope: str
    atom: Compare
    about: Party | None
    value: Interval
    cited: tuple[Digest, ...]
    due: int | None
    overdue: bool

    @property
    def answer(self) -> Truth:
        return self.atom.of(self.value)

    def as_json(self) -> Value:
        low, high = self.value.low, self.value.high
        return {
            "indicator": self.atom.what,
            "about": self.about,
            "low": None if low is None else show_decimal(low),
            "high": None if high is None else show_decimal(high),
            "unit": self.atom.unit,
            "how": self.atom.how,
            "bound": show_decimal(self.atom.bound),
            "answer": spelled(self.answer),
            "overdue": self.overdue,
            "due_at": when(self.due),
            "trigger": self.trigger.id,
            "scope": self.scope,
            "then": self.trigger.then,
            "clause": say(self.trigger.when),
            "cites": list(self.cited),
        }


def _overdue(
    halts: list[Halt], duties: list[DutyStanding], rows: list[_Row], answers: list[tuple[Digest, Escalated]]
) -> Iterator[Value]:
    """What somebody owes and has not done: halts, duties, answers to what was escalated, measurements; what only waits is not among them."""
    for halt in halts:
        yield _owed("halt", halt.party, f"run {halt.name} has not stopped", when(halt.halt_by), halt.cited)
    for duty in duties:
        yield _owed("duty", duty.party, f"{duty.duty}: {duty.asks}", when(duty.due_at), duty.cited)
    for proposal, escalated in answers:
        to = " or ".join(escalated.to) or "nobody who is left"
        party = escalated.to[0] if len(escalated.to) == 1 else None
        text = f"{escalated.hold}: an answer of {to} on a proposal that was escalated"
        yield _owed("answer", party, text, shown_at(escalated.due), (proposal, *escalated.cited))
    for row in rows:
        of = f" of {row.about}" if row.about else ""
        yield _owed("measurement", row.about, f"{row.atom.what}{of}", when(row.due), row.cited)


def _owed(what: str, party: str | None, text: str, due_at: str | None, cites: Iterable[str]) -> Value:
    return {"what": what, "party": party, "text": text, "due_at": due_at, "cites": list(cites)}
