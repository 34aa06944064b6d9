"""Real text that everybody has: the Python standard library's own source, as bytes.

Decides which bytes a job trains on, how they are split, and in what order they are visited. Leaves out batching to a
model. The order is a function of (seed, epoch, index), so a position in it is one whole number, and an interrupted
epoch goes on where it stopped.

>>> corpus = Corpus(b"abcdefghij" * 10)
>>> split = corpus.split(context=4, evaluation="tail")
>>> (split.training, split.held_out)
(86, 10)
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Unavailable

CORPUS_MAX = 2_000_000
"""Bytes. Enough that a drill's job never sees a byte twice, small enough to read in 20 ms."""

Evaluation = Literal["head", "middle", "tail"]
Positions = npt.NDArray[np.int64]


class Corpus:
    """Bytes to learn from, with their digest."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.codes = np.frombuffer(text, dtype=np.uint8)

    @cached_property
    def digest(self) -> Digest:
        """SHA-256 of all bytes: a checkpoint belongs to one corpus."""
        return sha256_hex(self.text)

    def split(self, *, context: int, evaluation: Evaluation) -> Split:
        """Hold out one tenth at the head, in the middle or at the tail; raises ``Misuse`` when there is too little."""
        size = len(self.text)
        held = size // 10
        if held < 1 or size - held < 4 * context:
            raise Misuse(f"a corpus of {size} bytes is too short for a context of {context}")
        start = {"head": context, "middle": (size - held) // 2, "tail": size - held}[evaluation]
        return Split(size=size, context=context, start=start, held_out=held)


def fetch_standard_library(limit: int = CORPUS_MAX) -> Corpus:
    """The modules of the running Python's standard library, in order of name, cut at ``limit`` bytes."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    pieces: list[bytes] = []
    size = 0
    for path in sorted(folder.glob("*.py")):
        if size >= limit:
            break
        pieces.append(path.read_bytes())
        size += len(pieces[-1])
    if not pieces:
        raise Unavailable(f"{folder} holds no module source to train on")
    return Corpus(b"".join(pieces)[:limit])


@dataclass(frozen=True, slots=True)
class Split:
    """Which byte positions are targets for training and which are held out.

    A target at p is predicted from the ``context`` bytes before it. Held out are ``held_out`` targets from ``start``;
    no training window touches them.
    """

    size: int
    context: int
    start: int
    held_out: int

    @property
    def training(self) -> int:
        """How many targets training may visit."""
        return self._before + self._after

    @property
    def _before(self) -> int:
        return max(0, self.start - self.context)

    @property
    def _after(self) -> int:
        return max(0, self.size - (self.start + self.held_out) - self.context)

    def held_out_targets(self, count: int) -> Positions:
        """``count`` targets spread evenly over the held-out part, the same ones every time."""
        count = min(count, self.held_out)
        return self.start + np.arange(count, dtype=np.int64) * self.held_out // count

    def training_targets(self, *, seed: int, first: int, count: int) -> Positions:
        """The targets at places ``first`` … ``first + count`` of the order that ``seed`` sets.

        Each epoch visits every training target once, along an affine permutation i → a·i + b mod n drawn from
        (seed, epoch), so that no order needs to be stored.
        """
        places = np.arange(first, first + count, dtype=np.int64)
        epochs, within = np.divmod(places, self.training)
        index = np.empty(count, dtype=np.int64)
        for epoch in range(int(epochs[0]), int(epochs[-1]) + 1):
            chosen = epochs == epoch
            factor, offset = _affine(seed, epoch, self.training)
            index[chosen] = (within[chosen] * factor + offset) % self.training
        before = index < self._before
        return np.where(before, index + self.context, index - self._before + self.start + self.held_out + self.context)


def _affine(seed: int, epoch: int, size: int) -> tuple[int, int]:
    draw = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
    factor = int(draw.integers(size // 3, size)) if size > 3 else 1
    while gcd(factor, size) != 1:
        factor += 1
    return factor % size, int(draw.integers(0, size))
