"""A node answers whatever it is sent: a scan of its own OpenAPI document with generated requests finds no error of its own."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from detente.app.config import Limits
from detente.app.init import make_solo
from detente.server.openapi import OPENAPI

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
STREAM = "/v1/events"
"""It does not end, so a scanner would wait for it; ``test_node_writing`` and others read it."""
EXAMPLES = 6
METHODS = {"get", "post", "put", "delete"}


def test_a_scan_of_every_route_finds_no_server_error_and_nothing_that_the_document_does_not_say(tmp_path: Path):
    """Each operation with its boundary values and random ones: no 5xx, and statuses, types and bodies as documented."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    limits = Limits(address_s=100_000, key_s=10_000, guard_s=10_000)  # otherwise most answers are 429
    asyncio.run(make_solo(tmp_path / "home", port=port, limits=limits))
    serve = [
        sys.executable,
        "-c",
        "from detente.cli import main; main()",
        "node",
        "serve",
        "--home",
        str(tmp_path / "home"),
    ]
    with (tmp_path / "node.log").open("wb") as log, subprocess.Popen(serve, stdout=log, stderr=log) as node:
        try:
            wait_until_served(f"http://127.0.0.1:{port}", node)
            scan = [
                *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"),
                f"http://127.0.0.1:{port}/openapi.json",
                *("--max-examples", str(EXAMPLES), "--checks", CHECKS, "--exclude-path", STREAM),
                *("--seed", "1", "--request-timeout", "60", "--no-color"),
            ]
            done = subprocess.run(
                scan, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"}
            )
        finally:
            node.terminate()
    said = "\n".join(line[:300] for line in done.stdout.splitlines())
    assert done.returncode == 0, said
    found = re.search(r"(\d+) selected /", said)
    operations = sum(len(each.keys() & METHODS) for each in OPENAPI["paths"].values())
    assert found is not None, said
    assert int(found[1]) >= operations - 2, "all but the stream and the document itself"
    assert b"Traceback" not in (tmp_path / "node.log").read_bytes()


def wait_until_served(url: str, node: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert node.poll() is None, "the node ended"
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the node did not come up within 60 s")
