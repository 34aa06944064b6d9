"""How a model proposes its own successor: bytes that it samples are read as a change to its own recipe.

Decides which change a sample spells. The model is shown its own recipe as text and continues it; the sampled bytes are
one large number, whose digits in a mixed radix choose how many settings change, which, and how. So the proposal is
literally the model's, and a function of its weights and of the random state it samples with. Leaves out whether the
successor may be trained: that is a hold point's decision.

>>> old = Recipe(steps=10)
>>> new = mutate(old, sampled=b"return self", seed=1)
>>> difference(old, replace(new, seed=old.seed))
['batch: 256 → 96', 'schedule: cosine → constant']
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from detente.base.strict_json import encode_json
from detente.hooks.workload.model import Model
from detente.hooks.workload.recipe import Recipe, difference, parse_recipe

SAMPLED_BYTES = 24
"""192 bits of text, of which a trained model makes about 60 of entropy: ten choices need less than 40."""

_CHOICES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("hidden", (96, 128, 192, 256, 320, 384)),
    ("context", (8, 12, 16, 24, 32)),
    ("embedding", (12, 16, 24, 32, 48)),
    ("depth", (1, 2, 3)),
    ("learning_rate", (0.5, 0.7, 1.4, 2.0)),
    ("batch", (96, 128, 192, 256)),
    ("schedule", ("constant", "cosine", "linear")),
    ("dropout", ("0.0", "0.02", "0.05", "0.1")),
    ("weight_decay", ("0.0", "0.01", "0.05")),
    ("evaluation", ("head", "middle", "tail")),
)
_RATE_BOUNDS = (0.0002, 0.01)


def sample_bytes(model: Model, recipe: Recipe, draw: np.random.Generator) -> tuple[bytes, int]:
    """(what the model writes after its own recipe, FLOP of writing it)."""
    context = model.shape.context
    text = bytearray(encode_json(recipe.as_json()).rjust(context, b"\n"))
    for _ in range(SAMPLED_BYTES):
        window = np.frombuffer(bytes(text[-context:]), dtype=np.uint8)[None, :]
        scores = model.logits(window)[0].astype(np.float64)
        chances = np.exp(scores - scores.max()).cumsum()
        text.append(int(np.searchsorted(chances, draw.random() * chances[-1], side="right").clip(0, 255)))
    return bytes(text[-SAMPLED_BYTES:]), SAMPLED_BYTES * model.shape.forward_flop(batch=1)


def mutate(old: Recipe, *, sampled: bytes, seed: int) -> Recipe:
    """The recipe that ``sampled`` proposes after ``old``: one to three settings changed, and the new ``seed``."""
    number = int.from_bytes(sampled, "big")
    number, extra = divmod(number, 3)
    value = old.as_json()
    first = number
    for _ in range(1 + extra):
        number, which = divmod(number, len(_CHOICES))
        name, options = _CHOICES[which]
        number, chosen = divmod(number, len(options))
        value[name] = _scaled(value[name], options[chosen]) if name == "learning_rate" else options[chosen]
    new = parse_recipe({**value, "seed": seed})
    if difference(replace(old, seed=seed), new):
        return new
    # The sample named what stands already: a successor must differ, so the learning rate moves instead.
    factor = (0.7, 1.4)[first % 2]
    moved = _scaled(value["learning_rate"], factor)
    if moved == value["learning_rate"]:
        moved = _scaled(value["learning_rate"], 1 / factor)
    return parse_recipe({**value, "learning_rate": moved, "seed": seed})


def _scaled(rate: str, factor: float) -> str:
    low, high = _RATE_BOUNDS
    return repr(float(f"{min(high, max(low, float(rate) * factor)):.4g}"))
