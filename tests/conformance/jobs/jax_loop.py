"""A JAX loop with Orbax: dropout by a key that is part of the state, a schedule, data that draw from NumPy's and Python's generators."""

import random

import jax
import jax.numpy as jnp
import numpy as np
from places import EPOCH, SAVE_SLOWLY_FROM, STEPS, Clocks, Places, began, closed_gate, finished, options

from detente import guard
from detente.hooks.jax import OrbaxState, digest_of

BATCH = 8
POINTS = np.random.default_rng(11).standard_normal((EPOCH * BATCH, 16), dtype=np.float32)


def fresh() -> dict:
    keys = jax.random.split(jax.random.key(3), 3)
    sides = ((16, 256), (256, 256), (256, 4))
    layers = [
        {"w": jax.random.normal(key, side) / np.sqrt(side[0]), "b": jnp.zeros(side[1])}
        for key, side in zip(keys, sides, strict=True)
    ]
    zeros = jax.tree.map(jnp.zeros_like, layers)
    return {
        "params": layers,
        "first": zeros,
        "second": zeros,
        "count": jnp.zeros((), jnp.int32),
        "key": jax.random.key(7),
    }


def logits(params, points, key=None):
    for number, layer in enumerate(params):
        points = points @ layer["w"] + layer["b"]
        if number < 2:
            points = jax.nn.relu(points)
        if key is not None and number == 0:
            points = jnp.where(jax.random.bernoulli(key, 0.8, points.shape), points / 0.8, 0.0)
    return points


def loss(params, points, kinds, key):
    return -jnp.mean(jax.nn.log_softmax(logits(params, points, key))[jnp.arange(len(kinds)), kinds])


TRACED = []
"""Called while JAX traces the step, which is how its compiler begins: once in each process."""


@jax.jit
def update(state, points, kinds):
    """One step of AdamW with a cosine schedule."""
    for each in TRACED:
        each()
    key, now = jax.random.split(state["key"])
    count = state["count"] + 1
    gradients = jax.grad(loss)(state["params"], points, kinds, now)
    rate = 1e-2 * 0.5 * (1 + jnp.cos(jnp.pi * count / STEPS))
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state["first"], gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state["second"], gradients)
    params = jax.tree.map(
        lambda p, m, v: p - rate * (m / (1 - 0.9**count) / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8) + 0.01 * p),
        state["params"],
        first,
        second,
    )
    return {"params": params, "first": first, "second": second, "count": count, "key": key}


def batch_of(step: int):
    """The batch of a step: its examples by a generator of its own, its noise from both global ones."""
    epoch, position = divmod(step, EPOCH)
    order = np.random.default_rng((5, epoch)).permutation(len(POINTS))[position * BATCH : (position + 1) * BATCH]
    noise = np.random.randn(BATCH, 16) + random.random()  # noqa: NPY002 - on purpose
    return (POINTS[order] + 0.1 * noise).astype(np.float32), order % 4


def main() -> None:
    given = options()
    places, clocks = Places(given.out, given.stay), Clocks()
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    kept = OrbaxState(given.out, run="run", weights=lambda state: state["params"])
    first, state = kept.restore(fresh())
    began(given.out, first)

    def save():
        # What stands beside Orbax's files is small: one piece of it takes as long as sixteen of a larger one.
        kept._slow_piece_s = 16 * given.slow_piece_ms / 1000 if g.steps >= SAVE_SLOWLY_FROM else 0.0
        return kept.save(g.steps, state)

    with guard("run", save=save, at_step=first, mode=given.mode) as g:
        TRACED.append(lambda: places.stay("compile", first + 1, closed=closed_gate(g)))
        while g.steps < STEPS:
            at = g.steps + 1
            places.stay("data", at, look=g.check, closed=closed_gate(g))
            points, kinds = batch_of(g.steps)
            places.hang(at)
            state = jax.block_until_ready(update(state, points, kinds))
            places.stay("step", at, closed=closed_gate(g))
            g.step()
            if at % 10 == 0:
                with kept.evaluation():
                    places.stay("evaluation", at, look=g.check, closed=closed_gate(g))
                    noise = np.random.randn(8, 16)  # noqa: NPY002
                    assert jnp.isfinite(logits(state["params"], noise).sum())
            if given.save_every and at % given.save_every == 0:
                save()
    finished(given.out, str(digest_of(state["params"])), clocks)


main()
