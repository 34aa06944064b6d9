"""Batches that can be found again: a loader that seeks, and what is known of loaders that others wrote.

Decides the order of a ``SeekableLoader`` and which loader allows an exact resume. Leaves out what is in a data set.

* ``SeekableLoader`` draws the order of an epoch from a generator of its own, seeded by (seed, epoch), and is at a batch by
  one number. A resume computes nothing of what was passed. Batches are made in the job's own process.
* torchdata's ``StatefulDataLoader`` keeps its place itself. It must have a generator of its own: without one it draws from
  the global one whenever it begins (V08). Persistent workers keep state that it does not save (V08). Workers that draw
  random numbers begin again with others when an epoch is resumed: ``DrawWatch`` sees it, and the checkpoint says so.
* A plain ``DataLoader`` cannot say where it stands (V03).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from detente.base.errors import Misuse, Refused
from detente.hooks.torch.randomness import random_fingerprint, random_states

WAIT_SLICE_S = 0.02
"""How often a loader that waits for data looks whether the job may run on."""


class SeekableLoader:
    """Shuffled batches of a data set with a length, over and over; iterate once an epoch.

    ``batch_size`` examples each, the last incomplete batch left out. Of several ranks each takes every ``world``-th batch.
    ``collate`` makes a batch of a list of examples, by default PyTorch's. ``ready`` is asked before each batch is made, until
    it says true: while it does not, ``check`` is called every 20 ms, which is where a guard stops a job that waits for data.
    """

    def __init__(
        self,
        data: Any,
        *,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        collate: Callable[[list[Any]], Any] | None = None,
        ready: Callable[[], bool] | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        if not 0 <= rank < world or not 1 <= batch_size * world <= len(data):
            raise Misuse(f"got batches of {batch_size} for rank {rank} of {world} from {len(data)} examples")
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.epoch = 0
        self.position = 0
        self.check = check
        self.boundary: Callable[[], None] | None = None
        """Called before each batch, when nothing of it was drawn yet: where a host's step is wholly over."""
        self._ready = ready
        self._collate = collate
        self.before_fetch: dict[str, Any] | None = None
        """The random states before the batch that is being made now; nothing between batches."""

    def __len__(self) -> int:
        """Batches of an epoch, of this rank."""
        return len(self.data) // (self.batch_size * self.world)

    def order(self, epoch: int) -> Any:
        """The order of the examples in an epoch, from a generator of its own: a function of seed, epoch and length."""
        import torch

        own = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(len(self.data), generator=own)

    def __iter__(self) -> Iterator[Any]:
        """The batches of this epoch that are left, perhaps none; the iteration after it is of the next epoch."""
        order = self.order(self.epoch)
        while self.position < len(self):
            if self.boundary is not None:
                self.boundary()
            self.before_fetch = random_states()  # A stop in here goes on before this batch.
            self._wait()
            first = (self.position * self.world + self.rank) * self.batch_size
            batch = self._made([self.data[int(at)] for at in order[first : first + self.batch_size]])
            self.position += 1
            self.before_fetch = None
            yield batch
        self.epoch, self.position = self.epoch + 1, 0

    def begin_epoch(self) -> None:
        """Go to the next epoch if any batch of this one was given out: for hosts that end an epoch without asking for more."""
        if self.position:
            self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """The place: the epoch, and how many of its batches were given out."""
        return {"seed": self.seed, "length": len(self.data), "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to a place; raises ``Refused`` V04 for the place of another order."""
        ours = {"seed": self.seed, "length": len(self.data)}
        if {name: state.get(name) for name in ours} != ours:
            raise Refused("V04", "conflict", got=f"a place in the order of {state}", expected=f"one of {ours}")
        self.epoch, self.position = state["epoch"], state["position"]

    def _wait(self) -> None:
        while self._ready is not None and not self._ready():
            if self.check is not None:
                self.check()
            time.sleep(WAIT_SLICE_S)

    def _made(self, examples: list[Any]) -> Any:
        if self._collate is not None:
            return self._collate(examples)
        from torch.utils.data import default_collate

        return default_collate(examples)


class DrawWatch:
    """A data set that notes whether making an example draws from the global generators, also in workers."""

    def __init__(self, data: Sequence[Any]) -> None:
        import torch

        self.data = data
        self._drawn = torch.zeros(1, dtype=torch.uint8).share_memory_()

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, at: int) -> Any:
        if self.drawn:
            return self.data[at]
        before = random_fingerprint()
        example = self.data[at]
        if random_fingerprint() != before:
            self._drawn[0] = 1
        return example

    @property
    def drawn(self) -> bool:
        """Has any example drawn?"""
        return bool(self._drawn[0])


def check_loader(loader: Any) -> None:
    """Can this loader be restored at all? Raises ``Refused`` V03, V08."""
    if not hasattr(loader, "state_dict") or not hasattr(loader, "load_state_dict"):
        raise Refused(
            "V03",
            "wrong-type",
            got=f"a {type(loader).__name__}, which cannot say where it stands",
            expected="state_dict and load_state_dict",
            todo="use SeekableLoader, or torchdata's StatefulDataLoader",
        )
    if getattr(loader, "persistent_workers", False):
        raise Refused(
            "V08",
            "conflict",
            got="persistent workers, whose state no loader saves",
            expected="persistent_workers=False",
        )
    if hasattr(loader, "generator") and loader.generator is None:
        raise Refused(
            "V08",
            "conflict",
            got="a loader without a generator of its own: it draws from the global one whenever it begins",
            expected="generator=torch.Generator()",
        )


def loader_doubt(loader: Any) -> str:
    """Why a resume within an epoch would not be exact with this loader; empty where nothing speaks against it."""
    if not getattr(loader, "num_workers", 0):
        return ""
    watched = loader.dataset
    if not isinstance(watched, DrawWatch):
        return "the loader has workers, and nobody watched whether they draw random numbers"
    return "the loader's workers draw random numbers, and begin with others after a resume" if watched.drawn else ""
