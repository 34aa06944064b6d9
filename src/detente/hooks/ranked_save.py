"""One checkpoint of several ranks: each writes its part, rank 0 seals once all are durable, and all go on from the same one.

Decides when a checkpoint of several ranks is whole, and which one they take. Leaves out what is in it (``hooks.torch.exact_state``)
and the order of writes (``hooks.sealed``). Specification: ``spec/exact-resume.md`` §4. One rank is the same with
nobody else to ask.

>>> import tempfile
>>> from detente.hooks.agreement import ALONE
>>> files = SealedFolders(Path(tempfile.mkdtemp()), run="doctest")
>>> def write(folder: Path) -> Part:
...     _ = (folder / "weights").write_bytes(b"abc")
...     return Part("", None)
>>> save_together(files, ALONE, 7, meeting="save/1", write=write).receipt.step
7
>>> newest_together(files, ALONE).receipt.step
7
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detente.base.digest import Digest, parse_digest
from detente.base.errors import DetenteError, Unavailable
from detente.guard.receipt import Receipt, encode_receipt, parse_receipt
from detente.hooks.agreement import Ranks
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.sealed import Sealed, SealedFolders

SAVE_WITHIN_S = 600.0
"""How long rank 0 waits for the parts of the others: terms that allow less kill the job before."""
_NO_DIGEST = "-"


@dataclass(frozen=True, slots=True)
class Part:
    """What a rank says of the part that it has written; rank 0's digest of the weights is the checkpoint's."""

    why_not_exact: str
    weights: Digest | None


def save_together(
    files: SealedFolders, ranks: Ranks, step: int, *, meeting: str, write: Callable[[Path], Part]
) -> SavedCheckpoint:
    """Call ``write`` with the checkpoint's folder on every rank, and seal once every rank's part is durable.

    ``meeting`` names this save, the same on every rank and each time another. Raises ``Unavailable`` on all of them where one
    fails or is not heard: then there is no receipt, and the checkpoint before it is the newest.
    """
    failure = None
    try:
        part = write(files.open(step))
        word = f"kept {part.weights or _NO_DIGEST} {part.why_not_exact}"
    except (OSError, DetenteError) as error:
        failure, word = error, f"lost: {error}"
    words = ranks.gather(meeting, word, within_s=SAVE_WITHIN_S)
    if failure is not None:
        raise Unavailable(f"cannot save step {step}: {failure}") from failure
    if lost := [f"rank {rank} {said}" for rank, said in enumerate(words) if not said.startswith("kept ")]:
        raise Unavailable(f"step {step} is not saved: {'; '.join(lost)}")
    return SavedCheckpoint(files.folder(step), _seal(files, ranks, step, meeting, words))


def _seal(files: SealedFolders, ranks: Ranks, step: int, meeting: str, words: list[str]) -> Receipt:
    """Rank 0 seals; the others wait for its receipt."""
    if ranks.rank != 0:
        text = ranks.await_text(f"{meeting}/sealed", within_s=SAVE_WITHIN_S)
        if not text.startswith("{"):
            raise Unavailable(f"rank 0 could not seal step {step}: {text}")
        return parse_receipt(text.encode())
    said = [word.split(" ", 2) for word in words]
    weights = said[0][1]
    try:
        receipt = files.seal(
            step,
            why_not_exact=next((why for _, _, why in said if why), ""),
            ranks=ranks.world,
            weights=None if weights == _NO_DIGEST else parse_digest(weights),
        )
    except DetenteError as error:
        ranks.post(f"{meeting}/sealed", f"failed: {error}")
        raise
    ranks.post(f"{meeting}/sealed", encode_receipt(receipt).decode())
    return receipt


def newest_together(files: SealedFolders, ranks: Ranks, *, clear: bool = True) -> Sealed | None:
    """The newest checkpoint that passes, on every rank the same: rank 0 chooses and hashes, the others hash what they read.

    Those that were refused are named on stderr. ``clear``: remove what a crash left half written.
    """
    if ranks.rank == 0:
        try:
            found = files.newest()
        except DetenteError as error:
            ranks.post("restore", f"refused: {error}")
            raise
        for refusal in found.refused if found else ():
            _say(f"refused a checkpoint: {refusal}")
        for name in files.clear_unsealed() if clear else ():
            _say(f"dropped {name}, which was never finished")
        ranks.post("restore", "none" if found is None else str(found.receipt.step))
        if found is not None:
            _say(f"resuming at step {found.receipt.step}")
        return found
    text = ranks.await_text("restore", within_s=SAVE_WITHIN_S)
    if text == "none":
        return None
    if not text.isdigit():
        raise Unavailable(f"rank 0 found no checkpoint to go on from: {text}")
    return files.at(int(text))


def _say(line: str) -> None:
    sys.stderr.write(f"detente: {line}\n")
    sys.stderr.flush()
