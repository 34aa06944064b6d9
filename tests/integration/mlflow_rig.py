"""A real MLflow server on loopback with the gate in front of it, and MLflow's own client in front of that.

MLflow need not be in this environment: ``DETENTE_MLFLOW_PYTHON`` names a Python that has it.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.integration.asking_rig import WITHIN_S
from tests.integration.node_rig import free_ports
from tests.integration.serving_rig import wait_until

CLIENT = Path(__file__).with_name("mlflow_client.py")
PYTHON = os.environ.get("DETENTE_MLFLOW_PYTHON") or (sys.executable if importlib.util.find_spec("mlflow") else "")
needs_mlflow = pytest.mark.skipif(
    not PYTHON, reason="no MLflow: DETENTE_MLFLOW_PYTHON names a Python that has it (pip install mlflow)"
)


@dataclass
class Server:
    """A server without the gate: where it listens, and where its artifacts are."""

    url: str
    artifacts: Path
    folder: Path


@contextlib.contextmanager
def mlflow_server(folder: Path) -> Iterator[Server]:
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(PYTHON, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
                *(
                    "--backend-store-uri",
                    f"sqlite:///{folder}/mlflow.db",
                    "--artifacts-destination",
                    f"{folder}/artifacts",
                ),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={
                **os.environ,
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "DO_NOT_TRACK": "1",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # A dozen processes that nothing here needs.
            },
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: process.poll() is not None or _healthy(url), within_s=240)
        assert process.poll() is None, (folder / "server.log").read_text()[-2_000:]
        (folder / "artifacts").mkdir(exist_ok=True)
        yield Server(url, folder / "artifacts", folder)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)  # Its own session: the server and the workers that it started.
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(WITHIN_S)


@contextlib.contextmanager
def mlflow_gate(home: Path, to: str, *more: str) -> Iterator[str]:
    """The process of ``detente hook mlflow``; its URL."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "detente", "hook", "mlflow", "--to", to, "--port", "0"),
            *("--home", str(home), "--json", "--within", "60", *more),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(WITHIN_S)


class Client:
    """MLflow's own client, a process that stays: importing it is most of what it costs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._process = subprocess.Popen(
            [PYTHON, str(CLIENT)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"},
        )

    def __call__(self, url: str, *steps: str) -> dict[str, dict]:
        """What it hears, by step."""
        said = {}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for step in steps:
            self._process.stdin.write(f"{url} {step}\n".encode())
            self._process.stdin.flush()
            said[step] = json.loads(self._process.stdout.readline())
        return said

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(WITHIN_S)


def _healthy(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health").status_code == 200
    return False
