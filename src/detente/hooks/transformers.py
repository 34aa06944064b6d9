"""A guard for Hugging Face's ``Trainer``: one callback, which stops it at a step, in an evaluation or while it waits for data.

Decides where the trainer may stop, which of its checkpoints may be gone on from, and when a resume is exact. Leaves out leave
(``hooks.loop``), the trainer's own format, and the listing and receipt over it (``hooks.torch.exact_state``). Usage::

    brake = guard_callback("lm", planned_flop="1e15")
    trainer = Trainer(model=model, args=args, train_dataset=data, callbacks=[brake])
    trainer.train(resume_from_checkpoint=brake.newest())

The trainer writes a folder in place, so one that a crash has cut short looks like any other, and its own search for the last one
takes it. ``newest`` takes those alone that were sealed when they were whole; another one among them is refused (V12).

Rules (``spec/exact-resume.md`` §8):

* The end of a step is the place to stop; between its batches gradients would be lost. With the last step of a run nothing is left to stop.
* An evaluation that a step brings draws once when it begins, and a resumed trainer does not begin it again. So the stop is in it, or
  after it; after it, as far as ``EVALUATION_WITHIN_S`` allows, where the schedule or the best model depends on what it finds.
* The trainer sets the random states back after it has fetched the first batch, or before an epoch's first. So a resume within an
  epoch is exact only if making an example draws nothing: it is watched, and the receipt says so.

>>> guard_callback.__module__
'detente.hooks.transformers'
"""

from __future__ import annotations

import atexit
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detente.base.errors import Misuse, Unavailable
from detente.hooks.accelerate import draw_doubt, order_doubt
from detente.hooks.checkpointing import SavedCheckpoint
from detente.hooks.loop import LoopGuard, Paused, guard
from detente.hooks.sealed import SealedFolders
from detente.hooks.torch.exact_state import ExactState
from detente.hooks.torch.randomness import Drawn, random_states, set_random_states
from detente.hooks.workload.control import kept_name

PREFIX = "checkpoint-"
"""What the trainer puts before the step in the name of a checkpoint's folder."""
EVALUATION_WITHIN_S = 60.0
"""How long a stop waits for an evaluation on whose result the run depends; terms that allow less kill the job before."""


def guard_callback(run: str = "run", *, allow_inexact: bool = False, **how: Any) -> Any:
    """A callback for ``Trainer(callbacks=[…])``. ``how``: the arguments of ``guard`` other than ``save`` and ``at_step``.

    Its ``newest()`` is for ``resume_from_checkpoint``; its ``check()`` is for places of yours where time passes, such as in what
    fetches an example. ``allow_inexact``: resume all the same where a resume is not exact. Raises ``Unavailable`` without transformers.
    """
    try:
        from transformers import TrainerCallback
    except ModuleNotFoundError as error:
        raise Unavailable("transformers is not installed: pip install 'detente[transformers]'") from error

    class GuardCallback(_Guarded, TrainerCallback):  # type: ignore[misc, unused-ignore]
        """The callback of one trainer."""

    return GuardCallback(run, how, allow_inexact=allow_inexact)


class _Guarded:
    """What the callback does; ``TrainerCallback`` gives it the events that it does not look at."""

    def __init__(self, run: str, how: dict[str, Any], *, allow_inexact: bool) -> None:
        self._run = run
        self._how = how
        self._allow_inexact = allow_inexact
        self._trainer: Any = None
        self._state: Any = None
        self._guard: LoopGuard | None = None
        self._chosen: int | None = None
        self._drawn = Drawn()
        self._before_epoch: Any = None
        self._saving = self._cut_short = False
        self._closed_s: float | None = None

    def newest(self) -> str | None:
        """The newest checkpoint of which every byte passes, for ``resume_from_checkpoint``, or ``None``.

        Raises ``Refused`` W17 where receipts stand and none passes, V04 to V07 as ``ExactState.restore`` does.
        """
        found = self._checkpoints().newest()
        self._chosen = None if found is None else found.receipt.step
        return None if found is None else str(found.folder)

    def check(self) -> None:
        """For places where time passes: what fetches an example, say. Raises ``Paused`` like the trainer's own steps."""
        if self._guard is not None and self._guard.stopping and not self._over():
            self._ask(self._guard.check)

    def on_init_end(self, _args: Any, _state: Any, _control: Any, **_more: Any) -> None:
        """The trainer has been made: this callback is its own from now on."""
        self._find_trainer()

    def on_train_begin(self, args: Any, state: Any, _control: Any, **_more: Any) -> None:
        """Get leave. The trainer is at its first step, or at that of the checkpoint that it has loaded."""
        self._find_trainer()
        if state.is_hyper_param_search:
            raise Misuse("a search of hyperparameters is many runs: guard each trial as a run of its own")
        if args.save_total_limit == 1:
            raise Misuse("save_total_limit=1 removes the last checkpoint before the next is sealed: keep at least 2")
        checkpoints = self._checkpoints()
        if state.global_step and state.global_step != self._chosen:
            checkpoints.accept(state.global_step)
        self._drawn = Drawn()
        if state.global_step and not checkpoints.why_not_exact and not _ends_epoch(state):
            self._drawn.trust()  # It would not have been called exact, had an example drawn.
        self._guard = guard(self._run, save=self._save, at_step=state.global_step, **self._how)
        atexit.register(self._leave, failed=True)  # An error of the training's own does not come by here.
        self._ask(self._guard.__enter__)

    def on_epoch_begin(self, _args: Any, _state: Any, _control: Any, **_more: Any) -> None:
        """What begins the order of an epoch draws once, and a stop may come before its first batch."""
        self._before_epoch = random_states()
        self._drawn.begins(self._before_epoch)

    def on_step_begin(self, _args: Any, _state: Any, _control: Any, **_more: Any) -> None:
        """The batches of this step are there."""
        self._drawn.fetched()
        self._before_epoch = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_more: Any) -> None:
        """A step of the optimiser is whole. With an evaluation due the stop is in it."""
        self._drawn.mark()
        guarded = self._entered()
        at_epochs = str(getattr(args.eval_strategy, "value", args.eval_strategy)) == "epoch"
        if self._over() or control.should_evaluate or (at_epochs and _ends_epoch(state)):
            guarded.steps += 1
        else:
            self._ask(guarded.step)

    def on_prediction_step(self, args: Any, _state: Any, control: Any, **more: Any) -> None:
        """A batch of an evaluation: a pause need not wait for its end. Not the first: one batch does not show whether they draw."""
        if self._guard is None or not control.should_evaluate:
            return  # An evaluation that somebody has called for by hand.
        self._drawn.predicted()
        if self._drawn.predictions < 2 or not self._guard.stopping:
            return
        now_s = time.monotonic()
        self._closed_s = self._closed_s or now_s
        self._cut_short = _depends(args, more.get("lr_scheduler"))
        if not self._cut_short or now_s - self._closed_s >= EVALUATION_WITHIN_S:
            self.check()

    def on_evaluate(self, args: Any, _state: Any, control: Any, **more: Any) -> None:
        """The evaluation is over, however short it was. Where its result counts, the stop comes after the trainer has used it."""
        self._drawn.evaluated()
        self._cut_short = False
        if self._guard is None or not self._guard.stopping or self._over():
            return
        if _depends(args, more.get("lr_scheduler")):
            control.should_save = True
        else:
            self.check()

    def on_save(self, _args: Any, state: Any, _control: Any, **_more: Any) -> None:
        """The trainer has saved of its own accord: from now on that checkpoint counts."""
        self._saving = True
        try:
            self._checkpoints().save(state.global_step, again=True)
        finally:
            self._saving = False
        self._drawn.mark()
        self.check()

    def on_log(self, _args: Any, _state: Any, _control: Any, **_more: Any) -> None:
        """Whoever keeps figures may draw; it is not the data that did."""
        self._drawn.mark()

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_more: Any) -> None:
        """The run has ended by itself."""
        self._leave(failed=False)

    def _find_trainer(self) -> None:
        """Callbacks are not told whose they are: it is who further up the stack has this one among its callbacks."""
        frame = inspect.currentframe()
        while frame is not None and self._trainer is None:
            owner = frame.f_locals.get("self")
            if self in getattr(getattr(owner, "callback_handler", None), "callbacks", ()):
                self._trainer = owner
            frame = frame.f_back

    def _checkpoints(self) -> Any:
        """What seals the trainer's checkpoints, and finds them again."""
        if self._state is not None:
            return self._state
        if self._trainer is None:
            raise Misuse("no trainer has this callback: pass it as Trainer(callbacks=[…])")
        args = self._trainer.args
        if args.world_size > 1:
            raise Misuse(
                f"got a trainer of {args.world_size} processes; this callback is for one: it would stop each at a step of its own"
            )
        self._folders = SealedFolders(
            Path(args.output_dir), run=kept_name(self._run), within="", prefix=PREFIX, width=1, keep=None
        )
        self._state = ExactState(
            args.output_dir,
            files=self._folders,
            beside=self._written,
            doubt=self._doubt,
            allow_inexact=self._allow_inexact,
        )
        return self._state

    def _entered(self) -> LoopGuard:
        if self._guard is None:
            raise Misuse("the trainer trains, and has not begun to: on_train_begin was not called")
        return self._guard

    def _save(self) -> SavedCheckpoint:
        if self._before_epoch is not None:
            set_random_states(self._before_epoch)  # The resumed trainer begins the epoch, and draws, itself.
        elif not self._trainer.control.should_evaluate:
            self._drawn.fetched()
        saved: SavedCheckpoint = self._checkpoints().save(self._trainer.state.global_step)
        return saved

    def _written(self, folder: Path) -> None:
        """Let the trainer write into its folder, unless it has just done so."""
        if not self._saving:
            self._trainer._save_checkpoint(self._trainer.model, trial=None)
        if not folder.is_dir():
            raise Unavailable(f"the trainer has not kept {folder}")
        self._folders.drop_widowed()

    def _doubt(self) -> str:
        args, state, control = self._trainer.args, self._trainer.state, self._trainer.control
        if args.save_only_model:
            return "save_only_model leaves out the optimiser and the random states"
        if control.should_evaluate and self._cut_short:
            return "an evaluation was cut short, and the schedule or the best model depends on its result"
        if control.should_evaluate and not self._drawn.evaluation_is_quiet:
            return "an evaluation was cut short, and it draws random numbers, or nobody has seen whether it does"
        loader = self._trainer.callback_handler.train_dataloader
        if state.global_step == 0 or loader is None:
            return ""
        return order_doubt(loader) or ("" if _ends_epoch(state) else self._doubt_within_epoch(args, loader))

    def _doubt_within_epoch(self, args: Any, loader: Any) -> str:
        if args.ignore_data_skip:
            return "ignore_data_skip begins the data of the epoch anew"
        return draw_doubt(loader, self._drawn)

    def _over(self) -> bool:
        """With its last step done a run has nothing left to stop; a trainer that is resumed there would do one more."""
        state = self._trainer.state
        return bool(self._trainer.control.should_training_stop or state.global_step >= state.max_steps)

    def _ask(self, ask: Callable[[], Any]) -> None:
        try:
            ask()
        except BaseException:
            self._leave(failed=True)
            raise

    def _leave(self, *, failed: bool) -> None:
        atexit.unregister(self._leave)
        guarded, self._guard = self._guard, None
        if guarded is not None:
            guarded.__exit__(Paused if failed else None, None, None)


def _ends_epoch(state: Any) -> bool:
    return float(state.epoch or 0).is_integer()


def _depends(args: Any, scheduler: Any) -> bool:
    return args.metric_for_best_model is not None or type(scheduler).__name__ in ("ReduceLROnPlateau", "GreedyLR")
