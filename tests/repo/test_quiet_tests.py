"""Tests outside ``integration/`` sleep for nothing and open no socket: they are the same on every machine."""

import ast
from pathlib import Path

import pytest

from tests.repo.tree import ROOT


def complaints(root: Path) -> list[str]:
    """Each sleep and each import of sockets in a test that is not an integration test."""
    found = []
    for path in sorted((root / "tests").rglob("*.py")):
        if path.relative_to(root).parts[1] in {"integration", "repo"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            place = f"{path.relative_to(root).as_posix()}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "sleep":
                if [ast.unparse(argument) for argument in node.args] != ["0"]:
                    found.append(f"{place} sleeps")
            elif isinstance(node, ast.Import) and any(alias.name == "socket" for alias in node.names):
                found.append(f"{place} imports socket")
            elif isinstance(node, ast.ImportFrom) and node.module in {"socket", "uvicorn"}:
                found.append(f"{place} imports {node.module}")
    return found


def test_only_integration_tests_sleep_or_open_sockets():
    """A sleep hides a race and a socket needs a machine; scenarios come from ``testing.World``."""
    assert complaints(ROOT) == []


@pytest.mark.parametrize(
    ("place", "code", "count"),
    [
        ("unit/test_a.py", "import time\ntime.sleep(1)", 1),
        ("unit/test_a.py", "import asyncio\nasyncio.sleep(0)", 0),
        ("model/test_a.py", "import socket", 1),
        ("integration/test_a.py", "import socket, time\ntime.sleep(1)", 0),
    ],
)
def test_a_sleep_or_a_socket_is_found(tmp_path: Path, place: str, code: str, count: int):
    """Giving way to the event loop is no sleep."""
    path = tmp_path / "tests" / place
    path.parent.mkdir(parents=True)
    path.write_text(code, "utf-8")
    assert len(complaints(tmp_path)) == count
