r"""Checkpoints of several files: a folder, a listing that names each file's digest, and a receipt of the listing.

Decides the order of writes, and which checkpoint is used. A folder counts only once its receipt stands beside it: the files
are durable first, then the listing, then the receipt (``spec/exact-resume.md`` §4). What a crash left half written has no
receipt; what a disk lost fails its digest; in both cases the checkpoint before it is used. Leaves out what is in the files.

Rules: V09, V10 here; W06, W08, W09, W17 as for a checkpoint of one file (``spec/receipt.md``).

>>> import tempfile
>>> vault = SealedFolders(Path(tempfile.mkdtemp()), run="doctest")
>>> vault.open(5).joinpath("weights").write_bytes(b"abc")
3
>>> vault.newest() is None
True
>>> vault.seal(5).checkpoint
'step-000000005.listing'
>>> vault.newest().receipt.step
5
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detente.base.digest import Digest, parse_digest, sha256_hex
from detente.base.errors import Refused, Unavailable, shown
from detente.guard.receipt import RECEIPT_MAX, Receipt, encode_receipt, parse_receipt, parse_run, verify_checkpoint
from detente.hooks.checkpointing import list_checkpoint, read_at_most
from detente.hooks.workload.control import sync_directory, write_durably

KEPT = 2
"""The newest, and the one before it in case the newest turns out to be broken."""
LISTING_MAX = 64 << 20
"""Bytes. A line is about 150, and a rank of a large job writes a few files."""
_RECEIPT_ENDING = ".receipt.json"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint whose files were all hashed. ``refused`` are the newer ones that did not pass."""

    receipt: Receipt
    folder: Path
    files: Mapping[str, tuple[int, Digest]]
    refused: tuple[Refused, ...] = ()


class SealedFolders:
    """The folder ``within`` of one run's output directory; raises ``Refused`` W03 for a run without a sound name.

    A checkpoint's folder is named by ``prefix`` and the step in at least ``width`` digits. ``keep``: how many are kept when another is
    sealed; ``None`` leaves that to whoever else looks after the folder.
    """

    def __init__(
        self,
        out: Path,
        *,
        run: str,
        within: str = "checkpoints",
        prefix: str = "step-",
        width: int = 9,
        keep: int | None = KEPT,
    ) -> None:
        self.place = out / within
        self._prefix = prefix
        self._width = width
        self._keep = keep
        self.run = parse_run(run)
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"cannot make {self.place}: {error.strerror}") from error

    def folder(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self.place / f"{self._prefix}{step:0{self._width}d}"

    def open(self, step: int) -> Path:
        """Make the folder of a step; several ranks may do so at once."""
        folder = self.folder(step)
        folder.mkdir(exist_ok=True)
        return folder

    def seal(self, step: int, *, why_not_exact: str = "", ranks: int = 1, weights: Digest | None = None) -> Receipt:
        """Hash what the folder holds, and make listing and receipt durable, in this order; then drop old checkpoints.

        Call it once every rank has written. Raises ``Unavailable``.
        """
        folder = self.folder(step)
        try:
            listing = list_checkpoint(folder)
            sync_directory(self.place)
            receipt = Receipt(
                run=self.run,
                step=step,
                checkpoint=f"{folder.name}.listing",
                size=len(listing),
                sha256=sha256_hex(listing),
                exact=not why_not_exact,
                why_not_exact=why_not_exact,
                pid=os.getpid(),
                weights_sha256=weights,
                ranks=ranks,
            )
            write_durably(self.place / receipt.checkpoint, listing)
            write_durably(self.place / f"{folder.name}{_RECEIPT_ENDING}", encode_receipt(receipt))
            if self._keep is not None:
                self._drop_old(self._keep)
        except OSError as error:
            raise Unavailable(f"cannot seal {folder}: {error.strerror}") from error
        return receipt

    def newest(self) -> Sealed | None:
        """The newest checkpoint of which everything passes, or ``None`` when there is no receipt at all.

        1. A receipt that parses, of this run, which speaks of the listing beside it: W01 to W06.
        2. The listing has the size and digest of its receipt: W08, W09. It reads: V10.
        3. Each file has the size and digest of its line: V09.
        4. Receipts stood there and none passed: W17, because starting again at step 0 would hide a loss.
        """
        refused: list[Refused] = []
        for path in sorted(
            self.place.glob(f"{self._prefix}*{_RECEIPT_ENDING}"), key=lambda each: (len(each.name), each.name)
        )[::-1]:
            try:
                found = self._fetch(path)
            except Refused as refusal:
                refused.append(refusal)
                continue
            return Sealed(found.receipt, found.folder, found.files, tuple(refused))
        if refused:  # 4
            raise Refused(
                "W17",
                "not-found",
                got=f"{len(refused)} checkpoints, none of which passes its receipt; the newest: {refused[0]}",
                expected="one that does",
                todo=f"restore one, or remove {self.place} to start again at step 0",
            )
        return None

    def at(self, step: int, *, whole: bool = False) -> Sealed:
        """The checkpoint of a step, its listing verified and its files not, unless ``whole``: a rank may read some of them only."""
        path = self._receipt_path(self.folder(step).name)
        return self._fetch(path) if whole else self._listed(path)

    def has_receipt(self, step: int | None = None) -> bool:
        """Does a receipt of this step, or any, stand here? It may yet fail."""
        if step is None:
            return next(self.place.glob(f"{self._prefix}*{_RECEIPT_ENDING}"), None) is not None
        return self._receipt_path(self.folder(step).name).exists()

    def drop_widowed(self) -> None:
        """Remove listings and receipts whose folder somebody else has removed."""
        for path in self.place.glob(f"{self._prefix}*{_RECEIPT_ENDING}"):
            name = path.name.removesuffix(_RECEIPT_ENDING)
            if not (self.place / name).exists():
                path.unlink(missing_ok=True)
                (self.place / f"{name}.listing").unlink(missing_ok=True)

    def clear_unsealed(self) -> list[str]:
        """Remove the folders that no receipt names, what a crash left; returns their names. Call it before anybody writes.

        Where somebody else looks after the folder, those may be theirs from before, and stay.
        """
        left: list[str] = []
        if self._keep is None:
            return left
        for folder in self.place.iterdir():
            step = folder.name.removeprefix(self._prefix)
            ours = step.isascii() and step.isdigit() and folder == self.folder(int(step)) and folder.is_dir()
            if ours and not self._receipt_path(folder.name).exists():
                shutil.rmtree(folder, ignore_errors=True)
                left.append(folder.name)
        return left

    def _fetch(self, path: Path) -> Sealed:
        found = self._listed(path)
        for relative, (size, sha256) in found.files.items():  # 3
            verify_listed(found.folder / relative, size, sha256)
        return found

    def _listed(self, path: Path) -> Sealed:
        receipt = parse_receipt(read_at_most(path, RECEIPT_MAX + 1))  # 1
        name = path.name.removesuffix(_RECEIPT_ENDING)
        folder = self.folder(receipt.step)
        if receipt.run != self.run or receipt.checkpoint != f"{name}.listing" or folder.name != name:
            raise Refused(
                "W06",
                "out-of-scope",
                got=f"a receipt of {shown(receipt.checkpoint)}, step {receipt.step}, run {shown(receipt.run)}",
                expected=f"{path.name} to speak of the listing beside it and of run {shown(self.run)}",
            )
        listing = read_at_most(self.place / receipt.checkpoint, min(receipt.size, LISTING_MAX) + 1)
        verify_checkpoint(receipt, size=len(listing), sha256=sha256_hex(listing))  # 2
        return Sealed(receipt, folder, parse_listing(listing))

    def _receipt_path(self, name: str) -> Path:
        return self.place / f"{name}{_RECEIPT_ENDING}"

    def _drop_old(self, keep: int) -> None:
        names = [
            path.name.removesuffix(_RECEIPT_ENDING) for path in self.place.glob(f"{self._prefix}*{_RECEIPT_ENDING}")
        ]
        for name in sorted(names, key=lambda each: (len(each), each))[:-keep]:
            self._receipt_path(name).unlink(missing_ok=True)  # First: a crash in between leaves what nobody uses.
            (self.place / f"{name}.listing").unlink(missing_ok=True)
            shutil.rmtree(self.place / name, ignore_errors=True)


def parse_listing(listing: bytes) -> dict[str, tuple[int, Digest]]:
    """Size and digest of each file by its relative name; raises ``Refused`` V10 for a line that is none or leads out."""
    files: dict[str, tuple[int, Digest]] = {}
    for line in listing.splitlines():
        digest, _, rest = line.decode("utf-8", "replace").partition(" ")
        size, _, name = rest.partition(" ")
        parts = name.split("/")
        if not size.isascii() or not size.isdigit() or len(size) > 18 or name in files or {"", ".", ".."} & {*parts}:
            raise Refused(
                "V10",
                "malformed",
                got=shown(line),
                expected="lines of digest, size and a name below the folder, each once",
            )
        files[name] = (int(size), parse_digest(digest))
    return files


def verify_listed(path: Path, size: int, sha256: Digest) -> None:
    """Is this file what its line says? Raises ``Refused`` V09."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            digest = hashlib.file_digest(file, "sha256").hexdigest() if found == size else ""
    except FileNotFoundError:
        found, digest = -1, ""
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    if found != size or digest != sha256:
        got = "no file" if found < 0 else f"{found} bytes" + (f", SHA-256 {digest}" if digest else "")
        raise Refused(
            "V09",
            "corrupt",
            got=f"{path.parent.name}/{path.name}: {got}",
            expected=f"{size} bytes, SHA-256 {sha256}, as the listing says",
            todo="use an older checkpoint",
        )
