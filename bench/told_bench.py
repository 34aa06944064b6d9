"""How soon 400 local agents have been told to stop, beside 400 watchers of etcd on the same machine in the same run.

    python bench/told_bench.py [--agents 400] [--rounds 5]

What counts is the slowest agent of each round. The guards are those of ``push_bench.py`` with one self-witnessed node:
coroutines of one process, each with its own key, permit and event stream, told when its `step()` raises. The watchers are
coroutines of one process as well, each with its own connection and its own watch of one key over etcd's HTTP API, told when it has
read the event. Beside them etcd's own client, one process with all watches in one gRPC stream. etcd runs on a folder and ports of
its own and is ended with the bench; what is not installed (Debian: etcd-server, etcd-client) is left out, and said.

Two clocks start: when the order is sent, and when the node, or etcd, has said that it holds it durably.

Target from there: 400 agents within 50 ms, in the median round.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvloop
from push_bench import Solo, SoloCoalition, measure_coroutines
from timing import machine, spread

TARGET_MS = 50
START_S, TOLD_S = 20.0, 20.0
REST_S = 0.3
KEY = b"pause"
Round = tuple[float, float]
"""Seconds until the slowest agent was told: from sending, and from when the order was durable."""


@contextlib.contextmanager
def etcd_served(folder: Path) -> Iterator[int]:
    """One member, its data in ``folder``, on loopback: the port of its API. It is durable: each write is synced before its answer."""
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        client, peer = (each.getsockname()[1] for each in (one, other))
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                shutil.which("etcd") or "etcd", "--data-dir", str(folder / "data"), "--name", "bench", "--log-level", "warn",
                "--listen-client-urls", here, "--advertise-client-urls", here,
                "--listen-peer-urls", there, "--initial-advertise-peer-urls", there, "--initial-cluster", f"bench={there}",
            ],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if server.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", client), 1):
                yield client
                return
            time.sleep(0.05)
        raise SystemExit(f"etcd did not start:\n{(folder / 'log').read_text(errors='replace')[-2_000:]}")
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def post(path: str, body: dict[str, object]) -> bytes:
    data = json.dumps(body).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
        + data
    )


def spelled(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Putter:
    """One connection that is there before the clock starts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def put(self, value: bytes) -> Round:
        """When it was sent, and when etcd had answered that it is durable."""
        sent_s = time.monotonic()
        self._writer.write(post("/v3/kv/put", {"key": spelled(KEY), "value": spelled(value)}))
        head = await self._reader.readuntil(b"\r\n\r\n")
        durable_s = time.monotonic()
        assert b" 200 " in head.split(b"\r\n", 1)[0], head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await self._reader.readexactly(int(length.split(b":")[1]))
        return sent_s, durable_s

    def close(self) -> None:
        self._writer.close()


@contextlib.asynccontextmanager
async def putter(port: int) -> AsyncIterator[Putter]:
    made = Putter(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield made
    finally:
        made.close()


class Crowd:
    """So many agents, each told once a round: when the last was."""

    def __init__(self, agents: int) -> None:
        self.agents = agents
        self._left = agents
        self._all = asyncio.Event()
        self._last_s = 0.0

    def told(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._last_s = time.monotonic()
            self._all.set()

    async def everybody(self) -> float:
        """When the last was told; the next round begins."""
        await asyncio.wait_for(self._all.wait(), TOLD_S)
        assert self._left == 0, f"{-self._left} agents were told twice"
        self._left = self.agents
        self._all.clear()
        return self._last_s


async def watched(port: int, agents: int) -> None:
    """Until etcd itself counts so many watchers."""
    async with asyncio.timeout(START_S):
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n")
            page = await reader.read()
            writer.close()
            if b"\netcd_debugging_mvcc_watcher_total %d\n" % agents in page:
                return
            await asyncio.sleep(0.2)


async def rounds_of(port: int, crowd: Crowd, rounds: int) -> list[Round]:
    """So many orders to watchers that are all there, after one that does not count."""
    await watched(port, crowd.agents)
    async with putter(port) as sender:
        taken = []
        for number in range(rounds + 1):
            await asyncio.sleep(REST_S)
            sent_s, durable_s = await sender.put(b"%d" % number)
            told_s = await crowd.everybody()
            taken.append((told_s - sent_s, told_s - durable_s))
        return taken[1:]


async def watch(port: int, crowd: Crowd, opening: asyncio.Semaphore) -> None:
    """One agent over HTTP: the first line says that the watch is there, each later one is an event."""
    async with opening:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post("/v3/watch", {"create_request": {"key": spelled(KEY)}}))
        while b'"created":true' not in await reader.readline():
            assert not reader.at_eof()
    try:
        while line := await reader.readline():
            if b'"events"' in line:
                assert json.loads(line)["result"]["events"][0]["kv"]["key"] == spelled(KEY)
                crowd.told()
    finally:
        writer.close()


async def over_http(port: int, agents: int, rounds: int) -> list[Round]:
    crowd, opening = Crowd(agents), asyncio.Semaphore(32)
    tasks = [asyncio.create_task(watch(port, crowd, opening)) for _ in range(agents)]
    try:
        return await rounds_of(port, crowd, rounds)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def over_grpc(port: int, agents: int, rounds: int) -> list[Round]:
    """etcd's own client: a watch for each agent; it prints the kind of an event on a line of its own."""
    client = await asyncio.create_subprocess_exec(
        shutil.which("etcdctl") or "etcdctl", "--endpoints", f"127.0.0.1:{port}", "watch", "-i",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "ETCDCTL_API": "3"},
    )  # fmt: skip
    assert client.stdin is not None
    assert client.stdout is not None
    crowd = Crowd(agents)

    async def read(lines: asyncio.StreamReader) -> None:
        while line := await lines.readline():
            if line == b"PUT\n":
                crowd.told()

    reading = asyncio.create_task(read(client.stdout))
    try:
        client.stdin.write(b"watch %s\n" % KEY * agents)
        await client.stdin.drain()
        return await rounds_of(port, crowd, rounds)
    finally:
        client.terminate()
        await client.wait()
        await reading


def row(name: str, taken: list[Round]) -> float:
    for which, label in ((0, "from sending"), (1, "from durable")):
        least, median, most = (each * 1_000 for each in spread([each[which] for each in taken]))
        print(f"{name:48}{label:14}{least:8.1f}{median:8.1f}{most:8.1f}", flush=True)
    return spread([each[1] for each in taken])[1] * 1_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"{machine()}; {given.agents} agents, {given.rounds} rounds; the slowest agent of each, milliseconds")
    print(f"{'':48}{'':14}{'least':>8}{'median':>8}{'most':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Solo(folder / "nodes", SoloCoalition()) as nodes:
            found = uvloop.run(measure_coroutines(nodes, given.agents, given.rounds))
        median = row("guards: coroutines, HTTP, one node", [(max(a), max(b)) for a, b in found])
        print(f"target {TARGET_MS} ms from durable: {'met' if median <= TARGET_MS else 'MISSED'}")
        for title, program, measure in (
            ("etcd: watchers as coroutines, HTTP", "etcd", over_http),
            ("etcd: its own client, one gRPC stream", "etcdctl", over_grpc),
        ):
            absent = [each for each in ("etcd", program) if shutil.which(each) is None]
            if absent:
                print(f"{title:48}absent: {absent[0]} is not installed")
                continue
            with etcd_served(folder / program) as port:
                row(title, uvloop.run(measure(port, given.agents, given.rounds)))


if __name__ == "__main__":
    main()
