"""A real node whose wall clock is wrong: for drills and tests of what skewed clocks can and cannot do.

Everything but the clock is the node that ``detente node serve`` runs. Run as
``python -m detente.testing.skewed_node --home DIR --offset SECONDS``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from detente.adapters.clock import SystemClock
from detente.adapters.listening import listen_socket
from detente.app.config import load_config
from detente.app.node import open_node
from detente.base.instant import Instant
from detente.server.serving import run_node


class SkewedClock(SystemClock):
    """The machine's clocks, with the wall clock ``offset_s`` seconds ahead (or behind, when negative)."""

    __slots__ = ("offset_s",)

    def __init__(self, offset_s: int) -> None:
        self.offset_s = offset_s

    def now(self) -> Instant:
        """The wrong time."""
        return Instant(super().now() + self.offset_s)


def main() -> None:
    """Serve the node of a home with a wrong clock until a signal."""
    parser = argparse.ArgumentParser(prog="python -m detente.testing.skewed_node")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--offset", type=int, required=True, help="seconds that its clock is ahead")
    given = parser.parse_args()
    config = load_config(given.home)
    listening = listen_socket(config.host, config.port)
    run_node(open_node(given.home, clock=SkewedClock(given.offset)), listening)


if __name__ == "__main__":
    main()
