"""One of two processes of ``jax.distributed`` on CPUs: a batch that is split between them, stopped when a file says so."""

import argparse
import functools
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from detente.hooks.jax import OrbaxState, digest_of, guard_processes, joined_processes

STEPS = 30


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--process", type=int, required=True)
    parser.add_argument("--coordinator", required=True)
    parser.add_argument("--stay-at", type=int, default=0)
    parser.add_argument("--mode", default="auto")
    given = parser.parse_args()
    jax.distributed.initialize(given.coordinator, num_processes=2, process_id=given.process)
    ranks = joined_processes()
    np.random.seed(given.process)  # noqa: NPY002 - each its own noise
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))
    whole, split = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))

    @jax.jit
    def update(state, points):
        key, now = jax.random.split(state["key"])
        kept = jax.random.bernoulli(now, 0.8, points.shape)

        def loss(w):
            return jnp.mean(jnp.tanh((points * kept) @ w) ** 2)

        return {"w": state["w"] - 0.1 * jax.grad(loss)(state["w"]), "key": key}

    @functools.partial(jax.jit, out_shardings=whole)
    def begin():
        return {"w": jax.random.normal(jax.random.key(1), (16, 8)), "key": jax.random.key(2)}

    kept = OrbaxState(given.out, run="run", ranks=ranks, weights=lambda state: state["w"])
    first, state = kept.restore(begin())
    with guard_processes(
        "run", ranks=ranks, save=lambda: kept.save(g.steps, state), at_step=first, mode=given.mode
    ) as g:
        while g.steps < STEPS:
            mine = np.random.randn(4, 16).astype(np.float32)  # noqa: NPY002
            state = jax.block_until_ready(update(state, jax.make_array_from_process_local_data(split, mine)))
            if g.steps + 1 == given.stay_at:
                (given.out / f"reached-{given.process}").touch()
                while g._cell.values[1] > 0:  # Until leave has ended.
                    time.sleep(0.01)
            g.step()
    if given.process == 0:
        (given.out / "final.json").write_text(json.dumps({"first": first, "weights": str(digest_of(state["w"]))}))


main()
