"""Several accords over one act: allowed only if every one of them allows it, and otherwise said which do and which do not.

Decides how answers of several accords combine. Leaves each answer to ``decide``, or to the issuers of each accord.
Normative text: ``spec/accord.md`` §11.

- The least rate and the shortest leave count. One that denies denies, with its reasons; those that would allow are named.

>>> answers = (Answer("a", True, Decimal(1), 600.0), Answer("b", False, Decimal(0), 0.0, ("call",), (Reason("call: 2 votes"),)))
>>> joint = combine(answers)
>>> joint.allowed, joint.refusing, [reason.text for reason in joint.reasons]
(False, ('b',), ['b: call: 2 votes', 'a would allow it'])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from detente.accord.fold import AccordState
from detente.accord.reason import Reason
from detente.base.errors import Misuse
from detente.base.instant import Instant
from detente.base.quantity import ZERO
from detente.guard.decide import decide
from detente.guard.intent import Intent


@dataclass(frozen=True, slots=True)
class Answer:
    """What one accord says of an act. ``lasts`` is a life in seconds, or the instant of a clock until which leave is given."""

    accord: str
    allowed: bool
    rate: Decimal
    lasts: float
    held_by: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class JointDecision:
    """What all of them say together. ``refusing`` and ``allowing`` name the accords."""

    allowed: bool
    rate: Decimal
    lasts: float
    refusing: tuple[str, ...]
    allowing: tuple[str, ...]
    held_by: tuple[str, ...]
    reasons: tuple[Reason, ...]


def decide_jointly(asked: Sequence[tuple[str, AccordState, Intent]], at: Instant) -> JointDecision:
    """Ask each accord by its name, state and intent: the ids of statements differ between accords, so the intents do too."""
    answers = []
    for name, state, intent in asked:
        said = decide(state, intent, at)
        answers.append(Answer(name, said.allowed, said.rate, said.life_s, said.held_by, said.reasons))
    return combine(answers)


def combine(answers: Sequence[Answer]) -> JointDecision:
    """The strictest of the answers; raises ``Misuse`` for none, since nobody asked allows nothing."""
    if not answers:
        raise Misuse("no accord was asked")
    refusing = [answer for answer in answers if not answer.allowed]
    allowing = [answer for answer in answers if answer.allowed]
    names = tuple(answer.accord for answer in allowing)
    if not refusing:
        rate = min(answer.rate for answer in answers)
        lasts = min(answer.lasts for answer in answers)
        reasons = tuple(_named(answer, why) for answer in answers if answer.rate == rate for why in answer.reasons)
        return JointDecision(True, rate, lasts, (), names, (), reasons)
    denials = [
        _named(answer, why) for answer in refusing for why in answer.reasons or (Reason("it does not allow it"),)
    ]
    if allowing:
        denials.append(Reason(f"{' and '.join(names)} would allow it"))
    return JointDecision(
        allowed=False,
        rate=ZERO,
        lasts=0,
        refusing=tuple(answer.accord for answer in refusing),
        allowing=names,
        held_by=tuple(dict.fromkeys(name for answer in refusing for name in answer.held_by)),
        reasons=tuple(dict.fromkeys(denials)),
    )


def _named(answer: Answer, why: Reason) -> Reason:
    return replace(why, text=f"{answer.accord}: {why.text}")
