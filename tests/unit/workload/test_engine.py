"""The training engine: true gradients, a falling loss, counted FLOP, exact snapshots."""

from dataclasses import replace

import pytest

from detente.base.errors import Misuse, Refused

np = pytest.importorskip("numpy", reason="the workloads need the extra `drill`")

from detente.hooks.workload.container import encode_container, parse_container  # noqa: E402 (after the skip)
from detente.hooks.workload.corpus import Corpus, fetch_standard_library  # noqa: E402
from detente.hooks.workload.engine import Trainer, environment  # noqa: E402
from detente.hooks.workload.model import Model, Shape, copy_overlap, first_weights, views  # noqa: E402
from detente.hooks.workload.recipe import Recipe  # noqa: E402

TEXT = Corpus(bytes((i * i // 7 + i) % 90 + 32 for i in range(5_000)))
TINY = Recipe(shape=Shape(context=5, embedding=4, hidden=9, depth=3), batch=8, steps=40, warmup=3, dropout=0.1)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("dropout", [False, True])
def test_gradients_agree_with_finite_differences(depth: int, dropout: bool):
    """Every hand-written derivative is the limit of a difference quotient (float64, central, relative 1e-6)."""
    draw = np.random.default_rng(depth)
    shape = Shape(context=3, embedding=4, hidden=6, depth=depth)
    model = Model(shape, first_weights(shape, draw, dtype=np.float64))
    windows = draw.integers(0, 8, (10, 3)).astype(np.uint8)
    targets = draw.integers(0, 8, 10).astype(np.uint8)
    mask = (draw.random((10, 12)) > 0.3) / 0.7 if dropout else None
    model.learn(windows, targets, mask)
    slopes = model.gradient.copy()
    touched = np.flatnonzero(slopes)
    assert touched.size > 100
    for index in draw.choice(touched, 120):
        before = model.flat[index]
        model.flat[index] = before + 1e-5
        above = model.learn(windows, targets, mask)
        model.flat[index] = before - 1e-5
        below = model.learn(windows, targets, mask)
        model.flat[index] = before
        assert slopes[index] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-9)


def test_an_untouched_byte_has_no_gradient():
    """The embedding of a byte that does not occur stays where it is."""
    shape = Shape(context=2, embedding=3, hidden=4, depth=1)
    model = Model(shape, first_weights(shape, np.random.default_rng(1)))
    model.learn(np.array([[1, 2], [2, 2]], dtype=np.uint8), np.array([3, 4], dtype=np.uint8))
    rows = views(model.gradient, shape)["embedding"]
    assert set(np.flatnonzero(np.abs(rows).sum(axis=1))) == {1, 2}


def test_loss_falls_on_real_text():
    """150 small steps on the standard library take the loss from ln 256 = 5.5 to below 3.2 nats per held-out byte."""
    corpus = fetch_standard_library()
    recipe = Recipe(shape=Shape(context=8, embedding=16, hidden=64, depth=2), batch=128, steps=150, learning_rate=0.005)
    trainer = Trainer(recipe, corpus)
    before = trainer.evaluate()
    losses = [trainer.step() for _ in range(150)]
    assert before > 5.3
    assert trainer.evaluate() < 3.2
    assert np.mean(losses[-20:]) < 3.2


def test_flop_are_two_m_n_k_for_each_product_three_times_over():
    """A hand count for one shape: (6→5), (5→5), (5→256) at batch 7, forward and twice backward."""
    shape = Shape(context=2, embedding=3, hidden=5, depth=2)
    trainer = Trainer(Recipe(shape=shape, batch=7, steps=4), TEXT)
    trainer.step()
    trainer.step()
    assert trainer.flop == 2 * 3 * (2 * 7 * (6 * 5 + 5 * 5 + 5 * 256))


@pytest.mark.parametrize("stops", [[1], [7, 20], [3, 4, 39]])
def test_resuming_is_bit_exact_however_often(stops: list[int]):
    """A run cut at any steps ends with the weights, history and FLOP of the run that was not cut."""
    whole = Trainer(TINY, TEXT)
    for _ in range(TINY.steps):
        whole.step()
    trainer = Trainer(TINY, TEXT)
    for stop in [*stops, TINY.steps]:
        while trainer.steps_done < stop:
            trainer.step()
        trainer = Trainer.restore(*parse_container(encode_container(*trainer.snapshot())), corpus=TEXT)
    assert trainer.weights_digest() == whole.weights_digest()
    assert trainer.flop == whole.flop
    assert encode_container(*trainer.snapshot()) == encode_container(*whole.snapshot())


@pytest.mark.parametrize("forgotten", ["random", "position", "adam.first", "adam.second"])
def test_each_part_of_the_state_matters(forgotten: str):
    """A resume that forgets any one part diverges: none of them is saved for show."""
    trainer = Trainer(TINY, TEXT)
    for _ in range(10):
        trainer.step()
    meta, arrays = trainer.snapshot()
    fresh_meta, fresh_arrays = Trainer(TINY, TEXT).snapshot()
    (meta if forgotten in meta else arrays)[forgotten] = (fresh_meta | fresh_arrays)[forgotten]
    other = Trainer.restore(meta, arrays, corpus=TEXT)
    trainer.step()
    other.step()
    assert other.weights_digest() != trainer.weights_digest()


def test_another_environment_ends_exactness_and_says_so():
    """A checkpoint from another library version resumes, and every later snapshot says why it is not exact."""
    meta, arrays = Trainer(TINY, TEXT).snapshot()
    meta["environment"] = environment() | {"numpy": "0.1"}
    resumed = Trainer.restore(meta, arrays, corpus=TEXT)
    again = Trainer.restore(*resumed.snapshot(), corpus=TEXT)
    assert "another environment" in again.why_not_exact


@pytest.mark.parametrize(
    "spoil",
    [
        lambda meta, _: meta.update(kind="searcher"),
        lambda meta, _: meta.update(corpus="0" * 64),
        lambda meta, _: meta.update(random={"generator": "MT19937"}),
        lambda meta, _: meta.pop("flop"),
        lambda _, arrays: arrays.pop("adam.second"),
        lambda _, arrays: arrays.update(weights=arrays["weights"][:-1]),
        lambda _, arrays: arrays.update(history=arrays["history"][:-1]),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(spoil):
    """W16: another kind or corpus, or part of the state missing or of another shape."""
    trainer = Trainer(TINY, TEXT)
    for _ in range(5):
        trainer.step()
    before = trainer.weights_digest()
    meta, arrays = trainer.snapshot()
    spoil(meta, arrays)
    with pytest.raises(Refused) as caught:
        Trainer.restore(meta, arrays, corpus=TEXT)
    assert caught.value.rule == "W16"
    assert trainer.weights_digest() == before


@pytest.mark.parametrize("evaluation", ["head", "middle", "tail"])
def test_an_epoch_visits_each_training_byte_once_and_no_held_out_byte(evaluation):
    """The order is a permutation of the training targets, and no training window touches the held-out part."""
    split = TEXT.split(context=5, evaluation=evaluation)
    targets = split.training_targets(seed=3, first=0, count=split.training)
    held = set(range(split.start, split.start + split.held_out))
    assert len(set(targets.tolist())) == split.training
    assert not any(place in held for target in targets for place in range(target - 5, target + 1))
    assert set(split.held_out_targets(10**6).tolist()) == held
    assert targets.min() >= 5
    assert targets.max() < len(TEXT.text)


def test_the_order_does_not_depend_on_how_it_is_asked():
    """Places 100 to 10,000, across an epoch's end, are the same in one piece or in many."""
    split = TEXT.split(context=5, evaluation="tail")
    whole = split.training_targets(seed=1, first=100, count=9_900)
    pieces = [split.training_targets(seed=1, first=first, count=90) for first in range(100, 10_000, 90)]
    assert np.array_equal(whole, np.concatenate(pieces))


def test_a_successor_keeps_what_both_shapes_share():
    """The bytes nearest to the target keep their rows when the window grows."""
    old, new = Shape(context=2, embedding=3, hidden=4, depth=1), Shape(context=4, embedding=5, hidden=6, depth=1)
    source, goal = (first_weights(shape, np.random.default_rng(number)) for number, shape in enumerate((old, new)))
    copy_overlap(views(source, old), views(goal, new), context=(2, 4))
    theirs = views(source, old)["layer0.matrix"].reshape(2, 3, 4)
    ours = views(goal, new)["layer0.matrix"].reshape(4, 5, 6)
    assert np.array_equal(ours[2:, :3, :4], theirs)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"learning_rate": 2.0}, {"dropout": 1.0}, {"steps": -1}])
def test_a_recipe_out_of_bounds_is_misuse(wrong):
    """A setting that would hang, overflow or divide by zero is named before anything is allocated."""
    with pytest.raises(Misuse):
        replace(TINY, **wrong)


def test_too_little_text_is_misuse():
    """A corpus shorter than a few windows cannot be split."""
    with pytest.raises(Misuse):
        Corpus(b"abc").split(context=5, evaluation="tail")
