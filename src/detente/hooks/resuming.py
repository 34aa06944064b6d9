"""Why going on from a checkpoint would not be exact, whatever framework wrote it.

Decides from what a checkpoint says of itself: its ranks, its environment, its receipt. Leaves out reading it and its form
(``hooks.torch.exact_state``, ``hooks.jax``). ``spec/exact-resume.md``, rules V05 to V07.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from detente.base.errors import Refused, shown
from detente.guard.receipt import Receipt
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.sealed import Sealed

_OTHERWISE = "accept a resume that is not exact with allow_inexact=True"


def accept_inexact(
    meta: Mapping[str, Any],
    receipt: Receipt,
    *,
    world: int,
    of: str,
    environment: Mapping[str, Any],
    allow: bool,
) -> str:
    """Why a resume is not exact, empty where it is; raises ``Refused`` V05 to V07 unless they are ``allow``-ed.

    ``meta`` is what the checkpoint says of itself; ``world`` and ``of`` are the number and the name of what shares the run now:
    ranks, or processes.
    """
    why = receipt.why_not_exact
    for refusal in _refusals(meta, receipt, world, of, environment):
        if not allow:
            raise refusal
        why = why or f"resumed at step {receipt.step} with {refusal.got}"[:500]
    return why


def resumed_from(found: Sealed, why_not_exact: str) -> SavedCheckpoint:
    """What a stop before the next step is answered with: the checkpoint itself, which is not written over. A kill within would break it.

    Its own receipt stays as it is, since no step was done; the answer says what the run has accepted.
    """
    receipt = found.receipt
    if why_not_exact:
        receipt = replace(receipt, exact=False, why_not_exact=why_not_exact)
    return SavedCheckpoint(found.folder, receipt)


def _refusals(
    meta: Mapping[str, Any], receipt: Receipt, world: int, of: str, environment: Mapping[str, Any]
) -> Iterator[Refused]:
    if meta.get("ranks") != world:
        yield Refused(
            "V05",
            "conflict",
            got=f"{world} {of} for a checkpoint of {shown(meta.get('ranks'))}",
            expected=f"the same number of {of}",
            todo=_OTHERWISE,
        )
    then = meta.get("environment")
    if then != environment:
        before = then if isinstance(then, dict) else {}
        changed = [
            f"{name} {now} instead of {shown(before.get(name))}"
            for name, now in environment.items()
            if before.get(name) != now
        ]
        yield Refused(
            "V06",
            "conflict",
            got="; ".join(changed) or "another environment",
            expected="what it was saved under",
            todo=_OTHERWISE,
        )
    if not receipt.exact:
        yield Refused(
            "V07",
            "conflict",
            got=f"a checkpoint that is not exact: {receipt.why_not_exact}",
            expected="one that is",
            todo=_OTHERWISE,
        )
