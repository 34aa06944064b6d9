"""What leave costs a served request, and how soon an open stream is cut: nginx direct, asking, and asking with the relay; LiteLLM with and without.

    python bench/serving_bench.py

Real nginx (Debian's, of its own prefix) is both the front and the model, so that the model costs next to nothing. LiteLLM's proxy answers by its own
``mock_response``; it is measured where ``DETENTE_LITELLM_PYTHON`` names a Python that has it and this package. All in one run, in turn.

Targets: LiteLLM's callback at most 0.1 ms a request beyond one that does nothing; streams cut at most 100 ms after the lapse.
"""

import asyncio
import contextlib
import http.client
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from detente.app.guarding import Leave
from detente.app.init import make_solo
from detente.app.kept_leave import KeptLeave
from detente.base.digest import Digest
from detente.hooks.relay import Relay
from detente.hooks.serving import nginx_config
from detente.hooks.under_way import EndsWithLeave, note

ROUNDS, LITELLM_ROUNDS, STREAMS, CUTS = 300, 100, 50, 5
VERSION = "a" * 64
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
LITELLM = os.environ.get("DETENTE_LITELLM_PYTHON", "")
CONFIG = """
model_list:
  - model_name: lm
    litellm_params: {model: openai/lm, api_key: none, mock_response: answered}
general_settings: {master_key: sk-of-the-bench-alone}
"""


EMPTY = """
from litellm.integrations.custom_logger import CustomLogger


class Empty(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        return None

    async def async_post_call_streaming_iterator_hook(self, user_api_key_dict, response, request_data):
        async for each in response:
            yield each


gate = Empty()
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextlib.contextmanager
def process(command: list[str], cwd: Path, **environment: str) -> Iterator[None]:
    """A process of ours, ended by its id."""
    with (cwd / "log").open("ab") as log:
        popen = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=cwd, env={**os.environ, **environment}
        )
    try:
        yield
    finally:
        popen.terminate()
        try:
            popen.wait(20)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def wait_for(port: int, path: str, status: int, within_s: float = 240.0) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ask(http.client.HTTPConnection("127.0.0.1", port, timeout=30), "GET", path) == status:
                return
        time.sleep(0.05)
    raise SystemExit(f"got no {status} at port {port}{path} in {within_s:.0f} s")


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    response.read()
    return response.status


def in_turn(places: list[tuple[str, int, str, bytes, dict[str, str]]], rounds: int) -> list[tuple[str, list[float]]]:
    """Milliseconds of each place's requests, one after the other in every round, each on a connection that stays."""
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _, port, *_ in places]
    taken: list[list[float]] = [[] for _ in places]
    for number in range(rounds + 5):
        for index, (what, _, path, body, headers) in enumerate(places):
            began = time.perf_counter()
            status = ask(connections[index], "POST" if body else "GET", path, body, **headers)
            if number >= 5:
                taken[index].append((time.perf_counter() - began) * 1e3)
            if status != 200:
                raise SystemExit(f"got {status} of {what}; expected 200")
    return [(what, times) for (what, *_), times in zip(places, taken, strict=True)]


def through_nginx(folder: Path, home: Path) -> list[tuple[str, list[float]]]:
    model, direct, asking, full, gate, relay = free_ports(6)
    plain = "proxy_pass http://127.0.0.1:{}; proxy_http_version 1.1; proxy_set_header Connection '';"
    ours = nginx_config(gate=f"127.0.0.1:{gate}", relay=f"127.0.0.1:{relay}", listen=f"127.0.0.1:{full}")
    only_asking = ours.replace(f":{full}", f":{asking}").replace("http://detente_relay", "http://model")[
        ours.index("server {\n") :
    ]
    paths = "".join(
        f"{each}_temp_path {folder}/{each};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}"
        f"upstream model {{ server 127.0.0.1:{model}; keepalive 16; }}\n"
        f"server {{ listen 127.0.0.1:{model}; location / {{ return 200 answered; }} }}\n"
        f"server {{ listen 127.0.0.1:{direct}; location / {{ {plain.format(model).replace(f'127.0.0.1:{model}', 'model')} }} }}\n"
        f"{ours}\n{only_asking}\n}}\n"
    )
    serving = [sys.executable, "-m", "detente", "hook", "serving", VERSION, "--home", str(home)]
    serving += ["--to", f"127.0.0.1:{model}", "--port", str(gate), "--relay-port", str(relay)]
    with process([str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")], folder), process(serving, folder):
        wait_for(gate, "/leave", 204)
        wait_for(full, "/", 200)
        return in_turn(
            [
                ("nginx, model behind it", direct, "/", b"", {}),
                ("nginx, auth_request at the gate", asking, "/", b"", {}),
                ("nginx, auth_request and relay", full, "/", b"", {}),
                ("the relay alone", relay, "/", b"", {}),
            ],
            ROUNDS,
        )


def through_litellm(folder: Path, home: Path) -> list[tuple[str, list[float]]]:
    ours = f"from detente.hooks.litellm import held\n\ngate = held({VERSION!r}, home={str(home)!r})\n"
    kinds = {"no callback": "", "a callback that does nothing": EMPTY, "ours": ours}
    ports = free_ports(len(kinds))
    body = json.dumps({"model": "lm", "messages": [{"role": "user", "content": "hello"}]}).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-of-the-bench-alone"}
    with contextlib.ExitStack() as stack:
        for port, code in zip(ports, kinds.values(), strict=True):
            place = folder / str(port)
            place.mkdir()
            more = "litellm_settings: {callbacks: detente_gate.gate}\n" if code else ""
            (place / "config.yaml").write_text(CONFIG + more)
            (place / "detente_gate.py").write_text(code)
            command = [LITELLM, "-c", "from litellm import run_server; run_server()", "--config", "config.yaml"]
            command += ["--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"]
            stack.enter_context(process(command, place, LITELLM_LOCAL_MODEL_COST_MAP="True", DISABLE_ADMIN_UI="True"))
        for port in ports:
            wait_for(port, "/health/liveliness", 200)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:  # Until the first permit.
            connection = http.client.HTTPConnection("127.0.0.1", ports[-1], timeout=60)
            if ask(connection, "POST", "/v1/chat/completions", body, **headers) == 200:
                break
        places = [
            (f"LiteLLM, {kind}", port, "/v1/chat/completions", body, headers)
            for kind, port in zip(kinds, ports, strict=True)
        ]
        return in_turn(places, LITELLM_ROUNDS)


def compared_us() -> list[float]:
    """Microseconds of the comparison itself, means of a thousand."""
    kept = KeptLeave(Digest(VERSION))
    kept.hear(Leave(until_s=time.clock_gettime(time.CLOCK_BOOTTIME) + 3_600, rate=Decimal(1), epoch=1))
    taken = []
    for _ in range(50):
        began = time.perf_counter()
        for _ in range(1_000):
            kept.refusal()
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


async def application(_scope: object, _receive: object, send: Callable[[dict[str, object]], Awaitable[None]]) -> None:
    """Answers as LiteLLM does: with a score of headers."""
    note()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-litellm-%d" % n, b"") for n in range(20)]}
    )
    await send({"type": "http.response.body", "body": b"answered"})


def around_us() -> list[float]:
    """Microseconds of processor time that the layer around LiteLLM's application adds to a request, means of a thousand."""
    kept = KeptLeave(Digest(VERSION))
    kept.hear(Leave(until_s=time.clock_gettime(time.CLOCK_BOOTTIME) + 3_600, rate=Decimal(1), epoch=1))

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        return

    async def taken(app: Any) -> float:
        began = time.process_time()
        for _ in range(1_000):
            await app({"type": "http"}, receive, send)
        return (time.process_time() - began) * 1e3

    async def rounds() -> list[float]:
        around = EndsWithLeave(application, kept)
        return [await taken(around) - await taken(application) for _ in range(20)]

    return asyncio.run(rounds())


def cut_ms() -> list[float]:
    """Milliseconds from the lapse to the end of the last of ``STREAMS`` open streams through a relay in a thread of its own."""
    return [asyncio.run(one_cut()) for _ in range(CUTS)]


async def one_cut() -> float:
    streaming = asyncio.Event()
    streaming.set()

    async def model(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while streaming.is_set():
                writer.write(b"data: token\n\n")
                await writer.drain()
                await asyncio.sleep(0.02)

    server = await asyncio.start_server(model, "127.0.0.1", 0)
    model_port = server.sockets[0].getsockname()[1]
    kept = KeptLeave(Digest(VERSION))
    kept.hear(Leave(until_s=time.clock_gettime(time.CLOCK_BOOTTIME) + 3_600, rate=Decimal(1), epoch=1))
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    started, over = threading.Event(), threading.Event()

    async def relaying() -> None:
        serving = asyncio.create_task(Relay(kept, "127.0.0.1", model_port).serve(listening, ready=started.set))
        await asyncio.to_thread(over.wait)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(relaying()))
    thread.start()
    await asyncio.to_thread(started.wait)

    async def client() -> float:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError):
            while await reader.read(4_096):
                pass
        ended = time.clock_gettime(time.CLOCK_BOOTTIME)
        writer.close()
        return ended

    clients = [asyncio.create_task(client()) for _ in range(STREAMS)]
    await asyncio.sleep(0.5)
    lapse_s = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.5
    kept.hear(Leave(until_s=lapse_s, rate=Decimal(1), epoch=2))
    ended = await asyncio.gather(*clients)
    over.set()
    await asyncio.to_thread(thread.join)
    server.close()
    streaming.clear()
    await asyncio.sleep(0.1)
    return (max(ended) - lapse_s) * 1e3


def main() -> None:
    if NGINX is None:
        raise SystemExit("got no nginx; expected it on PATH; on Debian: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / "home"
        asyncio.run(make_solo(home, deployments=True, port=free_ports(1)[0]))
        (folder / "nginx").mkdir()
        (folder / "litellm").mkdir()
        rows = through_nginx(folder / "nginx", home)
        proxied = through_litellm(folder / "litellm", home) if LITELLM else []
    cuts, compared, around = cut_ms(), compared_us(), around_us()
    print(
        f"{platform.machine()}, Python {platform.python_version()}, {ROUNDS} rounds ({LITELLM_ROUNDS} of LiteLLM); milliseconds"
    )
    print(f"{'':44}{'least':>9}{'median':>9}{'most':>9}")
    for what, taken in [*rows, *proxied]:
        print(f"{what:44}{min(taken):9.2f}{statistics.median(taken):9.2f}{max(taken):9.2f}")
    print(
        f"{f'{STREAMS} streams, the lapse to the last cut':44}{min(cuts):9.1f}{statistics.median(cuts):9.1f}{max(cuts):9.1f}"
    )
    for what, taken in (
        ("the comparison itself, microseconds", compared),
        ("the layer around a request, microseconds", around),
    ):
        print(f"{what:44}{min(taken):9.2f}{statistics.median(taken):9.2f}{max(taken):9.2f}")
    if not proxied:
        print("LiteLLM: not measured; DETENTE_LITELLM_PYTHON names a Python that has it and this package")
    else:
        added = statistics.median(proxied[2][1]) - statistics.median(proxied[1][1])
        print(
            f"target 0.1 ms for the callback, beyond one that does nothing: {'met' if added <= 0.1 else 'MISSED'} ({added:.2f} ms)"
        )
    print(f"target 100 ms for open streams: {'met' if max(cuts) <= 100 else 'MISSED'} ({max(cuts):.0f} ms)")


if __name__ == "__main__":
    main()
