"""The acts of a scenario table: what each holds, typed, and about what the terms have.

Decides how an act is spelled. Leaves who acts and when to ``scenario_reading``, and what a statement may say to the fold: a
vote that has no effect can be played, and its lack of effect expected. Normative: ``spec/simulate.md`` §2.

>>> read_moment("+1 d + 2 h - 1 s")
93599
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, get_args

from detente.accord import acts
from detente.accord.acts import Deed, Made
from detente.accord.document import Node
from detente.accord.fields import Fields, compute_rate, flag, listed, name, one_of, quantity, text, whole
from detente.accord.terms import SUNSET, Terms, Trigger
from detente.base.errors import Refused, shown
from detente.base.identity import Party
from detente.base.instant import parse_duration
from detente.statement.accession import AccessionCondition, BoundCondition, HaltedCondition
from detente.statement.approval import APPROVAL_DECISIONS, SIGNIFICANT
from detente.statement.audit import AUDIT_OUTCOMES
from detente.statement.change import PROPOSER_KINDS, TOUCHES
from detente.statement.finding import FINDING_RESULTS
from detente.statement.halted import HaltReason
from detente.statement.ruling import RULING_OUTCOMES
from detente.statement.run import Activity

EXPIRES_S = 365 * 86_400
"""How long a vote of a table counts where it does not say: longer than any pause of the shipped terms."""
REVIEWER = "reviewer-1"
FLAW = "evaluation-disabled"
VOTES = ("pause", "lift", "retract", "renew")
NAMING: Mapping[str, Made] = {
    "run": "run",
    "version": "version",
    "propose": "proposal",
    "find": "finding",
    "ask": "finding",
    "audit": "audit",
    "seed": "seeds",
}
"""Acts that make something with a name."""

_MOMENT = re.compile(r"[+-] ?\d{1,9} ?(?:s|min|h|d)(?: ?[+-] ?\d{1,9} ?(?:s|min|h|d))*\Z", re.ASCII)
_PART = re.compile(r"([+-]) ?(\d{1,9} ?(?:s|min|h|d))", re.ASCII)


class ActReader:
    """Reads the act of one step. ``known`` is what was made before it, and by whom."""

    def __init__(
        self, terms: Terms, known: Mapping[str, tuple[Made, Party]], errors: list[Refused], by: tuple[Party, ...]
    ) -> None:  # fmt: skip
        self.terms = terms
        self.known = known
        self.errors = errors
        self.by = by

    def read(self, act: str) -> Callable[[Node], Deed | None]:
        """The reader of one kind of act."""
        return lambda node: ACTS[act](self, node)

    def whole(self, node: Node, build: Callable[[Fields], Deed]) -> Deed | None:
        """A mapping whose members ``build`` takes; None where one of them could not be read."""
        before = len(self.errors)
        fields = Fields(node, self.errors)
        deed = build(fields)
        fields.done()
        return deed if len(self.errors) == before else None

    def party(self, node: Node) -> Party:
        """A party of the terms."""
        return read_party(node, self.terms)

    def made(self, *kinds: Made) -> Callable[[Node], str]:
        """The name of something of these kinds that was made before."""

        def read(node: Node) -> str:
            named = text(node)
            if named not in self.known or self.known[named][0] not in kinds:
                raise Refused(
                    "X04",
                    "not-found",
                    got=f"{node.where} {shown(named)}",
                    expected=f"the name of {_made(kinds)} made before",
                )
            return named

        return read

    def trigger(self, node: Node) -> Trigger:
        """A trigger of the terms."""
        trigger = self.terms.trigger(text(node))
        if trigger is None:
            raise Refused("X06", "out-of-scope", got=f"{node.where} {node}", expected=_one_of_terms(self.terms))
        return trigger

    def scope(self, node: Node) -> Any:
        """``all`` or a party."""
        return "all" if text(node) == "all" else self.party(node)

    def _accede(self, node: Node) -> Deed | None:
        def build(f: Fields) -> Deed:
            conditions: list[AccessionCondition] = []
            bound = f.take("bound", lambda n: self._condition(n, halted=False), None)
            halted = f.take("halted", lambda n: self._condition(n, halted=True), None)
            conditions += [each for each in (bound, halted) if each is not None]
            return acts.Accede(tuple(conditions))

        return self.whole(node, build)

    def _condition(self, node: Node, *, halted: bool) -> AccessionCondition | None:
        f = Fields(node, self.errors)
        least = f.take("at_least", lambda n: whole(n, 1, 1_000))
        of = f.take("of", listed(self.party, 1))
        confirmed = f.take("confirmed", flag, default=False) if halted else False
        f.done()
        if least is None or of is None:
            return None
        return HaltedCondition(least, of, bool(confirmed)) if halted else BoundCondition(least, of)

    def _register(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Register(
                f.take("facility", name, "facility-1"),
                f.take("flop_s", compute_rate),
                f.take("complete_above", compute_rate, None),
            ),
        )

    def _vote(self, node: Node) -> Deed | None:
        said = [choice for choice in VOTES if choice in node.entries]
        if node.kind == "mapping" and len(said) != 1:
            raise Refused(
                "X03", "wrong-type", got=f"{node.where} {len(said)} votes", expected=f"one of {', '.join(VOTES)}"
            )

        def build(f: Fields) -> Deed:
            renews = self.terms.renewal is not None and said in (["renew"], ["retract"])
            if renews and f.node.entries[said[0]].text == SUNSET:
                f.take(said[0], text)
                return acts.Cast(said[0], SUNSET, "all", f.take("round", whole, None), _expiry(f))  # type: ignore[arg-type]
            trigger = f.take(said[0], self.trigger) if said else None
            scope = f.take("scope", self.scope, "all")
            if trigger is not None and trigger.scope == "party" and scope == "all":
                self.errors.append(
                    Refused("X06", "out-of-scope", got=f"{node.where} no scope", expected=f"scope: a party, as in {trigger.id}")
                )  # fmt: skip
            return acts.Cast(
                said[0] if said else "pause",  # type: ignore[arg-type]
                trigger.id if trigger is not None else "",
                scope,
                f.take("round", whole, None),
                _expiry(f),
            )

        return self.whole(node, build)

    def _measure(self, node: Node) -> Deed | None:
        def build(f: Fields) -> Deed:
            indicator = f.take("indicator", self._indicator)
            value = f.take("value", _quantity, None)
            low, high = f.take("low", _quantity, value), f.take("high", _quantity, value)
            units = {each[1] for each in (low, high) if each is not None}
            if len(units) > 1:
                self.errors.append(
                    Refused("X08", "malformed", got=f"{node.where} units {', '.join(sorted(units))}", expected="one unit")
                )  # fmt: skip
            known = self.terms.indicators.get(indicator or "")
            unit = units.pop() if units else known.unit if known is not None else ""
            ends = [None if each is None else each[0] for each in (low, high)]
            return acts.Measure(indicator or "", ends[0], ends[1], unit, f.take("about", self.party, None))

        return self.whole(node, build)

    def _indicator(self, node: Node) -> str:
        named = text(node)
        if named not in self.terms.indicators:
            raise Refused(
                "X06",
                "out-of-scope",
                got=f"{node.where} {shown(named)}",
                expected=f"an indicator of the terms: {', '.join(self.terms.indicators) or 'there is none'}",
            )
        return named

    def _run(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.DeclareRun(
                f.take("name", name),
                f.take("flop", _unit("FLOP")),
                f.take("activity", one_of(*get_args(Activity)), "training"),
                f.take("parents", listed(self.made("version")), ()),
                f.take("proposal", self.made("proposal"), None),
            ),
        )

    def _spend(self, node: Node) -> Deed | None:
        return self.whole(node, lambda f: acts.Spend(f.take("run", self.made("run")), f.take("flop", _unit("FLOP"))))

    def _version(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.StateVersion(
                f.take("name", name),
                f.take("parents", listed(self.made("version")), ()),
                f.take("proposed_by", one_of(*PROPOSER_KINDS)),
                f.take("touches", listed(one_of(*TOUCHES)), ("training",)),
                f.take("flop", _unit("FLOP"), Decimal(1)),
                f.take("proposal", self.made("proposal"), None),
                f.take("run", self.made("run"), None),
            ),
        )

    def _propose(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Propose(
                f.take("name", name),
                f.take("parent", self.made("version"), None),
                f.take("proposed_by", one_of(*PROPOSER_KINDS)),
                f.take("touches", listed(one_of(*TOUCHES)), ("training",)),
                f.take("flop", _unit("FLOP"), Decimal(1)),
            ),
        )

    def _approve(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Approve(
                f.take("what", self.made("proposal", "run")),
                f.take("reviewer", name, REVIEWER),
                f.take("decision", one_of(*APPROVAL_DECISIONS), "approve"),
                f.take("significant", one_of(*SIGNIFICANT), "yes"),
                f.take("same_host", flag, default=False),
            ),
        )

    def _seed(self, node: Node) -> Deed | None:
        """Names of proposals that nobody has made yet; what was made before may be named, and then has no effect."""
        return self.whole(node, lambda f: acts.Seed(f.take("name", name), f.take("proposals", listed(name, 1, 64))))

    def _reveal(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Reveal(
                f.take("proposal", self.made("proposal")),
                f.take("seeds", self.made("seeds")),
                f.take("flaw", name, FLAW),
            ),
        )

    def _audit(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Inspect(
                f.take("name", name),
                f.take("what", self.made("version", "run", "proposal")),
                f.take("certifies", listed(name, 1, 64)),
                f.take("outcome", one_of(*AUDIT_OUTCOMES), "pass"),
            ),
        )

    def _find(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Find(
                f.take("name", name),
                f.take("about", self.party),
                f.take("claim", text),
                f.take("result", one_of(*FINDING_RESULTS), "confirmed"),
                f.take("run", self.made("run"), None),
                f.take("audit", self.made("audit"), None),
            ),
        )

    def _ask(self, node: Node) -> Deed | None:
        """A request is a finding that leaves open what it asks for."""
        return self.whole(
            node,
            lambda f: acts.Find(
                f.take("name", name),
                f.take("of", self.party),
                f"asks {f.take('for', name)}",
                "inconclusive",
                None,
            ),
        )

    def _refute(self, node: Node) -> Deed | None:
        return acts.Refute(self.made("finding")(node))

    def _confirm(self, node: Node) -> Deed | None:
        return acts.Confirm(self.made("run")(node))

    def _dispute(self, node: Node) -> Deed | None:
        return acts.Dispute(self.made("finding")(node))

    def _rule(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Rule(f.take("finding", self.made("finding")), f.take("outcome", one_of(*RULING_OUTCOMES))),
        )

    def _stop(self, node: Node) -> Deed | None:
        return self.whole(
            node,
            lambda f: acts.Stop(f.take("run", self.made("run")), f.take("why", one_of(*get_args(HaltReason)), "pause")),
        )

    def _fork(self, node: Node) -> Deed | None:
        return self.whole(node, lambda f: acts.Fork(f.take("to", listed(self.party, 1))))

    def _hide(self, node: Node) -> Deed | None:
        return self.whole(node, lambda f: acts.Hide(f.take("from", listed(self.party, 1))))

    def _lie(self, node: Node) -> Deed | None:
        return self.whole(node, lambda f: acts.Lie(f.take("clock", _offset, 0)))

    def _bare(self, deed: Deed, node: Node) -> Deed | None:
        return self.whole(node, lambda _: deed)


ACTS: Mapping[str, Callable[[ActReader, Node], Deed | None]] = {
    "accede": ActReader._accede,
    "withdraw": lambda reader, node: reader._bare(acts.Withdraw(), node),
    "register": ActReader._register,
    "vote": ActReader._vote,
    "measure": ActReader._measure,
    "run": ActReader._run,
    "spend": ActReader._spend,
    "version": ActReader._version,
    "propose": ActReader._propose,
    "approve": ActReader._approve,
    "seed": ActReader._seed,
    "reveal": ActReader._reveal,
    "audit": ActReader._audit,
    "find": ActReader._find,
    "ask": ActReader._ask,
    "refute": ActReader._refute,
    "confirm": ActReader._confirm,
    "rule": ActReader._rule,
    "challenge": ActReader._dispute,
    "halt": ActReader._stop,
    "silent": lambda reader, node: reader._bare(acts.FallSilent(), node),
    "speak": lambda reader, node: reader._bare(acts.Speak(), node),
    "fork": ActReader._fork,
    "hide": ActReader._hide,
    "show": lambda reader, node: reader._bare(acts.Show(), node),
    "lie": ActReader._lie,
}
"""Every act by its name in a table."""


def _made(kinds: tuple[Made, ...]) -> str:
    return " or ".join("seeds" if kind == "seeds" else f"a {kind}" for kind in kinds)


def _expiry(f: Fields) -> int:
    seconds: int = f.take("expires", lambda node: parse_duration(text(node)), EXPIRES_S)
    return seconds


def read_party(node: Node, terms: Terms) -> Party:
    """A party of the terms: else X01."""
    named = text(node)
    if named not in terms.parties:
        raise Refused("X01", "unknown-party", got=f"{node.where} {shown(named)}", expected="a party of the terms")
    return Party(named)


def read_moment(spelled: str) -> int | None:
    """Seconds of a sum of durations with their signs; None for another text."""
    if not _MOMENT.match(spelled):
        return None
    return sum(parse_duration(part) * (1 if sign == "+" else -1) for sign, part in _PART.findall(spelled))


def _one_of_terms(terms: Terms) -> str:
    return f"a trigger of the terms: {', '.join(trigger.id for trigger in terms.triggers) or 'there is none'}"


def _offset(node: Node) -> int:
    """A signed duration."""
    spelled = text(node)
    seconds = read_moment(spelled)
    if seconds is None:
        raise Refused(
            "X02", "malformed", got=f"{node.where} {shown(spelled)}", expected="a duration like - 1 h or +30 s"
        )
    return seconds


def _quantity(node: Node) -> tuple[Decimal, str]:
    return quantity(node)


def _unit(unit: str) -> Callable[[Node], Decimal]:
    """A number in this unit."""

    def read(node: Node) -> Decimal:
        value, found = quantity(node)
        if found != unit or value < 0:
            raise Refused("T08", "malformed", got=f"{node.where} {node}", expected=f"a number of {unit}")
        return value

    return read
