"""The gate as a process of its own with TLS, and a *constructed* caller that is configured by the manifests."""

import base64
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from detente.app.kubernetes.manifests import Choices, make_tls
from tests.integration.asking_rig import WITHIN_S
from tests.kubernetes_caller import Caller

IMAGE = "registry.example/detente@sha256:" + "0" * 64


@contextlib.contextmanager
def gate(home: Path, folder: Path, *options: str, within_s: float = 8.0) -> Iterator[Caller]:
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
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        assert popen.stdout is not None
        line = popen.stdout.readline()
        assert line, (folder / "gate.log").read_text()
        port = int(json.loads(line)["serving"].rsplit(":", 1)[1].partition("/")[0])
        bundle = base64.b64encode(tls.authority).decode()
        caller = Caller(port, Choices(image=IMAGE, ca_bundle=bundle, within_s=within_s))
        caller.process = popen
        yield caller
    finally:
        popen.kill()
        popen.stdout.close()
        popen.wait(WITHIN_S)
