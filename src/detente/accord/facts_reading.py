"""Reading a file of facts: every value typed and in the unit that terms ask for, all errors at once with line and column.

Decides what is a well-formed file of facts for given terms and vocabulary. Leaves what terms make of them to ``comparison``.
Normative text: ``spec/compare.md`` §1 and §6.

- Read as strictly as terms: T01 to T08 say the same of it.
- No fact stands without a date, a source and a grade.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detente.accord.document import Node, read_document
from detente.accord.facts import (
    GRADES,
    CaseGiven,
    ChangeGiven,
    DutyGiven,
    Fact,
    Facts,
    Given,
    GivenAny,
    RunGiven,
    VotesGiven,
    key_of,
)
from detente.accord.fields import Fields, TermsRefused, flag, listed, name, one_of, quantity, text, whole
from detente.accord.tree_reading import ACTIVITY, PART, RUN
from detente.accord.vocabulary import Known
from detente.base.errors import Refused, shown
from detente.base.identity import parse_party
from detente.base.instant import Instant, parse_date, show_instant
from detente.base.quantity import Interval, exactly
from detente.statement.change import PROPOSER_KINDS

FACTS_MAX = 10_000
"""A file is read by people; the shipped year holds about forty."""
LABEL_MAX = 28
"""Characters of a label: what fits above a column of a figure."""
_KINDS = ("indicator", "run", "change", "votes", "open_findings", "breach", "overdue")


def read_facts(data: bytes, known: Known) -> Facts:
    """The facts in these bytes; raises ``TermsRefused`` with every error in ``all``.

    1. It is a readable document: T01 to T05.
    2. Every member is known and of its type: T06 to T08.
    3. Facts stand in order of date, none after the end of what they cover: Y01.
    4. Each value is of one thing that these terms have, in its unit: Y02 to Y04.
    5. No thing has two values on one date: Y05.
    """
    errors: list[Refused] = []
    facts: Facts | None = None
    try:
        facts = _Reader(known, errors).read(read_document(data))
    except Refused as refused:
        errors.append(refused)
    if errors or facts is None:
        raise TermsRefused.of(errors)
    return facts


class _Reader:
    def __init__(self, known: Known, errors: list[Refused]) -> None:
        self.known = known
        self.errors = errors
        self.said: set[tuple[Instant, str | None, str]] = set()

    def read(self, root: Node) -> Facts:
        fields = Fields(root, self.errors)
        called = fields.take("facts", name)
        covers_to = fields.take("covers_to", _date, None)
        nodes = fields.take("items", listed(lambda item: item, 1, FACTS_MAX)) or ()
        fields.done()
        facts: list[Fact] = []
        for node in nodes:
            fact = self._fact(node, facts[-1].date if facts else Instant(0), covers_to)
            if fact is not None:
                facts.append(fact)
        return Facts(called or "", covers_to, tuple(facts))

    def _fact(self, node: Node, since: Instant, covers_to: Instant | None) -> Fact | None:
        before = len(self.errors)
        f = Fields(node, self.errors)
        date = f.take("date", _date)
        fact = Fact(
            node.where,
            date or Instant(0),
            f.take("says", text) or "",
            f.take("source", text) or "",
            f.take("grade", one_of(*GRADES)),
            f.take("about", lambda n: parse_party(text(n)), None),
            f.take("label", _label, "") or "",
            tuple(
                given
                for item in f.take("gives", listed(lambda item: item, 0, 100), ()) or ()
                for given in (f.guard(item, self._given),)
                if given is not None
            ),
        )
        f.done()
        if date is not None and (date < since or (covers_to is not None and date > covers_to)):  # 3
            wanted = f"a date from {show_instant(since)[:10]}"
            wanted += "" if covers_to is None else f" to {show_instant(covers_to)[:10]}, to which the facts are known"
            self.errors.append(
                Refused("Y01", "malformed", got=f"{node.where} {show_instant(date)[:10]}", expected=wanted)
            )
        for given in fact.gives:  # 5
            about = None if isinstance(given, VotesGiven | CaseGiven) else fact.about
            key = (fact.date, about, key_of(given))
            if key in self.said:
                self.errors.append(
                    Refused(
                        "Y05",
                        "duplicate-key",
                        got=f"{node.where} {shown(key_of(given))} again",
                        expected="one value of one thing on one date",
                        todo="where sources differ, give one interval that holds both values, and name both sources",
                    )
                )
            self.said.add(key)
        return fact if len(self.errors) == before else None

    def _given(self, node: Node) -> GivenAny | None:
        before = len(self.errors)
        f = Fields(node, self.errors)
        named = [kind for kind in _KINDS if kind in node.entries]
        if node.kind == "mapping" and len(named) != 1:
            raise Refused(
                "Y02",
                "wrong-type",
                got=f"{node.where} {' and '.join(named) or 'none of them'}",
                expected="one of " + ", ".join(_KINDS),
            )
        given: GivenAny | None = _BUILD[named[0]](self, f) if named else None
        f.done()
        return given if len(self.errors) == before else None

    def _indicator(self, f: Fields) -> GivenAny:
        spelled = f.take("indicator", self._asked)
        unit = None if spelled is None else self.known.units[spelled]
        return Given(spelled or "", self._value(f, unit), unit or "")

    def _run(self, f: Fields) -> GivenAny:
        figures = {}
        for what in RUN:
            value = f.take(what.removeprefix("run."), lambda node: _interval(node, "FLOP"), None)
            if value is not None:
                figures[what] = value
        if not figures:
            raise Refused(
                "Y02",
                "wrong-type",
                got=f"{f.node.where} a run without figures",
                expected="one of " + ", ".join(what.removeprefix("run.") for what in RUN),
            )
        return RunGiven(f.take("run", name) or "", tuple(figures.items()), f.take("activity", ACTIVITY, None))

    def _change(self, f: Fields) -> GivenAny:
        proposer = f.take("proposer", one_of(*PROPOSER_KINDS), None)
        return ChangeGiven(
            f.take("change", name) or "",
            f.take("touches", listed(PART, 1, 5), None),
            None if proposer == "undeclared" else proposer,
        )

    def _votes(self, f: Fields) -> GivenAny:
        accord = f.take("in", self._accord)
        return VotesGiven(
            accord or "",
            f.take("clause", lambda node: self._clause(node, accord)) or "",
            f.take("votes", lambda node: whole(node, 0, 10_000)) or 0,
        )

    def _findings(self, f: Fields) -> GivenAny:
        return CaseGiven(
            f.take("in", self._accord) or "",
            "findings",
            f.take("open_findings", lambda node: whole(node, 0, 10_000)) or 0,
        )

    def _breach(self, f: Fields) -> GivenAny:
        return CaseGiven(f.take("in", self._accord) or "", "breach", int(bool(f.take("breach", flag))))

    def _overdue(self, f: Fields) -> GivenAny:
        accord = f.take("in", self._accord)
        duty = f.take("duty", lambda node: self._clause(node, accord, kind="duties"))
        return DutyGiven(accord or "", (duty or "").partition(".")[2], bool(f.take("overdue", flag)))

    def _asked(self, node: Node) -> str:
        spelled = name(node)
        if spelled in RUN or spelled not in self.known.units:
            raise Refused(
                "Y03",
                "not-found",
                got=f"{node.where} {shown(spelled)}",
                expected="an indicator that some terms ask for: " + ", ".join(sorted({*self.known.units} - {*RUN})),
            )
        return spelled

    def _accord(self, node: Node) -> str:
        spelled = name(node)
        if spelled not in self.known.clauses:
            raise Refused(
                "Y03",
                "not-found",
                got=f"{node.where} {shown(spelled)}",
                expected="one of " + ", ".join(sorted(self.known.clauses)),
            )
        return spelled

    def _clause(self, node: Node, accord: str | None, *, kind: str = "") -> str:
        """A clause of the accord, by its place; of one ``kind`` where that is asked for."""
        spelled = text(node)
        clauses = self.known.clauses.get(accord or "", frozenset())
        clauses = frozenset(
            clause for clause in clauses if (clause.partition(".")[0] == "duties") == (kind == "duties")
        )
        if accord is not None and spelled not in clauses:
            raise Refused(
                "Y03",
                "not-found",
                got=f"{node.where} {shown(spelled)}",
                expected=f"a clause of {accord}: " + ", ".join(sorted(clauses)),
            )
        return spelled

    def _value(self, f: Fields, unit: str | None) -> Interval:
        """``value``, or ``low`` and ``high`` of which one may be absent; no unit is asked of what nobody knows."""
        before = len(self.errors)
        read: Callable[[Node], Any] = lambda node: _amount(node, unit)  # noqa: E731 - a reader, three times
        value, low, high = (f.take(member, read, None) for member in ("value", "low", "high"))
        if len(self.errors) == before and (value is None) == (low is None and high is None):
            raise Refused(
                "Y02", "wrong-type", got=f"{f.node.where} a value and its ends, or neither",
                expected="value, or low and high of which one may be absent",
            )  # fmt: skip
        return exactly(value) if value is not None else Interval(low, high)


_BUILD: dict[str, Callable[[_Reader, Fields], GivenAny]] = {
    "indicator": _Reader._indicator,
    "run": _Reader._run,
    "change": _Reader._change,
    "votes": _Reader._votes,
    "open_findings": _Reader._findings,
    "breach": _Reader._breach,
    "overdue": _Reader._overdue,
}


def _amount(node: Node, unit: str | None) -> Any:
    value, got = quantity(node)
    if unit is not None and got != unit:
        raise Refused(
            "Y04",
            "wrong-type",
            got=f"{node.where} {node}",
            expected=f"the unit {unit}" if unit else "a number without a unit",
            todo="nothing is converted: a figure against another baseline is another indicator",
        )
    return value


def _interval(node: Node, unit: str) -> Interval:
    """One amount, or ``[low, high]`` with ``unknown`` for a side."""
    if node.kind != "list":
        return exactly(_amount(node, unit))
    low, high = listed(lambda item: None if item.text == "unknown" else _amount(item, unit), 2, 2)(node)
    return Interval(low, high)


def _date(node: Node) -> Instant:
    return parse_date(text(node))


def _label(node: Node) -> str:
    value = text(node)
    if len(value) > LABEL_MAX:
        raise Refused(
            "T08", "malformed", got=f"{node.where} {len(value)} characters", expected=f"at most {LABEL_MAX} characters"
        )
    return value
