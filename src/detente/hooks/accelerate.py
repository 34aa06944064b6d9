"""Exact state for a loop that Hugging Face's Accelerate has prepared: ``save_state`` and ``load_state``, sealed, in the right order.

Decides where a prepared loader stands, and when the random states are set. Leaves out what ``save_state`` writes, and the rest of
exactness (``hooks.torch.exact_state``). Usage::

    state = AcceleratorState(accelerator, "out", run="lm", loader=loader)
    with guard("lm", save=lambda: state.save(g.steps), at_step=state.restore()) as g:
        while g.steps < 10_000:
            for batch in state.batches():
                with accelerator.accumulate(model):
                    train(batch)
                if accelerator.sync_gradients:
                    g.step()

For one process: several would have to stop at one step (``hooks.torch.ranks`` for PyTorch's own loops).

Rules (``spec/exact-resume.md`` §8):

* A resumed loader begins its epoch again, which draws once, and passes over what was seen. So the random states are set after its
  first batch has been fetched, and what is fetched within an epoch may draw nothing: it is watched, and the receipt says so.
* The order of an epoch must be a function of seed and epoch: ``use_seedable_sampler=True``, or no shuffling (V08).
* Gradients that are still being accumulated are not kept. A stop there goes back to the last whole step, whose batches come again.

>>> order_doubt(object())
'the order of the data comes from a NoneType, which a resume does not find again'
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from detente.base.errors import Misuse, Refused
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.torch.exact_state import ExactState
from detente.hooks.torch.loader import DrawWatch, loader_doubt
from detente.hooks.torch.randomness import Drawn, random_states, set_random_states

FOLDER = "accelerate"
"""Where in a checkpoint's folder the accelerator writes."""
FOUND_AGAIN = ("SeedableRandomSampler", "SequentialSampler")
"""Samplers of which an epoch's order is a function of seed and epoch."""


class AcceleratorState(ExactState):
    """The state of a prepared loop; take its batches from ``batches()``. ``loader``: as ``accelerator.prepare`` returned it.

    ``save_state`` keeps everything that was prepared or registered with the accelerator; ``parts`` are further objects with
    ``state_dict`` and ``load_state_dict``. Raises ``Refused`` V08 for a loader whose order is not found again.
    """

    def __init__(
        self,
        accelerator: Any,
        out: str | os.PathLike[str],
        *,
        run: str = "local",
        loader: Any,
        parts: Mapping[str, Any] | None = None,
        allow_inexact: bool = False,
        slow_piece_s: float = 0.0,
    ) -> None:
        if accelerator.project_configuration.automatic_checkpoint_naming:
            raise Misuse(
                "automatic_checkpoint_naming names the folders itself: leave it off, they are named by their step"
            )
        if accelerator.num_processes > 1:
            raise Misuse(f"got an accelerator of {accelerator.num_processes} processes; this state is of one")
        self._prepared = PreparedLoader(accelerator, loader)
        super().__init__(
            out,
            run=run,
            loader=self._prepared,
            parts=parts,
            beside=lambda folder: accelerator.save_state(str(folder / FOLDER)),
            beside_restore=lambda folder: accelerator.load_state(str(folder / FOLDER)),
            doubt=self._prepared.doubt,
            allow_inexact=allow_inexact,
            slow_piece_s=slow_piece_s,
        )

    def save(self, step: int, *, again: bool = False) -> SavedCheckpoint:
        """As ``ExactState.save``: the last whole step, also when a stop comes within one."""
        self._prepared.saves(step)
        return super().save(step, again=again)

    def restore(self) -> int:
        """As ``ExactState.restore``."""
        step = super().restore()
        self._prepared.begins(step, exact=not self.why_not_exact)
        return step


class PreparedLoader:
    """A prepared loader that knows where the last whole step was: its epoch, the batches of it, how far gradients were accumulated."""

    def __init__(self, accelerator: Any, loader: Any) -> None:
        if doubt := order_doubt(loader):
            raise Refused(
                "V08",
                "conflict",
                got=doubt,
                expected="an order that is a function of seed and epoch",
                todo="Accelerator(dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True))",
            )
        self._accelerator = accelerator
        self._loader = loader
        self._epoch = self._position = self._steps = 0
        self._whole = self._now()
        self._drawn = Drawn()
        self._counted = True
        self.before_fetch: dict[str, Any] | None = None
        """The random states after the last whole step, unless that is now."""

    def __len__(self) -> int:
        """Batches of an epoch, of this process."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """The batches of this epoch that are left, perhaps none; the iteration after it is of the next epoch."""
        passed = self._position
        self._stands_here()
        if passed < len(self._loader):
            self._loader.set_epoch(self._epoch)
            left = self._accelerator.skip_first_batches(self._loader, passed) if passed else self._loader
            first = True
            self._drawn.begins(self.before_fetch)
            for batch in left:
                self._drawn.fetched()
                if first and passed and self.before_fetch is not None:
                    set_random_states(self.before_fetch)  # It has begun the epoch a second time, and drawn for that.
                first = False
                self._position += 1
                yield batch
                if self._accelerator.sync_gradients:
                    self._steps += 1
                    self._stands_here()
                self._drawn.mark()
        self._epoch, self._position = self._epoch + 1, 0
        self._stands_here()

    def state_dict(self) -> dict[str, int]:
        """The place of the last whole step."""
        return dict(self._whole)

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a place; raises ``Refused`` V04 for one that is none."""
        if set(state) != set(self._whole) or not 0 <= state["position"] <= len(self._loader):
            raise Refused("V04", "conflict", got=f"a place {state}", expected=f"one in {len(self._loader)} batches")
        self._epoch, self._position = state["epoch"], state["position"]
        self._accelerator.step = state["accumulated"]
        self._whole = dict(state)

    def begins(self, step: int, *, exact: bool) -> None:
        """The loop begins at this step. A checkpoint within an epoch is not called exact where examples were seen to draw."""
        self._steps = step
        if step and exact and 0 < self._position < len(self._loader):
            self._drawn.trust()

    def saves(self, step: int) -> None:
        """A save of this step comes: is it the one that has just been done, or the whole one before it?"""
        self._counted = step in (self._steps, self._steps + 1)
        if step != self._steps:
            self._whole, self.before_fetch = self._now(), None

    def doubt(self) -> str:
        """Why a resume from the last whole step would not be exact; empty where nothing speaks against it."""
        if not self._counted:
            return "steps were counted otherwise than the accelerator applied gradients"
        buffers = any(True for model in self._accelerator._models for _ in model.buffers())
        if self._position > self._whole["position"] and buffers:
            return "a step was half done, and the model's buffers keep what it did"
        within = 0 < self._whole["position"] < len(self._loader)
        return draw_doubt(self._loader, self._drawn) if within else ""

    def _now(self) -> dict[str, int]:
        return {"epoch": self._epoch, "position": self._position, "accumulated": self._accelerator.step}

    def _stands_here(self) -> None:
        self._whole, self.before_fetch = self._now(), random_states()


def draw_doubt(loader: Any, drawn: Drawn) -> str:
    """Why a resume within an epoch would not be exact, as far as it lies in the data; empty where nothing speaks against it."""
    data = loader.dataset
    if not hasattr(data, "__len__"):
        return "a data set without a length: nobody can say whether it gives the same again"
    if doubt := loader_doubt(loader):
        return doubt
    watched = isinstance(data, DrawWatch)
    if data.drawn if watched else drawn.data:
        return "making an example draws random numbers, which are not set back within an epoch"
    if not watched and not drawn.watched:
        return "too few batches were fetched to see whether making an example draws random numbers"
    return ""


def order_doubt(loader: Any) -> str:
    """Does an epoch's order come back with seed and epoch? Empty, or why not."""
    sampler = getattr(loader, "batch_sampler", None)
    while (inner := getattr(sampler, "batch_sampler", None) or getattr(sampler, "sampler", None)) is not None:
        sampler = inner
    name = type(sampler).__name__
    return (
        "" if name in FOUND_AGAIN else f"the order of the data comes from a {name}, which a resume does not find again"
    )
