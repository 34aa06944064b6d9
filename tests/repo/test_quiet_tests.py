"""Every test states its rule; outside ``integration/`` and ``conformance/`` it sleeps for nothing and opens no socket."""

import ast
import importlib
from pathlib import Path

import click
import pytest

from tests.repo.tree import ROOT


def complaints(root: Path) -> list[str]:
    """Each sleep and each import of sockets in a test that starts no processes."""
    found = []
    for path in sorted((root / "tests").rglob("*.py")):
        if path.relative_to(root).parts[1] in {"integration", "conformance", "repo"}:
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


def unstated(root: Path) -> list[str]:
    """Each test function without a docstring."""
    return [
        f"{path.relative_to(root).as_posix()}:{node.lineno} {node.name} states no rule"
        for path in sorted((root / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]


def test_every_test_states_its_rule():
    """The docstring of a test is the sentence that a reader of its failure needs."""
    found = unstated(ROOT)
    assert not found, "\n" + "\n".join(found)


def test_a_test_without_a_rule_is_found(tmp_path: Path):
    """A fixture needs no rule; a test does."""
    (tmp_path / "tests").mkdir()
    code = "def fixture(): ...\ndef test_a(): ...\ndef test_b():\n    '''A rule.'''\n"
    (tmp_path / "tests" / "test_x.py").write_text(code, "utf-8")
    assert unstated(tmp_path) == ["tests/test_x.py:2 test_a states no rule"]


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


def lone_commands(root: Path) -> list[str]:
    """Each command below ``detente`` that a test imports by itself."""
    found = []
    for path in sorted((root / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("detente.cli."):
                module = importlib.import_module(node.module or "")
                found += [
                    f"{path.relative_to(root).as_posix()}:{node.lineno} {alias.name}"
                    for alias in node.names
                    if isinstance(getattr(module, alias.name, None), click.Command)
                ]
    return found


def test_commands_are_called_below_detente():
    """A command keeps the help options of its first context: called alone, it would answer to `-h` nowhere any more."""
    assert lone_commands(ROOT) == []


def test_a_command_that_is_imported_alone_is_found(tmp_path: Path):
    """The search itself can fail."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("from detente.cli.hold import hold\n", "utf-8")
    assert lone_commands(tmp_path) == ["tests/test_a.py:1 hold"]
