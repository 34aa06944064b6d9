"""The expectations of a scenario table: what may be asked of a state, typed, and about what the terms have.

Decides how an expectation is spelled. A misspelt trigger, limit or party is refused: "not paused by cal" would always hold.
Leaves judging to ``scenario_checking``. Normative: ``spec/simulate.md`` §3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_args

from detente.accord.act_reading import ActReader
from detente.accord.acts import Made
from detente.accord.document import Node
from detente.accord.escalation import NO_ESCALATION, EscalationState
from detente.accord.fields import Fields, flag, one_of, share, text, whole
from detente.accord.scenario import (
    AlertIs,
    Bound,
    DutyIs,
    Ended,
    EscalationIs,
    Expectation,
    FindingIs,
    HaltIs,
    LatchedIs,
    LiftLacks,
    PhaseIs,
    PolicyIs,
    ReleasedByTime,
    Restricted,
    Sanctioned,
    SeedsShow,
    Stands,
    WithoutEffect,
)
from detente.accord.screened import HELD_BY
from detente.accord.standing import DutyState, HaltState, Phase
from detente.accord.terms import Activity, Terms
from detente.base.errors import Refused, shown
from detente.base.identity import Party

FINDING_STATES = ("open", "breach", "no_breach", "cured", "refuted", "fallen")
TIMED = ("pause_lapsed", "accord_expired", "vote_expired", "rule_ended", "others_released", "finding_fell")
SANCTIONS = ("refuse_compute", "refuse_deployment", "publish")
HALT_STATES: tuple[str, ...] = get_args(HaltState)
DUTY_STATES: tuple[str, ...] = get_args(DutyState)
ESCALATION_STATES: tuple[str, ...] = get_args(EscalationState)
NOT_LISTED = "not_listed"
"""A run that nothing asks to stop."""


class ExpectationReader:
    """Reads the expectations of one step. ``moment`` reads a time of the table."""

    def __init__(
        self,
        terms: Terms,
        known: Mapping[str, tuple[Made, Party]],
        errors: list[Refused],
        moment: Callable[[Node], int],
    ) -> None:
        self.terms = terms
        self.errors = errors
        self._moment = moment
        self._acts = ActReader(terms, known, errors, ())

    def read(self, node: Node) -> tuple[Expectation, ...] | None:
        """Every expectation of the mapping; None where one of them could not be read."""
        before = len(self.errors)
        fields = Fields(node, self.errors)
        found: list[Expectation] = []
        for kind, read in EXPECTATIONS.items():
            fields.take(kind, self._into(found, read), None)
        fields.done()
        if node.kind == "mapping" and not found and len(self.errors) == before:
            raise Refused("X03", "wrong-type", got=f"{node.where} nothing", expected="something that must hold")
        return tuple(found) if len(self.errors) == before else None

    def _into(
        self, found: list[Expectation], read: Callable[[ExpectationReader, Node], Iterator[Expectation]]
    ) -> Callable[[Node], None]:
        def take(node: Node) -> None:
            for each in node.items if node.kind == "list" else (node,):
                found.extend(read(self, each))

        return take

    def _fields(self, node: Node, take: Callable[[Fields], Iterator[Expectation]]) -> Iterator[Expectation]:
        before = len(self.errors)
        fields = Fields(node, self.errors)
        found = list(take(fields))
        fields.done()
        return iter(found if len(self.errors) == before else ())

    def _parties(self, node: Node) -> tuple[Party, ...]:
        return tuple(self._acts.party(each) for each in (node.items if node.kind == "list" else (node,)))

    def _trigger(self, node: Node) -> str:
        return self._acts.trigger(node).id

    def _scoped(self, f: Fields) -> tuple[str, Any]:
        """A trigger and its scope, which a trigger over one party must name."""
        trigger = f.take("trigger", self._acts.trigger)
        scope = f.take("scope", self._acts.scope, "all")
        if trigger is not None and (scope == "all") != (trigger.scope == "all"):
            self.errors.append(
                Refused(
                    "X06", "out-of-scope", got=f"{f.node.where} scope {scope}", expected=f"{trigger.scope}, as in {trigger.id}"
                )
            )  # fmt: skip
        return "" if trigger is None else trigger.id, scope

    def _phase(self, node: Node) -> Iterator[Expectation]:
        yield PhaseIs(node.where, one_of(*get_args(Phase))(node))

    def _bound(self, node: Node, *, holds: bool) -> Iterator[Expectation]:
        yield Bound(node.where, self._acts.party(node), holds)

    def _restricted(
        self, node: Node, effect: Literal["pause", "slowdown"], *, holds: bool
    ) -> Iterator[Expectation]:  # fmt: skip
        def take(f: Fields) -> Iterator[Expectation]:
            parties = f.take("party", self._parties)
            activity = f.take("activity", one_of(*self.terms.pause.activities), None)
            trigger = f.take("by", self._trigger, None)
            since_s = round_ = rate = because = None
            if holds:
                since_s = f.take("since", self._moment, None)
                round_ = f.take("round", whole, None)
                rate = f.take("rate", share, None) if effect == "slowdown" else None
                because = f.take("because", text, None)
            for party in parties or ():
                for each in self.terms.pause.activities if activity is None else (activity,):
                    yield Restricted(
                        node.where, effect, party, each, holds, trigger, since_s, round_, rate, because
                    )  # fmt: skip

        return self._fields(node, take)

    def _stands(self, node: Node, outcome: Literal["free", "held", "refused"]) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            asked: list[tuple[Literal["run", "change", "release"], str]] = []
            for what, kinds in _SUBJECTS.items():
                named = f.take(what, self._acts.made(*kinds), None)
                if named is not None:
                    asked.append((what, named))
            rule = because = None
            if outcome != "free":
                rule = f.take("by", self._rule, None)
                because = f.take("because", text, None)
            if len(asked) != 1 and not set(_SUBJECTS) & set(f.node.entries):
                self.errors.append(
                    Refused(
                        "X03", "wrong-type", got=f"{node.where} nothing that stands", expected="run, change or release"
                    )
                )
            for what, named in asked:
                yield Stands(node.where, what, named, outcome, rule, because)

        return self._fields(node, take)

    def _rule(self, node: Node) -> str:
        named = text(node)
        known = [limit.id for limit in self.terms.limits] + [hold.id for hold in self.terms.hold_points]
        known += [checkpoint.id for checkpoint in self.terms.checkpoints]
        known += [] if self.terms.screening is None else [HELD_BY]
        if named not in known:
            raise Refused(
                "X06",
                "out-of-scope",
                got=f"{node.where} {shown(named)}",
                expected=f"a limit, hold point or checkpoint of the terms: {', '.join(known) or 'there is none'}",
            )
        return named

    def _ended(
        self, node: Node, how: Literal["lift", "lapse", "expiry"], *, holds: bool
    ) -> Iterator[Expectation]:  # fmt: skip
        def take(f: Fields) -> Iterator[Expectation]:
            trigger, scope = self._scoped(f)
            yield Ended(node.where, trigger, scope, how, f.take("round", whole, None), holds)

        return self._fields(node, take)

    def _duty(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            duty, party = f.take("duty", self._duty_id), f.take("party", self._acts.party)
            yield DutyIs(node.where, duty, party, f.take("is", one_of(*DUTY_STATES)))

        return self._fields(node, take)

    def _duty_id(self, node: Node) -> str:
        named = text(node)
        if self.terms.duty(named) is None:
            known = ", ".join(duty.id for duty in self.terms.duties) or "there is none"
            raise Refused(
                "X06", "out-of-scope", got=f"{node.where} {shown(named)}", expected=f"a duty of the terms: {known}"
            )
        return named

    def _latched(self, node: Node, *, holds: bool) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            trigger, scope = self._scoped(f)
            yield LatchedIs(node.where, trigger, scope, f.take("round", whole, None) if holds else None, holds)

        return self._fields(node, take)

    def _lift_lacks(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            trigger, scope = self._scoped(f)
            yield LiftLacks(node.where, trigger, scope, f.take("because", text))

        return self._fields(node, take)

    def _halt(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            yield HaltIs(
                node.where, f.take("run", self._acts.made("run")), f.take("is", one_of(*HALT_STATES, NOT_LISTED))
            )

        return self._fields(node, take)

    def _finding(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            yield FindingIs(
                node.where, f.take("finding", self._acts.made("finding")), f.take("is", one_of(*FINDING_STATES))
            )

        return self._fields(node, take)

    def _seeds(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            counts = [f.take(each, whole, None) for each in ("caught", "decided", "void", "open")]
            if all(count is None for count in counts) and node.kind == "mapping" and not node.entries:
                self.errors.append(
                    Refused("X03", "wrong-type", got=f"{node.where} nothing", expected="caught, decided, void or open")
                )
            yield SeedsShow(node.where, *counts)

        return self._fields(node, take)

    def _escalation(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            name = f.take("change", self._acts.made("proposal", "version"))
            state = f.take("is", one_of(*ESCALATION_STATES, NO_ESCALATION))
            yield EscalationIs(node.where, name, state, f.take("to", self._acts.party, None))

        return self._fields(node, take)

    def _sanctioned(self, node: Node, *, holds: bool) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            party = f.take("party", self._acts.party)
            yield Sanctioned(
                node.where, party, f.take("act", one_of(*SANCTIONS)), f.take("by", self._acts.party, None), holds
            )

        return self._fields(node, take)

    def _released(self, node: Node, *, holds: bool) -> Iterator[Expectation]:
        yield ReleasedByTime(node.where, one_of(*TIMED)(node), holds)

    def _without_effect(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            yield WithoutEffect(node.where, f.take("rule", text), f.take("by", self._acts.party))

        return self._fields(node, take)

    def _policy(self, node: Node) -> Iterator[Expectation]:
        def take(f: Fields) -> Iterator[Expectation]:
            for activity in get_args(Activity):
                policy = f.take(activity, one_of("free", "refuse", "governed"), None)
                if policy is not None:
                    yield PolicyIs(node.where, activity, policy)

        return self._fields(node, take)

    def _alert(self, node: Node) -> Iterator[Expectation]:
        yield AlertIs(node.where, flag(node))


_SUBJECTS: Mapping[Literal["run", "change", "release"], tuple[Made, ...]] = {
    "run": ("run",),
    "change": ("proposal", "version"),
    "release": ("version",),
}
EXPECTATIONS: Mapping[str, Callable[[ExpectationReader, Node], Iterator[Expectation]]] = {
    "phase": ExpectationReader._phase,
    "bound": lambda reader, node: reader._bound(node, holds=True),
    "not_bound": lambda reader, node: reader._bound(node, holds=False),
    "paused": lambda reader, node: reader._restricted(node, "pause", holds=True),
    "not_paused": lambda reader, node: reader._restricted(node, "pause", holds=False),
    "slowed": lambda reader, node: reader._restricted(node, "slowdown", holds=True),
    "not_slowed": lambda reader, node: reader._restricted(node, "slowdown", holds=False),
    "free": lambda reader, node: reader._stands(node, "free"),
    "held": lambda reader, node: reader._stands(node, "held"),
    "refused": lambda reader, node: reader._stands(node, "refused"),
    "lifted": lambda reader, node: reader._ended(node, "lift", holds=True),
    "not_lifted": lambda reader, node: reader._ended(node, "lift", holds=False),
    "lapsed": lambda reader, node: reader._ended(node, "lapse", holds=True),
    "not_lapsed": lambda reader, node: reader._ended(node, "lapse", holds=False),
    "ended_by_expiry": lambda reader, node: reader._ended(node, "expiry", holds=True),
    "latched": lambda reader, node: reader._latched(node, holds=True),
    "not_latched": lambda reader, node: reader._latched(node, holds=False),
    "duty": ExpectationReader._duty,
    "lift_lacks": ExpectationReader._lift_lacks,
    "halt": ExpectationReader._halt,
    "finding": ExpectationReader._finding,
    "seeds": ExpectationReader._seeds,
    "escalation": ExpectationReader._escalation,
    "sanctioned": lambda reader, node: reader._sanctioned(node, holds=True),
    "not_sanctioned": lambda reader, node: reader._sanctioned(node, holds=False),
    "released_by_time": lambda reader, node: reader._released(node, holds=True),
    "not_released_by_time": lambda reader, node: reader._released(node, holds=False),
    "without_effect": ExpectationReader._without_effect,
    "policy": ExpectationReader._policy,
    "alert": ExpectationReader._alert,
}
"""Every expectation by its name in a table."""
