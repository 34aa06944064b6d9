"""Reading a scenario table: every step typed and checked against the terms, all errors at once with line and column.

Decides what is a well-formed table for given terms. Leaves acts to ``act_reading`` and expectations to
``expectation_reading``, and what happens to whoever plays it. Normative: ``spec/simulate.md`` §1 and §6.

- Read as strictly as terms: T01 to T08 say the same of a table.
- A name is known from the step that makes it; what a step speaks of was made before it (X04).
"""

from __future__ import annotations

from collections.abc import Mapping

from detente.accord.act_reading import ACTS, NAMING, ActReader, read_moment, read_party
from detente.accord.acts import Made
from detente.accord.document import Node, read_document
from detente.accord.expectation_reading import ExpectationReader
from detente.accord.fields import Fields, TermsRefused, flag, text
from detente.accord.scenario import Scenario, Step, Table
from detente.accord.terms import Terms
from detente.base.errors import Refused, shown
from detente.base.identity import Party
from detente.base.instant import Instant, parse_date, parse_instant

SCENARIOS_MAX = 1_000
"""A table is read by people; the shipped ones hold about twenty."""
STEPS_MAX = 10_000


def read_scenarios(data: bytes, terms: Terms) -> Table:
    """The table in these bytes, for these terms; raises ``TermsRefused`` with every error in ``all``.

    1. It is a readable document: T01 to T05.
    2. It is for these terms, has a start, and every member is known and of its type: T06 to T08, X07.
    3. Every step is one act or expectations, in order of time, about what the terms have and what was made before: X01 to X06.
    """
    errors: list[Refused] = []
    table: Table | None = None
    try:
        table = _TableReader(terms, errors).read(read_document(data))  # 1, 2, 3
    except Refused as refused:
        errors.append(refused)
    if errors or table is None:
        raise TermsRefused.of(errors)
    return table


class _TableReader:
    """Reads one table; errors gather in ``errors``."""

    def __init__(self, terms: Terms, errors: list[Refused]) -> None:
        self.terms = terms
        self.errors = errors
        self.start = Instant(0)
        self.known: dict[str, tuple[Made, Party]] = {}

    def read(self, root: Node) -> Table:
        """The whole table."""
        fields = Fields(root, self.errors)
        fields.take("accord", self._accord)
        self.start = fields.take("start", _day) or Instant(0)
        setup = fields.take("setup", lambda node: self._items(node, STEPS_MAX), ())
        nodes = fields.take("scenarios", lambda node: self._items(node, SCENARIOS_MAX)) or ()
        fields.done()
        first = self._steps(setup or (), 0)
        shared = dict(self.known)
        scenarios: dict[str, Scenario] = {}
        for node in nodes:
            self.known = dict(shared)
            scenario = self._scenario(node, first, scenarios)
            if scenario is not None:
                scenarios[scenario.name] = scenario
        return Table(self.start, tuple(scenarios.values()))

    def _accord(self, node: Node) -> str:
        named = text(node)
        if named != self.terms.accord:
            raise Refused(
                "X07", "wrong-accord", got=f"{node.where} {shown(named)}", expected=f"{self.terms.accord!r}, as in the terms"
            )  # fmt: skip
        return named

    def _scenario(
        self, node: Node, first: tuple[Step, ...], others: Mapping[str, Scenario]
    ) -> Scenario | None:  # fmt: skip
        fields = Fields(node, self.errors)
        name = fields.take("name", text)
        with_setup = fields.take("setup", flag, default=True)
        if not with_setup:
            self.known, first = {}, ()
        nodes = fields.take("steps", lambda steps: self._items(steps, STEPS_MAX)) or ()
        fields.done()
        steps = self._steps(nodes, first[-1].at_s if first else 0)
        if name is None:
            return None
        if name in others:
            self._error(
                Refused("X05", "duplicate-key", got=f"{node.where} {shown(name)} again", expected="each name once")
            )
        if nodes and not any(step.entries.get("expect") for step in nodes):
            self._error(
                Refused("X03", "wrong-type", got=f"{node.where} nothing expected", expected="a step with `expect`")
            )
        return Scenario(name, node.where, (*first, *steps))

    def _items(self, node: Node, most: int) -> tuple[Node, ...]:
        if node.kind != "list" or not 1 <= len(node.items) <= most:
            raise Refused("T07", "wrong-type", got=f"{node.where} {node}", expected=f"a list of 1 to {most}")
        return node.items

    def _steps(self, nodes: tuple[Node, ...], since: int) -> tuple[Step, ...]:
        steps: list[Step] = []
        for node in nodes:
            step = self._step(node, since)
            if step is not None:
                steps.append(step)
                since = step.at_s
        return tuple(steps)

    def _step(self, node: Node, since: int) -> Step | None:
        fields = Fields(node, self.errors)
        at_s = fields.take("at", lambda at: self.moment(at, since), since)
        at_s = since if at_s is None else at_s
        said = [name for name in ("expect", *ACTS) if name in node.entries]
        if node.kind == "mapping" and len(said) != 1:
            self._error(
                Refused(
                    "X03",
                    "wrong-type",
                    got=f"{node.where} {' and '.join(said) or 'a step without an act'}",
                    expected=f"expect, or one of {', '.join(ACTS)}",
                )
            )
        if len(said) != 1:
            return None
        if said == ["expect"]:
            reader = ExpectationReader(self.terms, self.known, self.errors, self._asked_moment)
            expected = fields.take("expect", reader.read)
            fields.done()
            return None if expected is None else Step(node.where, at_s, expected=expected)
        return self._act(fields, said[0], at_s)

    def _act(self, fields: Fields, act: str, at_s: int) -> Step | None:
        by = fields.take("by", self._parties) or ()
        heard = fields.take("heard", flag, default=False)
        logged_s = fields.take("logged", lambda node: self.moment(node, at_s), None)
        aside = fields.take("aside", flag, default=False)
        forged_by = fields.take("forged_by", self._party, None)
        reader = ActReader(self.terms, self.known, self.errors, by)
        deed = fields.take(act, reader.read(act))
        fields.done()
        if deed is None or not by:
            return None
        if act in NAMING:
            node = fields.node.entries[act]
            name = getattr(deed, "name", None)
            if name in self.known:
                self._error(
                    Refused("X05", "duplicate-key", got=f"{node.where} {shown(name)} again", expected="a new name")
                )
            if len(by) != 1:
                self._error(
                    Refused("X05", "duplicate-key", got=f"{node.where} {shown(name)} of {len(by)} parties", expected="of one")
                )  # fmt: skip
            if name is not None:
                self.known[name] = (NAMING[act], by[0])
        said = bool(heard) or logged_s is not None
        return Step(fields.node.where, at_s, by, deed, said, logged_s, bool(aside), forged_by)

    def _parties(self, node: Node) -> tuple[Party, ...]:
        nodes = self._items(node, 1_000) if node.kind == "list" else (node,)
        return tuple(dict.fromkeys(self._party(each) for each in nodes))

    def _party(self, node: Node) -> Party:
        return read_party(node, self.terms)

    def moment(self, node: Node, since: int) -> int:
        """A time of a step, no earlier than the step before."""
        at_s = self._asked_moment(node)
        if at_s < since:
            raise Refused(
                "X02", "malformed", got=f"{node.where} {node}", expected="a time no earlier than the step before"
            )
        return at_s

    def _asked_moment(self, node: Node) -> int:
        spelled = text(node)
        at_s = read_moment(spelled)
        if at_s is None:
            try:
                at_s = parse_instant(spelled) - self.start
            except Refused:
                raise Refused(
                    "X02",
                    "malformed",
                    got=f"{node.where} {node}",
                    expected="a time like +2 h, +180 d - 1 s or 2027-01-01T00:00:00Z",
                ) from None
        if at_s < 0:
            raise Refused("X02", "malformed", got=f"{node.where} {node}", expected="a time after the start")
        return at_s

    def _error(self, refused: Refused) -> None:
        self.errors.append(refused)


def _day(node: Node) -> Instant:
    spelled = text(node)
    return parse_instant(spelled) if "T" in spelled else parse_date(spelled)
