"""A model server on loopback, nginx with its own configuration and prefix, and the gate: real processes, ended by their id."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.integration.asking_rig import WITHIN_S
from tests.integration.node_rig import free_ports

STOPS_RELEASES = ("activities: [training, self_improvement]", "activities: [training, self_improvement, deployment]")
SHORT_LIVES = ("life: {calm: 15 min, alert: 1 min}", "life: {calm: 3 s, alert: 3 s}")
VERSION = "a" * 64


def wait_until(condition, *, within_s: float = WITHIN_S) -> None:
    """Wait for a state; fails when it does not come."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.01)


class Model(BaseHTTPRequestHandler):
    """A model server: ``/stream`` sends a line every 20 ms without end, everything else answers ``answered``."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self):
        self.asked.append(self.path)
        if self.path != "/stream":
            self.send_response(200)
            self.send_header("content-length", "8")
            self.end_headers()
            self.wfile.write(b"answered")
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"d\r\ndata: token\n\n\r\n")
                self.wfile.flush()
                time.sleep(0.02)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", "0")))
        self.do_GET()

    def log_message(self, *_arguments):
        """Nothing."""


@contextlib.contextmanager
def model_server(handler: type[BaseHTTPRequestHandler] = Model) -> Iterator[tuple[int, list[str]]]:
    """Its port, and the paths that it was asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (handler,), {"asked": asked}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Gate:
    """The process of ``detente hook serving``."""

    process: subprocess.Popen[bytes]
    port: int
    relay: int


@contextlib.contextmanager
def gate(home: Path, model_port: int, *more: str, version: str = VERSION) -> Iterator[Gate]:
    ports = free_ports(2)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "detente", "hook", "serving", version, "--to", f"127.0.0.1:{model_port}"),
            *("--port", str(ports[0]), "--relay-port", str(ports[1]), "--home", str(home), "--json", *more),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        yield Gate(process, said["gate"], said["relay"])
    finally:
        process.kill()
        process.wait(WITHIN_S)
        process.stdout.close()


class Stream:
    """An open stream, read in a thread: what came, how it ended, and whether it did."""

    def __init__(self, url: str, *, method: str = "GET", **request: Any) -> None:
        self.pieces = 0
        self.tail = b""
        self.ended: str | None = None
        self._thread = threading.Thread(target=self._read, args=(method, url, request), daemon=True)
        self._thread.start()
        wait_until(lambda: self.pieces > 1 or self.ended)
        assert self.ended is None

    def _read(self, method: str, url: str, request: dict[str, Any]) -> None:
        try:
            with httpx.stream(method, url, timeout=60, **request) as response:
                for piece in response.iter_raw():
                    self.pieces += 1
                    self.tail = (self.tail + piece)[-2_000:]
            self.ended = "complete"
        except httpx.HTTPError as error:
            self.ended = type(error).__name__


def printed_config(gate_port: int, relay_port: int, port: int) -> str:
    """What `detente hook serving --nginx` prints is what runs."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "detente", "hook", "serving", VERSION, "--nginx"),
            *("--port", str(gate_port), "--relay-port", str(relay_port), "--listen", f"127.0.0.1:{port}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def wait_for_leave(made: Gate, *, held: bool = True) -> None:
    """Until the gate answers as expected."""
    expected = 204 if held else 403
    wait_until(lambda: httpx.get(f"http://127.0.0.1:{made.port}/leave").status_code == expected)


@contextlib.contextmanager
def nginx(folder: Path, text: str, port: int) -> Iterator[str]:
    """nginx with this server block, of its own prefix; its URL."""
    folder.mkdir()
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\ndaemon off;\nworker_processes 1;\n"
        f"events {{ worker_connections 256; }}\nhttp {{\naccess_log off;\n"
        + "".join(
            f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + text
        + "}\n"
    )
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program is not None
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (folder / "error.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(WITHIN_S)


def has_nginx() -> bool:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is not None


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0
