"""JAX with Orbax: a checkpoint that is sealed with a listing and a receipt, and gone on from bit-exactly; several processes.

Decides what of a JAX program is kept, who writes it, and when a resume is not exact. Leaves out leave (``hooks.loop``), the
agreement of several processes (``hooks.agreement``) and the order of writes (``hooks.ranked_save``, ``hooks.sealed``). Usage::

    kept = OrbaxState("out", run="lm", weights=lambda state: state["params"])
    first, state = kept.restore({"params": params, "optimizer": moments, "key": jax.random.key(1)})
    with guard("lm", save=lambda: kept.save(g.steps, state), at_step=first) as g:
        while g.steps < 10_000:
            state = step(state, batch_of(g.steps))
            g.step()

Rules (``spec/exact-resume.md``):

* Everything that the next step depends on is in one tree of arrays, keys of ``jax.random`` among them, and Orbax writes it.
* What is no array stands beside it: ``parts`` with ``state_dict`` and ``load_state_dict``, such as a place in the data, and the states
  of NumPy's and Python's global generators, which are set last.
* A save that Orbax did not finish has no receipt, one of which a file is missing or differs fails its listing; the one before it is used.
* The tree that is resumed must have the form of the one that was saved (V04), under the same number of processes (V05) and the
  same environment (V06).

>>> import importlib.util
>>> importlib.util.find_spec("detente.hooks.jax") is not None
True
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from detente.base.digest import Digest, sha256_hex
from detente.base.errors import Misuse, Refused, Unavailable, shown
from detente.hooks.agreement import ALONE, RankedGuard, Ranks, guard_together
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.randomness import random_states, set_random_states
from detente.hooks.ranked_save import Part, newest_together, save_together
from detente.hooks.resuming import accept_inexact, resumed_from
from detente.hooks.sealed import Sealed, SealedFolders, verify_listed
from detente.hooks.state_tree import flatten, rebuild
from detente.hooks.workload.container import Array, encode_container, parse_container, weights_digest
from detente.hooks.workload.control import kept_name, write_durably
from detente.hooks.workload.engine import environment

KIND = "jax-orbax"
TREE = "state"
"""Orbax's folder in the folder of a sealed checkpoint."""
_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


class OrbaxState:
    """The state of one process of a run. ``out`` is the run's output directory, the same for all of its processes.

    ``weights``: what of the tree the receipt names by ``weights_sha256``. ``parts``: see above, each process's own. ``ranks``:
    ``joined_processes()`` for several. ``allow_inexact``: resume all the same where a resume is not exact. Raises
    ``Refused`` V02, V03 for what cannot be kept, ``Unavailable`` without JAX or Orbax.
    """

    def __init__(
        self,
        out: str | os.PathLike[str],
        *,
        run: str = "run",
        weights: Callable[[Any], Any] | None = None,
        parts: Mapping[str, Any] | None = None,
        ranks: Ranks = ALONE,
        allow_inexact: bool = False,
        slow_piece_s: float = 0.0,
    ) -> None:
        try:
            import orbax.checkpoint as orbax
        except ImportError:
            raise Unavailable("this checkpoint is Orbax's: pip install 'detente[jax]'") from None
        self._orbax: Any = orbax
        self._checkpointer: Any = None
        self._weights = weights
        self._parts = dict(parts or {})
        self._ranks = ranks
        self._allow_inexact = allow_inexact
        self._slow_piece_s = slow_piece_s
        self._files = SealedFolders(Path(out).absolute(), run=kept_name(run))
        self._aside: dict[str, Any] | None = None
        self._saves = 0
        self._sealed: SavedCheckpoint | None = None
        self.why_not_exact = ""
        for name, part in self._parts.items():
            if not hasattr(part, "state_dict") or not hasattr(part, "load_state_dict"):
                raise Refused(
                    "V03",
                    "wrong-type",
                    got=f"{name}: a {type(part).__name__}",
                    expected="an object with state_dict and load_state_dict",
                )
            flatten(part.state_dict(), prefix=name)  # What has no form is refused now, and not at the first pause.

    @contextlib.contextmanager
    def evaluation(self) -> Iterator[None]:
        """What is drawn in here from the global generators leaves no trace, also when a stop comes meanwhile."""
        before = self._aside = random_states()
        try:
            yield
            set_random_states(before)
        finally:
            self._aside = None

    def save(self, step: int, tree: Any) -> SavedCheckpoint:
        """Make ``tree`` durable, as it is after ``step`` steps, on every process; returns when every part is, and the receipt stands.

        The state of a step that was saved already is not written again. Raises ``Unavailable``; then there is no receipt, and
        the checkpoint before it is the newest.
        """
        if self._sealed is not None and self._sealed.receipt.step == step:
            return self._sealed
        self._saves += 1
        self._sealed = save_together(
            self._files,
            self._ranks,
            step,
            meeting=f"save/{self._saves}",
            write=lambda folder: self._write(folder, step, tree),
        )
        return self._sealed

    def restore(self, tree: Any) -> tuple[int, Any]:
        """The newest checkpoint that passes, as its step and its tree; 0 and ``tree`` itself where there is none.

        ``tree`` is the state that a run begins with: of it form, types and shardings are taken. Call it last before the loop.
        Raises ``Refused``, before anything is loaded:

        1. Receipts stand and no checkpoint passes: W17. Files that differ from the listing: V09.
        2. A leaf that is no array: V02. Another kind, other parts, a tree of another form: V04.
        3. Another number of processes: V05. Another environment: V06. A checkpoint that is itself not exact: V07. These
           three are accepted with ``allow_inexact``.
        4. A part, or a generator, that does not take its state: V11.
        """
        form = form_of(tree)  # 2
        found = newest_together(self._files, self._ranks)  # 1
        if found is None:
            return 0, tree
        meta, arrays = self._read(found)
        self._check(meta, found, form)
        states = {name: rebuild(nodes, arrays) for name, nodes in meta["trees"].items()}
        like = _jax().tree.map(self._orbax.utils.to_shape_dtype_struct, tree)
        restored = self._orbax_checkpointer().restore(found.folder / TREE, like)
        try:
            for name, part in self._parts.items():
                part.load_state_dict(states[name])
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # 4
            raise Refused(
                "V11", "conflict", got=f"state that does not fit: {error}", expected="the parts that it was saved from"
            ) from error
        set_random_states(states["random"])
        self._sealed = resumed_from(found, self.why_not_exact)
        return found.receipt.step, restored

    def _write(self, folder: Path, step: int, tree: Any) -> Part:
        states = {name: part.state_dict() for name, part in self._parts.items()}
        states["random"] = self._aside or random_states()
        trees: dict[str, Any] = {}
        arrays: dict[str, Array] = {}
        for name, value in states.items():
            trees[name], made = flatten(value, prefix=f"state.{name}.{self._ranks.rank}")
            arrays |= made
        meta = {
            "kind": KIND,
            "step": step,
            "rank": self._ranks.rank,
            "ranks": self._ranks.world,
            "parts": sorted(self._parts),
            "form": form_of(tree),
            "environment": _environment(),
            "why_not_exact": self._doubt(tree),
            "trees": trees,
        }
        write_durably(folder / _name(self._ranks.rank), encode_container(meta, arrays), pause_s=self._slow_piece_s)
        checkpointer = self._orbax_checkpointer()
        try:
            checkpointer.save(folder / TREE, tree, force=True)
            checkpointer.wait_until_finished()
        except (ValueError, RuntimeError) as error:
            raise Unavailable(f"Orbax cannot save: {error}") from error
        weights = None if self._weights is None else digest_of(self._weights(tree))
        return Part(str(meta["why_not_exact"]), weights)

    def _orbax_checkpointer(self) -> Any:
        if self._checkpointer is None:
            self._checkpointer = self._orbax.StandardCheckpointer()
        return self._checkpointer

    def _doubt(self, tree: Any) -> str:
        if self.why_not_exact:
            return self.why_not_exact
        for path, leaf in _jax().tree_util.tree_flatten_with_path(tree)[0]:
            if getattr(leaf, "weak_type", False):
                name = _jax().tree_util.keystr(path)
                return f"{name} is of a weak type, which is not restored: give it one with astype"
        if _jax().default_backend() == "gpu" and _DETERMINISTIC not in os.environ.get("XLA_FLAGS", ""):
            return f"a GPU adds in another order each time: XLA_FLAGS is without {_DETERMINISTIC}"
        return ""

    def _read(self, found: Sealed) -> tuple[dict[str, Any], dict[str, Array]]:
        """The file of this process. One that did not choose the checkpoint hashes all of it: which of it Orbax reads is not known."""
        name = _name(self._ranks.rank)
        if name not in found.files:
            name = _name(0)
        if name not in found.files or not any(each.startswith(f"{TREE}/") for each in found.files):
            raise Refused("V04", "conflict", got=f"a checkpoint without {name} or {TREE}", expected="one of OrbaxState")
        for relative, (size, sha256) in found.files.items() if self._ranks.rank else ():
            verify_listed(found.folder / relative, size, sha256)
        size, sha256 = found.files[name]
        try:
            data = (found.folder / name).read_bytes()
        except OSError as error:
            raise Unavailable(f"cannot read {found.folder / name}: {error.strerror}") from error
        if len(data) != size or sha256_hex(data) != sha256:
            verify_listed(found.folder / name, size, sha256)
        return parse_container(data)

    def _check(self, meta: Mapping[str, Any], found: Sealed, form: list[list[Any]]) -> None:
        receipt = found.receipt
        ours = {"kind": KIND, "step": receipt.step, "parts": sorted(self._parts), "form": form}
        if differing := [name for name, value in ours.items() if meta.get(name) != value]:  # 2
            name = differing[0]
            raise Refused(
                "V04", "conflict", got=f"{name} {shown(meta.get(name))}", expected=f"{name} {shown(ours[name])}"
            )
        if not isinstance(meta.get("trees"), dict):
            raise Refused("V04", "conflict", got="a checkpoint without trees", expected="one of OrbaxState")
        self.why_not_exact = accept_inexact(  # 3
            meta,
            receipt,
            world=self._ranks.world,
            of="processes",
            environment=_environment(),
            allow=self._allow_inexact,
        )


class _CoordinationBoard:
    """The store of ``jax.distributed``'s own coordinator, off the path of a step."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def set(self, key: str, value: str, /) -> None:
        self._client.key_value_set(f"detente/{key}", value, allow_overwrite=True)

    def get(self, key: str, /) -> bytes:
        return str(self._client.key_value_try_get(f"detente/{key}")).encode()

    def check(self, keys: list[str], /) -> bool:
        return all(self._has(key) for key in keys)

    def _has(self, key: str) -> bool:
        try:
            self._client.key_value_try_get(f"detente/{key}")
        except Exception as error:
            if "NOT_FOUND" in str(error):
                return False
            raise
        return True


def joined_processes() -> Ranks:
    """The processes of ``jax.distributed`` that this one is of; raises ``Misuse`` before ``jax.distributed.initialize``."""
    jax = _jax()
    from jax._src import distributed

    client = getattr(distributed.global_state, "client", None)
    if client is None:
        raise Misuse("no processes to agree with: call jax.distributed.initialize first")
    return Ranks(jax.process_index(), jax.process_count(), _CoordinationBoard(client))


def guard_processes(run: str = "run", *, ranks: Ranks | None = None, **how: Any) -> RankedGuard:
    """``guard`` for one process of several: all stop at the same step, agreed ahead, without a collective for it.

    ``save`` is called on every process at that step. ``how``: the other arguments of ``guard``.
    """
    return guard_together(run, ranks=ranks or joined_processes(), **how)


def form_of(tree: Any) -> list[list[Any]]:
    """Path, type and shape of each leaf, as strict JSON has it; raises ``Refused`` V02 for a leaf that is no array.

    A Python number is none: it takes part in promotions of types in another way than the array that it is restored as.
    """
    jax = _jax()
    form = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path)
        if not isinstance(leaf, (np.ndarray, jax.Array)):
            raise Refused(
                "V02",
                "wrong-type",
                got=f"a {type(leaf).__name__} at {name or 'the top'}",
                expected="arrays: jnp.asarray(x, dtype)",
            )
        form.append([name, str(leaf.dtype), list(leaf.shape)])
    return form


def digest_of(tree: Any) -> Digest | None:
    """The digest of a tree of weights; ``None`` where this process does not have all of them."""
    jax = _jax()
    arrays: dict[str, Array] = {}
    for number, leaf in enumerate(jax.tree.leaves(tree)):
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            if not leaf.is_fully_replicated:
                return None
            leaf = leaf.addressable_data(0)  # noqa: PLW2901 - the same values
        value = np.ascontiguousarray(leaf)
        arrays[f"weights.{number:06d}"] = value.reshape(-1).view(np.uint8)
    return weights_digest(arrays)


def _environment() -> dict[str, str]:
    """What bit-equality depends on besides the checkpoint."""
    jax = _jax()
    return environment() | {
        "jax": str(jax.__version__),
        "jaxlib": metadata.version("jaxlib"),
        "device": ", ".join(sorted({str(each.device_kind) for each in jax.devices()})),
        "devices": str(jax.device_count()),
        "processors": str(os.cpu_count()),
        "x64": str(jax.config.jax_enable_x64),
        "random": f"{jax.config.jax_default_prng_impl} {jax.config.jax_threefry_partitionable}",
        "precision": str(jax.config.jax_default_matmul_precision),
        "flags": os.environ.get("XLA_FLAGS", ""),
        "system": platform.system(),
    }


def _name(rank: int) -> str:
    return f"rank-{rank:05d}.ckpt"


def _jax() -> Any:
    import jax

    return jax
