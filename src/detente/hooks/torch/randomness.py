"""The random states that a step may draw from: PyTorch's on the CPU and on this rank's GPU, NumPy's, Python's.

Decides which generators there are and how PyTorch's are set back. Leaves out those of every program (``hooks.randomness``), and the
loader's own generator, which is set before these (``exact_state``). Generators of a program's own belong into its parts.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from detente.hooks import randomness as everywhere

FETCHES_SEEN = 2
"""Steps whose batches must have been fetched before it is said that examples do not draw: with the first the epoch begins."""


def random_states() -> dict[str, Any]:
    """The states now, as values that ``state_tree`` keeps. About 30 µs."""
    import torch

    states = {"torch": torch.get_rng_state()} | everywhere.random_states()
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Any) -> None:
    """Set every generator to what ``random_states`` returned; raises ``Refused`` V11 for states that do not fit."""
    import torch

    everywhere.set_random_states(states)
    try:
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"])
        torch.set_rng_state(states["torch"])
    except (KeyError, TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise everywhere.misfit(error) from None


def random_fingerprint() -> tuple[Any, ...]:
    """What tells whether anything was drawn from the three generators in between: equal as long as nothing was."""
    import torch

    legacy: Any = np.random.get_state()  # noqa: NPY002 - the global one is the one in doubt
    return bytes(torch.get_rng_state().numpy()), legacy[1].tobytes(), legacy[2], legacy[3], random.getstate()


class Drawn:
    """Who has drawn from the global generators, as far as can be seen between the events of a loop."""

    def __init__(self) -> None:
        self.fetches = 0
        self.data = False
        self.predictions = 0
        self._compared = self._evaluation = False
        self._mark: tuple[Any, ...] | None = None
        self._begun: Any = None

    @property
    def watched(self) -> bool:
        """Were examples fetched, and could it be seen whether they drew?"""
        return self.fetches >= FETCHES_SEEN

    def trust(self) -> None:
        """Somebody has watched before."""
        self.fetches = FETCHES_SEEN

    @property
    def evaluation_is_quiet(self) -> bool:
        """Were batches of an evaluation compared, and none had drawn?"""
        return self._compared and not self._evaluation

    def mark(self) -> None:
        """What was drawn up to now was not drawn by the data."""
        self._mark = random_fingerprint()

    def begins(self, states: Any) -> None:
        """An epoch begins, at these random states: that will draw one number from PyTorch's generator."""
        self._begun = states

    def fetched(self) -> None:
        """The batches of a step are there. With the first of an epoch more may have been drawn than for them."""
        now = random_fingerprint()
        begun, self._begun = self._begun, None
        if begun is None:
            self.data |= self._mark is not None and now != self._mark
            self.fetches += 1
        elif now[0] == _after_one(begun["torch"]):
            self.fetches = FETCHES_SEEN
        else:
            self.fetches += 1
        self._mark = now

    def predicted(self) -> None:
        """A batch of an evaluation is done."""
        now = random_fingerprint()
        if self.predictions:
            self._compared = True
            self._evaluation |= now != self._mark
        self.predictions += 1
        self._mark = now

    def evaluated(self) -> None:
        """An evaluation is over."""
        self.predictions = 0
        self.mark()


def _after_one(state: Any) -> bytes:
    """PyTorch's generator after a loader has drawn its base seed, as each does when it begins."""
    import torch

    generator = torch.Generator()
    generator.set_state(state)
    torch.empty((), dtype=torch.int64).random_(generator=generator)
    return bytes(generator.get_state().numpy())


def device_kind() -> str:
    """The name of the kind of device that this rank computes on, as far as can be told: a GPU's model, or ``cpu``."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return "cpu"
