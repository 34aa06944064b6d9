"""Exact state of a model that is sharded over its ranks: ``torch.distributed.checkpoint`` writes it, a receipt seals it.

Decides what goes through ``torch.distributed.checkpoint`` and what each rank keeps of its own. Leaves out the ranks' agreement on a
step (``hooks.torch.ranks``), and listing, receipt and order of writes (``hooks.torch.exact_state``). Usage, on every rank::

    ranks = joined_ranks()
    fully_shard(model)
    state = ShardedState("out", run="lm", model=model, optimizer=optimizer, loader=loader, ranks=ranks)
    with guard_ranks("lm", ranks=ranks, save=lambda: state.save(g.steps), at_step=state.restore()) as g:
        ...

The shards of model and optimiser lie in the folder ``shards`` of a checkpoint, beside each rank's ``rank-NNNNN.ckpt``, which has its loader,
its random states and all that is not sharded. One listing names every file, so that a checkpoint without one of its shards is none.

The metadata of ``torch.distributed.checkpoint`` are pickle. They are read only after rank 0 has compared the digest of every file, of a
checkpoint whose receipt stands in the run's own folder; whoever can write receipts there can run code here (``docs/decisions/0046-…``).

>>> import importlib.util
>>> importlib.util.find_spec("detente.hooks.torch.distributed_checkpoint") is not None
True
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detente.base.errors import Refused
from detente.hooks.agreement import Ranks
from detente.hooks.torch.exact_state import ExactState

FOLDER = "shards"
"""Where in a checkpoint's folder ``torch.distributed.checkpoint`` writes."""


class ShardedState(ExactState):
    """The state of one rank of a sharded run. Arguments as for ``ExactState``; ``model`` and ``optimizer`` may be shards of the whole.

    ``save`` and ``restore`` are collective: every rank calls them at the same step. Raises ``Refused`` V11 where the shards do not fit.
    """

    def __init__(
        self,
        out: str | os.PathLike[str],
        *,
        run: str = "local",
        model: Any,
        optimizer: Any,
        ranks: Ranks,
        scheduler: Any = None,
        loader: Any = None,
        parts: Mapping[str, Any] | None = None,
        allow_inexact: bool = False,
        slow_piece_s: float = 0.0,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        super().__init__(
            out,
            run=run,
            scheduler=scheduler,
            loader=loader,
            parts=parts,
            ranks=ranks,
            beside=self._write_shards,
            beside_restore=self._read_shards,
            allow_inexact=allow_inexact,
            slow_piece_s=slow_piece_s,
        )

    def _shards(self) -> dict[str, Any]:
        from torch.distributed.checkpoint.state_dict import get_state_dict

        model, optimizer = get_state_dict(self._model, self._optimizer)
        return {"model": model, "optimizer": optimizer}

    def _write_shards(self, folder: Path) -> None:
        import torch.distributed.checkpoint as shards

        shards.save(self._shards(), checkpoint_id=str(folder / FOLDER))

    def _read_shards(self, folder: Path) -> None:
        import torch.distributed.checkpoint as shards
        from torch.distributed.checkpoint.state_dict import set_state_dict

        found = self._shards()
        try:
            shards.load(found, checkpoint_id=str(folder / FOLDER))
        except shards.CheckpointException as error:
            raise Refused(
                "V11", "conflict", got=f"shards that do not fit: {error}", expected="those of this model and optimiser"
            ) from error
        set_state_dict(
            self._model, self._optimizer, model_state_dict=found["model"], optim_state_dict=found["optimizer"]
        )
