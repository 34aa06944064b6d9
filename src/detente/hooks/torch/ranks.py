"""A guard for the ranks of ``torchrun``: one stops, all stop at the same step, and one receipt is written for all.

Decides where ranks find one another. Leaves out which of them has the leave, and the agreement (``hooks.agreement``).

Below ``detente guard -- torchrun …`` the leave is its supervisor's, otherwise rank 0 has a permit of its own. The board is the ``TCPStore`` at
``MASTER_ADDR`` and ``MASTER_PORT`` that the process group itself met at, by a connection of its own, so that no collective
waits for it. Any device and backend will do: nothing here is a tensor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from detente.base.errors import Misuse, Unavailable
from detente.hooks.agreement import RankedGuard, Ranks, guard_together
from detente.hooks.loop import Saved

MEET_WITHIN_S = 60.0


def joined_ranks() -> Ranks:
    """The ranks of the process group that this process is in; raises ``Misuse`` outside one, ``Unavailable`` without its store."""
    import torch.distributed as group

    if not group.is_available() or not group.is_initialized():
        raise Misuse("no process group: call torch.distributed.init_process_group first")
    try:
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    except (KeyError, ValueError) as error:
        raise Misuse(
            f"the ranks cannot meet: {error}; expected MASTER_ADDR and MASTER_PORT, as torchrun sets them"
        ) from None
    try:
        store = group.TCPStore(
            address, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=MEET_WITHIN_S)
        )
    except (RuntimeError, ValueError) as error:
        raise Unavailable(f"cannot reach the store of the ranks at {address}:{port}: {error}") from error
    # A restarted attempt may find the same store: it must not read what was said in the one before.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    board = group.PrefixStore(f"detente/{attempt}", store)
    return Ranks(group.get_rank(), group.get_world_size(), board)


def guard_ranks(
    run: str = "run",
    *,
    ranks: Ranks | None = None,
    save: Callable[[], Saved] | None = None,
    at_step: int = 0,
    **how: Any,
) -> RankedGuard:
    """``guard`` for one rank of several; every rank enters it, and calls ``step`` after the same steps.

    ``save`` is called on every rank at the step that all have agreed on. ``how``: the other arguments of ``guard``.
    """
    return guard_together(run, ranks=ranks or joined_ranks(), save=save, at_step=at_step, **how)
