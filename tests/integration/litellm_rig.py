"""LiteLLM's own proxy on loopback with the callback, before a constructed OpenAI server that streams without end.

LiteLLM need not be in this environment: ``DETENTE_LITELLM_PYTHON`` names a Python that has it and this package.
"""

import base64
import contextlib
import hashlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.asking_rig import WITHIN_S
from tests.integration.node_rig import free_ports
from tests.integration.serving_rig import VERSION, model_server, wait_until

PYTHON = os.environ.get("DETENTE_LITELLM_PYTHON") or (
    sys.executable if importlib.util.find_spec("litellm") and importlib.util.find_spec("fastapi") else ""
)
needs_litellm = pytest.mark.skipif(
    not PYTHON, reason="no LiteLLM: DETENTE_LITELLM_PYTHON names a Python that has it (pip install 'litellm[proxy]')"
)
TALK = "/v1/realtime?model=talk"
RESPOND = "/v1/responses"
CREATE = json.dumps({"type": "response.create", "model": "vllm", "input": "hello"}).encode()
"""What a client says first on a WebSocket of responses. LiteLLM makes it requests of HTTP to a model that has no such WebSocket."""
THINKS = "thinks"
"""What the model is asked where it does not answer, as long as its client waits."""
LOCAL = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True", "NO_DOCS": "True"}
KEY = "sk-of-the-test-alone"
HEADERS = {"authorization": f"Bearer {KEY}"}
GATE = """
from detente.hooks.litellm import held

gate = held({version!r}, home={home!r}, observe={observe!r})
"""
CONFIG = """
model_list:
  - model_name: lm
    litellm_params: {{model: openai/lm, api_base: "http://127.0.0.1:{port}/v1", api_key: none, max_retries: 0}}
  - model_name: talk
    litellm_params: {{model: openai/talk, api_base: "http://127.0.0.1:{port}", api_key: none}}
  - model_name: vllm
    litellm_params: {{model: hosted_vllm/vllm, api_base: "http://127.0.0.1:{port}/v1", api_key: none, max_retries: 0}}
litellm_settings:
  callbacks: detente_gate.gate
  num_retries: 0
general_settings:
  master_key: {key}
  pass_through_endpoints:
    - {{path: /raw, target: "http://127.0.0.1:{port}/v1/raw", include_subpath: true}}
files_settings:
  - {{custom_llm_provider: openai, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
"""
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "lm"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
MESSAGE = {"id": "m", "type": "message", "role": "assistant", "status": "completed"}
FILE = {
    "id": "file-1",
    "object": "file",
    "bytes": 9,
    "created_at": 1,
    "filename": "batch.jsonl",
    "purpose": "batch",
    "status": "processed",
}
BATCH = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "file-1",
    "completion_window": "24h",
    "status": "in_progress",
    "created_at": 1,
}
WHOLE = {
    "chat/completions": {
        **CHUNK,
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "answered"}}],
        "usage": USAGE,
    },
    "completions": {
        **CHUNK,
        "object": "text_completion",
        "choices": [{"index": 0, "finish_reason": "stop", "text": "answered"}],
        "usage": USAGE,
    },
    "embeddings": {
        "object": "list",
        "model": "lm",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    },
    "responses": {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "lm",
        "status": "completed",
        "parallel_tool_calls": True,
        "tools": [],
        "tool_choice": "auto",
        "temperature": 1.0,
        "top_p": 1.0,
        "output": [{**MESSAGE, "content": [{"type": "output_text", "text": "answered", "annotations": []}]}],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    },
    "raw": {"answered": True},
    "files": FILE,
    "batches": BATCH,
    "batches/batch_1/cancel": {**BATCH, "status": "cancelling"},
}
GETS = {
    "files": {"object": "list", "data": [FILE], "has_more": False},
    "files/file-1": FILE,
    "files/file-1/content": {"answered": True},
    "batches": {"object": "list", "data": [BATCH], "has_more": False},
    "batches/batch_1": BATCH,
}


class OpenAi(BaseHTTPRequestHandler):
    """Constructed: answers what LiteLLM's OpenAI client asks; with ``stream`` a piece every 20 ms without end."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_POST(self):
        body = self._body()
        said = json.loads(body or b"{}") if "json" in self.headers.get("content-type", "json") else {}
        route = self.path.removeprefix("/v1/").removeprefix("/")  # A health check has no /v1.
        self.asked.append(route)
        if [each["content"] for each in said.get("messages", ())] == [THINKS]:
            self.rfile.read(1)
            self.close_connection = True
            return
        if not said.get("stream"):
            self._say(WHOLE[route])
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(piece_of(route))
                self.wfile.flush()
                time.sleep(0.02)

    def do_GET(self):
        """Of files and batches what it has; else a WebSocket, on which it talks without end."""
        route = urlsplit(self.path).path.removeprefix("/v1/")
        if route in GETS:
            self.asked.append(f"GET {route}")
            self._say(GETS[route])
            return
        if "sec-websocket-key" not in self.headers:
            self.send_error(404)  # LiteLLM looks for a list of models.
            return
        self.asked.append(route)
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "Upgrade")
        accept = hashlib.sha1(key.encode(), usedforsecurity=False).digest()
        self.send_header("sec-websocket-accept", base64.b64encode(accept).decode())
        self.end_headers()
        self.close_connection = True
        kind = "response.output_text.delta" if route == "responses" else "response.text.delta"
        said = json.dumps({"type": kind, "event_id": "e", "delta": "a "}).encode()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(bytes([0x81, len(said)]) + said)
                self.wfile.flush()
                time.sleep(0.02)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _say(self, said: object) -> None:
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Nothing."""


def piece_of(route: str) -> bytes:
    """One event of an endless stream."""
    if route == "completions":
        said = {**CHUNK, "object": "text_completion", "choices": [{"index": 0, "finish_reason": None, "text": "a "}]}
    elif route == "responses":
        said = {
            "type": "response.output_text.delta",
            "item_id": "m",
            "output_index": 0,
            "content_index": 0,
            "delta": "a ",
            "sequence_number": 1,
            "logprobs": [],
        }
        return b"event: response.output_text.delta\ndata: " + json.dumps(said).encode() + b"\n\n"
    else:
        said = {
            **CHUNK,
            "choices": [{"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": "a "}}],
        }
    return b"data: " + json.dumps(said).encode() + b"\n\n"


@dataclass
class Proxy:
    url: str
    asked: list[str]
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def litellm_proxy(
    folder: Path,
    home: Path,
    *,
    observe: bool = False,
    callback: str = "detente_gate.gate",
    version: str = VERSION,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Proxy]:
    """LiteLLM with the callback, once it listens or has ended."""
    folder.mkdir()
    (port,) = free_ports(1)
    with model_server(OpenAi) as (model_port, asked), (folder / "proxy.log").open("wb") as log:
        upstream = f"http://127.0.0.1:{model_port}/v1"
        config = CONFIG.format(port=model_port, key=KEY).replace("detente_gate.gate", callback)
        (folder / "config.yaml").write_text(config)
        (folder / "detente_gate.py").write_text(GATE.format(version=version, home=str(home), observe=observe))
        process = subprocess.Popen(
            [
                *(
                    PYTHON,
                    "-c",
                    "from litellm import run_server; run_server()",
                    "--config",
                    str(folder / "config.yaml"),
                ),
                *("--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **LOCAL, "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": upstream, **(environment or {})},
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: process.poll() is not None or _alive(url), within_s=240)
            yield Proxy(url, asked, process, folder / "proxy.log")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)  # Its own session.
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait(WITHIN_S)


class Socket:
    """A WebSocket of a client that says ``first`` at most, read in a thread to its end. ``head`` is what the server answered, ``tail`` the last that came."""

    def __init__(self, url: str, path: str, first: bytes = b"") -> None:
        place = urlsplit(url)
        self.head = b""
        self.tail = b""
        self.pieces = 0
        self.ended = ""
        self._connection = socket.create_connection((place.hostname, place.port), WITHIN_S)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"host: {place.netloc}", f"authorization: Bearer {KEY}", "connection: Upgrade"]
        lines += ["upgrade: websocket", "sec-websocket-version: 13", f"sec-websocket-key: {key}"]
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode())
        self._first = first
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._connection, contextlib.suppress(OSError):
            while data := self._connection.recv(65_536):
                if b"\r\n\r\n" not in self.head:
                    self.head, mark, data = (self.head + data).partition(b"\r\n\r\n")
                    self.head += mark
                    if mark and self._first:  # Masked by zeros: RFC 6455 §5.3; at most 125 bytes.
                        self._connection.sendall(bytes([0x81, 0x80 | len(self._first), 0, 0, 0, 0]) + self._first)
                self.tail = (self.tail + data)[-2_000:]
                self.pieces += len(data) > 0
        self.ended = "closed"


def _alive(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health/liveliness").status_code == 200
    return False
