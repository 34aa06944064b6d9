"""The random generators that every Python program has, and that code draws from without naming one: NumPy's and Python's.

Decides how their states are kept and set back (``spec/exact-resume.md`` §2). Leaves out a framework's own (``hooks.torch.randomness``).

>>> import random
>>> before = random_states()
>>> drawn = random.random()
>>> set_random_states(before)
>>> random.random() == drawn
True
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from detente.base.errors import Refused


def random_states() -> dict[str, Any]:
    """The states now, as values that ``state_tree`` keeps."""
    version, words, gauss = random.getstate()
    numpy: Any = np.random.get_state()  # noqa: NPY002 - the global generator is what people's code draws from
    return {"numpy": numpy, "python": (version, np.array(words, dtype=np.uint32), gauss)}


def set_random_states(states: Any) -> None:
    """Set both to what ``random_states`` returned; raises ``Refused`` V11 for states that do not fit."""
    try:
        version, words, gauss = states["python"]
        random.setstate((version, tuple(int(word) for word in words), gauss))
        np.random.set_state(states["numpy"])  # noqa: NPY002 - see above
    except (KeyError, TypeError, ValueError) as error:
        raise misfit(error) from None


def misfit(error: Exception) -> Refused:
    """What a generator says of a state that is not its own."""
    return Refused("V11", "conflict", got=f"random states that do not fit: {error}", expected="those of a step")
