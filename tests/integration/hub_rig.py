"""A small Hub on loopback, constructed: the calls that an upload of the real ``huggingface_hub`` makes, answered from memory.

It checks what the real one is documented to check: the write token, and that what arrives under a SHA-256 has that SHA-256.
``huggingface_hub`` need not be in this environment: ``DETENTE_HUB_PYTHON`` names a Python that has it and this package.
"""

import base64
import contextlib
import hashlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PYTHON = os.environ.get("DETENTE_HUB_PYTHON") or (sys.executable if importlib.util.find_spec("huggingface_hub") else "")
needs_hub = pytest.mark.skipif(
    not PYTHON, reason="no huggingface_hub: DETENTE_HUB_PYTHON names a Python that has it (pip install huggingface_hub)"
)
TOKEN = "hf_" + "w" * 32


@dataclass
class Hub:
    """What it was sent: ``files`` of the commits, ``stored`` by SHA-256, and the tokens that requests carried."""

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    commits: list[str] = field(default_factory=list)
    before_store: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_POST(self):
        body = self._body()
        if not self._may_write():
            return
        if "/preupload/" in self.path:
            modes = [
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if each["size"] > 1 << 20 else "regular",
                    "shouldIgnore": False,
                }
                for each in json.loads(body)["files"]
            ]
            self._say({"files": modes})
        elif self.path.endswith("/info/lfs/objects/batch"):
            self.hub.before_store()
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.hub.url}/store/{each['oid']}", "header": {}}}}
                for each in json.loads(body)["objects"]
            ]
            self._say({"transfer": "basic", "objects": objects})
        elif "/commit/" in self.path:
            self._commit([json.loads(line) for line in body.splitlines()])
        else:
            self._say({})

    def do_PUT(self):
        data, oid = self._body(), self.path.rsplit("/", 1)[1]
        if hashlib.sha256(data).hexdigest() != oid:
            self._say({"error": "the bytes are not those of the oid"}, 400)
            return
        self.hub.stored[oid] = data
        self._say({})

    def do_GET(self):
        self._say({"error": "not here"}, 404)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _commit(self, lines):
        for line in lines:
            if line["key"] == "header":
                self.hub.commits.append(line["value"]["summary"])
            elif line["key"] == "file":
                self.hub.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[line["value"]["path"]] = self.hub.stored[line["value"]["oid"]]
        oid = f"{len(self.hub.commits):040d}"
        said = {"commitOid": oid, "commitUrl": f"{self.hub.url}/lab/lm/commit/{oid}", "success": True, "hookOutput": ""}
        self._say(said)

    def _may_write(self) -> bool:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        self.hub.tokens.add(token)
        if token != TOKEN and "/validate-yaml" not in self.path:
            self._say({"error": "unauthorized"}, 401)
            return False
        return True

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("content-length", "0")))

    def _say(self, said, status=200):
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_arguments):
        """Nothing."""


@contextlib.contextmanager
def small_hub() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Of", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
