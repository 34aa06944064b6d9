"""A leader whose leave a test ends: what the tests of hooks within one process share."""

from detente.hooks.loop import FOREVER_S, Cell, LoopGuard


class EndedLeave:
    """Leave until the test calls ``end``; ``halt`` saves and files nothing."""

    def __init__(self) -> None:
        self.saved = None
        self.finished: bool | None = None
        self._cell: Cell | None = None

    def end(self) -> None:
        self._cell.set(until_s=0.0)

    def start(self, cell: Cell) -> None:
        self._cell = cell
        cell.set(until_s=FOREVER_S)

    def halt(self, step, save):  # noqa: ARG002
        self.saved = None if save is None else save()
        return "ended by the test", None

    def look(self, step) -> None:
        """Nothing is watched."""

    def finish(self, step, *, failed) -> None:  # noqa: ARG002
        self.finished = failed

    def guard(self, _run, *, save, at_step, **_how) -> LoopGuard:
        """In place of ``detente.guard``."""
        return LoopGuard(self, save=save, at_step=at_step)
