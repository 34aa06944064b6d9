"""Everything that a training step depends on, kept so that a resumed run is bit-equal to one that nobody stopped.

Decides what is captured, in which order it is restored, and when a resume is not exact. Leaves out leave (``hooks.loop``),
the stop of several ranks (``hooks.agreement``) and the files' order of writes (``hooks.sealed``). Usage::

    loader = SeekableLoader(data, batch_size=32, seed=7)
    state = ExactState("out", run="lm", model=model, optimizer=optimizer, scheduler=scheduler, loader=loader)
    with guard("lm", save=lambda: state.save(g.steps), at_step=state.restore()) as g:
        while g.steps < 10_000:
            for batch in state.batches():
                train(batch)
                g.step()

The order of a restore (``spec/exact-resume.md`` §5): model, optimiser, scheduler, other parts; the loader's place, its
iterator, its generator; the random states last, because whatever came before may draw.

A save never fails for want of exactness: it keeps what there is and says in its receipt why a resume is not exact. A restore
refuses (V04 to V07) unless ``allow_inexact`` is given, and every receipt from then on says so.

>>> import importlib.util
>>> importlib.util.find_spec("detente.hooks.torch.exact_state") is not None
True
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from detente.base.digest import sha256_hex
from detente.base.errors import Refused, Unavailable, shown
from detente.guard.receipt import Receipt
from detente.hooks.agreement import ALONE, Ranks
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.ranked_save import Part, newest_together, save_together
from detente.hooks.resuming import accept_inexact, resumed_from
from detente.hooks.sealed import Sealed, SealedFolders, verify_listed
from detente.hooks.state_tree import flatten, rebuild
from detente.hooks.torch.loader import check_loader, loader_doubt
from detente.hooks.torch.randomness import device_kind, random_states, set_random_states
from detente.hooks.workload.container import Array, encode_container, parse_container, weights_digest
from detente.hooks.workload.control import kept_name, write_durably
from detente.hooks.workload.engine import environment

KIND = "torch-exact-state"
SHARED = ("model", "optimizer", "scheduler")
"""Parts that every rank holds alike: rank 0 writes them."""


class ExactState:
    """The state of one rank of a run. ``out`` is the run's output directory, the same for all of its ranks.

    ``parts``: further objects with ``state_dict`` and ``load_state_dict`` by name, each rank's own. ``beside``: called on every
    rank with the checkpoint's folder, to write more there, and ``beside_restore`` to read it, before the random states are
    set. ``doubt``: further reasons why a resume would not be exact, asked at each save. ``allow_inexact``: resume all the same
    where a resume is not exact. ``files``: where checkpoints lie, by default ``out/checkpoints``. Raises ``Refused`` V02, V03, V08 for what cannot be kept.
    """

    def __init__(
        self,
        out: str | os.PathLike[str],
        *,
        run: str = "local",
        model: Any = None,
        optimizer: Any = None,
        scheduler: Any = None,
        loader: Any = None,
        parts: Mapping[str, Any] | None = None,
        ranks: Ranks = ALONE,
        beside: Callable[[Path], None] | None = None,
        beside_restore: Callable[[Path], None] | None = None,
        doubt: Callable[[], str] | None = None,
        allow_inexact: bool = False,
        files: SealedFolders | None = None,
        slow_piece_s: float = 0.0,
    ) -> None:
        given = {"model": model, "optimizer": optimizer, "scheduler": scheduler, **(parts or {})}
        self._parts = {name: part for name, part in given.items() if part is not None}
        self._loader = loader
        self._ranks = ranks
        self._beside = beside
        self._beside_restore = beside_restore
        self._more_doubt = doubt
        self._allow_inexact = allow_inexact
        self._slow_piece_s = slow_piece_s
        self._files = files or SealedFolders(Path(out), run=kept_name(run))
        self._iterator: Iterator[Any] | None = None
        self._aside: dict[str, Any] | None = None
        self._saves = 0
        self._sealed: SavedCheckpoint | None = None
        self.why_not_exact = ""
        self.weights_of: Any = None
        """A model whose weights ``beside`` writes: the receipt names their digest, and they are not kept twice."""
        for name, part in self._parts.items():
            if not hasattr(part, "state_dict") or not hasattr(part, "load_state_dict"):
                raise Refused(
                    "V03",
                    "wrong-type",
                    got=f"{name}: a {type(part).__name__}",
                    expected="an object with state_dict and load_state_dict",
                )
        if loader is not None:
            check_loader(loader)
        for name, part in self._parts.items():
            flatten(part.state_dict(), prefix=name)  # What has no form is refused now, and not at the first pause.

    def batches(self) -> Iterator[Any]:
        """The batches of this epoch that are left: after a restore those that the stopped run had not seen."""
        iterator, self._iterator = self._iterator, None
        yield from iter(self._loader) if iterator is None else iterator

    @contextlib.contextmanager
    def evaluation(self) -> Iterator[None]:
        """What is drawn in here leaves no trace: the random states are set back, also when a stop comes meanwhile."""
        before = self._aside = random_states()
        try:
            yield
            set_random_states(before)
        finally:
            self._aside = None

    def save(self, step: int, *, again: bool = False) -> SavedCheckpoint:
        """Make the state at a boundary durable, on every rank; returns when every rank's part is, and the receipt stands.

        The state of a step that was saved already is not written again, unless ``again`` says so. Raises ``Unavailable``; then there is no receipt, and
        the checkpoint before it is the newest.
        """
        if not again and self._sealed is not None and self._sealed.receipt.step == step:
            return self._sealed
        self._saves += 1
        meeting = f"save/{self._saves}"
        self._sealed = save_together(
            self._files, self._ranks, step, meeting=meeting, write=lambda folder: self._write(folder, step)
        )
        return self._sealed

    def restore(self) -> int:
        """Take over the newest checkpoint that passes, on every rank the same; returns its step, 0 where there is none.

        Call it last before the loop: what draws after it is not the run that was stopped. Checkpoints that were refused are
        named on stderr. Raises ``Refused``, before anything is loaded:

        1. Receipts stand and no checkpoint passes: W17. Files of this rank that differ from the listing: V09.
        2. Another kind, or other parts: V04.
        3. Another number of ranks: V05. Another environment: V06. A checkpoint that is itself not exact: V07. These three
           are accepted with ``allow_inexact``.
        4. A part that does not take its state: V11.
        """
        found = self._newest()
        if found is None:
            return 0
        self._load(found.folder, *self._accepted(found))
        return found.receipt.step

    def newest(self) -> Sealed | None:
        """The newest checkpoint that passes, checked like ``restore`` does, and not loaded: for a framework that loads by itself."""
        found = self._newest()
        if found is not None:
            self._accepted(found)
        return found

    def accept(self, step: int) -> None:
        """Somebody else has loaded the checkpoint of this step: check it like ``restore`` does, every file of it.

        Where no checkpoint of the run has a receipt, it is from before the guard: accepted, and no receipt from then on says exact.
        Raises ``Refused`` V12 for one without a receipt among others that have one.
        """
        if self._files.has_receipt(step):
            self._accepted(self._files.at(step, whole=self._ranks.rank == 0))
        elif self._files.has_receipt():
            raise Refused(
                "V12",
                "conflict",
                got=f"{self._files.folder(step).name}, which has no receipt",
                expected="one of those that have",
                todo="a crash may have cut it short: resume from newest()",
            )
        else:
            self.why_not_exact = f"resumed at step {step} from a checkpoint without a receipt"

    def _accepted(self, found: Sealed) -> tuple[dict[str, Any], dict[str, Array]]:
        """The trees and arrays for this rank of a checkpoint that this run may go on from."""
        meta, arrays = self._read(found, 0)
        self._check(meta, found.receipt)
        trees = meta["trees"]
        if self._ranks.rank and _name(self._ranks.rank) in found.files:
            own, more = self._read(found, self._ranks.rank)
            self._check(own, found.receipt)
            trees, arrays = trees | own["trees"], arrays | more
        self._sealed = resumed_from(found, self.why_not_exact)
        return trees, arrays

    def _captured(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """The trees and arrays of this rank, without the step."""
        trees: dict[str, Any] = {}
        arrays: dict[str, Array] = {}
        states = {
            name: part.state_dict() for name, part in self._parts.items() if self._ranks.rank == 0 or name not in SHARED
        }
        if self._loader is not None:
            states["loader"] = self._loader.state_dict()
        generator = getattr(self._loader, "generator", None)
        if generator is not None:
            states["generator"] = generator.get_state()
        states["random"] = self._boundary_states()
        for name, value in states.items():
            prefix = "weights" if name == "model" else f"state.{name}.{self._ranks.rank}"
            trees[name], made = flatten(value, prefix=prefix)
            arrays |= made
        return trees, arrays

    def _boundary_states(self) -> dict[str, Any]:
        """The random states as of the last boundary, also when a stop comes in an evaluation or while a batch is made."""
        if self._aside is not None:
            return self._aside
        fetching = getattr(self._loader, "before_fetch", None)
        return random_states() if fetching is None else fetching

    def _doubt(self) -> str:
        if self.why_not_exact:
            return self.why_not_exact
        if device_kind() == "cpu" and any(_on_other_device(part) for part in self._parts.values()):
            return "the random states of this kind of device are not kept"
        import torch

        if device_kind() != "cpu" and not torch.are_deterministic_algorithms_enabled():
            return "a GPU adds in another order each time: torch.use_deterministic_algorithms(True) is off"
        doubt = "" if self._loader is None else loader_doubt(self._loader)
        doubt = doubt or ("" if self._more_doubt is None else self._more_doubt())
        return doubt or _reduction_doubt(self._parts.get("model"), self._ranks.world)

    def _write(self, folder: Path, step: int) -> Part:
        trees, arrays = self._captured()
        meta = {
            "kind": KIND,
            "step": step,
            "rank": self._ranks.rank,
            "ranks": self._ranks.world,
            "parts": sorted(self._parts),
            "environment": _environment(),
            "why_not_exact": self._doubt(),
            "trees": trees,
        }
        write_durably(folder / _name(self._ranks.rank), encode_container(meta, arrays), pause_s=self._slow_piece_s)
        if self._beside is not None:
            self._beside(folder)
        if self.weights_of is not None:
            _, arrays = flatten(self.weights_of.state_dict(), prefix="weights")
        named = "model" in self._parts or self.weights_of is not None
        return Part(str(meta["why_not_exact"]), weights_digest(arrays) if named else None)

    def _newest(self) -> Sealed | None:
        return newest_together(self._files, self._ranks)

    def _read(self, found: Sealed, rank: int) -> tuple[dict[str, Any], dict[str, Array]]:
        name = _name(rank)
        if name not in found.files:
            raise Refused("V04", "conflict", got=f"a checkpoint without {name}", expected="one that ExactState wrote")
        size, sha256 = found.files[name]
        path = found.folder / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Unavailable(f"cannot read {path}: {error.strerror}") from error
        if len(data) != size or sha256_hex(data) != sha256:
            verify_listed(path, size, sha256)
        return parse_container(data)

    def _check(self, meta: Mapping[str, Any], receipt: Receipt) -> None:
        ours = {"kind": KIND, "step": receipt.step, "parts": sorted(self._parts)}
        if {name: meta.get(name) for name in ours} != ours or not isinstance(meta.get("trees"), dict):  # 2
            raise Refused(
                "V04",
                "conflict",
                got=f"kind {shown(meta.get('kind'))}, step {meta.get('step')}, parts {shown(meta.get('parts'))}",
                expected=f"kind {KIND}, step {receipt.step}, parts {sorted(self._parts)}",
            )
        self.why_not_exact = accept_inexact(  # 3
            meta,
            receipt,
            world=self._ranks.world,
            of="ranks",
            environment=_environment(),
            allow=self._allow_inexact,
        )

    def _load(self, folder: Path, trees: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        states = {name: rebuild(tree, arrays) for name, tree in trees.items()}
        try:
            for name, part in self._parts.items():
                part.load_state_dict(states[name])
            if self._beside_restore is not None:
                self._beside_restore(folder)
            if self._loader is not None:
                self._loader.load_state_dict(states["loader"])
                if not hasattr(self._loader, "before_fetch"):
                    self._iterator = iter(self._loader)
            if "generator" in states:
                self._loader.generator.set_state(states["generator"])  # Before iter(), it would have been drawn from.
            random = states["random"]
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:  # 4
            raise Refused(
                "V11", "conflict", got=f"state that does not fit: {error}", expected="the parts that it was saved from"
            ) from error
        set_random_states(random)


def _name(rank: int) -> str:
    return f"rank-{rank:05d}.ckpt"


def _on_other_device(part: Any) -> bool:
    parameters = getattr(part, "parameters", None)
    return callable(parameters) and any(each.device.type not in ("cpu", "cuda", "meta") for each in parameters())


def _reduction_doubt(model: Any, world: int) -> str:
    """Sums of more than two ranks depend on how gradients lie in buckets, and DDP lays them anew after its first step."""
    if world > 2 and getattr(model, "find_unused_parameters", True) is False:
        return "DDP rebuilds its buckets after the first step: pass find_unused_parameters=True for exact sums of many ranks"
    return ""


def _environment() -> dict[str, str]:
    """What bit-equality depends on besides the checkpoint."""
    import torch

    return environment() | {
        "torch": str(torch.__version__),
        "device": device_kind(),
        "threads": str(torch.get_num_threads()),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "system": platform.system(),
    }
