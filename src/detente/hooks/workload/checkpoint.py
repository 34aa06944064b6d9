"""Checkpoints on disk: saved so that a crash at any moment leaves the newest good one in place, found by receipt.

Decides the order of writes: the checkpoint (temporary file, fsync, rename, fsync of the directory), and only then
its receipt, the same way. A file without a receipt does not exist; a file that is not what its receipt says is
refused and the one before it is used. Leaves out what is in a checkpoint.

Rules: W17, W18 of ``spec/receipt.md``, and those of ``guard.receipt``.

>>> import tempfile, numpy as np
>>> store = Checkpoints(Path(tempfile.mkdtemp()), run="doctest")
>>> _ = store.save({"kind": "x"}, {"weights": np.zeros(2, dtype=np.float32)}, step=5, flop=0)
>>> found = store.fetch_newest()
>>> found.receipt.step, found.meta["kind"]
(5, 'x')
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detente.base.digest import sha256_hex
from detente.base.errors import Refused, Unavailable, shown
from detente.base.strict_json import parse_json
from detente.guard.receipt import RECEIPT_MAX, Receipt, encode_receipt, parse_receipt, parse_run, verify_checkpoint
from detente.hooks.checkpointing import read_at_most
from detente.hooks.workload.container import Array, encode_container, parse_container, weights_digest
from detente.hooks.workload.control import write_durably

KEPT = 2
"""The newest, and the one before it in case the newest turns out to be broken."""
_RECEIPT_ENDING = ".receipt.json"


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint that passed its receipt. ``refused`` are the newer ones that did not."""

    receipt: Receipt
    meta: dict[str, Any]
    arrays: dict[str, Array]
    refused: tuple[Refused, ...]


class Checkpoints:
    """The folder ``checkpoints`` of one run's output directory; raises ``Refused`` W03 for a run without a sound name."""

    def __init__(self, out: Path, *, run: str, slow_piece_s: float = 0.0) -> None:
        self.folder = out / "checkpoints"
        self.run = parse_run(run)
        self._slow_piece_s = slow_piece_s
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot make {self.folder}: {error.strerror}") from error

    def save(
        self,
        meta: Mapping[str, Any],
        arrays: Mapping[str, Array],
        *,
        step: int,
        flop: int,
        why_not_exact: str = "",
        ranks: int = 1,
    ) -> Receipt:
        """Make one checkpoint durable, then its receipt, then drop old ones; raises ``Unavailable``."""
        data = encode_container(meta, arrays)
        receipt = Receipt(
            run=self.run,
            step=step,
            checkpoint=_name(step),
            size=len(data),
            sha256=sha256_hex(data),
            exact=not why_not_exact,
            why_not_exact=why_not_exact,
            pid=os.getpid(),
            weights_sha256=weights_digest(arrays),
            flop=flop,
            ranks=ranks,
        )
        try:
            write_durably(self.folder / receipt.checkpoint, data, pause_s=self._slow_piece_s)
            write_durably(self._receipt_path(receipt.checkpoint), encode_receipt(receipt))
            self._drop_old()
        except OSError as error:
            raise Unavailable(f"cannot save {receipt.checkpoint} in {self.folder}: {error.strerror}") from error
        return receipt

    def fetch_newest(self) -> Found | None:
        """The newest checkpoint that passes, or ``None`` when there is no receipt at all.

        1. Newest first, a receipt that parses, of this run (W06), beside the file that it names.
        2. The file has the size and digest of its receipt.
        3. Its weights have the digest of the receipt: W18.
        4. Receipts stood there and none passed: W17, because starting again at step 0 would hide a loss.
        """
        refused: list[Refused] = []
        for path in sorted(self.folder.glob(f"step-*{_RECEIPT_ENDING}"), reverse=True):
            try:
                receipt, meta, arrays = self._fetch(path)
            except Refused as refusal:
                refused.append(refusal)
                continue
            return Found(receipt, meta, arrays, tuple(refused))
        if refused:  # 4
            raise Refused(
                "W17",
                "not-found",
                got=f"{len(refused)} checkpoints, none of which passes its receipt; the newest: {refused[0]}",
                expected="one that does",
                todo=f"restore one, or remove {self.folder} to start again at step 0",
            )
        return None

    def _fetch(self, path: Path) -> tuple[Receipt, dict[str, Any], dict[str, Array]]:
        receipt = parse_receipt(read_at_most(path, RECEIPT_MAX + 1))  # 1
        named = receipt.checkpoint == _name(receipt.step) and path == self._receipt_path(receipt.checkpoint)
        if receipt.run != self.run or not named:
            raise Refused(
                "W06",
                "out-of-scope",
                got=f"a receipt of {shown(receipt.checkpoint)}, step {receipt.step}, run {shown(receipt.run)}",
                expected=f"{path.name} to speak of the file beside it and of run {shown(self.run)}",
            )
        data = read_at_most(self.folder / receipt.checkpoint, receipt.size + 1)
        verify_checkpoint(receipt, size=len(data), sha256=sha256_hex(data))  # 2
        meta, arrays = parse_container(data)
        if receipt.weights_sha256 != (found := weights_digest(arrays)):  # 3
            raise Refused("W18", "inconsistent", got=f"weights {found}", expected=f"{receipt.weights_sha256}")
        return receipt, meta, arrays

    def _receipt_path(self, checkpoint: str) -> Path:
        return self.folder / (checkpoint.removesuffix(".ckpt") + _RECEIPT_ENDING)

    def _drop_old(self) -> None:
        for old in sorted(self.folder.glob(f"step-*{_RECEIPT_ENDING}"))[:-KEPT]:
            old.unlink(missing_ok=True)  # The receipt first: a crash between the two leaves a file that nobody uses.
            (self.folder / (old.name.removesuffix(_RECEIPT_ENDING) + ".ckpt")).unlink(missing_ok=True)


def answer_members(receipt: Receipt, folder: Path, *, run: str) -> dict[str, Any]:
    """The members of the answer to a pause request of ``run``: the receipt, and where the checkpoint lies."""
    answer = replace(receipt, run=run, directory=str(folder.resolve()))
    return dict(parse_json(encode_receipt(answer), limit=RECEIPT_MAX))


def _name(step: int) -> str:
    return f"step-{step:09d}.ckpt"
