"""A byte-level language model with hand-written gradients: embedding, a deep tanh network over a window, softmax.

Decides the network, its gradients, and how many floating-point operations they cost. Leaves out the optimiser and the
data. All weights are views of one flat vector, so that the optimiser is a few vector operations and a digest of the
weights is a digest of one buffer.

The network (after Bengio et al., "A Neural Probabilistic Language Model", JMLR 3, 2003, with residual layers): the
``context`` bytes before a target are embedded and concatenated to x; h₁ = tanh(x·W₁ + b₁);
hᵢ = hᵢ₋₁ + tanh(hᵢ₋₁·Wᵢ + bᵢ) up to ``depth``; the logits are h·U + c; the loss is the mean cross-entropy in nats.

FLOP are counted from the shapes: a product of m×k by k×n costs 2·m·n·k; a layer costs one product forward and two
backward (for its weights and for its input). Element-wise work, look-ups and the optimiser are not counted.

>>> Shape(context=2, embedding=3, hidden=5, depth=1).forward_flop(batch=10)
26200
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detente.base.errors import Misuse

Floats = npt.NDArray[np.floating[Any]]
Codes = npt.NDArray[np.uint8]

VOCABULARY = 256


@dataclass(frozen=True, slots=True)
class Shape:
    """The architecture: window in bytes, embedding width, hidden width, number of hidden layers."""

    context: int = 24
    embedding: int = 32
    hidden: int = 256
    depth: int = 2

    def __post_init__(self) -> None:
        bounds = {"context": (1, 256), "embedding": (1, 512), "hidden": (1, 8_192), "depth": (1, 64)}
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise Misuse(f"{name} is {getattr(self, name)}, and must be from {least} to {most}")

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """(inputs, outputs) of every matrix product, in order."""
        first = (self.context * self.embedding, self.hidden)
        return (first, *((self.hidden, self.hidden),) * (self.depth - 1), (self.hidden, VOCABULARY))

    @property
    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all weights, in their order within the flat vector."""
        shapes: dict[str, tuple[int, ...]] = {"embedding": (VOCABULARY, self.embedding)}
        for number, (inputs, outputs) in enumerate(self.layers):
            shapes[f"layer{number}.matrix"] = (inputs, outputs)
            shapes[f"layer{number}.bias"] = (outputs,)
        return shapes

    @property
    def parameters(self) -> int:
        """How many weights there are."""
        return sum(math.prod(shape) for shape in self.tensors.values())

    def forward_flop(self, batch: int) -> int:
        """FLOP of one forward pass: Σ 2·batch·inputs·outputs."""
        return sum(2 * batch * inputs * outputs for inputs, outputs in self.layers)

    def training_flop(self, batch: int) -> int:
        """FLOP of one training step: forward, and twice that backward."""
        return 3 * self.forward_flop(batch)


def views(flat: Floats, shape: Shape) -> dict[str, Floats]:
    """Each tensor as a view of the flat vector."""
    result: dict[str, Floats] = {}
    at = 0
    for name, sides in shape.tensors.items():
        size = math.prod(sides)
        result[name] = flat[at : at + size].reshape(sides)
        at += size
    return result


def first_weights(shape: Shape, draw: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> Floats:
    """Weights to start from: normal, scaled by 1/√inputs; biases zero; embeddings of unit size."""
    flat: Floats = np.zeros(shape.parameters, dtype=dtype)
    for name, tensor in views(flat, shape).items():
        if name == "embedding":
            tensor[...] = draw.standard_normal(tensor.shape)
        elif tensor.ndim == 2:
            tensor[...] = draw.standard_normal(tensor.shape) / math.sqrt(tensor.shape[0])
    return flat


class Model:
    """Weights with their gradient buffer and the two passes."""

    def __init__(self, shape: Shape, flat: Floats) -> None:
        if flat.shape != (shape.parameters,):
            raise Misuse(f"{flat.shape} weights do not fit an architecture of {shape.parameters}")
        self.shape = shape
        self.flat = flat
        self.gradient: Floats = np.zeros_like(flat)
        self._weights = views(flat, shape)
        self._slopes = views(self.gradient, shape)

    def logits(self, windows: Codes) -> Floats:
        """Scores of the next byte, (batch, 256), for windows of (batch, context) bytes."""
        return self._forward(windows, None)[-1]

    def loss(self, windows: Codes, targets: Codes) -> float:
        """Mean cross-entropy in nats, without a gradient."""
        return _cross_entropy(self.logits(windows), targets)[0]

    def learn(self, windows: Codes, targets: Codes, mask: Floats | None = None) -> float:
        """Mean cross-entropy; fills ``gradient``. ``mask`` multiplies the embedded input (dropout), if given."""
        states = self._forward(windows, mask)
        loss, slope = _cross_entropy(states[-1], targets)
        for number in range(self.shape.depth, -1, -1):
            matrix = self._weights[f"layer{number}.matrix"]
            residual = None
            if number < self.shape.depth:  # a hidden layer: through tanh, around it where it is residual
                residual = slope if number else None
                inner = states[number + 1] - states[number] if number else states[1]
                slope = slope * (1 - inner * inner)
            np.matmul(states[number].T, slope, out=self._slopes[f"layer{number}.matrix"])
            np.sum(slope, axis=0, out=self._slopes[f"layer{number}.bias"])
            slope = slope @ matrix.T
            if residual is not None:
                slope += residual
        if mask is not None:
            slope *= mask
        _scatter(self._slopes["embedding"], windows, slope)
        return loss

    def _forward(self, windows: Codes, mask: Floats | None) -> list[Floats]:
        state = self._weights["embedding"][windows].reshape(len(windows), -1)
        if mask is not None:
            state = state * mask
        states = [state]
        for number in range(self.shape.depth + 1):
            state = states[-1] @ self._weights[f"layer{number}.matrix"]
            state += self._weights[f"layer{number}.bias"]
            if number < self.shape.depth:
                np.tanh(state, out=state)
                if number:
                    state += states[-1]
            states.append(state)
        return states


def _cross_entropy(logits: Floats, targets: Codes) -> tuple[float, Floats]:
    """The mean loss and its slope with respect to the logits: (softmax − one-hot) / batch."""
    rows = np.arange(len(targets))
    shifted = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    sums = powers.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(sums[:, 0]) - shifted[rows, targets]))
    slope = powers / sums
    slope[rows, targets] -= 1
    slope /= len(targets)
    return loss, slope


def _scatter(slopes: Floats, windows: Codes, slope: Floats) -> None:
    """Add each window position's slope to the row of its byte, in a fixed order."""
    codes = windows.reshape(-1)
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    slopes[...] = 0
    slopes[ordered[starts]] = np.add.reduceat(slope.reshape(len(codes), -1)[order], starts, axis=0)


def copy_overlap(old: Mapping[str, Floats], new: Mapping[str, Floats], *, context: tuple[int, int]) -> None:
    """Start a model of another shape from what its parent knows: copy the part of each tensor that both have.

    ``context`` is (old, new): the first matrix is aligned on the byte nearest to the target, so that a longer window
    keeps what was learnt about the near one.
    """
    for name in new.keys() & old.keys():
        source, goal = old[name], new[name]
        if name == "layer0.matrix":
            source = source.reshape(context[0], -1, source.shape[1])
            goal = goal.reshape(context[1], -1, goal.shape[1])
            near = min(context)
            source, goal = source[-near:], goal[-near:]
        place = tuple(slice(0, min(pair)) for pair in zip(source.shape, goal.shape, strict=True))
        goal[place] = source[place]
