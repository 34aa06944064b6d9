"""Train a byte-level language model on the standard library's source: the drill's ordinary training job.

Decides how one job goes from its options to its last checkpoint. Leaves out the engine (``engine``), the pausing
(``control``, ``job``) and the files (``checkpoint``). Run it as::

    python -m detente.hooks.workload.bytes_lm --out DIR --steps N --seed S [--checkpoint-every K] [--slow-ms X]

>>> import tempfile
>>> out = tempfile.mkdtemp()
>>> small = ["--context", "4", "--embedding", "4", "--hidden", "8", "--depth", "1", "--batch", "8"]
>>> main(["--out", out, "--steps", "2", "--report-every", "0", *small])  # doctest: +ELLIPSIS
{"bits_per_byte": ...
0
"""

from __future__ import annotations

import math
import sys

from detente.base.errors import Refused, shown
from detente.guard.receipt import Receipt
from detente.hooks.workload.corpus import Corpus, fetch_standard_library
from detente.hooks.workload.engine import Trainer
from detente.hooks.workload.job import EX_TEMPFAIL, Job, exit_code, options, pace_of, recipe_of, say
from detente.hooks.workload.recipe import Recipe, difference


def main(arguments: list[str] | None = None) -> int:
    """Train until finished (0) or paused (75)."""
    given = options("bytes_lm").parse_args(arguments)
    job = Job(given.out, run=given.run, save_every=given.checkpoint_every, slow_piece_s=given.slow_save_ms / 1000)
    trainer = resume_or_begin(job, recipe_of(given), fetch_standard_library())

    def advance() -> bool:
        if trainer.finished:
            return False
        loss = trainer.step()
        if given.report_every and trainer.steps_done % given.report_every == 0:
            say(f"step {trainer.steps_done} of {trainer.recipe.steps}, loss {loss:.3f} nats")
        return True

    def save() -> Receipt:
        return save_trainer(job, trainer)

    if not job.run_steps(advance=advance, save=save, step=lambda: trainer.steps_done, pace=pace_of(given)):
        return EX_TEMPFAIL
    receipt = save()
    score = trainer.evaluate()
    job.finish(
        {
            "run": job.control.run,
            "steps": trainer.steps_done,
            "weights_sha256": receipt.weights_sha256,
            "checkpoint_sha256": receipt.sha256,
            "flop": str(trainer.flop),
            "loss": f"{score:.6f}",
            "bits_per_byte": f"{score / math.log(2):.4f}",
            "exact": receipt.exact,
        },
        receipt,
    )
    return 0


def resume_or_begin(job: Job, recipe: Recipe, corpus: Corpus) -> Trainer:
    """The trainer of the newest good checkpoint, or a new one; raises ``Refused`` W19 for another recipe's."""
    found = job.fetch_newest()
    if found is None:
        return Trainer(recipe, corpus)
    trainer = Trainer.restore(found.meta, found.arrays, corpus=corpus)
    if trainer.recipe != recipe:
        raise Refused(
            "W19",
            "conflict",
            got=f"a checkpoint of another recipe: {shown('; '.join(difference(trainer.recipe, recipe)), 200)}",
            expected="the options that the run began with",
            todo="repeat them, or choose another --out",
        )
    return trainer


def save_trainer(job: Job, trainer: Trainer) -> Receipt:
    """Make the trainer's state durable, with a receipt."""
    meta, arrays = trainer.snapshot()
    return job.checkpoints.save(
        meta, arrays, step=trainer.steps_done, flop=trainer.flop, why_not_exact=trainer.why_not_exact
    )


if __name__ == "__main__":
    sys.exit(exit_code(main))
