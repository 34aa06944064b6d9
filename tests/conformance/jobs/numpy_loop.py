"""A plain loop in NumPy: the project's own trainer on 1,431 bytes, under ``guard`` alone.

The workload's package comes before NumPy: it fixes the number of threads, and with it the order of sums.
"""

import math

from places import EPOCH, SAVE_SLOWLY_FROM, STEPS, Clocks, Places, began, closed_gate, finished, options

from detente import guard
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.workload.checkpoint import Checkpoints
from detente.hooks.workload.control import kept_name
from detente.hooks.workload.corpus import Corpus, fetch_standard_library
from detente.hooks.workload.engine import Trainer, evaluate
from detente.hooks.workload.model import Shape
from detente.hooks.workload.recipe import Recipe

RECIPE = Recipe(shape=Shape(context=8, embedding=8, hidden=128, depth=2), batch=64, steps=STEPS, warmup=5, dropout=0.1)


def main() -> None:
    given = options()
    places, clocks = Places(given.out, given.stay), Clocks()
    checkpoints = Checkpoints(given.out, run=kept_name("run"))
    corpus = Corpus(fetch_standard_library().text[:1_431])
    found = checkpoints.fetch_newest()
    trainer = Trainer(RECIPE, corpus) if found is None else Trainer.restore(found.meta, found.arrays, corpus=corpus)
    assert trainer.split.training == EPOCH * RECIPE.batch
    began(given.out, trainer.steps_done)

    def save() -> SavedCheckpoint:
        meta, arrays = trainer.snapshot()
        checkpoints._slow_piece_s = given.slow_piece_ms / 1000 if trainer.steps_done >= SAVE_SLOWLY_FROM else 0.0
        receipt = checkpoints.save(
            meta, arrays, step=trainer.steps_done, flop=trainer.flop, why_not_exact=trainer.why_not_exact
        )
        return SavedCheckpoint(checkpoints.folder / receipt.checkpoint, receipt)

    with guard("run", save=save, at_step=trainer.steps_done, mode=given.mode) as g:
        while not trainer.finished:
            at = trainer.steps_done + 1
            places.stay("data", at, look=g.check, closed=closed_gate(g))
            places.hang(at)
            trainer.step()
            places.stay("step", at, closed=closed_gate(g))
            g.step()
            if at % 10 == 0:
                places.stay("evaluation", at, look=g.check, closed=closed_gate(g))
                assert math.isfinite(evaluate(trainer.model, RECIPE, corpus)[0])
            if given.save_every and at % given.save_every == 0:
                save()
    finished(given.out, trainer.weights_digest(), clocks)


main()
