"""Bad weather for a drill: links that delay and drop, nodes that are killed, clocks that are wrong.

Everything comes from the seed, except what the operating system does with it.
"""

from __future__ import annotations

import random
import signal

from detente.app.drill.opening import start_node
from detente.app.drill.scene import Scene

DELAY_S, DROP = (0.0, 0.02), 0.03
"""Up to 20 ms on every piece of traffic, and three new connections in a hundred that never open."""


class Chaos:
    """The weather of one drill; does nothing unless the options ask for it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._random = random.Random(scene.plan.options.seed)  # noqa: S311  # weather, not secrets

    def begin(self) -> None:
        """From now on links delay and drop."""
        if self._scene.plan.options.chaos:
            self._scene.network.weather("", delay_s=DELAY_S, drop=DROP)
            self._scene.turn("bad weather: links delay and drop, two clocks are wrong")

    async def kill_and_restart(self) -> None:
        """Kill one mirror and one developer's node without warning, and start them again."""
        scene = self._scene
        if not scene.plan.options.chaos:
            return
        for party in (self._random.choice(scene.plan.mirrors), self._random.choice(scene.plan.developers)):
            scene.nodes[party].signal(signal.SIGKILL)
            scene.nodes[party].wait(10.0)
            scene.record.turn(party, "silent", at_s=scene.now(), text="killed")
            start_node(scene, party)
            await scene.until(f"the node of {party} is back", scene.clients[party].health, within_s=30.0)
            scene.record.turn(party, "up", at_s=scene.now(), text="restarted, nothing lost")
            scene.turn(f"the node of {party} was killed and is back")

    def end(self) -> None:
        """Fair weather again; says what was dropped."""
        scene = self._scene
        if scene.plan.options.chaos:
            scene.network.weather("", delay_s=(0.0, 0.0), drop=0.0)
            scene.check(
                "chaos", "connections were really dropped", scene.network.dropped > 0, f"{scene.network.dropped}"
            )
