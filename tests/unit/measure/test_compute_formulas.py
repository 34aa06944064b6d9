"""The formulas, exactly: integers and decimals, never floats."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detente.measure.compute.model import Layers, Model, attention_flop, dense_flop
from detente.measure.compute.stages import Stage, count

BIG = st.integers(min_value=1, max_value=10**15)


def _model(parameters, *, layers=2, width=8, window=None):
    shape = (Layers(count=layers, score_width=width, value_width=width, window=window),)
    return Model(matrix_parameters=Decimal(parameters), attention=shape)


@given(BIG, BIG, st.integers(1, 200), st.integers(1, 2**20), st.integers(1, 2**16))
def test_training_is_six_nd_plus_twelve_ltdd(parameters, tokens, layers, context, width):
    """6·N·D + 12·L·T·d·D, as whole numbers of any size."""
    stage = Stage(
        kind="training",
        model=_model(parameters, layers=layers, width=width),
        tokens=Decimal(tokens),
        context=context,
        recompute="none",
    )
    expected = 6 * parameters * tokens + 12 * layers * context * width * tokens
    assert int(count(stage).model_most) == int(count(stage).executed_most) == expected
    assert int(count(stage).weights) == 6 * parameters * tokens
    assert (
        dense_flop(Decimal(parameters), Decimal(tokens)) + attention_flop(layers, context, width, Decimal(tokens))
        == expected
    )


def test_a_count_beyond_a_double_keeps_its_last_digit():
    """2⁵³ + 1 tokens of one weight are not rounded."""
    assert int(dense_flop(Decimal(1), Decimal(2**53 + 1))) == 6 * 2**53 + 6


def test_skipped_causal_work_halves_the_attention_alone():
    """The least has half the attention and all of the weights."""
    stage = Stage(kind="training", model=_model(1000), tokens=Decimal(10), context=16, recompute="none")
    least = int(count(stage).model_least)
    assert least == 6 * 1000 * 10 + 6 * 2 * 16 * 8 * 10


def test_a_window_bounds_the_least_and_not_the_most():
    """Whether a kernel makes use of the window is not known."""
    stage = Stage(kind="training", model=_model(1000, window=4), tokens=Decimal(10), context=16, recompute="none")
    assert int(count(stage).model_least) == 60_000 + 6 * 2 * 4 * 8 * 10
    assert int(count(stage).model_most) == 60_000 + 12 * 2 * 16 * 8 * 10


@pytest.mark.parametrize(
    ("recompute", "least", "most"),
    [
        ("none", 60_000 + 15_360, 60_000 + 30_720),
        ("attention", 60_000 + 20_480, 60_000 + 40_960),
        ("full", 80_000 + 20_480, 80_000 + 40_960),
        ("undeclared", 60_000 + 15_360, 80_000 + 40_960),
    ],
)
def test_recomputation_adds_what_is_done_again(recompute, least, most):
    """Full: 8·N·D in all. Not declared counts as full in the upper end, as none in the lower."""
    stage = Stage(kind="training", model=_model(1000), tokens=Decimal(10), context=16, recompute=recompute)
    assert (int(count(stage).executed_least), int(count(stage).executed_most)) == (least, most)


def test_frozen_weights_save_only_their_own_gradient():
    """An adapter costs 4·N·D + 6·A·D and the whole attention."""
    stage = Stage(
        kind="adapter", model=_model(1000), tokens=Decimal(10), context=16, recompute="none", trainable=Decimal(7)
    )
    assert int(count(stage).weights) == 4 * 1000 * 10 + 6 * 7 * 10
    assert int(count(stage).model_most) == 40_420 + 12 * 2 * 16 * 8 * 10


def test_reinforcement_counts_rollouts_scorers_and_learner():
    """2·N of each token generated or scored, 6·N of each trained on."""
    policy, reward = (
        Model(matrix_parameters=Decimal(1000), attention=()),
        Model(matrix_parameters=Decimal(10), attention=()),
    )
    stage = Stage(
        kind="reinforcement",
        model=policy,
        tokens=Decimal(5),
        context=None,
        recompute="none",
        others={
            "rollout": (policy, Decimal(100), None),
            "reference": (policy, Decimal(50), None),
            "reward": (reward, Decimal(100), None),
        },
    )
    assert int(count(stage).executed_most) == 6 * 1000 * 5 + 2 * 1000 * 150 + 2 * 10 * 100


def test_distillation_counts_the_teacher():
    """2·N of the teacher for each token that it read."""
    student, teacher = (
        Model(matrix_parameters=Decimal(10), attention=()),
        Model(matrix_parameters=Decimal(500), attention=()),
    )
    stage = Stage(
        kind="distillation",
        model=student,
        tokens=Decimal(4),
        context=None,
        recompute="none",
        others={"teacher": (teacher, Decimal(4), None)},
    )
    assert int(count(stage).executed_most) == 6 * 10 * 4 + 2 * 500 * 4


def test_synthetic_data_costs_a_pass_forward():
    """2·N of each token generated, and no recomputation."""
    stage = Stage(
        kind="synthetic", model=Model(matrix_parameters=Decimal(9), attention=()), tokens=Decimal(7), context=None
    )
    assert int(count(stage).executed_least) == int(count(stage).executed_most) == 2 * 9 * 7


def test_without_a_shape_there_is_no_upper_end():
    """What is not known is not zero."""
    stage = Stage(kind="training", model=Model(matrix_parameters=Decimal(9)), tokens=Decimal(7), context=64)
    assert int(count(stage).weights) == 6 * 9 * 7
    assert count(stage).executed_most is None
