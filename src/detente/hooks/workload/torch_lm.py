"""The same language model in PyTorch on the CPU: in one process, or data-parallel under ``torchrun`` with gloo.

Decides how several ranks stop at one step, and what of each rank goes into a checkpoint. Run it as::

    python -m detente.hooks.workload.torch_lm --out DIR --steps N --seed S
    torchrun --standalone --nproc-per-node 2 -m detente.hooks.workload.torch_lm --ddp --out DIR …

* **Agreement costs no collective.** A scalar parameter that the optimiser never sees is multiplied by each rank's
  pause flag and added to the loss. It is zero, so the loss is unchanged; its gradient is the flag. DDP averages it in
  the same all-reduce as every other gradient, so all ranks read one answer after one step.
* **One checkpoint.** Weights and moments are the same on every rank; random states are not, and are gathered. Rank 0
  writes the file and then its receipt, and nobody leaves before that.
* **Exactness** needs the same number of ranks: another number is refused (W22), or allowed and declared inexact.

Judge a run under ``torchrun`` by its receipt: the launcher exits 1 when its workers exit 75. The import of PyTorch
stands inside functions, so that the package works without the extra.

>>> import importlib.util
>>> importlib.util.find_spec("detente.hooks.workload.torch_lm") is not None
True
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from detente.base.errors import Misuse, Refused, Unavailable, shown
from detente.guard.receipt import Receipt
from detente.hooks.workload.checkpoint import answer_members
from detente.hooks.workload.container import Array
from detente.hooks.workload.corpus import Corpus, fetch_standard_library
from detente.hooks.workload.engine import HELD_OUT_TARGETS, environment, gather
from detente.hooks.workload.job import EX_TEMPFAIL, Job, Pace, exit_code, options, pace_of, recipe_of, say
from detente.hooks.workload.model import VOCABULARY
from detente.hooks.workload.recipe import Recipe, difference, parse_recipe

KIND = "torch-lm"


def main(arguments: list[str] | None = None) -> int:
    """Train until finished (0) or paused (75)."""
    parser = options("torch_lm")
    parser.add_argument("--ddp", action="store_true", help="one rank of torchrun's, over gloo")
    parser.add_argument("--allow-inexact", action="store_true", help="resume with another number of ranks, and say so")
    given = parser.parse_args(arguments)
    _prepare()
    ranks = Ranks.joined() if given.ddp else Ranks(0, 1)
    try:
        job = Job(given.out, run=given.run, save_every=given.checkpoint_every, slow_piece_s=given.slow_save_ms / 1000)
        trainer = _resume_or_begin(job, recipe_of(given), ranks, allow_inexact=given.allow_inexact)
        return _train(job, trainer, report_every=given.report_every, pace=pace_of(given))
    finally:
        ranks.leave()


class Ranks:
    """The processes of one job: this one's number, how many there are, and what they do together."""

    def __init__(self, rank: int, world: int) -> None:
        self.rank = rank
        self.world = world

    @classmethod
    def joined(cls) -> Ranks:
        """The group that torchrun's environment describes; raises ``Misuse`` outside it."""
        import torch.distributed

        if "RANK" not in os.environ:
            raise Misuse("--ddp needs torchrun: RANK is not set")
        torch.distributed.init_process_group("gloo")
        return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())

    def any_true(self, flag: bool) -> bool:
        """Is the flag set on any rank? One collective; used once, before the first step."""
        if self.world == 1:
            return flag
        import torch.distributed

        count = torch.tensor([float(flag)])
        torch.distributed.all_reduce(count, op=torch.distributed.ReduceOp.MAX)
        return bool(count.item())

    def gathered(self, state: Any) -> list[Any]:
        """Every rank's tensor, in order of rank."""
        if self.world == 1:
            return [state]
        import torch.distributed

        states = [torch.empty_like(state) for _ in range(self.world)]
        torch.distributed.all_gather(states, state)
        return states

    def wait(self) -> None:
        """Return when every rank has come here."""
        if self.world > 1:
            import torch.distributed

            torch.distributed.barrier()

    def leave(self) -> None:
        """Leave the group, if there is one."""
        if self.world > 1:
            import torch.distributed

            torch.distributed.destroy_process_group()


def network(recipe: Recipe) -> Any:
    """The module: bytes (batch, context) and a flag to (logits, flag times a zero parameter)."""
    import torch
    from torch import nn
    from torch.nn import functional

    shape = recipe.shape

    class Network(nn.Module):  # type: ignore[misc, unused-ignore]
        """``model.Model`` in PyTorch, with the parameter that carries the pause flag."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(VOCABULARY, shape.embedding)
            self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in shape.layers)
            self.pause_flag = nn.Parameter(torch.zeros(()))

        def forward(self, windows: Any, flag: float) -> tuple[Any, Any]:
            state = self.embedding(windows).flatten(1)
            state = functional.dropout(state, recipe.dropout, self.training)
            for number, layer in enumerate(self.layers):
                if number == shape.depth:
                    return layer(state), self.pause_flag * flag
                inner = torch.tanh(layer(state))
                state = inner if number == 0 else state + inner
            raise AssertionError("the last layer always returns")

    return Network()


class TorchTrainer:
    """One rank's part of a run."""

    def __init__(self, recipe: Recipe, corpus: Corpus, ranks: Ranks) -> None:
        import torch

        self.recipe = recipe
        self.corpus = corpus
        self.ranks = ranks
        self.split = corpus.split(context=recipe.shape.context, evaluation=recipe.evaluation)
        torch.manual_seed(recipe.seed)
        self.bare = network(recipe)
        self.bare.train()
        self.module = self.bare
        if ranks.world > 1:
            # With find_unused_parameters DDP never rebuilds its buckets after the first step. A rebuilt layout adds the
            # ranks' gradients in another order, and a resumed run would do so one step later than the first run did.
            self.module = torch.nn.parallel.DistributedDataParallel(self.bare, find_unused_parameters=True)
        named = [(name, weight) for name, weight in self.bare.named_parameters() if name != "pause_flag"]
        self.named = dict(named)
        groups = [
            {"params": [w for n, w in named if n.startswith("layers") and w.ndim == 2]},
            {"params": [w for n, w in named if not (n.startswith("layers") and w.ndim == 2)], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay, foreach=False
        )
        torch.manual_seed(recipe.seed * 1_000_003 + ranks.rank + 1)
        self.steps_done = 0
        self.flop = 0
        self.why_not_exact = ""
        self.history: list[float] = []

    @property
    def finished(self) -> bool:
        """Has every step of the recipe been done?"""
        return self.steps_done >= self.recipe.steps

    def step(self, flag: bool) -> tuple[float, bool]:
        """One step on this rank's share; returns (its loss in nats, whether any rank raised its flag)."""
        import torch
        from torch.nn import functional

        recipe, ranks = self.recipe, self.ranks
        first = (self.steps_done * ranks.world + ranks.rank) * recipe.batch
        targets = self.split.training_targets(seed=recipe.seed, first=first, count=recipe.batch)
        windows, answers = gather(self.corpus, targets, recipe.shape.context)
        logits, carrier = self.module(torch.from_numpy(windows.astype(np.int64)), float(flag))
        loss = functional.cross_entropy(logits, torch.from_numpy(answers.astype(np.int64)))
        self.optimiser.zero_grad()
        (loss + carrier).backward()
        asked = bool(self.bare.pause_flag.grad.item() > 0)
        self.bare.pause_flag.grad = None
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.rate_at(self.steps_done)
        self.optimiser.step()
        self.history.append(float(loss.item()))
        self.steps_done += 1
        self.flop += recipe.shape.training_flop(recipe.batch) * ranks.world
        return self.history[-1], asked

    def evaluate(self) -> float:
        """Mean loss in nats per byte on the held-out targets, without dropout."""
        import torch
        from torch.nn import functional

        targets = self.split.held_out_targets(HELD_OUT_TARGETS)
        windows, answers = gather(self.corpus, targets, self.recipe.shape.context)
        self.bare.eval()
        with torch.no_grad():
            logits, _ = self.bare(torch.from_numpy(windows.astype(np.int64)), 0.0)
            loss = float(functional.cross_entropy(logits, torch.from_numpy(answers.astype(np.int64))).item())
        self.bare.train()
        self.flop += self.recipe.shape.forward_flop(len(answers))
        return loss

    def snapshot(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Everything that the next step depends on; every rank must call it, and only rank 0 needs the answer."""
        import torch

        arrays: dict[str, Array] = {"history": np.array(self.history, dtype=np.float64)}
        for rank, state in enumerate(self.ranks.gathered(torch.get_rng_state())):
            arrays[f"random.{rank}"] = state.numpy().copy()
        for name, weight in self.named.items():
            arrays[f"weights.{name}"] = weight.detach().numpy().copy()
            moments = self.optimiser.state.get(weight) or {}
            for moment in ("exp_avg", "exp_avg_sq"):
                if moment in moments:
                    arrays[f"adam.{moment}.{name}"] = moments[moment].numpy().copy()
        meta = {
            "kind": KIND,
            "recipe": self.recipe.as_json(),
            "corpus": self.corpus.digest,
            "step": self.steps_done,
            "flop": str(self.flop),
            "ranks": self.ranks.world,
            "environment": _environment(),
            "why_not_exact": self.why_not_exact,
        }
        return meta, arrays

    def restore(self, meta: Mapping[str, Any], arrays: Mapping[str, Array], *, allow_inexact: bool) -> None:
        """Take over what ``snapshot`` described; raises ``Refused``.

        1. A checkpoint of this kind, corpus and recipe: W16, W19.
        2. The same number of ranks: W22, unless the caller accepts an inexact resume.
        3. All of its arrays, in their shapes: W16. Random states come last, because building a module draws.
        """
        _check_belongs(meta, self.recipe, self.corpus)  # 1
        self.why_not_exact = str(meta.get("why_not_exact", ""))
        if meta.get("ranks") != self.ranks.world:  # 2
            if not allow_inexact:
                raise Refused(
                    "W22",
                    "conflict",
                    got=f"{self.ranks.world} ranks for a checkpoint of {shown(meta.get('ranks'))}",
                    expected="the same number of ranks, without which a resume is not exact",
                    todo="start as many ranks, or accept an inexact resume with --allow-inexact",
                )
            changed = f"ranks changed from {meta.get('ranks')} to {self.ranks.world} at step {meta.get('step')}"
            self.why_not_exact = self.why_not_exact or changed
        elif meta.get("environment") != _environment():
            changed = f"resumed at step {meta.get('step')} under another environment"
            self.why_not_exact = self.why_not_exact or changed
        try:
            self._fill(meta, arrays)  # 3
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise Refused(
                "W16", "conflict", got=f"a checkpoint that does not fit: {error}", expected="all state of its recipe"
            ) from None

    def _fill(self, meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        import torch

        self.steps_done, self.flop = int(meta["step"]), int(meta["flop"])
        self.history = [float(loss) for loss in arrays["history"]]
        with torch.no_grad():
            for name, weight in self.named.items():
                weight.copy_(torch.from_numpy(arrays[f"weights.{name}"]))
                if self.steps_done:
                    self.optimiser.state[weight] = {
                        "step": torch.tensor(float(self.steps_done)),
                        "exp_avg": torch.from_numpy(arrays[f"adam.exp_avg.{name}"]),
                        "exp_avg_sq": torch.from_numpy(arrays[f"adam.exp_avg_sq.{name}"]),
                    }
        if f"random.{self.ranks.rank}" in arrays:
            torch.set_rng_state(torch.from_numpy(arrays[f"random.{self.ranks.rank}"]))


def _train(job: Job, trainer: TorchTrainer, *, report_every: int, pace: Pace) -> int:
    ranks = trainer.ranks
    asked = ranks.any_true(job.control.pause_asked() is not None)
    while True:
        if asked:
            receipt = _save(job, trainer)
            if receipt is not None:
                request = job.control.open_request()
                job.control.acknowledge(request, answer_members(receipt, job.checkpoints.folder, run=job.control.run))
                say(f"saved step {receipt.step} of {ranks.world} ranks for request {request.id or 'without a name'}")
            ranks.wait()
            # Holding in memory would let the other ranks run into gloo's timeout: a pause always exits here.
            return EX_TEMPFAIL
        if trainer.finished:
            break
        began = time.perf_counter()
        loss, asked = trainer.step(job.control.pause_asked() is not None)
        pace.rest(job.control.is_asked)
        job.control.throttle(time.perf_counter() - began)
        if ranks.rank == 0 and report_every and trainer.steps_done % report_every == 0:
            say(f"step {trainer.steps_done} of {trainer.recipe.steps}, loss {loss:.3f} nats")
        if job.save_every and trainer.steps_done % job.save_every == 0 and not asked:
            _save(job, trainer)
    receipt = _save(job, trainer)
    if receipt is not None:
        score = trainer.evaluate()
        job.finish(
            {
                "run": job.control.run,
                "steps": trainer.steps_done,
                "ranks": ranks.world,
                "weights_sha256": receipt.weights_sha256,
                "checkpoint_sha256": receipt.sha256,
                "flop": str(trainer.flop),
                "loss": f"{score:.6f}",
                "bits_per_byte": f"{score / math.log(2):.4f}",
                "exact": receipt.exact,
            },
            receipt,
        )
    ranks.wait()
    return 0


def _save(job: Job, trainer: TorchTrainer) -> Receipt | None:
    """Gather, let rank 0 write the checkpoint and its receipt, and wait for it; only rank 0 gets the receipt."""
    meta, arrays = trainer.snapshot()
    ranks = trainer.ranks
    receipt = None
    if ranks.rank == 0:
        receipt = job.checkpoints.save(
            meta,
            arrays,
            step=trainer.steps_done,
            flop=trainer.flop,
            why_not_exact=trainer.why_not_exact,
            ranks=ranks.world,
        )
    ranks.wait()
    return receipt


def _resume_or_begin(job: Job, recipe: Recipe, ranks: Ranks, *, allow_inexact: bool) -> TorchTrainer:
    found = job.fetch_newest()
    trainer = TorchTrainer(recipe, fetch_standard_library(), ranks)
    if found is not None:
        trainer.restore(found.meta, found.arrays, allow_inexact=allow_inexact)
    return trainer


def _check_belongs(meta: Mapping[str, Any], recipe: Recipe, corpus: Corpus) -> None:
    if meta.get("kind") != KIND or meta.get("corpus") != corpus.digest:
        raise Refused(
            "W16",
            "conflict",
            got=f"kind {shown(meta.get('kind'))} on corpus {shown(meta.get('corpus'))}",
            expected=f"kind {KIND} on corpus {corpus.digest}",
        )
    if (found := parse_recipe(meta.get("recipe"))) != recipe:
        raise Refused(
            "W19",
            "conflict",
            got=f"a checkpoint of another recipe: {shown('; '.join(difference(found, recipe)), 200)}",
            expected="the options that the run began with",
            todo="repeat them, or choose another --out",
        )


def _environment() -> dict[str, str]:
    import torch

    return environment() | {"torch": str(torch.__version__)}


def _prepare() -> None:
    """One thread, deterministic algorithms only; raises ``Unavailable`` without PyTorch."""
    try:
        import torch
    except ModuleNotFoundError as error:
        raise Unavailable("PyTorch is not installed: pip install 'detente[torch]'") from error
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


if __name__ == "__main__":
    sys.exit(exit_code(main))
