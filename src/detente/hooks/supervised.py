"""A loop under ``detente guard -- COMMAND``: it watches its control directory and answers with a receipt.

Decides how ``g.step()`` speaks the control protocol (``spec/receipt.md`` §3), so that a loop written for ``guard`` needs
no change to run under the supervisor. Leaves out leave: the supervisor has it.

A folder of files cannot be named by a receipt, which names one file: then a listing is written beside it, and that is
what the supervisor hashes (``hooks.checkpointing`` has its form).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import FrameType

from detente.base.digest import Digest, sha256_hex
from detente.guard.receipt import Receipt, encode_receipt
from detente.hooks.checkpointing import SavedCheckpoint, digest_checkpoint, list_checkpoint
from detente.hooks.loop import FOREVER_S, Cell, Saved
from detente.hooks.workload.control import Control, Request, write_durably

POLL_S = 0.02
SEEN_WITHIN_S = 60.0
"""How much later than another rank this one may see the request: a shared file system may keep for so long that there is none."""


class Supervised:
    """The leader of a loop that a supervisor watches over."""

    def __init__(self, directory: Path, run: str, *, flop_per_step: int) -> None:
        self._control = Control(run=run, directory=directory, poll_s=0.0)
        self._run = run
        self._directory = directory
        self._flop_per_step = flop_per_step
        self._request: Request | None = None
        self._seen = threading.Event()
        self._watching = False
        self._ended = threading.Event()
        self._capped = False

    def start(self, cell: Cell) -> None:
        cell.set(until_s=FOREVER_S)
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
            # The supervisor asks those that have a handler; the others it takes for deaf. The file is what counts.
            signal.signal(signal.SIGUSR1, self._on_signal)
        self._watching = True
        threading.Thread(target=self._watch, args=(cell,), name="detente-supervised", daemon=True).start()
        self._control.announce()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._control.interrupt()

    def _watch(self, cell: Cell) -> None:
        fraction = 1.0
        while not self._ended.wait(POLL_S):
            if (request := self._control.pause_asked()) is not None:
                self._request = request
                self._seen.set()
                cell.set(until_s=0.0)
                return
            now = self._control._read_fraction()
            if now != fraction:
                fraction = now
                cell.set(until_s=FOREVER_S, rate=Decimal(str(fraction)))
                self._capped = True

    def halt(self, step: int, save: Callable[[], Saved] | None) -> tuple[str, Digest | None]:
        """Save, and answer once the checkpoint is durable."""
        if save is None:
            return "asked to pause; this loop has no save()", None
        saved = save()
        if saved is None:
            return "asked to pause; save() returned no checkpoint", None
        path = Path(os.fspath(saved)).absolute()
        if isinstance(saved, SavedCheckpoint):
            return self._answered(saved.receipt, path.parent)
        size, digest = digest_checkpoint(path)
        if path.is_dir():
            path, size, digest = _list_folder(path)
        receipt = Receipt(
            run=self._run,
            step=step,
            checkpoint=path.name,
            size=size,
            sha256=digest,
            exact=False,
            why_not_exact="the loop's own save() wrote it; whether a resume is exact is not known here",
            pid=os.getpid(),
        )
        return self._answered(receipt, path.parent)

    def _answered(self, receipt: Receipt, directory: Path) -> tuple[str, Digest]:
        """Publish ``receipt`` as the answer to the request; one without a count of FLOP gets this loop's.

        Where another rank saw the request first and told this one to stop, it is still to be seen here: an answer to none counts for nothing.
        """
        if self._watching:
            self._seen.wait(SEEN_WITHIN_S)
        request = self._request or Request("")
        if not request.id:  # A signal came before the file was to be seen.
            request = self._control.open_request()
        answer = replace(
            receipt,
            run=self._run,
            request=request.id,
            directory=str(directory),
            flop=receipt.flop if receipt.flop is not None else self._flop_per_step * receipt.step or None,
        )
        write_durably(self._directory / "receipt.json", encode_receipt(answer))
        return "asked to pause by the supervisor", receipt.sha256

    def look(self, step: int) -> None:  # noqa: ARG002
        """The thread watches; that the loop keeps to its cap is true once it has come by here, where it rests."""
        if self._capped:
            self._control.keep_rate()

    def finish(self, step: int, *, failed: bool) -> None:  # noqa: ARG002
        self._ended.set()


def _list_folder(path: Path) -> tuple[Path, int, Digest]:
    """Write the listing of a folder beside it, durably; returns the file, its size and its digest."""
    listing = list_checkpoint(path)
    place = path.with_name(f"{path.name}.listing")
    write_durably(place, listing)
    return place, len(listing), sha256_hex(listing)
