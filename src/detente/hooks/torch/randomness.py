"""The random states that a step may draw from: PyTorch's on the CPU and on this rank's GPU, NumPy's, Python's.

Decides which generators there are and how their states are set back. Leaves out the loader's own generator, which is set
before these (``exact_state``). Generators of a program's own belong into its parts.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from detente.base.errors import Refused


def random_states() -> dict[str, Any]:
    """The states now, as values that ``state_tree`` keeps. About 30 µs."""
    import torch

    version, words, gauss = random.getstate()
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),  # noqa: NPY002 - the global generator is what people's code draws from
        "python": (version, np.array(words, dtype=np.uint32), gauss),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_states(states: Any) -> None:
    """Set every generator to what ``random_states`` returned; raises ``Refused`` V11 for states that do not fit."""
    import torch

    try:
        version, words, gauss = states["python"]
        random.setstate((version, tuple(int(word) for word in words), gauss))
        np.random.set_state(states["numpy"])  # noqa: NPY002 - see above
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"])
        torch.set_rng_state(states["torch"])
    except (KeyError, TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise Refused(
            "V11", "conflict", got=f"random states that do not fit: {error}", expected="those of a step"
        ) from None


def device_kind() -> str:
    """The name of the kind of device that this rank computes on, as far as can be told: a GPU's model, or ``cpu``."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return str(torch.cuda.get_device_name())
    return "cpu"
