"""What each kind of stage of a training run costs, by two ways of counting the same configuration.

Decides the formulas below. ``model`` operations leave recomputation out, as papers do; ``executed`` ones count all that the
devices did. What a declaration leaves open widens the interval, never narrows it. ``spec/measure-compute.md`` §3.

=================  ====================================================================================================
kind               operations (F is a pass forward: 2·N and attention; R is recomputation)
=================  ====================================================================================================
``training``       3·F(D) + R·F(D); R is 1 where everything is recomputed (8·N·D), the attention alone, or nothing
``adapter``        4·N·D + 6·A·D and three times the attention: frozen weights N need no gradient of their own, the A
                   trained ones do; + R
``reinforcement``  F(rollout) + F(reference) + F(reward) + 3·F(trained) + R: rollouts, both scorers, and the learner
``distillation``   3·F(D) of the student + R + F(teacher) of the teacher
``synthetic``      F(generated), discarded tokens included
=================  ====================================================================================================

A frozen weight saves the 2·N of its own gradient, no more: gradients still flow through it to what lies below.

>>> model = Model(matrix_parameters=Decimal(100), attention=())
>>> count(Stage(kind="training", model=model, tokens=Decimal(10), context=8, recompute="full")).executed_most
Decimal('8000')
>>> count(Stage(kind="adapter", model=model, tokens=Decimal(10), context=8, recompute="none",
...             trainable=Decimal(5))).model_most
Decimal('4300')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal, get_args

from detente.base.quantity import ZERO
from detente.measure.compute.model import Model, Pass, plus, times

StageKind = Literal["training", "adapter", "reinforcement", "distillation", "synthetic"]
STAGE_KINDS: Final[tuple[StageKind, ...]] = get_args(StageKind)
Recompute = Literal["none", "attention", "full", "undeclared"]
RECOMPUTE: Final[tuple[Recompute, ...]] = get_args(Recompute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage as declared. ``tokens`` are those trained on, each pass counted.

    ``others`` are passes forward of some model without training: (model, tokens, context) by what they are for.
    """

    kind: StageKind
    model: Model
    tokens: Decimal
    context: int | None
    dtype: str = "undeclared"
    recompute: Recompute = "undeclared"
    trainable: Decimal = ZERO
    others: Mapping[str, tuple[Model, Decimal, int | None]] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Operations of a stage. ``weights`` has no attention; the others do, or are ``None`` where its shape is not known."""

    weights: Decimal
    model_least: Decimal | None
    model_most: Decimal | None
    executed_least: Decimal | None
    executed_most: Decimal | None


def count(stage: Stage) -> Count:
    """The operations of a stage, exactly."""
    forward = stage.model.forward(tokens=stage.tokens, context=stage.context)
    trained = _trained(stage, forward)
    extra_least, extra_most = _recomputed(stage, forward)
    beside = [model.forward(tokens=tokens, context=context) for model, tokens, context in stage.others.values()]
    weights = plus(trained.weights, *(each.weights for each in beside)) or ZERO
    least = plus(trained.weights, trained.attention_least, *(_least(each) for each in beside))
    most = plus(trained.weights, trained.attention_full, *(_most(each) for each in beside))
    return Count(
        weights=weights,
        model_least=least,
        model_most=most,
        executed_least=plus(least, extra_least),
        executed_most=plus(most, extra_most),
    )


def _trained(stage: Stage, forward: Pass) -> Pass:
    if stage.kind == "synthetic":
        return forward
    weights = times(3, forward.weights)
    if stage.kind == "adapter":
        adapter = Model(matrix_parameters=stage.trainable, attention=()).forward(tokens=stage.tokens, context=None)
        weights = plus(times(2, forward.weights), times(3, adapter.weights))
    return Pass(
        weights=weights or ZERO,
        attention_least=times(3, forward.attention_least),
        attention_full=times(3, forward.attention_full),
    )


def _recomputed(stage: Stage, forward: Pass) -> tuple[Decimal | None, Decimal | None]:
    if stage.kind == "synthetic" or stage.recompute == "none":
        return ZERO, ZERO
    if stage.recompute == "attention":
        return forward.attention_least, forward.attention_full
    whole = _most(forward)
    return (_least(forward) if stage.recompute == "full" else ZERO), whole


def _least(each: Pass) -> Decimal | None:
    return plus(each.weights, each.attention_least)


def _most(each: Pass) -> Decimal | None:
    return plus(each.weights, each.attention_full)
