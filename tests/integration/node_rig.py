"""Real nodes on loopback for tests: in this process over HTTP, or as processes of their own."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from detente.accord.reading import read_terms
from detente.adapters.client import NodeClient
from detente.adapters.listening import listen_socket
from detente.app.config import load_config
from detente.app.node import Node, open_node
from detente.base.identity import Party
from detente.server.serving import serve_node
from tests import node_coalition
from tests.node_coalition import MIRRORS, TERMS, Coalition

__all__ = ["MIRRORS", "NodeProcess", "client_of", "found", "processes", "serving", "start_process", "until"]


async def until(condition: object, *, within_s: float = 30.0) -> None:
    """Wait for something that other tasks bring about; fails when it does not come."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110  # a condition of somebody else's making has no event
            await asyncio.sleep(0.01)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def found(folder: Path, *, text: str = TERMS, **more: object) -> Coalition:
    """As ``node_coalition.found``, with ports that are free."""
    parties = read_terms(text.encode(), template=True).parties
    ports = dict(zip(parties, free_ports(len(parties)), strict=True))
    return node_coalition.found(folder, text=text, ports=ports, **more)


@contextlib.asynccontextmanager
async def serving(coalition: Coalition, *parties: str) -> AsyncIterator[dict[str, Node]]:
    """Serve these parties' nodes over loopback HTTP, all in this process."""
    nodes: dict[str, Node] = {}
    tasks = []
    stop = asyncio.Event()
    try:
        for party in parties:
            config = load_config(coalition.home(party))
            listening = listen_socket(config.host, config.port)
            node = nodes[party] = open_node(config.home)
            ready = asyncio.Event()
            tasks.append(asyncio.create_task(serve_node(node, listening, ready=ready.set, stop=stop)))
            await asyncio.wait_for(ready.wait(), 30)
        yield nodes
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@dataclass
class NodeProcess:
    """``detente node serve`` as a process of its own."""

    popen: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(30)

    def stop(self) -> int:
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)


def start_process(coalition: Coalition, party: str, *, wait: bool = True) -> NodeProcess:
    log = coalition.folder / f"{party}.log"
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [sys.executable, "-m", "detente", "node", "serve", "--home", str(coalition.home(party)), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    process = NodeProcess(popen, log)
    if wait:
        wait_ready(process)
    return process


def wait_ready(process: NodeProcess) -> None:
    assert process.popen.stdout is not None
    line = process.popen.stdout.readline()
    assert b"serving" in line, process.log.read_text()[-2000:]


@contextlib.contextmanager
def processes(coalition: Coalition, *parties: str) -> Iterator[dict[str, NodeProcess]]:
    """Start these parties' nodes as processes; end them, whatever happens."""
    running: dict[str, NodeProcess] = {}
    try:
        for party in parties:
            running[party] = start_process(coalition, party, wait=False)
        for process in running.values():
            wait_ready(process)
        yield running
    finally:
        for process in running.values():
            if process.popen.poll() is None:
                process.popen.kill()
            process.popen.wait(30)
            if process.popen.stdout is not None:
                process.popen.stdout.close()


def client_of(coalition: Coalition, party: str) -> NodeClient:
    return NodeClient(f"http://127.0.0.1:{coalition.ports[Party(party)]}")
