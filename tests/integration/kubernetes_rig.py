"""The gate as a process of its own with TLS, and a *constructed* caller that is configured by the manifests."""

import base64
import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from detente.app.kubernetes.manifests import Choices, make_tls
from tests.integration.asking_rig import WITHIN_S, detente
from tests.kubernetes_caller import Caller, pod, request

IMAGE = "registry.example/detente@sha256:" + "0" * 64


@contextlib.contextmanager
def gate(
    home: Path,
    folder: Path,
    *options: str,
    within_s: float = 8.0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Caller]:
    """``detente hook kubernetes serve`` on a free port, and a caller that trusts it; ``caller.process`` is the gate."""
    folder.mkdir(exist_ok=True)
    tls = make_tls(days=2)
    (folder / "tls.crt").write_bytes(tls.certificate)
    (folder / "tls.key").write_bytes(tls.key)
    words = ["--cert", str(folder / "tls.crt"), "--key", str(folder / "tls.key"), "--port", "0", "--json"]
    words += ["--within", f"{within_s:g}", "--home", str(home), *options]
    with (folder / "gate.log").open("wb") as log:
        popen = subprocess.Popen(
            [sys.executable, "-m", "detente", "hook", "kubernetes", "serve", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"},
        )
    try:
        assert popen.stdout is not None
        line = popen.stdout.readline()
        assert line, (folder / "gate.log").read_text()
        port = int(json.loads(line)["serving"].rsplit(":", 1)[1].partition("/")[0])
        bundle = base64.b64encode(tls.authority).decode()
        choices = Choices(image=IMAGE, ca_bundle=bundle, within_s=within_s, observe="--observe" in options)
        caller = Caller(port, choices)
        caller.process = popen
        yield caller
    finally:
        popen.kill()
        popen.stdout.close()
        popen.wait(WITHIN_S)


def lift(home: Path) -> None:
    """The safety side takes its pause back."""
    done = detente("lift", "--trigger", "call", "--as", "safety-team", home=home)
    assert done.returncode == 0, done.stderr.decode()


def until_admitted(caller: Caller) -> None:
    """On a busy machine the first answers may come too late, and are refusals then."""
    until_s = time.monotonic() + WITHIN_S
    while not (verdict := caller.admit(request("pods", pod()))).allowed:
        assert time.monotonic() < until_s, verdict.reason


class Liar:
    """A TLS server with the right certificate that answers whatever it is told."""

    def __init__(self, folder, answer: bytes) -> None:
        tls = make_tls(days=2)
        for name, data in (("c", tls.certificate), ("k", tls.key)):
            (folder / name).write_bytes(data)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "c", folder / "k")
        self.bundle = base64.b64encode(tls.authority).decode()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.answer = answer
        self.thread = threading.Thread(target=self._serve, args=(context,), daemon=True)
        self.thread.start()

    def _serve(self, context) -> None:
        connection, _ = self.listening.accept()
        with context.wrap_socket(connection, server_side=True) as link:
            link.recv(1 << 16)
            link.sendall(self.answer)

    def close(self) -> None:
        self.thread.join(WITHIN_S)
        self.listening.close()


def http(status: str, body: bytes) -> bytes:
    """An answer with this body."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
