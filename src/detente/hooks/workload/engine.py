"""The training engine: one state, one step at a time, and snapshots from which it goes on bit-exactly.

Decides what belongs to the state of a run: weights, both AdamW moments, the random generator's state, the place in
the data order, the step, the FLOP so far and every loss. Leaves out files (``checkpoint``) and when to stop
(``control``). After AdamW of Loshchilov and Hutter (ICLR 2019), with decay on matrices only.

>>> corpus = Corpus(bytes(range(97, 107)) * 200)
>>> recipe = Recipe(shape=Shape(context=4, embedding=4, hidden=8, depth=1), batch=16, steps=6, warmup=0)
>>> whole = Trainer(recipe, corpus)
>>> for _ in range(6): _ = whole.step()
>>> half = Trainer(recipe, corpus)
>>> for _ in range(3): _ = half.step()
>>> resumed = Trainer.restore(*half.snapshot(), corpus=corpus)
>>> for _ in range(3): _ = resumed.step()
>>> resumed.weights_digest() == whole.weights_digest()
True
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.hooks.workload.container import Array, weights_digest
from detente.hooks.workload.corpus import Corpus, Positions
from detente.hooks.workload.model import Codes, Floats, Model, Shape, first_weights, views
from detente.hooks.workload.recipe import Recipe, parse_recipe

KIND = "bytes-lm"
HELD_OUT_TARGETS = 2_048
"""The score is a mean over this many: its standard error is about 0.05 nat at a spread of 2 nats."""
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8


class Trainer:
    """One run in memory. ``why_not_exact`` is empty as long as every resume so far was bit-exact."""

    def __init__(self, recipe: Recipe, corpus: Corpus, *, weights: Floats | None = None) -> None:
        self.recipe = recipe
        self.corpus = corpus
        self.split = corpus.split(context=recipe.shape.context, evaluation=recipe.evaluation)
        self.draw = np.random.Generator(np.random.PCG64(recipe.seed))
        flat = first_weights(recipe.shape, self.draw) if weights is None else weights.copy()
        self.model = Model(recipe.shape, flat)
        self.steps_done = 0
        self.position = 0
        self.flop = 0
        self.why_not_exact = ""
        self.history: Floats = np.zeros(recipe.steps, dtype=np.float32)
        self._first: Floats = np.zeros_like(flat)
        self._second: Floats = np.zeros_like(flat)
        self._room: Floats = np.empty_like(flat)
        self._decay = _decay_mask(recipe.shape)

    def step(self) -> float:
        """One step of gradient descent; returns its loss in nats per byte."""
        recipe = self.recipe
        targets = self.split.training_targets(seed=recipe.seed, first=self.position, count=recipe.batch)
        windows, answers = gather(self.corpus, targets, recipe.shape.context)
        mask = None
        if recipe.dropout:
            chance = self.draw.random((recipe.batch, recipe.shape.context * recipe.shape.embedding), dtype=np.float32)
            mask = (chance >= recipe.dropout).astype(np.float32) / np.float32(1 - recipe.dropout)
        loss = self.model.learn(windows, answers, mask)
        self._update(recipe.rate_at(self.steps_done))
        self.history[self.steps_done] = loss
        self.steps_done += 1
        self.position += recipe.batch
        self.flop += recipe.shape.training_flop(recipe.batch)
        return loss

    @property
    def finished(self) -> bool:
        """Has every step of the recipe been done?"""
        return self.steps_done >= self.recipe.steps

    def evaluate(self) -> float:
        """Mean loss in nats per byte on the held-out targets; its FLOP are added to the run's."""
        loss, flop = evaluate(self.model, self.recipe, self.corpus)
        self.flop += flop
        return loss

    def weights_digest(self) -> Digest:
        """The digest that receipts carry as ``weights_sha256``."""
        return weights_digest({"weights": self.model.flat})

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Everything that the next step depends on, as meta data and arrays for ``encode_container``."""
        meta = {
            "kind": KIND,
            "recipe": self.recipe.as_json(),
            "corpus": self.corpus.digest,
            "step": self.steps_done,
            "position": self.position,
            "flop": str(self.flop),
            "random": random_as_json(self.draw),
            "environment": environment(),
            "why_not_exact": self.why_not_exact,
        }
        arrays = {
            "weights": self.model.flat.copy(),
            "adam.first": self._first.copy(),
            "adam.second": self._second.copy(),
            "history": self.history[: self.steps_done].copy(),
        }
        return meta, arrays

    @classmethod
    def restore(cls, meta: Mapping[str, Any], arrays: Mapping[str, Array], *, corpus: Corpus) -> Trainer:
        """The trainer that ``snapshot`` described; raises ``Refused``.

        1. It is a checkpoint of this kind, with every member: W16.
        2. It was made on this corpus: W16.
        3. Another environment is allowed and ends exactness: ``why_not_exact`` says so from here on.
        """
        if meta.get("kind") != KIND:  # 1
            raise Refused("W16", "conflict", got=f"a checkpoint of kind {shown(meta.get('kind'))}", expected=KIND)
        recipe = parse_recipe(meta.get("recipe"))
        if meta.get("corpus") != corpus.digest:  # 2
            raise Refused(
                "W16",
                "conflict",
                got=f"a checkpoint made on corpus {shown(meta.get('corpus'))}",
                expected=corpus.digest,
                todo="resume with the Python that the run began with",
            )
        trainer = cls(recipe, corpus, weights=np.zeros(recipe.shape.parameters, dtype=np.float32))
        trainer._fill(meta, arrays)
        if not trainer.why_not_exact and meta.get("environment") != environment():  # 3
            trainer.why_not_exact = f"resumed at step {trainer.steps_done} under another environment"
        return trainer

    def _fill(self, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        try:
            self.steps_done, self.position = int(meta["step"]), int(meta["position"])
            self.flop, self.why_not_exact = int(meta["flop"]), str(meta["why_not_exact"])
            self.draw = random_from_json(meta["random"])
            self.model.flat[...] = arrays["weights"]
            self._first[...] = arrays["adam.first"]
            self._second[...] = arrays["adam.second"]
            self.history[: self.steps_done] = arrays["history"]
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(
                "W16", "conflict", got=f"a checkpoint that does not fit: {error}", expected="all state of its recipe"
            ) from None

    def _update(self, rate: float) -> None:
        slope, room = self.model.gradient, self._room
        first, second = self._first, self._second
        time = self.steps_done + 1
        np.subtract(slope, first, out=room)
        room *= 1 - _BETAS[0]
        first += room
        np.multiply(slope, slope, out=room)
        room -= second
        room *= 1 - _BETAS[1]
        second += room
        np.divide(second, 1 - _BETAS[1] ** time, out=room)
        np.sqrt(room, out=room)
        room += _EPSILON
        np.divide(first, room, out=room)
        room *= rate / (1 - _BETAS[0] ** time)
        self.model.flat -= room
        np.multiply(self.model.flat, self._decay, out=room)
        room *= rate * self.recipe.weight_decay
        self.model.flat -= room


def gather(corpus: Corpus, targets: Positions, context: int) -> tuple[Codes, Codes]:
    """The windows (batch, context) before each target, and the targets' bytes (batch)."""
    places = targets[:, None] + np.arange(-context, 0, dtype=np.int64)
    return corpus.codes[places], corpus.codes[targets]


def evaluate(model: Model, recipe: Recipe, corpus: Corpus) -> tuple[float, int]:
    """(mean held-out loss in nats per byte under ``recipe``'s split, FLOP that it cost)."""
    split = corpus.split(context=recipe.shape.context, evaluation=recipe.evaluation)
    windows, answers = gather(corpus, split.held_out_targets(HELD_OUT_TARGETS), recipe.shape.context)
    return model.loss(windows, answers), recipe.shape.forward_flop(len(answers))


def environment() -> dict[str, str]:
    """What bit-equality depends on besides the checkpoint: interpreter, NumPy, machine and processor."""
    processor = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "processor": processor,
    }


def random_as_json(draw: np.random.Generator) -> dict[str, Any]:
    """The state of a PCG64 generator; its 128-bit numbers do not fit JSON and stand in strings."""
    state: Any = draw.bit_generator.state
    return {
        "generator": "PCG64",
        "state": str(state["state"]["state"]),
        "increment": str(state["state"]["inc"]),
        "has_half": int(state["has_uint32"]),
        "half": int(state["uinteger"]),
    }


def random_from_json(value: Mapping[str, Any]) -> np.random.Generator:
    """The generator that ``random_as_json`` described; raises ``KeyError``, ``TypeError`` or ``ValueError``."""
    if value["generator"] != "PCG64":
        raise ValueError(f"generator {shown(value['generator'])}")
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": int(value["state"]), "inc": int(value["increment"])},
        "has_uint32": int(value["has_half"]),
        "uinteger": int(value["half"]),
    }
    return np.random.Generator(bits)


def _decay_mask(shape: Shape) -> Floats:
    mask: Floats = np.zeros(shape.parameters, dtype=np.float32)
    for name, tensor in views(mask, shape).items():
        tensor[...] = float(name.endswith(".matrix"))
    return mask
