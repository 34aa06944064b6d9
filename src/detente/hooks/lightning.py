"""Lightning: one callback that stops ``trainer.fit`` at a step boundary, seals a checkpoint, and goes on bit-exactly.

Decides where Lightning's step is over, what its own checkpoint lacks for an exact resume, and when there is none. Leaves out
leave (``hooks.loop``) and the order of writes (``hooks.sealed``). Usage::

    brake = guard_callback("out", run="lm", planned_flop="1e12")
    trainer = Trainer(callbacks=[brake], max_epochs=30)
    trainer.fit(model, SeekableLoader(data, batch_size=32, seed=1), ckpt_path=brake.checkpoint())

Rules (``docs/decisions/0045-lightning-stops-by-an-exception.md``):

* The stop is ``Paused``, raised out of ``trainer.fit`` with code 75. ``should_stop`` would be a request, which ``min_steps``
  and ``min_epochs`` overrule.
* The boundary lies before a batch is fetched: hooks, schedules and validation of the step before are over, and nothing of the
  next one was drawn. The loader calls it (``SeekableLoader.boundary``). Between two steps of an accumulation there is none.
* A checkpoint is Lightning's own file, and beside it the loader's place and the random states, which are set before the
  first batch is fetched again. What stands in Lightning's file about the loader is not used.
* A stop within a validation keeps the state before it, and the validation is run again from its beginning.
* Another checkpoint than the newest sealed one may not be gone on from (V13); a loader without a place is refused (V03) unless
  ``allow_inexact`` is given; every receipt then says so.

>>> doubt_of(automatic=True, plateau=True, seeks=True)
'Lightning passes over a plateau schedule at the end of an epoch that it has resumed'
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from detente.base.errors import Misuse, Refused, Unavailable
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.loop import LoopGuard, guard
from detente.hooks.sealed import SealedFolders
from detente.hooks.torch.exact_state import ExactState
from detente.hooks.torch.loader import SeekableLoader
from detente.hooks.torch.randomness import random_states, set_random_states
from detente.hooks.workload.control import kept_name

FILE = "lightning.ckpt"
"""Lightning's own checkpoint, in the folder of a sealed one."""
_VALIDATION = "epoch_loop.val_loop.batch_progress"


def guard_callback(
    out: str | os.PathLike[str],
    *,
    run: str = "run",
    save_every: int = 0,
    allow_inexact: bool = False,
    **how: Any,
) -> Any:
    """A ``Callback`` for ``Trainer(callbacks=[…])``; see ``LightningGuard``. Raises ``Unavailable`` without Lightning.

    ``out``: the run's folder. ``save_every``: also save after so many steps. ``how``: the other arguments of ``guard``.
    """
    try:
        from lightning.pytorch import Callback
    except ImportError:
        raise Unavailable("this callback is for Lightning: pip install 'detente[lightning]'") from None
    made = type("GuardCallback", (LightningGuard, Callback), {})
    return made(Path(out), run=run, save_every=save_every, allow_inexact=allow_inexact, **how)


class LightningGuard:
    """The hooks of the callback. ``state`` is there from the start of training."""

    def __init__(self, out: Path, *, run: str, save_every: int, allow_inexact: bool, **how: Any) -> None:
        self._out = out
        self._run = run
        self._save_every = save_every
        self._allow_inexact = allow_inexact
        self._how = how
        self._files = SealedFolders(out, run=kept_name(run))
        self._guard: LoopGuard | None = None
        self.state: LightningState | None = None
        self._trainer: Any = None
        self._loader: SeekableLoader | None = None
        self._to_set: dict[str, Any] | None = None
        self._seen = 0
        self._whole = True
        self._new = False
        self._repeats = False

    def checkpoint(self) -> Path | None:
        """Lightning's file in the newest checkpoint that passes, for ``trainer.fit(ckpt_path=…)``; None where there is none.

        Every file was compared with its digest before its path is given. Raises ``Refused`` W17 where none passes, V04 for a
        checkpoint that is not Lightning's.
        """
        found = self._files.newest()
        if found is None:
            return None
        if FILE not in found.files:
            raise Refused("V04", "conflict", got=f"{found.folder.name} without {FILE}", expected="one of this callback")
        return found.folder / FILE

    def setup(self, trainer: Any, _module: Any, stage: str) -> None:
        """Get leave, before anything is loaded; from here on be the last of the callbacks."""
        if stage != "fit":
            return
        if trainer.world_size > 1:
            raise Misuse(
                f"got {trainer.world_size} processes; this callback stops one: see docs/guides/guard-lightning.md"
            )
        if trainer.reload_dataloaders_every_n_epochs:
            raise Misuse("got reload_dataloaders_every_n_epochs; expected one loader for the run, at which it can stop")
        trainer.callbacks = [each for each in trainer.callbacks if each is not self] + [self]
        self._trainer = trainer
        self._guard = guard(self._run, save=self.save, **self._how)
        self._guard.__enter__()

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Find the loader, take over the place in it, and keep the random states for the first batch.

        1. A loader that cannot seek: V03, accepted with ``allow_inexact``.
        2. As ``ExactState.restore``.
        3. Lightning did not load the newest sealed checkpoint: V13.
        """
        loader = trainer.train_dataloader
        self._loader = loader if isinstance(loader, SeekableLoader) else None
        if self._loader is None and not self._allow_inexact:  # 1
            raise Refused(
                "V03",
                "wrong-type",
                got=f"a {type(loader).__name__}, which Lightning does not take up again exactly",
                expected="a SeekableLoader",
                todo="use one, or accept a resume that is not exact with allow_inexact=True",
            )
        self.state = LightningState(
            self._out, trainer, module, self._loader, run=self._run, inexact=self._allow_inexact
        )
        step = self.state.restore()  # 2
        ours = self._files.folder(step) / FILE
        given = trainer.ckpt_path
        if step and (given is None or Path(given).resolve() != ours.resolve()):  # 3
            raise Refused(
                "V13",
                "conflict",
                got=f"a start from {given or 'nothing'}",
                expected=f"one from {ours}, the newest checkpoint of this run",
                todo="pass ckpt_path=brake.checkpoint() to trainer.fit",
            )
        self._to_set = random_states() if step else None
        self._seen, self._whole = trainer.global_step, True
        self._held.steps = step
        self._repeats = repeat_validation({"loops": {"fit_loop": trainer.fit_loop.state_dict()}})
        if self._loader is not None:
            self._loader.boundary, self._loader.check = self._boundary, self.check

    def on_train_epoch_start(self, _trainer: Any, _module: Any) -> None:
        """Lightning leaves an epoch without asking its loader for more."""
        if self._loader is not None:
            self._loader.begin_epoch()

    def on_train_batch_start(self, *_of: Any) -> None:
        self._whole = False

    def on_train_batch_end(self, trainer: Any, *_of: Any) -> None:
        """Count a step of the optimiser, and keep the random states in case a stop comes within a validation."""
        if trainer.global_step == self._seen:
            return  # Gradients are still being gathered: they are in no checkpoint.
        self._seen, self._whole, self._new = trainer.global_step, True, True
        self._held.steps += 1
        if self._loader is None:
            self._held.reached(self._held.steps)
        elif self.state is not None:
            self.state.before = random_states()

    def on_validation_start(self, trainer: Any, _module: Any) -> None:
        """A validation that is run again goes on from the random states that were restored; so does the batch after it."""
        if not trainer.sanity_checking:
            self._to_set = None

    def on_validation_batch_start(self, *_of: Any) -> None:
        """A pause does not wait for the end of a validation."""
        self.check()

    def check(self) -> None:
        """Call where time passes within a step of a validation, or while data are awaited; raises ``Paused``.

        Nothing happens within an accumulation, nor in the validation of a Lightning that writes its progress in another form.
        """
        if self.state is None or not self._whole:
            return
        self.state.validating = self._trainer.validating
        try:
            if self._repeats or not self.state.validating:
                self._held.check()
        finally:
            self.state.validating = False

    def on_save_checkpoint(self, _trainer: Any, _module: Any, checkpoint: dict[str, Any]) -> None:
        """What is saved within a validation says that the validation is still to be run."""
        if self.state is not None and self.state.validating:
            repeat_validation(checkpoint)

    def on_exception(self, _trainer: Any, _module: Any, error: BaseException) -> None:
        self._leave(error)

    def teardown(self, _trainer: Any, _module: Any, stage: str) -> None:
        if stage == "fit":
            self._leave(None)

    def save(self) -> SavedCheckpoint:
        """Save and seal now; to be called at a boundary."""
        if self.state is None:
            raise Misuse("nothing to save before training has begun")
        return self.state.save(self._held.steps)

    @property
    def _held(self) -> LoopGuard:
        if self._guard is None:
            raise Misuse("this callback works within trainer.fit")
        return self._guard

    def _boundary(self) -> None:
        """Before a batch is fetched. After a resume, the first time: now nothing draws any more before the step does."""
        if self._to_set is not None:
            set_random_states(self._to_set)
            self._to_set = None
        if self.state is not None:
            self.state.before = None
        if not self._whole:
            return
        if self._new:
            self._new = False
            self._held.reached(self._held.steps)
        else:
            self._held.check()
        if self._save_every and self._held.steps and self._held.steps % self._save_every == 0:
            self.save()

    def _leave(self, error: BaseException | None) -> None:
        held, self._guard = self._guard, None
        if held is not None:
            held.__exit__(None if error is None else type(error), error, None)


class LightningState(ExactState):
    """What Lightning's own checkpoint lacks, sealed together with it."""

    def __init__(
        self, out: Path, trainer: Any, module: Any, loader: SeekableLoader | None, *, run: str, inexact: bool
    ) -> None:
        super().__init__(
            out,
            run=run,
            loader=loader,
            beside=lambda folder: trainer.save_checkpoint(folder / FILE),
            allow_inexact=inexact,
        )
        self.weights_of = module
        self._trainer, self._module = trainer, module
        self.before: dict[str, Any] | None = None
        """The random states after a step, until the next batch is fetched."""
        self.validating = False

    def _boundary_states(self) -> dict[str, Any]:
        if self.validating and self.before is not None:
            return self.before
        return super()._boundary_states()

    def _doubt(self) -> str:
        return super()._doubt() or doubt_of(
            automatic=self._module.automatic_optimization,
            plateau=any(each.reduce_on_plateau for each in self._trainer.lr_scheduler_configs),
            seeks=self._loader is not None,
        )


def doubt_of(*, automatic: bool, plateau: bool, seeks: bool) -> str:
    """Why a resume would not be exact; empty where nothing speaks against it.

    >>> doubt_of(automatic=True, plateau=False, seeks=True)
    ''
    """
    if not seeks:
        return "the loader's place within an epoch is Lightning's to restore, which is not exact"
    if not automatic:
        return "with manual optimisation, gradients may wait at a boundary, and they are not kept"
    if plateau:
        return "Lightning passes over a plateau schedule at the end of an epoch that it has resumed"
    return ""


def repeat_validation(checkpoint: dict[str, Any]) -> bool:
    """Write into Lightning's checkpoint that the validation has begun and nothing of it is done; False where it has another form.

    Lightning then runs it, and counts its batches from what is completed: from the first.

    >>> progress = {"total": dict.fromkeys(["ready", "started", "processed", "completed"], 5)}
    >>> progress |= {"current": dict(progress["total"]), "is_last_batch": True}
    >>> repeat_validation({"loops": {"fit_loop": {"epoch_loop.val_loop.batch_progress": progress}}})
    True
    >>> progress["total"]
    {'ready': 1, 'started': 1, 'processed': 0, 'completed': 0}
    """
    progress = checkpoint.get("loops", {}).get("fit_loop", {}).get(_VALIDATION)
    counts = {"ready", "started", "processed", "completed"}
    if not isinstance(progress, dict) or not all(counts <= {*progress.get(name, ())} for name in ("total", "current")):
        return False
    for name in ("total", "current"):
        progress[name] |= {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    progress["is_last_batch"] = False
    return True
