"""News of decisions: a guard that waits at a hold point hears when a decision on its proposal begins to count.

Decides when a node tells, and whom: those who listen for that proposal, once when a decision is witnessed and once when it
has settled. Leaves out what a decision means (``accord.holds``): the news carries nothing, it only makes a guard ask at once
instead of at its next turn, and an answer still takes m issuers.

- Only proposals that somebody listens for are looked at, so that a long queue costs nothing.
- Time passes without a statement: while a decision is settling, this looks again every ``SETTLING_LOOK_S``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from detente.accord.fold import AccordState
from detente.app.notices import DECISION, Hub
from detente.base.digest import Digest
from detente.base.instant import Instant

SETTLING_LOOK_S = 0.05
"""A look is microseconds for each proposal that is waited for; a person at a hold point should see nothing of it."""

Seen = tuple[tuple[Digest, bool], ...]


class DecisionNews:
    """Tells the listeners of ``hub``; ``state`` and ``now`` are asked whenever it looks."""

    def __init__(self, hub: Hub, *, state: Callable[[], AccordState], now: Callable[[], Instant]) -> None:
        self._hub = hub
        self._state = state
        self._now = now
        self._seen: dict[str, Seen] = {}
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Tell of every decision that is new, or counts since the last look."""
        awaited = self._hub.awaited()
        self._seen = {name: seen for name, seen in self._seen.items() if name in awaited}
        if not awaited:
            return
        state, now = self._state(), self._now()
        settle_s = state.terms_at(now).mirrors.settle_s
        settling = False
        for name in awaited:
            seen = decisions_on(state, Digest(name.removeprefix(DECISION)), now, settle_s)
            settling = settling or not all(counts for _, counts in seen)
            if seen != self._seen.get(name, ()):
                self._hub.publish(name, b"{}")
            self._seen[name] = seen
        if settling and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLING_LOOK_S, self._look_again)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self) -> None:
        self._timer = None
        self.look()


def decisions_on(state: AccordState, proposal: Digest, now: Instant, settle_s: int) -> Seen:
    """Each decision on a proposal that is witnessed, and whether it counts already."""
    return tuple((item.id, time + settle_s <= now) for item, time in state.upto(("approval", proposal), now))
